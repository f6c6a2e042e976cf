"""The rules by which a file is finished."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpcs_dash.acquisition.readiness import (
    LONGEST_PAUSE_S,
    OPEN_LIMIT_S,
    Pending,
    held_reason,
    next_look,
    pause,
    quarantined,
    verdict,
    writer_of,
)
from xpcs_dash.acquisition.scan import Stat

ONE, TWO = Stat(1, 10, 100), Stat(1, 11, 100)


def pending(**changes) -> Pending:
    return Pending(**{"path": "/d/a.hdf", "stat": ONE, "since": 0.0, "due": 0.2, "sort_at": 0.0, **changes})


def closed(_path: str) -> bool:
    return False


def nobody(_path: str) -> None:
    return None


def test_a_file_is_read_after_it_stood_still():
    item = pending()
    assert next_look(item, ONE, 0.1, 0.2, closed, nobody) == "wait"
    assert item.due == pytest.approx(0.2)
    assert next_look(item, ONE, 0.25, 0.2, closed, nobody) == "read"


def test_a_change_starts_the_wait_again():
    item = pending(attempts=4, backlog=True)
    assert next_look(item, TWO, 5.0, 0.2, closed, nobody) == "wait"
    assert (item.stat, item.since, item.due, item.attempts, item.backlog) == (TWO, 5.0, 5.2, 0, False)


def test_a_vanished_file_is_gone():
    assert next_look(pending(), None, 1.0, 0.2, closed, nobody) == "gone"


def test_a_lock_holds_a_file_back_for_as_long_as_it_is_held_unless_a_person_insists():
    item = pending()
    assert next_look(item, ONE, 1000.0, 0.2, closed, lambda _: os.getpid()) == "wait"
    assert 1000.0 < item.due <= 1002.0
    assert f"process {os.getpid()}" in item.reason
    item.forced = True
    assert next_look(item, ONE, 1000.0, 0.2, closed, lambda _: os.getpid()) == "read"


def test_a_writer_without_a_lock_holds_a_file_back_for_a_while_only():
    item = pending()
    assert next_look(item, ONE, OPEN_LIMIT_S - 0.1, 0.2, lambda _: True, nobody) == "wait"
    assert next_look(item, ONE, OPEN_LIMIT_S + 0.1, 0.2, lambda _: True, nobody) == "read"


@given(st.integers(0, 10_000))
def test_pauses_grow_and_end(attempts):
    assert 0 < pause(attempts) <= pause(attempts + 1) <= LONGEST_PAUSE_S


def test_verdicts():
    assert verdict(True, 119.0, 120.0) == "retry"
    assert verdict(True, 120.0, 120.0) == "failed"
    assert verdict(False, 1.0, 120.0) == "retry"
    assert verdict(False, 2.5, 120.0) == "failed"


def test_the_kernels_list_of_locks_names_the_writer(tmp_path):
    path = tmp_path / "a.hdf"
    path.write_text("x")
    found = path.stat()
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
    locks = tmp_path / "locks"
    locks.write_text(
        f"1: POSIX  ADVISORY  WRITE 11 {device}:{found.st_ino} 0 EOF\n"
        f"2: FLOCK  ADVISORY  READ 12 {device}:{found.st_ino} 0 EOF\n"
        f"3: FLOCK  ADVISORY  WRITE 13 {device}:{found.st_ino + 1} 0 EOF\n"
        f"3: -> FLOCK  ADVISORY  WRITE 15 {device}:{found.st_ino} 0 EOF\n"
    )
    assert writer_of(path, locks) is None
    with locks.open("a") as f:
        f.write(f"4: FLOCK  ADVISORY  WRITE 14 {device}:{found.st_ino} 0 EOF\n")
    assert writer_of(path, locks) == 14
    assert writer_of(path, tmp_path / "none") is None
    assert writer_of(tmp_path / "gone.hdf", locks) is None


def test_a_real_lock_is_seen(tmp_path):
    import fcntl

    path = tmp_path / "a.hdf"
    with path.open("w") as f:
        assert writer_of(path) is None
        fcntl.flock(f, fcntl.LOCK_EX)
        assert writer_of(path) == os.getpid()


def test_sentences():
    assert held_reason("/d/a.hdf", None) == "a.hdf is still being written."
    assert held_reason("/d/a.hdf", 2**22 + 5).endswith("when that process closes it.")
    assert quarantined("a.hdf: truncated.", 120.4).startswith("a.hdf: truncated; unchanged for 120 s")
