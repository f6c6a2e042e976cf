"""Multi-tau of dense frames, pixel by pixel: what the correlator of the facility computes, in NumPy.

Level L correlates sums of 2^L frames. For each delay, over the N pairs (x_i, x_{i+t}) that there are,

    G2 = Σ x_i·x_{i+t} / (N·4^L)    IP = Σ x_{i+t} / (N·2^L)    IF = Σ x_i / (N·2^L)

are means per frame, so the normalisation is symmetric: the two means are of the very frames in the products.
Frames that do not fill the last sum of a level are left out there. Rings come afterwards: `correlate.rings`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.correlate.delays import Delays, multitau_delays
from xpcs_dash.errors import UsageError

__all__ = ["PixelCorrelation", "correlate_dense", "picked_frames"]

Floats = NDArray[np.float64]

#: Pixels that are correlated together: their frames stay in the processor's cache.
BLOCK = 64
#: A run is split into at most this many segments and fewer than twice as many.
SEGMENTS = 16


@dataclass(frozen=True, eq=False)
class PixelCorrelation:
    """What is known of each pixel.

    Attributes
    ----------
    delays : in frames after averaging and stride.
    G2, IP, IF : (n_delay, n_pixels), mean product, and means of the later and of the earlier frames.
    mean : (n_pixels,) photons per frame.
    segments : (n_segments, n_pixels) sums of stretches of the run over all its frames, as the facility
        stores them: they add up to ``mean`` where no frames are left over.
    intensity : (n_frames,) mean over the pixels.
    stride_frame, avg_frame : how the frames were picked.
    """

    delays: Delays
    G2: Floats
    IP: Floats
    IF: Floats
    mean: Floats
    segments: Floats
    intensity: Floats
    stride_frame: int = 1
    avg_frame: int = 1

    def unnormalized(self) -> Floats:
        """(n_delay, 3, n_pixels) G2, IP and IF as result files hold them."""
        return np.stack((self.G2, self.IP, self.IF), axis=1)


def picked_frames(
    frames: NDArray[Any], begin: int = 0, end: int = -1, stride: int = 1, average: int = 1
) -> NDArray[Any]:
    """Leave out frames and average neighbours, as the facility does before it correlates.

    Every ``stride``-th frame is taken, then ``average`` of them at a time are averaged (not summed, so
    intensities stay per frame). What does not fill the last group is cut off.

    Parameters
    ----------
    frames : (n, …).
    begin, end : range of frames; an ``end`` of 0 or less means all.
    stride, average : at least 1.

    Raises
    ------
    UsageError
        Where stride or average is not positive, or no frame is left.
    """
    if stride < 1 or average < 1:
        raise UsageError(f"stride {stride} and average {average} must be at least 1.")
    last = min(end, len(frames)) if end > 0 else len(frames)
    whole = max(last - begin, 0) // (stride * average) * stride * average
    if begin < 0 or whole == 0:
        raise UsageError(f"frames {begin} to {last} of {len(frames)} leave nothing to correlate.")
    taken = frames[begin : begin + whole : stride]
    if average == 1:
        return taken
    grouped = taken.reshape(-1, average, *taken.shape[1:])
    return np.asarray(grouped.mean(axis=1, dtype=np.float64))


def correlate_dense(
    frames: NDArray[Any],
    *,
    begin: int = 0,
    end: int = -1,
    stride: int = 1,
    average: int = 1,
    divide_frames: bool = False,
) -> PixelCorrelation:
    """Correlate the frames of all pixels.

    Parameters
    ----------
    frames : (n_frames, n_pixels) of any number type; only the pixels that are wanted.
    begin, end, stride, average : see `picked_frames`.
    divide_frames : divide each frame by its mean first, which takes an unsteady beam out. Intensity and means
        are still those of the frames as they are.

    Raises
    ------
    UsageError
        Where the frames have another shape or are too few.
    """
    if frames.ndim != 2:
        raise UsageError(f"frames of shape {frames.shape} cannot be correlated: give (frames, pixels).")
    taken = picked_frames(frames, begin, end, stride, average)
    n_frames, n_pixels = taken.shape
    delays = multitau_delays(n_frames)
    intensity = taken.mean(axis=1, dtype=np.float64)
    divisor = None
    if divide_frames:
        divisor = np.where(intensity > 0, intensity, 1.0)
    G2, IP, IF = (np.empty((delays.n, n_pixels)) for _ in range(3))
    mean = np.empty(n_pixels)
    length = _segment_length(n_frames)
    segments = np.empty((n_frames // length, n_pixels))
    for start in range(0, n_pixels, BLOCK):
        part = slice(start, start + BLOCK)
        x = np.ascontiguousarray(taken[:, part].T, dtype=np.float64)
        mean[part] = x.mean(axis=1)
        whole = x[:, : segments.shape[0] * length].reshape(len(x), -1, length)
        segments[:, part] = whole.sum(axis=2).T / n_frames
        if divisor is not None:
            x /= divisor
        _correlate_block(x, delays, G2[:, part], IP[:, part], IF[:, part])
    return PixelCorrelation(delays, G2, IP, IF, mean, segments, intensity, stride, average)


def _segment_length(n_frames: int) -> int:
    level = 0
    while n_frames >> level > SEGMENTS:
        level += 1
    return 1 << level


def _levels(x: Floats, count: int) -> Iterator[tuple[int, Floats]]:
    """The frames, their sums by two, by four, …"""
    for level in range(count):
        yield level, x
        half = x.shape[1] // 2 * 2
        x = x[:, 0:half:2] + x[:, 1:half:2]


def _correlate_block(x: Floats, delays: Delays, G2: Floats, IP: Floats, IF: Floats) -> None:
    """Fill the columns of a block of pixels; ``x`` is (pixels, frames)."""
    for level, sums in _levels(x, int(delays.level.max()) + 1):
        total = sums.sum(axis=1)
        for k in delays.at_level(level):
            step = int(delays.frames[k]) >> level
            pairs = int(delays.pairs[k])
            G2[k] = np.vecdot(sums[:, step:], sums[:, :-step]) / (pairs * 4.0**level)
            IP[k] = (total - sums[:, :step].sum(axis=1)) / (pairs * 2.0**level)
            IF[k] = (total - sums[:, -step:].sum(axis=1)) / (pairs * 2.0**level)
