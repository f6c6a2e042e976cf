"""The delays of a multi-tau correlator, their levels, and how many products each rests on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError

__all__ = ["PER_LEVEL", "Delays", "multitau_delays"]

#: Delays that a level adds; the first has twice as many.
PER_LEVEL = 4


@dataclass(frozen=True, eq=False)
class Delays:
    """Delays of a run.

    Attributes
    ----------
    frames : (n_delay,) int64, delays in frames.
    level : (n_delay,) int64; a delay of level L is found between sums of 2^L frames.
    pairs : (n_delay,) int64, products of two such sums that go into it, N_k = ⌊n/2^L⌋ − delay/2^L.
    n_frames : frames of the run.
    """

    frames: NDArray[np.int64]
    level: NDArray[np.int64]
    pairs: NDArray[np.int64]
    n_frames: int

    @property
    def n(self) -> int:
        """Number of delays."""
        return int(self.frames.size)

    def at_level(self, level: int) -> NDArray[np.int64]:
        """Numbers of the delays of one level."""
        return np.flatnonzero(self.level == level)


def multitau_delays(n_frames: int) -> Delays:
    """Delays 1 … 4, then 5, 6, 7, 8 times 2^level, as long as they are below the last whole sum of 2^level.

    Frames behind the last whole sum of a level are cut off there, so the last delays can rest on one product.

    Parameters
    ----------
    n_frames : frames that are correlated, after averaging and stride.

    Raises
    ------
    UsageError
        Where the run is too short for a delay.
    """
    if n_frames < PER_LEVEL + 1:
        raise UsageError(f"{n_frames} frames are too few to correlate: give at least {PER_LEVEL + 1}.")
    found = [(step, 0) for step in range(1, PER_LEVEL + 1)]
    level = 0
    while True:
        reach = n_frames >> level << level
        new = [(step << level, level) for step in range(PER_LEVEL + 1, 2 * PER_LEVEL + 1)]
        found += [pair for pair in new if pair[0] < reach]
        if new[-1][0] >= reach:
            break
        level += 1
    frames, levels = (np.array(column, dtype=np.int64) for column in zip(*found, strict=True))
    pairs = (n_frames >> levels) - (frames >> levels)
    return Delays(frames, levels, pairs, n_frames)
