"""How ingest writes file rows: changes are collected and stored in one transaction with one new revision."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from xpcs_dash.acquisition.reading import with_fit
from xpcs_dash.acquisition.scan import Stat
from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.database.files import bump_in, files_table
from xpcs_dash.database.kinds import holds_result, is_result
from xpcs_dash.results.identity import display_name, ref_of

Kind = Literal["waiting", "ready", "failed", "gone", "back", "moved", "fit", "unfitted"]
#: Compares a file's summary with that of the file before it: flags that only a sequence shows.
Relate = Callable[[Mapping[str, Any], Mapping[str, Any] | None], list[str]]


@dataclass(frozen=True)
class Change:
    """One change of one file.

    Attributes
    ----------
    kind : "waiting" (seen, not read), "ready" (read), "failed" (given up), "gone", "back" (a gone file that
        came back unchanged), "moved" (another path), "fit" (the fit of all q is done), "unfitted" (why it is
        not done yet).
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
    has_curves: bool = True
    outdated: bool = False


def load(catalogue: Catalogue, min_coincidences: float) -> dict[str, Known]:
    """All rows by path, for the start of ingest; ``outdated`` where their numbers rest on another setting."""
    t = files_table.c
    query = sa.select(
        t.path,
        t.inode,
        t.mtime_ns,
        t.size,
        t.state,
        t.layout,
        t.kinds,
        t.fit.isnot(None).label("has_fit"),
        t.sort_at,
        t.summary["min_coincidences"].as_float().label("min_coincidences"),
    )
    with catalogue.read() as db:
        return {row.path: _known(row, min_coincidences) for row in db.execute(query)}


def _known(row: Any, min_coincidences: float) -> Known:
    ready, curves = row.state == "ready", "multitau" in (row.kinds or ())
    return Known(
        Stat(row.inode, row.mtime_ns, row.size),
        row.state,
        row.layout is not None,
        bool(row.has_fit),
        row.sort_at,
        curves,
        # raw data, say, have no numbers that could
        ready and holds_result(row.kinds) and not _same(row.min_coincidences, min_coincidences),
    )


def _same(found: float | None, wanted: float) -> bool:
    # summaries keep seven digits
    return found is not None and math.isclose(found, wanted, rel_tol=1e-6)


def apply(catalogue: Catalogue, changes: Iterable[Change], relate: Relate | None = None) -> int:
    """Store changes in their order; returns the new revision."""
    with catalogue.write() as db:
        revision = bump_in(db)
        at = _Pass(db, revision, catalogue.roots, relate)
        fresh: list[Change] = []
        for change in changes:
            if change.kind == "waiting" and change.values.get("new"):
                fresh.append(change)
                continue
            at.insert(fresh)
            fresh = []
            _WRITERS[change.kind](at, change)
        at.insert(fresh)
        return revision


def _key(stat: Stat | None) -> dict[str, Any]:
    return {} if stat is None else {"inode": stat.inode, "mtime_ns": stat.mtime_ns, "size": stat.size}


