"""The table of flags: when each is set, what it says, what it hides."""

from __future__ import annotations

from typing import Any

import pytest

from xpcs_dash.rules import table
from xpcs_dash.rules.table import RULES, said, shown, with_fit_flags, worst

#: Flag -> numbers of a file that just set it, and others that just do not.
FILES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "beam-lost": ({"stability": "beam lost"}, {"stability": "stable"}),
    "intensity-drift": ({"stability": "drifting"}, {"stability": "unknown"}),
    "shape-change": ({"stability": "damaged"}, {"stability": None}),
    "geometry-mismatch": ({"geometry_mismatch": ("bcx",)}, {"geometry_mismatch": ()}),
    "not-photons": ({"has_g2": True, "photons": False}, {"has_g2": False, "photons": False}),
    "mostly-starved": ({"starved_fraction": 0.51}, {"starved_fraction": 0.5}),
    "no-decay": ({"decays": 0.19}, {"decays": 0.2}),
    "baseline-off": ({"baseline": 0.94, "baseline_err": 0.01}, {"baseline": 0.96, "baseline_err": 0.001}),
}
FLEXIBLE = {"photons": True, "sigma_known": True, "flexible_chi2": 5.1, "flexible_chi2_min": 2.6}
FITS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "no-decay": ({"flat_share": 0.81}, {"flat_share": 0.8}),
    "scatter-high": ({"chi2_red": 5.1, **FLEXIBLE}, {"chi2_red": 5.1, **FLEXIBLE, "photons": False}),
}
SAME = {"map_hash": "a", "intensity": 1.0, "intensity_source": "s", "intensity_unit": "u", "sample": "x"}
PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "map-changed": ({**SAME, "map_hash": "b"}, {**SAME, "map_hash": None}),
    "intensity-jump": ({**SAME, "intensity": 2.01}, {**SAME, "intensity": 2.01, "sample": "y"}),
}


def test_every_rule_is_tried_here() -> None:
    assert {r.flag for r in RULES if r.file} == set(FILES)
    assert {r.flag for r in RULES if r.fit} == set(FITS)
    assert {r.flag for r in RULES if r.beside} == set(PAIRS)
    assert len({r.flag for r in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.severity in table.SEVERITIES
        assert rule.sentence[0].islower()
        assert not rule.sentence.endswith(".")
        assert rule.hides <= {r.flag for r in RULES}


@pytest.mark.parametrize("flag", FILES)
def test_numbers_of_a_file_set_it(flag: str) -> None:
    yes, no = FILES[flag]
    assert table.file_flags(yes) == [flag]
    assert table.file_flags(no) == []


@pytest.mark.parametrize("flag", FITS)
def test_numbers_of_a_fit_set_it(flag: str) -> None:
    yes, no = FITS[flag]
    assert table.fit_flags(yes) == [flag]
    assert table.fit_flags(no) == []


@pytest.mark.parametrize("flag", PAIRS)
def test_the_file_before_sets_it(flag: str) -> None:
    yes, no = PAIRS[flag]
    assert table.flags_beside(yes, SAME) == [flag]
    assert table.flags_beside(no, SAME) == []
    assert table.flags_beside(yes, None) == []


def test_what_a_file_does_not_have_sets_nothing() -> None:
    assert table.file_flags({}) == []
    assert table.fit_flags({}) == []
    assert table.flags_beside({}, {}) == []
    nothing = dict.fromkeys([*SAME, "decays", "baseline", "baseline_err", "starved_fraction", "stability"])
    assert table.file_flags(nothing) == []
    assert table.flags_beside(nothing, nothing) == []
    assert table.file_flags({"baseline": 0.1, "baseline_err": float("nan")}) == []


def test_a_rule_hides_what_says_nothing_more() -> None:
    assert shown(["scatter-high", "beam-lost", "no-decay", "beam-lost"]) == ["beam-lost", "no-decay"]
    assert table.file_flags({"decays": 0.0, "baseline": 0.5, "baseline_err": 0.001}) == ["no-decay"]


def test_the_fit_decides_where_there_is_one() -> None:
    assert with_fit_flags(["no-decay", "map-changed"], []) == (["map-changed"], [])
    assert with_fit_flags(["beam-lost"], ["scatter-high"]) == (["beam-lost"], ["beam-lost"])
    assert with_fit_flags(["no-decay"], None) == (["no-decay"], ["no-decay"])


def test_the_gravest_is_said_first_and_an_unknown_flag_by_its_code() -> None:
    assert [r.flag for r in said(["map-changed", "not-photons", "beam-lost"])] == [
        "beam-lost", "not-photons", "map-changed",
    ]  # fmt: skip
    assert [(r.severity, r.sentence) for r in said(["of-tomorrow"])] == [("warning", "of tomorrow")]
    assert worst([]) is None
    assert worst(["map-changed"]) == "note"
    assert worst(["map-changed", "of-tomorrow"]) == "warning"
    assert worst(["map-changed", "scatter-high"]) == "alarm"
