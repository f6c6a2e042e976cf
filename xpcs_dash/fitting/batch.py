"""Fits of every q of a file, or of a thousand files, at once.

    fit = fit_all_q(xf.t_el, xf.g2, xf.g2_sigma, xf.trusted, model="stretched")
    fit["tau"], fit.error("tau"), fit.chi2_red, fit.flags(3)

The same numbers come out of the JAX and the NumPy engine; see `fitting.solvers`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpcs_dash.errors import UsageError
from xpcs_dash.fitting.models import ModelSpec, Window, get_model
from xpcs_dash.fitting.runtime import choose_engine
from xpcs_dash.fitting.solvers import Problem, Solution, solve
from xpcs_dash.fitting.starts import grid_start

__all__ = ["FLAG_SENTENCES", "BatchFit", "Curves", "fit_all_q", "fit_files", "flag_sentence"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

#: What each flag means, for people. ``at_bound`` is followed by the parameters: ``at_bound:tau``.
FLAG_SENTENCES: dict[str, str] = {
    "too_few_points": "too few trustworthy points for this model",
    "no_decay": "no decay in the window: the data do not tell a decay from a constant",
    "incomplete_decay": "the decay does not fit into the window, so tau and contrast depend on each other",
    "at_bound": "a parameter stands at its bound",
    "not_converged": "the fit did not converge",
    "poor_fit": "the model does not describe the data (χ² is too large)",
}


def flag_sentence(flag: str) -> str:
    """A flag as a clause for people; ``at_bound:tau`` names the parameter."""
    name, _, which = flag.partition(":")
    return f"{which} stands at its bound" if which else FLAG_SENTENCES[name]


#: Chance to call a constant a decay; small, because tau is searched over the whole window.
NO_DECAY_P = 1e-3
#: Chance to call a right model wrong.
POOR_FIT_P = 1e-4
#: Part of |g1|² that must be gone at the last delay, or be left at the first.
INCOMPLETE_REST = 0.35
#: Part of |g1|² that must change between the first and the last delay; less is a slope, not a decay.
VISIBLE_CHANGE = 0.25
#: Distance to a bound, as a part of the range, within which a parameter is at it.
AT_BOUND = 1e-3


class Curves(NamedTuple):
    """The g2 of one file, for `fit_files`."""

    t: ArrayLike  # (n_delay,) s
    g2: ArrayLike  # (n_delay, n_q)
    sigma: ArrayLike | None  # (n_delay, n_q)
    trusted: ArrayLike | None  # (n_delay, n_q)


@dataclass(frozen=True)
class BatchFit:
    """Fits of the ``n_q`` bins of one file with one model.

    Attributes
    ----------
    model : name of the model; ``names``, ``units``: its parameters.
    values, errors : (n_q, n_par) in the parameters' units; errors are one standard deviation, 0 where
        fixed, NaN where the data do not determine them.
    covariance : (n_q, n_par, n_par) of the parameters.
    lower, upper : (n_q, n_par) bounds used.
    fixed : (n_par,) True where the parameter was held.
    chi2, chi2_red, chi2_flat : (n_q,) sum of squared residuals in units of sigma; per degree of freedom;
        and of the best constant. NaN without enough points.
    scale : (n_q,) factor by which the residuals exceed sigma, ``sqrt(chi2_red)``: near 1 when the errors
        are right.
    n_points, dof, steps : (n_q,) points used, degrees of freedom, iterations.
    at_bound : (n_q, n_par); ``no_decay``, ``incomplete_decay``, ``not_converged``, ``too_few_points``,
        ``poor_fit``: (n_q,).
    sigma_known : False where no errors were given: the errors then come from the scatter of the residuals.
    engine, seconds : ``jax`` or ``numpy``, and how long the whole call took.
    """

    model: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    values: FloatArray
    errors: FloatArray
    covariance: FloatArray
    lower: FloatArray
    upper: FloatArray
    fixed: BoolArray
    chi2: FloatArray
    chi2_red: FloatArray
    chi2_flat: FloatArray
    scale: FloatArray
    n_points: NDArray[np.int64]
    dof: NDArray[np.int64]
    steps: NDArray[np.int64]
    at_bound: BoolArray
    no_decay: BoolArray
    incomplete_decay: BoolArray
    not_converged: BoolArray
    too_few_points: BoolArray
    poor_fit: BoolArray
    sigma_known: bool
    engine: str
    seconds: float

    @property
    def spec(self) -> ModelSpec:
        """Description of the model."""
        return get_model(self.model)

    @property
    def n_q(self) -> int:
        """Number of bins."""
        return len(self.values)

    @property
    def good(self) -> BoolArray:
        """(n_q,) bins whose tau may be used in a trend or a power law: none of the disqualifying flags."""
        tau = [k for k, n in enumerate(self.names) if n.startswith("tau")]
        bad = self.too_few_points | self.no_decay | self.incomplete_decay | self.not_converged
        return np.asarray(
            ~bad & ~self.at_bound[:, tau].any(axis=1) & np.isfinite(self.errors[:, tau]).all(axis=1)
        )

    def __getitem__(self, name: str) -> FloatArray:
        """(n_q,) values of one parameter."""
        return self.values[:, self.spec.index(name)]

    def error(self, name: str) -> FloatArray:
        """(n_q,) standard errors of one parameter."""
        return self.errors[:, self.spec.index(name)]

    def interval(self, name: str, level: float = 0.9) -> tuple[FloatArray, FloatArray]:
        """(n_q,), (n_q,) ends of the confidence interval of one parameter.

        Formed on a log axis for relaxation times, with Student's t where the errors come from the scatter;
        clipped to the bounds.
        """
        from scipy.stats import norm, t

        k = self.spec.index(name)
        value, error = self.values[:, k], self.errors[:, k]
        tail = 0.5 + level / 2
        wide = norm.ppf(tail) if self.sigma_known else t.ppf(tail, np.maximum(self.dof, 1))
        if self.spec.parameters[k].log:
            factor = np.exp(np.minimum(wide * error / value, 700.0))
            lo, hi = value / factor, value * factor
        else:
            lo, hi = value - wide * error, value + wide * error
        return np.maximum(lo, self.lower[:, k]), np.minimum(hi, self.upper[:, k])

    def curve(self, t: ArrayLike) -> FloatArray:
        """(n_t, n_q) fitted g2 at the delays ``t`` (s); NaN for bins with too few points."""
        out = np.asarray(self.spec.evaluate(np.asarray(t, dtype=float), self.values), dtype=float).T
        return np.where(self.too_few_points, np.nan, out)

    def flags(self, k: int) -> tuple[str, ...]:
        """Flags of bin ``k`` (0-based position): ``("no_decay", "at_bound:tau")``; empty when all is well."""
        found = [
            name
            for name in ("too_few_points", "no_decay", "incomplete_decay", "not_converged", "poor_fit")
            if getattr(self, name)[k]
        ]
        found += [f"at_bound:{name}" for name, hit in zip(self.names, self.at_bound[k], strict=True) if hit]
        return tuple(found)

    def reasons(self, k: int) -> tuple[str, ...]:
        """The flags of bin ``k`` as sentences."""
        return tuple(flag_sentence(flag) for flag in self.flags(k))

    def params(self, k: int) -> dict[str, float]:
        """Parameters of bin ``k`` by name, those that the model holds (gamma = 1) included."""
        return dict(zip(self.names, map(float, self.values[k]), strict=True)) | dict(self.spec.constants)


def fit_all_q(
    t: ArrayLike,
    g2: ArrayLike,
    sigma: ArrayLike | None,
    trusted: ArrayLike | None = None,
    model: str | ModelSpec = "single",
    fixed: Mapping[str, Any] | None = None,
    bounds: Mapping[str, tuple[Any, Any]] | None = None,
    start: Mapping[str, Any] | None = None,
    backend: str = "auto",
) -> BatchFit:
    """Fit every q-bin of one file.

    Parameters
    ----------
    t : (n_delay,) delays in s.
    g2, sigma : (n_delay, n_q) data and one standard deviation. Without ``sigma`` (None) all points weigh
        the same and the errors come from the scatter of the residuals.
    trusted : (n_delay, n_q) bool; False leaves a point out. Points that are not finite, or whose sigma is
        not positive, are always left out.
    model : ``single``, ``stretched`` or ``double``.
    fixed : parameter name -> value at which it is held, a number or (n_q,).
    bounds : parameter name -> (lower, upper), numbers or (n_q,); in place of the defaults scaled to the
        window.
    start : parameter name -> start value, a number or (n_q,); others are found from the data.
    backend : ``auto``, ``jax`` or ``numpy``.

    Returns
    -------
    BatchFit

    Raises
    ------
    UsageError
        Unknown model or parameter, bounds in the wrong order, shapes that do not fit.
    """
    return fit_files([Curves(t, g2, sigma, trusted)], model, fixed, bounds, start, backend)[0]


def fit_files(
    files: Sequence[Curves],
    model: str | ModelSpec = "single",
    fixed: Mapping[str, Any] | None = None,
    bounds: Mapping[str, tuple[Any, Any]] | None = None,
    start: Mapping[str, Any] | None = None,
    backend: str = "auto",
) -> list[BatchFit]:
    """Fit all bins of many files in one go: as `fit_all_q`, one `BatchFit` per file."""
    begun = time.perf_counter()
    spec = get_model(model)
    engine = choose_engine(backend)
    fixed = spec.check_fixed(fixed or {})
    inputs = [_prepare(spec, curves, fixed, bounds or {}, start or {}) for curves in files]
    if not inputs:
        return []
    n_t = max(i.y.shape[1] for i in inputs)
    problem = Problem(
        t=np.concatenate([_widen(np.broadcast_to(i.t, i.y.shape), n_t, 1.0) for i in inputs]),
        y=np.concatenate([_widen(i.y, n_t) for i in inputs]),
        weight=np.concatenate([_widen(i.weight, n_t) for i in inputs]),
        lower=np.concatenate([i.lower for i in inputs]),
        upper=np.concatenate([i.upper for i in inputs]),
        start=np.concatenate([i.start for i in inputs]),
    )
    solution = solve(spec, problem, engine)
    seconds = time.perf_counter() - begun
    is_fixed = np.array([name in fixed for name in spec.names])
    return [
        _finish(spec, part, inp, is_fixed, engine, seconds)
        for part, inp in zip(_split(solution, [len(i.y) for i in inputs]), inputs, strict=True)
    ]


class _Input(NamedTuple):
    t: FloatArray
    y: FloatArray
    weight: FloatArray
    lower: FloatArray
    upper: FloatArray
    start: FloatArray
    sigma_known: bool


def _prepare(
    spec: ModelSpec,
    curves: Curves,
    fixed: Mapping[str, Any],
    bounds: Mapping[str, tuple[Any, Any]],
    start: Mapping[str, Any],
) -> _Input:
    t = np.asarray(curves.t, dtype=float)
    g2 = np.asarray(curves.g2, dtype=float)
    if t.ndim != 1 or g2.ndim != 2 or g2.shape[0] != t.size:
        raise UsageError(f"g2 must be (n_delay, n_q) with n_delay = {t.size}, found {g2.shape}.")
    known = curves.sigma is not None
    sigma = np.ones_like(g2) if curves.sigma is None else np.asarray(curves.sigma, dtype=float)
    use = np.isfinite(g2) & np.isfinite(sigma) & (sigma > 0) & (np.isfinite(t) & (t > 0))[:, None]
    if curves.trusted is not None:
        use &= np.asarray(curves.trusted, dtype=bool)
    y = np.where(use, g2, 1.0).T
    weight = np.where(use, 1.0 / np.where(use, sigma, 1.0), 0.0).T
    safe_t = np.where(np.isfinite(t) & (t > 0), t, 1.0)
    n_q = len(y)
    lower, upper = limits(spec, Window.of(t) if n_q else Window(1.0, 1.0), n_q, fixed, bounds)
    for name in start:
        spec.index(name)
    first = grid_start(spec, safe_t, y, weight, lower, upper, start)
    return _Input(safe_t, y, weight, lower, upper, first, known)


def limits(
    spec: ModelSpec,
    window: Window,
    n_q: int,
    fixed: Mapping[str, Any],
    bounds: Mapping[str, tuple[Any, Any]],
) -> tuple[FloatArray, FloatArray]:
    """(n_q, n_par), (n_q, n_par) lower and upper bounds: defaults, changed by ``bounds``, closed by
    ``fixed``.

    Raises
    ------
    UsageError
        Bounds in the wrong order, or not positive for a parameter on a log axis.
    """
    lo, hi = spec.default_bounds(window)
    lower, upper = np.tile(lo, (n_q, 1)), np.tile(hi, (n_q, 1))
    for name, (low, high) in bounds.items():
        k = spec.index(name)
        lower[:, k], upper[:, k] = low, high
        if not np.all(lower[:, k] < upper[:, k]):
            raise UsageError(f"bounds of {name}: the lower one ({low}) must be below the upper one ({high}).")
    for name, value in fixed.items():
        k = spec.index(name)
        lower[:, k] = upper[:, k] = value
    if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        raise UsageError("bounds and fixed values must be finite numbers.")
    for k, p in enumerate(spec.parameters):
        if (p.log or p.name.startswith("gamma")) and n_q and not (lower[:, k] > 0).all():
            raise UsageError(
                f"{p.name} must be positive; found a bound or fixed value of {lower[:, k].min():g}."
            )
    return lower, upper


def _widen(a: NDArray[Any], columns: int, fill: float = 0.0) -> FloatArray:
    if a.shape[1] == columns:
        return a
    out = np.full((len(a), columns), fill)
    out[:, : a.shape[1]] = a
    return out


def _split(solution: Solution, counts: Sequence[int]) -> Iterator[Solution]:
    first = 0
    for count in counts:
        rows = slice(first, first + count)
        yield Solution(
            solution.params[rows],
            solution.chi2[rows],
            solution.normal[rows],
            solution.steps[rows],
            solution.converged[rows],
        )
        first += count


def _finish(
    spec: ModelSpec, sol: Solution, inp: _Input, fixed: BoolArray, engine: str, seconds: float
) -> BatchFit:
    from scipy.special import chdtrc, fdtrc

    params, normal = _in_order(spec, sol.params, sol.normal)
    params = snap(spec, params, inp.lower, inp.upper)
    n_free = int((~fixed).sum())
    n_points = (inp.weight > 0).sum(axis=1).astype(np.int64)
    dof = n_points - n_free
    few = dof < 1
    safe_dof = np.maximum(dof, 1)
    chi2 = np.where(few, np.nan, sol.chi2)
    chi2_red = chi2 / safe_dof
    covariance = covariance_of(normal, ~fixed)
    if not inp.sigma_known:
        covariance = covariance * np.nan_to_num(chi2_red, nan=1.0)[:, None, None]
    errors = np.sqrt(np.maximum(np.einsum("cpp->cp", covariance), 0.0))
    errors = np.where(np.isfinite(np.einsum("cpp->cp", covariance)), errors, np.nan)
    errors[few] = np.nan
    at_bound = _at_bound(spec, params, inp.lower, inp.upper) & ~fixed & ~few[:, None]

    flat, flat_free = _flat(spec, inp, fixed)
    extra = max(n_free - flat_free, 1)
    noise = np.maximum(np.nan_to_num(chi2_red, nan=1.0), 1.0 if inp.sigma_known else 1e-300)
    with np.errstate(invalid="ignore"):
        p_flat = fdtrc(extra, safe_dof, np.maximum(flat - sol.chi2, 0.0) / extra / noise)
        if inp.sigma_known:
            p_flat = np.where(noise > 1.0, p_flat, chdtrc(extra, np.maximum(flat - sol.chi2, 0.0)))
        poor = np.asarray(chdtrc(safe_dof, np.nan_to_num(chi2)) < POOR_FIT_P) & ~few & inp.sigma_known
    first, last = _ends(spec, params, inp)
    no_decay = ~few & ((p_flat > NO_DECAY_P) | (first - last < VISIBLE_CHANGE))
    incomplete = (last > INCOMPLETE_REST) | (first < INCOMPLETE_REST)
    return BatchFit(
        model=spec.name,
        names=spec.names,
        units=spec.units,
        values=params,
        errors=errors,
        covariance=covariance,
        lower=inp.lower,
        upper=inp.upper,
        fixed=fixed,
        chi2=chi2,
        chi2_red=chi2_red,
        chi2_flat=np.where(few, np.nan, flat),
        scale=np.sqrt(chi2_red),
        n_points=n_points,
        dof=dof,
        steps=sol.steps.astype(np.int64),
        at_bound=at_bound,
        no_decay=no_decay,
        incomplete_decay=incomplete & ~few & ~no_decay,
        not_converged=~sol.converged & ~few,
        too_few_points=few,
        poor_fit=poor,
        sigma_known=inp.sigma_known,
        engine=engine,
        seconds=seconds,
    )


def covariance_of(normal: FloatArray, free: BoolArray) -> FloatArray:
    """(n_c, n_par, n_par) covariance from JᵀJ: its inverse over the free parameters, 0 elsewhere, NaN
    where singular.
    """
    out = np.zeros_like(normal)
    index = np.flatnonzero(free)
    if index.size == 0 or len(normal) == 0:
        return out
    part = normal[:, index[:, None], index]
    # parameters differ by decades: scale to a unit diagonal before judging singularity
    diagonal = np.sqrt(np.einsum("cpp->cp", part))
    usable = (diagonal > 0).all(axis=1) & np.isfinite(part).all(axis=(1, 2))
    scale = np.where(usable[:, None], diagonal, 1.0)
    scaled = np.where(usable[:, None, None], part / scale[:, :, None] / scale[:, None, :], np.eye(index.size))
    values, vectors = np.linalg.eigh(scaled)
    usable &= values[:, 0] > 1e-12
    inverse = np.einsum("cik,ck,cjk->cij", vectors, 1.0 / np.maximum(values, 1e-12), vectors)
    inverse = inverse / scale[:, :, None] / scale[:, None, :]
    out[:, index[:, None], index] = np.where(usable[:, None, None], inverse, np.nan)
    return out


def _in_order(spec: ModelSpec, params: FloatArray, normal: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The two decays of the double model with the faster first; the formula is symmetric under the
    exchange.
    """
    if spec.ordered is None:
        return params, normal
    first, second = (spec.index(n) for n in spec.ordered)
    swap = params[:, first] > params[:, second]
    order = np.arange(len(spec.names))
    for a, b in (("tau1", "tau2"), ("gamma1", "gamma2")):
        i, j = spec.index(a), spec.index(b)
        order[i], order[j] = j, i
    f = spec.index("f")
    turned = params[:, order].copy()
    turned[:, f] = 1.0 - turned[:, f]
    sign = np.where(np.arange(len(order)) == f, -1.0, 1.0)
    turned_normal = normal[:, order][:, :, order] * sign[:, None] * sign
    return (
        np.where(swap[:, None], turned, params),
        np.where(swap[:, None, None], turned_normal, normal),
    )


