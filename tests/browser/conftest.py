"""A real dashboard (``xpcs-dash serve``: ingest, web and jobs) and a real Chromium.

To start a dashboard takes seconds of both cores, so tests take the one that is shared by most and suffices:
``filled_dashboard`` is looked at and never changed, all processes of a run share it; to ``busy_dashboard``
files are added and masks are drawn on it; ``dashboard`` is empty and belongs to one test. ``open_page`` opens
a page that fails the test on any console error, page error or request to another host.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from tests.conftest import CHROMIUM_ARGUMENTS, chromium
from tests.shared_run import alone

ARGUMENTS = CHROMIUM_ARGUMENTS
DATA = Path(__file__).parents[1] / "data"
#: Words of console messages that say nothing about the dashboard.
HARMLESS = ("Download the React DevTools",)


__all__ = ["ARGUMENTS", "chromium"]


@dataclass
class Dashboard:
    """A running ``xpcs-dash serve``; ``process`` is None where another process of the run started it."""

    url: str
    root: Path
    state: Path
    process: subprocess.Popen[str] | None = None

    @property
    def log(self) -> list[str]:
        """What it has printed."""
        return printed(self.state).read_text(errors="replace").splitlines()

    def get(self, path: str) -> Any:
        """JSON answer of a route below the prefix."""
        with urllib.request.urlopen(self.url + path.lstrip("/"), timeout=10) as answer:
            return orjson.loads(answer.read())

    def put(self, source: Path, name: str | None = None) -> Path:
        """Copy a file into the watched directory as beamlines do: under another name first, then renamed."""
        target = self.root / (name or source.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + ".temp")
        shutil.copyfile(source, part)
        part.rename(target)
        return target

    def wait_for(self, condition: Callable[[dict[str, Any]], bool], timeout: float = 60.0) -> dict[str, Any]:
        """Answer of ``/api/revision`` as soon as ``condition`` holds for it."""
        end, answer = time.monotonic() + timeout, {}
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                answer = self.get("/api/revision")
                if condition(answer):
                    return answer
            time.sleep(0.1)
        raise AssertionError(f"it did not happen within {timeout:g} s: {answer}; log: {self.log[-20:]}")

    def add(self, source: Path, name: str | None = None, timeout: float = 60.0) -> int:
        """Copy a result file in, wait until it is ready, and return its id."""
        target = self.put(source, name)
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for row in self.get("/api/files")["files"]:
                if row["file"] == target.name and row["state"] == "ready":
                    return str(row["ref"])
            time.sleep(0.1)
        raise AssertionError(f"{target.name} was not ready within {timeout:g} s; log: {self.log[-20:]}")


def printed(state: Path) -> Path:
    """Where the output of a dashboard goes."""
    return state.with_name(state.name + ".log")


def start_dashboard(root: Path, state: Path, *options: str, port: int = 0) -> Dashboard:
    """Start ``xpcs-dash serve`` and wait for its URL."""
    command = [
        sys.executable,
        "-m",
        "xpcs_dash",
        "serve",
        str(root),
        "--state-dir",
        str(state),
        "--port",
        str(port),
    ]
    env = {**os.environ, "PYTHONUNBUFFERED": "1", "JAX_PLATFORMS": "cpu"}
    with printed(state).open("w") as output:
        process = subprocess.Popen(
            [*command, *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            env=env,
            start_new_session=True,
        )
    found = Dashboard("", root, state, process)
    end = time.monotonic() + 90
    while time.monotonic() < end:
        match = re.search(r"serves (http://\S+)\s", printed(state).read_text(errors="replace"))
        if match:
            found.url = match.group(1)
            return found
        if process.poll() is not None:
            break
        time.sleep(0.05)
    stop_dashboard(found)
    raise AssertionError("the dashboard did not start: " + "\n".join(found.log[-30:]))


def stop_dashboard(dashboard: Dashboard) -> None:
    """End it as Ctrl-C does, and by force where that does not help."""
    process = dashboard.process
    assert process is not None, "a dashboard of the whole run ends with it"
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def fill(dashboard: Dashboard) -> Dashboard:
    """Add the three A00* samples one after the other."""
    for source in sorted(DATA.glob("A00*_results.hdf")):
        dashboard.add(source)
    return dashboard


def dashboard_of_the_run(name: str) -> Dashboard:
    """A dashboard with the samples, started by the first process that asks for it; `shared_run` ends it."""
    with alone(name) as folder:
        root, state, note = folder / "data", folder / "state", folder / "url"
        if not note.is_file():
            root.mkdir()
            found = start_dashboard(root, state)
            assert found.process is not None
            (folder / "pid").write_text(str(found.process.pid))
            found.process.returncode = 0  # it outlives this process, which need not wait for it
            fill(found)
            note.write_text(found.url)
        return Dashboard(note.read_text(), root, state)


@pytest.fixture
def make_dashboard(tmp_path: Path) -> Iterator[Callable[..., Dashboard]]:
    """Starts dashboards on directories of their own; options are those of ``xpcs-dash serve``."""
    made: list[Dashboard] = []

    def make(*options: str) -> Dashboard:
        root = tmp_path / f"data{len(made)}"
        root.mkdir()
        made.append(start_dashboard(root, tmp_path / f"state{len(made)}", *options))
        return made[-1]

    yield make
    for dashboard in made:
        stop_dashboard(dashboard)


@pytest.fixture
def dashboard(make_dashboard: Callable[..., Dashboard]) -> Dashboard:
    """A dashboard on an empty directory."""
    return make_dashboard()


@pytest.fixture(scope="session")
def filled_dashboard() -> Dashboard:
    """A dashboard with the three A00* samples and nothing else. Tests look at it and change nothing."""
    return dashboard_of_the_run("filled")


@pytest.fixture(scope="session")
def busy_dashboard() -> Dashboard:
    """A dashboard with the three A00* samples, to which every test may add what it names itself.

    Which file is the newest, how many there are and how many jobs run is nobody's to say.
    """
    return dashboard_of_the_run("busy")


@pytest.fixture(scope="module")
def own_dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard with the three A00* samples that belongs to the tests of a module."""
    base = tmp_path_factory.mktemp("own")
    (base / "data").mkdir()
    found = start_dashboard(base / "data", base / "state")
    try:
        yield fill(found)
    finally:
        stop_dashboard(found)


