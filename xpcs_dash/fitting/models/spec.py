"""What a model of g2 is: one description, from which everything else is generated.

A `ModelSpec` holds the formula once, written against an array namespace (`numpy` or `jax.numpy`), and its
parameters with symbol, unit, bounds, scale, starts and default prior. The batched residual (`fitting.batch`),
the function given to NLSQ (`fitting.nlsq`), the NumPyro model (`fitting.probabilistic`), choices and tables
of the pages, options of the command line and file headers are all made from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpcs_dash.errors import UsageError

__all__ = [
    "Exchange",
    "Grid",
    "ModelSpec",
    "ParamSpec",
    "PriorSpec",
    "Relaxation",
    "Window",
    "parameter_table",
]

FloatArray = NDArray[np.float64]


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
class Grid:
    """Where the search for a start looks for one shape parameter.

    Attributes
    ----------
    points : how many values; few where several parameters multiply.
    lower, upper : no start outside of these, whatever the bounds.
    middle : the value that is tried where ``points`` is 1.
    """

    points: int = 5
    lower: float = -math.inf
    upper: float = math.inf
    middle: float | None = None

    def values(self, lo: float, hi: float, *, log: bool) -> FloatArray:
        """(n,) values between the bounds ``lo`` and ``hi``."""
        if hi <= lo:
            return np.array([lo])
        if log:
            # the outermost twentieth of a bound is no place to start from
            edge = min(3.0, (hi / lo) ** 0.05)
            return np.geomspace(lo * edge, hi / edge, self.points)
        limited = math.isfinite(self.lower) or math.isfinite(self.upper)
        lo, hi = max(lo, self.lower), min(max(hi, self.lower), self.upper)
        if self.points == 1:
            middle = 0.5 * (lo + hi) if self.middle is None else self.middle
            return np.array([np.clip(middle, lo, hi)])
        if limited:
            return np.linspace(lo, max(hi, lo), self.points)
        room = 0.05 * (hi - lo)
        return np.linspace(lo + room, hi - room, self.points)


@dataclass(frozen=True)
class ParamSpec:
    """One parameter of a model.

    Attributes
    ----------
    name, symbol, unit : ``tau``, ``τ``, ``s``; the unit is empty for a pure number.
    lower, upper : default bounds; of a ``time`` multiples of the window's ends (t_min, t_max), of a ``rate``
        of (1/t_max, 1/t_min).
    prior : default prior.
    log : fitted, drawn, and its intervals formed, on a log axis.
    scaled : ``time`` or ``rate`` where the bounds follow the delays, else empty.
    positive : zero and below make no sense, as for an exponent.
    grid : where a start is looked for.
    """

    name: str
    symbol: str
    unit: str
    lower: float
    upper: float
    prior: PriorSpec
    log: bool = False
    scaled: Literal["", "time", "rate"] = ""
    positive: bool = False
    grid: Grid = Grid()

    def bounds(self, window: Window) -> tuple[float, float]:
        """Default bounds in the parameter's unit for data in ``window``."""
        if self.scaled == "time":
            return self.lower * window.t_min, self.upper * window.t_max
        if self.scaled == "rate":
            return self.lower / window.t_max, self.upper / window.t_min
        return self.lower, self.upper

    def middle(self, window: Window) -> float:
        """Middle of the window on a log axis, in the unit of a ``time`` or a ``rate``."""
        return 1.0 / window.log_middle if self.scaled == "rate" else window.log_middle

    @property
    def title(self) -> str:
        """Symbol and unit, for an axis or the head of a table."""
        return f"{self.symbol} ({self.unit})" if self.unit else self.symbol

    def to_z(self, value: Any, xp: Any = np) -> Any:
        """Fitting coordinate: natural logarithm for ``log`` parameters, else the value."""
        return xp.log(value) if self.log else value


@dataclass(frozen=True)
class Exchange:
    """Parameters that may change places without changing the curve.

    Attributes
    ----------
    pairs : (first, second) names; of the first pair the first is kept the smaller.
    complement : names of parameters that become 1 minus themselves when the others change places.
    """

    pairs: tuple[tuple[str, str], ...]
    complement: tuple[str, ...] = ()


@dataclass(frozen=True)
class Relaxation:
    """Which parameter says how fast the decay is: ``tau = parameter ** power``, so that D = 1/(tau q²).

    Attributes
    ----------
    parameter : its name; it is positive and on a log axis.
    power : 1 of a time, -1 of a rate.
    """

    parameter: str = "tau"
    power: Literal[1, -1] = 1

    def times(self, value: Any, error: Any) -> tuple[FloatArray, FloatArray]:
        """Relaxation times (s) and their errors from values of the parameter and theirs."""
        value, error = np.asarray(value, dtype=float), np.asarray(error, dtype=float)
        if self.power == 1:
            return value, error
        with np.errstate(divide="ignore", invalid="ignore"):
            tau = 1.0 / value
            return tau, tau * error / value

    def interval(self, low: Any, high: Any) -> tuple[Any, Any]:
        """Ends of an interval of the relaxation time from those of the parameter."""
        if self.power == 1:
            return low, high
        with np.errstate(divide="ignore", invalid="ignore"):
            return 1.0 / np.asarray(high, dtype=float), 1.0 / np.asarray(low, dtype=float)


@dataclass(frozen=True)
class ModelSpec:
    """A model: its formula and its parameters.

    Attributes
    ----------
    name, title, formula : for people.
    parameters : the free parameters, in the order of every parameter array.
    function : ``function(xp, x, *parameters)`` with array namespace ``xp``.
    constants : parameters of the wider family that this model holds at a value (single: gamma = 1).
    relaxation : how the relaxation time, and with it D, follows from the parameters.
    exchange : parameters that may change places, as those of two decays; None where none may.
    slopes : derivatives by hand, see `fitting.slopes`; None takes complex steps, ten times slower.
    x : ``delay`` (s) or ``q`` (Å⁻¹).
    """

    name: str
    title: str
    formula: str
    parameters: tuple[ParamSpec, ...]
    function: Callable[..., Any]
    constants: Mapping[str, float] = field(default_factory=dict)
    relaxation: Relaxation = Relaxation()
    exchange: Exchange | None = None
    slopes: Callable[..., tuple[FloatArray, FloatArray]] | None = None
    x: Literal["delay", "q"] = "delay"

    def __post_init__(self) -> None:
        names = [p.name for p in self.parameters]
        if self.x == "delay" and not {"contrast", "baseline", self.relaxation.parameter} <= set(names):
            needed = f"contrast, baseline and {self.relaxation.parameter}"
            raise UsageError(f"the model {self.name} needs the parameters {needed}.")

    @property
    def ordered(self) -> tuple[str, str] | None:
        """Pair of names of which the first is kept the smaller, so that two decays cannot swap."""
        return None if self.exchange is None else self.exchange.pairs[0]

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
        if self.exchange is None:
            return False
        alike: Any = True
        for one, other in self.exchange.pairs[1:]:
            a, b = self.index(one), self.index(other)
            alike &= (lower[..., a] == lower[..., b]) & (upper[..., a] == upper[..., b])
        for name in self.exchange.complement:
            f = self.index(name)
            alike &= abs(lower[..., f] + upper[..., f] - 1.0) < 1e-9
        i, j = (self.index(n) for n in self.exchange.pairs[0])
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
