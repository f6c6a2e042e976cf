"""The photon-counting error model of multi-tau g2: pure functions on plain arrays.

The errors stored with g2 are the spread over pixels, which is far too small where there are few photons. How
many coincidences a point rests on follows from the intensity of its rings, and 1/√C is then its relative
Poisson error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "PhotonCheck",
    "RingTable",
    "check_photons",
    "coincidence_rate",
    "counted",
    "delay_levels",
    "expected_coincidences",
    "g2_sigma",
    "ring_means",
    "ring_table",
]


@dataclass(frozen=True, eq=False)
class RingTable:
    """How many pixels each static ring shares with each dynamic bin.

    Parameters
    ----------
    static, dynamic : (m,) int64, 1-based labels of pairs that share pixels.
    pixels : (m,) float64, pixels shared.
    n_static, n_dynamic : number of labels.
    """

    static: NDArray[np.int64]
    dynamic: NDArray[np.int64]
    pixels: NDArray[np.float64]
    n_static: int
    n_dynamic: int

    def static_pixels(self) -> NDArray[np.float64]:
        """(n_static,) pixels of each static ring inside dynamic bins."""
        return np.bincount(self.static - 1, self.pixels, minlength=self.n_static)

    def dynamic_pixels(self) -> NDArray[np.float64]:
        """(n_dynamic,) pixels of each dynamic bin."""
        return np.bincount(self.dynamic - 1, self.pixels, minlength=self.n_dynamic)

    def crossing(self) -> int:
        """Static rings that lie in more than one dynamic bin; 0 in a well made map."""
        return int(np.count_nonzero(np.bincount(self.static) > 1))


def ring_table(
    static: NDArray[np.int32], dynamic: NDArray[np.int32], n_static: int, n_dynamic: int
) -> RingTable:
    """Count the pixels of every pair of a static and a dynamic label.

    Parameters
    ----------
    static, dynamic : (H, W) label maps, 0 masked.
    n_static, n_dynamic : number of labels; larger labels in the maps are ignored.
    """
    width = n_dynamic + 1
    s, d = static.ravel(), dynamic.ravel()
    if s.size and (
        int(s.min()) < 0 or int(d.min()) < 0 or int(s.max()) > n_static or int(d.max()) > n_dynamic
    ):
        good = (s >= 0) & (d >= 0) & (s <= n_static) & (d <= n_dynamic)
        s, d = s[good], d[good]
    key = s.astype(np.int64)
    key *= width
    key += d
    counts = np.bincount(key, minlength=(n_static + 1) * width).reshape(n_static + 1, width)
    found_s, found_d = np.nonzero(counts[1:, 1:])
    return RingTable(
        found_s + 1, found_d + 1, counts[1:, 1:][found_s, found_d].astype(np.float64), n_static, n_dynamic
    )


def ring_means(labels: NDArray[np.int32], image: NDArray[np.floating], n: int) -> NDArray[np.float64]:
    """(n,) mean of ``image`` over the pixels of each label; NaN where a label has none."""
    flat = labels.ravel()
    with np.errstate(invalid="ignore", over="ignore"):  # damaged bytes make any number
        weights = np.asarray(image, dtype=np.float64).ravel()
    pixels = np.bincount(flat, minlength=n + 1)[1 : n + 1]
    total = np.bincount(flat, weights, minlength=n + 1)[1 : n + 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / pixels, dtype=np.float64)


def delay_levels(delay_frames: ArrayLike) -> NDArray[np.int64]:
    """Multi-tau level of each delay: the power of two by which neighbouring delays are apart.

    With four delays a level this is 0 for the first eight, then one more for every four; it holds for any
    number of delays a level and for linear lists (all 0).
    """
    delays = np.asarray(delay_frames, dtype=np.float64)
    if delays.size < 2:
        return np.zeros(delays.size, dtype=np.int64)
    steps = np.concatenate(([1.0], np.diff(delays)))
    levels = np.floor(np.log2(np.maximum(steps, 1.0)) + 1e-9).astype(np.int64)
    return np.maximum.accumulate(levels)


def coincidence_rate(table: RingTable, intensity: ArrayLike) -> NDArray[np.float64]:
    """(n_dynamic,) Σ N_s·Ī_s² over the rings of each dynamic bin; rings without a finite intensity count
    nothing.

    Parameters
    ----------
    table : pixels shared by rings and bins.
    intensity : (n_static,) photons per pixel and frame.
    """
    ring = np.asarray(intensity, dtype=np.float64)[table.static - 1]
    with np.errstate(over="ignore", invalid="ignore"):
        weight = np.where(np.isfinite(ring) & (ring > 0), table.pixels * ring**2, 0.0)
    return np.bincount(table.dynamic - 1, weight, minlength=table.n_dynamic)


def expected_coincidences(
    delay_frames: ArrayLike, n_frames: int, rate: ArrayLike, n_files: int = 1
) -> NDArray[np.float64]:
    """Coincidences to be expected behind each point of g2 for uncorrelated light.

    C = n_files · (n_frames − τ) · 2^level · Σ_s N_s·Ī_s²

    Parameters
    ----------
    delay_frames : (n_delay,) delays in frames.
    n_frames : frames of one file.
    rate : (n_q,) Σ N_s·Ī_s² of each bin, photons² per frame².
    n_files : files that were averaged.

    Returns
    -------
    (n_delay, n_q) float64.
    """
    delays = np.asarray(delay_frames, dtype=np.float64)
    pairs = np.maximum(n_frames - delays, 0.0) * np.exp2(delay_levels(delays))
    return np.asarray(
        n_files * pairs[:, None] * np.asarray(rate, dtype=np.float64)[None, :], dtype=np.float64
    )


def g2_sigma(g2_err: ArrayLike, coincidences: ArrayLike) -> NDArray[np.float64]:
    """Standard error of g2: the file's own and photon counting together, √(σ_file² + 1/C).

    Infinite where no coincidence is expected; a missing (NaN) file error counts as 0.
    """
    err = np.nan_to_num(np.asarray(g2_err, dtype=np.float64), nan=0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        counting = 1.0 / np.sqrt(np.asarray(coincidences, dtype=np.float64))
    return np.asarray(np.hypot(err, counting), dtype=np.float64)


@dataclass(frozen=True)
class PhotonCheck:
    """Whether the stored intensity is in photons, by the model's own predictions.

    Parameters
    ----------
    photons : the verdict.
    reason : a clause that says why not; empty where it is.
    zeros_predicted, zeros_found : points of g2 without any coincidence.
    scatter : median of (point-to-point scatter of g2) / (scatter by counting); NaN where it cannot be told.
    """

    photons: bool
    reason: str
    zeros_predicted: float
    zeros_found: int
    scatter: float


def check_photons(
    g2: NDArray[np.float64],
    coincidences: NDArray[np.float64],
    intensity: ArrayLike,
    g2_err: NDArray[np.float64] | None = None,
) -> PhotonCheck:
    """Test the counting model against the data it is meant for.

    Three tests: the intensity is finite, not negative and somewhere positive; the points of g2 that are
    exactly 0 are as many as Σ exp(−C) says, within a factor 3 and counting noise; and g2 does not scatter
    less from point to point than counting allows. A wrong scale of the intensity by a factor f changes C by
    f², which the last two notice.

    A g2 that is smooth to far below its own errors is computed, not measured, and its scatter says nothing.

    Parameters
    ----------
    g2, coincidences : (n_delay, n_q).
    intensity : photons per pixel and frame of the rings.
    g2_err : (n_delay, n_q) errors of the file, if it has any.
    """
    ring = np.asarray(intensity, dtype=np.float64)
    ring = ring[~np.isnan(ring)]
    found = int(np.count_nonzero(g2 == 0))
    predicted = float(np.exp(-coincidences[np.isfinite(g2)]).sum())
    scores = _bend_scores(g2, coincidences, _inverse(coincidences))
    scatter = _quantile(scores, 0.5) / 0.6745 if scores.size >= 20 else float("nan")
    measured = not _is_computed(g2, g2_err)
    reason = ""
    if ring.size == 0 or not np.all(np.isfinite(ring)) or not np.any(ring > 0):
        reason = "the stored intensity holds no usable numbers"
    elif float(np.mean(ring < 0)) > 0.01:
        reason = "the stored intensity is negative in places"
    elif found > 3 * predicted + 5 * np.sqrt(predicted) + 10:
        reason = f"{found} points of g2 hold no coincidence where counting expects {predicted:.0f}"
    elif measured and predicted > 3 * found + 5 * np.sqrt(found) + 10:
        reason = f"counting expects {predicted:.0f} points of g2 without a coincidence, but there are {found}"
    elif measured and scatter < 0.1:
        reason = f"g2 scatters {1 / max(scatter, 1e-6):.0f} times less than counting allows"
    return PhotonCheck(not reason, reason, predicted, found, scatter)


def counted(
    g2: NDArray[np.float64],
    g2_err: NDArray[np.float64] | None,
    delay_frames: ArrayLike,
    n_frames: int,
    table: RingTable,
    intensity: ArrayLike,
    n_files: int = 1,
) -> tuple[NDArray[np.float64], PhotonCheck]:
    """Coincidences expected behind each point of g2, and whether the data bear the counting model out.

    Parameters
    ----------
    g2, g2_err, delay_frames, n_frames, n_files : of the file.
    table, intensity : pixels shared by rings and bins; photons per pixel and frame of the rings.
    """
    rate = coincidence_rate(table, intensity)
    expected = expected_coincidences(delay_frames, n_frames, rate, max(1, n_files))
    return expected, check_photons(g2, expected, intensity, g2_err)


def _inverse(values: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / values, dtype=np.float64)


def _bend_scores(
    g2: NDArray[np.float64], coincidences: NDArray[np.float64], variance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Second differences of g2 along the delay over their expected error, where counts are not few."""
    if g2.shape[0] < 3:
        return np.empty(0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bend = g2[1:-1] - 0.5 * (g2[:-2] + g2[2:])
        score = np.abs(bend) / np.sqrt(variance[1:-1] + 0.25 * (variance[:-2] + variance[2:]))
    few = np.minimum(np.minimum(coincidences[1:-1], coincidences[:-2]), coincidences[2:]) < 10
    return np.asarray(score[~few & np.isfinite(score)], dtype=np.float64)


def _is_computed(g2: NDArray[np.float64], g2_err: NDArray[np.float64] | None) -> bool:
    """True for a model without noise: the flattest tenth of a measured g2 bends by a tenth of its errors."""
    if g2_err is None:
        return False
    with np.errstate(over="ignore"):
        variance = g2_err**2
    scores = _bend_scores(g2, np.full(g2.shape, np.inf), variance)
    return scores.size >= 20 and _quantile(scores, 0.1) < 0.01


def _quantile(values: NDArray[np.float64], share: float) -> float:
    """As ``np.quantile``, which spends ten times as long on its arguments as on so few values."""
    place = share * (values.size - 1)
    low = int(place)
    part = np.partition(values, (low, min(low + 1, values.size - 1)))
    first, second = float(part[low]), float(part[min(low + 1, values.size - 1)])
    return first + (second - first) * (place - low)
