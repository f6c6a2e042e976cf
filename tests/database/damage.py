"""Ways in which a SQLite database comes to harm."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path


def header(path: Path) -> None:
    fold_log(path)
    with path.open("r+b") as stream:
        stream.write(b"\0" * 100)


def middle(path: Path) -> None:
    """Every page but the first; what the log holds is lost as well."""
    fold_log(path)
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xa5" * max(4096, size - 4096))
    empty_log(path)


def truncated(path: Path) -> None:
    fold_log(path)
    os.truncate(path, max(512, path.stat().st_size // 2))
    empty_log(path)


def empty(path: Path) -> None:
    fold_log(path)
    os.truncate(path, 0)
    empty_log(path)


def overwritten(path: Path) -> None:
    fold_log(path)
    with path.open("r+b") as stream:
        stream.write(b"this is no database\n" * (path.stat().st_size // 20 + 1))
    empty_log(path)


def deleted(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def file_alone_deleted(path: Path) -> None:
    path.unlink()


def log_deleted(path: Path) -> None:
    path.with_name(path.name + "-wal").unlink(missing_ok=True)


def shared_memory_deleted(path: Path) -> None:
    path.with_name(path.name + "-shm").unlink(missing_ok=True)


def replaced(path: Path) -> None:
    """Another database under its name, as an editor or a copy leaves it."""
    fold_log(path)
    other = path.with_name("other.sqlite")
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE other (n INTEGER)")
        db.commit()
    other.replace(path)


def directory(path: Path) -> None:
    deleted(path)
    path.mkdir()


def column(path: Path) -> None:
    """A column is missing."""
    table, name = ("fits", "note") if "record" in path.name else ("files", "summary")
    with closing(sqlite3.connect(path, timeout=20)) as db:
        db.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        db.commit()


def table(path: Path) -> None:
    """A table is missing."""
    name = "fits" if "record" in path.name else "files"
    with closing(sqlite3.connect(path, timeout=20)) as db:
        db.execute(f"DROP TABLE {name}")
        db.commit()


def fold_log(path: Path) -> None:
    """Bring what is in the log into the file, as happens now and then by itself: it would hide the harm."""
    with closing(sqlite3.connect(path, timeout=20)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def empty_log(path: Path) -> None:
    log = path.with_name(path.name + "-wal")
    if log.exists():
        os.truncate(log, 0)


#: By name; those in `RUNNING` make sense while others have the database open.
AT_REST = {
    f.__name__: f
    for f in (header, middle, truncated, empty, overwritten, deleted, replaced, directory, column, table)
}
RUNNING = {**AT_REST, "file_alone_deleted": file_alone_deleted, "log_deleted": log_deleted,
           "shared_memory_deleted": shared_memory_deleted}  # fmt: skip


def clean(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
