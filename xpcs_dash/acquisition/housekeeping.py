"""What is thrown away, and when: run as a process of its own soon after the start and every hour.

Nothing goes that a person made and did not delete, except drafts of masks that nobody touched for months.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from xpcs_dash.database import backup
from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.database.record import Record, open_record
from xpcs_dash.database.record.fits import ROW_SUFFIX, FitIndex
from xpcs_dash.database.schema import RECORD
from xpcs_dash.disk import file_lock, make_folder
from xpcs_dash.hdf5.records import FileKey
from xpcs_dash.logs import get_logger
from xpcs_dash.settings import Settings
from xpcs_dash.simplemask.store import DraftStore

__all__ = ["Swept", "adopt_versions", "part_sizes", "purge_fits", "run", "sweep"]

log = get_logger(__name__)

DAY_S = 86400.0
#: How old the last backup must be for another, s: one a day, whatever the hour of the round.
BACKUP_S = 0.95 * DAY_S
#: Days after which fits that somebody deleted are gone for good, and masks in use of browsers that cannot
#: come back (their cookie lasts a year).
DELETED_DAYS, APPLIED_DAYS = 30, 400
#: Days after which half-written files of processes that were killed are debris.
DEBRIS_DAYS = 1
#: Files that belong to a fit, beside its row.
FIT_ENDS = (".h5", ".nc", ".plots.npz")


@dataclass(frozen=True)
class Swept:
    """How many of each were thrown away, and what could not be done."""

    drafts: int = 0
    fits: int = 0
    applied: int = 0
    debris: int = 0
    adopted: int = 0
    backup: bool = False
    problems: tuple[str, ...] = ()


def run(settings: Settings) -> None:
    """One round; the housekeeping process of ``serve``."""
    found = sweep(settings)
    log.info(str(found))
    for problem in found.problems:
        log.warning(problem)


def sweep(settings: Settings, now: float | None = None) -> Swept:
    """Back up what is due, throw away what is old; each part on its own, whatever the others meet."""
    now = time.time() if now is None else now
    directory, problems = settings.state_dir, []

    def attempt[T](what: str, work: Callable[[], T], otherwise: T) -> T:
        try:
            return work()
        except Exception as err:
            problems.append(f"{what}: {' '.join(str(err).split()) or type(err).__name__}")
            return otherwise

    make_folder(directory)
    with file_lock(directory / "housekeeping.lock"):
        saved = attempt("backup", lambda: back_up(settings), otherwise=False)
        store = DraftStore(directory / "mask")
        drafts = attempt("drafts", lambda: store.forget_old(now), 0)
        record = open_record(settings)
        try:
            fits = attempt("deleted fits", lambda: purge_fits(record, now), 0)
            adopted = attempt("versions", lambda: adopt_versions(settings, record), 0)
            debris = attempt("debris", lambda: clear_debris(directory, record, now), 0)
        finally:
            record.close()
        applied = attempt("masks in use", lambda: forget_applied(directory, now), 0)
    return Swept(drafts, fits, applied, debris, adopted, saved, tuple(problems))


def back_up(settings: Settings) -> bool:
    """Back the record up where the last backup is a day old."""
    age = backup.age_s(RECORD, settings.state_dir)
    if age is not None and age < BACKUP_S:
        return False
    backup.make(RECORD, settings.record, settings.state_dir, "daily")
    return True


def purge_fits(record: Record, now: float) -> int:
    """Throw fits away that somebody deleted `DELETED_DAYS` ago, with their files."""
    index = FitIndex(record)
    old = [row for row in index.list(deleted=True, limit=100_000) if row.updated < now - DELETED_DAYS * DAY_S]
    for row in old:
        index.purge(row.id)
    return len(old)


def adopt_versions(settings: Settings, record: Record) -> int:
    """Give fits of version 0.1.0 the version of their file, where its time stamp says it is the same one."""
    index = FitIndex(record)
    waiting = index.unversioned()
    if not waiting:
        return 0
    catalogue = Catalogue(settings.catalogue, settings.roots)
    try:
        rows = {row.ref: row for row in catalogue.get_many(list({ref for _, ref, _ in waiting}))}
        inodes = catalogue.inodes(list(rows))
    finally:
        catalogue.close()
    done = 0
    for number, ref, token in waiting:
        row = rows.get(ref)
        if row is None or not row.version:
            continue
        if FileKey(Path(row.path), inodes[ref], row.mtime_ns, row.size).token == token:
            index.set_version(number, row.version)
            done += 1
    return done


def clear_debris(directory: Path, record: Record, now: float) -> int:
    """Throw away what killed processes left half-written, and files of fits that were never entered."""
    limit = now - DEBRIS_DAYS * DAY_S
    swept = 0
    for path in _half_written(directory):
        if _changed(path) < limit:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
            swept += 1
    for path in _orphans(directory, record):
        if _changed(path) < limit:
            path.unlink(missing_ok=True)
            swept += 1
    return swept


def _half_written(directory: Path) -> Iterable[Path]:
    for folder in ("fits", "made", "mask", "applied", "regrouped", "backups", "journal", "exports"):
        for path in (directory / folder).rglob("*"):
            if path.suffix in (".part", ".temp"):
                yield path
    yield from (path for path in (directory / "mask").glob("tmp*") if path.is_dir())
    yield from directory.glob(".*.restoring*")


def _orphans(directory: Path, record: Record) -> Iterable[Path]:
    """Files of fits that the record does not know: their job was killed before it entered them."""
    folder = directory / "fits"
    known = FitIndex(record).names()
    kept = _kept(folder)
    for path in sorted(folder.glob("[!.]*")):
        name = next((path.name.removesuffix(end) for end in FIT_ENDS if path.name.endswith(end)), None)
        if name is None or name in known or name in kept or (folder / f"{name}{ROW_SUFFIX}").exists():
            continue
        yield path


def _kept(folder: Path) -> set[str]:
    # fits of 0.1.0 whose rows could not be read when they were taken over: somebody may still want them
    try:
        return set(json.loads((folder / "unlisted.json").read_bytes()))
    except (OSError, ValueError):
        return set()


def forget_applied(directory: Path, now: float) -> int:
    """Throw away masks in use of browsers whose cookie has expired."""
    old = [p for p in (directory / "applied").glob("*.npz") if _changed(p) < now - APPLIED_DAYS * DAY_S]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _changed(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return float("inf")


def part_sizes(directory: Path) -> dict[str, int]:
    """Bytes that each part of a state directory takes, largest first; databases with their logs."""
    sizes: dict[str, int] = {}
    try:
        entries = list(directory.iterdir())
    except OSError:
        return {}
    for entry in entries:
        name = entry.name
        for end in ("-wal", "-shm"):
            name = name.removesuffix(end)
        size = sum(_size(p) for p in entry.rglob("*")) if entry.is_dir() else _size(entry)
        if not name.startswith(".") and not name.endswith(".lock"):
            sizes[name] = sizes.get(name, 0) + size
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def _size(path: Path) -> int:
    try:
        found = path.lstat()
    except OSError:
        return 0
    return 0 if path.is_dir() else found.st_size
