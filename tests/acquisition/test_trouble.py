"""Whatever goes wrong with one path, the others go on; what cannot be looked at is not gone."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from xpcs_dash.acquisition import ingest as ingest_module
from xpcs_dash.acquisition import mounts, presence, readiness, rows, scan, watcher
from xpcs_dash.acquisition.fits import FitQueue
from xpcs_dash.acquisition.ingest import Ingest
from xpcs_dash.acquisition.mounts import Ground
from xpcs_dash.acquisition.presence import Presence
from xpcs_dash.acquisition.readers import InlinePool, Outcome
from xpcs_dash.hdf5.reach import Reach


def explode(*_, **__):
    raise KeyError("injected")


def only_for(name, real, error=None):
    """``real``, but for what a path of this name is part of."""
    error = error or KeyError("injected")

    def call(*args, **kwargs):
        if any(name in str(getattr(a, "path", a)) for a in (*args, *kwargs.values())):
            raise error
        return real(*args, **kwargs)

    return call


# Exceptions of one path, at each step of the loop.

STEPS = {
    "a look at a hint": (Presence, "look"),
    "its first sight": (Presence, "_begin"),
    "what is known of it": (Presence, "_recognised"),
    "a look before the read": (Ingest, "_offer"),
    "whether it stands still": (ingest_module, "next_look"),
    "the writer's lock": (readiness, "writer_of"),
    "whether it lies inside": (Reach, "holds"),
    "its rights": (ingest_module, "may_read"),
    "handing it out": (Ingest, "_submit"),
    "taking up the result": (Ingest, "_finish"),
    "its columns": (Ingest, "_ready"),
    "what it became": (Presence, "remember"),
}


@pytest.mark.parametrize("step", STEPS)
def test_an_error_with_one_path_sets_it_aside_and_stops_no_other(beamline, monkeypatch, step):
    owner, name = STEPS[step]
    monkeypatch.setattr(owner, name, only_for("odd.hdf", getattr(owner, name)))
    if step == "the writer's lock":
        monkeypatch.setattr(ingest_module.next_look, "__defaults__", (readiness.writer_of,))
    beamline.write("odd.hdf")
    beamline.start()
    beamline.until(lambda: beamline.states().get("odd.hdf") == "failed")
    assert "odd.hdf is set aside: the dashboard failed on it (KeyError" in beamline.row("odd.hdf").reason
    beamline.write("good.hdf", "good end")
    beamline.until(lambda: beamline.states().get("good.hdf") == "ready")
    revision = beamline.catalogue.revision()
    beamline.work(0.8)
    assert beamline.catalogue.revision() == revision, "at rest: walks do not try it again and again"
    monkeypatch.undo()
    beamline.write("odd.hdf", "mended end")
    beamline.until(lambda: beamline.states().get("odd.hdf") == "ready")


def test_an_error_while_a_file_vanishes_or_is_asked_for_again_sets_it_aside(beamline, monkeypatch):
    beamline.start()
    path = beamline.write("odd.hdf")
    bad = beamline.write("bad.hdf", "half")
    beamline.until(lambda: beamline.states() == {"odd.hdf": "ready", "bad.hdf": "failed"})
    monkeypatch.setattr(Presence, "vanished", only_for("odd.hdf", Presence.vanished))
    path.unlink()
    beamline.until(lambda: beamline.states()["odd.hdf"] == "failed")
    monkeypatch.setattr(Ingest, "_read_again", explode)
    beamline.catalogue.request_retry(beamline.row("bad.hdf").ref)
    beamline.until(lambda: "set aside" in beamline.row("bad.hdf").reason)
    monkeypatch.undo()
    bad.write_text("whole end")
    beamline.until(lambda: beamline.states()["bad.hdf"] == "ready")


@pytest.mark.parametrize("value", [None, 7, "text"])
def test_a_reader_that_answers_nonsense_costs_its_file(beamline, value):
    real = beamline.reader

    def read(path):
        return value if path.endswith("odd.hdf") else real(path)

    beamline.write("odd.hdf")
    beamline.write("good.hdf", "good end")
    beamline.start(pool=InlinePool(read))
    beamline.until(lambda: beamline.states() == {"odd.hdf": "failed", "good.hdf": "ready"})


def test_a_comparison_that_fails_costs_the_comparison_alone(beamline):
    beamline.start()
    beamline.ingest.journal._relate = explode
    beamline.write("a.hdf")
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready"})


def test_a_change_that_no_database_takes_sets_its_file_aside(beamline, monkeypatch):
    monkeypatch.setitem(rows._WRITERS, "ready", only_for("odd.hdf", rows._WRITERS["ready"]))
    beamline.write("odd.hdf")
    beamline.write("good.hdf", "good end")
    beamline.start()
    beamline.until(lambda: beamline.states() == {"odd.hdf": "failed", "good.hdf": "ready"})
    assert beamline.row("odd.hdf").reason == "odd.hdf cannot be stored (KeyError)."


def test_a_change_that_always_fails_holds_up_no_other(beamline, monkeypatch):
    from sqlalchemy.exc import OperationalError

    error = OperationalError("index row size exceeds maximum", None, Exception("too long"))
    monkeypatch.setitem(rows._WRITERS, "ready", only_for("odd.hdf", rows._WRITERS["ready"], error))
    beamline.write("odd.hdf")
    beamline.write("good.hdf", "good end")
    beamline.start()
    beamline.until(lambda: beamline.states() == {"odd.hdf": "failed", "good.hdf": "ready"})
    assert "catalogue" not in beamline.ingest._problems


# Exceptions that belong to no path.

STAGES = {
    "waiting": (Ingest, "_sleep"),
    "hints": (watcher.Hints, "take"),
    "a walk": (Presence, "reconcile"),
    "results": (InlinePool, "collect"),
    "retries": (Ingest, "_take_retries"),
    "the schedule": (Ingest, "_dispatch"),
    "the heartbeat": (Ingest, "_beat"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_an_error_of_the_loop_is_told_and_the_loop_goes_on(beamline, monkeypatch, stage):
    owner, name = STAGES[stage]
    beamline.start()
    beamline.write("a.hdf")
    monkeypatch.setattr(ingest_module, "HEARTBEAT_S", 0.0)
    monkeypatch.setattr(ingest_module, "FAILED_PASS_S", 0.0)
    with monkeypatch.context() as broken:
        broken.setattr(owner, name, explode)
        beamline.until(lambda: "KeyError" in beamline.ingest._problems.get("loop", ""))
        beamline.work(0.2)
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready"})
    beamline.until(lambda: beamline.catalogue.status().get("problems") == [])


def test_a_walk_that_fails_says_so_and_the_next_one_finds_the_files(beamline, monkeypatch):
    beamline.start()
    beamline.write("a.hdf")
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready"})
    with monkeypatch.context() as broken:
        broken.setattr(watcher, "walk", explode)
        beamline.until(lambda: "KeyError" in beamline.ingest._problems.get("root", ""))
        assert beamline.states() == {"a.hdf": "ready"}
    beamline.until(lambda: not beamline.ingest._problems)


def test_the_thread_of_the_events_outlives_an_error(beamline, monkeypatch):
    beamline.start(rescan_s=60.0)
    beamline.until(lambda: beamline.ingest.scans == 1)
    with monkeypatch.context() as broken:
        broken.setattr(watcher, "is_candidate", explode)
        beamline.write("a.hdf")
        beamline.until(lambda: beamline.ingest.scans == 2)
    beamline.write("b.hdf", "b end")
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready", "b.hdf": "ready"})
    assert beamline.ingest.watcher._observer.is_alive()


def test_watching_begins_again_where_its_thread_died(beamline):
    beamline.start()
    beamline.until(lambda: beamline.ingest.scans > 0)
    old = beamline.ingest.watcher._observer
    old.stop()
    old.join()
    beamline.until(lambda: beamline.ingest.watcher._observer not in (None, old))
    assert beamline.ingest.watcher._observer.is_alive()


def test_a_reader_that_cannot_be_started_says_nothing_about_the_file(beamline, monkeypatch):
    class Full(InlinePool):
        full = True

        def submit(self, path, *arguments):
            if self.full:
                raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            super().submit(path, *arguments)

    monkeypatch.setattr(readiness, "LONGEST_PAUSE_S", 0.1)
    pool = Full(beamline.reader)
    beamline.start(pool=pool)
    beamline.write("a.hdf")
    beamline.until(lambda: "readers" in beamline.ingest._problems)
    assert beamline.states() == {"a.hdf": "waiting"}
    pool.full = False
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready"})
    assert "readers" not in beamline.ingest._problems


# Paths that cannot be looked at.


def refusing(monkeypatch, name, code=errno.EACCES):
    """Let every look at paths that contain ``name`` fail, as below a folder that may not be entered."""
    for call in ("stat", "lstat"):
        real = getattr(os, call)
        error = OSError(code, os.strerror(code))

        def refuse(path, *args, real=real, error=error, **kwargs):
            if isinstance(path, str | os.PathLike) and name in os.fspath(path):
                raise error
            return real(path, *args, **kwargs)

        monkeypatch.setattr(os, call, refuse)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
def test_a_retry_of_a_file_that_cannot_be_looked_at_keeps_ingest_alive(beamline, monkeypatch, code):
    beamline.start()
    beamline.write("closed/bad.hdf", "half")
    beamline.write("closed/good.hdf")
    beamline.until(lambda: beamline.states() == {"closed/bad.hdf": "failed", "closed/good.hdf": "ready"})
    with monkeypatch.context() as broken:
        refusing(broken, "closed/", code)
        for name in ("bad", "good"):
            beamline.catalogue.request_retry(beamline.row(f"closed/{name}.hdf").ref)
        beamline.until(lambda: "cannot be looked at" in beamline.row("closed/bad.hdf").reason)
        assert beamline.states() == {"closed/bad.hdf": "failed", "closed/good.hdf": "ready"}
    beamline.catalogue.request_retry(beamline.row("closed/bad.hdf").ref)
    beamline.until(lambda: "truncated" in beamline.row("closed/bad.hdf").reason)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_what_cannot_be_looked_at_waits_and_is_read_when_it_can(beamline, monkeypatch, code):
    beamline.start(settle_s=0.5)
    beamline.write("shaky/a.hdf")
    beamline.until(lambda: beamline.states() == {"shaky/a.hdf": "waiting"})
    with monkeypatch.context() as broken:
        refusing(broken, "shaky/", code)
        beamline.until(lambda: "cannot be looked at" in (beamline.row("shaky/a.hdf").reason or ""))
        beamline.work(1.5)
        assert beamline.states() == {"shaky/a.hdf": "waiting"}, "neither gone nor failed"
    beamline.until(lambda: beamline.states() == {"shaky/a.hdf": "ready"})


def test_a_hard_link_is_not_taken_for_a_move_of_a_file_that_cannot_be_looked_at(beamline, monkeypatch):
    beamline.start()
    path = beamline.write("closed/a.hdf")
    beamline.until(lambda: beamline.states() == {"closed/a.hdf": "ready"})
    refusing(monkeypatch, "closed/")
    os.link(path, beamline.root / "b.hdf")
    beamline.until(lambda: beamline.states() == {"closed/a.hdf": "ready", "b.hdf": "ready"})


NOBODY = """
import os, sys, time
from pathlib import Path
from tests.acquisition.conftest import Beamline

