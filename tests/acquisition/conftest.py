"""A watched directory with its catalogue, and an ingest that reads in this process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from xpcs_dash.acquisition.ingest import Ingest
from xpcs_dash.acquisition.readers import InlinePool
from xpcs_dash.acquisition.reading import Reading
from xpcs_dash.acquisition.scan import stat_of
from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.errors import UnknownLayout, UnreadableFile
from xpcs_dash.settings import load_settings


class StubReader:
    """Reads tiny text files: the first word decides. Counts what it was asked to read."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.min_coincidences = 10.0

    def __call__(self, path: str, fit: bool = False) -> Reading:
        self.opened.append(path)
        text = Path(path).read_text()
        if not text.endswith("end"):
            raise UnreadableFile(path, "truncated file", "wait", transient=True)
        if text.startswith("raw"):
            raise UnknownLayout(path, "not a result file")
        kinds = ["partition"] if text.startswith("partition") else ["multitau"]
        columns = {"layout": "stub", "kinds": kinds, "content": text, "summary": self.summary()}
        return Reading(stat_of(path), columns)

    def summary(self):
        return {"flags": [], "min_coincidences": self.min_coincidences}


class Beamline:
    """One directory, one catalogue, and as many ingests after each other as a test wants."""

    def __init__(self, base: Path) -> None:
        self.root = base / "data"
        self.root.mkdir()
        self.base, self.reader = base, StubReader()
        self.ingest: Ingest | None = None
        self.settings = self.configure()
        self.catalogue = Catalogue(self.settings.catalogue, self.settings.roots)

    def configure(self, **changes):
        values = {"rescan_s": 0.3, "settle_s": 0.05, "retry_limit_s": 1.0, "watch_mode": "inotify", **changes}
        self.settings = load_settings(root=self.root, state_dir=self.base / "state", **values)
        return self.settings

    def start(self, pool=None, **changes) -> Ingest:
        self.stop()
        self.configure(**changes)
        self.ingest = Ingest(self.settings, self.catalogue, pool or InlinePool(self.reader))
        self.ingest.start()
        return self.ingest

    def stop(self) -> None:
        if self.ingest is not None:
            self.ingest.stop()
            self.ingest = None

    def write(self, name: str, text: str = "hdf end") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def until(self, condition: Callable[[], bool], seconds: float = 15.0) -> None:
        """Let ingest work until something is so."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.states()
            if self.ingest is not None:
                self.ingest.step(0.05)
            else:
                time.sleep(0.05)

    def work(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.ingest.step(0.05)

    def states(self) -> dict[str, str]:
        rows = self.catalogue.files(states=("waiting", "ready", "failed", "gone"))
        return {os.path.relpath(row.path, self.root): row.state for row in rows}

    def states_of(self, path: Path) -> str | None:
        row = self.catalogue.by_path(path)
        return None if row is None else row.state

    def row(self, name: str):
        return self.catalogue.by_path(self.root / name)


@pytest.fixture
def beamline(tmp_path):
    found = Beamline(tmp_path)
    yield found
    found.stop()
    found.catalogue.close()