def snap(spec: ModelSpec, params: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """Parameters within a millionth of the range from a bound, which solvers only approach, put on it."""
    z, lo, hi = spec.coordinates(params), spec.coordinates(lower), spec.coordinates(upper)
    room = 1e-6 * (hi - lo)
    return np.asarray(np.where(z - lo <= room, lower, np.where(hi - z <= room, upper, params)))


def _at_bound(spec: ModelSpec, params: FloatArray, lower: FloatArray, upper: FloatArray) -> BoolArray:
    z, lo, hi = spec.coordinates(params), spec.coordinates(lower), spec.coordinates(upper)
    room = AT_BOUND * (hi - lo)
    return np.asarray((z - lo <= room) | (hi - z <= room))


def _flat(spec: ModelSpec, inp: _Input, fixed: BoolArray) -> tuple[FloatArray, int]:
    """(n_c,) χ² of the best constant inside the baseline's bounds, and its number of free parameters."""
    k = spec.index("baseline")
    w2 = inp.weight**2
    total = np.maximum(w2.sum(axis=1), 1e-300)
    mean = (w2 * inp.y).sum(axis=1) / total
    if fixed[k]:
        mean = inp.lower[:, k]
    return np.asarray((w2 * (inp.y - mean[:, None]) ** 2).sum(axis=1)), 0 if fixed[k] else 1


def _ends(spec: ModelSpec, params: FloatArray, inp: _Input) -> tuple[FloatArray, FloatArray]:
    """(n_c,), (n_c,) |g1|² at the first and at the last used delay."""
    used = inp.weight > 0
    first = inp.t[np.argmax(used, axis=1)]
    last = inp.t[used.shape[1] - 1 - np.argmax(used[:, ::-1], axis=1)]
    unit = params.copy()
    unit[:, spec.index("contrast")], unit[:, spec.index("baseline")] = 1.0, 0.0
    ends = np.asarray(spec.evaluate(np.stack([first, last], axis=1), unit))
    return ends[:, 0], ends[:, 1]
