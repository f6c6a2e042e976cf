"""The catalogue: one row a file, and a revision that rises with every change.

Ingest is the only process that writes file rows; web processes read, and may ask for a retry. SQLite runs
in WAL mode, so readers never hold up the writer; any other SQLAlchemy URL (PostgreSQL) works the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from xpcs_dash.database.engine import disposing_on_error, open_engine, seal, set_up, sqlite_path, writing
from xpcs_dash.database.files import (
    FULL_COLUMNS,
    PRESENT,
    ROW_COLUMNS,
    STATES,
    FileRow,
    Revision,
    bump_in,
    display_name,
    files_table,
    meta_table,
    new_generation_in,
    to_row,
)
from xpcs_dash.database.kinds import is_result
from xpcs_dash.database.schema import INDEX, create, settle, where
from xpcs_dash.database.trouble import detail, report
from xpcs_dash.errors import NotFoundError, UsageError, nearest_names, not_found
from xpcs_dash.settings import MADE


class Catalogue:
    """The table of files on a SQLAlchemy engine. Safe to share among threads; open one in each process.

    Parameters
    ----------
    url : SQLAlchemy URL, such as ``sqlite:////state/catalogue.sqlite`` or ``postgresql+psycopg://host/db``.
    roots : name -> directory of everything that the files lie below; `Settings.roots`.
    alias : public name of the file that had this number in a catalogue of version 0.1.0, or None.

    Raises
    ------
    UsageError
        Where the catalogue cannot be opened or written.
    """

    def __init__(
        self,
        url: str,
        roots: Mapping[str, Path] | None = None,
        alias: Callable[[int], str | None] | None = None,
    ) -> None:
        self.url = url
        self._alias = alias
        self.roots = dict(roots or {})
        try:
            path = sqlite_path(url)
            flags = None if path is None else path.parent
            self.engine = open_engine(url, None if flags is None else lambda: report(flags, INDEX.name))
            with disposing_on_error(self.engine):
                settle(INDEX, self.engine, url, flags, create=self._create)
        except (SQLAlchemyError, OSError, ImportError) as err:
            raise UsageError(
                f"catalogue {where(url)} cannot be used: {detail(err)}; check that the place exists, has "
                "free space and may be written (--state-dir, XPCS_DASH_CATALOGUE_URL)."
            ) from err
        seal(self.engine)

    def _create(self) -> None:
        create(self.engine, INDEX)

        def begin(db: sa.Connection) -> None:
            if db.scalar(sa.select(meta_table.c.number).where(meta_table.c.name == "revision")) is None:
                db.execute(sa.insert(meta_table).values(name="revision", number=0))
                new_generation_in(db)

        set_up(self.engine, begin)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that will write: waits for the write lock, commits at its end."""
        with writing(self.engine) as db:
            yield db

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection for reading; short, so that SQLite's log can be folded back."""
        with self.engine.connect() as db:
            yield db

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def revision(self) -> int:
        """Number that rises with every change of a file row."""
        with self.read() as db:
            return int(
                db.execute(sa.select(meta_table.c.number).where(meta_table.c.name == "revision")).scalar_one()
            )

    def stamp(self) -> Revision:
        """Generation and revision, read together."""
        wanted = meta_table.c.name.in_(("revision", "generation"))
        with self.read() as db:
            found = db.execute(
                sa.select(meta_table.c.name, meta_table.c.number, meta_table.c.value).where(wanted)
            )
            rows = {name: (number, value) for name, number, value in found}
        return Revision(str(rows.get("generation", (0, ""))[1]), int(rows["revision"][0]))

    def bump(self) -> int:
        """Raise the revision by one and return it."""
        with self.write() as db:
            return bump_in(db)

    def status(self) -> dict[str, Any]:
        """What the processes last reported: ingest's heartbeat merged with the supervisor's ``processes``.

        Keys written by ingest: ``heartbeat`` (s since the epoch), ``root``, ``mode`` ("inotify", "polling"),
        ``mode_reason``, ``last_scan``, ``scan_s``, ``n_files``, ``queue``, ``rate`` (files/s of the last
        minute), ``problems`` (sentences), ``pid``. Empty before ingest ran for the first time.
        """
        with self.read() as db:
            found = db.execute(
                sa.select(meta_table.c.name, meta_table.c.value).where(meta_table.c.name.like("status:%"))
            ).all()
        parts = {name.removeprefix("status:"): value for name, value in found}
        merged: dict[str, Any] = dict(parts.pop("ingest", None) or {})
        merged.update(parts)
        return merged

    def set_status(self, part: str, value: Mapping[str, Any]) -> None:
        """Store one process's report; does not raise the revision."""
        name = f"status:{part}"
        with self.write() as db:
            changed = db.execute(
                sa.update(meta_table).where(meta_table.c.name == name).values(value=dict(value))
            )
            if not changed.rowcount:
                db.execute(sa.insert(meta_table).values(name=name, number=0, value=dict(value)))

    @property
    def root(self) -> Path | None:
        """The watched directory; None where there is none."""
        return next((top for name, top in self.roots.items() if name != MADE), None)

    def get(self, ref: str) -> FileRow:
        """Row of one file by its public name.

        Raises
        ------
        NotFoundError
            Where there is no file of this name; the sentence gives the nearest ones.
        """
        found = self._first(files_table.c.ref == str(ref), full=True)
        if found is None:
            raise self.unknown(ref)
        return found

    def find(self, text: str) -> FileRow:
        """Row of the file that somebody typed: its public name, the stem of its name, or its old number.

        Raises
        ------
        NotFoundError
            Where no file is called so (with the nearest names), or several are (with their public names).
        """
        wanted = str(text).strip()
        found = self._first(files_table.c.ref == wanted, full=True)
        if found is not None:
            return found
        if self._alias is not None and wanted.isdecimal() and len(wanted) < 16:
            ref = self._alias(int(wanted))
            if ref is not None:
                return self.get(ref)
        stem = display_name(wanted)
        called = sa.and_(files_table.c.name.in_([wanted, stem]), files_table.c.state != "gone")
        query = sa.select(*FULL_COLUMNS).where(called).order_by(files_table.c.sort_at.desc()).limit(20)
        with self.read() as db:
            rows = [to_row(row) for row in db.execute(query).mappings()]
        if len(rows) == 1:
            return rows[0]
        if rows:
            listed = ", ".join(row.ref for row in rows[:5]) + (", …" if len(rows) > 5 else "")
            raise NotFoundError(f"several files are called {stem}: say which one of {listed}.")
        raise self.unknown(wanted)

    def unknown(self, text: str) -> NotFoundError:
        """The error for a name that no file has, with the nearest names."""
        stem = str(text).partition("~")[0]
        table = files_table.c
        query = sa.select(table.ref).where(table.state != "gone").order_by(table.sort_at.desc())
        alike = query.where(table.name.icontains(stem[:12], autoescape=True)).limit(200)
        with self.read() as db:
            known = [ref for part in (alike, query.limit(2000)) for ref in db.execute(part).scalars()]
        stems = {ref.rpartition("~")[0]: ref for ref in reversed(known)}
        near = [stems[name] for name in nearest_names(stem, stems)]
        return not_found("file", str(text), (), "the list of files shows what there is", near)

    def get_many(self, refs: Sequence[str]) -> list[FileRow]:
        """Rows of several files in the order asked for; unknown ones are left out."""
        with self.read() as db:
            query = sa.select(*FULL_COLUMNS).where(files_table.c.ref.in_([str(ref) for ref in refs]))
            rows = {row.ref: row for row in map(to_row, db.execute(query).mappings())}
        return [rows[ref] for ref in refs if ref in rows]

    def versions(self, refs: Iterable[str]) -> dict[str, str]:
        """Public name -> fingerprint of what each of these files holds now, but for those that are gone."""
        table = files_table.c
        wanted = sa.and_(table.ref.in_([str(ref) for ref in refs]), table.state != "gone")
        with self.read() as db:
            found = db.execute(sa.select(table.ref, table.version).where(wanted))
            return {ref: version or "" for ref, version in found}

    def inodes(self, refs: Sequence[str]) -> dict[str, int]:
        """Inode of each file as it was last seen."""
        query = sa.select(files_table.c.ref, files_table.c.inode).where(files_table.c.ref.in_(refs))
        with self.read() as db:
            return {ref: int(inode) for ref, inode in db.execute(query)}

    def by_path(self, path: str | Path) -> FileRow | None:
        """Row of the file at ``path``, or None."""
        return self._first(files_table.c.path == str(path))

    def _first(self, where: sa.ColumnElement[bool], *, full: bool = False) -> FileRow | None:
        with self.read() as db:
            query = sa.select(*(FULL_COLUMNS if full else ROW_COLUMNS)).where(where)
            found = db.execute(query).mappings().first()
        return None if found is None else to_row(found)

    def path_of(self, ref: str) -> Path:
        """Path of the file with this name, public or typed: the resolver of `xpcs_dash.results.door`.

        Raises
        ------
        NotFoundError
            Where there is no file of this name.
        """
        return Path(self.find(ref).path)

    def newest(self) -> FileRow | None:
        """The ready result that arrived last; see `is_result`."""
        return next(iter(self.results(1)), None)

    def results(self, limit: int, before: str | None = None) -> list[FileRow]:
        """Ready results of the acquisition, newest first; see `is_result`.

        Parameters
        ----------
        limit : at most so many.
        before : only files older than the file with this public name.
        """
        found: list[FileRow] = []
        step = limit + 4
        while len(found) < limit:
            rows = self.files(states=("ready",), limit=step, before=before)
            found += [row for row in rows if is_result(row.kinds)]
            if len(rows) < step:
                break
            # many raw files or averages in a row: fewer, longer looks
            before, step = rows[-1].ref, step * 4
        return found[:limit]

    def files(
        self,
        states: Iterable[str] | None = None,
        since_revision: int | None = None,
        limit: int | None = None,
        before: str | None = None,
    ) -> list[FileRow]:
        """Files, newest first: by arrival, then by the order in which they were met.

        Parameters
        ----------
        states : only these; default: all that are there, and with ``since_revision`` the gone ones as well.
        since_revision : only rows that changed after this revision.
        limit : at most so many.
        before : only files older, in this order, than the file with this public name.
        """
        chosen = tuple(states) if states is not None else (PRESENT if since_revision is None else STATES)
        table = files_table.c
        query = sa.select(*ROW_COLUMNS).order_by(table.sort_at.desc(), table.id.desc())
        if set(chosen) == set(PRESENT):
            # unlike IN this leaves the database the index in which the rows lie in order
            query = query.where(table.state != "gone")
        elif set(chosen) != set(STATES):
            query = query.where(table.state.in_(chosen))
        if since_revision is not None:
            query = query.where(table.revision > since_revision)
        if before is not None:
            mark = sa.select(table.sort_at).where(table.ref == before).scalar_subquery()
            place = sa.select(table.id).where(table.ref == before).scalar_subquery()
            query = query.where(
                sa.or_(table.sort_at < mark, sa.and_(table.sort_at == mark, table.id < place))
            )
        if limit is not None:
            query = query.limit(limit)
        with self.read() as db:
            return [to_row(found) for found in db.execute(query).mappings()]

    def counts(self) -> dict[str, int]:
        """Number of files in each state; every state is present."""
        query = sa.select(files_table.c.state, sa.func.count()).group_by(files_table.c.state)
        with self.read() as db:
            return dict.fromkeys(STATES, 0) | {state: int(n) for state, n in db.execute(query)}

    def request_retry(self, ref: str) -> None:
        """Ask ingest to read a file again, whatever it thought of it; picked up within about a second.

        Raises
        ------
        NotFoundError
            Where there is no such file.
        UsageError
            Where the catalogue cannot be written.
        """
        try:
            with self.write() as db:
                done = db.execute(sa.update(files_table).where(files_table.c.ref == str(ref)).values(retry=1))
        except DBAPIError as err:
            raise UsageError(f"the catalogue cannot be written now ({err.orig}); try again.") from err
        if not done.rowcount:
            raise self.unknown(ref)

    def take_retries(self) -> list[str]:
        """Paths of the files for which a retry was asked; clears the requests."""
        with self.read() as db:
            found = db.execute(sa.select(files_table.c.path).where(files_table.c.retry == 1)).scalars().all()
        if found:
            with self.write() as db:
                db.execute(sa.update(files_table).where(files_table.c.path.in_(found)).values(retry=0))
        return list(found)
