"""The fit that a person asks for: one curve through the nlsq package, with everything needed to judge it."""

from __future__ import annotations

import logging
import math
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpcs_dash.fitting.batch import (
    AT_BOUND,
    POOR_FIT_P,
    BatchFit,
    covariance_of,
    fit_all_q,
    flag_sentence,
    snap,
)
from xpcs_dash.fitting.models import ModelSpec, Window, get_model
from xpcs_dash.fitting.runtime import pad_size, require_x64
from xpcs_dash.fitting.solvers import DELAYS, model_jacobian
from xpcs_dash.fitting.starts import grid_start

__all__ = ["NLSQResult", "nlsq_all", "nlsq_optimize"]

FloatArray = NDArray[np.float64]

#: One fit at a time: the fitter keeps compiled programs, but also state of the fit that runs.
_lock = threading.Lock()


@dataclass(frozen=True)
class NLSQResult:
    """One curve, fitted.

    Attributes
    ----------
    model, names, units : the model and its free parameters.
    values, errors : by name, in the parameters' units; one standard deviation, 0 where fixed, NaN where
        undetermined.
    covariance : (n_par, n_par) of the parameters in the order of ``names``.
    chi2, chi2_red, r2, aic, bic : goodness of fit; AIC and BIC up to a constant of the data.
    residuals : (n_delay,) (data - model)/σ, NaN where a point was left out.
    n_points, dof : points used and degrees of freedom.
    success, message : whether nlsq came to rest, and what it said.
    health : ``good``, ``doubtful`` or ``failed``, and ``reasons`` why not good, as sentences.
    flags : as `BatchFit.flags`.
    starts : number of starts that were needed; more than 1 means that the first answer failed.
    """

    model: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    values: dict[str, float]
    errors: dict[str, float]
    covariance: FloatArray
    chi2: float
    chi2_red: float
    r2: float
    aic: float
    bic: float
    residuals: FloatArray
    n_points: int
    dof: int
    success: bool
    message: str
    health: str
    reasons: tuple[str, ...]
    flags: tuple[str, ...]
    starts: int

    @property
    def vector(self) -> FloatArray:
        """(n_par,) free parameters in order."""
        return np.array([self.values[n] for n in self.names])

    def curve(self, t: ArrayLike) -> FloatArray:
        """(n_t,) fitted g2 at the delays ``t`` (s)."""
        return np.asarray(get_model(self.model).evaluate(np.asarray(t, dtype=float), self.vector))


def _package() -> Any:
    """The nlsq package, imported without its log on stdout and its own compile cache."""
    before = os.environ.get("NLSQ_DISABLE_PERSISTENT_CACHE")
    os.environ["NLSQ_DISABLE_PERSISTENT_CACHE"] = "1"
    try:
        import nlsq
    finally:
        if before is None:
            del os.environ["NLSQ_DISABLE_PERSISTENT_CACHE"]
    logger = logging.getLogger("nlsq")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return nlsq


@cache
def _fitter(length: int) -> Any:
    """A fitter for up to ``length`` points, kept because it holds the compiled programs."""
    require_x64()
    return _package().CurveFit(flength=length)


@cache
def _function(name: str, free: tuple[str, ...]) -> Callable[..., Any]:
    """f(x, *z) of a model for nlsq: x[0] holds the delays, x[1:] the values at which parameters are held.

    One function, so one compilation, per model and set of free parameters, whatever the values.
    """
    import jax.numpy as jnp

    spec = get_model(name)

    def evaluate(x: Any, *z: Any) -> Any:
        columns, held, given = [], 1, iter(z)
        for p in spec.parameters:
            if p.name in free:
                value = next(given)
                columns.append(jnp.exp(value) if p.log else value)
            else:
                columns.append(x[held])
                held += 1
        return spec.function(jnp, x[0], *columns)

    # nlsq counts the arguments of the function
    arguments = ", ".join(f"z{k}" for k in range(len(free)))
    scope: dict[str, Any] = {"evaluate": evaluate}
    exec(f"def fixed(x, {arguments}): return evaluate(x, {arguments})", scope)  # noqa: S102
    return scope["fixed"]  # type: ignore[no-any-return]


