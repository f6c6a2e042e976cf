"""Convergence and misfit, allowed to say no.

R-hat, effective sample sizes, BFMI and intervals are ArviZ's. What cannot be computed is NaN here, also where
ArviZ has a number for it, and NaN fails the gate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpcs_dash.fitting.batch import FLAG_SENTENCES
from xpcs_dash.fitting.models import ModelSpec
from xpcs_dash.fitting.runtime import array_stats

__all__ = [
    "THRESHOLDS",
    "FitDiagnostics",
    "Thresholds",
    "bfmi",
    "diagnose",
    "ess_bulk",
    "ess_tail",
    "hdi",
    "posterior_predictive_p",
    "r_hat",
]

FloatArray = NDArray[np.float64]

#: Quantiles whose effective sample sizes count as those of the tails.
TAILS = (0.05, 0.95)


@dataclass(frozen=True)
class Thresholds:
    """The gate. ``bfmi`` is the minimum over chains; ``misfit`` the smallest posterior predictive p-value."""

    r_hat: float = 1.01
    ess: float = 400.0
    divergences: int = 0
    bfmi: float = 0.2
    misfit: float = 0.005


THRESHOLDS = Thresholds()


@dataclass(frozen=True)
class FitDiagnostics:
    """Verdict on the chains of one bin.

    Attributes
    ----------
    r_hat, ess_bulk, ess_tail : by parameter name.
    divergences : number of divergent transitions after warm-up.
    bfmi : smallest over the chains.
    deep_trees : transitions that ended at the largest tree depth, ``tree_depth`` the largest seen.
    predictive_p : posterior predictive p-value of χ² (or of the residuals' correlation where sigma is
        unknown).
    converged : all thresholds of convergence hold.
    misfit : the converged model does not describe the data.
    passed : converged, no misfit, and a decay to speak of.
    reasons : why not, as sentences; empty when passed.
    """

    r_hat: dict[str, float]
    ess_bulk: dict[str, float]
    ess_tail: dict[str, float]
    divergences: int
    bfmi: float
    deep_trees: int
    tree_depth: int
    predictive_p: float
    converged: bool
    misfit: bool
    passed: bool
    reasons: tuple[str, ...]


def r_hat(x: ArrayLike) -> float:
    """Rank-normalised split R-hat of draws (chain, draw): the larger of bulk and folded, or NaN."""
    a = _judgeable(x)
    if a is None:
        return math.nan
    # the two halves of ArviZ's method "rank", which takes the bulk alone where the folded one is NaN
    with np.errstate(divide="ignore", invalid="ignore"):
        bulk, folded = (float(array_stats().rhat(a, method=method)) for method in ("z_scale", "folded"))
    return max(bulk, folded) if math.isfinite(bulk) and math.isfinite(folded) else math.nan


def ess_bulk(x: ArrayLike) -> float:
    """Effective sample size for the bulk, of draws (chain, draw), or NaN."""
    a = _judgeable(x)
    return math.nan if a is None else float(array_stats().ess(a, method="bulk"))


def ess_tail(x: ArrayLike) -> float:
    """The smaller effective sample size of the 5 % and 95 % quantiles, of draws (chain, draw), or NaN."""
    a = _judgeable(x)
    if a is None or np.quantile(a, TAILS[1]) >= a.max():
        return math.nan  # no draw lies beyond: ArviZ would count all of them as effective
    return float(array_stats().ess(a, method="tail", prob=TAILS))


def _judgeable(x: ArrayLike) -> FloatArray | None:
    """Draws (chain, draw) of which statistics mean something: finite, and not all the same.

    ArviZ ranks infinite values like others, and counts all draws of a constant as effective.
    """
    a = np.asarray(x, dtype=float)
    fit = a.ndim == 2 and a.size > 0 and bool(np.isfinite(a).all()) and np.ptp(a) > 0
    return a if fit else None


def bfmi(energy: ArrayLike) -> FloatArray:
    """(chain,) energy Bayesian fraction of missing information.

    Parameters
    ----------
    energy : (chain, draw). NaN where a chain's energy does not vary or is not finite.
    """
    e = np.asarray(energy, dtype=float)
    if e.shape[1] < 2:
        return np.full(len(e), math.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.asarray(array_stats().bfmi(e))
    return np.where(np.isfinite(out), out, math.nan)


def hdi(x: ArrayLike, prob: float = 0.94) -> tuple[float, float]:
    """Highest density interval of draws of any shape: the shortest that holds ``prob`` of them, or NaN."""
    a = np.asarray(x, dtype=float).ravel()
    if a.size < 2 or not np.isfinite(a).all():
        return math.nan, math.nan
    low, high = array_stats().hdi(a, prob=prob)
    return float(low), float(high)


def posterior_predictive_p(
    spec: ModelSpec,
    params: FloatArray,
    t: FloatArray,
    y: FloatArray,
    sigma: FloatArray,
    noise: FloatArray | None,
    seed: int = 0,
    draws: int = 500,
) -> float:
    """Chance that the model produces data as far off as these.

    With known errors the measure is χ², whose distribution given the parameters is exact. With a sampled
    noise scale χ² says nothing; the measure is then the correlation of neighbouring residuals, against
    simulated ones.

    Parameters
    ----------
    params : (n_draw, n_par) posterior draws; ``noise`` (n_draw,) or None.
    t, y, sigma : (n,) points used.
    """
    from scipy.special import chdtrc

    if t.size < 3 or not np.isfinite(params).all():
        return math.nan
    take = np.linspace(0, len(params) - 1, min(draws, len(params))).astype(int)
    rest = (y - np.asarray(spec.evaluate(t, params[take]))) / sigma
    if noise is None:
        return float(np.mean(chdtrc(t.size, np.sum(rest * rest, axis=1))))
    scaled = rest / noise[take, None]
    fake = np.random.default_rng(seed).standard_normal(scaled.shape)

    def neighbours(r: FloatArray) -> FloatArray:
        return np.asarray(np.sum(r[:, 1:] * r[:, :-1], axis=1) / np.sum(r * r, axis=1))

    return float((np.sum(neighbours(fake) >= neighbours(scaled)) + 0.5) / (len(take) + 1))


def diagnose(
    samples: Mapping[str, FloatArray],
    diverging: ArrayLike,
    energy: ArrayLike,
    n_steps: ArrayLike,
    predictive_p: float,
    max_tree_depth: int,
    flags: tuple[str, ...] = (),
    sigma_known: bool = True,
    thresholds: Thresholds = THRESHOLDS,
) -> FitDiagnostics:
    """Judge the chains of one bin.

    Parameters
    ----------
    samples : sampled parameter -> (chain, draw).
    diverging, energy, n_steps : (chain, draw).
    predictive_p : from `posterior_predictive_p`; NaN fails.
    flags : flags of the least-squares fit of the same bin (`BatchFit.flags`).
    """
    rhat = {n: r_hat(x) for n, x in samples.items()}
    bulk = {n: ess_bulk(x) for n, x in samples.items()}
    tail = {n: ess_tail(x) for n, x in samples.items()}
    count = int(np.sum(np.asarray(diverging)))
    fraction = bfmi(energy)
    lowest = float(np.min(fraction)) if fraction.size else math.nan
    depth = np.floor(np.log2(np.maximum(np.asarray(n_steps), 1))).astype(int) + 1
    deep = int(np.sum(np.asarray(n_steps) >= 2**max_tree_depth - 1))

    reasons = []
    limits = (
        ("R-hat", rhat, f"below {thresholds.r_hat}"),
        ("bulk effective sample size", bulk, f"above {thresholds.ess:g}"),
        ("tail effective sample size", tail, f"above {thresholds.ess:g}"),
    )
    for what, values, limit in limits:
        # written so that NaN is bad
        bad = {
            n: v
            for n, v in values.items()
            if not (v < thresholds.r_hat if what == "R-hat" else v > thresholds.ess)
        }
        if bad or not values:
            found = ", ".join(f"{n} {_number(v)}" for n, v in bad.items()) or "nothing sampled"
            reasons.append(f"{what} must be {limit}: {found}")
    if count > thresholds.divergences:
        reasons.append(f"{count} divergent transitions: parts of the posterior were not explored")
    if not lowest >= thresholds.bfmi:
        reasons.append(f"BFMI must be at least {thresholds.bfmi}: {_number(lowest)}")
    converged = not reasons
    misfit = not predictive_p >= thresholds.misfit
    if misfit:
        reasons.append(_misfit_sentence(predictive_p, sigma_known))
    if "no_decay" in flags:
        reasons.append(FLAG_SENTENCES["no_decay"])
    if "too_few_points" in flags:
        reasons.append(FLAG_SENTENCES["too_few_points"])
    return FitDiagnostics(
        r_hat=rhat,
        ess_bulk=bulk,
        ess_tail=tail,
        divergences=count,
        bfmi=lowest,
        deep_trees=deep,
        tree_depth=int(depth.max()) if depth.size else 0,
        predictive_p=predictive_p,
        converged=converged,
        misfit=misfit,
        passed=not reasons,
        reasons=tuple(reasons),
    )


def _misfit_sentence(p: float, sigma_known: bool) -> str:
    if math.isnan(p):
        return "misfit could not be tested"
    what = "χ² is larger" if sigma_known else "neighbouring residuals are more alike"
    return f"misfit: {what} than this model can explain (posterior predictive p = {p:.2g})"


def _number(value: float) -> str:
    return "could not be computed" if math.isnan(value) else f"{value:.4g}"
