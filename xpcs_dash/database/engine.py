"""One way to open a SQL database and to write to it, from any number of processes.

SQLite by default; PostgreSQL where several machines share a catalogue.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import DisconnectionError, IntegrityError, OperationalError, ProgrammingError

from xpcs_dash.database.trouble import is_trouble

__all__ = [
    "Place",
    "create_tables",
    "disposing_on_error",
    "fold",
    "identity_of",
    "open_engine",
    "place_of",
    "plain_engine",
    "seal",
    "set_up",
    "sqlite_path",
    "writing",
]

_ATTEMPTS = 5
_WAL_PATIENCE_S = 15.0
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
#: Device and inode of what has a name now; None where nothing has it.
Identity = tuple[int, int] | None
#: Identities of a SQLite file, of its log, and of the index of the log that processes share.
Place = tuple[Identity, Identity, Identity]


def sqlite_path(url: str) -> Path | None:
    """File of a SQLite URL; None for another database, and for one in memory."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        return None
    return Path(str(parsed.database)).expanduser().absolute()


def place_of(path: Path) -> Place:
    """Which files lie now where a SQLite database and its log are kept."""
    log, shared = (identity_of(path.with_name(path.name + end)) for end in ("-wal", "-shm"))
    return identity_of(path), log, shared


def identity_of(path: Path) -> Identity:
    """Device and inode of a file or directory; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - asked at every use of a connection
    except OSError:
        return None
    return found.st_dev, found.st_ino


def open_engine(url: str, on_trouble: Callable[[], None] | None = None) -> sa.Engine:
    """An engine for ``url``; the directory of a SQLite file is made.

    A connection to a SQLite file that was replaced or deleted is dropped before it is used again, so that
    nobody goes on reading, or writing, what is no longer there.

    Parameters
    ----------
    on_trouble : called when an error says that the database is lost or damaged.

    Raises
    ------
    sqlalchemy.exc.ArgumentError
        A URL that is none.
    OSError
        A directory that cannot be made.
    """
    path = sqlite_path(url)
    is_sqlite = sa.make_url(url).get_backend_name() == "sqlite"
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    arguments: dict[str, Any] = {"connect_args": {"timeout": 15.0}} if is_sqlite else {"pool_pre_ping": True}
    engine = sa.create_engine(url, json_serializer=_dumps, json_deserializer=orjson.loads, **arguments)
    if is_sqlite:
        sa.event.listen(engine, "connect", _configure_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    if path is not None:
        _keep_to_the_file(engine, path)
    if on_trouble is not None:
        _tell_of_trouble(engine, on_trouble)
    return engine


@contextmanager
def disposing_on_error(engine: sa.Engine) -> Iterator[None]:
    """Close the connections of an engine that nobody will get."""
    try:
        yield
    except BaseException:
        engine.dispose()
        raise


def plain_engine(path: Path) -> sa.Engine:
    """An engine for a SQLite file that need not be ours: nothing is made, changed or cleared away."""

    def connect() -> sqlite3.Connection:
        found: sqlite3.Connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw", uri=True, timeout=15.0
        )
        found.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
        return found

    return sa.create_engine(
        "sqlite://", creator=connect, poolclass=sa.NullPool, json_deserializer=orjson.loads
    )


def fold(path: Path) -> None:
    """Make one file of a SQLite database and its log; nobody else may have it open."""
    with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=15.0)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA journal_mode=DELETE")
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def seal(engine: sa.Engine) -> None:
    """From now on a SQLite file that is missing is an error and not made anew; call it once tables exist."""
    path = sqlite_path(engine.url.render_as_string(hide_password=False))
    if path is None:
        return

    @sa.event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, _args: Any, options: dict[str, Any]) -> sqlite3.Connection:
        given = {name: value for name, value in options.items() if name != "uri"}
        found: sqlite3.Connection = sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, **given)
        return found


def _keep_to_the_file(engine: sa.Engine, path: Path) -> None:
    @sa.event.listens_for(engine, "connect")
    def note(connection: Any, record: Any) -> None:
        # reading something makes the log, so that its place is known as well
        connection.execute("PRAGMA schema_version").fetchone()
        record.info["place"] = place_of(path)

    @sa.event.listens_for(engine, "checkout")
    def compare(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info.get("place") != place_of(path):
            raise DisconnectionError(f"{path.name} is no longer the file that was opened")


def _tell_of_trouble(engine: sa.Engine, on_trouble: Callable[[], None]) -> None:
    @sa.event.listens_for(engine, "handle_error")
    def tell(context: Any) -> None:
        if is_trouble(context.original_exception):
            on_trouble()


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
    # the last one to close would delete the log by its name, which may be that of a file that took the place
    connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
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
