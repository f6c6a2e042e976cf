"""Keeps both databases usable: prepares them at the start, looks after them while the dashboard runs.

A database that is lost or damaged never stops the dashboard. The index is built anew, the record is restored,
what was damaged is kept aside, and a sentence says what happened. The supervisor alone imports this module.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from xpcs_dash.database import backup, legacy, migrate
from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.database.engine import (
    Identity,
    identity_of,
    open_engine,
    writing,
)
from xpcs_dash.database.record.store import has_past, home_mark
from xpcs_dash.database.restore import catch_up, restore, set_aside
from xpcs_dash.database.schema import INDEX, RECORD, Found, create, examine, glance_in, refuse, where
from xpcs_dash.database.trouble import detail, reported, settled
from xpcs_dash.database.watched import Watched
from xpcs_dash.disk import file_lock, make_folder, write_whole
from xpcs_dash.errors import UsageError
from xpcs_dash.logs import get_logger

__all__ = ["Guard", "Notice"]

log = get_logger(__name__)

#: Pauses between two looks at the names of the files, at a database that changed, and after a failure, s.
LOOK_S, CHECK_S, AGAIN_S = 0.2, 5.0, 10.0
#: A check may take this share of the time.
SHARE = 0.02


@dataclass(frozen=True)
class Notice:
    """What happened to a database: when (s since the epoch), and a sentence."""

    at: float
    text: str


@dataclass
class Guard:
    """Looks after the index and the record of one state directory.

    Attributes
    ----------
    index_url, record_url : SQLAlchemy URLs.
    directory : the state directory.
    name_of : name of a file of version 0.1.0; see `legacy.Namer`.
    on_index_lost : called when the index was emptied, so that ingest fills it.
    notices : what happened, oldest first.
    """

    index_url: str
    record_url: str
    directory: Path
    name_of: legacy.Namer
    on_index_lost: Callable[[], None] = lambda: None
    notices: list[Notice] = field(default_factory=list)
    #: Rises when the index is built anew, and forgets what it was told.
    generation: int = 0

    def __post_init__(self) -> None:
        self._index = Watched(INDEX, self.index_url, self.directory)
        self._record = Watched(RECORD, self.record_url, self.directory)
        self._next_look = 0.0
        self._home: Identity = None
        if self._index.path is not None and self._index.path == self._record.path:
            raise UsageError(
                f"index and record name one file, {self._index.path}; the index may be thrown away, so "
                "give the record a place of its own (XPCS_DASH_RECORD_URL)."
            )

    @property
    def _apart(self) -> bool:
        return self.index_url != self.record_url

    # At the start.

    def start(self) -> None:
        """Make, migrate or restore both databases, so that every process finds them as it needs them.

        Raises
        ------
        UsageError
            Where one was made by a newer version, or cannot be made at all.
        """
        make_folder(self.directory)
        with file_lock(self.directory / "guard.lock"):
            record = examine(RECORD, self.record_url)
            # half a gigabyte of index is not looked through at each start
            index = examine(INDEX, self.index_url, pages=not self._index.is_as_left())
            for store, url, found in (
                (RECORD, self.record_url, record),
                (INDEX, self.index_url, index),
            ):
                if found.state == "newer":
                    raise refuse(store, url, found)
            facts = self._facts()
            self._start_record(record, facts)
            self._start_index(index, facts)
        for watched in (self._index, self._record):
            settled(watched.flags, watched.store.name)
            watched.note()
        mark = home_mark(self.directory)
        if not mark.exists():
            write_whole(mark, lambda stream: stream.write(b"xpcs-dash keeps its state here\n"))
        self._home = identity_of(self.directory)

    def _facts(self) -> legacy.Facts:
        """What is needed to translate numbers of files; kept, because an old backup needs it too."""
        kept = self.directory / "backups" / "files-of-0.1.0.json"
        if not legacy.holds_record(self.index_url):
            try:
                found = orjson.loads(kept.read_bytes())
                refs = {int(number): str(ref) for number, ref in found["refs"].items()}
                return legacy.Facts(refs, tuple((str(old), str(new)) for old, new in found["moved"]))
            except (OSError, ValueError, KeyError, TypeError):
                return legacy.Facts()
        facts = legacy.facts_of(self.index_url, self.directory, self.name_of, apart=self._apart)
        make_folder(kept.parent)
        content = orjson.dumps(facts.to_dict(), option=orjson.OPT_NON_STR_KEYS)
        write_whole(kept, lambda stream: stream.write(content))
        return facts

    def _start_record(self, found: Found, facts: legacy.Facts) -> None:
        made = ""
        if found.state in ("older", "missing"):
            legacy.rename_sources(self.directory, facts.refs)
            legacy.move_averages(self.directory)
        if found.state == "older":
            backup.make(RECORD, self.record_url, self.directory, f"before-{RECORD.head}")
            self._in_record(lambda db: self._upgrade_record(db, facts))
            made = f"after-{RECORD.head}"
        elif found.state == "missing" and self._apart and legacy.holds_record(self.index_url):
            made = self._take_over(facts)
        elif found.state == "missing" and not has_past(self.directory):
            self._in_record(None)
        elif found.state != "good":
            self._restore(found)
        self._in_record(self._enter_missing)
        if made:
            backup.make(RECORD, self.record_url, self.directory, made)

    def _take_over(self, facts: legacy.Facts) -> str:
        try:
            legacy.take_over(self.index_url, self.record_url, self.directory, facts)
        except SQLAlchemyError as err:
            self._in_record(None)
            self._say(
                f"Fits and reviews of version 0.1.0 cannot be read from {where(self.index_url)} "
                f"({detail(err)}); that database is kept aside."
            )
            return ""
        self._say("Fits, reviews and jobs of version 0.1.0 were taken over.")
        return "from-0.1.0"

    def _in_record(self, work: Callable[[sa.Connection], object] | None) -> None:
        engine = open_engine(self.record_url)
        try:
            if work is None:
                create(engine, RECORD)
                return
            with writing(engine) as db:
                work(db)
        finally:
            engine.dispose()

    def _upgrade_record(self, db: sa.Connection, facts: legacy.Facts) -> None:
        if RECORD.version_table not in sa.inspect(db).get_table_names():
            migrate.stamp(db, RECORD, "0001")
        from_first = glance_in(RECORD, db).schema == "0001"
        migrate.upgrade(db, RECORD, "head", facts.to_dict())
        if from_first:
            legacy.say_again(db, self.directory)

    def _enter_missing(self, db: sa.Connection) -> None:
        done = catch_up(db, self.directory)
        if done.acts or done.fits or done.masks:
            self._say(f"The record lacked something and was {done.sentence()}.")

    def _start_index(self, found: Found, facts: legacy.Facts) -> None:
        if found.state == "older":
            try:
                self._upgrade_index(facts)
                return
            except (SQLAlchemyError, UsageError) as err:
                log.warning("the index cannot be brought up to date and is built anew", reason=detail(err))
                found = Found("damaged", detail=detail(err))
        if found.state == "damaged":
            self._rebuild_index(found)
        else:
            Catalogue(self.index_url).close()

    def _upgrade_index(self, facts: legacy.Facts) -> None:
        if facts.gone:
            # it holds what people made; a mere list of files is not worth a copy
            backup.make(INDEX, self.index_url, self.directory, f"before-{INDEX.head}", keep=1)
        engine = open_engine(self.index_url)
        try:
            with writing(engine) as db:
                if INDEX.version_table not in sa.inspect(db).get_table_names():
                    migrate.stamp(db, INDEX, "0001")
                migrate.upgrade(db, INDEX, "head", facts.to_dict())
        finally:
            engine.dispose()

    # While it runs.

    def look(self) -> None:
        """Look after both databases; cheap, to be called several times a second. Never raises."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_S
        if not self._at_home():
            return
        for watched in (self._record, self._index):
            if now < watched.again:
                continue
            try:
                problem = self._problem(watched, now)
                if problem is not None:
                    self._mend(watched, problem)
            except Exception as err:
                # whatever it is: a later look tries again, and the dashboard goes on
                watched.again = time.monotonic() + AGAIN_S
                if not isinstance(err, UsageError):
                    log.exception("a database cannot be mended now", store=watched.store.name)
                self._say(f"The {watched.store.name} cannot be mended now: {' '.join(str(err).split())}")

    def _at_home(self) -> bool:
        """Whether the state directory is there; an unmounted disk is not a hundred lost fits."""
        now = identity_of(self.directory)
        if now is not None and (now == self._home or home_mark(self.directory).exists()):
            self._home = now
            return True
        self._say(f"The state directory {self.directory} is no longer there; mount its disk again.")
        return False

    def _problem(self, watched: Watched, now: float) -> Found | None:
        """What is wrong with a database now; None where nothing is known to be."""
        asked = reported(watched.flags, watched.store.name)
        if asked:
            settled(watched.flags, watched.store.name)
        lost = watched.lost()
        if lost is not None:
            return lost
        if not asked and (not watched.changed() or now < watched.next_check):
            return None
        found = examine(watched.store, watched.url, deep=asked)
        took = time.monotonic() - now
        watched.next_check = time.monotonic() + max(CHECK_S, took / SHARE)
        watched.looked_through()
        return None if found.state == "good" else found

    def _mend(self, watched: Watched, found: Found) -> None:
        log.error(
            "a database is damaged",
            store=watched.store.name,
            place=where(watched.url),
            reason=found.detail,
        )
        with file_lock(self.directory / "guard.lock"):
            if watched.mended_by_another():
                watched.note()
                return
            if watched.store is RECORD:
                self._restore(found)
            else:
                self._rebuild_index(found)
                self.on_index_lost()
        settled(watched.flags, watched.store.name)
        watched.note()

    def stop(self) -> None:
        """Fold the logs back into the files, so that a copy of them is whole."""
        for watched in (self._record, self._index):
            if watched.path is not None and watched.path.is_file():
                engine = open_engine(watched.url)
                with contextlib.suppress(SQLAlchemyError), engine.connect() as db:
                    db.exec_driver_sql("ROLLBACK")
                    db.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                engine.dispose()
                watched.note(folded=True)

    # What both do.

    def _restore(self, found: Found) -> None:
        done = restore(self.record_url, self.directory, self._upgrade_backup)
        self._say(f"The record was lost or damaged ({found.detail or 'missing'}) and was {done.sentence()}.")
        with contextlib.suppress(UsageError):
            backup.make(RECORD, self.record_url, self.directory, "after-restore")

    def _upgrade_backup(self, db: sa.Connection, to: str) -> None:
        migrate.upgrade(db, RECORD, to, self._facts().to_dict())

    def _rebuild_index(self, found: Found) -> None:
        path = self._index.path
        if path is not None:
            set_aside(path)
        else:
            self._drop_index()
        Catalogue(self.index_url).close()
        self.generation += 1
        why = found.detail or "missing"
        self._say(f"The index of the directory was lost or damaged ({why}) and is built anew from its files.")

    def _drop_index(self) -> None:
        engine = open_engine(self.index_url)
        try:
            with writing(engine) as db:
                names = set(sa.inspect(db).get_table_names())
                for name in (*INDEX.metadata.tables, INDEX.version_table):
                    if name in names:
                        db.execute(sa.text(f"DROP TABLE {db.dialect.identifier_preparer.quote(name)}"))
        finally:
            engine.dispose()

    def _say(self, text: str) -> None:
        log.warning(text)
        if not self.notices or self.notices[-1].text != text:
            self.notices.append(Notice(time.time(), text))
            del self.notices[:-10]
