"""One way to open a SQL database and to write to it, from any number of processes.

SQLite by default; PostgreSQL where several machines share a catalogue.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

__all__ = ["create_tables", "open_engine", "set_up", "writing"]

_ATTEMPTS = 5
_WAL_PATIENCE_S = 15.0
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def open_engine(url: str) -> sa.Engine:
    """An engine for ``url``; the directory of a SQLite file is made.

    Raises
    ------
    sqlalchemy.exc.ArgumentError
        A URL that is none.
    OSError
        A directory that cannot be made.
    """
    parsed = sa.make_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    if is_sqlite and parsed.database:
        Path(parsed.database).expanduser().parent.mkdir(parents=True, exist_ok=True)
    arguments: dict[str, Any] = {"connect_args": {"timeout": 15.0}} if is_sqlite else {"pool_pre_ping": True}
    engine = sa.create_engine(parsed, json_serializer=_dumps, json_deserializer=orjson.loads, **arguments)
    if is_sqlite:
        sa.event.listen(engine, "connect", _configure_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that will write: waits for the write lock, commits at its end."""
    with engine.connect().execution_options(xpcs_dash_writes=True) as db, db.begin():
        yield db


def set_up(engine: sa.Engine, work: Callable[[sa.Connection], None]) -> None:
    """Run ``work``, which creates what is missing, in a transaction; again where another process got in."""
    for attempt in range(_ATTEMPTS):
        try:
            with writing(engine) as db:
                work(db)
            return
        except (OperationalError, ProgrammingError, IntegrityError):
            # PostgreSQL lets others in between a check and what follows from it
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(0.1 * (attempt + 1))


def create_tables(engine: sa.Engine, metadata: sa.MetaData) -> None:
    """Create the tables that are missing; safe when several processes start at once."""
    with engine.connect() as db:
        found = sa.inspect(db)
        complete = all(found.has_table(name) for name in metadata.tables)
    if not complete:
        set_up(engine, metadata.create_all)


def _dumps(value: Any) -> str:
    # orjson writes NaN as null: PostgreSQL refuses NaN, and so do browsers
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS).decode()


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # the driver's own transaction handling is switched off: `_begin_sqlite` decides how each one starts
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=15000")
    end = time.monotonic() + _WAL_PATIENCE_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError as error:
            # the change of mode does not heed the busy time-out while another process makes the same change
            if error.sqlite_errorcode & 0xFF not in _LOCKED or time.monotonic() > end:
                raise
            time.sleep(0.02)
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # a deferred transaction that reads before it writes fails at once with "database is locked" however long
    # the busy time-out is; taking the write lock at the start waits properly
    writes = connection.get_execution_options().get("xpcs_dash_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
