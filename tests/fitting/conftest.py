from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled programs are kept where `shared_run` says, away from the user's own."""
    from xpcs_dash.fitting.runtime import configure_jax

    return configure_jax(tmp_path_factory.mktemp("state"))
