"""The journal: torn lines, damaged lines, full disks, many writers."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading

import pytest

from xpcs_dash.database.acts import UNDONE, Act, Journal, new_act
from xpcs_dash.errors import UsageError


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal" / "acts.jsonl")


def acts(*kinds: str) -> list[Act]:
    return [
        new_act(kind, "ada", {"note": f"τ < 1 ms, {kind}\nsecond line", "n": k})
        for k, kind in enumerate(kinds)
    ]


def test_acts_come_back_as_they_were(journal):
    written = acts("a", "b")
    journal.append(*written)
    journal.append(*acts("c"))
    assert journal.read()[:2] == written
    assert [act.kind for act in journal.read()] == ["a", "b", "c"]
    assert journal.damaged() == 0


def test_no_journal_is_an_empty_one(journal):
    assert journal.read() == []
    assert journal.damaged() == 0


@pytest.mark.parametrize("lost", range(2, 60, 7))
def test_a_torn_last_line_costs_itself_alone(journal, lost):
    journal.append(*acts("a", "b", "c"))
    os.truncate(journal.path, journal.path.stat().st_size - lost)
    journal.append(*acts("d"))
    assert [act.kind for act in journal.read()] == ["a", "b", "d"]
    assert journal.damaged() == 1


def test_a_line_that_lost_its_end_of_line_alone_is_whole(journal):
    journal.append(*acts("a", "b"))
    os.truncate(journal.path, journal.path.stat().st_size - 1)
    journal.append(*acts("c"))
    assert [act.kind for act in journal.read()] == ["a", "b", "c"]


@pytest.mark.parametrize("byte", [b"\0", b"x", b"\xff"])
def test_a_damaged_line_costs_itself_alone(journal, byte):
    journal.append(*acts("a", "b", "c"))
    lines = journal.path.read_bytes().splitlines(keepends=True)
    place = len(lines[0]) + len(lines[1]) // 2
    with journal.path.open("r+b") as stream:
        stream.seek(place)
        stream.write(byte * 3)
    assert [act.kind for act in journal.read()] == ["a", "c"]
    assert journal.damaged() == 1


def test_what_was_undone_is_left_out(journal):
    first, second = acts("a", "b")
    journal.append(first, second)
    journal.append(new_act(UNDONE, "", {"ids": [first.id]}))
    assert journal.read() == [second]


def test_a_full_disk_keeps_nothing_of_an_act_and_says_so(journal, monkeypatch):
    journal.append(*acts("a"))
    before = journal.path.read_bytes()
    real, asked = os.write, []

    def write(handle, body):
        asked.append(len(body))
        if len(asked) == 1:
            return real(handle, body[: len(body) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(UsageError, match=r"now \(No space left on device\), so nothing was changed"):
        journal.append(*acts("b"))
    monkeypatch.undo()
    assert len(asked) == 2
    assert journal.path.read_bytes() == before
    journal.append(*acts("c"))
    assert [act.kind for act in journal.read()] == ["a", "c"]


def test_an_act_is_synced_before_append_returns(journal, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_size))
    journal.append(*acts("a"))
    assert journal.path.stat().st_size in synced


def test_a_journal_that_was_deleted_is_begun_anew(journal):
    journal.append(*acts("a"))
    journal.path.unlink()
    journal.append(*acts("b"))
    assert [act.kind for act in journal.read()] == ["b"]


WRITER = """
import sys
from pathlib import Path
from xpcs_dash.database.acts import Journal, new_act
journal = Journal(Path(sys.argv[1]))
for n in range(50):
    journal.append(new_act("k", sys.argv[2], {"n": n, "text": "x" * 5000}))
"""


def test_processes_and_threads_write_whole_lines(journal):
    command = [sys.executable, "-c", WRITER, str(journal.path)]
    writers = [subprocess.Popen([*command, f"p{k}"]) for k in range(3)]

    def thread():
        for n in range(50):
            journal.append(new_act("k", "t", {"n": n, "text": "y" * 5000}))

    threads = [threading.Thread(target=thread) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [writer.wait(60) for writer in writers] == [0] * 3
    found = journal.read()
    assert journal.damaged() == 0
    assert len(found) == len({act.id for act in found}) == 250
    for who in ("p0", "p1", "p2"):
        assert [act.what["n"] for act in found if act.who == who] == list(range(50))
