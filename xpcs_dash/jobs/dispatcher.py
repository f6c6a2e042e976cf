"""The one process that takes queued jobs to Dask and brings their progress back into the record.

It owns the cluster, so it must never import JAX; everything heavy happens in the spawned workers. Nothing is
imported here that starts Dask either, until `run` is called.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from xpcs_dash.database.record import open_record
from xpcs_dash.errors import XpcsDashError
from xpcs_dash.jobs.context import TOPIC
from xpcs_dash.jobs.queue import JobQueue
from xpcs_dash.jobs.registry import Task, Tasks, resolve
from xpcs_dash.logs import get_logger
from xpcs_dash.settings import Settings

if TYPE_CHECKING:
    from distributed import Client, Future

    from xpcs_dash.database.record.jobs import JobRow

log = get_logger(__name__)

TICK_S, IDLE_TICK_S = 0.05, 0.5
"""How often the queue is looked at; a click waits at most this long for its job to start."""

GRACE_S = 0.8
"""A job that was asked to stop and has not by then is shown as cancelled all the same."""

PATIENCE_S = 20.0
"""A worker whose job still has not stopped by then is restarted, at the price of its compiled programs."""

BEAT_S = 2.0


@dataclass
class Flight:
    """One attempt at one job that is with Dask."""

    row: JobRow
    run: int
    future: Future
    worker: str = ""
    asked: float | None = None
    closed: bool = False


def run(settings: Settings, tasks: Tasks, stop: threading.Event | None = None, *, warm: bool = True) -> None:
    """Dispatch jobs until told to stop: by ``stop``, by SIGTERM or SIGINT, or by the death of the parent.

    Jobs that run at that moment are queued again. A dispatcher that is killed leaves them to its successor.

    Parameters
    ----------
    settings : of the dashboard.
    tasks : what jobs may call; nothing else is called.
    stop : set from another thread to end; needed where this is not the main thread.
    warm : let every new worker import what fits need before the first click.
    """
    stop = stop or threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    record = open_record(settings)
    jobs = JobQueue(record, tasks)
    parent = os.getppid()
    try:
        while not stop.is_set() and not jobs.acquire():
            stop.wait(0.5)  # another dispatcher holds the list
        wait_s = 1.0
        while not stop.is_set():
            try:
                Dispatcher(settings, jobs, warm=warm).work(lambda: stop.is_set() or os.getppid() != parent)
                break
            except (OSError, XpcsDashError) as error:
                # a cluster of another machine may come back; the jobs stay in the list
                log.warning("jobs wait", reason=str(error))
                jobs.beat({"message": f"Jobs wait: {error}"})
                jobs.recover()
                stop.wait(wait_s)
                wait_s = min(15.0, 2 * wait_s)
    finally:
        jobs.release()
        record.close()


class Dispatcher:
    """One connection to a cluster and the jobs that it works on.

    Parameters
    ----------
    settings : of the dashboard.
    jobs : the job list, with the lease held.
    warm : let every new worker import what fits need before the first click.
    """

    def __init__(self, settings: Settings, jobs: JobQueue, *, warm: bool = True) -> None:
        self.settings = settings
        self.jobs = jobs
        self.flights: dict[int, Flight] = {}
        self.reports: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.workers: dict[str, dict[str, Any]] = {}
        self._runs = int(time.time() * 1000)
        self._side = ThreadPoolExecutor(max_workers=4, thread_name_prefix="jobs")
        self._last_beat = 0.0
        self._warm = warm and jobs.tasks.warm is not None
        self._allowed = jobs.tasks.callable_names
        self._warming: dict[str, Future] = {}

    def work(self, stopped: Callable[[], bool]) -> None:
        """Dispatch until ``stopped()``; then queue again what still runs and close the cluster.

        Raises
        ------
        OSError, XpcsDashError
            Where the connection to the cluster is lost.
        """
        from xpcs_dash.jobs.cluster import connect

        for job_id in self.jobs.recover():
            log.warning("a job was running when the last dispatcher ended", job=job_id)
        self.jobs.beat({"message": "Starting the workers."})
        client, close = connect(self.settings, self._allowed)
        try:
            client.subscribe_topic(TOPIC, lambda event: self.reports.put(event[1]))
            while not stopped():
                if client.status not in ("running", "connecting"):
                    raise ConnectionError(f"the connection to the Dask scheduler is {client.status}")
                self._tick(client)
                time.sleep(TICK_S if self.flights else IDLE_TICK_S)
        finally:
            for flight in self.flights.values():
                if not flight.closed:
                    self.jobs.requeue(flight.row.id, "the dashboard was stopped while it ran", counts=False)
            self._side.shutdown(wait=False, cancel_futures=True)
            close()

    # -- one turn of the loop --------------------------------------------------------------------------------

    def _tick(self, client: Client) -> None:
        self._mirror_reports()
        self._collect()
        self._stop_where_asked(client)
        self._start_waiting(client)
        if time.monotonic() - self._last_beat > BEAT_S:
            self._beat(client)

    def _mirror_reports(self) -> None:
        latest: dict[int, dict[str, Any]] = {}
        while True:
            try:
                report = orjson.loads(self.reports.get_nowait())
            except queue.Empty:
                break
            flight = self.flights.get(report["attempt"])
            if flight is None:
                continue  # of an attempt that is over
            latest.setdefault(flight.run, {}).update(report)
        for run_id, report in latest.items():
            flight = self.flights[run_id]
            flight.worker = report.get("worker", flight.worker)
            if not flight.closed:
                self.jobs.mirror(flight.row.id, report)

    def _collect(self) -> None:
        for flight in [f for f in self.flights.values() if f.future.done()]:
            del self.flights[flight.run]
            if flight.closed:
                continue
            if flight.future.status == "finished":
                self._finish(flight, flight.future.result())
            elif flight.future.status == "cancelled":
                self.jobs.requeue(flight.row.id, "the Dask scheduler dropped it")
            else:
                self._lost(flight)

    def _lost(self, flight: Flight) -> None:
        from distributed import KilledWorker

        error = flight.future.exception()
        if isinstance(error, KilledWorker):
            state = self.jobs.requeue(flight.row.id, "the worker process died")
            log.warning("a job lost its worker", job=flight.row.id, state=state)
        else:
            self.jobs.end(flight.row.id, "failed", f"{type(error).__name__}: {error}")

    def _finish(self, flight: Flight, outcome: dict[str, Any]) -> None:
        state, message, answer = outcome["state"], outcome["message"], outcome["answer"]
        if flight.asked is not None and state != "done":
            state, message = "cancelled", "Cancelled."
        finish = self.jobs.tasks.find(flight.row.kind).finish
        if state == "done" and finish is not None:
            try:
                answer = resolve(finish, self._allowed)(flight.row.params, answer, self.settings)
            except Exception as error:
                log.exception("a result could not be stored", job=flight.row.id)
                state, message = "failed", f"The result could not be stored: {error}"
        self.jobs.end(flight.row.id, state, message, answer if state == "done" else None)

    def _stop_where_asked(self, client: Client) -> None:
        now = time.monotonic()
        wanted = set(self.jobs.to_stop()) if self.flights else set()
        for flight in self.flights.values():
            if flight.asked is None and not flight.closed and flight.row.id in wanted:
                flight.asked = now
                self._side.submit(_tell, client, flight.row.id, flight.run)
            if flight.asked is None:
                continue
            if not flight.closed and now - flight.asked > GRACE_S:
                self.jobs.end(
                    flight.row.id, "cancelled", "Cancelled; the worker ends a step that cannot be broken off."
                )
                flight.closed = True
            elif flight.closed and now - flight.asked > PATIENCE_S:
                flight.asked = now
                self._side.submit(_restart_worker, client, self.workers, flight.worker)

    def _start_waiting(self, client: Client) -> None:
        from xpcs_dash.jobs.cluster import workers_of
        from xpcs_dash.jobs.worker import execute

        if not self.jobs.anything_waits():
            return
        for job_id in self.jobs.take_back(self._in_flight()):
            log.warning("a job runs, though the record that was restored says that it waits", job=job_id)
        free = sum(workers_of(client).values()) - len(self.flights)
        while free > 0 and (row := self.jobs.claim()) is not None:
            try:
                task = self.jobs.tasks.find(row.kind)
                params = self._prepared(task, row)
            except Exception as error:
                if not isinstance(error, XpcsDashError):
                    log.exception("a job could not be prepared", job=row.id)
                self.jobs.end(row.id, "failed", str(error) or type(error).__name__)
                continue
            self._runs += 1
            # the default number of Dask's own retries is for flaky tasks; ours are counted in the row
            future = client.submit(
                execute,
                row.id,
                self._runs,
                task.run,
                params,
                key=f"xpcs-dash-{row.id}-{self._runs}",
                pure=False,
            )
            self.flights[self._runs] = Flight(row, self._runs, future)
            free -= 1

    def _prepared(self, task: Task, row: JobRow) -> dict[str, Any]:
        if task.prepare is None:
            return row.params
        return dict(resolve(task.prepare, self._allowed)(row.params, self.settings))

    def _in_flight(self) -> dict[int, dict[str, Any]]:
        return {
            flight.row.id: {
                "attempts": flight.row.attempts,
                "started": flight.row.started,
                "worker": flight.worker,
            }
            for flight in self.flights.values()
            if not flight.closed
        }

    def _beat(self, client: Client) -> None:
        from xpcs_dash.jobs.cluster import workers_of

        self._last_beat = time.monotonic()
        addresses = workers_of(client)
        for address in [a for a in self.workers if a not in addresses]:
            del self.workers[address]
            self._warming.pop(address, None)
        self._side.submit(_look_at, client, self.workers, list(addresses))
        if self._warm:
            self._warm_up(client, [a for a in addresses if a not in self._warming])
        busy = {flight.worker: flight.row.id for flight in self.flights.values()}
        listed = [
            {"address": address, "job": busy.get(f"{known.get('host')}:{known.get('pid')}"), **known}
            for address, known in list(self.workers.items())
        ]
        message = "" if addresses else "No worker is up; the next one is being started."
        scheduler = client.scheduler.address if client.scheduler is not None else ""
        if not self.jobs.beat({"workers": listed, "scheduler": scheduler, "message": message}):
            raise XpcsDashError("another job process took over the job list")

    def _warm_up(self, client: Client, addresses: list[str]) -> None:
        for address in addresses:
            self._warming[address] = client.submit(
                call,
                self.jobs.tasks.warm,
                self._allowed,
                workers=[address],
                key=f"xpcs-dash-warm-{address}-{self._runs}",
                pure=False,
                priority=-10,
            )


def call(name: str, allowed: frozenset[str]) -> None:
    """Call the function ``module:function`` without arguments; executed on a worker."""
    resolve(name, allowed)()


def _tell(client: Client, job_id: int, run_id: int) -> None:
    from xpcs_dash.jobs.worker import stop

    client.run(stop, job_id, run_id, on_error="ignore")


def _look_at(client: Client, known: dict[str, dict[str, Any]], addresses: list[str]) -> None:
    from xpcs_dash.jobs.worker import describe

    known.update(client.run(describe, workers=addresses, on_error="ignore"))


def _restart_worker(client: Client, known: dict[str, dict[str, Any]], worker: str) -> None:
    for address, facts in list(known.items()):
        if f"{facts.get('host')}:{facts.get('pid')}" == worker:
            log.warning("a worker is restarted: its job does not stop", worker=worker)
            client.restart_workers([address], timeout=30, raise_for_error=False)
