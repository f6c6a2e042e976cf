"""One stretched or compressed exponential decay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from xpcs_dash.fitting.models.common import BASELINE, CONTRAST, GAMMA, TAU, power, power_and_slopes
from xpcs_dash.fitting.models.spec import Grid, ModelSpec

__all__ = ["MODEL", "stretched_exp_model"]


def stretched_exp_model(xp: Any, t: Any, contrast: Any, baseline: Any, tau: Any, gamma: Any) -> Any:
    """``baseline + contrast·exp[-2 (t/tau)^gamma]``: gamma < 1 stretched, > 1 compressed; t and tau in s."""
    return baseline + contrast * xp.exp(-2.0 * power(xp, t, tau, gamma))


def slopes(t: Any, tau: Any, gamma: Any) -> tuple[Any, Any]:
    """|g1|² and its derivatives by ln tau and gamma."""
    d, by_tau, by_gamma = power_and_slopes(t, tau, gamma)
    e = np.exp(-2.0 * d)
    return e, -2.0 * e * np.stack([by_tau, by_gamma])


MODEL = ModelSpec(
    name="stretched",
    title="Stretched or compressed exponential",
    formula="g2 = baseline + contrast·exp[-2(τ/tau)^gamma]",
    parameters=(
        CONTRAST,
        BASELINE,
        replace(TAU, grid=Grid(26)),
        replace(GAMMA, grid=replace(GAMMA.grid, points=6)),
    ),
    function=stretched_exp_model,
    slopes=slopes,
)
