"""Parameters and pieces that several models share."""

from __future__ import annotations

from typing import Any

import numpy as np

from xpcs_dash.fitting.models.spec import Grid, ParamSpec, PriorSpec

__all__ = ["BASELINE", "CONTRAST", "GAMMA", "TAU", "power", "power_and_slopes"]

CONTRAST = ParamSpec("contrast", "β", "", 0.0, 1.0, PriorSpec("halfnormal", scale=0.5))
BASELINE = ParamSpec("baseline", "g∞", "", 0.5, 1.5, PriorSpec("normal", loc=1.0, scale=0.1))
TAU = ParamSpec("tau", "τ", "s", 1 / 30, 30.0, PriorSpec("lognormal", scale=2.5), log=True, scaled="time")
GAMMA = ParamSpec(
    "gamma",
    "γ",
    "",
    0.1,
    2.0,
    PriorSpec("lognormal", loc=1.0, scale=0.5),
    positive=True,
    grid=Grid(5, 0.14, 1.9, middle=1.0),
)

#: exp(-2·exp(x)) is zero to double precision far below this; the limit keeps derivatives finite.
_LARGEST_EXPONENT = 30.0


def power(xp: Any, t: Any, tau: Any, gamma: Any) -> Any:
    """(t/tau)^gamma through logarithms, limited so that exp(-2 ·) stays differentiable."""
    exponent = gamma * (xp.log(t) - xp.log(tau))
    # the real part, because NumPy's derivatives are taken by a complex step
    return xp.exp(xp.where(xp.real(exponent) < _LARGEST_EXPONENT, exponent, _LARGEST_EXPONENT))


def power_and_slopes(t: Any, tau: Any, gamma: Any) -> tuple[Any, Any, Any]:
    """(t/tau)^gamma and its derivatives by ln tau and gamma, in NumPy."""
    log = np.log(t) - np.log(tau)
    exponent = gamma * log
    small = exponent < _LARGEST_EXPONENT
    d = np.exp(np.minimum(exponent, _LARGEST_EXPONENT))
    return d, np.where(small, -gamma * d, 0.0), np.where(small, log * d, 0.0)
