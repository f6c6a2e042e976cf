"""Leave-one-out cross-validation of a sampled fit, by Pareto-smoothed importance sampling.

The numbers are ArviZ's, after Vehtari, Gelman and Gabry (2017), Statistics and Computing 27, 1413, and
Vehtari, Simpson, Gelman, Yao and Gabry (2024), JMLR 25, 72. Only a worker computes them; pages compare what
it stored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpcs_dash.fitting.runtime import array_stats

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
    share = r_eff if math.isfinite(r_eff) and r_eff > 0 else 1.0
    points = np.array([_point(ll[..., i], share) for i in range(ll.shape[-1])]).reshape(-1, 3)
    elpd, k, p = points.T
    return Loo(
        elpd=elpd,
        pareto_k=np.where(np.isnan(k), np.inf, k),
        p=float(p.sum()),
        limit=min(1.0 - 1.0 / math.log10(ll[..., 0].size), WORST_K),
    )


def _point(ll: FloatArray, r_eff: float) -> tuple[float, float, float]:
    """Log density, Pareto k and effective parameters of one point, of (chain, draw)."""
    stats = array_stats()
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        try:
            elpd, k, p = stats.loo(ll, r_eff=r_eff)
        except ValueError:
            # no tail to fit (all weights the same, too few draws): the weights as they are, not trusted
            raw = np.min(ll) - ll
            elpd, k, p = stats.loo(ll, log_weights=raw - np.log(np.exp(raw).sum()), pareto_k=np.inf)
    return float(elpd), float(k), float(p)


def difference(a: ArrayLike, b: ArrayLike) -> tuple[float, float]:
    """Difference (a minus b) of the sums of two fits of the same points, and its standard error.

    The error is that of the paired differences: much smaller than those of the two sums. ArviZ compares only
    whole trees (`arviz_stats.compare`); its array functions have nothing for two rows of points.

    Parameters
    ----------
    a, b : same shape; pointwise `Loo.elpd`, NaN where a point was not used by either.
    """
    gap = np.ravel(np.asarray(a, dtype=float) - np.asarray(b, dtype=float))
    gap = gap[np.isfinite(gap)]
    return float(gap.sum()), spread(gap)


def spread(elpd: FloatArray) -> float:
    """Standard error of the sum of (n,) values, as ArviZ has it; NaN of fewer than two."""
    return float(np.sqrt(elpd.size * np.var(elpd, ddof=1))) if elpd.size > 1 else math.nan
