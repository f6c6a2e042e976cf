"""Replaying a directory: the same files in the order and rhythm of their time."""

from __future__ import annotations

import os
import threading

import pytest

from xpcs_dash.acquisition import replay
from xpcs_dash.errors import UsageError

SUFFIXES = (".hdf",)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "old"
    for k, at in enumerate((300.0, 100.0, 200.0, 200.0)):
        path = folder / f"d{k % 2}" / f"f{k}.hdf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content {k}")
        os.utime(path, (at, at))
    return folder


def test_files_come_in_the_order_of_their_time(source):
    items = replay.plan(source, SUFFIXES)
    assert [item.path.stem for item in items] == ["f1", "f2", "f3", "f0"]


def test_the_start_of_the_acquisition_counts_more_than_the_time_stamp(tmp_path, sample):
    import shutil

    for name, at in (("A001_silica_multitau_results.hdf", 9e8), ("A002_gel_aging_both_results.hdf", 1.0)):
        shutil.copyfile(sample(name), tmp_path / name)
        os.utime(tmp_path / name, (at, at))
    whens = [item.when for item in replay.plan(tmp_path, SUFFIXES)]
    assert 9e8 not in whens
    assert 1.0 not in whens
    assert whens == sorted(whens)


def test_pauses_follow_the_speed_within_limits(source):
    items = replay.plan(source, SUFFIXES)
    assert replay.pauses(items, 10.0, 30.0) == [0.0, 10.0, replay.SHORTEST_S, 10.0]
    assert replay.pauses(items, 1.0, 30.0) == [0.0, 30.0, replay.SHORTEST_S, 30.0]


def test_all_is_delivered_whole_and_the_source_stays_as_it_is(source, tmp_path):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in source.rglob("*.hdf")}
    root = tmp_path / "new"
    items = replay.plan(source, SUFFIXES)
    assert replay.feed(source, root, items, 1e6, 0.0, False, threading.Event()) == 4
    assert {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()} == {
        p.relative_to(source): content for p, (content, _) in before.items()
    }
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in source.rglob("*.hdf")} == before


def test_a_copy_is_made_where_no_link_can_be(source, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    target = replay.deliver(source / "d0" / "f0.hdf", tmp_path / "new" / "f0.hdf")
    assert target.read_text() == "content 0"
    assert target.stat().st_ino != (source / "d0" / "f0.hdf").stat().st_ino


def test_delivering_twice_leaves_one_whole_file(source, tmp_path):
    for _ in range(2):
        replay.deliver(source / "d0" / "f0.hdf", tmp_path / "new" / "f0.hdf")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["f0.hdf"]


def test_nothing_to_replay_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="is not a directory"):
        replay.plan(tmp_path / "none", SUFFIXES)
    with pytest.raises(UsageError, match=r"holds no file ending in \.hdf"):
        replay.plan(tmp_path, SUFFIXES)
