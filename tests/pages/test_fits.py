"""The review desk: filters, reviews, comparison, delete and undo."""

from __future__ import annotations

import pytest

from xpcs_dash.database.record import Record
from xpcs_dash.database.record.fits import FitIndex, overall
from xpcs_dash.errors import UsageError
from xpcs_dash.fits.request import FitRequest
from xpcs_dash.pages.fits import views
from xpcs_dash.pages.fits.callbacks import ids_of


def entry(label=1, tau=1e-3, state="ok", **more):
    return {
        "label": label, "q": 0.01 * label, "phi": 0.0, "state": state,
        "reasons": [] if state == "ok" else ["no decay in the window"], "chi2": 1.0,
        "values": {"contrast": [0.2, None, None, 0.01], "baseline": [1.0, None, None, 0.001],
                   "tau": [tau, None, None, 0.1 * tau]},
        **more,
    }  # fmt: skip


@pytest.fixture
def index(tmp_path):
    record = Record(f"sqlite:///{tmp_path / 'record.sqlite'}", tmp_path)
    yield FitIndex(record)
    record.close()


def add(index, store_id="a", *, bins=None, **more):
    bins = bins or [entry()]
    given = {
        "store_id": store_id, "kind": "nlsq", "ref": "3", "version": "t", "name": "A001_silica",
        "sample": "", "model": "single", "sigma": "counting", "n_q": len(bins),
        "state": overall([b["state"] for b in bins]),
        "n_good": sum(b["state"] == "ok" for b in bins), "chi2": 1.0,
        "request": FitRequest(labels=(1,), seed=4).to_params(), "bins": bins, "owner": "ada", "seconds": 0.2,
    }  # fmt: skip
    return index.add(**given | more)


def test_a_fit_is_entered_once_and_comes_back_whole(index):
    number = add(index, facts={"versions": {"jax": "1"}})
    assert add(index) == number
    row = index.get(number)
    assert (row.name, row.bins[0]["values"]["tau"][0], row.facts) == (
        "A001_silica",
        1e-3,
        {"versions": {"jax": "1"}},
    )
    assert FitRequest.from_params(row.request).seed == 4
    with pytest.raises(UsageError, match="no stored fit"):
        index.get("999")


def test_filters(index):
    first = add(index, "a")
    second = add(index, "b", kind="nuts", model="double", name="E0173_gel")
    index.set_review(first, "flagged", "odd 100% tail", "grace")
    assert [row.id for row in index.list()] == [second, first]
    assert [row.id for row in index.list(kind="nuts")] == [second]
    assert [row.id for row in index.list(model="single")] == [first]
    assert [row.id for row in index.list(review="flagged")] == [first]
    assert [row.id for row in index.list(text="e0173 ADA")] == [second]
    assert [row.id for row in index.list(text="100%")] == [first]
    assert index.list(text="100_") == []


def test_a_review_needs_a_name_and_a_failing_fit_a_reason(index):
    good, bad = add(index, "a"), add(index, "b", bins=[entry(state="alarm")])
    with pytest.raises(UsageError, match="name"):
        index.set_review(good, "accepted", "", " ")
    assert index.set_review(good, "accepted", "", "ada").review == "accepted"
    with pytest.raises(UsageError, match="why"):
        index.set_review(bad, "accepted", "", "ada")
    row = index.set_review(bad, "accepted", "only the baseline is used", "ada")
    assert (row.review, row.reviewer, row.note) == ("accepted", "ada", "only the baseline is used")
    with pytest.raises(UsageError):
        index.set_review(good, "perfect", "", "ada")


def test_delete_can_be_undone(index):
    number = add(index)
    before = index.stamp()
    index.delete([number])
    assert index.list() == []
    assert [row.id for row in index.list(deleted=True)] == [number]
    assert index.stamp() != before
    index.restore([number])
    assert [row.id for row in index.list()] == [number]


@pytest.mark.parametrize(
    ("states", "state"),
    [(["ok", "ok"], "ok"), (["ok", "alarm"], "warning"), (["alarm"], "alarm"), ([], "alarm")],
)
def test_state_of_a_whole_fit(states, state):
    assert overall(states) == state


