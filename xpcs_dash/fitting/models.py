"""The models of g2 and of τ(q): one description each, from which everything else is generated.

A `ModelSpec` holds the formula once, written against an array namespace (`numpy` or `jax.numpy`), and its
parameters with unit, bounds, scale and default prior. The batched residual (`fitting.batch`), the function
given to NLSQ (`fitting.nlsq`), the NumPyro model (`fitting.probabilistic`), tables and file headers are all
made from it.

Definition of g2 used everywhere (Siegert relation with the factor 2 *outside* the power):

    g2(τ) = baseline + contrast · |g1(τ)|²
    single, stretched   |g1|² = exp[-2 (τ/tau)^gamma]        gamma = 1, or 0 < gamma <= 2
    double              g1 = f·exp[-(τ/tau1)^gamma1] + (1-f)·exp[-(τ/tau2)^gamma2]
    power law           tau(q) = 1 / (D q^n)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpcs_dash.errors import UsageError

__all__ = [
    "FORMULA",
    "MODELS",
    "POWER_LAW",
    "ModelSpec",
    "ParamSpec",
    "PriorSpec",
    "Window",
    "double_exp_model",
    "get_model",
    "parameter_table",
    "power_law_model",
    "single_exp_model",
    "stretched_exp_model",
]

FloatArray = NDArray[np.float64]

#: Printed beside every fit.
FORMULA = "g2(τ) = baseline + contrast·|g1(τ)|²,  |g1|² = exp[-2(τ/τc)^γ]"

#: exp(-2·exp(x)) is zero to double precision far below this; the limit keeps derivatives finite.
_LARGEST_EXPONENT = 30.0


@dataclass(frozen=True)
class PriorSpec:
    """Prior of one parameter.

    Attributes
    ----------
    kind : ``lognormal`` (median ``loc``, ``scale`` = sd of the natural logarithm), ``normal``, ``halfnormal``
        (``scale`` only) or ``uniform`` (over the bounds; no numbers).
    loc : centre in the parameter's unit; None means taken from the data: the NLSQ value, or the middle of the
        delay window on a log axis where the bin shows no decay.
    scale : width; for ``lognormal`` dimensionless, else in the parameter's unit.

    All priors are cut off at the bounds of the parameter.
    """

    kind: Literal["lognormal", "normal", "halfnormal", "uniform"]
    loc: float | None = None
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in ("lognormal", "normal", "halfnormal", "uniform"):
            raise UsageError(f"unknown prior {self.kind!r}; use lognormal, normal, halfnormal or uniform.")
        if self.kind != "uniform" and not (np.isfinite(self.scale) and self.scale > 0):
            raise UsageError(f"the width of a {self.kind} prior must be positive, found {self.scale!r}.")


@dataclass(frozen=True)
class Window:
    """Range of delays (s) to which bounds and starts are scaled."""

    t_min: float
    t_max: float

    @classmethod
    def of(cls, t: ArrayLike) -> Window:
        """Window of the positive, finite values in ``t`` (s)."""
        t = np.asarray(t, dtype=float)
        t = t[np.isfinite(t) & (t > 0)]
        if t.size == 0:
            raise UsageError("no positive delay time is left to fit; widen the delay range.")
        return cls(float(t.min()), float(t.max()))

    @property
    def log_middle(self) -> float:
        """Middle of the window on a log axis (s)."""
        return float(np.sqrt(self.t_min * self.t_max))


@dataclass(frozen=True)
class ParamSpec:
    """One parameter of a model.

    Attributes
    ----------
    name, symbol, unit : ``tau``, ``τ``, ``s``; the unit is empty for a pure number.
    lower, upper : default bounds; multiples of the window's ends (t_min, t_max) where ``scaled``.
    log : fitted, and its intervals formed, on a log axis.
    prior : default prior.
    """

    name: str
    symbol: str
    unit: str
    lower: float
    upper: float
    prior: PriorSpec
    log: bool = False
    scaled: bool = False

    def bounds(self, window: Window) -> tuple[float, float]:
        """Default bounds in the parameter's unit for data in ``window``."""
        if self.scaled:
            return self.lower * window.t_min, self.upper * window.t_max
        return self.lower, self.upper

    def to_z(self, value: Any, xp: Any = np) -> Any:
        """Fitting coordinate: natural logarithm for ``log`` parameters, else the value."""
        return xp.log(value) if self.log else value


