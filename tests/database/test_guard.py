"""Databases that are lost or damaged, at rest and in use: nothing that a person made is lost."""

from __future__ import annotations

import threading
import time

import pytest
import sqlalchemy as sa

from tests.database import damage
from tests.pages.test_fits import entry
from xpcs_dash.acquisition.rows import Change, apply
from xpcs_dash.acquisition.scan import Stat
from xpcs_dash.acquisition.state import guard_of
from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.database.record import open_record
from xpcs_dash.database.record.fits import FitIndex, overall
from xpcs_dash.database.record.jobs import JobList
from xpcs_dash.database.schema import INDEX, RECORD, examine
from xpcs_dash.errors import UsageError
from xpcs_dash.fits.request import FitRequest
from xpcs_dash.jobs.queue import JobQueue
from xpcs_dash.services import job_tasks
from xpcs_dash.settings import load_settings


@pytest.fixture
def settings(tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    return load_settings(root=root, state_dir=tmp_path / "state")


def add_fit(index, settings, name) -> int:
    """Enter a fit as a job does: its file lies there first."""
    folder = settings.state_dir / "fits"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.h5").write_bytes(b"a fit")
    bins = [entry()]
    return index.add(
        store_id=name, kind="nlsq", ref="A001~0123456789", version="abc", name="A001", sample="",
        model="single", sigma="counting", n_q=1, n_good=1, chi2=1.0, bins=bins,
        state=overall([b["state"] for b in bins]), request=FitRequest(labels=(1,)).to_params(),
        owner="ada", seconds=0.1,
    )  # fmt: skip


def work(record, settings) -> None:
    """What people do: fits with reviews of every kind, notes, a deleted one, jobs in every state."""
    index, jobs = FitIndex(record), JobList(record)
    first, second, third = (add_fit(index, settings, f"20261124-00000{k}-ab") for k in range(3))
    index.set_review(first, "accepted", "as in the calibration", "ada")
    index.set_review(second, "rejected", "moved", "grace")
    index.set_review(first, "flagged", "look again", "grace")
    index.delete([third], "ada")
    waiting = jobs.add("sleep", {"seconds": 1}, "wait", owner="ada", files={"A001~0123456789": ""})
    stopped = jobs.add("sleep", {}, "stop")
    jobs.cancel(stopped)
    jobs.set_priority(waiting, 5)
    gone = jobs.add("sleep", {}, "gone")
    jobs.cancel(gone)
    jobs.retry(gone)
    queue = JobQueue(record, job_tasks())
    done = jobs.add("sleep", {}, "done", priority=9)
    assert queue.claim().id == done
    queue.end(done, "done", result={"fit": "1"})


def content(record) -> dict:
    index, jobs = FitIndex(record), JobList(record)
    fits = [*index.list(), *index.list(deleted=True)]
    return {
        "fits": sorted(
            (f.id, f.store_id, f.review, f.note, f.reviewer, f.deleted, str(f.bins)) for f in fits
        ),
        "jobs": sorted(
            (j.id, j.kind, j.title, j.state, j.priority, j.owner, str(j.params), str(j.result))
            for j in jobs.list()
        ),
    }


def add_files(settings, n=3) -> None:
    catalogue = Catalogue(settings.catalogue, settings.roots)
    for k in range(n):
        path, stat = str(settings.root / f"f{k}.hdf"), Stat(k, k, 100)
        values = {"kinds": ["multitau"], "summary": {"flags": []}, "layout": "aps_nexus"}
        apply(catalogue, [Change("waiting", path, stat, float(k), {"new": True, "reason": "seen"})])
        apply(catalogue, [Change("ready", path, stat, float(k), values)])
    catalogue.close()


@pytest.mark.parametrize("how", damage.AT_REST)
def test_a_damaged_record_is_restored_whole_at_the_start(settings, how):
    guard_of(settings).start()
    record = open_record(settings)
    work(record, settings)
    before = content(record)
    record.close()
    damage.AT_REST[how](settings.state_dir / "record.sqlite")
    guard = guard_of(settings)
    guard.start()
    assert "The record was lost or damaged" in guard.notices[0].text
    assert "entries of the journal" in guard.notices[0].text
    record = open_record(settings)
    assert content(record) == before
    # and it goes on: numbers are not given out twice
    assert JobList(record).add("sleep", {}, "next") == max(row[0] for row in before["jobs"]) + 1
    record.close()
    if how not in ("deleted",):
        assert list((settings.state_dir / "damaged").glob("record-*"))


@pytest.mark.parametrize("how", damage.AT_REST)
def test_a_damaged_index_is_built_anew_and_the_record_stays(settings, how):
    guard_of(settings).start()
    add_files(settings)
    record = open_record(settings)
    work(record, settings)
    before = content(record)
    damage.AT_REST[how](settings.state_dir / "catalogue.sqlite")
    guard = guard_of(settings)
    guard.start()
    if how not in ("deleted", "empty"):
        assert "is built anew from its files" in guard.notices[0].text
        assert list((settings.state_dir / "damaged").glob("catalogue-*"))
    catalogue = Catalogue(settings.catalogue, settings.roots)
    assert catalogue.counts()["ready"] == 0
    assert content(record) == before
    catalogue.close()
    record.close()


@pytest.mark.parametrize("how", damage.RUNNING)
def test_a_record_that_is_damaged_in_use_is_restored_and_work_goes_on(settings, how):
    guard = guard_of(settings)
    guard.start()
    record = open_record(settings)
    other = open_record(settings)  # of another process: it holds the file open
    work(record, settings)
    before = content(other)
    with Guarded(guard):
        damage.RUNNING[how](settings.state_dir / "record.sqlite")
        index = FitIndex(record)
        index.set_review(before["fits"][0][0], "accepted", f"after {how}", "ada")
        added = JobList(other).add("sleep", {"n": 1}, f"after {how}")
        until(lambda: guard.notices)
    assert "The record was lost or damaged" in guard.notices[0].text
    assert examine(RECORD, settings.record, deep=True).state == "good"
    fresh = open_record(settings)
    after = content(fresh)
    assert after == content(record) == content(other)
    number, name, *_ = before["fits"][0]
    said = (number, name, "accepted", f"after {how}", "ada", False, before["fits"][0][6])
    assert after["fits"] == sorted([said, *before["fits"][1:]])
    new = [row for row in after["jobs"] if row[0] == added]
    assert [(row[2], row[3]) for row in new] == [(f"after {how}", "queued")]
    assert [row for row in after["jobs"] if row[0] != added] == before["jobs"]
    for each in (record, other, fresh):
        each.close()


# shared memory that nobody else has open is made anew by itself
@pytest.mark.parametrize("how", [how for how in damage.RUNNING if how != "shared_memory_deleted"])
def test_an_index_that_is_damaged_in_use_is_built_anew(settings, how):
    guard = guard_of(settings)
    lost = []
    guard.on_index_lost = lambda: lost.append(True)
    guard.start()
    add_files(settings)
    catalogue = Catalogue(settings.catalogue, settings.roots)
    before = catalogue.stamp()
    with Guarded(guard):
        damage.RUNNING[how](settings.state_dir / "catalogue.sqlite")
        until(lambda: catalogue.files() is not None and lost)  # an error tells the guard
        until(lambda: catalogue.stamp().generation != before.generation)
    assert catalogue.counts()["ready"] == 0
    assert "is built anew from its files" in guard.notices[0].text
    assert examine(INDEX, settings.catalogue, deep=True).state == "good"
    catalogue.close()


def test_a_state_directory_that_is_unmounted_is_no_empty_one(settings):
    guard = guard_of(settings)
    guard.start()
    record = open_record(settings)
    work(record, settings)
    before = content(record)
    away = settings.state_dir.with_name("away")
    settings.state_dir.rename(away)
    settings.state_dir.mkdir()  # the mount point that is left
    guard._next_look = 0.0
    guard.look()
    assert "is no longer there; mount its disk again" in guard.notices[-1].text
    with pytest.raises(UsageError, match="so nothing was changed; mount its disk again"):
        FitIndex(record).set_review(1, "accepted", "", "ada")
    with pytest.raises(UsageError, match="mount its disk again"):
        JobList(record).add("sleep", {}, "t")
    assert list(settings.state_dir.iterdir()) == []
    settings.state_dir.rmdir()
    away.rename(settings.state_dir)
    guard._next_look = 0.0
    guard.look()
    assert content(record) == before
    FitIndex(record).set_review(1, "accepted", "mounted again", "ada")
    assert [notice.text for notice in guard.notices if "lost or damaged" in notice.text] == []
    record.close()


def test_an_index_that_an_orderly_stop_left_is_not_looked_through_again(settings, monkeypatch):
    from xpcs_dash.database import guard as module

    guard = guard_of(settings)
    guard.start()
    add_files(settings)
    guard.stop()
    looked = {}

    def look(store, url, *, deep=False, pages=True):
        looked[store.name] = pages
        return examine(store, url, deep=deep, pages=pages)

    monkeypatch.setattr(module, "examine", look)
    again = guard_of(settings)
    again.start()
    assert looked == {"record": True, "index": False}
    again.stop()
    damage.middle(settings.state_dir / "catalogue.sqlite")
    damaged = guard_of(settings)
    damaged.start()
    assert looked == {"record": True, "index": True}
    assert "is built anew" in damaged.notices[0].text


class Guarded:
    """A guard at work, as the supervisor lets it look."""

    def __init__(self, guard):
        self.guard, self.stop = guard, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.wait(0.1):
            self.guard.look()

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except sa.exc.SQLAlchemyError:
            pass
        assert time.monotonic() < end
        time.sleep(0.05)
