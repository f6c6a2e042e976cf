"""The job list: one row a job, one row for the dispatcher that works on them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from xpcs_dash.database.record.apply import FRESH
from xpcs_dash.database.record.store import Record, steady
from xpcs_dash.database.record.tables import DISPATCHER, JOBS, dump, load
from xpcs_dash.errors import NotFoundError, UsageError

__all__ = ["FINAL", "STALE_S", "STATES", "DispatcherStatus", "JobList", "JobRow", "to_row"]

STATES = ("queued", "running", "done", "failed", "cancelled", "interrupted")
FINAL = ("done", "failed", "cancelled", "interrupted")

STALE_S = 10.0
"""A dispatcher that has not said anything for this long is taken for dead."""


@dataclass(frozen=True)
class JobRow:
    """One job as every browser sees it.

    Attributes
    ----------
    ref, version : the file that it works on and what it held; several are separated by commas.
    state : ``queued``, ``running``, ``done``, ``failed``, ``cancelled`` or ``interrupted``.
    progress : 0 to 1.
    detail : what the job last said of itself, for example ``{"r_hat": 1.03, "draws": 400}``.
    message : one sentence for a person; the reason where the job failed.
    result : what the job returned; empty until it is done.
    created, started, finished, updated : seconds since the epoch.
    attempts : how often a worker took it up; more than 1 after a worker or the dispatcher died.
    worker : ``host:pid`` of the worker process that runs it.
    """

    id: int
    kind: str
    title: str
    ref: str
    version: str
    params: dict[str, Any]
    state: str
    progress: float
    detail: dict[str, Any]
    message: str
    result: dict[str, Any]
    created: float
    started: float | None
    finished: float | None
    owner: str
    priority: int
    attempts: int = 0
    cancel_requested: bool = False
    worker: str = ""
    updated: float = 0.0

    @property
    def final(self) -> bool:
        """True where nothing more will happen to the job by itself."""
        return self.state in FINAL


@dataclass(frozen=True)
class DispatcherStatus:
    """The last sign of life of the process that hands jobs to workers.

    Attributes
    ----------
    alive : True where the sign is younger than ten seconds.
    age_s : seconds since the sign; None where there never was one.
    workers : one mapping a worker process: address, pid, host, memory_mb, job.
    scheduler : address of the Dask scheduler.
    message : one sentence where something is wrong.
    """

    alive: bool
    age_s: float | None
    host: str = ""
    pid: int | None = None
    scheduler: str = ""
    message: str = ""
    workers: tuple[dict[str, Any], ...] = field(default=())


def to_row(record: sa.Row[Any]) -> JobRow:
    """The record of the table as the frozen row that pages and the dispatcher use."""
    values = dict(record._mapping)
    for name in ("params", "detail", "result"):
        values[name] = load(values[name])
    values["cancel_requested"] = bool(values["cancel_requested"])
    return JobRow(**values)


class JobList:
    """The rows of the job list.

    Every method is one short transaction, so it may be called from any thread of any process.

    Parameters
    ----------
    record : where the rows are kept.
    """

    def __init__(self, record: Record) -> None:
        self._record = record

    @steady
    def add(
        self,
        kind: str,
        params: Mapping[str, Any],
        title: str,
        priority: int = 0,
        owner: str = "",
        files: Mapping[str, str] | None = None,
    ) -> int:
        """Queue a job and return its id.

        Parameters
        ----------
        kind : name of the kind of job.
        params : JSON-able parameters of the job.
        title : what the lists show, such as ``"NUTS single, 27 q of A001"``.
        priority : higher runs first; equal ones in order of arrival.
        owner : who asked for it.
        files : public name -> version of every file that it works on.
        """
        row: dict[str, Any] = {
            "kind": kind,
            "title": title[:400],
            "ref": ",".join(files or {}),
            "version": ",".join((files or {}).values()),
            "created": time.time(),
            "owner": owner[:200],
            "priority": int(priority),
        }
        given = {**FRESH, **row, "params": dump(params), "updated": row["created"]}
        with self._record.write() as db:
            key = db.execute(JOBS.insert().values(**given)).inserted_primary_key
            assert key is not None
            row["id"] = int(key[0])
            self._record.act(db, "job-submitted", owner, {**row, "params": dict(params)}, done=True)
        return int(row["id"])

    @steady
    def get(self, job_id: int) -> JobRow:
        """The job with this id.

        Raises
        ------
        UsageError
            Where there is none.
        """
        with self._record.read() as connection:
            record = connection.execute(sa.select(JOBS).where(JOBS.c.id == int(job_id))).first()
        if record is None:
            raise NotFoundError(f"job {job_id} is not in the list; it may have been cleared.")
        return to_row(record)

    @steady
    def list(
        self, limit: int = 100, states: Sequence[str] | None = None, kind: str | None = None
    ) -> list[JobRow]:
        """Jobs, newest first."""
        statement = sa.select(JOBS).order_by(JOBS.c.id.desc()).limit(limit)
        if states is not None:
            statement = statement.where(JOBS.c.state.in_(list(states)))
        if kind is not None:
            statement = statement.where(JOBS.c.kind == kind)
        with self._record.read() as connection:
            return [to_row(record) for record in connection.execute(statement)]

    @steady
    def counts(self) -> dict[str, int]:
        """Number of jobs in each state."""
        statement = sa.select(JOBS.c.state, sa.func.count()).group_by(JOBS.c.state)
        with self._record.read() as connection:
            found = {state: int(n) for state, n in connection.execute(statement)}
        return {state: found.get(state, 0) for state in STATES}

    @steady
    def stamp(self) -> str:
        """Short text that changes whenever any job changes; for pages that redraw only then."""
        statement = sa.select(sa.func.count(), sa.func.max(JOBS.c.updated))
        with self._record.read() as connection:
            n, updated = connection.execute(statement).one()
        return f"{n}-{updated or 0:.6f}"

    @steady
    def cancel(self, job_id: int, who: str = "") -> JobRow:
        """Stop a job: at once where it waits, within about a second where it runs."""
        if not self.get(job_id).final:
            self._act("job-cancelled", who, id=int(job_id))
        return self.get(job_id)

    @steady
    def retry(self, job_id: int, who: str = "") -> JobRow:
        """Queue a job again that ended without a result, under the same id.

        Raises
        ------
        UsageError
            Where the job still waits or runs, or has a result.
        """
        row = self.get(job_id)
        if row.state not in ("failed", "cancelled", "interrupted"):
            raise UsageError(
                f"job {job_id} is {row.state}; only a failed, cancelled or interrupted one is retried."
            )
        self._act("job-retried", who, id=int(job_id))
        return self.get(job_id)

    @steady
    def set_priority(self, job_id: int, priority: int, who: str = "") -> JobRow:
        """Change the place of a waiting job in the queue; higher runs first."""
        if self.get(job_id).state == "queued":
            self._act("job-moved", who, id=int(job_id), priority=int(priority))
        return self.get(job_id)

    @steady
    def clear(self, older_than_s: float = 0.0, who: str = "") -> int:
        """Remove ended jobs from the list and say how many; fits that they made stay."""
        ended = sa.select(JOBS.c.id).where(
            JOBS.c.state.in_(FINAL), JOBS.c.finished <= time.time() - older_than_s
        )
        with self._record.read() as db:
            ids = [int(i) for i in db.scalars(ended)]
        if ids:
            self._act("jobs-cleared", who, ids=ids)
        return len(ids)

    def _act(self, kind: str, who: str, **what: Any) -> None:
        with self._record.write() as db:
            self._record.act(db, kind, who, what)

    @steady
    def dispatcher(self) -> DispatcherStatus:
        """The last sign of life of the dispatcher and its workers."""
        with self._record.read() as connection:
            record = connection.execute(sa.select(DISPATCHER)).first()
        if record is None:
            return DispatcherStatus(alive=False, age_s=None, message="No job process has run yet.")
        age = max(0.0, time.time() - record.beat)
        status = load(record.status)
        alive = age < STALE_S
        quiet = f"The job process was last heard of {age:.0f} s ago; waiting jobs start when it is back."
        return DispatcherStatus(
            alive=alive,
            age_s=age,
            host=record.host,
            pid=record.pid,
            scheduler=str(status.get("scheduler", "")),
            message=str(status.get("message", "")) if alive else quiet,
            workers=tuple(status.get("workers", ())) if alive else (),
        )
