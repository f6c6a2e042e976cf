"""What the dispatcher does to the rows, without any Dask."""

from __future__ import annotations

import os
import socket
import time
from types import SimpleNamespace

import pytest

from xpcs_dash.database.record import Record
from xpcs_dash.database.record.tables import DISPATCHER, JOBS
from xpcs_dash.errors import UsageError
from xpcs_dash.jobs import worker
from xpcs_dash.jobs.client import JobClient
from xpcs_dash.jobs.queue import MAX_ATTEMPTS, JobQueue
from xpcs_dash.jobs.registry import Task, Tasks, resolve
from xpcs_dash.services import job_tasks


@pytest.fixture
def record(tmp_path):
    made = Record(f"sqlite:///{tmp_path / 'record.sqlite'}", tmp_path)
    yield made
    made.close()


@pytest.fixture
def client(record):
    return JobClient(record, job_tasks())


@pytest.fixture
def jobs(record):
    return JobQueue(record, job_tasks())


def test_claims_by_priority_then_by_age(client, jobs):
    low, first, second = (client.submit("sleep", {}, "t", priority=p) for p in (0, 2, 2))
    assert [jobs.claim().id for _ in range(3)] == [first, second, low]
    assert jobs.claim() is None
    assert client.get(first).state == "running"
    assert client.get(first).attempts == 1


def test_reports_reach_the_row_and_a_closed_row_takes_none(client, jobs):
    job_id = client.submit("sleep", {}, "t")
    jobs.claim()
    jobs.mirror(job_id, {"progress": 0.4, "detail": {"r_hat": 1.2}, "message": "warming up", "worker": "h:1"})
    row = client.get(job_id)
    assert (row.progress, row.detail, row.message, row.worker) == (0.4, {"r_hat": 1.2}, "warming up", "h:1")
    assert jobs.end(job_id, "done", result={"fit": "x"})
    jobs.mirror(job_id, {"progress": 0.1})
    assert not jobs.end(job_id, "failed", "too late")
    row = client.get(job_id)
    assert (row.state, row.progress, row.result) == ("done", 1.0, {"fit": "x"})


def test_a_wish_to_stop_is_found_and_keeps_its_sentence(client, jobs):
    job_id = client.submit("sleep", {}, "t")
    jobs.claim()
    client.cancel(job_id)
    jobs.mirror(job_id, {"progress": 0.5, "message": "sampling"})
    assert jobs.to_stop() == [job_id]
    assert client.get(job_id).message == "Stopping…"


def test_a_lost_worker_queues_again_until_it_has_happened_too_often(client, jobs):
    job_id = client.submit("sleep", {}, "t")
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert jobs.claim().attempts == attempt
        state = jobs.requeue(job_id, "the worker process died")
        assert state == ("queued" if attempt < MAX_ATTEMPTS else "interrupted")
    assert "the worker process died" in client.get(job_id).message
    assert client.get(job_id).finished is not None
    assert client.retry(job_id).attempts == 0


def test_an_orderly_stop_does_not_count_as_an_attempt(client, jobs):
    job_id = client.submit("sleep", {}, "t")
    for _ in range(MAX_ATTEMPTS + 2):
        jobs.claim()
        assert jobs.requeue(job_id, "stopped", counts=False) == "queued"
    assert client.get(job_id).attempts == 0


def test_recovery_never_loses_a_job(record):
    once = Task(run="xpcs_dash.jobs.sleep:run", restartable=False)
    tasks = Tasks({**job_tasks().by_name, "once": once})
    client, jobs = JobClient(record, tasks), JobQueue(record, tasks)
    again, stopped, once = (
        client.submit("sleep", {}, "a"),
        client.submit("sleep", {}, "b"),
        client.submit("once", {}, "c"),
    )
    for _ in range(3):
        jobs.claim()
    client.cancel(stopped)
    assert sorted(jobs.recover()) == [again, stopped, once]
    assert [client.get(i).state for i in (again, stopped, once)] == ["queued", "cancelled", "interrupted"]
    assert jobs.recover() == []


