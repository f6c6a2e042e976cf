"""The table of flags: when each is set, how grave it is, what it says to people, and what it hides.

A new rule is one entry of `RULES`; ingest sets its flag, and every page shows its sentence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["alarm", "warning", "note"]
#: Numbers of one file by name: those of its summary, with ``photons``, ``has_g2`` and, once its curves are
#: fitted, those of the fit. What a file does not have is None or missing.
Numbers = Mapping[str, Any]

#: Share of starved points from which a file counts as mostly starved.
STARVED_SHARE = 0.5
#: Distance of a decayed baseline from 1 that is worth a flag, absolute and in standard errors.
BASELINE_OFF, BASELINE_SIGMAS = 0.05, 5.0
#: Share of decaying bins below which nothing decays; share of bins fitted without a decay above which.
DECAYING_SHARE, FLAT_SHARE = 0.2, 0.8
#: Reduced χ² that is far above what counting allows.
HIGH_CHI2 = 5.0
#: Ratio of the intensities of two files that is a jump.
JUMP = 2.0
#: What must be the same for the intensities of two files to be compared.
ALIKE = ("map_hash", "intensity_source", "intensity_unit", "sample")
#: The gravest first.
SEVERITIES: tuple[Severity, ...] = ("alarm", "warning", "note")


@dataclass(frozen=True)
class Rule:
    """One thing that is worth a word.

    Attributes
    ----------
    flag : its code, as the index and scripts know it.
    severity : "alarm" where the data should not be used, "warning" where with care, "note" where it is
        merely good to know.
    sentence : what it says to people, without a full stop.
    file : whether the numbers of a file alone set it.
    fit : whether they do, with those of the fit of its curves; where there is a fit, this decides.
    beside : whether a file sets it beside the one that arrived before it.
    hides : flags that say nothing more once this one is set.
    """

    flag: str
    severity: Severity
    sentence: str
    file: Callable[[Numbers], bool] | None = None
    fit: Callable[[Numbers], bool] | None = None
    beside: Callable[[Numbers, Numbers], bool] | None = None
    hides: frozenset[str] = frozenset()


def number(numbers: Numbers, name: str) -> float:
    """One of the numbers; NaN, which passes no comparison, where the file does not have it."""
    found = numbers.get(name)
    return float(found) if isinstance(found, int | float) else math.nan


def _ends_low(n: Numbers) -> bool:
    # well above 1 it is more often a decay that does not end in the window: only below 1 is it certain
    error = number(n, "baseline_err")
    return math.isfinite(error) and 1.0 - number(n, "baseline") > max(BASELINE_OFF, BASELINE_SIGMAS * error)


def _scatters(n: Numbers) -> bool:
    # the flexible model too misses well measured points at every q
    known = bool(n.get("photons")) and bool(n.get("sigma_known"))
    flexible = number(n, "flexible_chi2") > HIGH_CHI2 and number(n, "flexible_chi2_min") > HIGH_CHI2 / 2
    return known and number(n, "chi2_red") > HIGH_CHI2 and flexible


def _other_map(now: Numbers, before: Numbers) -> bool:
    maps = now.get("map_hash"), before.get("map_hash")
    return None not in maps and maps[0] != maps[1]


def _jumps(now: Numbers, before: Numbers) -> bool:
    if any(now.get(name) != before.get(name) for name in ALIKE):
        return False
    new, old = now.get("intensity"), before.get("intensity")
    return bool(new and old) and not 1 / JUMP <= new / old <= JUMP  # type: ignore[operator]  # neither is None


#: Every rule, in the order in which pages show their sentences among those of one severity.
RULES: tuple[Rule, ...] = (
    Rule(
        "beam-lost",
        "alarm",
        "the beam was lost for part of the run",
        file=lambda n: n.get("stability") == "beam lost",
        hides=frozenset({"scatter-high"}),  # a beam that comes and goes bends every curve
    ),
    Rule(
        "scatter-high",
        "alarm",
        "the scatter of g2 is far above counting statistics at every q: the data are suspect",
        fit=_scatters,
    ),
    Rule(
        "geometry-mismatch",
        "warning",
        "the q-map and the nominal geometry disagree by more than 0.5 %",
        file=lambda n: bool(n.get("geometry_mismatch")),
    ),
    Rule(
        "not-photons",
        "warning",
        "the intensity is not in photons, so the errors of g2 are those of the file alone",
        file=lambda n: bool(n.get("has_g2")) and not n.get("photons"),
    ),
    Rule(
        "mostly-starved",
        "warning",
        "more than half of the points of g2 have too few photon coincidences to be trusted",
        file=lambda n: number(n, "starved_fraction") > STARVED_SHARE,
    ),
    Rule(
        "no-decay",
        "note",
        "g2 does not decay within the delay window",
        file=lambda n: number(n, "decays") < DECAYING_SHARE,
        fit=lambda n: number(n, "flat_share") > FLAT_SHARE,
        hides=frozenset({"baseline-off"}),
    ),
    Rule(
        "baseline-off",
        "warning",
        "g2 ends away from 1, though it has decayed: drift, or a beam that was not steady",
        file=_ends_low,
    ),
    Rule(
        "intensity-drift",
        "warning",
        "the intensity drifted during the run",
        file=lambda n: n.get("stability") == "drifting",
    ),
    Rule(
        "shape-change",
        "warning",
        "the shape of I(q) changed during the run: radiation damage or a changing sample",
        file=lambda n: n.get("stability") == "damaged",
    ),
    Rule(
        "intensity-jump",
        "warning",
        "the intensity differs by more than a factor of 2 from the same sample's file before",
        beside=_jumps,
    ),
    Rule("map-changed", "note", "the q-map differs from that of the file before", beside=_other_map),
    # set by whoever reads the file: it has no numbers
    Rule("not-a-result", "note", "this is an HDF5 file, but not a result that can be shown"),
)


def rule_of(flag: str) -> Rule:
    """The rule of a flag; one of another version says its code, as a warning."""
    return next((r for r in RULES if r.flag == flag), Rule(flag, "warning", flag.replace("-", " ")))


def file_flags(numbers: Numbers) -> list[str]:
    """Flags that the numbers of a file alone set."""
    return shown([r.flag for r in RULES if r.file is not None and r.file(numbers)])


def fit_flags(numbers: Numbers) -> list[str]:
    """Flags that the numbers of a file with those of its fit set."""
    return shown([r.flag for r in RULES if r.fit is not None and r.fit(numbers)])


def flags_beside(now: Numbers, before: Numbers | None) -> list[str]:
    """Flags that show only beside the file before; none for the first one."""
    if before is None:
        return []
    return [r.flag for r in RULES if r.beside is not None and r.beside(now, before)]


def with_fit_flags(flags: Iterable[str], fitted: Iterable[str] | None) -> tuple[list[str], list[str]]:
    """All flags of a file to which those of its fit are added, and those that are its own.

    Where the fit decides, what was said without it goes; ``fitted`` is None for a fit that failed.
    """
    by_fit = {r.flag for r in RULES if r.fit is not None and fitted is not None}
    beside = {r.flag for r in RULES if r.beside is not None}
    every = shown([*(flag for flag in flags if flag not in by_fit), *(fitted or ())])
    return every, [flag for flag in every if flag not in beside]


def shown(flags: Iterable[str]) -> list[str]:
    """Each flag once, without those that another one hides."""
    found = list(dict.fromkeys(flags))
    hidden = frozenset[str]().union(*(rule_of(flag).hides for flag in found))
    return [flag for flag in found if flag not in hidden]


def said(flags: Iterable[str]) -> list[Rule]:
    """The rules of some flags, the gravest first."""
    order = {rule.flag: at for at, rule in enumerate(RULES)}
    found = [rule_of(flag) for flag in shown(flags)]
    return sorted(found, key=lambda r: (SEVERITIES.index(r.severity), order.get(r.flag, len(order))))


def worst(flags: Iterable[str]) -> Severity | None:
    """The gravest severity among some flags; None without any."""
    found = said(flags)
    return found[0].severity if found else None
