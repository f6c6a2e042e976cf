"""The error of g2 with its two parts kept apart: photons counted, and speckles seen.

The spread over pixels that a file stores holds both where there are photons, so adding counting to it in
quadrature counts photons twice; and it knows nothing of neighbouring delays, which see the same speckles.
Here counting comes from the expected coincidences, speckle is what the file's error has beyond it, and a
covariance joins the delays. Pure functions on plain arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpcs_dash.errors import UsageError

__all__ = ["G2Errors", "correlated_pixels", "g2_errors", "sums_of_delays"]

Floats = NDArray[np.float64]

#: Below as many coincidences g2 itself is too uncertain to say how uncertain it is.
FEW = 10.0
#: Neighbouring delays over which the speckle part is smoothed.
NEIGHBOURS = 5
#: A sample this slow, in runs, is limited by the number of speckles: its delays err together.
SLOW = 0.5
#: How much slow samples widen the speckle part, and over how many e-folds of the delay it is shared.
WIDENING, SHARED = 8.0, 1.0


@dataclass(frozen=True, eq=False)
class G2Errors:
    """Standard errors of g2.

    Attributes
    ----------
    counting, speckle : (n_delay, n_q) the two parts; infinite where no coincidence is expected.
    frozen : (n_q,) whether the number of speckles limits the bin, whatever the length of the run.
    """

    counting: Floats
    speckle: Floats
    frozen: NDArray[np.bool_]

    @property
    def sigma(self) -> Floats:
        """(n_delay, n_q) both together."""
        return np.asarray(np.hypot(self.counting, self.speckle))

    def limited_by(self) -> tuple[str, ...]:
        """For each bin the larger part over most of its delays: ``counting`` or ``speckle``."""
        more = np.mean(self.speckle > self.counting, axis=0) > 0.5
        return tuple("speckle" if part else "counting" for part in more)

    def covariance(self, delay_s: ArrayLike, k: int) -> Floats:
        """(n_delay, n_delay) of bin ``k``: counting errs alone, speckle is shared by neighbouring delays."""
        log = np.log(np.asarray(delay_s, dtype=np.float64))
        apart = np.abs(log[:, None] - log[None, :])
        shared = np.ones_like(apart) if self.frozen[k] else np.exp(-apart / SHARED)
        s = self.speckle[:, k]
        return np.asarray(s[:, None] * s[None, :] * shared + np.diag(self.counting[:, k] ** 2))


def correlated_pixels(pixels_per_speckle: float) -> float:
    """Pixels whose g2 errs together, Σ|μ|⁴, where speckle covers Σ|μ|² of them; for Gaussian speckle.

    The *square* of the intensity's correlation counts: g2 is of second order in intensities. For large
    speckle it is half of the pixels a speckle.

    Raises
    ------
    UsageError
        For less than one pixel a speckle.
    """
    if pixels_per_speckle < 1:
        raise UsageError(f"{pixels_per_speckle:g} pixels a speckle: give 1 or more.")

    def along(width: float, power: int) -> float:
        steps = np.arange(1, 2 + int(8 * width))
        return float(1 + 2 * np.sum(np.exp(-power * steps**2 / (4 * width**2))))

    low, high = 1e-2, 1 + float(np.sqrt(pixels_per_speckle))
    for _ in range(50):
        width = 0.5 * (low + high)
        low, high = (width, high) if along(width, 2) ** 2 < pixels_per_speckle else (low, width)
    return along(low, 4) ** 2


def sums_of_delays(n_frames: int, delay_frames: ArrayLike, level: ArrayLike) -> NDArray[np.int64]:
    """(n_delay,) products behind each delay, ⌊n/2^L⌋ − delay/2^L: what does not fill a sum is cut off."""
    delays, levels = (np.asarray(values, dtype=np.int64) for values in (delay_frames, level))
    return np.asarray((n_frames >> levels) - (delays >> levels), dtype=np.int64)


def g2_errors(
    g2: Floats,
    g2_err: Floats,
    sums: NDArray[np.int64],
    level: NDArray[np.int64],
    rate: Floats,
    tau_runs: Floats,
    *,
    pixels: Floats,
    pixels_per_speckle: float = 1.0,
    average: int = 1,
) -> G2Errors:
    """Part the error of g2.

    Parameters
    ----------
    g2, g2_err : (n_delay, n_q) of the file.
    sums, level : (n_delay,) products behind each delay (`sums_of_delays`), and its level.
    rate : (n_q,) Σ N_s·Ī_s² over the rings of a bin, in photons² per averaged frame².
    tau_runs : (n_q,) relaxation time over the length of the run; infinite or NaN where nothing decays.
    pixels : (n_q,) of each bin.
    pixels_per_speckle : see `correlated_pixels`.
    average : frames that were averaged (not summed) before correlating: intensities are per frame.
    """
    expected = (sums * 4.0**level)[:, None] * rate * float(average) ** 2
    with np.errstate(divide="ignore"):
        counting = np.where(expected < FEW, 1.0, np.maximum(g2, 1.0)) / expected
    spread = _spread(g2_err, sums) - counting
    together = correlated_pixels(pixels_per_speckle)
    spread = together * _smooth(np.where(np.isfinite(spread), np.maximum(spread, 0.0), 0.0))
    slow = np.where(np.isnan(tau_runs), np.inf, tau_runs)
    speckle = spread * (1 + WIDENING * np.minimum(slow, 0.5))
    frozen = slow > SLOW
    # of N independent intensities with contrast β, <I²>/<I>² scatters with the variance 2β²(1 + β)/N
    excess = np.maximum(g2 - 1, 0.0)
    floor = 2 * excess**2 * (1 + excess) * together / pixels
    speckle = np.where(frozen, np.maximum(speckle, floor), speckle)
    return G2Errors(np.sqrt(counting), np.sqrt(speckle), frozen)


def _spread(g2_err: Floats, sums: NDArray[np.int64]) -> Floats:
    """Variance of the file, less the bias of few sums; a single one says nothing and takes its neighbour."""
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = g2_err**2 * (sums / (sums - 1.0))[:, None]
    for k in np.flatnonzero(sums <= 1):
        variance[k] = variance[k - 1]
    return np.asarray(variance)


def _smooth(variance: Floats) -> Floats:
    """Running median along the delays; the median of a logarithm is the logarithm of the median."""
    half = NEIGHBOURS // 2
    padded = np.pad(variance, ((half, half), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, NEIGHBOURS, axis=0)
    return np.asarray(np.median(windows, axis=-1))
