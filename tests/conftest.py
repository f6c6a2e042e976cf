"""Fixtures shared by all tests."""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import shared_run, standins
from tests.standins import BES, E0173, LLPS_MIDDLE, LLPS_STRONG, LLPS_WEAK, REAL, Known, makers

__all__ = ["A001", "A001_QMAP", "A002", "A003", "BES", "E0173", "LLPS_MIDDLE", "LLPS_STRONG", "LLPS_WEAK"]

DATA = Path(__file__).parent / "data"
#: Tests write as the one person at this machine, unless they are about who may.
os.environ.setdefault("XPCS_DASH_OPEN_ON_LOOPBACK", "true")
SHARED = Path(os.environ.get("XPCS_DASH_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))

A001 = "A001_silica_multitau_results.hdf"
A001_QMAP = "A001_silica_multitau_qmap.hdf"
A002 = "A002_gel_aging_both_results.hdf"
A003 = "A003_silica_diluted_results.hdf"


ENDS_THE_RUN = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin the run, or join it."""
    config.stash[ENDS_THE_RUN] = shared_run.begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave no server behind."""
    if config.stash.get(ENDS_THE_RUN, False):
        shared_run.end()


class Samples:
    """Paths of sample files; ours stand in for those of other people where these are not beside the checkout.

    Parameters
    ----------
    folder : where the stand-ins are made, once for all processes of a run and for later runs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str) -> Path:
        """Path of a sample, or of what stands in for it."""
        for place in (DATA, SHARED):
            if (place / name).is_file():
                return place / name
        return self.stand_in(name)[0]

    def known(self, name: str) -> Known:
        """What is known of the file that `__call__` gives."""
        return REAL[name] if (SHARED / name).is_file() else self.stand_in(name)[1]

    def stand_in(self, name: str) -> tuple[Path, Known]:
        """The stand-in for a sample, and what is known of it."""
        path, facts = self.folder / name, self.folder / f"{name}.known"
        if not facts.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder) as made:
                known = makers()[name](Path(made) / name)
                (Path(made) / facts.name).write_bytes(pickle.dumps(known))
                for target in (path, facts):  # in this order: who sees the second finds the first
                    (Path(made) / target.name).replace(target)
        return path, pickle.loads(facts.read_bytes())


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Path of a sample file by its name."""
    digest = hashlib.sha256(Path(standins.__file__).read_bytes()).hexdigest()[:16]
    top = tmp_path_factory.getbasetemp()
    top = top.parent if "PYTEST_XDIST_WORKER" in os.environ else top
    return Samples(top.parent / f"stand-ins-{digest}")


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    """What a test does to the root logger ends with it: its stream is the test's, closed afterwards."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """Path of the system's Chromium, or None."""
    named = os.environ.get("XPCS_DASH_CHROMIUM")
    return named or next((found for found in map(shutil.which, CHROMIUM) if found), None)


@pytest.fixture(scope="session")
def playwright_browser() -> Iterator[Any]:
    """One Chromium for all tests of this process that need one.

    Where there is none they are skipped with the reason, and fail in CI.
    """
    path = chromium()
    if path is None:
        reason = "there is no Chromium (apt-get install chromium, or set XPCS_DASH_CHROMIUM)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()