def nlsq_optimize(
    t: ArrayLike,
    g2: ArrayLike,
    sigma: ArrayLike | None,
    trusted: ArrayLike | None = None,
    model: str | ModelSpec = "single",
    fixed: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    start: Mapping[str, float] | None = None,
) -> NLSQResult:
    """Fit one curve with the nlsq package.

    Parameters
    ----------
    t, g2, sigma, trusted : (n_delay,) delays in s, data, one standard deviation (None: unknown, all points
        weigh the same), and which points to use.
    model, fixed, bounds, start : as for `xpcs_dash.fitting.batch.fit_all_q`.

    Raises
    ------
    UsageError
        Unknown model or parameter, bounds in the wrong order, shapes that do not fit.
    """
    column = [None if a is None else np.asarray(a)[:, None] for a in (g2, sigma, trusted)]
    return nlsq_all(t, column[0], column[1], column[2], model, fixed, bounds, start)[0]  # type: ignore[arg-type]


def nlsq_all(
    t: ArrayLike,
    g2: ArrayLike,
    sigma: ArrayLike | None,
    trusted: ArrayLike | None = None,
    model: str | ModelSpec = "single",
    fixed: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    start: Mapping[str, float] | None = None,
) -> list[NLSQResult]:
    """`nlsq_optimize` of every column of ``g2`` (n_delay, n_q).

    Start values, bounds and flags come from the batched fit, of which this is the independent check.
    """
    spec = get_model(model)
    held = spec.check_fixed(fixed or {})
    guess = fit_all_q(t, g2, sigma, trusted, spec, held, bounds, start)
    t, g2 = np.asarray(t, dtype=float), np.asarray(g2, dtype=float)
    errors = np.ones_like(g2) if sigma is None else np.asarray(sigma, dtype=float)
    use = np.isfinite(g2) & np.isfinite(errors) & (errors > 0) & (t > 0)[:, None]
    if trusted is not None:
        use &= np.asarray(trusted, dtype=bool)
    return [
        _one(spec, t, g2[:, k], errors[:, k], use[:, k], guess, k, start or {}, sigma is not None)
        for k in range(g2.shape[1])
    ]


def _one(
    spec: ModelSpec,
    t: FloatArray,
    y: FloatArray,
    sigma: FloatArray,
    use: NDArray[np.bool_],
    guess: BatchFit,
    k: int,
    start: Mapping[str, float],
    known: bool,
) -> NLSQResult:
    free = ~guess.fixed
    if guess.too_few_points[k] or not free.any():
        return _summary(spec, t, y, sigma, use, guess, k, guess.values[k], "no fit: too few points", 0, known)
    best = (math.inf, guess.values[k], "nlsq found no answer")
    tried = 0
    for first in _starts(spec, t[use], y[use], sigma[use], guess, k, start):
        tried += 1
        found = _attempt(spec, t[use], y[use], sigma[use], guess, k, first)
        if found[0] < best[0] or tried == 1:
            best = found
        if _is_answer(best[0], guess, k):
            break
    success = math.isfinite(best[0])
    return _summary(spec, t, y, sigma, use, guess, k, best[1], best[2], tried, known, success)


def _is_answer(chi2: float, guess: BatchFit, k: int) -> bool:
    """True unless the fit missed a clearly better minimum that is known to exist."""
    return bool(chi2 <= guess.chi2[k] + 1e-4 * (1.0 + guess.chi2[k]))


def _starts(
    spec: ModelSpec,
    t: FloatArray,
    y: FloatArray,
    sigma: FloatArray,
    guess: BatchFit,
    k: int,
    start: Mapping[str, float],
) -> Iterator[FloatArray]:
    """The best of a coarse grid; where that fails, what the batch found; then the middle of the window."""
    lower, upper = guess.lower[k][None], guess.upper[k][None]
    yield grid_start(spec, t, y[None], 1.0 / sigma[None], lower, upper, start)[0]
    yield guess.values[k]
    middle = guess.values[k].copy()
    for j, p in enumerate(spec.parameters):
        if p.log:
            middle[j] = np.clip(Window.of(t).log_middle, lower[0, j], upper[0, j])
    yield middle


def _attempt(
    spec: ModelSpec,
    t: FloatArray,
    y: FloatArray,
    sigma: FloatArray,
    guess: BatchFit,
    k: int,
    first: FloatArray,
) -> tuple[float, FloatArray, str]:
    """(χ², parameters, message) of one start; χ² is infinite where nlsq fails."""
    free = np.flatnonzero(~guess.fixed)
    z = spec.coordinates(first)
    lo, hi = spec.coordinates(guess.lower[k]), spec.coordinates(guess.upper[k])
    room = 1e-3 * (hi - lo)
    # two rows at the least: nlsq takes one row for a single predictor with one point
    held = [np.full(t.size, first[j]) for j in np.flatnonzero(guess.fixed)] or [np.ones(t.size)]
    x = np.stack([t, *held])
    function = _function(spec.name, tuple(spec.names[j] for j in free))
    length = pad_size(t.size, DELAYS)
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is judged in `_summary`
        fitter = _fitter(length)
        try:
            found = fitter.curve_fit(
                function,
                x,
                y,
                p0=np.clip(z, lo + room, hi - room)[free],
                sigma=sigma,
                absolute_sigma=True,
                bounds=(lo[free], hi[free]),
                ftol=1e-10,
                xtol=1e-10,
                gtol=1e-10,
                max_nfev=150,
            )
        except (RuntimeError, ValueError, FloatingPointError) as err:
            return math.inf, first, " ".join(str(err).split())[:200]
    answer = z.copy()
    answer[free] = np.asarray(found.popt, dtype=float)
    params = snap(spec, np.asarray(spec.natural(answer)), guess.lower[k], guess.upper[k])
    if not np.isfinite(params).all():
        return math.inf, first, "nlsq returned numbers that are not finite"
    rest = (y - np.asarray(spec.evaluate(t, params))) / sigma
    return float(rest @ rest), params, str(found.message).replace("`", "").strip()


