"""Two decays, added in the field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from xpcs_dash.fitting.models.common import BASELINE, CONTRAST, GAMMA, TAU, power, power_and_slopes
from xpcs_dash.fitting.models.spec import Exchange, Grid, ModelSpec, ParamSpec, PriorSpec, Relaxation

__all__ = ["MODEL", "double_exp_model"]


def double_exp_model(
    xp: Any, t: Any, contrast: Any, baseline: Any, tau1: Any, gamma1: Any, tau2: Any, gamma2: Any, f: Any
) -> Any:
    """``baseline + contrast·{f·exp[-(t/tau1)^gamma1] + (1-f)·exp[-(t/tau2)^gamma2]}²``: the squared field."""
    g1 = f * xp.exp(-power(xp, t, tau1, gamma1)) + (1.0 - f) * xp.exp(-power(xp, t, tau2, gamma2))
    return baseline + contrast * g1 * g1


def slopes(t: Any, tau1: Any, gamma1: Any, tau2: Any, gamma2: Any, f: Any) -> tuple[Any, Any]:
    """|g1|² and its derivatives by ln tau1, gamma1, ln tau2, gamma2 and f."""
    d1, by_tau1, by_gamma1 = power_and_slopes(t, tau1, gamma1)
    d2, by_tau2, by_gamma2 = power_and_slopes(t, tau2, gamma2)
    one, two = np.exp(-d1), np.exp(-d2)
    first, second = f * one, (1.0 - f) * two
    g1 = first + second
    made = np.stack([-first * by_tau1, -first * by_gamma1, -second * by_tau2, -second * by_gamma2, one - two])
    return g1 * g1, 2.0 * g1 * made


_TAU, _GAMMA = replace(TAU, grid=Grid(14)), replace(GAMMA, grid=replace(GAMMA.grid, points=1))

MODEL = ModelSpec(
    name="double",
    title="Two decays (squared field)",
    formula="g2 = baseline + contrast·{f·exp[-(τ/tau1)^gamma1] + (1-f)·exp[-(τ/tau2)^gamma2]}²",
    parameters=(
        CONTRAST,
        BASELINE,
        replace(_TAU, name="tau1", symbol="τ1"),
        replace(_GAMMA, name="gamma1", symbol="γ1"),
        replace(_TAU, name="tau2", symbol="τ2"),
        replace(_GAMMA, name="gamma2", symbol="γ2"),
        ParamSpec("f", "f", "", 0.0, 1.0, PriorSpec("uniform")),
    ),
    function=double_exp_model,
    relaxation=Relaxation("tau1"),
    exchange=Exchange((("tau1", "tau2"), ("gamma1", "gamma2")), complement=("f",)),
    slopes=slopes,
)
