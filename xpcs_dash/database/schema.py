"""Which schema a database has, and whether it is whole. Reads only; needs no Alembic."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from xpcs_dash.database.engine import open_engine, plain_engine, set_up, sqlite_path
from xpcs_dash.database.trouble import detail, is_trouble, report
from xpcs_dash.errors import UsageError

__all__ = [
    "INDEX",
    "RECORD",
    "Found",
    "Store",
    "create",
    "create_in",
    "examine",
    "glance",
    "glance_in",
    "refuse",
    "settle",
    "where",
]

#: How long a lost database is waited for, s.
PATIENCE_S = 10.0

#: Errors of the disk, of permissions, of a lock: no reason to take a database for damaged.
_ELSEWHERE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
#: … but a file that ends too soon is.
_TORN = {sqlite3.SQLITE_IOERR_SHORT_READ}

State = Literal["good", "missing", "damaged", "older", "newer"]


@dataclass(frozen=True)
class Store:
    """One of the two stores.

    Attributes
    ----------
    name : "index" or "record": names its migrations, its version table and its backups.
    head : schema that this program works with; the last script in ``migrations/<name>``.
    first : table that tells a database of version 0.1.0, which named no schema.
    json : columns that hold JSON as text, by table.
    """

    name: str
    head: str
    first: str
    json: Mapping[str, tuple[str, ...]]

    @property
    def version_table(self) -> str:
        """Table in which Alembic keeps the schema; another one for each store, they may share a database."""
        return f"{self.name}_version"

    @property
    def metadata(self) -> sa.MetaData:
        """The tables of the schema ``head``."""
        if self.name == "record":
            from xpcs_dash.database.record.tables import METADATA

            return METADATA
        from xpcs_dash.database.files import files_table

        return files_table.metadata


INDEX = Store("index", "0003", "files", {"files": ("kinds", "flags", "warnings", "summary", "fit")})
RECORD = Store(
    "record", "0002", "fits", {"fits": ("request", "bins", "facts"), "jobs": ("params", "detail", "result")}
)


@dataclass(frozen=True)
class Found:
    """What `examine` found.

    Attributes
    ----------
    state : "good"; "missing" (nothing is there, or an empty file); "damaged"; "older", "newer": another
        schema than this program's.
    schema : the schema that it names, or an empty text.
    detail : what is wrong with a damaged one, as a clause.
    """

    state: State
    schema: str = ""
    detail: str = ""


def where(url: str) -> str:
    """A database for a sentence, without its password."""
    try:
        path = sqlite_path(url)
        return str(path) if path is not None else sa.make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return url


def refuse(store: Store, url: str, found: Found) -> UsageError:
    """The sentence on a database of a newer program."""
    return UsageError(
        f"the {store.name} {where(url)} has schema {found.schema}, which a newer version of xpcs-dash made; "
        f"this one knows up to {store.head}. Start the newer version, or choose another --state-dir."
    )


def create(engine: sa.Engine, store: Store) -> None:
    """Make the tables of ``store`` where there are none, and say which schema they have."""
    set_up(engine, lambda db: create_in(db, store))


def create_in(db: sa.Connection, store: Store) -> None:
    """The same in a running transaction."""
    store.metadata.create_all(db)
    table = _version_table(store)
    table.create(db, checkfirst=True)
    if db.scalar(sa.select(table.c.version_num)) is None:
        db.execute(table.insert().values(version_num=store.head))


def settle(
    store: Store,
    engine: sa.Engine,
    url: str,
    flags: Path | None,
    *,
    create: Callable[[], None],
    lost: Callable[[], bool] = lambda: False,
    patience_s: float | None = None,
) -> None:
    """Make a new database, or see that the one that is there can be used; wait while it is being restored.

    Parameters
    ----------
    flags : directory in which a look at the database is asked for; None asks nobody.
    create : makes the tables.
    lost : whether a database that is missing was there before.

    Raises
    ------
    UsageError
        Where it has another schema, or stays lost or damaged for ``patience_s``.
    """
    end = time.monotonic() + (PATIENCE_S if patience_s is None else patience_s)
    path = sqlite_path(url)
    while True:
        try:
            # to open a file that is not there would make an empty one, which looks like a new database
            there = path is None or path.exists()
            found = glance(store, engine) if there else Found("missing", detail="it is missing")
        except SQLAlchemyError as err:
            if not is_trouble(err):
                raise
            found = Found("damaged", detail=detail(err))
        if found.state == "good":
            return
        if found.state == "newer":
            raise refuse(store, url, found)
        if found.state == "missing" and not lost():
            create()
            return
        if flags is not None:
            report(flags, store.name)
        if flags is None or time.monotonic() > end:
            raise _unusable(store, url, found)
        time.sleep(0.1)


def _unusable(store: Store, url: str, found: Found) -> UsageError:
    if found.state == "older":
        return UsageError(
            f"the {store.name} {where(url)} was made by an older version; start xpcs-dash serve on this "
            "state directory once, which brings it up to date and keeps a backup."
        )
    return UsageError(
        f"the {store.name} {where(url)} cannot be used ({found.detail}); start xpcs-dash serve on this state "
        "directory, which restores it and keeps the damaged one aside."
    )


def _version_table(store: Store) -> sa.Table:
    return sa.Table(
        store.version_table, sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True)
    )


def examine(store: Store, url: str, *, deep: bool = False, pages: bool = True) -> Found:
    """Look at a database without changing it.

    Parameters
    ----------
    deep : read every row as well, and take every JSON text apart.
    pages : look through all pages of a file, which takes about 3 s a gigabyte.
    """
    path = sqlite_path(url)
    if path is not None:
        found = _examine_file(path, pages=pages)
        if found is not None:
            return found
    try:
        engine = open_engine(url) if path is None else plain_engine(path)
        try:
            with engine.connect() as db:
                return glance_in(store, db, deep=deep)
        finally:
            engine.dispose()
    except (SQLAlchemyError, OSError, orjson.JSONDecodeError) as err:
        if path is None and not _answers(url):
            raise UsageError(
                f"the {store.name} {where(url)} cannot be reached: {detail(err)}; check that the server runs "
                "and that the address is right (XPCS_DASH_CATALOGUE_URL, XPCS_DASH_RECORD_URL)."
            ) from err
        return Found("damaged", detail=detail(err))


def glance(store: Store, engine: sa.Engine) -> Found:
    """The schema and the columns of an open database, without a look at its pages.

    Raises
    ------
    sqlalchemy.exc.SQLAlchemyError
        Where it cannot be read.
    """
    with engine.connect() as db:
        return glance_in(store, db)


def _examine_file(path: Path, *, pages: bool) -> Found | None:
    """What can be said of a SQLite file without its tables; None where nothing is wrong with it."""
    if not path.exists() and not path.is_symlink():
        return Found("missing")
    if not path.is_file():
        return Found("damaged", detail="a directory is in its place" if path.is_dir() else "it is no file")
    if path.stat().st_size == 0 and not _has_log(path):
        return Found("missing", detail="the file is empty")
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=15.0)) as db:
            db.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
            look = (
                "PRAGMA quick_check(1)" if pages else "SELECT 'ok' FROM (SELECT count(*) FROM sqlite_master)"
            )
            said = db.execute(look).fetchone()
    except sqlite3.Error as err:
        if err.sqlite_errorcode & 0xFF in _ELSEWHERE and err.sqlite_errorcode not in _TORN:
            raise _unreachable(path, err) from err
        return Found("damaged", detail=str(err))
    return None if said == ("ok",) else Found("damaged", detail=" ".join(str(said[0]).split())[:200])


def _unreachable(path: Path, err: sqlite3.Error) -> UsageError:
    return UsageError(
        f"{path} cannot be read now ({err}), which says nothing about what it holds; check the disk, the "
        "permissions and the number of open files."
    )


def _has_log(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def glance_in(store: Store, db: sa.Connection, *, deep: bool = False) -> Found:
    """Schema and columns of a database, in a transaction of its own or another's; see `examine`."""
    inspector = sa.inspect(db)
    names = set(inspector.get_table_names())
    schema = ""
    if store.version_table in names:
        schema = str(db.scalar(sa.select(_version_table(store).c.version_num)) or "")
    if not schema:
        if store.first not in names:
            # a server's database may be shared with others; a file with other tables is not ours
            some = names & set(store.metadata.tables) or (names and db.dialect.name == "sqlite")
            return Found("damaged" if some else "missing", detail=f"the table {store.first} is missing")
        columns = {column["name"] for column in inspector.get_columns(store.first)}
        # version 0.1.0 kept no number of its schema here, and named files by their numbers
        old = "file_id" in columns if store.name == "record" else "ref" not in columns
        return Found("older", "0001") if old else Found("damaged", detail="it names no schema")
    if schema != store.head:
        return Found("older" if schema < store.head else "newer", schema)
    for table in store.metadata.sorted_tables:
        if table.name not in names:
            return Found("damaged", schema, f"the table {table.name} is missing")
        found = {column["name"] for column in inspector.get_columns(table.name)}
        missing = [column.name for column in table.columns if column.name not in found]
        if missing:
            return Found("damaged", schema, f"the column {missing[0]} of the table {table.name} is missing")
    if deep:
        _read_all(store, db)
    return Found("good", schema)


def _read_all(store: Store, db: sa.Connection) -> None:
    for table in store.metadata.sorted_tables:
        texts = store.json.get(table.name, ())
        typed = [column for column in table.columns if column.name not in texts]
        raw = [sa.type_coerce(table.c[name], sa.Text).label(name) for name in texts]
        for row in db.execute(sa.select(*typed, *raw)).mappings():
            for name in texts:
                if row[name] is not None:
                    orjson.loads(row[name])


def _answers(url: str) -> bool:
    engine = open_engine(url)
    try:
        with engine.connect() as db:
            return db.scalar(sa.select(1)) == 1
    except SQLAlchemyError:
        return False
    finally:
        engine.dispose()
