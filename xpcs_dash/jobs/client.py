"""The web side of the job list: inserts and reads rows, and knows nothing of Dask."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from xpcs_dash.database.engine import create_tables, writing
from xpcs_dash.errors import NotFoundError, UsageError
from xpcs_dash.jobs import table
from xpcs_dash.jobs.registry import KINDS
from xpcs_dash.jobs.table import DISPATCHER, FINAL, JOBS, DispatcherStatus, JobRow

STALE_S = 10.0
"""A dispatcher that has not said anything for this long is taken for dead."""


class HasEngine(Protocol):
    """What the client needs of the catalogue."""

    @property
    def engine(self) -> sa.Engine:
        """The SQLAlchemy engine of the catalogue."""
        ...


class JobClient:
    """Submit, watch, cancel and retry jobs.

    Every method is one short transaction, so it may be called from any thread of any web process.

    Parameters
    ----------
    catalogue : anything with an ``engine``; the two tables are created there.
    """

    def __init__(self, catalogue: HasEngine) -> None:
        self._engine = catalogue.engine
        create_tables(self._engine, table.METADATA)

    def submit(
        self, kind: str, params: Mapping[str, Any], title: str, priority: int = 0, owner: str = ""
    ) -> int:
        """Queue a job and return its id.

        Parameters
        ----------
        kind : a name of `xpcs_dash.jobs.registry.KINDS`.
        params : JSON-able parameters of the job.
        title : what the lists show, such as ``"NUTS single, 27 q of A001"``.
        priority : higher runs first; equal ones in order of arrival.
        owner : who asked for it.

        Raises
        ------
        UsageError
            Where no such kind of job exists.
        """
        if kind not in KINDS:
            raise UsageError(f"no kind of job is called {kind!r}; there are {', '.join(sorted(KINDS))}.")
        now = time.time()
        statement = JOBS.insert().values(
            kind=kind,
            title=title[:400],
            params=table.dump(params),
            state="queued",
            progress=0.0,
            detail="{}",
            message="",
            result="{}",
            created=now,
            owner=owner[:200],
            priority=int(priority),
            attempts=0,
            cancel_requested=False,
            worker="",
            updated=now,
        )
        with writing(self._engine) as connection:
            key = connection.execute(statement).inserted_primary_key
        assert key is not None
        return int(key[0])

    def get(self, job_id: int) -> JobRow:
        """The job with this id.

        Raises
        ------
        UsageError
            Where there is none.
        """
        with self._engine.connect() as connection:
            record = connection.execute(sa.select(JOBS).where(JOBS.c.id == int(job_id))).first()
        if record is None:
            raise NotFoundError(f"job {job_id} is not in the list; it may have been cleared.")
        return table.to_row(record)

    def list(
        self, limit: int = 100, states: Sequence[str] | None = None, kind: str | None = None
    ) -> list[JobRow]:
        """Jobs, newest first."""
        statement = sa.select(JOBS).order_by(JOBS.c.id.desc()).limit(limit)
        if states is not None:
            statement = statement.where(JOBS.c.state.in_(list(states)))
        if kind is not None:
            statement = statement.where(JOBS.c.kind == kind)
        with self._engine.connect() as connection:
            return [table.to_row(record) for record in connection.execute(statement)]

    def counts(self) -> dict[str, int]:
        """Number of jobs in each state."""
        statement = sa.select(JOBS.c.state, sa.func.count()).group_by(JOBS.c.state)
        with self._engine.connect() as connection:
            found = {state: int(n) for state, n in connection.execute(statement)}
        return {state: found.get(state, 0) for state in table.STATES}

    def stamp(self) -> str:
        """Short text that changes whenever any job changes; for pages that redraw only then."""
        statement = sa.select(sa.func.count(), sa.func.max(JOBS.c.updated))
        with self._engine.connect() as connection:
            n, updated = connection.execute(statement).one()
        return f"{n}-{updated or 0:.6f}"

    def cancel(self, job_id: int) -> JobRow:
        """Stop a job: at once where it waits, within about a second where it runs."""
        now = time.time()
        waiting = (
            JOBS.update()
            .where(JOBS.c.id == int(job_id), JOBS.c.state == "queued")
            .values(state="cancelled", finished=now, updated=now, message="Cancelled before it started.")
        )
        running = (
            JOBS.update()
            .where(JOBS.c.id == int(job_id), JOBS.c.state == "running")
            .values(cancel_requested=True, updated=now, message="Stopping…")
        )
        with writing(self._engine) as connection:
            if connection.execute(waiting).rowcount == 0:
                connection.execute(running)
        return self.get(job_id)

    def retry(self, job_id: int) -> JobRow:
        """Queue a job again that ended without a result, under the same id.

        Raises
        ------
        UsageError
            Where the job still waits or runs, or has a result.
        """
        now = time.time()
        again = (
            JOBS.update()
            .where(JOBS.c.id == int(job_id), JOBS.c.state.in_(("failed", "cancelled", "interrupted")))
            .values(
                state="queued",
                progress=0.0,
                detail="{}",
                message="",
                result="{}",
                started=None,
                finished=None,
                attempts=0,
                cancel_requested=False,
                worker="",
                updated=now,
            )
        )
        with writing(self._engine) as connection:
            changed = connection.execute(again).rowcount
        row = self.get(job_id)
        if not changed:
            raise UsageError(
                f"job {job_id} is {row.state}; only a failed, cancelled or interrupted one is retried."
            )
        return row

    def set_priority(self, job_id: int, priority: int) -> JobRow:
        """Change the place of a waiting job in the queue; higher runs first."""
        change = (
            JOBS.update()
            .where(JOBS.c.id == int(job_id), JOBS.c.state == "queued")
            .values(priority=int(priority), updated=time.time())
        )
        with writing(self._engine) as connection:
            connection.execute(change)
        return self.get(job_id)

    def clear(self, older_than_s: float = 0.0) -> int:
        """Remove ended jobs from the list and say how many; fits that they made stay."""
        limit = time.time() - older_than_s
        removal = JOBS.delete().where(JOBS.c.state.in_(FINAL), JOBS.c.finished <= limit)
        with writing(self._engine) as connection:
            return int(connection.execute(removal).rowcount)

    def dispatcher(self) -> DispatcherStatus:
        """The last sign of life of the dispatcher and its workers."""
        with self._engine.connect() as connection:
            record = connection.execute(sa.select(DISPATCHER)).first()
        if record is None:
            return DispatcherStatus(alive=False, age_s=None, message="No job process has run yet.")
        age = max(0.0, time.time() - record.beat)
        status = table.load(record.status)
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
