"""The Fit page without a browser: controls, data selection, the live fit, its tables and its warnings."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tests.conftest import A001, DATA, E0173
from xpcs_dash import open_result
from xpcs_dash.errors import UsageError
from xpcs_dash.fits.request import FitRequest, chosen, fit_selected, select, spread_bins, state_of
from xpcs_dash.pages.fit import plots, preview, tables
from xpcs_dash.pages.fit.callbacks import clicked_label, selected_delays
from xpcs_dash.pages.fit.parameters import HEADS, parameter_table
from xpcs_dash.pages.fit.request import parse_bins, read_controls, read_given, write_bins, write_given
from xpcs_dash.pages.fit.restore import request_of


def test_request_survives_the_way_through_json():
    request = FitRequest(
        model="stretched", labels=(1, 4), sigma="file", delay=(1e-4, 0.1), fixed={"gamma": 1.0},
        start={"tau": 1e-3}, bounds={"tau": (1e-5, 1.0)}, priors={"tau": ("lognormal", None, 3.0)},
        chains=2, draws=50, warmup=20, seed=7,
    )  # fmt: skip
    assert FitRequest.from_params(request.to_params() | {"ref": 3, "path": "x"}) == request


def test_empty_fields_follow_the_data():
    fields = [("tau", what, None) for what in ("value", "lower", "upper", "loc", "scale")]
    request = read_controls("single", "counting", (None, None), [*fields, ("tau", "prior", "lognormal")])
    assert request == FitRequest()


def test_fields_become_fixed_values_starts_bounds_and_priors():
    request = read_controls(
        "stretched", "file", (1e-5, None),
        [
            ("gamma", "fixed", True), ("gamma", "value", 1.2), ("tau", "value", 1e-3), ("tau", "lower", 1e-6),
            ("contrast", "prior", "normal"), ("contrast", "loc", 0.2), ("contrast", "scale", 0.1),
        ],
        {"chains": 2, "draws": 30, "warmup": None, "seed": 5}, (2, 3),
    )  # fmt: skip
    assert request.fixed == {"gamma": 1.2}
    assert request.start == {"tau": 1e-3}
    assert request.bounds == {"tau": (1e-6, math.inf)}
    assert request.priors == {"contrast": ("normal", 0.2, 0.1)}
    assert request.delay == (1e-5, math.inf)
    assert (request.chains, request.draws, request.warmup, request.seed) == (2, 30, 500, 5)
    assert (request.labels, request.sigma) == ((2, 3), "file")


@pytest.mark.parametrize(
    ("delay", "fields", "words"),
    [
        ((1.0, 0.1), [], "first delay"),
        ((None, None), [("tau", "fixed", True)], "without a value"),
        ((None, None), [("tau", "lower", 2.0), ("tau", "upper", 1.0)], "lower one"),
        ((None, None), [("tau", "scale", -1.0)], "width"),
    ],
)
def test_senseless_controls_are_named(delay, fields, words):
    with pytest.raises(UsageError, match=words):
        read_controls("single", "counting", delay, fields)


def test_what_is_set_in_the_table_survives_the_way_through_the_address():
    request = FitRequest(
        model="stretched", fixed={"gamma": 1.25}, start={"contrast": 0.2},
        bounds={"tau": (1e-6, math.inf), "baseline": (0.9, 1.1)},
        priors={"tau": ("lognormal", None, 3.0), "contrast": ("normal", 0.2, 0.1)},
    )  # fmt: skip
    text = write_given(request)
    assert read_controls("stretched", "counting", (None, None), read_given(text)) == request
    assert request_of(SimpleNamespace(), {"model": "stretched", "par": text}) == request
    assert write_given(FitRequest()) is None


@pytest.mark.parametrize(
    "text", ["tau", "tau.lower", "tau.colour:3", "tau.lower:;drop", "tau.prior:cauchy", ""]
)
def test_an_address_that_makes_no_sense_gives_the_defaults(text):
    assert request_of(SimpleNamespace(), {"par": text}) == FitRequest()


def test_every_parameter_has_its_row_with_unit_bounds_and_prior():
    asked = FitRequest(
        model="stretched", fixed={"gamma": 1.0}, bounds={"tau": (1e-6, math.inf)},
        priors={"tau": ("normal", 2e-3, 1e-3)},
    )  # fmt: skip
    _, table = parameter_table(asked)
    rows = {getattr(row, "data-parameter"): row for row in table.children[1].children}
    assert list(rows) == ["contrast", "baseline", "tau", "gamma"]
    assert all(len(row.children) == len(HEADS) for row in rows.values())
    assert [row.children[1].children for row in rows.values()] == ["1", "1", "s", "1"]
    fields = {
        (part.id["name"], part.id["field"]): part.value
        for part in table._traverse()
        if isinstance(getattr(part, "id", None), dict) and "field" in part.id
    }
    assert len(fields) == 4 * 5
    assert (fields["gamma", "value"], fields["tau", "lower"], fields["tau", "upper"]) == (1.0, 1e-6, None)
    assert (fields["tau", "loc"], fields["tau", "scale"], fields["contrast", "loc"]) == (2e-3, 1e-3, None)
    assert all(f"of {name}" in str(row) for name, row in rows.items())  # every field says its name


@pytest.mark.parametrize(
    ("text", "labels"),
    [("", ()), ("3", (3,)), ("1-3, 9", (1, 2, 3, 9)), ("10-", (10, 11, 12)), ("2 2;4", (2, 4))],
)
def test_bins_as_text(text, labels):
    assert parse_bins(text, 12) == labels
    assert parse_bins(write_bins(labels), 12) == labels


@pytest.mark.parametrize("text", ["0", "13", "5-2", "a", "1-99", "-"])
def test_bins_that_do_not_exist_are_refused(text):
    with pytest.raises(UsageError):
        parse_bins(text, 12)


def test_spread_bins_reach_both_ends():
    assert spread_bins(36)[0] == 1
    assert spread_bins(36)[-1] == 36
    assert len(spread_bins(36)) == 6
    assert spread_bins(4) == (1, 2, 3, 4)


def test_clicks_and_boxes():
    assert clicked_label({"points": [{"customdata": 4}]}) == 4
    assert clicked_label({"points": [{"customdata": 0}]}) is None
    assert clicked_label(None) is None
    assert selected_delays({"range": {"x3": [0.1, 1e-4], "y3": [1, 2]}}) == (1e-4, 0.1)
    assert selected_delays({"points": []}) is None


@pytest.fixture(scope="module")
def a001(sample):
    return open_result(sample(A001))


def test_live_fit_finds_the_truth_and_labels_its_lines(a001):
    request = FitRequest(labels=chosen(a001, None))
    data = select(a001, request)
    view = preview.view_of(a001, data, fit_selected(data, request), request, "dark")
    assert [line.label for line in view.lines] == list(spread_bins(12))
    slow = [1 / (line.values["tau"][0] * q**2) for line, q in zip(view.lines, data.q, strict=True)]
    truth = json.loads((DATA / "A001_silica_multitau_truth.json").read_text())
    assert np.median(slow) == pytest.approx(truth["D_A2_per_s"], rel=0.03)
    assert all(line.state == "ok" for line in view.lines)
    assert all(abs(line.values["contrast"][0] - 0.2) < 0.01 for line in view.lines)
    assert len(view.panels) == len(view.points) == 6
    fitted = view.panels[0]
    assert np.isfinite(fitted.residuals).sum() == fitted.used.sum()


def test_a_fixed_parameter_stays_where_it_is_held(a001):
    request = FitRequest(labels=(3,), fixed={"baseline": 1.01})
    data = select(a001, request)
    view = preview.view_of(a001, data, fit_selected(data, request), request, "dark")
    assert view.lines[0].values["baseline"][0] == 1.01
    assert view.lines[0].held == {"baseline"}
    assert "held" in str(tables.results(view.lines, "single", interval=""))


def test_the_delay_range_leaves_points_out(a001):
    every = select(a001, FitRequest(labels=(5,)))
    some = select(a001, FitRequest(labels=(5,), delay=(1e-3, 1e-1)))
    assert some.used.sum() < every.used.sum()
    assert some.t[some.used[:, 0]].min() >= 1e-3


def test_file_errors_are_taken_as_they_are_and_the_page_warns(sample):
    xf = open_result(sample(E0173))
    counting, plain = (FitRequest(labels=tuple(range(1, 37)), sigma=s) for s in ("counting", "file"))
    ours, theirs = select(xf, counting), select(xf, plain)
    fits = [fit_selected(data, request) for data, request in ((ours, counting), (theirs, plain))]
    assert abs(np.nanmedian(fits[0].chi2_red) - 0.88) < 0.2
    assert np.nanmedian(fits[1].chi2_red) > 5
    assert preview.notes_of(ours, list(fits[0].chi2_red), counting, xf)[0].endswith("delays.")
    assert "cannot be trusted" in preview.notes_of(theirs, list(fits[1].chi2_red), plain, xf)[0]


def test_placeholders_show_what_the_fit_takes(a001):
    texts = preview.placeholders(
        a001, "single", [("tau", "lower"), ("tau", "loc"), ("contrast", "upper"), ("f", "lower")]
    )
    assert float(texts[0]) < a001.t_el.min()
    assert texts[1:] == ["from fit", "1", ""]


@pytest.mark.parametrize(
    ("flags", "state"),
    [((), "ok"), (("incomplete_decay",), "warning"), (("at_bound:tau",), "warning"), (("no_decay",), "alarm"),
     (("at_bound:tau", "poor_fit"), "alarm")],
)  # fmt: skip
def test_state_of_flags(flags, state):
    assert state_of(flags) == state


def test_a_bin_that_fails_never_shows_without_its_badge():
    line = tables.Line(3, "q = 1", "alarm", {"tau": (1.0, None, None, 0.1)}, 9.0, ("no decay in the window",))
    shown = str(tables.results([line], "single", interval="x"))
    assert "not usable" in shown
    assert "no decay in the window" in shown


def test_the_table_says_what_stands_behind_its_errors():
    sampled = tables.Line(1, "q", "ok", {"tau": (1.0, 0.9, 1.1, 0.05)}, 1.0)
    shown = str(tables.results([sampled], "single", interval=tables.SAMPLED))
    assert "half its 94 % HDI" in shown
    assert "94 % HDI 900" in shown.replace("\N{NO-BREAK SPACE}", " ")
    unknown = tables.Line(1, "q", "ok", {"tau": (1.0, None, None, math.nan)}, 1.0)
    assert "± ?" in str(tables.results([unknown], "single", interval=tables.LEAST_SQUARES))


def test_a_check_that_could_not_be_computed_is_red():
    row = tables.Verdict(1, "q", "alarm", {"r_hat": ("1.001", True)}, ("BFMI could not be computed",))
    shown = tables.verdicts([row])
    assert "BFMI could not be computed" in str(shown.children[1].children[1])
    cells = shown.children[1].children[0].children[1:7]
    assert ["xd-ok" in cell.className for cell in cells] == [True, False, False, False, False, False]
    assert "not computed" in str(cells[1])


def test_verdicts_of_a_stored_fit():
    entry = {"label": 2, "q": 0.01, "converged": False, "reasons": ["R-hat 1.2 is above 1.01"],
             "checks": {"r_hat": [1.2, False], "ess_bulk": [900.0, True], "bfmi": [None, False]}}  # fmt: skip
    row = SimpleNamespace(bins=[entry])
    verdict = plots.verdict_rows(row)[0]
    assert verdict.state == "alarm"
    assert verdict.checks["r_hat"] == ("1.200", False)
    assert verdict.checks["ess_bulk"] == ("900", True)
    assert verdict.checks["bfmi"] == ("not computed", False)
    assert plots.worst(row) == "2"


def test_the_pages_import_nothing_heavy():
    code = (
        "import sys, xpcs_dash.pages.fit, xpcs_dash.pages.fits, xpcs_dash.pages.jobs;"
        "heavy = ('jax', 'numpyro', 'nlsq', 'arviz', 'arviz_stats', 'matplotlib', 'distributed');"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
