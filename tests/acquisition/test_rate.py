"""What keeps ingest fast: what it is not told, and what it stores together."""

from __future__ import annotations

import time

import h5py
import pytest
import sqlalchemy as sa

from xpcs_dash.acquisition import rows, watcher
from xpcs_dash.acquisition.journal import Journal
from xpcs_dash.acquisition.rows import Change
from xpcs_dash.acquisition.scan import Stat, clean


def test_the_kernel_does_not_tell_us_of_our_own_reads(beamline, monkeypatch):
    kinds = []
    real = watcher._Handler.on_any_event
    monkeypatch.setattr(
        watcher._Handler, "on_any_event", lambda self, e: (kinds.append(e.event_type), real(self, e))
    )
    beamline.start(watch_mode="inotify", rescan_s=60.0)
    beamline.until(lambda: beamline.ingest.scans > 0)
    path = beamline.write("a.hdf")
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready"})
    with h5py.File(beamline.root / "b.temp", "w") as h5:
        h5["x"] = 1
    for _ in range(20):
        path.read_bytes()
        with h5py.File(beamline.root / "b.temp", "r", locking=False) as h5:
            assert h5["x"][()] == 1
    beamline.work(0.5)
    assert "modified" in kinds
    assert not {"opened", "closed_no_write"} & set(kinds)


@pytest.fixture
def stored(monkeypatch):
    """How many changes went into each transaction."""
    sizes, real = [], rows.apply

    def apply(catalogue, changes, relate=None):
        sizes.append(len(changes))
        return real(catalogue, changes, relate)

    monkeypatch.setattr(rows, "apply", apply)
    return sizes


def ready(path, at):
    values = {"layout": "stub", "kinds": ["multitau"], "content": path, "summary": {"flags": []}}
    return Change("ready", path, Stat(1, int(at), 1), at, values)


def test_results_are_gathered_while_more_are_to_come_and_stored_at_once_when_not(beamline, stored):
    journal = Journal(beamline.catalogue, {})
    journal.add(ready(str(beamline.root / "a.hdf"), 1.0))
    journal.flush(60.0)
    assert stored == [1], "the first one is not kept waiting"
    for k in range(3):
        journal.add(ready(str(beamline.root / f"b{k}.hdf"), 2.0 + k))
        journal.flush(60.0)
    assert stored == [1]
    journal.flush()
    assert stored == [1, 3]
    assert beamline.catalogue.counts()["ready"] == 4


def test_gathered_results_are_stored_soon(beamline, stored):
    journal = Journal(beamline.catalogue, {})
    for k in range(2):
        journal.add(ready(str(beamline.root / f"a{k}.hdf"), 1.0 + k))
        journal.flush(0.05)
        time.sleep(0.06)
    assert stored == [1, 1]


def test_storing_a_result_builds_no_statement(beamline, monkeypatch):
    """Putting statements together took longer than running them."""
    journal = Journal(beamline.catalogue, {}, lambda _, before: ["map-changed"] if before else [])
    journal.add(ready(str(beamline.root / "a.hdf"), 1.0))
    journal.flush()
    journal.add(ready(str(beamline.root / "b.hdf"), 2.0))
    with monkeypatch.context() as patch:
        for name in ("select", "update"):
            patch.setattr(sa, name, lambda *_: pytest.fail("a statement was put together"))
        journal.flush()
    row = beamline.catalogue.by_path(str(beamline.root / "b.hdf"))
    assert (row.state, row.flags) == ("ready", ("map-changed",))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([None, True, 3, 2.5, "plain"], [None, True, 3, 2.5, "plain"]),
        ({"a\ud800": [{"b": "c\0"}, (1.0, "\0")]}, {"a\\ud800": [{"b": "c"}, [1.0, ""]]}),
    ],
)
def test_cleaning_changes_texts_alone(value, expected):
    assert clean(value) == expected