# Built once: to put a statement together and to look for its compiled form takes longer than to run it.
_FILES = files_table.c
_UPDATE = sa.update(files_table).where(_FILES.path == sa.bindparam("at_path"))
_INSERT = sa.insert(files_table)
_BEFORE = sa.select(_FILES.content, _FILES.sort_at, _FILES.ready_at, _FILES.fit).where(
    _FILES.path == sa.bindparam("at_path")
)
_OWN = sa.select(_FILES.path, _FILES.summary, _FILES.flags).where(_FILES.path == sa.bindparam("at_path"))
_READY = (
    sa.select(_FILES.path, _FILES.summary, _FILES.flags, _FILES.kinds)
    .where(_FILES.state == "ready", _FILES.path != sa.bindparam("at_path"))
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_OLDER = _READY.where(_FILES.sort_at <= sa.bindparam("at")).order_by(_FILES.sort_at.desc(), _FILES.id.desc())
_NEWER = _READY.where(_FILES.sort_at > sa.bindparam("at")).order_by(_FILES.sort_at, _FILES.id)


@dataclass(frozen=True)
class _Pass:
    """One transaction: where its changes go, and the revision that they get."""

    db: sa.Connection
    revision: int
    roots: Mapping[str, Path]
    relate: Relate | None

    def names(self, path: str) -> dict[str, Any]:
        """What follows from where a file lies."""
        return {"path": path, "name": display_name(path), "ref": str(ref_of(path, self.roots))}

    def insert(self, changes: list[Change]) -> None:
        """Rows of files that have been seen and not been read."""
        now = time.time()
        rows = [
            {
                **self.names(change.path),
                "state": "waiting",
                "reason": change.values.get("reason"),
                "first_seen": now,
                "sort_at": change.sort_at,
                "revision": self.revision,
                **_key(change.stat),
            }
            for change in changes
        ]
        if rows:
            self.db.execute(_INSERT, rows)

    def update(self, where: str, **values: Any) -> bool:
        """Change the row of a path; False where there is none."""
        given = {"at_path": where, "revision": self.revision, **values}
        return bool(self.db.execute(_UPDATE, given).rowcount)


def _write_waiting(at: _Pass, change: Change) -> None:
    reason = change.values.get("reason")
    if not at.update(change.path, state="waiting", reason=reason, **_key(change.stat)):
        at.insert([change])


def _write_failed(at: _Pass, change: Change) -> None:
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
    if not at.update(change.path, **values):
        at.insert([change])
        at.update(change.path, **values)


def _write_gone(at: _Pass, change: Change) -> None:
    at.update(change.path, state="gone", reason="The file is no longer there.")


def _write_back(at: _Pass, change: Change) -> None:
    at.update(change.path, state="ready", reason=None)


def _write_moved(at: _Pass, change: Change) -> None:
    """Another place is another name: the row goes there, and the old name says where to."""
    new = change.new_path or change.path
    found = at.db.execute(sa.select(files_table).where(files_table.c.path == change.path)).mappings().first()
    if found is None or new == change.path:
        return
    kept = {name: value for name, value in found.items() if name != "id"}
    values = {**kept, **change.values, **at.names(new), "revision": at.revision}
    if not at.update(new, **{name: value for name, value in values.items() if name != "revision"}):
        at.db.execute(sa.insert(files_table).values(values))
    at.update(change.path, state="gone", reason=f"It was moved: it is now {values['ref']}.")


def _write_fit(at: _Pass, change: Change) -> None:
    query = sa.select(files_table.c.summary, files_table.c.flags).where(_version(change))
    found = at.db.execute(query).first()
    if found is None or found.summary is None:
        return
    at.update(change.path, **with_fit(found.summary, found.flags or (), change.values))


def _write_unfitted(at: _Pass, change: Change) -> None:
    found = at.db.execute(sa.select(files_table.c.summary).where(_version(change))).first()
    if found is not None and found.summary is not None:
        at.update(change.path, summary={**found.summary, "fit_pending": change.values["reason"]})


def _version(change: Change) -> sa.ColumnElement[bool]:
    """The row of a path while it describes the version that the change is about."""
    modified = change.stat.mtime_ns if change.stat else -1
    return sa.and_(files_table.c.path == change.path, files_table.c.mtime_ns == modified)


def _write_ready(at: _Pass, change: Change) -> None:
    before = at.db.execute(_BEFORE, {"at_path": change.path}).first()
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
        at.insert([change])
    at.update(change.path, **values)
    if at.relate is not None and is_result(change.values.get("kinds")):
        _relate_neighbours(at, at.relate, change.path, values["sort_at"])


def _relate_neighbours(at: _Pass, relate: Relate, path: str, sort_at: float) -> None:
    """Set the flags that compare a file with the one before it, on this file and on the next one."""

    def first(query: sa.Select[Any]) -> Any:
        # averages, partitions and raw data stand beside the acquisition's results
        for limit in (1, 16, 256, 4096, 2**31 - 1):
            rows = at.db.execute(query, {"at_path": path, "at": sort_at, "most": limit}).all()
            found = next((row for row in rows if is_result(row.kinds)), None)
            if found is not None or len(rows) < limit:
                return found
        return None

    older, newer = first(_OLDER), first(_NEWER)
    own = at.db.execute(_OWN, {"at_path": path}).one()
    for row, previous in ((own, older), (newer, own)):
        if row is None or row.summary is None:
            continue
        flags = list(dict.fromkeys([*row.summary.get("flags", ()), *relate(row.summary, _summary(previous))]))
        if flags != list(row.flags or ()):
            at.update(row.path, flags=flags)


def _summary(row: Any) -> Mapping[str, Any] | None:
    return None if row is None else row.summary


_WRITERS: dict[Kind, Callable[[_Pass, Change], None]] = {
    "waiting": _write_waiting,
    "ready": _write_ready,
    "failed": _write_failed,
    "gone": _write_gone,
    "back": _write_back,
    "moved": _write_moved,
    "fit": _write_fit,
    "unfitted": _write_unfitted,
}
