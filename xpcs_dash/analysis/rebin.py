"""What a new mask or partition makes of a result: intensities of bins, and g2 from the per-pixel G2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError
from xpcs_dash.results.counting import coincidence_rate, expected_coincidences, ring_table

__all__ = ["BinnedIntensity", "Rebinned", "RegroupedG2", "bin_intensity", "rebin", "regroup_g2"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BinnedIntensity:
    """Pixels (K,) and mean intensity (K,) of the labels 1 … K; NaN for labels without pixels."""

    pixels: NDArray[np.int64]
    mean: Float


def bin_intensity(image: NDArray[Any], labels: NDArray[Any], count: int | None = None) -> BinnedIntensity:
    """Mean of an image (H, W) over each label of a map (H, W), 0 masked; NaN pixels are left out."""
    if image.shape != labels.shape:
        raise UsageError(f"a map of shape {labels.shape} does not fit an image of shape {image.shape}.")
    flat = np.asarray(labels).ravel()
    n = int(flat.max(initial=0)) if count is None else count
    values = np.asarray(image, dtype=np.float64).ravel()
    missing = ~np.isfinite(values)
    if missing.any():
        flat = np.where(missing, 0, flat)
        values = np.where(missing, 0.0, values)
    pixels = np.bincount(flat, minlength=n + 1)[1 : n + 1]
    total = np.bincount(flat, weights=values, minlength=n + 1)[1 : n + 1]
    mean = np.divide(total, pixels, out=np.full(n, np.nan), where=pixels > 0)
    return BinnedIntensity(pixels.astype(np.int64), mean)


@dataclass(frozen=True, eq=False)
class Rebinned:
    """A result's image in the bins of another partition.

    Attributes
    ----------
    dynamic, static : pixels and mean intensity of each label.
    coincidences : (n_dynamic,) photon coincidences expected behind the first delay; NaN where the number of
    frames
        is not known.
    """

    dynamic: BinnedIntensity
    static: BinnedIntensity
    coincidences: Float


def rebin(
    image: NDArray[Any],
    dynamic_map: NDArray[np.int32],
    static_map: NDArray[np.int32],
    frames: int | None = None,
    files: int = 1,
) -> Rebinned:
    """Intensities of the bins of a partition (labels (H, W), 0 masked) from an image (H, W) in photons per
    pixel and frame.
    """
    dynamic, static = bin_intensity(image, dynamic_map), bin_intensity(image, static_map)
    if frames:
        table = ring_table(static_map, dynamic_map, static.pixels.size, dynamic.pixels.size)
        rate = coincidence_rate(table, static.mean)
        counted: Float = expected_coincidences([1.0], frames, rate, files)[0]
    else:
        counted = np.full(dynamic.pixels.size, np.nan)
    return Rebinned(dynamic, static, counted)


@dataclass(frozen=True, eq=False)
class RegroupedG2:
    """g2 and its error (n_delay, n_dynamic) for a new partition."""

    g2: Float
    g2_err: Float


def regroup_g2(
    plane: Callable[[int], NDArray[Any]],
    n_delay: int,
    dynamic_map: NDArray[Any],
    static_map: NDArray[Any],
    progress: Callable[[float], None] | None = None,
) -> RegroupedG2:
    """Recompute g2 for other bins as the correlator does, holding one delay in memory at a time.

    G2, IP and IF are averaged over each static bin, divided, and the static bins of a dynamic bin averaged
    with equal weight. The error is the spread of the per-pixel g2 over the root of the number of pixels. A
    product IP·IF of zero is replaced by 1e8, so that rings without photons give 0.

    Parameters
    ----------
    plane : delay index -> (3, H, W) G2, IP, IF.
    n_delay : number of delays.
    dynamic_map, static_map : (H, W) labels, 0 masked.
    progress : called with the share that is done.

    Returns
    -------
    `RegroupedG2`.
    """
    dynamic = np.asarray(dynamic_map, dtype=np.int64).ravel()
    static = np.asarray(static_map, dtype=np.int64).ravel()
    where = np.flatnonzero((dynamic > 0) & (static > 0))
    if where.size == 0:
        raise UsageError("the partition has no valid pixel.")
    dynamic, static = dynamic[where], static[where]
    n_dynamic, n_static = int(dynamic.max()), int(static.max())
    pixels = np.bincount(dynamic, minlength=n_dynamic + 1)[1:]
    ring_pixels = np.bincount(static, minlength=n_static + 1)[1:]
    pairs = np.unique(dynamic * (n_static + 1) + static)
    pair_dynamic, pair_static = pairs // (n_static + 1), pairs % (n_static + 1)
    rings = np.bincount(pair_dynamic, minlength=n_dynamic + 1)[1:]
    g2, err = np.zeros((n_delay, n_dynamic)), np.zeros((n_delay, n_dynamic))
    for k in range(n_delay):
        values = np.asarray(plane(k)).reshape(3, -1)[:, where].astype(np.float64)
        norm = values[1] * values[2]
        pixel_g2 = values[0] / np.where(norm == 0, 1e8, norm)
        sums = [np.bincount(static, weights=v, minlength=n_static + 1)[1:] for v in values]
        means = [s / np.maximum(ring_pixels, 1) for s in sums]
        ring_norm = means[1] * means[2]
        ring_g2 = means[0] / np.where(ring_norm == 0, 1e8, ring_norm)
        total = np.bincount(pair_dynamic, weights=ring_g2[pair_static - 1], minlength=n_dynamic + 1)[1:]
        g2[k] = total / np.maximum(rings, 1)
        mean = np.bincount(dynamic, weights=pixel_g2, minlength=n_dynamic + 1)[1:] / np.maximum(pixels, 1)
        square = np.bincount(dynamic, weights=(pixel_g2 - mean[dynamic - 1]) ** 2, minlength=n_dynamic + 1)[
            1:
        ]
        # the correlator's standard deviation divides by n - 1
        err[k] = np.sqrt(square / np.maximum(pixels - 1, 1) / np.maximum(pixels, 1))
        if progress is not None:
            progress((k + 1) / n_delay)
    return RegroupedG2(g2, err)
