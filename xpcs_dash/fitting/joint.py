"""The power law τ(q) = 1/(D qⁿ) over all bins at once, with scatter between bins.

Hierarchical model: every bin has a relaxation time of its own, scattered about the law,

    ln τ_k = -ln D - n ln q_k + s·z_k,   z_k ~ Normal(0, 1),

and what its curve says of it is Normal(ln τ_k, σ_k), with σ_k from the fit of the bin. The z_k are integrated
out analytically, and so are ln D and n for a given s; what remains is one dimension, s, which is summed on a
grid. The posterior is therefore exact: no chains, nothing that could fail to converge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpcs_dash.errors import UsageError
from xpcs_dash.fitting.batch import BatchFit
from xpcs_dash.fitting.diagnostics import hdi
from xpcs_dash.fitting.models import POWER_LAW, PriorSpec

__all__ = ["PowerLawFit", "fit_power_law", "power_law_of"]

FloatArray = NDArray[np.float64]

#: Prior of the scatter between bins (natural logarithm of τ): half-normal of this width.
SCATTER_SCALE = 0.5


@dataclass(frozen=True, eq=False)
class PowerLawFit:
    """Posterior of the power law.

    Attributes
    ----------
    D, n, scatter : (n_draw,) posterior draws; D in Åⁿ/s, scatter in natural logarithms of τ.
    q, tau, tau_error : (n_used,) the bins that entered: Å⁻¹, s, s.
    used : (n_q,) which bins those are.
    reference_q : where D and n are least correlated (Å⁻¹).
    chi2_red : of the best law without scatter; far above 1 means that the scatter is real.
    fixed_n : exponent that was held, or None.
    """

    D: FloatArray
    n: FloatArray
    scatter: FloatArray
    q: FloatArray
    tau: FloatArray
    tau_error: FloatArray
    used: NDArray[np.bool_]
    reference_q: float
    chi2_red: float
    fixed_n: float | None

    def summary(self, prob: float = 0.94) -> dict[str, dict[str, float]]:
        """Median, sd and highest density interval of D, n and scatter (of D on a log axis)."""
        out = {}
        for name, x in (("D", self.D), ("n", self.n), ("scatter", self.scatter)):
            low, high = hdi(np.log(x) if name == "D" else x, prob)
            if name == "D":
                low, high = float(np.exp(low)), float(np.exp(high))
            out[name] = {
                "median": float(np.median(x)),
                "sd": float(x.std(ddof=1)),
                "hdi_lo": low,
                "hdi_hi": high,
            }
        return out

    def bands(self, q: ArrayLike, prob: float = 0.94) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Lower end, median and upper end (n,) of τ(q) in s."""
        draws = np.stack([self.D, self.n], axis=-1)
        curves = np.asarray(POWER_LAW.evaluate(np.asarray(q, dtype=float), draws))
        low, middle, high = np.quantile(curves, [0.5 - prob / 2, 0.5, 0.5 + prob / 2], axis=0)
        return low, middle, high


def power_law_of(
    fit: BatchFit, q: ArrayLike, parameter: str = "tau", fixed_n: float | None = None, seed: int = 0
) -> PowerLawFit:
    """The power law through the good bins of a fit (`BatchFit.good`)."""
    return fit_power_law(q, fit[parameter], fit.error(parameter), fit.good, fixed_n, seed)


def fit_power_law(
    q: ArrayLike,
    tau: ArrayLike,
    tau_error: ArrayLike,
    used: ArrayLike | None = None,
    fixed_n: float | None = None,
    seed: int = 0,
    draws: int = 4000,
    prior_n: PriorSpec | None = None,
) -> PowerLawFit:
    """Joint fit of D and n.

    Parameters
    ----------
    q, tau, tau_error : (n_q,) Å⁻¹, s, s (one standard deviation).
    used : (n_q,) bool; bins whose relaxation time may be used. Those without a finite error never are.
    fixed_n : hold the exponent, for example at 2 for diffusion.
    prior_n : normal prior of the exponent; default Normal(2, 1).

    Raises
    ------
    UsageError
        Fewer than three usable bins (two with a fixed exponent).
    """
    q, tau, error = (np.asarray(a, dtype=float) for a in (q, tau, tau_error))
    keep = np.isfinite(q) & (q > 0) & np.isfinite(tau) & (tau > 0) & np.isfinite(error) & (error > 0)
    if used is not None:
        keep &= np.asarray(used, dtype=bool)
    needed = 3 if fixed_n is None else 2
    if keep.sum() < needed:
        raise UsageError(
            f"a power law needs {needed} q-bins with a good relaxation time; there are {int(keep.sum())}."
        )
    x, y, sigma = np.log(q[keep]), np.log(tau[keep]), error[keep] / tau[keep]
    prior = prior_n or POWER_LAW["n"].prior
    weight = 1.0 / sigma**2
    pivot = float(np.sum(weight * x) / np.sum(weight))
    x = x - pivot

    # y = a + n·(-x): normal priors, that of a so wide that only the data speak
    mean = np.array([float(np.median(y)), 2.0 if prior.loc is None else prior.loc])
    wide = np.array([10.0, prior.scale])
    if fixed_n is not None:
        mean[1], wide[1] = fixed_n, 1e-9
    design = np.stack([np.ones_like(x), -x], axis=-1)

    spread = float(np.std(y + mean[1] * x)) + float(np.median(sigma))
    grid = np.concatenate([[0.0], np.geomspace(1e-3 * np.min(sigma), 10 * spread + SCATTER_SCALE, 300)])
    variance = sigma**2 + grid[:, None] ** 2
    precision = np.einsum("gk,ki,kj->gij", 1 / variance, design, design) + np.diag(wide**-2)
    covariance = np.linalg.inv(precision)
    pull = np.einsum("gk,ki->gi", y / variance, design) + mean / wide**2
    centres = np.einsum("gij,gj->gi", covariance, pull)
    rest, off = y - centres @ design.T, (centres - mean) / wide
    evidence = (
        -0.5 * np.sum(rest**2 / variance + np.log(variance), axis=1)
        - 0.5 * np.sum(off**2, axis=1)
        + 0.5 * np.linalg.slogdet(covariance)[1]
        - 0.5 * (grid / SCATTER_SCALE) ** 2
    )
    probability = np.exp(evidence - evidence.max()) * np.gradient(grid)
    probability /= probability.sum()

    rng = np.random.default_rng(seed)
    which = rng.choice(grid.size, size=draws, p=probability)
    normal = rng.standard_normal((draws, 2))
    both = centres[which] + np.einsum("dij,dj->di", np.linalg.cholesky(covariance)[which], normal)
    n = both[:, 1] if fixed_n is None else np.full(draws, float(fixed_n))
    best = design @ centres[0]
    return PowerLawFit(
        D=np.exp(-both[:, 0] - n * pivot),
        n=n,
        scatter=grid[which],
        q=q[keep],
        tau=tau[keep],
        tau_error=error[keep],
        used=keep,
        reference_q=float(np.exp(pivot)),
        chi2_red=float(np.sum(((y - best) / sigma) ** 2) / max(x.size - needed + 1, 1)),
        fixed_n=fixed_n,
    )
