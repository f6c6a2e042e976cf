"""What each kind of act does to the tables: the same function when it happens and when it is replayed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from xpcs_dash.database.acts import Act
from xpcs_dash.database.record.tables import ALIASES, FITS, IN_USE, JOBS, MASKS, dump

__all__ = ["APPLY", "apply"]

#: What a job starts from, also when it is queued again.
FRESH: Mapping[str, Any] = {
    "state": "queued",
    "progress": 0.0,
    "detail": "{}",
    "message": "",
    "result": "{}",
    "started": None,
    "finished": None,
    "attempts": 0,
    "cancel_requested": False,
    "worker": "",
}


def apply(db: sa.Connection, act: Act) -> None:
    """Change the tables as an act says; a kind that is not known (of a newer version) changes nothing."""
    change = APPLY.get(act.kind)
    if change is not None:
        change(db, act)


def _review(db: sa.Connection, act: Act) -> None:
    names = ("review", "note", "reviewer", "reviewed")
    _fit(db, act, **{name: act.what[name] for name in names})


def _deleted(db: sa.Connection, act: Act) -> None:
    _fit(db, act, deleted=bool(act.what["deleted"]))


def _fit(db: sa.Connection, act: Act, **values: Any) -> None:
    where = FITS.c.store_id == act.what["store_id"]
    db.execute(FITS.update().where(where).values(**values, updated=act.at))


def _versioned(db: sa.Connection, act: Act) -> None:
    where = FITS.c.store_id == act.what["store_id"]
    db.execute(FITS.update().where(where).values(version=str(act.what["version"])))


def _purged(db: sa.Connection, act: Act) -> None:
    db.execute(FITS.delete().where(FITS.c.store_id == act.what["store_id"]))


def _submitted(db: sa.Connection, act: Act) -> None:
    row = dict(act.what)
    known = db.execute(sa.select(JOBS.c.id).where(JOBS.c.id == row["id"])).first()
    if known is None:
        row["params"] = dump(row["params"])
        db.execute(JOBS.insert().values(**FRESH, **row, updated=act.at))


def _cancelled(db: sa.Connection, act: Act) -> None:
    job = JOBS.c.id == act.what["id"]
    waiting = {"state": "cancelled", "finished": act.at, "message": "Cancelled before it started."}
    running = {"cancel_requested": True, "message": "Stopping…"}
    for state, values in (("queued", waiting), ("running", running)):
        change = JOBS.update().where(job, JOBS.c.state == state).values(**values, updated=act.at)
        if db.execute(change).rowcount:
            return


def _retried(db: sa.Connection, act: Act) -> None:
    again = JOBS.c.state.in_(("failed", "cancelled", "interrupted"))
    db.execute(JOBS.update().where(JOBS.c.id == act.what["id"], again).values(**FRESH, updated=act.at))


def _priority(db: sa.Connection, act: Act) -> None:
    change = JOBS.update().where(JOBS.c.id == act.what["id"], JOBS.c.state == "queued")
    db.execute(change.values(priority=int(act.what["priority"]), updated=act.at))


def _ended(db: sa.Connection, act: Act) -> None:
    values = {"state": act.what["state"], "message": act.what["message"], "finished": act.at}
    values["result"] = dump(act.what["result"])
    if values["state"] == "done":
        values["progress"] = 1.0
    open_ = JOBS.c.state.in_(("queued", "running"))
    db.execute(JOBS.update().where(JOBS.c.id == act.what["id"], open_).values(**values, updated=act.at))


def _cleared(db: sa.Connection, act: Act) -> None:
    db.execute(JOBS.delete().where(JOBS.c.id.in_([int(i) for i in act.what["ids"]])))


def _mask_saved(db: sa.Connection, act: Act) -> None:
    row = {name: act.what[name] for name in MASKS.c.keys() if name in act.what}  # noqa: SIM118 - not a dict
    if db.execute(sa.select(MASKS.c.key).where(MASKS.c.key == row["key"])).first() is None:
        db.execute(MASKS.insert().values(**row))


def _mask_used(db: sa.Connection, act: Act) -> None:
    db.execute(IN_USE.delete().where(IN_USE.c.scope == act.what["scope"]))
    if act.what["kind"]:
        row = {name: act.what[name] for name in ("scope", "kind", "ref", "version")}
        db.execute(IN_USE.insert().values(**row, owner=act.who, since=act.at))


def _named(db: sa.Connection, act: Act) -> None:
    number = int(act.what["number"])
    if db.execute(sa.select(ALIASES.c.ref).where(ALIASES.c.number == number)).first() is None:
        db.execute(ALIASES.insert().values(number=number, ref=str(act.what["ref"])))


APPLY: dict[str, Callable[[sa.Connection, Act], None]] = {
    "file-named": _named,
    "fit-reviewed": _review,
    "fit-deleted": _deleted,
    "fit-purged": _purged,
    "fit-versioned": _versioned,
    "job-submitted": _submitted,
    "job-cancelled": _cancelled,
    "job-retried": _retried,
    "job-moved": _priority,
    "job-ended": _ended,
    "jobs-cleared": _cleared,
    "mask-saved": _mask_saved,
    "mask-used": _mask_used,
}
