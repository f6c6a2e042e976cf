"""Which errors of a database mean that its file is lost or damaged, and not that it is busy."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

import orjson
from sqlalchemy.exc import DBAPIError, DisconnectionError, StatementError

__all__ = ["is_trouble", "report", "reported", "settled"]

_CODES = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
}
#: Parts of SQLite's sentences that have no code of their own.
_WORDS = ("no such table", "no such column", "has no column", "decode to utf-8")
#: PostgreSQL: a table, a column or the schema is not there; data are corrupted.
_STATES = {"42P01", "42703", "3F000", "XX001", "XX002"}


def is_trouble(err: BaseException) -> bool:
    """Whether an error tells of a lost or damaged database."""
    if isinstance(err, DisconnectionError | orjson.JSONDecodeError):
        return True
    if isinstance(err, StatementError):
        cause = err.orig
        return cause is not None and cause is not err and is_trouble(cause)
    if isinstance(err, sqlite3.Error):
        code = getattr(err, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in _CODES:
            return True
        return any(words in str(err).lower() for words in _WORDS)
    return getattr(err, "sqlstate", None) in _STATES


def detail(err: BaseException) -> str:
    """The first line of what a database said."""
    cause = err.orig if isinstance(err, DBAPIError) else err
    return (str(cause).splitlines() or [type(cause).__name__])[0]


def report(directory: Path, store: str) -> None:
    """Ask whoever guards the databases of a state directory to look at one; costs nothing where it fails."""
    with suppress(OSError):
        _flag(directory, store).touch()


def reported(directory: Path, store: str) -> bool:
    """Whether somebody asked for a look at a database."""
    return _flag(directory, store).exists()


def settled(directory: Path, store: str) -> None:
    """Take the question away: the look is about to be taken."""
    _flag(directory, store).unlink(missing_ok=True)


def _flag(directory: Path, store: str) -> Path:
    return directory / f".look-at-{store}"
