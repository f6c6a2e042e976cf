"""The parts of a statement: a number with its interval, what somebody said of it, and how it came about."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from statistics import NormalDist
from typing import Any, Literal

from xpcs_dash.results import plain

__all__ = [
    "LEVEL",
    "REVIEWS",
    "SIGMA_MODELS",
    "Estimate",
    "Origin",
    "Review",
    "SigmaModel",
    "interval",
    "sigma_model",
]

#: Probability of every interval.
LEVEL = 0.94
#: Where the errors of g2 came from: file and photon counting in quadrature, the file alone, or, where there
#: are none, the scatter of the residuals.
SIGMA_MODELS = ("counting", "file", "scatter")
#: What people said of a fit.
REVIEWS = ("open", "accepted", "rejected", "flagged")

SigmaModel = Literal["counting", "file", "scatter"]


@dataclass(frozen=True)
class Estimate:
    """One number with what is known about it; NaN where it is not known.

    Attributes
    ----------
    value : median of the posterior after sampling, else the best fit.
    sigma : one standard deviation; 0 where the number was held.
    low, high : ends of the interval of probability `LEVEL`: of highest density after sampling, else of
        confidence.
    unit : empty for a pure number.
    held : True where the number was given and not fitted.
    """

    value: float
    sigma: float = math.nan
    low: float = math.nan
    high: float = math.nan
    unit: str = ""
    held: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values; see `xpcs_dash.results.plain` for what is not finite."""
        numbers = {name: plain.number(getattr(self, name)) for name in ("value", "sigma", "low", "high")}
        return {**numbers, "unit": self.unit, "held": self.held}

    @classmethod
    def from_json(cls, given: Any, at: plain.At) -> Estimate:
        """Inverse of `to_json`.

        Raises
        ------
        SchemaError
            Where it is none.
        """
        values = at.mapping(given, cls)
        numbers = {name: at.number(values, name) for name in ("value", "sigma", "low", "high")}
        return cls(**numbers, unit=at.text(values, "unit"), held=at.yes(values, "held"))


@dataclass(frozen=True)
class Review:
    """What somebody said of a fit.

    Attributes
    ----------
    state : one of `REVIEWS`.
    by, note : who, and what they wrote.
    at : s since the epoch; None where nobody has.
    """

    state: str = "open"
    by: str = ""
    note: str = ""
    at: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"state": self.state, "by": self.by, "note": self.note, "at": self.at}

    @classmethod
    def from_json(cls, given: Any, at: plain.At) -> Review:
        """Inverse of `to_json`; raises SchemaError."""
        values = at.mapping(given, cls)
        when = None if values.get("at") is None else at.number(values, "at")
        state = at.one_of(values, "state", REVIEWS)
        return cls(state, at.text(values, "by"), at.text(values, "note"), when)


@dataclass(frozen=True)
class Origin:
    """How a number came about: what is needed to make it again.

    Attributes
    ----------
    method : ``batch`` (all bins at once, as files are fitted on arrival), ``nlsq`` or ``nuts``.
    engine : what computed it, such as ``numpy`` or ``jax``.
    settings : settings in force that change numbers, by name.
    request : what was asked for beside model and σ: delays, bounds, what was held, seed.
    software : name -> version of what computed it.
    made : when, ISO 8601 in UTC; empty where that is not kept.
    fit : number of the stored fit; empty for a fit that nobody stored.
    """

    method: str = "batch"
    engine: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)
    made: str = ""
    fit: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {f.name: plain.tree(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_json(cls, given: Any, at: plain.At) -> Origin:
        """Inverse of `to_json`; raises SchemaError."""
        values = at.mapping(given, cls)
        return cls(
            method=at.text(values, "method"),
            engine=at.text(values, "engine"),
            settings=at.table(values, "settings"),
            request=at.table(values, "request"),
            software=at.table(values, "software"),
            made=at.text(values, "made"),
            fit=at.text(values, "fit"),
        )


def interval(
    value: float,
    sigma: float,
    *,
    log: bool = False,
    lower: float = -math.inf,
    upper: float = math.inf,
    dof: int | None = None,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Ends of the confidence interval.

    Parameters
    ----------
    log : formed on a log axis, as relaxation times are fitted.
    lower, upper : bounds of the fit, which it does not leave.
    dof : degrees of freedom where the error comes from the scatter (Student's t); None: the error is known.
    level : probability.
    """
    if not (math.isfinite(value) and math.isfinite(sigma)):
        return math.nan, math.nan
    wide = _width(level, None if dof is None else max(dof, 1))
    if log:
        factor = math.exp(min(wide * sigma / value, 700.0)) if value > 0 else math.nan
        low, high = value / factor, value * factor
    else:
        low, high = value - wide * sigma, value + wide * sigma
    return max(low, lower), min(high, upper)


@cache
def _width(level: float, dof: int | None) -> float:
    """Half of the interval in standard errors."""
    if dof is None:
        return NormalDist().inv_cdf(0.5 + level / 2)
    from scipy.stats import t

    return float(t.ppf(0.5 + level / 2, dof))


def sigma_model(wanted: str, *, photons: bool, known: bool = True) -> SigmaModel:
    """Where the errors come from that a fit used.

    Parameters
    ----------
    wanted : "counting" or "file", as it was asked for.
    photons : whether the intensity is in photons, so that they can be counted.
    known : whether there are errors at all.
    """
    if not known:
        return "scatter"
    return "counting" if wanted == "counting" and photons else "file"
