"""One exponential decay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from xpcs_dash.fitting.models.common import BASELINE, CONTRAST, TAU
from xpcs_dash.fitting.models.spec import Grid, ModelSpec

__all__ = ["MODEL", "single_exp_model"]


def single_exp_model(xp: Any, t: Any, contrast: Any, baseline: Any, tau: Any) -> Any:
    """``baseline + contrast·exp(-2 t/tau)``; t and tau in s."""
    return baseline + contrast * xp.exp(-2.0 * t / tau)


def slopes(t: Any, tau: Any) -> tuple[Any, Any]:
    """|g1|² and its derivative by ln tau."""
    x = 2.0 * t / tau
    e = np.exp(-x)
    return e, (x * e)[None]


MODEL = ModelSpec(
    name="single",
    title="Single exponential",
    formula="g2 = baseline + contrast·exp(-2τ/tau)",
    parameters=(CONTRAST, BASELINE, replace(TAU, grid=Grid(64))),
    function=single_exp_model,
    constants={"gamma": 1.0},
    slopes=slopes,
)
