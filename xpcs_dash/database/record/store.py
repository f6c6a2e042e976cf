"""One open record: its tables, and the journal into which every act goes first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from xpcs_dash.database.acts import Act, Journal, new_act
from xpcs_dash.database.engine import create_tables, open_engine, writing
from xpcs_dash.database.record.apply import apply
from xpcs_dash.database.record.tables import ACTS, ALIASES, METADATA
from xpcs_dash.errors import UsageError

if TYPE_CHECKING:
    from xpcs_dash.settings import Settings

__all__ = ["Record", "journal_of", "open_record"]


def journal_of(directory: Path) -> Journal:
    """The journal of a state directory."""
    return Journal(directory / "journal" / "acts.jsonl")


class Record:
    """The record on a SQLAlchemy engine. Safe to share among threads; open one in each process.

    Parameters
    ----------
    url : SQLAlchemy URL, such as ``sqlite:////state/record.sqlite`` or ``postgresql+psycopg://host/db``.
    directory : the state directory, in which the journal and the files of fits and masks lie.

    Raises
    ------
    UsageError
        Where the record cannot be opened or written.
    """

    def __init__(self, url: str, directory: Path) -> None:
        self.url, self.directory = url, directory
        self.journal = journal_of(directory)
        try:
            self.engine = open_engine(url)
            create_tables(self.engine, METADATA)
        except (SQLAlchemyError, OSError, ImportError) as err:
            detail = str(getattr(err, "orig", None) or err).splitlines()[0]
            where = sa.make_url(url).render_as_string(hide_password=True) if "://" in url else url
            raise UsageError(
                f"record {where} cannot be used: {detail}; check that the place exists, has free space "
                "and may be written (--state-dir, XPCS_DASH_RECORD_URL)."
            ) from err

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection for reading; short, so that SQLite's log can be folded back."""
        with self.engine.connect() as db:
            yield db

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that will write: waits for the write lock, commits at its end."""
        with writing(self.engine) as db:
            yield db

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