base = Path(sys.argv[1])
# everything that is imported late is imported while it may be: the interpreter may lie where nobody looks
(base / "warm").mkdir()
warm = Beamline(base / "warm")
for name, text in (("a", "end"), ("b", "half"), ("c", "raw end")):
    warm.write(name + ".hdf", text)
warm.start(watch_mode=sys.argv[2])
warm.until(lambda: sorted(warm.states().values()) == ["failed", "failed", "ready"])
warm.stop()
os.setegid(65534)
os.seteuid(65534)
line = Beamline(base)
(line.root / "open").mkdir()
for name in ("open/a.hdf", "closed/b.hdf", "listed/c.hdf"):
    line.write(name, name + " end")
line.write("closed/bad.hdf", "half")
line.start(watch_mode=sys.argv[2])
line.until(lambda: sorted(line.states().values()) == ["failed", "ready", "ready", "ready"])
(line.root / "closed").chmod(0o000)
(line.root / "listed").chmod(0o444)
(line.root / "open/a.hdf").chmod(0o000)
line.catalogue.request_retry(line.row("closed/bad.hdf").ref)
line.catalogue.request_retry(line.row("closed/b.hdf").ref)
line.until(lambda: "cannot be looked at" in line.row("closed/bad.hdf").reason)
line.until(lambda: "folders" in line.ingest._problems)
line.write("open/new.hdf", "new end")
line.until(lambda: line.states().get("open/new.hdf") == "ready")
line.work(1.0)
states = line.states()
assert states["closed/b.hdf"] == states["listed/c.hdf"] == states["open/a.hdf"] == "ready", states
line.stop()
line.start(watch_mode=sys.argv[2])
line.work(1.0)
assert line.states() == states, "nor does a restart lose what cannot be looked at"
os.chmod(line.root / "closed", 0o755)
os.chmod(line.root / "listed", 0o755)
(line.root / "closed/bad.hdf").write_text("whole end")
line.until(lambda: line.states()["closed/bad.hdf"] == "ready")
line.until(lambda: not line.ingest._problems)
assert line.reader.opened.count(str(line.root / "closed/b.hdf")) == 1, "unchanged: not read again"
line.stop()
"""


@pytest.mark.parametrize("mode", ["inotify", "polling"])
def test_folders_that_may_not_be_entered_as_a_user_without_rights_sees_them(mode):
    base = Path(tempfile.mkdtemp(prefix="xpcs-dash-nobody-"))
    try:
        base.chmod(0o777)
        root = str(Path(__file__).parents[2])
        found = subprocess.run(
            [sys.executable, "-c", NOBODY, str(base), mode],
            cwd=root, env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert found.returncode == 0, found.stderr[-3000:]
    finally:
        subprocess.run(["chmod", "-R", "u+rwx", str(base)], check=False)
        shutil.rmtree(base, ignore_errors=True)


def test_names_that_are_no_files_are_neither_read_nor_in_the_way(beamline):
    root = beamline.root
    os.mkfifo(root / "pipe.hdf")
    (root / "folder.hdf").mkdir()
    (root / "folder.hdf" / "inside.hdf").write_text("hdf end")
    (root / "loop.hdf").symlink_to(root / "loop.hdf")
    (root / "round").symlink_to(root)
    (root / "nowhere.hdf").symlink_to(root / "missing.hdf")
    (root / "device.hdf").symlink_to("/dev/zero")
    (root / "linked pipe.hdf").symlink_to(root / "pipe.hdf")
    (root / ("n" * 251 + ".hdf")).write_text("long end")
    with socket.socket(socket.AF_UNIX) as plug:
        here = os.open(root, os.O_RDONLY)
        try:
            plug.bind(f"/proc/self/fd/{here}/plug.hdf")
        finally:
            os.close(here)
        beamline.start()
        names = {"folder.hdf/inside.hdf", "n" * 251 + ".hdf"}
        beamline.until(lambda: {n for n, s in beamline.states().items() if s == "ready"} == names)
        for name in ("pipe.hdf", "loop.hdf", "device.hdf", "plug.hdf", "folder.hdf", "nowhere.hdf"):
            beamline.ingest.watcher.hints.put(str(root / name))
        beamline.work(0.5)
    assert set(beamline.states()) == names
    assert not beamline.ingest._problems


def test_a_file_that_becomes_a_folder_a_pipe_or_a_circle_is_gone(beamline):
    beamline.start()
    names = ("a.hdf", "b.hdf", "c.hdf")
    for name in names:
        beamline.write(name, f"{name} end")
    beamline.until(lambda: beamline.states() == dict.fromkeys(names, "ready"))
    for name in names:
        (beamline.root / name).unlink()
    (beamline.root / "a.hdf").mkdir()
    os.mkfifo(beamline.root / "b.hdf")
    (beamline.root / "c.hdf").symlink_to(beamline.root / "c.hdf")
    beamline.until(lambda: beamline.states() == dict.fromkeys(names, "gone"))


def test_names_that_are_no_text_are_told_and_come_as_events_too(beamline):
    beamline.start()
    beamline.until(lambda: beamline.ingest.scans > 0)
    (beamline.root / os.fsdecode(b"odd\xff.hdf")).write_text("x end")
    beamline.until(lambda: "folders" in beamline.ingest._problems)
    assert "not valid UTF-8" in beamline.ingest._problems["folders"]
    beamline.write("a.hdf")
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready"})


def test_a_path_that_is_too_long_to_follow_is_told(beamline):
    here = os.open(beamline.root, os.O_RDONLY)
    try:
        for _ in range(25):  # longer than any path may be, built step by step
            os.mkdir("d" * 200, dir_fd=here)
            below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    beamline.start(watch_mode="polling")
    beamline.write("a.hdf")
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready"})
    beamline.until(lambda: "File name too long" in beamline.ingest._problems.get("folders", ""))
    shutil.rmtree(beamline.root / ("d" * 200))


class Entry:
    """An entry of a listing that cannot tell what it is."""

    def __init__(self, entry, code):
        self.name, self.path, self._code = entry.name, entry.path, code

    def is_dir(self, **_):
        raise OSError(self._code, os.strerror(self._code))


@pytest.mark.parametrize(("code", "told"), [(errno.EIO, True), (errno.ENOENT, False)])
def test_an_entry_that_cannot_be_asked_hides_none_of_its_neighbours(tmp_path, monkeypatch, code, told):
    for name in ("a.hdf", "b.hdf", "c.hdf"):
        (tmp_path / name).write_text("x")
    real = os.scandir

    class Listing:
        def __init__(self, path):
            self._entries = real(path)

        def __enter__(self):
            return (Entry(e, code) if e.name == "a.hdf" else e for e in self._entries)

        def __exit__(self, *_):
            self._entries.close()

    monkeypatch.setattr(os, "scandir", Listing)
    found = scan.walk(tmp_path, (".hdf",))
    assert {Path(p).name for p in found.files} == {"b.hdf", "c.hdf"}
    assert bool(found.unreadable) == told


# Disks that are away.


def grounded(monkeypatch, beamline, at="/disk", below=()):
    """Let the directory stand on other disks than it does."""

    def ground(root, *_):
        key = mounts.ground_of(root).key
        return Ground(key, at, frozenset(str(beamline.root / p) for p in below))

    for module in (presence, scan):
        monkeypatch.setattr(module, "ground_of", ground)


def filled(beamline, *names):
    for name in names:
        beamline.write(name, f"{name} end")
    beamline.until(lambda: sorted(beamline.states().values()) == ["ready"] * len(names))
    beamline.until(lambda: beamline.ingest.scans > 1)


@pytest.mark.parametrize("mode", ["inotify", "polling"])
@pytest.mark.parametrize("restart", [False, True])
def test_an_empty_mount_point_keeps_its_rows_and_says_so(beamline, mode, restart):
    beamline.start(watch_mode=mode)
    filled(beamline, "a.hdf", "sub/b.hdf")
    beamline.ingest._beat()
    if restart:
        beamline.stop()
    aside = beamline.base / "disk"
    beamline.root.rename(aside)
    beamline.root.mkdir()
    if restart:
        beamline.start(watch_mode=mode)
    beamline.until(lambda: "is its disk mounted" in beamline.ingest._problems.get("root", ""))
    assert "2 file(s) stay in the list" in beamline.ingest._problems["root"].lower()
    beamline.ingest.watcher.hints.put(str(beamline.root / "a.hdf"))
    beamline.work(0.5)
    assert beamline.states() == {"a.hdf": "ready", "sub/b.hdf": "ready"}
    opened = len(beamline.reader.opened)
    beamline.root.rmdir()
    aside.rename(beamline.root)
    (beamline.root / "c.hdf").write_text("c end")
    beamline.until(lambda: beamline.states().get("c.hdf") == "ready")
    beamline.until(lambda: not beamline.ingest._problems)
    assert len(beamline.reader.opened) == opened + 1, "nothing is read again that has not changed"
    assert set(beamline.states().values()) == {"ready"}


def test_a_directory_that_was_emptied_is_empty(beamline):
    beamline.start()
    filled(beamline, "a.hdf", "b.hdf")
    for name in ("a.hdf", "b.hdf"):
        (beamline.root / name).unlink()
    beamline.until(lambda: set(beamline.states().values()) == {"gone"})
    assert not beamline.ingest._problems


def test_another_directory_with_files_of_its_own_replaces_the_old_one(beamline):
    beamline.start()
    filled(beamline, "a.hdf")
    beamline.root.rename(beamline.base / "old")
    beamline.root.mkdir()
    (beamline.root / "b.hdf").write_text("b end")
    beamline.until(lambda: beamline.states() == {"a.hdf": "gone", "b.hdf": "ready"})


@pytest.mark.parametrize("stray", [False, True])
def test_an_unmounted_disk_is_told_by_the_table_of_mounts(beamline, monkeypatch, stray):
    grounded(monkeypatch, beamline, "/disk/data")
    beamline.start()
    filled(beamline, "a.hdf", "b.hdf", "c.hdf")
    grounded(monkeypatch, beamline, "/disk")
    aside = beamline.base / "aside"
    aside.mkdir()
    for name in ("a.hdf", "b.hdf", "c.hdf"):
        (beamline.root / name).rename(aside / name)
    if stray:
        beamline.write("stray.hdf", "stray end")
    beamline.until(lambda: "/disk/data is not mounted" in beamline.ingest._problems.get("root", ""))
    beamline.work(0.5)
    kept = {n: s for n, s in beamline.states().items() if n != "stray.hdf"}
    assert set(kept.values()) == {"ready"}
    grounded(monkeypatch, beamline, "/disk/data")
    for name in ("a.hdf", "b.hdf", "c.hdf"):
        (aside / name).rename(beamline.root / name)
    beamline.until(lambda: "root" not in beamline.ingest._problems)


def test_the_same_files_on_another_disk_are_the_same_files(beamline, monkeypatch):
    grounded(monkeypatch, beamline, "/disk/data")
    beamline.start()
    filled(beamline, "a.hdf")
    opened = len(beamline.reader.opened)
    grounded(monkeypatch, beamline, "/disk")
    beamline.work(1.0)
    assert not beamline.ingest._problems
    assert len(beamline.reader.opened) == opened
    (beamline.root / "a.hdf").unlink()
    beamline.until(lambda: beamline.states() == {"a.hdf": "gone"})


@pytest.mark.parametrize("restart", [False, True])
def test_a_disk_below_the_directory_that_is_unmounted_keeps_its_files_alone(beamline, monkeypatch, restart):
    grounded(monkeypatch, beamline, below=["disk"])
    beamline.start()
    filled(beamline, "disk/a.hdf", "here.hdf")
    beamline.ingest._beat()
    if restart:
        beamline.stop()
    grounded(monkeypatch, beamline)
    aside = beamline.base / "aside.hdf"
    (beamline.root / "disk/a.hdf").rename(aside)
    (beamline.root / "here.hdf").unlink()
    if restart:
        beamline.start()
    beamline.until(lambda: "mounts" in beamline.ingest._problems)
    assert "1 file(s) below it stay" in beamline.ingest._problems["mounts"]
    beamline.until(lambda: beamline.states() == {"disk/a.hdf": "ready", "here.hdf": "gone"})
    beamline.work(0.7)
    assert beamline.states()["disk/a.hdf"] == "ready"
    opened = len(beamline.reader.opened)
    grounded(monkeypatch, beamline, below=["disk"])
    aside.rename(beamline.root / "disk/a.hdf")
    beamline.until(lambda: "mounts" not in beamline.ingest._problems)
    assert len(beamline.reader.opened) == opened
    grounded(monkeypatch, beamline)
    shutil.rmtree(beamline.root / "disk")
    beamline.until(lambda: beamline.states()["disk/a.hdf"] == "gone"), "a folder that was removed is no disk"


def test_a_file_that_waits_while_its_disk_goes_is_read_when_it_is_back(beamline):
    beamline.start(settle_s=0.6)
    filled(beamline, "a.hdf")
    beamline.write("b.hdf", "b end")
    beamline.until(lambda: beamline.states().get("b.hdf") == "waiting")
    beamline.root.rename(beamline.base / "disk")
    beamline.until(lambda: "root" in beamline.ingest._problems)
    beamline.work(1.5)
    assert beamline.states() == {"a.hdf": "ready", "b.hdf": "waiting"}
    (beamline.base / "disk").rename(beamline.root)
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready", "b.hdf": "ready"})


MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/x /data nfs4 rw 0 0
/dev/sdb /data/local\\040disk xfs rw 0 0
/dev/sdc /database xfs rw 0 0
"""