@dataclass
class Watched:
    """What went wrong in a browser page."""

    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    expect_failures: bool = False

    def check(self) -> None:
        """Fail on what was recorded."""
        assert not self.foreign, f"requests to another host: {self.foreign}"
        assert not self.errors, "errors in the browser: " + "\n".join(self.errors)


def watch(page: Any, host: str) -> Watched:
    """Record console errors, page errors and requests to other hosts."""
    found = Watched()

    def console(message: Any) -> None:
        network = "net::ERR" in message.text or "Failed to load resource" in message.text
        harmless = any(word in message.text for word in HARMLESS) or (network and found.expect_failures)
        if message.type == "error" and not harmless:
            found.errors.append(message.text)

    def request(asked: Any) -> None:
        parts = urlsplit(asked.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != host:
            found.foreign.append(asked.url)

    page.on("console", console)
    page.on("pageerror", lambda err: found.errors.append(f"{page.url}: {err.stack or err}"))
    page.on("request", request)
    return found


@pytest.fixture
def open_page(playwright_browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address in a browser of its own (cookies and storage are not shared) and returns its page.

    ``page.watched`` holds what went wrong; set ``page.watched.expect_failures`` before a server is stopped.
    """
    contexts: list[Any] = []
    pages: list[Any] = []

    def open_one(
        url: str, *, width: int = 1600, height: int = 900, context: Any = None, **options: Any
    ) -> Any:
        if context is None:
            context = playwright_browser.new_context(viewport={"width": width, "height": height}, **options)
            contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(40_000)
        page.watched = watch(page, urlsplit(url).netloc)
        pages.append(page)
        page.goto(url)
        page.wait_for_selector("#shell-page")
        return page

    yield open_one
    try:
        for page in pages:
            page.watched.check()
    finally:
        for context in contexts:
            context.close()