def _summary(
    spec: ModelSpec,
    t: FloatArray,
    y: FloatArray,
    sigma: FloatArray,
    use: NDArray[np.bool_],
    guess: BatchFit,
    k: int,
    params: FloatArray,
    message: str,
    starts: int,
    known: bool,
    success: bool = False,
) -> NLSQResult:
    from scipy.special import chdtrc

    n, n_free = int(use.sum()), int((~guess.fixed).sum())
    dof = n - n_free
    residuals = np.full(t.size, np.nan)
    residuals[use] = (y[use] - np.asarray(spec.evaluate(t[use], params))) / sigma[use]
    chi2 = float(np.nansum(residuals**2)) if success else math.nan
    chi2_red = chi2 / dof if dof > 0 else math.nan
    jac = model_jacobian(spec, t[use][None], params[None])[0] / sigma[use][:, None]
    covariance = covariance_of((jac.T @ jac)[None], ~guess.fixed)[0]
    if not known:
        covariance = covariance * chi2_red
    if not success:
        covariance = np.full_like(covariance, math.nan)
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.diag(covariance))
    weight = use / sigma**2
    mean = np.sum(weight * np.where(use, y, 0.0)) / np.sum(weight) if n else math.nan
    total = float(np.sum(weight * np.where(use, y - mean, 0.0) ** 2))
    deviance = chi2 if known else (n * math.log(chi2 / n) if n and chi2 > 0 else math.nan)
    free = n_free + (0 if known else 1)
    flags = _flags(spec, guess, k, params, success)
    if success and known and dof > 0 and chdtrc(dof, chi2) < POOR_FIT_P:
        flags = (*flags, "poor_fit")
    health, reasons = _health(success, message, flags, errors, guess.fixed)
    return NLSQResult(
        model=spec.name,
        names=spec.names,
        units=spec.units,
        values=dict(zip(spec.names, map(float, params), strict=True)) | dict(spec.constants),
        errors=dict(zip(spec.names, map(float, errors), strict=True)) | dict.fromkeys(spec.constants, 0.0),
        covariance=covariance,
        chi2=chi2,
        chi2_red=chi2_red,
        r2=1.0 - chi2 / total if total > 0 else math.nan,
        aic=deviance + 2 * free,
        bic=deviance + free * math.log(n) if n else math.nan,
        residuals=residuals,
        n_points=n,
        dof=dof,
        success=success,
        message=message,
        health=health,
        reasons=reasons,
        flags=flags,
        starts=starts,
    )


def _flags(spec: ModelSpec, guess: BatchFit, k: int, params: FloatArray, success: bool) -> tuple[str, ...]:
    kept = [f for f in guess.flags(k) if not f.startswith(("at_bound", "not_converged", "poor_fit"))]
    if not success:
        return (*kept, "not_converged") if "too_few_points" not in kept else tuple(kept)
    z, lo, hi = (spec.coordinates(a) for a in (params, guess.lower[k], guess.upper[k]))
    room = AT_BOUND * (hi - lo)
    hit = ((z - lo <= room) | (hi - z <= room)) & ~guess.fixed
    return (*kept, *(f"at_bound:{n}" for n, h in zip(spec.names, hit, strict=True) if h))


def _health(
    success: bool, message: str, flags: tuple[str, ...], errors: FloatArray, fixed: NDArray[np.bool_]
) -> tuple[str, tuple[str, ...]]:
    reasons = [flag_sentence(f) for f in flags]
    if success and not np.isfinite(errors[~fixed]).all():
        reasons.append("the data do not determine every parameter")
    if not success:
        return "failed", (*(r for r in reasons), message)
    return ("doubtful" if reasons else "good"), tuple(reasons)