def test_the_ground_of_a_directory(tmp_path, monkeypatch):
    table = tmp_path / "mounts"
    table.write_text(MOUNTS.replace("/data", str(tmp_path / "data")))
    (tmp_path / "data" / "local disk").mkdir(parents=True)
    ground = mounts.ground_of(tmp_path / "data", table)
    assert ground.at == str(tmp_path / "data")
    assert ground.below == {str(tmp_path / "data" / "local disk")}
    assert Ground.from_dict(ground.to_dict()) == ground
    table.write_text("/dev/vda / ext4 rw 0 0\n")
    now = mounts.ground_of(tmp_path / "data", table)
    assert ground.unmounted(now) == str(tmp_path / "data")
    assert now.unmounted(ground) is None
    assert ground.away(now) == ground.below
    assert mounts.ground_of(tmp_path / "none", table) == Ground()
    assert mounts.ground_of(tmp_path, tmp_path / "no table").at == ""
    for nonsense in (None, {}, {"key": None}, {"key": ["x", "y"], "at": "", "below": []}, 7):
        assert Ground.from_dict(nonsense) is None


def test_a_fit_that_waits_for_a_disk_is_tried_when_the_disk_is_back(beamline):
    tried = []

    def fit(path):
        tried.append(path)
        if not Path(path).exists():
            raise FileNotFoundError(path)
        return {"fit": {"tau": [1.0]}, "summary": {}}

    beamline.start()
    queue = beamline.ingest._fits = FitQueue(InlinePool(fit), (3600.0,))
    aside = beamline.base / "disk"
    filled(beamline, "a.hdf")
    assert beamline.catalogue.get(beamline.row("a.hdf").ref).summary["fit"] == {"tau": [1.0]}
    path, stat = str(beamline.root / "a.hdf"), scan.stat_of(beamline.root / "a.hdf")
    beamline.root.rename(aside)
    beamline.until(lambda: "root" in beamline.ingest._problems)
    queue.add(path, stat, 1.0)
    beamline.until(lambda: len(tried) == 2)
    beamline.work(0.3)
    assert "no such file" in beamline.row("a.hdf").summary["fit_pending"]
    aside.rename(beamline.root)
    beamline.until(lambda: len(tried) == 3)
    beamline.until(lambda: "fit_pending" not in beamline.row("a.hdf").summary)


def test_an_outcome_that_nobody_waits_for_is_left(beamline):
    beamline.start()
    beamline.ingest._finish(Outcome("/nowhere"))
    assert beamline.ingest.reads == 0


@pytest.mark.parametrize("restart", [False, True])
def test_a_new_file_at_the_place_of_one_that_was_moved_is_a_file_of_its_own(beamline, restart, caplog):
    beamline.start()
    filled(beamline, "a.hdf")
    (beamline.root / "a.hdf").rename(beamline.root / "b.hdf")
    beamline.until(lambda: beamline.states() == {"a.hdf": "gone", "b.hdf": "ready"})
    if restart:
        beamline.stop()
        beamline.start()
    beamline.write("a.hdf", "another end")
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready", "b.hdf": "ready"})
    (beamline.root / "b.hdf").rename(beamline.root / "c.hdf")
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready", "b.hdf": "gone", "c.hdf": "ready"})
    assert "it is now c~" in beamline.row("b.hdf").reason
    assert "stored" not in caplog.text, "no change was refused"
    assert len(beamline.reader.opened) == 2
