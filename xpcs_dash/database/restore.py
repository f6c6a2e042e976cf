"""How a record comes back: the newest good backup, the rows beside the fits, the saved masks, the journal."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from xpcs_dash.database.acts import Act
from xpcs_dash.database.backup import backups, check, made_at, read_lines
from xpcs_dash.database.engine import fold, open_engine, sqlite_path, writing
from xpcs_dash.database.record.apply import APPLY, apply
from xpcs_dash.database.record.fits import kept_rows
from xpcs_dash.database.record.store import LOCK_KEY, journal_of, lock_of
from xpcs_dash.database.record.tables import ACTS, DISPATCHER, FITS, JOBS, MASKS
from xpcs_dash.database.schema import RECORD, create_in, glance_in
from xpcs_dash.database.trouble import detail
from xpcs_dash.disk import file_lock, sync_folder
from xpcs_dash.errors import UsageError
from xpcs_dash.logs import get_logger

__all__ = ["Restored", "Upgrade", "build_file", "catch_up", "count_from", "restore", "set_aside"]

log = get_logger(__name__)

#: Brings a database from the schema that it has to one that is named: `migrate.upgrade`.
Upgrade = Callable[[sa.Connection, str], None]
#: How many damaged databases of a store are kept.
KEEP_ASIDE = 3


@dataclass(frozen=True)
class Restored:
    """What a restore, or a start, put back into the tables.

    Attributes
    ----------
    backup : the backup that it began from; None where it began from nothing.
    acts, fits, masks : how many of each were taken from the journal and from the files.
    damaged_lines : lines of the journal that cannot be read.
    skipped : backups that are not good.
    """

    backup: Path | None = None
    acts: int = 0
    fits: int = 0
    masks: int = 0
    damaged_lines: int = 0
    skipped: tuple[str, ...] = field(default=())

    def sentence(self) -> str:
        """For the strip and the log."""
        parts = []
        if self.backup is not None:
            when = time.strftime("%d %b %H:%M", time.localtime(made_at(self.backup)))
            parts.append(f"the backup of {when}")
        parts.append(f"{_many(self.acts, 'entry', 'entries')} of the journal")
        if self.fits:
            parts.append(f"the files of {_many(self.fits, 'fit', 'fits')}")
        if self.masks:
            parts.append(f"the files of {_many(self.masks, 'mask', 'masks')}")
        text = "restored from " + ", ".join(parts)
        if self.damaged_lines:
            text += f"; {_many(self.damaged_lines, 'line', 'lines')} of the journal cannot be read"
        if self.skipped:
            text += f"; not good: {', '.join(self.skipped)}"
        return text


def _many(n: int, one: str, more: str) -> str:
    return f"{n} {one if n == 1 else more}"


def catch_up(db: sa.Connection, directory: Path) -> Restored:
    """Enter what lies in the state directory and is not in the tables; nothing is entered twice.

    Parameters
    ----------
    db : a transaction that writes.
    directory : the state directory.
    """
    fits = _enter_fits(db, directory)
    masks = _enter_masks(db, directory)
    journal = journal_of(directory)
    known = set(db.scalars(sa.select(ACTS.c.id)))
    done, last_job = 0, 0
    for act in journal.read():
        if act.id not in known and act.kind in APPLY:
            done += _replay(db, act)
            if act.kind == "job-submitted":
                last_job = max(last_job, int(act.what.get("id", 0)))
    if db.dialect.name == "postgresql" and (done or fits):
        # numbers that were entered are unknown to the server's counters; SQLite's follow by themselves
        count_from(db, "jobs", last_job)
        count_from(db, "fits", int(db.scalar(sa.select(sa.func.max(FITS.c.id))) or 0))
    return Restored(acts=done, fits=fits, masks=masks, damaged_lines=journal.damaged())


def count_from(db: sa.Connection, table: str, last: int) -> None:
    """Let a server give out no number of ``table`` up to ``last``, and none that it has given out before."""
    sequence = db.scalar(sa.select(sa.func.pg_get_serial_sequence(table, "id")))
    if last > 0 and sequence is not None:
        now = sa.text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")  # noqa: S608
        db.execute(sa.select(sa.func.setval(sequence, max(last, int(db.scalar(now) or 0)))))


def _replay(db: sa.Connection, act: Act) -> bool:
    try:
        with db.begin_nested():
            apply(db, act)
            db.execute(ACTS.insert().values(id=act.id, at=act.at, kind=act.kind))
    except (SQLAlchemyError, KeyError, TypeError, ValueError) as err:
        # one act that cannot be repeated must not keep back those after it
        log.warning("an act of the journal cannot be repeated", act=act.id, kind=act.kind, reason=str(err))
        return False
    return True


def _enter_fits(db: sa.Connection, directory: Path) -> int:
    names = set(db.scalars(sa.select(FITS.c.store_id)))
    numbers = set(db.scalars(sa.select(FITS.c.id)))
    entered = 0
    for row in kept_rows(directory):
        if row["store_id"] in names or not (directory / "fits" / f"{row['store_id']}.h5").exists():
            continue
        if row.get("id") in numbers:
            row.pop("id")  # the name of the fit counts, its number is only the shorter one
        said = {"review": "open", "note": "", "reviewer": "", "deleted": False}
        key = db.execute(FITS.insert().values(**said, **row, updated=time.time())).inserted_primary_key
        assert key is not None
        numbers.add(int(key[0]))
        names.add(row["store_id"])
        entered += 1
    return entered


def _enter_masks(db: sa.Connection, directory: Path) -> int:
    known = set(db.scalars(sa.select(MASKS.c.key)))
    entered = 0
    for path in sorted((directory / "mask" / "versions").glob("[!.]*/version.json")):
        if path.parent.name in known:
            continue
        try:
            row = _mask_row(path)
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            continue
        db.execute(MASKS.insert().values(**row))
        entered += 1
    return entered


def _mask_row(path: Path) -> dict[str, Any]:
    info = json.loads(path.read_bytes())
    return {
        "key": path.parent.name,
        "name": str(info["name"]),
        "owner": str(info["owner"]),
        "saved": float(info["saved"]),
        "ref": str(info.get("ref") or _ref_of_draft(info)),
        "version": str(info.get("version", "")),
        "valid_pixels": int(info["valid_pixels"]),
        "height": int(info["shape"][0]),
        "width": int(info["shape"][1]),
        "has_partition": (path.parent / "partition.hdf").is_file(),
    }


def _ref_of_draft(info: dict[str, Any]) -> str:
    source = info.get("draft", {}).get("source", {})
    named = source.get("file")
    return named if isinstance(named, str) else ""


def restore(url: str, directory: Path, upgrade: Upgrade) -> Restored:
    """Make the record anew; nobody writes to it meanwhile, and who waits goes on with the new one.

    Raises
    ------
    UsageError
        Where it cannot be made: a full disk, a server that does not answer.
    """
    path = sqlite_path(url)
    try:
        if path is None:
            return _restore_server(url, directory, upgrade)
        with file_lock(lock_of(directory)):
            return _restore_file(path, directory, upgrade)
    except (OSError, SQLAlchemyError) as err:
        raise UsageError(
            f"the record could not be restored ({detail(err)}); its journal, its backups and the fits in "
            f"{directory} are untouched. Mend this, and start again."
        ) from err


def _choose(directory: Path, kind: str) -> tuple[Path | None, str, tuple[str, ...]]:
    """The newest good backup, its schema, and the names of newer ones that are not good."""
    skipped: list[str] = []
    for candidate in backups(RECORD, directory):
        if kind not in candidate.name:
            continue
        found = check(RECORD, candidate)
        if found.state in ("good", "older"):
            return candidate, found.schema, tuple(skipped)
        skipped.append(candidate.name)
    return None, RECORD.head, tuple(skipped)


def _restore_file(path: Path, directory: Path, upgrade: Upgrade) -> Restored:
    base, schema, skipped = _choose(directory, ".sqlite")

    def fill(db: sa.Connection) -> None:
        if base is None:
            create_in(db, RECORD)
        elif schema != RECORD.head:
            upgrade(db, RECORD.head)

    return _with(build_file(path, directory, base, fill), base, skipped)


def build_file(
    path: Path, directory: Path, base: Path | None, fill: Callable[[sa.Connection], None]
) -> Restored:
    """Put a new SQLite record in the place of what is there, which is kept aside; for who holds the lock.

    Parameters
    ----------
    path : of the record.
    directory : the state directory.
    base : a database to begin from, which is copied; None begins from nothing.
    fill : brings the tables of the new one to the present schema, in its transaction.
    """
    made = path.with_name(f".{path.name}.restoring")
    for end in ("", "-wal", "-shm"):
        made.with_name(made.name + end).unlink(missing_ok=True)
    if base is not None:
        shutil.copyfile(base, made)
    engine = open_engine(f"sqlite:///{made}")
    try:
        with writing(engine) as db:
            fill(db)
            done = catch_up(db, directory)
            _let_go(db)
    finally:
        engine.dispose()
    fold(made)
    with made.open("rb") as stream:
        os.fsync(stream.fileno())
    set_aside(path)
    made.rename(path)
    sync_folder(path.parent)
    return done


def _with(done: Restored, base: Path | None, skipped: tuple[str, ...]) -> Restored:
    return Restored(base, done.acts, done.fits, done.masks, done.damaged_lines, skipped)


def _let_go(db: sa.Connection) -> None:
    """Nobody is known to work on a job now; a dispatcher that does takes its own back."""
    db.execute(DISPATCHER.delete())
    db.execute(JOBS.update().where(JOBS.c.state == "running").values(state="queued", worker=""))


def set_aside(path: Path) -> Path | None:
    """Rename a database that is lost or damaged, with its log; the new name, None where nothing was there."""
    stamp = time.strftime("%Y%m%dT%H%M%S")
    folder = path.parent / "damaged"
    found = None
    for end in ("", "-wal", "-shm"):
        old = path.with_name(path.name + end)
        if not old.exists() and not old.is_symlink():
            continue
        folder.mkdir(exist_ok=True)
        new = folder / f"{path.stem}-{stamp}{path.suffix}{end}"
        while new.exists():
            new = new.with_name(f"{new.name}.more")
        old.rename(new)
        found = found or new
    if found is not None:
        sync_folder(folder)
        sync_folder(path.parent)
        _prune_aside(folder, path.stem)
    return found


def _prune_aside(folder: Path, stem: str) -> None:
    stamps = sorted({p.name.split(".")[0] for p in folder.glob(f"{stem}-*")}, reverse=True)
    for stamp in stamps[KEEP_ASIDE:]:
        for old in folder.glob(f"{stamp}.*"):
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old, ignore_errors=True)
            else:
                old.unlink(missing_ok=True)


def _restore_server(url: str, directory: Path, upgrade: Upgrade) -> Restored:
    base, schema, skipped = _choose(directory, ".jsonl.gz")
    engine = open_engine(url)
    try:
        # one transaction: who is cut off in the middle finds what there was, and restores again
        with writing(engine) as db:
            db.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK_KEY)))
            if glance_in(RECORD, db).state == "good":
                # another machine was here first: what this one knows is added to it
                return catch_up(db, directory)
            _move_tables_aside(db)
            if base is None:
                create_in(db, RECORD)
            else:
                if schema == RECORD.head:
                    create_in(db, RECORD)
                else:
                    upgrade(db, schema)
                _load(db, base)
                if schema != RECORD.head:
                    upgrade(db, RECORD.head)
            done = catch_up(db, directory)
            _let_go(db)
    finally:
        engine.dispose()
    return _with(done, base, skipped)


def _move_tables_aside(db: sa.Connection) -> None:
    names = set(sa.inspect(db).get_table_names())
    wanted = [name for name in (*RECORD.metadata.tables, RECORD.version_table) if name in names]
    if not wanted:
        return
    quote = db.dialect.identifier_preparer.quote
    schema = quote(f"xpcs_dash_damaged_{time.strftime('%Y%m%dt%H%M%S')}")
    db.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
    for name in wanted:
        db.execute(sa.text(f"ALTER TABLE {quote(name)} SET SCHEMA {schema}"))


def _load(db: sa.Connection, base: Path) -> None:
    found = sa.MetaData()
    numbers: dict[str, int] = {}
    for entry in read_lines(base):
        if "schema" in entry:
            numbers = dict(entry.get("last_numbers", {}))
            found.reflect(db)
            continue
        table = found.tables[entry["table"]]
        db.execute(table.insert().values(**entry["row"]))
    for name, last in numbers.items():
        count_from(db, name, int(last))
