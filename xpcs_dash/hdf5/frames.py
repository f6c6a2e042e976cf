"""Raw detector frames in HDF5 files: found, and reduced to one image a block at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import IncompleteFile, UnreadableFile, UsageError
from xpcs_dash.hdf5.handle import Dataset, Handle
from xpcs_dash.hdf5.pool import HDF5ConnectionPool, default_pool

__all__ = ["FrameStack", "find_frames", "reduce_frames"]

#: Where detectors write their frames.
PATHS = ("/entry/data/data", "/exchange/data", "/entry/data/data_000001", "/entry/instrument/detector/data")
#: Bytes read at once.
BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class FrameStack:
    """A stack of frames: dataset, number of frames, (H, W), and the type of its numbers."""

    dataset: str
    frames: int
    shape: tuple[int, int]
    dtype: str


def find_frames(path: str | Path, pool: HDF5ConnectionPool | None = None) -> FrameStack:
    """The stack of frames in a file: at one of the usual places, or else its largest 3-D dataset.

    Raises
    ------
    FileError
        Where the file cannot be read or holds no frames.
    """
    with (pool or default_pool()).open(path) as h5:
        return _find(Path(path), h5)


def reduce_frames(
    path: str | Path,
    how: Literal["mean", "max"] = "mean",
    count: int | None = None,
    start: int = 0,
    pool: HDF5ConnectionPool | None = None,
) -> tuple[NDArray[np.float32], int]:
    """One image from frames ``start`` … ``start + count - 1``.

    Pixels that hold the detector's marker for "no value" (the greatest number of an unsigned type, or a
    negative one) in any of the frames become NaN.

    Returns
    -------
    (H, W) float32 in counts per pixel and frame, and the number of frames used.

    Raises
    ------
    UsageError
        For a range without frames, or another way of reducing.
    FileError
        Where the frames cannot be read.
    """
    if how not in ("mean", "max"):
        raise UsageError(f"frames can be reduced to their mean or max, not {how!r}.")
    with (pool or default_pool()).open(path) as h5:
        stack = _find(Path(path), h5)
        stop = stack.frames if count is None else min(stack.frames, start + count)
        if not 0 <= start < stop:
            raise UsageError(
                f"{Path(path).name}: there are {stack.frames} frames; none from {start} on fits."
            )
        dataset = h5[stack.dataset]
        size = max(1, BLOCK_BYTES // max(1, dataset.dtype.itemsize * stack.shape[0] * stack.shape[1]))
        total = np.zeros(stack.shape, dtype=np.float64)
        marked = np.zeros(stack.shape, dtype=bool)
        for first in range(start, stop, size):
            try:
                block = dataset[first : min(first + size, stop)]
            except OSError as err:
                reason = " ".join(str(err).split())[:160]
                remedy = "a compression filter may be missing, or the file is still being written"
                raise UnreadableFile(
                    path, f"its frames cannot be read ({reason})", remedy, transient=True
                ) from None
            bad = block == np.iinfo(block.dtype).max if block.dtype.kind == "u" else ~(block >= 0)
            # an 8-bit counter that is full has counted 255 photons; only wider types carry a marker
            if block.dtype.itemsize > 1 and bad.any():
                marked |= bad.any(axis=0)
                block = np.where(bad, 0, block)
            if how == "mean":
                total += block.sum(axis=0, dtype=np.float64)
            else:
                np.maximum(total, block.max(axis=0), out=total)
    image = (total / (stop - start) if how == "mean" else total).astype(np.float32)
    image[marked] = np.nan
    return image, stop - start


def _find(path: Path, h5: Handle) -> FrameStack:
    for name in PATHS:
        found = h5.get(name)
        if isinstance(found, Dataset) and found.ndim == 3 and found.size:
            return _stack(name, found)
    largest = [d for d in h5.datasets() if d.ndim == 3 and d.dtype.kind in "uif" and d.size]
    if not largest:
        raise IncompleteFile(path, "it holds no detector frames", "give a raw file with a stack of frames")
    best = max(largest, key=lambda d: d.size)
    return _stack(best.name, best)


def _stack(name: str, dataset: Dataset) -> FrameStack:
    n, h, w = dataset.shape or (0, 0, 0)
    return FrameStack(name, int(n), (int(h), int(w)), str(dataset.dtype))
