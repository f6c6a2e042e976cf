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
from typing import Any, NamedTuple, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpcs_dash.fitting.batch import fit_all_q
from xpcs_dash.fitting.batch_result import BatchFit, determined
from xpcs_dash.fitting.judge import AT_BOUND, POOR_FIT_P, Input, answer
from xpcs_dash.fitting.models import ModelSpec, Window, get_model
from xpcs_dash.fitting.runtime import pad_size, require_x64
from xpcs_dash.fitting.solvers import DELAYS, Problem, Solution, polish
from xpcs_dash.fitting.starts import grid_start
from xpcs_dash.results.verdict import Verdict, verdict

__all__ = ["NLSQResult", "Options", "nlsq_all", "nlsq_optimize"]

FloatArray = NDArray[np.float64]

#: Difference of χ², relative to 1 + χ², within which two answers are the same minimum.
SAME_MINIMUM = 1e-7
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
    bounds : lower and upper bound by name; equal where the parameter was held.
    flags, reasons : as `BatchFit.flags`, and why it is not good, as sentences.
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
    bounds: dict[str, tuple[float, float]]
    reasons: tuple[str, ...]
    flags: tuple[str, ...]
    starts: int

    @property
    def verdict(self) -> Verdict:
        """Whether the numbers may be used, and why not."""
        return verdict(self.flags, self.reasons)

    @property
    def health(self) -> str:
        """``good``; ``failed`` where there is no answer; else ``doubtful``."""
        return "good" if self.verdict.good else "doubtful" if self.success else "failed"

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


class Options(TypedDict, total=False):
    """Wishes for a fit, as for `xpcs_dash.fitting.batch.fit_all_q`."""

    fixed: Mapping[str, float] | None
    bounds: Mapping[str, tuple[float, float]] | None
    start: Mapping[str, float] | None


def nlsq_optimize(
    t: ArrayLike,
    g2: ArrayLike,
    sigma: ArrayLike | None,
    trusted: ArrayLike | None = None,
    model: str | ModelSpec = "single",
    **options: Unpack[Options],
) -> NLSQResult:
    """Fit one curve with the nlsq package.

    Parameters
    ----------
    t, g2, sigma, trusted : (n_delay,) delays in s, data, one standard deviation (None: unknown, all points
        weigh the same), and which points to use.
    model, options : as for `xpcs_dash.fitting.batch.fit_all_q`.

    Raises
    ------
    UsageError
        Unknown model or parameter, bounds in the wrong order, shapes that do not fit.
    """
    column = [None if a is None else np.asarray(a)[:, None] for a in (g2, sigma, trusted)]
    return nlsq_all(t, column[0], column[1], column[2], model, **options)[0]  # type: ignore[arg-type]


def nlsq_all(
    t: ArrayLike,
    g2: ArrayLike,
    sigma: ArrayLike | None,
    trusted: ArrayLike | None = None,
    model: str | ModelSpec = "single",
    **options: Unpack[Options],
) -> list[NLSQResult]:
    """`nlsq_optimize` of every column of ``g2`` (n_delay, n_q).

    The first start, the bounds and the flags are those of the batched fit, of which this is the independent
    check: nlsq looks for the valley in its own way, from all parameters at once. The bottom of the valley,
    at which nlsq stops a little early where it is flat, is then found to the last digits.
    """
    spec = get_model(model)
    start = options.get("start") or {}
    held = spec.check_fixed(options.get("fixed") or {})
    guess = fit_all_q(t, g2, sigma, trusted, spec, held, options.get("bounds"), start)
    t, g2 = np.asarray(t, dtype=float), np.asarray(g2, dtype=float)
    errors = np.ones_like(g2) if sigma is None else np.asarray(sigma, dtype=float)
    use = np.isfinite(g2) & np.isfinite(errors) & (errors > 0) & (t > 0)[:, None]
    if trusted is not None:
        use &= np.asarray(trusted, dtype=bool)
    results = []
    for k in range(g2.shape[1]):
        data = _Data(t, g2[:, k], errors[:, k], use[:, k], sigma is not None)
        results.append(_one(spec, data, guess, k, start))
    return results


class _Data(NamedTuple):
    """One curve; all but ``known`` (n_delay,)."""

    t: FloatArray
    y: FloatArray
    sigma: FloatArray
    use: NDArray[np.bool_]
    known: bool

    def input(self, guess: BatchFit, k: int, start: FloatArray) -> Input:
        """The points in use, as the judge of the batch takes them."""
        weight, y = 1.0 / self.sigma[self.use][None], self.y[self.use][None]
        lower, upper = guess.lower[k][None], guess.upper[k][None]
        return Input(self.t[self.use], y, weight, lower, upper, start[None], self.known)


def _one(spec: ModelSpec, data: _Data, guess: BatchFit, k: int, start: Mapping[str, float]) -> NLSQResult:
    if guess.too_few_points[k] or guess.fixed.all():
        return _summary(spec, data, guess, k, None, "no fit: too few points", 0)
    best: Solution | None = None
    message, tried = "nlsq found no answer", 0
    for first in _starts(spec, data, guess, k, start):
        tried += 1
        found, said = _attempt(spec, data, guess, k, first)
        if best is None or (found is not None and found.chi2[0] < best.chi2[0]):
            best, message = found, said
        # the batch knows of this minimum; missing it means that the answer failed
        if best is not None and best.chi2[0] <= guess.chi2[k] + SAME_MINIMUM * (1.0 + guess.chi2[k]):
            break
    else:
        if best is not None:
            message = f"{message} The batched fit knew a lower minimum, which is shown."
            best = _bottom(spec, data.input(guess, k, guess.values[k]))
    return _summary(spec, data, guess, k, best, message, tried)


