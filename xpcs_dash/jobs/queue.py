"""What the dispatcher does to the rows: claim, mirror, end, recover. No Dask here."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Mapping
from typing import Any

import psutil
import sqlalchemy as sa

from xpcs_dash.database.record.jobs import JobRow, to_row
from xpcs_dash.database.record.store import Record, steady
from xpcs_dash.database.record.tables import DISPATCHER, JOBS, dump
from xpcs_dash.jobs.registry import Tasks

MAX_ATTEMPTS = 3
"""A job that lost its worker this often is not tried again by itself."""

LEASE_S = 8.0
"""A dispatcher that has not renewed its lease for this long has lost it."""


class JobQueue:
    """The dispatcher's hold on the job list.

    Parameters
    ----------
    record : where the rows are kept.
    tasks : what the jobs may call.
    """

    def __init__(self, record: Record, tasks: Tasks) -> None:
        self._record = record
        self.tasks = tasks
        self.token = uuid.uuid4().hex

    # -- lease: one dispatcher at a time -------------------------------------------------------------------

    @steady
    def acquire(self) -> bool:
        """Take the lease if nobody holds it, or its holder is gone."""
        now = time.time()
        mine = {
            "token": self.token,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "beat": now,
            "status": "{}",
        }
        with self._record.write() as connection:
            record = connection.execute(sa.select(DISPATCHER)).first()
            if record is None:
                connection.execute(DISPATCHER.insert().values(id=1, **mine))
                return True
            if record.token != self.token and not _gone(record, now):
                return False
            # the old token in the condition: of two that try at once, one finds no row
            change = DISPATCHER.update().where(DISPATCHER.c.token == record.token).values(**mine)
            return connection.execute(change).rowcount == 1

    @steady
    def beat(self, status: Mapping[str, Any]) -> bool:
        """Renew the lease and publish the state of the workers; False where another dispatcher took over."""
        change = (
            DISPATCHER.update()
            .where(DISPATCHER.c.token == self.token)
            .values(beat=time.time(), status=dump(status))
        )
        with self._record.write() as connection:
            if connection.execute(change).rowcount == 1:
                return True
        # a record that was restored knows of no lease; nobody else has one then
        return self.acquire()

    @steady
    def release(self) -> None:
        """Give the lease back, so that a successor need not wait for it to run out."""
        with self._record.write() as connection:
            connection.execute(
                DISPATCHER.update().where(DISPATCHER.c.token == self.token).values(beat=0.0, token="")
            )

    # -- jobs ----------------------------------------------------------------------------------------------

    @steady
    def anything_waits(self) -> bool:
        """Whether the queue holds a job; a read only, because it is asked several times a second."""
        first = sa.select(JOBS.c.id).where(JOBS.c.state == "queued").limit(1)
        with self._record.read() as connection:
            return connection.execute(first).first() is not None

    @steady
    def take_back(self, in_flight: Mapping[int, Mapping[str, Any]]) -> list[int]:
        """Mark those of these jobs as running that the list has as waiting, and give their ids.

        They run already; a record that was restored meanwhile does not know it.

        Parameters
        ----------
        in_flight : id -> what the row said (attempts, started, worker).
        """
        if not in_flight:
            return []
        waiting = sa.select(JOBS.c.id).where(JOBS.c.id.in_(list(in_flight)), JOBS.c.state == "queued")
        with self._record.read() as connection:
            found = [int(i) for i in connection.scalars(waiting)]
        if found:
            with self._record.write() as connection:
                for job_id in found:
                    change = JOBS.update().where(JOBS.c.id == job_id, JOBS.c.state == "queued")
                    values = {**in_flight[job_id], "state": "running", "updated": time.time()}
                    connection.execute(change.values(**values))
        return found

    @steady
    def claim(self) -> JobRow | None:
        """Mark the first job of the queue as running and return it; None where the queue is empty."""
        now = time.time()
        first = (
            sa.select(JOBS)
            .where(JOBS.c.state == "queued")
            .order_by(JOBS.c.priority.desc(), JOBS.c.id)
            .limit(1)
        )
        with self._record.write() as connection:
            record = connection.execute(first).first()
            if record is None:
                return None
            values = {
                "state": "running",
                "started": now,
                "updated": now,
                "attempts": record.attempts + 1,
                "message": "Starting…"
                if record.attempts == 0
                else f"Attempt {record.attempts + 1}: waiting for the worker…",
                "progress": 0.0,
                "detail": "{}",
            }
            taken = connection.execute(
                JOBS.update().where(JOBS.c.id == record.id, JOBS.c.state == "queued").values(**values)
            )
            if taken.rowcount != 1:
                return None  # cancelled in between
            return to_row(connection.execute(sa.select(JOBS).where(JOBS.c.id == record.id)).one())

    @steady
    def to_stop(self) -> list[int]:
        """Running jobs that somebody asked to stop."""
        asked = sa.select(JOBS.c.id).where(JOBS.c.state == "running", JOBS.c.cancel_requested)
        with self._record.read() as connection:
            return [int(job_id) for (job_id,) in connection.execute(asked)]

    @steady
    def mirror(self, job_id: int, report: Mapping[str, Any]) -> None:
        """Write a worker's report into the row, if the job still runs."""
        values: dict[str, Any] = {"updated": time.time()}
        if "progress" in report:
            values["progress"] = float(report["progress"])
        if report.get("detail"):
            values["detail"] = dump(report["detail"])
        if "worker" in report:
            values["worker"] = str(report["worker"])
        running = sa.and_(JOBS.c.id == job_id, JOBS.c.state == "running")
        with self._record.write() as connection:
            connection.execute(JOBS.update().where(running).values(**values))
            if "message" in report:
                # a wish to stop keeps its own sentence
                connection.execute(
                    JOBS.update()
                    .where(running, JOBS.c.cancel_requested.is_(False))
                    .values(message=str(report["message"]))
                )

    @steady
    def end(
        self, job_id: int, state: str, message: str = "", result: Mapping[str, Any] | None = None
    ) -> bool:
        """Close a running job; False where somebody closed it before.

        The end goes into the journal too: a job that has run must not run again after a restore.
        """
        what = {"id": job_id, "state": state, "message": message, "result": dict(result or {})}
        with self._record.write() as connection:
            if not self._runs(connection, job_id):
                return False
            self._record.act(connection, "job-ended", "", what)
        return True

    @staticmethod
    def _runs(connection: sa.Connection, job_id: int) -> bool:
        running = sa.select(JOBS.c.id).where(JOBS.c.id == job_id, JOBS.c.state == "running")
        return connection.execute(running.with_for_update()).first() is not None

    @steady
    def requeue(self, job_id: int, reason: str, *, counts: bool = True) -> str:
        """Queue a running job again that lost its worker, or close it where that would not help.

        Parameters
        ----------
        reason : why, as a clause: "the worker process died".
        counts : False where the job was not to blame (an orderly stop), so that the attempt is not counted.

        Returns
        -------
        The state that the job is in now.
        """
        with self._record.write() as connection:
            record = connection.execute(
                sa.select(JOBS).where(JOBS.c.id == job_id, JOBS.c.state == "running")
            ).first()
            if record is None:
                return "gone"
            values = self._after_loss(record, reason, counts=counts)
            if values["state"] == "queued":
                values |= {"updated": time.time(), "worker": ""}
                connection.execute(JOBS.update().where(JOBS.c.id == job_id).values(**values))
            else:
                self._record.act(connection, "job-ended", "", {"id": job_id, "result": {}, **values})
            return str(values["state"])

    @steady
    def recover(self) -> list[int]:
        """Take care of the jobs that a dispatcher before this one left running; returns their ids."""
        with self._record.read() as connection:
            left = [
                int(i) for (i,) in connection.execute(sa.select(JOBS.c.id).where(JOBS.c.state == "running"))
            ]
        for job_id in left:
            self.requeue(job_id, "the job process was restarted while it ran")
        return left

    def _after_loss(self, record: sa.Row[Any], reason: str, *, counts: bool) -> dict[str, Any]:
        task = self.tasks.by_name.get(record.kind)
        if record.cancel_requested:
            return {"state": "cancelled", "message": "Cancelled."}
        if task is None or not task.restartable:
            return {"state": "interrupted", "message": f"Interrupted: {reason}. Retry starts it again."}
        if counts and record.attempts >= MAX_ATTEMPTS:
            times = f"{record.attempts} times"
            return {
                "state": "interrupted",
                "message": f"Interrupted {times}, last because {reason}; perhaps for lack of memory.",
            }
        return {
            "state": "queued",
            "message": f"Queued again: {reason}.",
            "attempts": record.attempts if counts else max(0, record.attempts - 1),
            "progress": 0.0,
        }


def _gone(record: sa.Row[Any], now: float) -> bool:
    if now - record.beat > LEASE_S:
        return True
    return record.host == socket.gethostname() and not psutil.pid_exists(record.pid)
