"""External raw storage: a dataset whose values are bytes in other files, read through checked descriptors."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5d, h5f, h5t
from numpy.typing import NDArray

from xpcs_dash.hdf5.datasets import NotReached, Selection, Substitute

if TYPE_CHECKING:
    from xpcs_dash.hdf5.handle import Handle

__all__ = ["RawDataset"]

#: Bytes read at once where only a part of them is wanted.
BLOCK_BYTES = 64 * 2**20
#: How the reason begins why one is not read.
VERB = "keeps its values in"
#: Files that one dataset may be spread over.
MOST_FILES = 1000


@dataclass(frozen=True)
class _Piece:
    """A run of bytes: the file, its first byte there and in the dataset, and how many."""

    filename: str
    offset: int
    first: int
    size: int


class RawDataset(Substitute):
    """A dataset in one piece whose bytes lie in other files, one after the other.

    Raises
    ------
    NotReached
        Where one of the files must not be read, is not there or too short, or the type has another form in
        memory than in the file.
    """

    def __init__(self, handle: Handle, ident: h5d.DatasetID, name: str) -> None:
        super().__init__(handle, ident, name)
        plan = ident.get_create_plist()
        if plan.get_layout() != h5d.CONTIGUOUS or not h5t.py_create(self.dtype).equal(ident.get_type()):
            raise NotReached("keeps values of a form in other files that is not read")
        count = plan.get_external_count()
        if count > MOST_FILES:
            raise NotReached(f"keeps its values in {count} files, more than are read")
        self._pieces: list[_Piece] = []
        first = 0
        for i in range(count):
            if first >= self.nbytes:
                break
            filename, offset, size = plan.get_external(i)
            size = self.nbytes - first if size == h5f.UNLIMITED else min(size, self.nbytes - first)
            self._pieces.append(_Piece(os.fsdecode(filename), int(offset), first, int(size)))
            first += int(size)
        if first < self.nbytes:
            raise NotReached("keeps its values in files that hold fewer of them")
        for piece in self._pieces:
            with ExitStack() as files:
                self._open(piece, files)

    def _open(self, piece: _Piece, files: ExitStack) -> int:
        """A descriptor for reading one piece, in full."""
        found = self.handle.reached(piece.filename, self.handle.reach.open, VERB)
        files.callback(found.close)
        if piece.offset < 0 or found.status.st_size < piece.offset + piece.size:
            raise NotReached(f"{VERB} {piece.filename}, which is too short")
        try:
            descriptor = os.open(found.name, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as err:
            raise NotReached(f"{VERB} {piece.filename}, which cannot be read ({err.strerror})") from None
        files.callback(os.close, descriptor)
        return descriptor

    def read(self, wanted: Selection) -> NDArray[Any]:
        """Values of a selection, with all axes; only the rows that it needs are read, in parts."""
        shape, kind = self.shape or (), self.dtype
        out: NDArray[Any] = np.empty(wanted.full, kind)
        if not out.size:
            return out
        with ExitStack() as files:
            open_files: dict[str, int] = {}
            if not shape:
                out[()] = np.frombuffer(self._bytes(0, kind.itemsize, files, open_files), kind)[0]
                return out
            rows, inner = wanted.ranges[0], tuple(slice(r.start, r.stop, r.step) for r in wanted.ranges[1:])
            width = int(np.prod(shape[1:], dtype=object)) * kind.itemsize
            most = max(1, BLOCK_BYTES // (width * rows.step))
            for done in range(0, len(rows), most):
                part = rows[done : done + most]
                data = self._bytes(part[0] * width, (part[-1] + 1) * width, files, open_files)
                block = np.frombuffer(data, kind).reshape(-1, *shape[1:])
                out[done : done + len(part)] = block[(slice(None, None, rows.step), *inner)]
        return out

    def _bytes(self, start: int, stop: int, files: ExitStack, open_files: dict[str, int]) -> bytearray:
        """Bytes of the dataset from ``start`` to ``stop``."""
        data = bytearray(stop - start)
        for piece in self._pieces:
            low, high = max(start, piece.first), min(stop, piece.first + piece.size)
            if low >= high:
                continue
            if piece.filename not in open_files:
                open_files[piece.filename] = self._open(piece, files)
            view = memoryview(data)[low - start : high - start]
            at = piece.offset + low - piece.first
            while view:
                got = os.preadv(open_files[piece.filename], [view], at)
                if got == 0:
                    raise NotReached(f"{VERB} {piece.filename}, which became too short")
                view, at = view[got:], at + got
        return data
