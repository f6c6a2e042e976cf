"""Leave-one-out cross-validation of a sampled fit, by Pareto-smoothed importance sampling.

After Vehtari, Gelman and Gabry (2017), Statistics and Computing 27, 1413, and Vehtari, Simpson, Gelman, Yao
and Gabry (2024), JMLR 25, 72; the fit of the generalised Pareto distribution after Zhang and Stephens (2009),
Technometrics 51, 316. All points of a curve go through it at once, in NumPy: ArviZ computes the same numbers
point by point, and its import alone takes longer than the sampling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Loo", "difference", "loo"]

FloatArray = NDArray[np.float64]

#: A point whose Pareto k is above this cannot be trusted, however many draws there are.
WORST_K = 0.7


@dataclass(frozen=True, eq=False)
class Loo:
    """Expected log density of each point, predicted from all others.

    Attributes
    ----------
    elpd : (n,) per point; ``total`` their sum and ``se`` its standard error.
    pareto_k : (n,) shape of the tail of the importance weights.
    p : effective number of parameters.
    limit : Pareto k above which a point is bad, for this number of draws.
    """

    elpd: FloatArray
    pareto_k: FloatArray
    p: float
    limit: float

    @property
    def total(self) -> float:
        """Sum over the points."""
        return float(self.elpd.sum())

    @property
    def se(self) -> float:
        """Standard error of `total`."""
        return spread(self.elpd)

    @property
    def bad(self) -> int:
        """Number of points whose estimate cannot be trusted; one that could not be computed is among them."""
        return int(np.sum(~(self.pareto_k <= self.limit)))


def loo(log_likelihood: ArrayLike, r_eff: float = 1.0) -> Loo:
    """Leave-one-out of one curve.

    Parameters
    ----------
    log_likelihood : (chain, draw, n) of each point.
    r_eff : effective share of the draws, 0 to 1 or a little above.
    """
    ll = np.asarray(log_likelihood, dtype=float)
    ll = ll.reshape(-1, ll.shape[-1]).T
    size = ll.shape[1]
    weights, k = _smoothed(-ll, r_eff if math.isfinite(r_eff) and r_eff > 0 else 1.0)
    elpd = _log_sum(weights + ll)
    return Loo(
        elpd=elpd,
        pareto_k=k,
        p=float(np.sum(_log_sum(ll) - math.log(size) - elpd)),
        limit=min(1.0 - 1.0 / math.log10(size), WORST_K),
    )


def difference(a: ArrayLike, b: ArrayLike) -> tuple[float, float]:
    """Difference (a minus b) of the sums of two fits of the same points, and its standard error.

    The error is that of the paired differences: much smaller than those of the two sums.

    Parameters
    ----------
    a, b : same shape; pointwise `Loo.elpd`, NaN where a point was not used by either.
    """
    gap = np.ravel(np.asarray(a, dtype=float) - np.asarray(b, dtype=float))
    gap = gap[np.isfinite(gap)]
    return float(gap.sum()), spread(gap)


def spread(elpd: FloatArray) -> float:
    """Standard error of the sum of (n,) values."""
    return float(np.sqrt(elpd.size * np.var(elpd))) if elpd.size else math.nan


def _log_sum(x: FloatArray) -> FloatArray:
    top = x.max(axis=1)
    return np.asarray(top + np.log(np.exp(x - top[:, None]).sum(axis=1)))


def _smoothed(raw: FloatArray, r_eff: float) -> tuple[FloatArray, FloatArray]:
    """Normalised log weights (n, draw) with smoothed tails, and (n,) Pareto k."""
    size = raw.shape[1]
    weights = raw - raw.max(axis=1, keepdims=True)
    count = math.ceil(min(size / 5, 3 * math.sqrt(size / r_eff)))
    k = np.full(len(raw), np.inf)
    if count > 4:
        order = np.argsort(weights, axis=1)[:, -count - 1 :]
        ranked = np.take_along_axis(weights, order, axis=1)
        least = np.maximum(ranked[:, :1], math.log(np.finfo(float).tiny))
        tail = np.exp(ranked[:, 1:]) - np.exp(least)
        k, sigma = _pareto(tail)
        share = (np.arange(count) + 0.5) / count
        with np.errstate(invalid="ignore", divide="ignore"):
            reach = np.where(
                k[:, None] == 0,
                -np.log1p(-share),
                np.expm1(-k[:, None] * np.log1p(-share)) / k[:, None],
            )
            smooth = np.minimum(np.log(sigma[:, None] * reach + np.exp(least)), 0.0)
        usable = np.isfinite(smooth).all(axis=1)
        smooth = np.where(usable[:, None], smooth, ranked[:, 1:])
        np.put_along_axis(weights, order[:, 1:], smooth, axis=1)
    return weights - _log_sum(weights)[:, None], k


def _pareto(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shape and scale (n,) of generalised Pareto distributions of sorted excesses (n, m)."""
    m = x.shape[1]
    points = 30 + int(math.sqrt(m))
    quartile, largest = x[:, int(m / 4 + 0.5) - 1], x[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        b = 1.0 - np.sqrt(points / (np.arange(1, points + 1) - 0.5))
        b = b / (3.0 * quartile[:, None]) + 1.0 / largest[:, None]
        k = np.log1p(-b[:, :, None] * x[:, None, :]).mean(axis=2)
        score = m * (np.log(-b / k) - k - 1.0)
        weight = np.exp(score - np.fmax.reduce(score, axis=1, keepdims=True))
        weight[~(weight > 10 * np.finfo(float).eps)] = 0.0
        b = np.sum(np.where(weight > 0, b * weight, 0.0), axis=1) / weight.sum(axis=1)
        shape = np.log1p(-b[:, None] * x).mean(axis=1)
        sigma = -shape / b
    shape = (m * shape + 10 * 0.5) / (m + 10)  # a weak prior about 0.5
    bad = ~np.isfinite(shape) | (quartile <= x[:, 0])
    return np.where(bad, np.inf, shape), np.where(bad, np.nan, sigma)