def test_the_list_shows_no_number_without_its_badge(index):
    row = index.get(add(index, bins=[entry(), entry(2, state="alarm")]))
    line = views.grid_row(row)
    assert line["key"] == str(row.id)  # the grid tells its rows apart by texts only
    assert line["state"] == "▲ 1 of 2 good"
    assert line["why"] == "no decay in the window"
    assert "not usable" in str(views.detail(row))
    good = index.get(add(index, "b", bins=[entry(), entry(2)]))
    compared = views.compare(good, row)
    assert "not usable" in str(compared)
    assert "1 of 2 good" in str(compared)
    assert "one standard deviation" in str(compared)


def test_the_address_brings_back_the_exact_state(index):
    request = FitRequest(model="stretched", labels=(2, 5), sigma="file")
    row = index.get(add(index, request=request.to_params(), model="stretched"))
    assert views.href(row, "/xpcs/") == f"/xpcs/fit?file=3&v=t&q=2,5&model=stretched&sigma=file&fit={row.id}"


def test_comparison_counts_in_joint_errors(index):
    a, b = (
        index.get(add(index, name, bins=[entry(tau=tau, aic=aic)]))
        for name, tau, aic in (("a", 1e-3, 10.0), ("b", 2e-3, 14.0))
    )
    shown = str(views.compare(a, b))
    assert f"{1e-3 / (0.1e-3**2 + 0.2e-3**2) ** 0.5:.1f} σ" in shown
    assert views.criteria(a) == [("AIC", "10.0")]
    assert "AIC" in shown
    other = index.get(add(index, "c", bins=[entry(7)]))
    assert "no q-bin in common" in str(views.compare(a, other))


def test_intervals_stand_in_for_missing_errors():
    assert views.value_and_sigma([1.0, 0.9, 1.1, None]) == (1.0, pytest.approx(0.2 / 3.76))
    assert views.value_and_sigma([1.0, None, None, 0.3]) == (1.0, 0.3)


def test_chosen_fits_of_an_address():
    assert ids_of("3,4,5") == ["3", "4"]
    assert ids_of("x,7") == ["7"]
    assert ids_of(None) == []


def test_leave_one_out_prefers_a_model_by_the_difference_of_the_points(index):
    points = [-0.5, None, 0.7, -30.0, 1.1]
    better = [None if p is None else p + 2.0 for p in points]

    def fit(name, values, **more):
        return index.get(add(index, name, kind="nuts", bins=[entry(elpd_points=values)], **more))

    worse = fit("a", points)
    good, near = fit("b", better, model="stretched"), fit("c", [-0.4, None, 0.6, -30.0, 1.1])
    assert views.preference(worse, good) == (
        f"LOO prefers fit {good.id} to fit {worse.id}, by 8.0 ± 0.0 over 4 points."
    )
    assert views.preference(good, worse) == views.preference(worse, good)
    assert "does not decide" in views.preference(worse, near)
    assert "LOO prefers" in str(views.compare(worse, good))
    assert views.preference(worse, fit("d", better, sigma="file")) == ""
    assert views.preference(worse, fit("e", None)) == ""
    other = FitRequest(labels=(1,), seed=4, delay=(1e-3, 1.0)).to_params()
    assert views.preference(worse, fit("f", better, request=other)) == ""


def test_a_fit_says_what_became_of_its_file(index):
    row = index.get(add(index, ref="A001~0f0f0f0f0f", version="aaaa0000bbbb1111"))
    same, other = {row.ref: row.version}, {row.ref: "cccc0000bbbb1111"}
    assert views.standing(row, same) == ""
    assert views.standing(row, {row.ref: ""}) == "", "a file that is being read again is not replaced yet"
    assert views.standing(row, other) == "the file has been replaced since"
    assert views.standing(row, {}) == "no file of this name is here any more"
    assert views.grid_row(row, views.standing(row, other))["why"].startswith(
        "the file has been replaced since"
    )
    assert "The file has been replaced since." in str(views.detail(row, views.standing(row, other)))
    assert "v=aaaa0000" in views.href(row, "/")
