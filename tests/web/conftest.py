"""An app on a catalogue of its own, filled by hand: no watcher and no files are needed to test the shell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.filling import beat
from xpcs_dash.services import Services, build_services
from xpcs_dash.settings import Settings, load_settings

MakeServices = Callable[..., Services]


@pytest.fixture
def make_services(tmp_path: Path) -> Iterator[MakeServices]:
    """Builds services on a new state directory; keyword arguments are settings."""
    made: list[Services] = []

    def make(**settings: Any) -> Services:
        number = len(made)
        root = tmp_path / f"data{number}"
        root.mkdir()
        given: Settings = load_settings(root=root, state_dir=tmp_path / f"state{number}", **settings)
        made.append(build_services(given))
        return made[-1]

    yield make
    for services in made:
        services.close()


@pytest.fixture
def services(make_services: MakeServices) -> Services:
    """Services of an empty directory with a live watcher."""
    found = make_services()
    assert found.settings.root is not None
    beat(found.catalogue, found.settings.root)
    return found
