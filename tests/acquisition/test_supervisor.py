"""Processes that are started, die, are started again, and are stopped; with real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from xpcs_dash.acquisition.supervisor import LONGEST_PAUSE_S, Spec, Supervisor, backoff
from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.settings import load_settings

CHILDREN = """
import os, signal, subprocess, sys, time

def note(settings, name):
    with open(settings.root / f"{name}.pid", "a") as f:
        f.write(f"{os.getpid()}\\n")

def stay(settings, name="stay"):
    note(settings, name)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        time.sleep(0.05)

def deaf(settings):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(settings, "deaf")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    (settings.root / "grandchild.pid").write_text(str(child.pid))
    while True:
        time.sleep(0.05)

def brief(settings):
    note(settings, "brief")

def broken(settings):
    note(settings, "broken")
    raise SystemExit(3)

def loaded(settings):
    names = ("jax", "numpyro", "nlsq", "arviz", "arviz_stats", "matplotlib", "dash")
    heavy = [m for m in names if m in sys.modules]
    (settings.root / "heavy").write_text(repr(heavy))
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "odd_children.py").write_text(CHILDREN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "code"))
    root = tmp_path / "data"
    root.mkdir()
    return load_settings(root=root, state_dir=tmp_path / "state")


def pids(settings, name) -> list[int]:
    path = settings.root / f"{name}.pid"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def run_until(supervisor, condition, seconds=20.0):
    end = time.monotonic() + seconds

    def look():
        if condition() or time.monotonic() > end:
            supervisor.stop_soon()

    supervisor.run(look)
    assert condition()


def test_a_killed_process_is_started_again_and_reported(place):
    catalogue = Catalogue(place.catalogue, place.roots)
    supervisor = Supervisor(place, [Spec("one", "odd_children:stay", {"name": "one"})], catalogue)
    reports = []

    def killed_and_back():
        found = pids(place, "one")
        if len(found) == 1 and not reports:
            reports.append(catalogue.status()["processes"]["one"])
            os.kill(found[0], signal.SIGKILL)
        return len(found) == 2 and catalogue.status()["processes"]["one"]["restarts"] == 1

    run_until(supervisor, killed_and_back)
    assert reports[0]["state"] == "running"
    assert reports[0]["pid"] == pids(place, "one")[0]
    assert catalogue.status()["processes"]["one"]["state"] == "stopped"
    assert not any(alive(pid) for pid in pids(place, "one"))
    catalogue.close()


def test_a_process_that_may_end_is_not_started_again_and_one_that_fails_is(place):
    specs = [Spec("brief", "odd_children:brief", once=True), Spec("broken", "odd_children:broken", once=True)]
    supervisor = Supervisor(place, specs)
    run_until(supervisor, lambda: len(pids(place, "broken")) >= 2)
    assert len(pids(place, "brief")) == 1
    assert supervisor.deaths("broken") >= 1


def test_what_does_not_listen_is_killed_with_all_it_started(place, monkeypatch):
    monkeypatch.setattr("xpcs_dash.acquisition.supervisor.STOP_S", 0.5)
    supervisor = Supervisor(place, [Spec("deaf", "odd_children:deaf")])
    run_until(supervisor, lambda: (place.root / "grandchild.pid").exists() and pids(place, "grandchild"))
    until(lambda: not any(alive(pid) for pid in pids(place, "deaf") + pids(place, "grandchild")))


def test_children_load_nothing_heavy(place):
    supervisor = Supervisor(place, [Spec("loaded", "odd_children:loaded", once=True)])
    run_until(supervisor, (place.root / "heavy").exists)
    assert (place.root / "heavy").read_text() == "[]"


SUPERVISE = """
import sys
from pathlib import Path
from xpcs_dash.acquisition.supervisor import Spec, Supervisor
from xpcs_dash.settings import load_settings
settings = load_settings(root=Path(sys.argv[1]), state_dir=Path(sys.argv[2]))
Supervisor(settings, [Spec("stay", "odd_children:stay")]).run()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_no_orphans_however_the_supervisor_ends(place, number):
    command = [sys.executable, "-c", SUPERVISE, str(place.root), str(place.state_dir)]
    environment = {**os.environ, "PYTHONPATH": f"{os.environ['PYTHONPATH']}:{Path.cwd()}"}
    with subprocess.Popen(command, env=environment) as supervisor:
        until(lambda: pids(place, "stay"))
        supervisor.send_signal(number)
        assert supervisor.wait(15) == (-9 if number == signal.SIGKILL else 0)
    until(lambda: not alive(pids(place, "stay")[0]))


def test_restarts_wait_longer_and_longer_up_to_a_limit():
    waits = [backoff(n) for n in range(1, 2000)]
    assert waits[:3] == [0.5, 1.0, 2.0]
    assert max(waits) == LONGEST_PAUSE_S
