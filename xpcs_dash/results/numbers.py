"""What a file adds to an average: its numbers, without geometry, times and texts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import FileError, XpcsDashError
from xpcs_dash.hdf5.again import read_again
from xpcs_dash.hdf5.bigdata import time_axis
from xpcs_dash.hdf5.pool import HDF5ConnectionPool
from xpcs_dash.hdf5.records import FileKey, OpenFile, file_key
from xpcs_dash.results import counting
from xpcs_dash.results.cache import DataCache
from xpcs_dash.results.opening import open_result
from xpcs_dash.results.xpcs_file import XpcsFile

__all__ = ["Numbers", "Origin", "Siblings", "numbers_of"]


@dataclass(frozen=True, eq=False)
class Numbers:
    """Arrays as in `XpcsFile`.

    Attributes
    ----------
    path : the file.
    sources : names of the files behind it: its own, or those that were averaged into it.
    """

    path: Path
    sources: tuple[str, ...]
    g2: NDArray[np.float64]
    g2_err: NDArray[np.float64]
    coincidences: NDArray[np.float64]
    saxs_1d: NDArray[np.float64] | None
    saxs_2d: NDArray[np.float32] | None
    segments: NDArray[np.float64] | None
    int_t: NDArray[np.float64] | None


@dataclass(frozen=True)
class Origin:
    """What another process needs to know of a file to open it in the same way.

    Attributes
    ----------
    roots : directories in which files must lie; None: see `HDF5ConnectionPool`.
    """

    key: FileKey
    roots: tuple[Path, ...] | None
    min_coincidences: float

    @classmethod
    def of(cls, xf: XpcsFile) -> Origin:
        """Of an open file."""
        reach = xf._pool.reach
        return cls(xf.key, None if reach is None else reach.roots, xf.min_coincidences)


def numbers_of(xf: XpcsFile) -> Numbers:
    """The numbers of an open file."""
    return Numbers(
        path=xf.path,
        sources=xf.averaged_from or (xf.path.name,),
        g2=xf.g2,
        g2_err=xf.g2_err,
        coincidences=xf.coincidences,
        saxs_1d=xf.saxs_1d,
        saxs_2d=xf.saxs_2d,
        segments=xf.segments,
        int_t=xf.int_t,
    )


class Siblings:
    """Reads the numbers of files of the same measurement, one after the other, into the same memory.

    Parameters
    ----------
    first : a file of the measurement; others must lie where it may lie.
    """

    def __init__(self, first: XpcsFile) -> None:
        self._first, self._raw = first, first._early
        # each file is read once: its handle need not wait for another read
        self._pool = HDF5ConnectionPool(idle_s=0.0, roots=Origin.of(first).roots)
        stored = self._raw.saxs_2d
        self._image = None
        if stored is not None and not stored.transpose:
            self._image = np.empty(stored.shape, np.float32)
        rings = self._raw.sqmap is not None and self._raw.static is not None
        #: Whether expected coincidences follow from I(q), as in plain files of the present layout.
        self._plain = rings and self._raw.saxs_1d is not None and self._raw.coincidences is None
        self._plain = self._plain and (self._image is not None or stored is None)

    @classmethod
    def like(cls, origin: Origin) -> Siblings | None:
        """The same in another process; None where the first file is not what it was."""
        pool = HDF5ConnectionPool(idle_s=0.0, roots=origin.roots)
        try:
            first = open_result(origin.key.path, pool, origin.min_coincidences, DataCache(64 * 2**20))
        except XpcsDashError:
            return None
        return cls(first) if first.key == origin.key else None

    def read(self, path: Path) -> Numbers | None:
        """Numbers of a file, good until the next is read; None where it has to be opened as a whole.

        That is so where it differs from the first file in more than its numbers, and where it cannot be read.
        """
        first, table = self._first, self._first.ring_table
        if not self._plain or table is None:
            return None
        try:
            key = file_key(path)
            with self._pool.open(key.path, key) as h5:
                found = read_again(OpenFile(key.path, key, h5), self._raw, self._image)
            if found is None or found.map_key != first.map_key or file_key(path) != key:
                return None
        except FileError:
            return None
        if found.saxs_1d is None or found.n_frames is None or found.frame_time_s != first.g2_frame_time_s:
            return None
        unknown = np.full(found.g2.shape, np.nan)
        expected, check = counting.counted(
            found.g2, found.g2_err, first.delay_frames, found.n_frames, table, found.saxs_1d
        )
        return Numbers(
            path=key.path,
            sources=(key.path.name,),
            g2=found.g2,
            g2_err=unknown if found.g2_err is None else found.g2_err,
            coincidences=expected if check.photons else unknown,
            saxs_1d=found.saxs_1d,
            saxs_2d=found.saxs_2d,
            segments=found.segments,
            int_t=None if found.int_t is None else time_axis(found.int_t, found.frame_time_s),
        )
