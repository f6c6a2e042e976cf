"""Backups of a store: a whole SQLite file by SQLite's online backup, or JSON lines of any other database.

A backup lies in ``backups`` of the state directory as ``<store>-<moment>-<why>.sqlite`` or ``….jsonl.gz``. It
appears whole or not at all, and is looked at before it counts.
"""

from __future__ import annotations

import calendar
import gzip
import os
import re
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import sqlalchemy as sa

from xpcs_dash.database.engine import open_engine, sqlite_path
from xpcs_dash.database.schema import Found, Store, examine
from xpcs_dash.disk import make_folder, sync_folder
from xpcs_dash.errors import UsageError

__all__ = ["KEEP", "age_s", "backups", "check", "made_at", "make", "prune", "read_lines"]

#: How many backups of a store are kept.
KEEP = 5
_NAME = re.compile(
    r"^(?P<store>[a-z]+)-(?P<moment>\d{8}T\d{6}(\.\d{3})?)Z-(?P<why>[\w.-]+)\.(sqlite|jsonl\.gz)$"
)


def make(store: Store, url: str, directory: Path, why: str, keep: int = KEEP) -> Path:
    """Back a store up and throw away what is too old.

    Parameters
    ----------
    directory : the state directory.
    why : for the name: "daily", or "before-0003".

    Raises
    ------
    UsageError
        Where the backup could not be made, or is not good.
    """
    folder = directory / "backups"
    now = time.time()
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}"
    path = sqlite_path(url)
    target = folder / f"{store.name}-{stamp}Z-{why}{'.jsonl.gz' if path is None else '.sqlite'}"
    part = target.with_name(f".{target.name}.temp")
    try:
        make_folder(folder)
        if path is None:
            _write_lines(store, url, part)
        else:
            _copy_file(path, part)
        found = check(store, part)
        if found.state == "damaged":
            raise UsageError(f"the backup of the {store.name} is not good: {found.detail}.")
        part.replace(target)
        sync_folder(folder)
    except (OSError, sqlite3.Error, sa.exc.SQLAlchemyError) as err:
        raise UsageError(
            f"the {store.name} could not be backed up into {folder} ({err}); free some space there."
        ) from err
    finally:
        part.unlink(missing_ok=True)
    prune(store, directory, keep)
    return target


def backups(store: Store, directory: Path) -> list[Path]:
    """Backups of a store, newest first."""
    folder = directory / "backups"
    found = [(match["moment"], path) for path in _entries(folder) if (match := _NAME.match(path.name))
             and match["store"] == store.name]  # fmt: skip
    return [path for _, path in sorted(found, reverse=True)]


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def made_at(path: Path) -> float:
    """When a backup was made, s since the epoch."""
    match = _NAME.match(path.name)
    if match is None:
        raise UsageError(f"{path.name} is not the name of a backup.")
    return float(calendar.timegm(time.strptime(match["moment"][:15], "%Y%m%dT%H%M%S")))


def age_s(store: Store, directory: Path, why: str = "") -> float | None:
    """Age of the newest backup (made for that reason, where one is given); None where there is none."""
    found = [path for path in backups(store, directory) if why in path.name]
    return time.time() - made_at(found[0]) if found else None


def prune(store: Store, directory: Path, keep: int = KEEP) -> None:
    """Throw away all but the newest backups."""
    for path in backups(store, directory)[keep:]:
        path.unlink(missing_ok=True)


def check(store: Store, path: Path) -> Found:
    """Whether a backup can be restored, and which schema it has."""
    if ".sqlite" in path.name:
        return examine(store, f"sqlite:///{path}")
    try:
        schema = ""
        for entry in read_lines(path):
            schema = schema or str(entry["schema"])
    except (OSError, EOFError, ValueError, KeyError, zlib.error) as err:
        return Found("damaged", detail=str(err) or type(err).__name__)
    if schema == store.head:
        return Found("good", schema)
    return Found("older" if schema < store.head else "newer", schema)


def _copy_file(path: Path, part: Path) -> None:
    source = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=15.0)
    with closing(source), closing(sqlite3.connect(part)) as target:
        source.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
        source.backup(target)
        # a file of its own, without a log beside it
        target.execute("PRAGMA journal_mode=DELETE")
    with part.open("rb") as stream:
        os.fsync(stream.fileno())


def _write_lines(store: Store, url: str, part: Path) -> None:
    engine = open_engine(url)
    try:
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as db:
            found = sa.MetaData()
            names = [*store.metadata.tables, store.version_table]
            found.reflect(db, only=lambda name, _: name in names)
            with part.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as stream:
                n = 0
                for entry in _entries_of(store, db, found):
                    stream.write(orjson.dumps(entry) + b"\n")
                    n += 1
                stream.write(orjson.dumps({"end": n}) + b"\n")
            with part.open("rb") as written:
                os.fsync(written.fileno())
    finally:
        engine.dispose()


def _entries_of(store: Store, db: sa.Connection, found: sa.MetaData) -> Iterator[dict[str, Any]]:
    version = found.tables.get(store.version_table)
    schema = "0001" if version is None else str(db.scalar(sa.select(version.c.version_num)))
    tables = [table for table in found.sorted_tables if table.name != store.version_table]
    numbers = {
        table.name: db.scalar(sa.text("SELECT last_value FROM pg_sequences WHERE sequencename = :name"),
                              {"name": f"{table.name}_id_seq"})
        for table in tables
    }  # fmt: skip
    yield {
        "store": store.name,
        "schema": schema,
        "last_numbers": {str(name): n for name, n in numbers.items() if n},
    }
    for table in tables:
        for row in db.execute(sa.select(table)).mappings():
            # names that were read from a database are no plain texts
            yield {"table": str(table.name), "row": {str(name): value for name, value in row.items()}}


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The entries of a backup of JSON lines: first ``{"schema", …}``, then ``{"table", "row"}``.

    Raises
    ------
    ValueError
        Where its end is missing.
    """
    n, ended = 0, False
    with gzip.open(path, "rb") as stream:
        for line in stream:
            entry = orjson.loads(line)
            if "end" in entry:
                ended = entry["end"] == n
                break
            n += 1
            yield entry
    if not ended:
        raise ValueError("its end is missing")
