"""Statements about bins and files: their one meaning of good, and their form in JSON."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xpcs_dash.database.files import FileRow
from xpcs_dash.errors import SchemaError
from xpcs_dash.results.said import bins_from, said_of, table_of
from xpcs_dash.results.statement import (
    SCHEMA,
    BinResult,
    Estimate,
    FileStatement,
    Origin,
    Review,
    interval,
    sigma_model,
)
from xpcs_dash.results.verdict import BIN_FLAGS, verdict


def one(label: int = 3, **changed: Any) -> BinResult:
    values = {
        "contrast": Estimate(0.2, 0.01, 0.181, 0.219),
        "tau": Estimate(1e-3, 2e-5, 9.6e-4, 1.04e-3, "s"),
    }
    made = BinResult(
        label=label,
        q=0.0123,
        phi=22.5,
        model="single",
        values=values,
        covariance=((1e-4, 3e-8), (3e-8, 4e-10)),
        sigma_model="counting",
        n_points=41,
        chi2_red=1.1,
        verdict=verdict(()),
        ref="a~0123456789",
        version="0011",
        origin=Origin("batch", "numpy", {"min_coincidences": 10.0}, {}, {"xpcs-dash": "0.2.0"}),
    )
    return replace(made, **changed)


numbers = st.floats(allow_nan=True, allow_infinity=True)


def same(a: Any, b: Any) -> bool:
    """Equal, with not a number equal to itself."""
    return repr(a) == repr(b)


@settings(deadline=None)
@given(value=numbers, sigma=numbers, low=numbers, chi2=numbers, cov=numbers)
def test_a_bin_comes_back_from_json_as_it_was_whatever_its_numbers(value, sigma, low, chi2, cov) -> None:
    made = one(
        values={"tau": Estimate(value, sigma, low, math.inf, "s", held=True)},
        covariance=((cov,),),
        chi2_red=chi2,
        verdict=verdict(["at_bound:tau"]),
        review=Review("rejected", "anna", "no", 12.5),
    )
    text = json.dumps(made.to_json(), allow_nan=False)
    assert same(BinResult.from_json(json.loads(text)), made)


@settings(deadline=None)
@given(value=numbers, n=st.integers(1, 4))
def test_bins_come_back_from_their_table(value: float, n: int) -> None:
    made = [one(label=k + 1, chi2_red=value) for k in range(n)]
    text = json.dumps(table_of(made), allow_nan=False)
    found = bins_from(json.loads(text), "a~0123456789", "0011")
    rounded = value if not math.isfinite(value) else float(f"{value:.7g}")
    assert same(found, tuple(replace(b, chi2_red=rounded) for b in made))


def test_the_table_keeps_reasons_that_no_flag_says() -> None:
    made = [
        one(
            verdict=verdict(["not_converged"], ["R-hat must be below 1.01: tau 1.2"]),
            review=Review("flagged"),
        )
    ]
    assert bins_from(json.loads(json.dumps(table_of(made))), made[0].ref, made[0].version) == tuple(made)


@pytest.mark.parametrize(
    ("where", "value", "field"),
    [
        (("schema",), SCHEMA + 1, "schema"),
        (("schema",), None, "schema"),
        (("label",), "3", "label"),
        (("q",), "wide", "q"),
        (("values", "tau", "sigma"), [1], "values.tau.sigma"),
        (("values", "tau", "extra"), 1, "values.tau.extra"),
        (("covariance",), [[1.0]], "covariance"),
        (("sigma_model",), "guess", "sigma_model"),
        (("verdict", "good"), False, "verdict.good"),
        (("verdict", "flags"), ["poor_fit"], "verdict.good"),
        (("review", "state"), "maybe", "review.state"),
        (("provenance",), [], "provenance"),
        (("level",), 0.5, "level"),
    ],
)
def test_what_is_no_statement_is_refused_with_the_field(
    where: tuple[str, ...], value: Any, field: str
) -> None:
    text = one().to_json()
    at: Any = text
    for name in where[:-1]:
        at = at[name]
    at[where[-1]] = value
    with pytest.raises(SchemaError) as refused:
        BinResult.from_json(text)
    assert str(refused.value).startswith(f"BinResult.{field}: expected ")


@pytest.mark.parametrize("flag", sorted(BIN_FLAGS))
def test_a_bin_with_any_flag_is_not_good(flag: str) -> None:
    found = verdict([flag])
    assert not found.good
    assert found.state != "ok"
    assert found.sentence == BIN_FLAGS[flag]


def test_good_has_no_flag_and_no_reason() -> None:
    assert verdict(()).good
    assert (verdict(()).state, verdict(()).sentence) == ("ok", "good")
    assert not verdict((), ["nobody looked"]).good
    assert verdict((), ["nobody looked"]).state == "alarm"


def test_a_flag_names_its_parameter() -> None:
    assert verdict(["at_bound:tau"]).reasons == ("tau stands at its bound",)
    assert verdict(["undetermined:f"]).reasons == ("the data do not determine f",)
    assert verdict(["undetermined:f"]).state == "alarm"
    assert verdict(["at_bound:tau"]).state == "warning"


def test_what_may_be_drawn_and_told() -> None:
    assert verdict(["poor_fit"]).has_curve
    assert verdict(["poor_fit"]).has_numbers
    assert not verdict(["not_converged"]).has_curve
    assert verdict(["no_decay"]).has_curve
    assert not verdict(["no_decay"]).has_numbers


def test_a_file_comes_back_from_json() -> None:
    made = FileStatement(
        ref="a~0123456789", version="00", intensity=0.25, contrast=math.nan, q_label=2,
        geometry_mismatch=("energy",), flags=("no-decay",), tau=1e-3, tau_flags=("poor_fit",), n_good=0,
        starved_fraction=math.inf,
    )  # fmt: skip
    assert made.contrast is None
    assert made.starved_fraction is None
    assert FileStatement.from_json(json.loads(json.dumps(made.to_json(), allow_nan=False))) == made


def test_every_field_of_a_file_is_checked() -> None:
    plain = FileStatement(n_good=1).to_json()
    assert "tau" in plain
    assert "tau" not in FileStatement().to_json()
    for f in fields(FileStatement):
        with pytest.raises(SchemaError, match=rf"FileStatement\.{f.name}"):
            FileStatement.from_json({**plain, f.name: {"no": "such"}})


def test_a_relaxation_time_that_says_nothing_is_not_told() -> None:
    made = FileStatement(tau=1e-3, tau_err=1e-5, tau_flags=("no_decay",))
    assert math.isnan(made.quantity("tau").value)
    told = replace(made, tau_flags=("poor_fit",)).quantity("tau")
    assert told.value == 1e-3
    assert told.low < 1e-3 < told.high


def test_a_row_of_the_index_says_who_it_is_about() -> None:
    stored = {**FileStatement(flags=("no-decay",)).to_json(), "fit": table_of([one(1), one(2)])}
    row = FileRow(
        "b~0123456789", "/d/b.hdf", "b", 1, 2, "ready", version="v2", flags=("map-changed",), summary=stored
    )
    found = said_of(row)
    assert found.problem == ""
    assert found.file is not None
    assert (found.file.ref, found.file.version, found.file.flags) == ("b~0123456789", "v2", ("map-changed",))
    assert [(b.ref, b.version) for b in found.bins] == [("b~0123456789", "v2")] * 2
    assert found.bin(2) == found.bins[1]
    assert found.bin(9) is None


def test_a_row_of_another_schema_says_why_it_is_not_used() -> None:
    row = FileRow("b~0123456789", "/d/b.hdf", "b", 1, 2, "ready", summary={"intensity": 1.0, "fit": None})
    found = said_of(row)
    assert found.file is None
    assert "FileStatement.schema" in found.problem
    broken = {**table_of([one()]), "tau": ["x"]}
    found = said_of(replace(row, summary={**FileStatement().to_json(), "fit": broken}))
    assert found.file is not None
    assert found.bins == ()
    assert "fit.tau" in found.problem


def test_an_interval_follows_the_axis_the_bounds_and_the_scatter() -> None:
    low, high = interval(1.0, 0.5)
    assert high - 1.0 == pytest.approx(1.0 - low) == pytest.approx(0.5 * 1.8808, rel=1e-4)
    low, high = interval(1.0, 0.5, log=True)
    assert low * high == pytest.approx(1.0)
    assert interval(1.0, 0.5, lower=0.9, upper=1.1) == (0.9, 1.1)
    assert interval(1.0, 0.5, dof=3)[1] > interval(1.0, 0.5)[1]
    assert all(map(math.isnan, interval(math.nan, 0.5)))


def test_where_errors_come_from() -> None:
    assert sigma_model("counting", photons=True) == "counting"
    assert sigma_model("counting", photons=False) == "file"
    assert sigma_model("file", photons=True) == "file"
    assert sigma_model("counting", photons=True, known=False) == "scatter"
