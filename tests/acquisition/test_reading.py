"""One read of a file: its columns and its fits, from one look at it."""

from __future__ import annotations

import pytest

from tests.conftest import A001, A002, A003
from xpcs_dash import open_result
from xpcs_dash.acquisition import reading
from xpcs_dash.acquisition.fits import FitQueue
from xpcs_dash.acquisition.readers import InlinePool
from xpcs_dash.acquisition.scan import stat_of
from xpcs_dash.analysis import quality
from xpcs_dash.errors import UnreadableFile


@pytest.mark.parametrize("name", [A001, A002, A003])
def test_the_fit_comes_with_the_first_read_and_the_file_is_opened_once(sample, name):
    door = reading.ingest_door()
    columns = reading.read(str(sample(name)), door, fit=True).columns
    assert door.pool.stats().opened == 1
    xf = open_result(sample(name))
    own, found = quality.summarise(xf).to_json(), quality.fit_summary(xf)
    assert columns["fit"] == found["fit"]
    assert columns["summary"] == {**own, **found["summary"], "flags": columns["flags"]}
    assert set(found["flags"]) <= set(columns["flags"])


def test_without_the_fit_there_is_no_word_of_one(sample):
    columns = reading.make_reader()(str(sample(A001))).columns
    assert "fit" not in columns
    assert "tau" not in columns["summary"]


def test_very_many_bins_do_not_hold_up_their_curves(sample, monkeypatch):
    monkeypatch.setattr(reading, "FITTED_AT_ONCE", 11)
    assert "fit" not in reading.make_reader()(str(sample(A001)), True).columns


def test_a_fit_that_fails_now_is_left_for_later_and_one_that_fails_for_good_says_why(sample, monkeypatch):
    def fail(error):
        def fit_summary(_xf):
            raise error

        monkeypatch.setattr(quality, "fit_summary", fit_summary)
        return reading.make_reader()(str(sample(A001)), True).columns

    away = fail(UnreadableFile(sample(A001), "the disk is away", transient=True))
    assert "fit" not in away
    assert away["summary"]["contrast"] == pytest.approx(0.18, abs=0.02)
    broken = fail(ValueError("odd numbers"))
    assert broken["fit"] == {}
    assert "odd numbers" in broken["summary"]["fit_error"]


class Reader:
    """Gives a fit with the columns where it is asked for one, but not for a file called bad at first."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []

    def __call__(self, path, fit=False):
        name = path.rsplit("/", 1)[-1]
        self.asked.append((name, fit))
        if name == "bad.hdf" and fit:
            raise UnreadableFile(path, "the process that read it ended", transient=True)
        columns = {"layout": "stub", "kinds": ["multitau"], "content": name, "summary": {"flags": []}}
        if fit:
            columns |= reading.with_fit(
                columns["summary"], [], {"fit": {"tau": [1.0]}, "summary": {"tau": 1.0}}
            )
        return reading.Reading(stat_of(path), columns)


def test_ingest_stores_fit_and_curves_together_and_tries_a_file_that_failed_without_its_fit(beamline):
    reader, later = Reader(), []
    beamline.start(pool=InlinePool(reader))
    queue = FitQueue(InlinePool(lambda path: later.append(path) or {"fit": {"tau": [2.0]}, "summary": {}}))
    beamline.ingest._fits = queue
    good, bad = beamline.write("good.hdf"), beamline.write("bad.hdf")
    beamline.until(lambda: set(beamline.states().values()) == {"ready"} and len(beamline.states()) == 2)
    beamline.until(lambda: beamline.ingest.idle)
    assert reader.asked.count(("good.hdf", True)) == 1
    assert ("bad.hdf", False) in reader.asked
    assert later == [str(bad)], "only what was not fitted as it was read"
    rows = [beamline.catalogue.get(beamline.catalogue.by_path(p).ref) for p in (good, bad)]
    assert [row.summary["fit"] for row in rows] == [{"tau": [1.0]}, {"tau": [2.0]}]
    assert rows[0].summary["tau"] == 1.0
