"""The queue of fits behind ingest."""

from __future__ import annotations

import time

import pytest

from xpcs_dash.acquisition.fits import PAUSES_S, FitQueue
from xpcs_dash.acquisition.ingest import Ingest
from xpcs_dash.acquisition.readers import Failure, InlinePool, Outcome, ReaderPool
from xpcs_dash.acquisition.rows import Known
from xpcs_dash.acquisition.scan import Stat
from xpcs_dash.errors import UnreadableFile


def queue():
    order = []

    def fit(path):
        order.append(path)
        if path == "bad":
            raise ValueError("no")
        return {"fit": {"tau": [1.0]}, "summary": {"n_good": 1}, "flags": []}

    return FitQueue(InlinePool(fit)), order


def test_the_newest_file_is_fitted_first():
    fits, order = queue()
    for name, at in (("old", 1.0), ("new", 3.0), ("middle", 2.0)):
        fits.add(name, Stat(1, int(at), 1), at)
    changes = [change for _ in range(4) for change in fits.step()]
    assert order == ["new", "middle", "old"]
    assert [(c.kind, c.path, c.stat.mtime_ns) for c in changes] == [
        ("fit", "new", 3), ("fit", "middle", 2), ("fit", "old", 1)
    ]  # fmt: skip
    assert (len(fits), fits.done) == (0, 3)


def test_fits_step_back_while_many_files_wait():
    fits, order = queue()
    fits.add("a", Stat(1, 1, 1), 1.0)
    assert fits.step(busy=True) == []
    assert order == []
    assert len(fits) == 1


def test_a_fit_that_fails_by_itself_is_stored_with_its_reason_and_not_tried_again():
    fits, order = queue()
    fits.add("bad", Stat(1, 1, 1), 1.0)
    fits.step()
    (change,) = fits.step()
    assert change.kind == "fit"
    assert change.values["fit"] == {}
    assert "ValueError: no" in change.values["summary"]["fit_error"]
    assert (fits.step(), order, len(fits)) == ([], ["bad"], 0)


FAULTS = {
    "time-out": Failure("a.hdf: it took longer than 120 s and was given up.", True, "Timeout"),
    "killed": Failure(
        "a.hdf: the process that read it ended (SIGKILL); the file may be damaged.", True, "Crash"
    ),
    "no memory": MemoryError(),
    "an I/O error": OSError(5, "Input/output error"),
    "a stale mount": OSError(116, "Stale file handle"),
    "gone": FileNotFoundError("a.hdf"),
    "no rights": PermissionError(13, "Permission denied"),
    "locked": UnreadableFile("a.hdf", "a program is writing this file", transient=True),
}


class Shaky(InlinePool):
    """Fails so many times, then fits."""

    def __init__(self, fault, times):
        super().__init__(self.fit)
        self.fault, self.left, self.tried = fault, times, 0

    def fit(self, path):
        self.tried += 1
        if self.left > 0 and isinstance(self.fault, Exception):
            self.left -= 1
            raise self.fault
        return {"fit": {"tau": [1.0]}, "summary": {}}

    def collect(self):
        found = super().collect()
        if found and self.left > 0 and isinstance(self.fault, Failure):
            self.left -= 1
            return [Outcome(found[0].path, failure=self.fault)]
        return found


def work(fits, seconds=2.0):
    changes, end = [], time.monotonic() + seconds
    while time.monotonic() < end and len(fits):
        changes += fits.step()
        time.sleep(0.002)
    return changes


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_machine_is_tried_again_and_the_row_says_so(fault):
    pool = Shaky(FAULTS[fault], 2)
    fits = FitQueue(pool, (0.01, 0.02, 0.04))
    fits.add("a.hdf", Stat(1, 1, 1), 1.0)
    changes = work(fits)
    assert [c.kind for c in changes] == ["unfitted", "unfitted", "fit"]
    assert changes[0].values["reason"].startswith("its curves have not been fitted: a.hdf: ")
    assert "tried again after 0 s" in changes[0].values["reason"]
    assert changes[-1].values["fit"] == {"tau": [1.0]}
    assert pool.tried == 3


def test_a_fault_that_lasts_is_left_for_the_next_start_and_never_stored_as_a_result():
    pool = Shaky(FAULTS["killed"], 100)
    fits = FitQueue(pool, (0.01, 0.02))
    fits.add("a.hdf", Stat(1, 1, 1), 1.0)
    changes = work(fits)
    assert [c.kind for c in changes] == ["unfitted"] * 3
    assert (
        "tried 3 times, and again when the file is retried or the dashboard starts"
        in (changes[-1].values["reason"])
    )
    assert pool.tried == 3
    assert not len(fits)


