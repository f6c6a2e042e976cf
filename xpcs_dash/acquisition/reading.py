"""Reading one finished file into the columns of its row; runs in a reader process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.acquisition.scan import Stat, clean, stat_of
from xpcs_dash.errors import UnreadableFile

if TYPE_CHECKING:
    from xpcs_dash.hdf5.pool import HDF5ConnectionPool
    from xpcs_dash.results.cache import DataCache
    from xpcs_dash.results.xpcs_file import XpcsFile


@dataclass(frozen=True)
class Reading:
    """What one read of a file gives.

    Attributes
    ----------
    stat : the version that was read.
    columns : values for the catalogue's row.
    """

    stat: Stat
    columns: Mapping[str, Any]


def make_reader(min_coincidences: float = 10.0) -> Callable[[str], Reading]:
    """A function that reads files one after the other, sharing what their maps have in common."""
    from xpcs_dash.hdf5.pool import HDF5ConnectionPool
    from xpcs_dash.results.cache import DataCache

    # idle handles are closed at once: a watched file is never kept open
    pool, cache = HDF5ConnectionPool(idle_s=0.0), DataCache(64 * 2**20)
    return lambda path: read(path, pool, cache, min_coincidences)


def read(
    path: str, pool: HDF5ConnectionPool, cache: DataCache | None = None, min_coincidences: float = 10.0
) -> Reading:
    """Open a result file and summarise it.

    Raises
    ------
    FileError
        Where it is not a finished result file; ``transient`` tells whether waiting may help.
    """
    from xpcs_dash.analysis.quality import summarise
    from xpcs_dash.results.xpcs_file import open_result

    before = stat_of(path)
    if before is None:
        raise UnreadableFile(path, "there is no such file", transient=True)
    if before.size == 0:
        raise UnreadableFile(
            path, "it is empty", "it is read when something has been written to it", transient=True
        )
    # one handle for all that is read of this file
    with pool.open(path):
        xf = open_result(path, pool, min_coincidences, cache)
        summary = summarise(xf)
        content = content_hash(xf)
        columns = clean(columns_of(xf, summary.to_dict(), content))
    if stat_of(path) != before:
        raise UnreadableFile(path, "it changed while it was read", transient=True)
    return Reading(before, columns)


def columns_of(xf: XpcsFile, summary: dict[str, Any], content: str) -> dict[str, Any]:
    """Values of a catalogue row for an open file."""
    g2 = xf.g2
    return {
        "layout": xf.layout,
        "kinds": list(xf.kinds),
        "sample": xf.sample,
        "scan": None if xf.scan is None else str(xf.scan),
        "start_time": None if xf.start_time is None else xf.start_time.isoformat(),
        "n_q": None if g2 is None else int(g2.shape[1]),
        "n_delay": None if g2 is None else int(g2.shape[0]),
        "n_frames": None if xf.n_frames is None else int(xf.n_frames),
        "temperature_k": None if xf.temperature_k is None else float(xf.temperature_k),
        "flags": list(summary["flags"]),
        "warnings": list(xf.warnings),
        "summary": summary,
        "content": content,
    }


def content_hash(xf: XpcsFile) -> str:
    """Hash of what a file shows: tells a file that was touched from one that was rewritten."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (xf.g2, xf.g2_err, xf.saxs_1d, xf.int_t):
        if part is not None:
            digest.update(np.ascontiguousarray(part).tobytes())
    digest.update(repr((xf.layout, xf.kinds, xf.start_time, xf.sample, xf.map_hash, xf.n_frames)).encode())
    digest.update(str(Path(xf.path).suffix).encode())
    return digest.hexdigest()