def test_only_one_dispatcher_holds_the_list(record, jobs):
    assert jobs.acquire()
    other = JobQueue(record, job_tasks())
    assert not other.acquire()
    assert jobs.beat({"workers": []})
    jobs.release()
    assert other.acquire()
    assert not jobs.beat({})


def test_the_lease_of_a_dead_process_is_taken_at_once(record, jobs):
    assert jobs.acquire()
    with record.engine.begin() as connection:
        connection.execute(DISPATCHER.update().values(host=socket.gethostname(), pid=_free_pid()))
    assert JobQueue(record, job_tasks()).acquire()


def test_the_lease_of_a_silent_process_elsewhere_runs_out(record, jobs):
    assert jobs.acquire()
    other = JobQueue(record, job_tasks())
    with record.engine.begin() as connection:
        connection.execute(DISPATCHER.update().values(host="elsewhere", pid=os.getpid()))
    assert not other.acquire()
    with record.engine.begin() as connection:
        connection.execute(DISPATCHER.update().values(beat=time.time() - 60))
    assert other.acquire()


def _free_pid() -> int:
    pid = 4_000_000
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return pid
        except PermissionError:
            pass
        pid -= 1


def test_a_job_that_runs_is_taken_back_from_a_record_that_says_it_waits(client, jobs):
    runs, waits = client.submit("sleep", {}, "runs", priority=1), client.submit("sleep", {}, "waits")
    row = jobs.claim()
    assert row.id == runs
    with jobs._record.write() as db:  # as a restore leaves it
        db.execute(JOBS.update().values(state="queued", attempts=0, started=None, worker=""))
    flight = {runs: {"attempts": row.attempts, "started": row.started, "worker": "h:1"}}
    assert jobs.take_back(flight) == [runs]
    assert jobs.take_back(flight) == []
    again = client.get(runs)
    assert (again.state, again.attempts, again.started, again.worker) == ("running", 1, row.started, "h:1")
    assert jobs.claim().id == waits


def test_a_dispatcher_keeps_its_lease_in_a_record_that_was_restored(jobs):
    assert jobs.acquire()
    with jobs._record.write() as db:
        db.execute(DISPATCHER.delete())
    assert jobs.beat({"workers": []})
    other = JobQueue(jobs._record, job_tasks())
    assert not other.acquire()
    with jobs._record.write() as db:
        db.execute(DISPATCHER.update().values(token="another", beat=time.time()))
    assert not jobs.beat({"workers": []})


def test_only_what_was_registered_is_called():
    allowed = job_tasks().callable_names
    assert {"xpcs_dash.fits.run:run_nuts", "xpcs_dash.fits.run:finish"} <= allowed
    for name in allowed:
        assert callable(resolve(name, allowed))
    for name in ("os:getcwd", "xpcs_dash.jobs.sleep:here", "xpcs_dash.fits.run:os.getcwd"):
        with pytest.raises(UsageError, match="not among"):
            resolve(name, allowed)


def test_a_worker_refuses_a_name_that_was_not_registered(monkeypatch):
    plugin = worker.JobPlugin(None, job_tasks().callable_names)
    fake = SimpleNamespace(plugins={worker.PLUGIN: plugin}, log_event=lambda *_: None)
    monkeypatch.setattr(worker, "get_worker", lambda: fake)
    said = worker.execute(1, 1, "os:getcwd", {})
    assert said["state"] == "failed"
    assert "not among" in said["message"]
    assert worker.execute(1, 1, "xpcs_dash.jobs.sleep:run", {"seconds": 0.0, "steps": 1})["state"] == "done"


def test_the_queue_knows_no_kinds(record):
    queue = JobQueue(record, Tasks())
    job_id = JobClient(record, Tasks({"count": Task(run="builtins:len")})).submit("count", {}, "t")
    assert queue.claim().kind == "count"
    assert queue.requeue(job_id, "lost") == "interrupted"