def test_pauses_grow_and_what_waits_does_not_keep_the_queue_busy():
    assert list(PAUSES_S) == sorted(PAUSES_S)
    assert len(PAUSES_S) >= 3
    pool = Shaky(FAULTS["killed"], 1)
    fits = FitQueue(pool, (3600.0,))
    fits.add("a.hdf", Stat(1, 1, 1), 1.0)
    fits.step()
    assert fits.busy
    fits.step()
    assert (fits.busy, len(fits), pool.tried) == (False, 1, 1)
    fits.add("b.hdf", Stat(2, 2, 2), 2.0)
    assert [c.path for c in [*fits.step(), *fits.step()]] == ["b.hdf"], "others do not wait with it"
    fits.hurry()
    assert [c.kind for c in [*fits.step(), *fits.step()]] == ["fit"]


def test_a_fitter_that_cannot_be_started_says_nothing_about_the_file():
    class Full(InlinePool):
        def submit(self, *_):
            raise OSError(11, "Resource temporarily unavailable")

    fits = FitQueue(Full(str), (3600.0,))
    fits.add("a.hdf", Stat(1, 1, 1), 1.0)
    (change,) = fits.step()
    assert change.kind == "unfitted"
    assert "Resource temporarily unavailable" in change.values["reason"]


@pytest.mark.parametrize("value", [None, 3, {}])
def test_a_fitter_that_answers_nonsense_fails_for_good(value):
    fits = FitQueue(InlinePool(lambda _: value))
    fits.add("a.hdf", Stat(1, 1, 1), 1.0)
    (change,) = [*fits.step(), *fits.step()]
    assert "gave no result" in change.values["summary"]["fit_error"]


def test_only_ready_files_with_curves_and_without_a_fit_are_taken_up_at_the_start():
    fits, _ = queue()
    stat = Stat(1, 1, 1)
    fits.add_missing(
        {
            "fitted": Known(stat, "ready", True, True, 1.0),
            "open": Known(stat, "ready", True, False, 1.0),
            "partition": Known(stat, "ready", True, False, 1.0, False),
            "gone": Known(stat, "gone", True, False, 1.0),
            "failed": Known(stat, "failed", False, False, 1.0),
        }
    )
    assert len(fits) == 1


def test_a_fit_that_was_prevented_is_done_after_a_restart(beamline):
    pool = Shaky(FAULTS["killed"], 100)
    beamline.start()
    beamline.ingest._fits = FitQueue(pool, (0.01,))
    beamline.write("a.hdf")
    beamline.until(lambda: pool.tried == 2)
    beamline.until(lambda: "tried 2 times" in beamline.row("a.hdf").summary.get("fit_pending", ""))
    number = beamline.row("a.hdf").ref
    assert beamline.catalogue.get(number).summary["fit"] is None
    beamline.stop()
    pool.left = 0
    found = Ingest(beamline.settings, beamline.catalogue, InlinePool(beamline.reader), FitQueue(pool))
    beamline.ingest = found
    found.start()
    beamline.until(lambda: beamline.catalogue.get(number).summary["fit"] == {"tau": [1.0]})
    assert "fit_pending" not in beamline.row("a.hdf").summary
    assert len(beamline.reader.opened) == 1, "the file itself is not read again"


def test_a_row_says_that_its_fit_is_still_to_come(beamline):
    beamline.start()
    beamline.ingest._fits = FitQueue(Never())
    beamline.write("a.hdf")
    beamline.until(lambda: beamline.states() == {"a.hdf": "ready"})
    assert beamline.row("a.hdf").summary["fit_pending"] == "its curves have not been fitted yet"


class Never(InlinePool):
    """Takes nothing."""

    def __init__(self):
        super().__init__(str)

    def free(self):
        return 0


def test_a_fitter_that_is_killed_in_the_middle_of_a_fit_fits_the_file_later(monkeypatch, tmp_path):
    (tmp_path / "mortal_fitter.py").write_text(
        "import os, pathlib, signal\n"
        "def make(mark):\n"
        "    def fit(path):\n"
        "        try: pathlib.Path(mark).touch(exist_ok=False)\n"
        "        except FileExistsError: return {'fit': {'tau': [1.0]}, 'summary': {}}\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return fit\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    pool = ReaderPool("mortal_fitter:make", {"mark": str(tmp_path / "mark")}, n=1)
    fits = FitQueue(pool, (0.05,))
    try:
        fits.add("a.hdf", Stat(1, 1, 1), 1.0)
        changes = work(fits, 60.0)
    finally:
        fits.close()
    assert [change.kind for change in changes] == ["unfitted", "fit"]
    assert "SIGKILL" in changes[0].values["reason"]
