"""How a result file is opened: for the door, and for scripts. Everything else asks the door."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from xpcs_dash.errors import FileError, IncompleteFile, UnreadableFile, XpcsDashError
from xpcs_dash.hdf5.layouts import find_layout
from xpcs_dash.hdf5.pool import HDF5ConnectionPool, default_pool
from xpcs_dash.hdf5.records import OpenFile, RawResult, file_key
from xpcs_dash.results.cache import DataCache
from xpcs_dash.results.xpcs_file import XpcsFile

__all__ = ["open_result"]


def open_result(
    path: str | Path,
    pool: HDF5ConnectionPool | None = None,
    min_coincidences: float = 10.0,
    cache: DataCache | None = None,
) -> XpcsFile:
    """Open a result file of any layout that we read.

    Parameters
    ----------
    path : the file.
    pool : where read handles come from; None takes a pool shared by this process.
    min_coincidences : points of g2 with fewer expected coincidences are not trusted.
    cache : where big arrays are kept, bounded in bytes; None gives the file a small one of its own.

    Raises
    ------
    XpcsDashError
        One sentence with the file, the reason and the remedy; ``transient`` says whether waiting may help.
    """
    pool = default_pool() if pool is None else pool
    for _attempt in range(3):
        key = file_key(path)
        try:
            with pool.open(key.path, key) as h5:
                raw = _read(OpenFile(key.path, key, h5))
        except FileError as err:
            if not err.transient or file_key(path) == key:
                raise
            continue  # it changed under the read: look again at what it is now
        if file_key(path) == key:
            return XpcsFile(key, raw, pool, cache, min_coincidences)
    raise UnreadableFile(
        path, "it keeps changing while it is read", "wait until it is finished", transient=True
    )


def _read(source: OpenFile) -> RawResult:
    try:
        raw = find_layout(source).read(source)
        refused = source.h5.remarks()
        return replace(raw, warnings=(*raw.warnings, *refused)) if refused else raw
    except FileError as err:
        refused = source.h5.remarks()
        if not refused or "and is not read" in err.reason:
            raise
        # what is missing may be missing because it must not be read
        raise type(err)(
            err.path, f"{err.reason} ({refused[0]})", err.remedy, transient=err.transient
        ) from None
    except XpcsDashError:
        raise
    except MemoryError:
        raise IncompleteFile(
            source.path, "its header asks for more memory than there is", "process it again"
        ) from None
    except (
        Exception
    ) as err:  # a damaged file can make the library raise anything: it must become one sentence
        reason = " ".join(str(err).split()) or type(err).__name__
        raise UnreadableFile(
            source.path,
            f"it cannot be read ({reason[:200]})",
            "it may be damaged: copy it again",
            transient=True,
        ) from err
