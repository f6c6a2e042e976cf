"""Raw detector frames in HDF5 files: found, and reduced to one image a block at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import IncompleteFile, UnreadableFile, UsageError
from xpcs_dash.hdf5.handle import NOT_THERE, Dataset, Group, Handle
from xpcs_dash.hdf5.pool import HDF5ConnectionPool, default_pool

__all__ = ["FrameStack", "find_frames", "reduce_frames"]

#: Where detectors write their frames.
PATHS = ("/entry/data/data", "/exchange/data", "/entry/instrument/detector/data")
#: Where a master file names one dataset for each data file.
SERIES = "/entry/data"
#: Bytes read at once.
BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class FrameStack:
    """A stack of frames, over one dataset or several in a row.

    Attributes
    ----------
    parts : each dataset and its number of frames.
    shape : (H, W).
    dtype : of the numbers.
    """

    parts: tuple[tuple[str, int], ...]
    shape: tuple[int, int]
    dtype: str

    @property
    def frames(self) -> int:
        """Number of frames."""
        return sum(frames for _, frames in self.parts)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return max(1, np.dtype(self.dtype).itemsize * self.shape[0] * self.shape[1])


def find_frames(path: str | Path, pool: HDF5ConnectionPool | None = None) -> FrameStack:
    """The stack of frames in a file: at one of the usual places, or else its largest 3-D dataset.

    Raises
    ------
    FileError
        Where the file cannot be read or holds no frames.
    """
    with (pool or default_pool()).open(path) as h5, h5.in_words():
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
    with (pool or default_pool()).open(path) as h5, h5.in_words():
        stack = _find(Path(path), h5)
        stop = stack.frames if count is None else min(stack.frames, start + count)
        if not 0 <= start < stop:
            raise UsageError(
                f"{Path(path).name}: there are {stack.frames} frames; none from {start} on fits."
            )
        total = np.zeros(stack.shape, dtype=np.float64)
        marked = np.zeros(stack.shape, dtype=bool)
        for block in _blocks(Path(path), h5, stack, start, stop):
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


def _blocks(path: Path, h5: Handle, stack: FrameStack, start: int, stop: int) -> Iterator[NDArray[Any]]:
    """Frames ``start`` … ``stop - 1``, a block at a time."""
    size = max(1, BLOCK_BYTES // stack.frame_bytes)
    at = 0
    for name, frames in stack.parts:
        low, high = max(start - at, 0), min(stop - at, frames)
        at += frames
        if low >= high:
            continue
        with h5.apart() as alone:
            try:
                dataset = alone[name]
                for first in range(low, high, size):
                    yield np.asarray(dataset[first : min(first + size, high)])
            except (KeyError, OSError, RuntimeError) as err:
                reason = " ".join(str(err).split())[:160]
                remedy = "a compression filter may be missing, or the file is still being written"
                raise UnreadableFile(
                    path, f"its frames cannot be read ({reason})", remedy, transient=True
                ) from None


def _find(path: Path, h5: Handle) -> FrameStack:
    for name in PATHS:
        stack = _stack(h5, name)
        if stack is not None:
            return stack
    series = _series(path, h5)
    if series is not None:
        return series
    stacks = [_described(found) for found in h5.datasets() if found.ndim == 3 and found.size]
    stacks = [stack for stack in stacks if np.dtype(stack.dtype).kind in "uif"]
    if not stacks:
        why = "".join(f" ({text})" for text in h5.remarks()[:1])
        raise IncompleteFile(
            path, f"it holds no detector frames{why}", "give a raw file with a stack of frames"
        )
    return max(stacks, key=lambda stack: stack.frames * stack.frame_bytes)


def _stack(h5: Handle, name: str) -> FrameStack | None:
    with h5.apart() as alone:
        found = alone.get(name)
        return _described(found) if isinstance(found, Dataset) and found.ndim == 3 and found.size else None


def _series(path: Path, h5: Handle) -> FrameStack | None:
    """The frames that a master file links to, a dataset for each data file."""
    group = h5.get(SERIES)
    if not isinstance(group, Group):
        return None
    names = [f"{SERIES}/{name}" for name in sorted(group) if re.fullmatch(r"data_\d{6}", name)]
    stacks = [_stack(h5, name) for name in names]
    found = [stack for stack in stacks if stack is not None]
    for i, (name, stack) in enumerate(zip(names, stacks, strict=True)):
        reason = h5.refused.get(name, "leads to a file that holds no frames")
        # the last files may not have been written yet; a gap would shift the numbers of all later frames
        if stack is None and (i < len(found) or not reason.endswith(NOT_THERE)):
            raise IncompleteFile(path, f"{name} {reason}", "put the file that it needs there")
    if not found or any((s.shape, s.dtype) != (found[0].shape, found[0].dtype) for s in found):
        return None
    return FrameStack(tuple(part for stack in found for part in stack.parts), found[0].shape, found[0].dtype)


def _described(dataset: Dataset) -> FrameStack:
    n, h, w = dataset.shape or (0, 0, 0)
    return FrameStack(((dataset.name, int(n)),), (int(h), int(w)), str(dataset.dtype))
