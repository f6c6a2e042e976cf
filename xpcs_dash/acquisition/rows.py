"""How ingest writes file rows: changes are collected and stored in one transaction with one new revision."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from xpcs_dash.acquisition.reading import with_fit
from xpcs_dash.acquisition.scan import Stat
from xpcs_dash.database.catalogue import Catalogue, bump_in, display_name, files_table
from xpcs_dash.database.kinds import is_result

Kind = Literal["waiting", "ready", "failed", "gone", "back", "moved", "fit"]
#: Compares a file's summary with that of the file before it: flags that only a sequence shows.
Relate = Callable[[Mapping[str, Any], Mapping[str, Any] | None], list[str]]


@dataclass(frozen=True)
class Change:
    """One change of one file.

    Attributes
    ----------
    kind : "waiting" (seen, not read), "ready" (read), "failed" (given up), "gone", "back" (a gone file that
        came back unchanged), "moved" (another path), "fit" (the fit of all q is done).
    stat : version of the file, where it matters.
    sort_at : arrival, s since the epoch.
    values : columns to store with it.
    """

    kind: Kind
    path: str
    stat: Stat | None = None
    sort_at: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    new_path: str | None = None


class Known(NamedTuple):
    """What the catalogue holds of one file."""

    stat: Stat
    state: str
    has_data: bool
    has_fit: bool
    sort_at: float


def load(catalogue: Catalogue) -> dict[str, Known]:
    """All rows by path, for the start of ingest."""
    t = files_table.c
    query = sa.select(
        t.path, t.inode, t.mtime_ns, t.size, t.state, t.layout, t.fit.isnot(None).label("has_fit"), t.sort_at
    )
    with catalogue.read() as db:
        return {
            row.path: Known(
                Stat(row.inode, row.mtime_ns, row.size),
                row.state,
                row.layout is not None,
                bool(row.has_fit),
                row.sort_at,
            )
            for row in db.execute(query)
        }


def apply(catalogue: Catalogue, changes: Iterable[Change], relate: Relate | None = None) -> int:
    """Store changes in their order; returns the new revision."""
    with catalogue.write() as db:
        revision = bump_in(db)
        fresh: list[dict[str, Any]] = []
        for change in changes:
            if change.kind == "waiting" and change.values.get("new"):
                fresh.append(_new_row(change, revision))
                continue
            if fresh:
                _insert(db, fresh)
                fresh = []
            _WRITERS[change.kind](db, change, revision, relate)
        if fresh:
            _insert(db, fresh)
        return revision


def _key(stat: Stat | None) -> dict[str, Any]:
    return {} if stat is None else {"inode": stat.inode, "mtime_ns": stat.mtime_ns, "size": stat.size}


def _new_row(change: Change, revision: int) -> dict[str, Any]:
    return {
        "path": change.path,
        "name": display_name(change.path),
        "state": "waiting",
        "reason": change.values.get("reason"),
        "first_seen": time.time(),
        "sort_at": change.sort_at,
        "revision": revision,
        **_key(change.stat),
    }


def _insert(db: sa.Connection, rows: list[dict[str, Any]]) -> None:
    db.execute(sa.insert(files_table), rows)


def _update(db: sa.Connection, where: str, revision: int, **values: Any) -> bool:
    statement = sa.update(files_table).where(files_table.c.path == where).values(revision=revision, **values)
    return bool(db.execute(statement).rowcount)


def _write_waiting(db: sa.Connection, change: Change, revision: int, _relate: Relate | None) -> None:
    reason = change.values.get("reason")
    if not _update(db, change.path, revision, state="waiting", reason=reason, **_key(change.stat)):
        _insert(db, [_new_row(change, revision)])


def _write_failed(db: sa.Connection, change: Change, revision: int, _relate: Relate | None) -> None:
    values = {
        "state": "failed",
        "reason": change.values["reason"],
        "flags": list(change.values.get("flags", ())),
        "layout": None,
        "content": None,
        "summary": None,
        "fit": None,
        "kinds": [],
        "sort_at": change.sort_at,
        **_key(change.stat),
    }
    if not _update(db, change.path, revision, **values):
        _insert(db, [_new_row(change, revision)])
        _update(db, change.path, revision, **values)


def _write_gone(db: sa.Connection, change: Change, revision: int, _relate: Relate | None) -> None:
    _update(db, change.path, revision, state="gone", reason="The file is no longer there.")


def _write_back(db: sa.Connection, change: Change, revision: int, _relate: Relate | None) -> None:
    _update(db, change.path, revision, state="ready", reason=None)


def _write_moved(db: sa.Connection, change: Change, revision: int, _relate: Relate | None) -> None:
    new = change.new_path or change.path
    _update(db, change.path, revision, path=new, name=display_name(new), **change.values)


def _write_fit(db: sa.Connection, change: Change, revision: int, _relate: Relate | None) -> None:
    where = sa.and_(
        files_table.c.path == change.path,
        files_table.c.mtime_ns == (change.stat.mtime_ns if change.stat else -1),
    )
    found = db.execute(sa.select(files_table.c.summary, files_table.c.flags).where(where)).first()
    if found is None or found.summary is None:
        return
    _update(db, change.path, revision, **with_fit(found.summary, found.flags or (), change.values))


def _write_ready(db: sa.Connection, change: Change, revision: int, relate: Relate | None) -> None:
    t = files_table.c
    before = db.execute(
        sa.select(t.content, t.sort_at, t.ready_at, t.fit).where(t.path == change.path)
    ).first()
    values = dict(change.values)
    values.update(
        state="ready", reason=None, ready_at=change.sort_at, sort_at=change.sort_at, **_key(change.stat)
    )
    if before is not None and before.ready_at is not None and before.content == values.get("content"):
        # touched, not rewritten: it does not become the newest file
        values.update(ready_at=before.ready_at, sort_at=before.sort_at)
        values.setdefault("fit", before.fit)
    values.setdefault("fit", None)
    if before is None:
        _insert(db, [_new_row(change, revision)])
    _update(db, change.path, revision, **values)
    if relate is not None and is_result(change.values.get("kinds")):
        _relate_neighbours(db, change.path, values["sort_at"], revision, relate)


def _relate_neighbours(db: sa.Connection, path: str, sort_at: float, revision: int, relate: Relate) -> None:
    """Set the flags that compare a file with the one before it, on this file and on the next one."""
    t = files_table.c
    ready = sa.select(t.path, t.summary, t.flags, t.kinds).where(t.state == "ready", t.path != path)

    def first(query: Any) -> Any:
        # averages, partitions and raw data stand beside the acquisition's results
        for limit in (8, 128, 2048, None):
            rows = db.execute(query.limit(limit)).all()
            found = next((row for row in rows if is_result(row.kinds)), None)
            if found is not None or len(rows) < (limit or 0):
                return found
        return None

    older = first(ready.where(t.sort_at <= sort_at).order_by(t.sort_at.desc(), t.id.desc()))
    newer = first(ready.where(t.sort_at > sort_at).order_by(t.sort_at, t.id))
    own = db.execute(sa.select(t.path, t.summary, t.flags).where(t.path == path)).one()
    for row, previous in ((own, older), (newer, own)):
        if row is None or row.summary is None:
            continue
        flags = list(dict.fromkeys([*row.summary.get("flags", ()), *relate(row.summary, _summary(previous))]))
        if flags != list(row.flags or ()):
            _update(db, row.path, revision, flags=flags)


def _summary(row: Any) -> Mapping[str, Any] | None:
    return None if row is None else row.summary


_WRITERS: dict[Kind, Callable[[sa.Connection, Change, int, Relate | None], None]] = {
    "waiting": _write_waiting,
    "ready": _write_ready,
    "failed": _write_failed,
    "gone": _write_gone,
    "back": _write_back,
    "moved": _write_moved,
    "fit": _write_fit,
}