def _starts(
    spec: ModelSpec, data: _Data, guess: BatchFit, k: int, start: Mapping[str, float]
) -> Iterator[FloatArray]:
    """The best of a coarse grid; where that fails, what the batch found; then the middle of the window."""
    inp = data.input(guess, k, guess.values[k])
    yield grid_start(spec, inp.t, inp.y, inp.weight, inp.lower, inp.upper, start)[0]
    yield guess.values[k]
    middle = guess.values[k].copy()
    for j, p in enumerate(spec.parameters):
        if p.scaled:
            middle[j] = np.clip(p.middle(Window.of(inp.t)), inp.lower[0, j], inp.upper[0, j])
    yield middle


def _attempt(
    spec: ModelSpec, data: _Data, guess: BatchFit, k: int, first: FloatArray
) -> tuple[Solution | None, str]:
    """Answer and message of one start; no answer where nlsq fails."""
    free = np.flatnonzero(~guess.fixed)
    z = spec.coordinates(first)
    lo, hi = spec.coordinates(guess.lower[k]), spec.coordinates(guess.upper[k])
    room = 1e-3 * (hi - lo)
    inp = data.input(guess, k, first)
    # two rows at the least: nlsq takes one row for a single predictor with one point
    held = [np.full(inp.t.size, first[j]) for j in np.flatnonzero(guess.fixed)] or [np.ones(inp.t.size)]
    x = np.stack([inp.t, *held])
    function = _function(spec.name, tuple(spec.names[j] for j in free))
    length = pad_size(inp.t.size, DELAYS)
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is judged in `_summary`
        fitter = _fitter(length)
        try:
            found = fitter.curve_fit(
                function,
                x,
                inp.y[0],
                p0=np.clip(z, lo + room, hi - room)[free],
                sigma=data.sigma[data.use],
                absolute_sigma=True,
                bounds=(lo[free], hi[free]),
                ftol=1e-10,
                xtol=1e-10,
                gtol=1e-10,
                max_nfev=150,
            )
        except (RuntimeError, ValueError, FloatingPointError) as err:
            return None, " ".join(str(err).split())[:200]
    z[free] = np.asarray(found.popt, dtype=float)
    if not np.isfinite(z).all():
        return None, "nlsq returned numbers that are not finite"
    params = np.clip(spec.natural(z), guess.lower[k], guess.upper[k])
    return _bottom(spec, data.input(guess, k, params)), str(found.message).replace("`", "").strip()


def _bottom(spec: ModelSpec, inp: Input) -> Solution:
    """The bottom of the valley in which the start of ``inp`` lies."""
    return polish(spec, Problem(inp.t[None], inp.y, inp.weight, inp.lower, inp.upper, inp.start))


def _summary(
    spec: ModelSpec, data: _Data, guess: BatchFit, k: int, found: Solution | None, message: str, starts: int
) -> NLSQResult:
    from scipy.special import chdtrc

    success, use = found is not None, data.use
    params, covariance = guess.values[k], np.full_like(guess.covariance[k], math.nan)
    n, n_free = int(use.sum()), int((~guess.fixed).sum())
    dof, chi2 = n - n_free, math.nan
    if found is not None:
        solved, spread = answer(spec, found, data.input(guess, k, params), guess.fixed)
        params, covariance, chi2 = solved[0], spread[0], float(found.chi2[0])
    residuals = np.full(data.t.size, np.nan)
    residuals[use] = (data.y[use] - np.asarray(spec.evaluate(data.t[use], params))) / data.sigma[use]
    chi2_red = chi2 / dof if dof > 0 else math.nan
    if not data.known:
        covariance = covariance * chi2_red
    with np.errstate(invalid="ignore"):
        errors = np.sqrt(np.diag(covariance))
    weight = np.where(use, 1.0 / np.where(use, data.sigma, 1.0) ** 2, 0.0)
    mean = np.sum(weight * np.where(use, data.y, 0.0)) / np.sum(weight) if n else math.nan
    total = float(np.sum(weight * np.where(use, data.y - mean, 0.0) ** 2))
    deviance = chi2 if data.known else (n * math.log(chi2 / n) if n and chi2 > 0 else math.nan)
    free = n_free + (0 if data.known else 1)
    flags = _flags(spec, guess, k, params, errors, success)
    if success and data.known and dof > 0 and chdtrc(dof, chi2) < POOR_FIT_P:
        flags = (*flags, "poor_fit")
    reasons = verdict(flags).reasons if success else (*verdict(flags).reasons, message)
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
        bounds={n: (float(guess.lower[k, j]), float(guess.upper[k, j])) for j, n in enumerate(spec.names)},
        reasons=reasons,
        flags=flags,
        starts=starts,
    )


def _flags(
    spec: ModelSpec, guess: BatchFit, k: int, params: FloatArray, errors: FloatArray, success: bool
) -> tuple[str, ...]:
    again = ("at_bound", "not_converged", "poor_fit", "undetermined")
    kept = [f for f in guess.flags(k) if not f.startswith(again)]
    if not success:
        return (*kept, "not_converged") if "too_few_points" not in kept else tuple(kept)
    z, lo, hi = (spec.coordinates(a) for a in (params, guess.lower[k], guess.upper[k]))
    room = AT_BOUND * (hi - lo)
    hit = ((z - lo <= room) | (hi - z <= room)) & ~guess.fixed
    found = [f"at_bound:{n}" for n, h in zip(spec.names, hit, strict=True) if h]
    if "no_decay" not in kept:
        known = determined(spec, params, errors, guess.lower[k], guess.upper[k])
        vague = ~known & ~guess.fixed & ~hit
        found += [f"undetermined:{n}" for n, v in zip(spec.names, vague, strict=True) if v]
    return (*kept, *found)
