"""How a result file is opened: for the door, and for scripts. Everything else asks the door."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from xpcs_dash.errors import FileError, UnreadableFile
from xpcs_dash.hdf5.layouts import find_layout
from xpcs_dash.hdf5.pool import HDF5ConnectionPool, default_pool
from xpcs_dash.hdf5.record import read_record
from xpcs_dash.hdf5.records import OpenFile, file_key
from xpcs_dash.results.cache import DataCache
from xpcs_dash.results.xpcs_file import XpcsFile

__all__ = ["open_result"]


def open_result(
    path: str | Path,
    pool: HDF5ConnectionPool | None = None,
    min_coincidences: float = 10.0,
    cache: DataCache | None = None,
    roots: Iterable[str | Path] = (),
) -> XpcsFile:
    """Open a result file of any layout that we read.

    Links in the file to other files, external raw storage and the sources of virtual datasets are followed
    to the directory of the file and below, and to ``roots``; what leads elsewhere counts as missing, and
    `XpcsFile.warnings` says so.

    Parameters
    ----------
    path : the file.
    pool : where read handles come from; None takes a pool shared by this process.
    min_coincidences : points of g2 with fewer expected coincidences are not trusted.
    cache : where big arrays are kept, bounded in bytes; None gives the file a small one of its own.
    roots : more directories that links may lead to. A pool that was made with its own roots keeps to these.

    Raises
    ------
    XpcsDashError
        One sentence with the file, the reason and the remedy; ``transient`` says whether waiting may help.
    """
    if pool is None:
        beside = tuple(roots)
        pool = HDF5ConnectionPool(roots=(Path(path).resolve().parent, *beside)) if beside else default_pool()
    for _attempt in range(3):
        key = file_key(path)
        try:
            with pool.open(key.path, key) as h5:
                source = OpenFile(key.path, key, h5)
                raw = read_record(source, lambda source: find_layout(source).read(source))
                if raw.rest is not None and (h5.others() or h5.remarks()):
                    # where links lead out of the file, all of them are known at once
                    raw = read_record(source, raw.rest)
                others = h5.others()
        except FileError as err:
            if not err.transient or file_key(path) == key:
                raise
            continue  # it changed under the read: look again at what it is now
        if file_key(path) == key:
            whole = replace(key, others=others) if others else key
            return XpcsFile(whole, raw, pool, cache, min_coincidences)
    raise UnreadableFile(
        path, "it keeps changing while it is read", "wait until it is finished", transient=True
    )
