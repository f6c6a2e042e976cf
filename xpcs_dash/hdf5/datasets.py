"""A dataset as the rest of the program sees it, wherever its values lie, and the selections that it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from h5py import h5d, h5p
from numpy.typing import NDArray

from xpcs_dash.hdf5.heap import strings_are_sound

if TYPE_CHECKING:
    from xpcs_dash.hdf5.handle import Handle

__all__ = ["Dataset", "NotReached", "NotThere", "Selection", "Substitute"]

#: Bytes that one read of values from other files may fill; a header can claim any shape.
READ_LIMIT = 4 * 2**30
#: Types that are read from other files: numbers and texts of fixed length.
KINDS = "biufcS"


class NotReached(OSError):
    """An object counts as missing, for the reason given as a clause."""


class NotThere(NotReached):
    """It leads to a file that may be read and is not there."""


class Dataset:
    """A dataset whose values lie in its own file."""

    def __init__(self, handle: Handle, ident: h5d.DatasetID, name: str) -> None:
        self.handle, self.id, self.name = handle, ident, name

    @property
    def _plain(self) -> h5py.Dataset:
        return h5py.Dataset(self.id)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Its shape; None where it is empty."""
        shape: tuple[int, ...] | None = self.id.shape
        return shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its values."""
        kind: np.dtype[Any] = self.id.dtype
        return kind

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape or ())

    @property
    def size(self) -> int:
        """Number of values."""
        shape = self.shape
        return 0 if shape is None else int(np.prod(shape, dtype=object))

    @property
    def nbytes(self) -> int:
        """Bytes of its values in memory."""
        return self.size * self.dtype.itemsize

    @property
    def attrs(self) -> h5py.AttributeManager:
        """Attributes of the dataset."""
        return self._plain.attrs

    def __getitem__(self, selection: Any) -> Any:
        if self.dtype.kind == "O" and not strings_are_sound(self.handle.file, self.id):
            raise OSError("its text is damaged")
        return self._plain[selection]

    def with_cache(self, limit: int) -> Dataset:
        """The same dataset, for reading in horizontal slabs, each of its chunks unpacked once.

        Parameters
        ----------
        limit : bytes of unpacked chunks to hold; one chunk is always held, however large the writer made it.
        """
        chunks, shape = self._plain.chunks, self.shape
        if not chunks or not shape or len(shape) != 2:
            return self
        block = chunks[0] * chunks[1] * self.dtype.itemsize
        access = h5p.create(h5p.DATASET_ACCESS)
        access.set_chunk_cache(1009, max(block, min(block * -(-shape[1] // chunks[1]), limit)), 1.0)
        again = self.handle.open_again(self.id, access)
        return self if again is None else Dataset(self.handle, again, self.name)


class Substitute(Dataset):
    """A dataset whose values lie in other files, which are read here and not by HDF5."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its values."""
        kind: np.dtype[Any] = self.id.dtype
        if kind.kind not in KINDS:
            raise NotReached("keeps values of a type in other files that is read from one file only")
        return kind

    def __getitem__(self, selection: Any) -> Any:
        wanted = Selection.of(selection, self.shape or ())
        if wanted.size * self.dtype.itemsize > READ_LIMIT:
            raise NotReached(f"is too large to be read at once: shape {wanted.full}")
        return self.read(wanted).reshape(wanted.shape)[()]

    def read(self, wanted: Selection) -> NDArray[Any]:
        """Values of a selection, with all axes."""
        raise NotImplementedError

    def with_cache(self, limit: int) -> Dataset:  # noqa: ARG002  # its values have no chunks of their own
        """The same dataset."""
        return self


@dataclass(frozen=True)
class Selection:
    """A rectangular selection: a range along each axis, and which axes are dropped."""

    ranges: tuple[range, ...]
    dropped: tuple[bool, ...]

    @classmethod
    def of(cls, selection: Any, shape: tuple[int, ...]) -> Selection:
        """Understand an index of numbers, slices with positive steps, and one ellipsis.

        Raises
        ------
        TypeError, ValueError, IndexError
            For another index.
        """
        parts = list(selection) if isinstance(selection, tuple) else [selection]
        if Ellipsis in parts:
            at = parts.index(Ellipsis)
            parts[at : at + 1] = [slice(None)] * (len(shape) - len(parts) + 1)
        parts += [slice(None)] * (len(shape) - len(parts))
        if len(parts) != len(shape):
            raise IndexError(f"{len(parts)} indices for {len(shape)} axes")
        ranges, dropped = [], []
        for part, n in zip(parts, shape, strict=True):
            if isinstance(part, slice):
                found = range(*part.indices(n))
                if found.step < 1:
                    raise ValueError("steps of a selection must be positive")
                ranges.append(found)
            else:
                ranges.append(range(n)[part : part + 1 or None])
                if len(ranges[-1]) != 1:
                    raise IndexError(f"index {part} is out of range for an axis of {n}")
            dropped.append(not isinstance(part, slice))
        return cls(tuple(ranges), tuple(dropped))

    @property
    def full(self) -> tuple[int, ...]:
        """Shape with all axes."""
        return tuple(len(r) for r in self.ranges)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape without the dropped axes."""
        return tuple(len(r) for r, dropped in zip(self.ranges, self.dropped, strict=True) if not dropped)

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.full, dtype=object))
