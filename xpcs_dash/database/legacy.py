"""What version 0.1.0 left: one database with files, fits and jobs, in which files were numbers.

Fits, reviews and jobs go into the record under the names of their files; number -> name is kept for links of
that time. The supervisor alone imports this module.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from xpcs_dash.database import migrate
from xpcs_dash.database.acts import Act
from xpcs_dash.database.engine import open_engine, plain_engine, sqlite_path, writing
from xpcs_dash.database.record.fits import SAID, keep_row
from xpcs_dash.database.record.store import journal_of, lock_of
from xpcs_dash.database.record.tables import ACTS, ALIASES, FITS, JOBS, load
from xpcs_dash.database.restore import build_file, count_from
from xpcs_dash.database.schema import RECORD
from xpcs_dash.disk import file_lock, make_folder, sync_folder, write_whole
from xpcs_dash.logs import get_logger

__all__ = [
    "TABLES",
    "Facts",
    "Namer",
    "facts_of",
    "holds_record",
    "move_averages",
    "rename_sources",
    "say_again",
    "take_over",
]

log = get_logger(__name__)

#: Tables of 0.1.0 that belong to the record.
TABLES = ("fits", "jobs", "jobs_dispatcher")
#: Name of a file by its path and the directory that was watched then; None where it has none.
Namer = Callable[[str, str | None], str | None]


@dataclass(frozen=True)
class Facts:
    """What the migrations ask for.

    Attributes
    ----------
    refs : number of a file -> its name.
    moved : pairs of directories, old and new, of files that were made here.
    gone : tables that the index loses to the record.
    """

    refs: Mapping[int, str] = field(default_factory=dict)
    moved: tuple[tuple[str, str], ...] = ()
    gone: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For `migrate.upgrade`."""
        return {"refs": dict(self.refs), "moved": list(self.moved), "gone": list(self.gone)}


def _engine(url: str) -> sa.Engine:
    path = sqlite_path(url)
    return open_engine(url) if path is None else plain_engine(path)


def holds_record(url: str) -> bool:
    """Whether the database of the index holds fits as 0.1.0 wrote them."""
    path = sqlite_path(url)
    if path is not None and not path.is_file():
        return False
    engine = _engine(url)
    try:
        with engine.connect() as db:
            found = sa.inspect(db)
            names = found.get_table_names()
            return "fits" in names and any(c["name"] == "file_id" for c in found.get_columns("fits"))
    except SQLAlchemyError:
        return False
    finally:
        engine.dispose()


def facts_of(url: str, directory: Path, name_of: Namer, *, apart: bool) -> Facts:
    """What an index of 0.1.0 says of its files.

    Parameters
    ----------
    url : of the index.
    apart : True where the record is another database, so that fits and jobs leave this one.
    """
    engine = _engine(url)
    try:
        with engine.connect() as db:
            names = sa.inspect(db).get_table_names()
            gone = tuple(name for name in TABLES if apart and name in names)
            if "files" not in names:
                return Facts(gone=gone)
            root = _root(db) if "catalogue_meta" in names else None
            refs = {
                int(row["id"]): ref
                for row in _rows(db, "files", ("id", "path"))
                if (ref := name_of(str(row["path"]), root)) is not None
            }
    finally:
        engine.dispose()
    moved = ((str(directory / "averages"), str(directory / "made" / "averages")),)
    return Facts(refs, moved, gone)


def _root(db: sa.Connection) -> str | None:
    query = sa.text("SELECT value FROM catalogue_meta WHERE name = 'status:ingest'")
    found = db.execute(query).scalar()
    if isinstance(found, str | bytes):
        found = orjson.loads(found)
    root = (found or {}).get("root")
    return None if root is None else str(root)


def _rows(db: sa.Connection, table: str, columns: tuple[str, ...] | None = None) -> Iterator[dict[str, Any]]:
    """Rows of a table; of a damaged one, those that can be read."""
    what = ", ".join(columns) if columns else "*"
    query = f"SELECT {what} FROM {table}"  # noqa: S608 - names of our own
    try:
        yield from [dict(row) for row in db.execute(sa.text(f"{query} ORDER BY id")).mappings()]
    except DBAPIError:
        last = db.execute(sa.text(f"SELECT seq FROM sqlite_sequence WHERE name = '{table}'")).scalar()  # noqa: S608
        for number in range(1, int(last or 0) + 1):
            try:
                one = sa.text(f"{query} WHERE id = :n")
                yield from [dict(row) for row in db.execute(one, {"n": number}).mappings()]
            except DBAPIError as err:
                log.warning("a row cannot be read", table=table, row=number, reason=str(err.orig))


def take_over(index_url: str, record_url: str, directory: Path, facts: Facts) -> None:
    """Make the record from the fits and jobs of an index of 0.1.0 in another database."""
    source = _engine(index_url)

    def fill(db: sa.Connection) -> None:
        migrate.upgrade(db, RECORD, "0001")
        with source.connect() as old:
            for name in ("fits", "jobs"):
                if name in sa.inspect(old).get_table_names():
                    _copy(old, db, name)
        migrate.upgrade(db, RECORD, "head", facts.to_dict())
        say_again(db, directory)
        _note_unlisted(db, directory)

    path = sqlite_path(record_url)
    try:
        if path is not None:
            with file_lock(lock_of(directory)):
                build_file(path, directory, None, fill)
            return
        target = open_engine(record_url)
        try:
            with writing(target) as db:
                fill(db)
        finally:
            target.dispose()
    finally:
        source.dispose()


