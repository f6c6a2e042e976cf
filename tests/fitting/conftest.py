from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Compiled programs of the whole session in one cache, away from the user's own."""
    from xpcs_dash.fitting.runtime import configure_jax

    yield configure_jax(tmp_path_factory.mktemp("state"))
