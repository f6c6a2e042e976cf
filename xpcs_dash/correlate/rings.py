"""g2 of dynamic bins from what is known of each pixel, normalised as the facility does it.

G2, IP and IF are averaged over each **static** ring, g2 of the ring is G2/(IP·IF), and g2 of a dynamic bin is
the plain mean over its rings. Dividing pixel by pixel instead would be biased where photons are few; dividing
by means over a whole bin would add the slope of I(q) inside it to the baseline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.correlate.dense import PixelCorrelation
from xpcs_dash.errors import UsageError

__all__ = ["BinCorrelation", "Partition", "ring_means", "to_bins"]

Floats = NDArray[np.float64]

#: What stands in for a product of means that is 0: g2 of a ring without a photon is 0, not NaN.
NOTHING = 1e8


@dataclass(frozen=True, eq=False)
class Partition:
    """Labels of the pixels that are correlated.

    Attributes
    ----------
    static, dynamic : (n_pixels,) int, 1-based; 0 belongs to nothing.
    n_static, n_dynamic : number of labels.
    """

    static: NDArray[np.int64]
    dynamic: NDArray[np.int64]
    n_static: int
    n_dynamic: int

    @classmethod
    def from_maps(cls, static: NDArray[np.integer], dynamic: NDArray[np.integer]) -> Partition:
        """Take label maps of any shape, pixel by pixel.

        Raises
        ------
        UsageError
            Where the maps differ in shape, or a ring lies in more than one bin.
        """
        if static.shape != dynamic.shape:
            raise UsageError(f"the static map is {static.shape}, the dynamic map {dynamic.shape}.")
        s, d = (np.asarray(labels, dtype=np.int64).ravel() for labels in (static, dynamic))
        found = cls(s, d, int(s.max(initial=0)), int(d.max(initial=0)))
        found.members()
        return found

    def pixels(self) -> Floats:
        """(n_static,) pixels of each ring."""
        return np.bincount(self.static, minlength=self.n_static + 1)[1:].astype(np.float64)

    def members(self) -> NDArray[np.int64]:
        """(n_static,) dynamic label of each ring; 0 where it has none."""
        used = (self.static > 0) & (self.dynamic > 0)
        key = np.unique(self.static[used] * (self.n_dynamic + 1) + self.dynamic[used])
        ring, label = np.divmod(key, self.n_dynamic + 1)
        if ring.size != np.unique(ring).size:
            raise UsageError("a static ring lies in more than one dynamic bin: make the partition anew.")
        out = np.zeros(self.n_static, dtype=np.int64)
        out[ring - 1] = label
        return out


@dataclass(frozen=True, eq=False)
class BinCorrelation:
    """g2 as a result file holds it.

    Attributes
    ----------
    g2 : (n_delay, n_dynamic).
    g2_err : (n_delay, n_dynamic) spread of the pixels' own g2 over √n_pixels; far too small where photons are
        few.
    """

    g2: Floats
    g2_err: Floats


def ring_means(values: Floats, partition: Partition) -> Floats:
    """(n, n_static) means over the pixels of each ring, 0 for a ring without pixels.

    Parameters
    ----------
    values : (n, n_pixels).
    """
    size = partition.n_static + 1
    sums = np.stack([np.bincount(partition.static, row, minlength=size)[1:] for row in values])
    return np.asarray(sums / np.maximum(partition.pixels(), 1.0))


def to_bins(pixels: PixelCorrelation, partition: Partition) -> BinCorrelation:
    """g2 and its error for each dynamic bin; 0 for a bin without pixels."""
    G2, IP, IF = (ring_means(values, partition) for values in (pixels.G2, pixels.IP, pixels.IF))
    of_ring = G2 / _never_nothing(IP * IF)
    members = partition.members()
    own = pixels.G2 / _never_nothing(pixels.IP * pixels.IF)
    shape = (pixels.delays.n, partition.n_dynamic)
    g2, error = np.zeros(shape), np.zeros(shape)
    for label in range(1, partition.n_dynamic + 1):
        rings = members == label
        if rings.any():
            inside = own[:, partition.dynamic == label]
            g2[:, label - 1] = of_ring[:, rings].mean(axis=1)
            error[:, label - 1] = _spread(inside) / np.sqrt(inside.shape[1])
    return BinCorrelation(g2, error)


def _spread(values: Floats) -> Floats:
    """Standard deviation of the rows; NaN where there is one value, which has none."""
    if values.shape[1] < 2:
        return np.full(len(values), np.nan)
    return np.asarray(values.std(axis=1, ddof=1))


def _never_nothing(product: Floats) -> Floats:
    return np.where(product == 0, NOTHING, product)
