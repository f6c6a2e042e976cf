"""Reading one finished file into the columns of its row, fits included; runs in a reader process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.acquisition.scan import Stat, clean, stat_of
from xpcs_dash.database.kinds import MASK, PARTITION, SAXS
from xpcs_dash.errors import FileError, UnreadableFile
from xpcs_dash.logs import get_logger
from xpcs_dash.rules.table import with_fit_flags

if TYPE_CHECKING:
    from xpcs_dash.results.door import Door
    from xpcs_dash.results.xpcs_file import XpcsFile

log = get_logger(__name__)

#: Entries of a summary that say why there is no fit: not yet, or not at all.
FIT_NOTES = frozenset({"fit_pending", "fit_error"})
#: With more bins than this, fits take so long that curves must not wait for them: they follow in the queue.
FITTED_AT_ONCE = 200


@dataclass(frozen=True)
class Reading:
    """What one read of a file gives.

    Attributes
    ----------
    stat : the version that was read.
    columns : values for the catalogue's row; without ``fit`` where the fits are still to be done.
    """

    stat: Stat
    columns: Mapping[str, Any]


def ingest_door(settings: Mapping[str, Any] | None = None) -> Door:
    """The door of a process that reads files as they arrive.

    Parameters
    ----------
    settings : JSON-able form of the settings, as it travels to a process; None for the defaults.
    """
    from xpcs_dash.results.cache import DataCache
    from xpcs_dash.results.door import Door
    from xpcs_dash.settings import Settings

    # idle handles are closed at once: a watched file is never kept open
    return Door(Settings(**(settings or {})), idle_s=0.0, cache=DataCache(64 * 2**20))


def make_reader(settings: Mapping[str, Any] | None = None) -> Callable[..., Reading]:
    """A function that reads files one after the other, sharing what their maps have in common.

    It is called with the path and with whether to fit as well; see `read`.
    """
    door = ingest_door(settings)
    return lambda path, fit=False: read(path, door, fit=fit)


def read(path: str, door: Door, *, fit: bool = False) -> Reading:
    """Open a result file once, summarise it and fit its curves.

    Parameters
    ----------
    path, door : the file, and what opens it.
    fit : whether to fit every q, where there are not too many. A fit that fails for a reason that may pass is
        left out, so that it is tried again; one that fails for good is stored as empty with its reason.

    Raises
    ------
    FileError
        Where it is not a finished result file; ``transient`` tells whether waiting may help.
    """
    from xpcs_dash.analysis.quality import summarise

    before = stat_of(path)
    if before is None:
        raise UnreadableFile(path, "there is no such file", transient=True)
    if before.size == 0:
        raise UnreadableFile(
            path, "it is empty", "it is read when something has been written to it", transient=True
        )
    # one handle for all that is read of this file
    with door.pool.open(path):
        xf = door.read(Path(path))
        columns = columns_of(xf, summarise(xf).to_json(), content_hash(xf))
        if fit and xf.g2.size and xf.n_q <= FITTED_AT_ONCE:
            columns.update(_fitted(xf, columns))
        columns = clean(columns)
    if stat_of(path) != before:
        raise UnreadableFile(path, "it changed while it was read", transient=True)
    return Reading(before, columns)


def _fitted(xf: XpcsFile, columns: Mapping[str, Any]) -> dict[str, Any]:
    from xpcs_dash.analysis.quality import fit_summary

    try:
        found = fit_summary(xf)
    except FileError as err:
        if err.transient:
            log.warning("no fit yet", path=str(xf.path), reason=str(err))
            return {}
        found = failed_fit(str(err))
    except (OSError, MemoryError) as err:
        log.warning("no fit yet", path=str(xf.path), reason=str(err))
        return {}
    except Exception as err:
        log.exception("unexpected error while fitting", path=str(xf.path))
        found = failed_fit(f"{xf.path.name}: it could not be fitted ({type(err).__name__}: {err}).")
    return with_fit(columns["summary"], columns["flags"], found)


def failed_fit(reason: str) -> dict[str, Any]:
    """The result of a fit that will never succeed: stored, so that the file is not tried at each start."""
    return {"fit": {}, "summary": {"fit_error": reason}}


def with_fit(summary: Mapping[str, Any], flags: Iterable[str], found: Mapping[str, Any]) -> dict[str, Any]:
    """Columns ``fit``, ``summary`` and ``flags`` of a row to which the result of `fit_summary` is added."""
    all_flags, own = with_fit_flags(flags, found.get("flags"))
    earlier = {name: value for name, value in summary.items() if name not in FIT_NOTES}
    merged = {**earlier, **found.get("summary", {}), "flags": own}
    return {"fit": found["fit"], "summary": merged, "flags": all_flags}


def columns_of(xf: XpcsFile, summary: dict[str, Any], content: str) -> dict[str, Any]:
    """Values of a catalogue row for an open file."""
    from xpcs_dash.results.fingerprint import fingerprint

    g2 = xf.g2
    return {
        "layout": xf.layout,
        "kinds": kinds_of(xf),
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
        "version": fingerprint(xf),
    }


def beside(kind: str, about: str) -> dict[str, Any]:
    """Values of a row for a file that is no result and no failure either: raw data, a partition, a mask.

    Parameters
    ----------
    kind : see `xpcs_dash.database.kinds`.
    about : sentence for a person.
    """
    from xpcs_dash.results.statement import FileStatement

    unknown = ("sample", "scan", "start_time", "n_q", "n_delay", "n_frames", "temperature_k")
    return {
        **dict.fromkeys(unknown),
        "layout": kind,
        "kinds": [kind],
        "flags": [],
        "warnings": [],
        "summary": FileStatement(about=about).to_json(),
        "content": kind,
        "version": None,
    }


def kinds_of(xf: XpcsFile) -> list[str]:
    """What a file holds, in the words of `xpcs_dash.database.kinds`."""
    if xf.kinds:
        return list(xf.kinds)
    if xf.saxs_2d is not None or xf.saxs_1d is not None:
        return [SAXS]
    return [PARTITION] if xf.dqmap is not None else [MASK]


def content_hash(xf: XpcsFile) -> str:
    """Hash of what a file shows: tells a file that was touched from one that was rewritten."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (xf.g2, xf.g2_err, xf.saxs_1d, xf.int_t):
        if part is not None:
            digest.update(np.ascontiguousarray(part).tobytes())
    digest.update(repr((xf.layout, xf.kinds, xf.start_time, xf.sample, xf.map_hash, xf.n_frames)).encode())
    digest.update(str(Path(xf.path).suffix).encode())
    return digest.hexdigest()