def _copy(old: sa.Connection, db: sa.Connection, name: str) -> None:
    found = sa.MetaData()
    table = sa.Table(name, found, autoload_with=db)
    last = 0
    for row in _rows(old, name):
        values = {column: value for column, value in row.items() if column in table.c}
        for column in table.c:
            if isinstance(column.type, sa.Boolean) and values.get(column.name) is not None:
                values[column.name] = bool(values[column.name])
        db.execute(table.insert().values(**values))
        last = max(last, int(row["id"]))
    if old.dialect.name == "sqlite":
        seen = sa.text("SELECT seq FROM sqlite_sequence WHERE name = :name")
        last = max(last, int(old.execute(seen, {"name": name}).scalar() or 0))
    _count_from(db, name, last)


def _count_from(db: sa.Connection, name: str, last: int) -> None:
    """Numbers that were given out once are not given out again."""
    if last < 1:
        return
    if db.dialect.name == "sqlite":
        db.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": name})
        db.execute(
            sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :n)"), {"name": name, "n": last}
        )
    else:
        count_from(db, name, last)


def say_again(db: sa.Connection, directory: Path) -> None:
    """Put what came from 0.1.0 into the journal and beside the fits, as if it had been done now.

    So these are restored like everything else. Each act has a name of its own, so that a second run, after
    one that was cut off, adds nothing.
    """
    acts: list[Act] = []
    for row in db.execute(sa.select(FITS)).mappings():
        keep_row(directory, dict(row))
        said = {name: row[name] for name in SAID if name not in ("deleted", "updated")}
        name, at = str(row["store_id"]), float(row["reviewed"] or row["updated"])
        if row["review"] != "open" or row["note"]:
            acts.append(
                Act(f"0.1.0-review-{name}", at, "fit-reviewed", row["reviewer"], {"store_id": name, **said})
            )
        if row["deleted"]:
            what = {"store_id": name, "deleted": True}
            acts.append(Act(f"0.1.0-deleted-{name}", float(row["updated"]), "fit-deleted", "", what))
    for row in db.execute(sa.select(JOBS)).mappings():
        acts += _acts_of_job(row)
    for row in db.execute(sa.select(ALIASES)).mappings():
        acts.append(Act(f"0.1.0-alias-{row['number']}", 0.0, "file-named", "", dict(row)))
    done = set(db.scalars(sa.select(ACTS.c.id)))
    journal = journal_of(directory)
    kept = {act.id for act in journal.read()}
    journal.append(*(act for act in acts if act.id not in kept))
    fresh = [{"id": act.id, "at": act.at, "kind": act.kind} for act in acts if act.id not in done]
    if fresh:
        db.execute(ACTS.insert(), fresh)


def _note_unlisted(db: sa.Connection, directory: Path) -> None:
    """Write down which fits lie there without a row that could be read, so that nobody sweeps them."""
    folder = directory / "fits"
    names = {path.stem for path in folder.glob("[!.]*.h5")} - set(db.scalars(sa.select(FITS.c.store_id)))
    if names:
        log.warning("nothing is known of some fits but their files", fits=len(names), folder=str(folder))
        write_whole(folder / "unlisted.json", partial(_put, json.dumps(sorted(names)).encode()))


def _acts_of_job(row: sa.RowMapping) -> list[Act]:
    names = ("id", "kind", "title", "ref", "version", "created", "owner", "priority")
    number = row["id"]
    asked = {**{name: row[name] for name in names}, "params": load(row["params"])}
    acts = [Act(f"0.1.0-job-{number}", row["created"], "job-submitted", row["owner"], asked)]
    if row["finished"] is not None:
        ended = {
            "id": number,
            "state": row["state"],
            "message": row["message"],
            "result": load(row["result"]),
        }
        acts.append(Act(f"0.1.0-end-{number}", row["finished"], "job-ended", "", ended))
    return acts


def move_averages(directory: Path) -> int:
    """Put averages where files that are made here lie now; gives how many."""
    old, new = directory / "averages", directory / "made" / "averages"
    if not old.is_dir() or old.is_symlink():
        return 0
    make_folder(new)
    moved = 0
    for path in sorted(old.iterdir()):
        if not (new / path.name).exists():
            path.rename(new / path.name)
            moved += 1
    sync_folder(new)
    if not any(old.iterdir()):
        old.rmdir()
    return moved


def _put(content: bytes, stream: BinaryIO) -> None:
    stream.write(content)


def rename_sources(directory: Path, refs: Mapping[int, str]) -> int:
    """Name the files of mask drafts, shared copies and saved masks by ref; gives how many were changed."""
    base, changed = directory / "mask", 0
    for pattern in ("drafts/*.json", "shared/*.json", "versions/*/version.json"):
        for path in base.glob(pattern):
            try:
                data = json.loads(path.read_bytes())
                draft = data["draft"] if path.name == "version.json" else data
                number = draft["source"].get("file")
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue  # damaged: it says so where it is opened
            if isinstance(number, int) and number in refs:
                draft["source"]["file"] = refs[number]
                content = json.dumps(data, separators=(",", ":")).encode()
                write_whole(path, partial(_put, content))
                changed += 1
    return changed
