"""The power law of the relaxation time over q; not a model of g2."""

from __future__ import annotations

from typing import Any

from xpcs_dash.fitting.models.spec import ModelSpec, ParamSpec, PriorSpec

__all__ = ["POWER_LAW", "power_law_model"]


def power_law_model(xp: Any, q: Any, D: Any, n: Any) -> Any:
    """``tau(q) = 1/(D q^n)`` in s; q in Å⁻¹, D in Åⁿ/s. For n = 2, D is the diffusion coefficient."""
    return xp.exp(-xp.log(D) - n * xp.log(q))


#: τ(q); q in Å⁻¹, so D spans many decades and is fitted on a log axis.
POWER_LAW = ModelSpec(
    name="power_law",
    title="Power law of the relaxation time",
    formula="tau = 1/(D q^n)",
    parameters=(
        ParamSpec("D", "D", "Åⁿ/s", 1e-30, 1e30, PriorSpec("lognormal", scale=3.0), log=True),
        ParamSpec("n", "n", "", -4.0, 8.0, PriorSpec("normal", loc=2.0, scale=1.0)),
    ),
    function=power_law_model,
    x="q",
)
