"""The queue of fits behind ingest."""

from __future__ import annotations

from xpcs_dash.acquisition.fits import FitQueue
from xpcs_dash.acquisition.readers import InlinePool
from xpcs_dash.acquisition.rows import Known
from xpcs_dash.acquisition.scan import Stat


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


def test_a_fit_that_fails_is_not_tried_for_ever():
    fits, _ = queue()
    fits.add("bad", Stat(1, 1, 1), 1.0)
    fits.step()
    (change,) = fits.step()
    assert change.values["fit"] == {}
    assert "ValueError: no" in change.values["summary"]["fit_error"]


def test_only_ready_files_without_a_fit_are_taken_up_at_the_start():
    fits, _ = queue()
    stat = Stat(1, 1, 1)
    fits.add_missing(
        {
            "fitted": Known(stat, "ready", True, True, 1.0),
            "open": Known(stat, "ready", True, False, 1.0),
            "gone": Known(stat, "gone", True, False, 1.0),
            "failed": Known(stat, "failed", False, False, 1.0),
        }
    )
    assert len(fits) == 1
