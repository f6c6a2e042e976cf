"""One open record: its tables, and the journal into which every act goes first."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from xpcs_dash.database.acts import UNDONE, Act, Journal, new_act
from xpcs_dash.database.engine import disposing_on_error, identity_of, open_engine, seal, sqlite_path, writing
from xpcs_dash.database.record.apply import apply
from xpcs_dash.database.record.tables import ACTS, ALIASES
from xpcs_dash.database.schema import PATIENCE_S, RECORD, create, settle, where
from xpcs_dash.database.trouble import detail, is_trouble, report
from xpcs_dash.disk import file_lock, make_folder
from xpcs_dash.errors import UsageError

if TYPE_CHECKING:
    from xpcs_dash.settings import Settings

__all__ = [
    "LOCK_KEY",
    "HasRecord",
    "Record",
    "has_past",
    "home_mark",
    "journal_of",
    "lock_of",
    "open_record",
    "steady",
]

#: PostgreSQL's number for the lock that a restore holds alone.
LOCK_KEY = 0x78706373


def journal_of(directory: Path) -> Journal:
    """The journal of a state directory."""
    return Journal(directory / "journal" / "acts.jsonl")


def lock_of(directory: Path) -> Path:
    """The lock that writers of the record share, and that a restore holds alone."""
    return directory / "record.lock"


def home_mark(directory: Path) -> Path:
    """A file by which a state directory is known again when its disk was mounted anew."""
    return directory / ".xpcs-dash-state"


def has_past(directory: Path) -> bool:
    """Whether a record was kept in this state directory before: a missing one is then lost, and not new."""
    journal = journal_of(directory).path
    return (journal.exists() and journal.stat().st_size > 0) or any((directory / "backups").glob("record-*"))


class HasRecord(Protocol):
    """What `steady` needs of the object whose method it wraps."""

    _record: Record


def steady[S: HasRecord, **P, R](
    method: Callable[Concatenate[S, P], R],
) -> Callable[Concatenate[S, P], R]:
    """Let a method wait for a record that is being restored, and then do its work again from its start.

    Each method is one transaction, and acts that are in the journal already are not repeated (see
    `Record.write`), so nothing is done twice.
    """

    @functools.wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        end = time.monotonic() + self._record.patience_s
        while True:
            try:
                return method(self, *args, **kwargs)
            except Exception as err:
                if not is_trouble(err):
                    raise
                self._record.pause(end, err)

    return call


class Record:
    """The record on a SQLAlchemy engine. Safe to share among threads; open one in each process.

    Parameters
    ----------
    url : SQLAlchemy URL, such as ``sqlite:////state/record.sqlite`` or ``postgresql+psycopg://host/db``.
    directory : the state directory, in which the journal and the files of fits and masks lie.
    patience_s : how long to wait for a lost record to be restored, s.

    Raises
    ------
    UsageError
        Where the record cannot be opened or written, or has another schema than this program.
    """

    def __init__(self, url: str, directory: Path, patience_s: float = PATIENCE_S) -> None:
        self.url, self.directory, self.patience_s = url, directory, patience_s
        self.journal = journal_of(directory)
        self._path = sqlite_path(url)
        self._acting = threading.local()
        try:
            make_folder(directory)
            self._home = identity_of(directory)
            self.engine = open_engine(url, lambda: report(directory, RECORD.name))
            with disposing_on_error(self.engine):
                settle(
                    RECORD,
                    self.engine,
                    url,
                    directory,
                    create=lambda: create(self.engine, RECORD),
                    lost=lambda: has_past(directory),
                    patience_s=patience_s,
                )
        except (SQLAlchemyError, OSError, ImportError) as err:
            raise UsageError(
                f"the record {where(url)} cannot be used: {detail(err)}; check that the place exists, has "
                "free space and may be written (--state-dir, XPCS_DASH_RECORD_URL)."
            ) from err
        seal(self.engine)

    def pause(self, end: float, problem: BaseException) -> None:
        """Ask for a look at the record and wait a moment for it; the error of one who waited too long.

        Raises
        ------
        UsageError
            After ``end`` (of `time.monotonic`).
        """
        report(self.directory, RECORD.name)
        if time.monotonic() > end:
            raise UsageError(
                f"the record {where(self.url)} cannot be used now ({detail(problem)}). xpcs-dash serve "
                "restores it from its backup and its journal; try again in a moment."
            ) from problem
        time.sleep(0.1)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection for reading; short, so that SQLite's log can be folded back."""
        self._check_home()
        with self.engine.connect() as db:
            yield db

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that will write: waits for the write lock, commits at its end.

        Where the record breaks after an act was put into the journal, this waits until the record has been
        restored with it. Where anything else goes wrong, the act is taken back in the journal.
        """
        acts: list[Act] = []
        try:
            with self._together(), writing(self.engine) as db:
                if self._path is None:
                    db.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(LOCK_KEY)))
                self._acting.acts = acts
                yield db
        except Exception as err:
            if not acts:
                raise
            if not is_trouble(err):
                self.journal.append(new_act(UNDONE, "", {"ids": [act.id for act in acts]}))
                raise
            self._await(acts[-1], err)
        finally:
            self._acting.acts = None

    def _check_home(self) -> None:
        """What is written into the place of a disk that was unmounted is hidden as soon as it comes back."""
        now = identity_of(self.directory)
        if now is None or (now != self._home and not home_mark(self.directory).exists()):
            raise UsageError(
                f"the state directory {self.directory} is no longer there, so nothing was changed; mount its "
                "disk again."
            )
        self._home = now

    @contextmanager
    def _together(self) -> Iterator[None]:
        self._check_home()
        if self._path is None:
            yield
            return
        with file_lock(lock_of(self.directory), shared=True):
            yield

    def _await(self, act: Act, problem: Exception) -> None:
        end = time.monotonic() + self.patience_s
        while True:
            try:
                with self.read() as db:
                    if db.execute(sa.select(ACTS.c.id).where(ACTS.c.id == act.id)).first() is not None:
                        return
            except SQLAlchemyError as err:
                if not is_trouble(err):
                    raise
            try:
                self.pause(end, problem)
            except UsageError as err:
                raise UsageError(
                    "what you did is kept in the journal and will be there once xpcs-dash serve has restored "
                    "the record; it need not be done again."
                ) from err

    def act(
        self, db: sa.Connection, kind: str, who: str, what: Mapping[str, Any], *, done: bool = False
    ) -> Act:
        """Append an act to the journal, wait for the disk, then change the tables.

        Parameters
        ----------
        db : transaction of `write`; it is committed after the act is on the disk, so that the journal holds
            whatever the tables hold.
        kind, who, what : see `Act`.
        done : True where the tables have been changed in this transaction already.
        """
        act = new_act(kind, who, what)
        self.journal.append(act)
        if getattr(self._acting, "acts", None) is not None:
            self._acting.acts.append(act)
        if not done:
            apply(db, act)
        db.execute(ACTS.insert().values(id=act.id, at=act.at, kind=act.kind))
        return act

    def alias(self, number: int) -> str | None:
        """Public name of the file that had this number in a catalogue of version 0.1.0, or None."""
        with self.read() as db:
            return db.execute(sa.select(ALIASES.c.ref).where(ALIASES.c.number == number)).scalar()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_record(settings: Settings) -> Record:
    """The record that the settings name."""
    return Record(settings.record, settings.state_dir)
