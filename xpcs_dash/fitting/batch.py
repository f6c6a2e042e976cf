"""Fits of every q of a file, or of a thousand files, at once.

    fit = fit_all_q(xf.t_el, xf.g2, xf.g2_sigma, xf.trusted, model="stretched")
    fit["tau"], fit.error("tau"), fit.chi2_red, fit.flags(3)

The same numbers come out of the JAX and the NumPy engine; see `fitting.solvers`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpcs_dash.errors import UsageError
from xpcs_dash.fitting.batch_result import FLAG_SENTENCES, BatchFit, flag_sentence
from xpcs_dash.fitting.judge import Input, judge
from xpcs_dash.fitting.models import ModelSpec, Window, get_model
from xpcs_dash.fitting.runtime import choose_engine
from xpcs_dash.fitting.solvers import MAX_STEPS, Problem, Solution, solve
from xpcs_dash.fitting.starts import grid_start

__all__ = ["FLAG_SENTENCES", "BatchFit", "Curves", "fit_all_q", "fit_files", "flag_sentence", "limits"]

FloatArray = NDArray[np.float64]


class Curves(NamedTuple):
    """The g2 of one file, for `fit_files`."""

    t: ArrayLike  # (n_delay,) s
    g2: ArrayLike  # (n_delay, n_q)
    sigma: ArrayLike | None  # (n_delay, n_q)
    trusted: ArrayLike | None  # (n_delay, n_q)


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
    steps: int = MAX_STEPS,
) -> BatchFit:
    """Fit every q-bin of one file.

    Parameters
    ----------
    t : (n_delay,) delays in s.
    g2, sigma : (n_delay, n_q) data and one standard deviation. Without ``sigma`` (None) all points weigh
        the same and the errors come from the scatter of the residuals.
    trusted : (n_delay, n_q) bool; False leaves a point out. Points that are not finite, or whose sigma is
        not positive, are always left out.
    model : name of a model, or its description.
    fixed : parameter name -> value at which it is held, a number or (n_q,).
    bounds : parameter name -> (lower, upper), numbers or (n_q,); in place of the defaults scaled to the
        window.
    start : parameter name -> start value, a number or (n_q,); others are found from the data.
    backend : ``auto``, ``jax`` or ``numpy``.
    steps : most steps of the solver. Fewer bound the time that curves take which the model does not suit;
        they are flagged ``not_converged``.

    Returns
    -------
    BatchFit

    Raises
    ------
    UsageError
        Unknown model or parameter, bounds in the wrong order, shapes that do not fit.
    """
    return fit_files([Curves(t, g2, sigma, trusted)], model, fixed, bounds, start, backend, steps)[0]


def fit_files(
    files: Sequence[Curves],
    model: str | ModelSpec = "single",
    fixed: Mapping[str, Any] | None = None,
    bounds: Mapping[str, tuple[Any, Any]] | None = None,
    start: Mapping[str, Any] | None = None,
    backend: str = "auto",
    steps: int = MAX_STEPS,
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
    solution = solve(spec, problem, engine, steps)
    seconds = time.perf_counter() - begun
    is_fixed = np.array([name in fixed for name in spec.names])
    return [
        judge(spec, part, inp, is_fixed, engine, seconds)
        for part, inp in zip(_split(solution, [len(i.y) for i in inputs]), inputs, strict=True)
    ]


def _prepare(
    spec: ModelSpec,
    curves: Curves,
    fixed: Mapping[str, Any],
    bounds: Mapping[str, tuple[Any, Any]],
    start: Mapping[str, Any],
) -> Input:
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
    return Input(safe_t, y, weight, lower, upper, first, known)


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
        if (p.log or p.positive) and n_q and not (lower[:, k] > 0).all():
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