@dataclass(frozen=True)
class ModelSpec:
    """A model: its formula and its parameters.

    Attributes
    ----------
    name, title, formula : for people.
    parameters : the free parameters, in the order of every parameter array.
    function : ``function(xp, x, *parameters)`` with array namespace ``xp``.
    constants : parameters of the wider family that this model holds at a value (single: gamma = 1).
    ordered : pair of names of which the first is kept the smaller, so that two decays cannot swap.
    x : ``delay`` (s) or ``q`` (Å⁻¹).
    """

    name: str
    title: str
    formula: str
    parameters: tuple[ParamSpec, ...]
    function: Callable[..., Any]
    constants: Mapping[str, float] = field(default_factory=dict)
    ordered: tuple[str, str] | None = None
    x: Literal["delay", "q"] = "delay"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters."""
        return tuple(p.name for p in self.parameters)

    @cached_property
    def units(self) -> tuple[str, ...]:
        """Units of the free parameters."""
        return tuple(p.unit for p in self.parameters)

    @cached_property
    def log(self) -> NDArray[np.bool_]:
        """(n_par,) True where a parameter is fitted on a log axis."""
        found = np.array([p.log for p in self.parameters])
        found.flags.writeable = False
        return found

    @cached_property
    def shape_index(self) -> list[int]:
        """Positions of the parameters in which the model is not linear: all but contrast and baseline."""
        return [k for k, p in enumerate(self.parameters) if p.name not in ("contrast", "baseline")]

    @cached_property
    def shape_parameters(self) -> tuple[ParamSpec, ...]:
        """The parameters at `shape_index`."""
        return tuple(self.parameters[k] for k in self.shape_index)

    def whole(self, contrast: Any, baseline: Any, shape: Any, xp: Any = np) -> Any:
        """(..., n_par) parameters from contrast and baseline (...) and shape parameters (..., n_shape)."""
        one, columns = xp.ones_like(shape[..., 0]), iter(range(shape.shape[-1]))
        linear = {"contrast": contrast, "baseline": baseline}
        return xp.stack(
            [one * linear[n] if n in linear else shape[..., next(columns)] for n in self.names], axis=-1
        )

    def index(self, name: str) -> int:
        """Position of a parameter.

        Raises
        ------
        UsageError
            Where the model has no such parameter; names those it has.
        """
        if name not in self.names:
            held = f" ({name} is held at {self.constants[name]:g})" if name in self.constants else ""
            raise UsageError(
                f"the model {self.name} has no free parameter {name!r}{held}; it has {', '.join(self.names)}."
            )
        return self.names.index(name)

    def __getitem__(self, name: str) -> ParamSpec:
        return self.parameters[self.index(name)]

    def evaluate(self, x: ArrayLike, params: ArrayLike, xp: Any = np) -> Any:
        """Value of the model.

        Parameters
        ----------
        x : (..., n_x) delays in s (or q in Å⁻¹ for the power law), positive.
        params : (..., n_par) in the order of `names`; leading dimensions broadcast against those of ``x``.
        xp : ``numpy`` or ``jax.numpy``.

        Returns
        -------
        (..., n_x) array.
        """
        points, values = xp.asarray(x), xp.asarray(params)
        return self.function(xp, points, *(values[..., k, None] for k in range(len(self.parameters))))

    def natural(self, z: Any, xp: Any = np) -> Any:
        """From fitting coordinates (..., n_par) to parameter values: exp of the ``log`` ones."""
        return xp.stack(
            [xp.exp(z[..., k]) if p.log else z[..., k] for k, p in enumerate(self.parameters)], axis=-1
        )

    def coordinates(self, params: Any, xp: Any = np) -> Any:
        """Inverse of `natural`."""
        return xp.stack([p.to_z(params[..., k], xp) for k, p in enumerate(self.parameters)], axis=-1)

    def default_bounds(self, window: Window) -> tuple[FloatArray, FloatArray]:
        """(n_par,), (n_par,) default lower and upper bounds for data in ``window``."""
        pairs = [p.bounds(window) for p in self.parameters]
        return np.array([lo for lo, _ in pairs]), np.array([hi for _, hi in pairs])

    def orders(self, lower: Any, upper: Any) -> Any:
        """(...) bool: the faster decay can be kept first without losing a solution inside the bounds.

        Parameters
        ----------
        lower, upper : (..., n_par) bounds. One that holds for the first decay alone says which is which.
        """
        if self.ordered is None:
            return False
        (i, j), f = (self.index(n) for n in self.ordered), self.index("f")
        a, b = self.index("gamma1"), self.index("gamma2")
        alike = (lower[..., a] == lower[..., b]) & (upper[..., a] == upper[..., b])
        alike &= abs(lower[..., f] + upper[..., f] - 1.0) < 1e-9
        return alike & (lower[..., i] <= lower[..., j]) & (upper[..., i] <= upper[..., j])

    def priors(self, changes: Mapping[str, PriorSpec] | None = None) -> dict[str, PriorSpec]:
        """Default priors by name, with ``changes`` on top."""
        for name in changes or {}:
            self.index(name)
        return {p.name: p.prior for p in self.parameters} | dict(changes or {})

    def check_fixed(self, fixed: Mapping[str, Any]) -> dict[str, Any]:
        """Fixed values without those that the model holds anyway (gamma = 1 of the single exponential).

        Raises
        ------
        UsageError
            Unknown name, or another value for a parameter that this model holds.
        """
        kept = {}
        for name, value in fixed.items():
            if name in self.constants and np.allclose(value, self.constants[name]):
                continue
            self.index(name)
            kept[name] = value
        return kept


def _decay(xp: Any, t: Any, tau: Any, gamma: Any) -> Any:
    """(t/tau)^gamma through logarithms, limited so that exp(-2 ·) stays differentiable."""
    exponent = gamma * (xp.log(t) - xp.log(tau))
    # the real part, because NumPy's derivatives are taken by a complex step
    return xp.exp(xp.where(xp.real(exponent) < _LARGEST_EXPONENT, exponent, _LARGEST_EXPONENT))


def single_exp_model(xp: Any, t: Any, contrast: Any, baseline: Any, tau: Any) -> Any:
    """``baseline + contrast·exp(-2 t/tau)``; t and tau in s."""
    return baseline + contrast * xp.exp(-2.0 * t / tau)


def stretched_exp_model(xp: Any, t: Any, contrast: Any, baseline: Any, tau: Any, gamma: Any) -> Any:
    """``baseline + contrast·exp[-2 (t/tau)^gamma]``: gamma < 1 stretched, > 1 compressed; t and tau in s."""
    return baseline + contrast * xp.exp(-2.0 * _decay(xp, t, tau, gamma))


def double_exp_model(
    xp: Any, t: Any, contrast: Any, baseline: Any, tau1: Any, gamma1: Any, tau2: Any, gamma2: Any, f: Any
) -> Any:
    """``baseline + contrast·{f·exp[-(t/tau1)^gamma1] + (1-f)·exp[-(t/tau2)^gamma2]}²``: the squared field."""
    g1 = f * xp.exp(-_decay(xp, t, tau1, gamma1)) + (1.0 - f) * xp.exp(-_decay(xp, t, tau2, gamma2))
    return baseline + contrast * g1 * g1


def power_law_model(xp: Any, q: Any, D: Any, n: Any) -> Any:
    """``tau(q) = 1/(D q^n)`` in s; q in Å⁻¹, D in Åⁿ/s. For n = 2, D is the diffusion coefficient."""
    return xp.exp(-xp.log(D) - n * xp.log(q))


_CONTRAST = ParamSpec("contrast", "β", "", 0.0, 1.0, PriorSpec("halfnormal", scale=0.5))
_BASELINE = ParamSpec("baseline", "g∞", "", 0.5, 1.5, PriorSpec("normal", loc=1.0, scale=0.1))
_TAU = ParamSpec("tau", "τ", "s", 1 / 30, 30.0, PriorSpec("lognormal", scale=2.5), log=True, scaled=True)
_GAMMA = ParamSpec("gamma", "γ", "", 0.1, 2.0, PriorSpec("lognormal", loc=1.0, scale=0.5))
_F = ParamSpec("f", "f", "", 0.0, 1.0, PriorSpec("uniform"))

MODELS: dict[str, ModelSpec] = {
    "single": ModelSpec(
        name="single",
        title="Single exponential",
        formula="g2 = baseline + contrast·exp(-2τ/tau)",
        parameters=(_CONTRAST, _BASELINE, _TAU),
        function=single_exp_model,
        constants={"gamma": 1.0},
    ),
    "stretched": ModelSpec(
        name="stretched",
        title="Stretched or compressed exponential",
        formula="g2 = baseline + contrast·exp[-2(τ/tau)^gamma]",
        parameters=(_CONTRAST, _BASELINE, _TAU, _GAMMA),
        function=stretched_exp_model,
    ),
    "double": ModelSpec(
        name="double",
        title="Two decays (squared field)",
        formula="g2 = baseline + contrast·{f·exp[-(τ/tau1)^gamma1] + (1-f)·exp[-(τ/tau2)^gamma2]}²",
        parameters=(
            _CONTRAST,
            _BASELINE,
            replace(_TAU, name="tau1", symbol="τ1"),
            replace(_GAMMA, name="gamma1", symbol="γ1"),
            replace(_TAU, name="tau2", symbol="τ2"),
            replace(_GAMMA, name="gamma2", symbol="γ2"),
            _F,
        ),
        function=double_exp_model,
        ordered=("tau1", "tau2"),
    ),
}

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


def get_model(name: str | ModelSpec) -> ModelSpec:
    """Model by name (``single``, ``stretched``, ``double``).

    Raises
    ------
    UsageError
        Unknown name.
    """
    if isinstance(name, ModelSpec):
        return name
    if name not in MODELS:
        raise UsageError(f"unknown model {name!r}; use {', '.join(MODELS)}.")
    return MODELS[name]


def parameter_table(
    spec: ModelSpec, window: Window, names: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Rows for a table of parameters: name, symbol, unit, default bounds and prior for data in ``window``."""
    rows = []
    for p in spec.parameters:
        if names is None or p.name in names:
            lower, upper = p.bounds(window)
            rows.append(
                {
                    "name": p.name,
                    "symbol": p.symbol,
                    "unit": p.unit,
                    "lower": lower,
                    "upper": upper,
                    "prior": p.prior.kind,
                    "prior_loc": p.prior.loc,
                    "prior_scale": p.prior.scale,
                }
            )
    return rows
