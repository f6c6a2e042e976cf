"""The job list as web processes use it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from xpcs_dash.database.record import Record
from xpcs_dash.database.record.tables import DISPATCHER, JOBS
from xpcs_dash.errors import UsageError
from xpcs_dash.jobs.client import JobClient
from xpcs_dash.services import job_tasks


@pytest.fixture
def record(tmp_path):
    made = Record(f"sqlite:///{tmp_path / 'record.sqlite'}", tmp_path)
    yield made
    made.close()


@pytest.fixture
def client(record):
    return JobClient(record, job_tasks())


def test_submitted_job_is_seen_by_a_second_client(client, record):
    job_id = client.submit("sleep", {"seconds": 1, "bins": [1, 4]}, "wait", priority=3, owner="ada")
    row = JobClient(record, job_tasks()).get(job_id)
    assert (row.kind, row.title, row.params, row.state, row.priority, row.owner) == (
        "sleep",
        "wait",
        {"seconds": 1, "bins": [1, 4]},
        "queued",
        3,
        "ada",
    )
    assert row.progress == 0.0
    assert row.started is None
    assert not row.final


def test_unknown_kind_names_the_known_ones(client):
    with pytest.raises(UsageError, match="sleep"):
        client.submit("shell", {}, "no")
    assert client.list() == []


def test_cancel_of_a_waiting_job_is_immediate_and_can_be_retried(client):
    job_id = client.submit("sleep", {}, "wait")
    assert client.cancel(job_id).state == "cancelled"
    assert client.get(job_id).final
    assert client.retry(job_id).state == "queued"
    assert client.get(job_id).message == ""


def test_cancel_of_a_running_job_asks_the_dispatcher(client, record):
    job_id = client.submit("sleep", {}, "wait")
    with record.engine.begin() as connection:
        connection.execute(JOBS.update().values(state="running"))
    row = client.cancel(job_id)
    assert row.state == "running"
    assert row.cancel_requested


def test_a_done_job_is_neither_cancelled_nor_retried(client, record):
    job_id = client.submit("sleep", {}, "wait")
    with record.engine.begin() as connection:
        connection.execute(JOBS.update().values(state="done", result='{"fit": "abc"}'))
    assert client.cancel(job_id).state == "done"
    with pytest.raises(UsageError, match="done"):
        client.retry(job_id)
    assert client.get(job_id).result == {"fit": "abc"}


def test_priority_changes_only_while_waiting(client, record):
    job_id = client.submit("sleep", {}, "wait")
    assert client.set_priority(job_id, 5).priority == 5
    with record.engine.begin() as connection:
        connection.execute(JOBS.update().values(state="running"))
    assert client.set_priority(job_id, 9).priority == 5


def test_list_is_newest_first_and_filters(client):
    ids = [client.submit("sleep", {}, f"{i}") for i in range(3)]
    client.cancel(ids[1])
    assert [row.id for row in client.list()] == ids[::-1]
    assert [row.id for row in client.list(states=["cancelled"])] == [ids[1]]
    assert [row.id for row in client.list(limit=1)] == [ids[2]]
    assert client.counts()["queued"] == 2


def test_stamp_changes_with_every_change(client):
    stamps = [client.stamp()]
    job_id = client.submit("sleep", {}, "wait")
    stamps.append(client.stamp())
    client.cancel(job_id)
    stamps.append(client.stamp())
    assert len(set(stamps)) == 3
    assert client.stamp() == stamps[-1]


def test_ids_are_not_given_out_twice(client):
    first = client.submit("sleep", {}, "wait")
    client.cancel(first)
    assert client.clear() == 1
    assert client.submit("sleep", {}, "wait") > first
    with pytest.raises(UsageError, match=str(first)):
        client.get(first)


def test_not_a_number_in_parameters_becomes_null(client):
    job_id = client.submit("sleep", {"value": float("nan")}, "wait")
    assert client.get(job_id).params == {"value": None}


def test_dispatcher_that_never_ran_and_one_that_went_quiet(client, record):
    assert not client.dispatcher().alive
    with record.engine.begin() as connection:
        connection.execute(
            DISPATCHER.insert().values(
                id=1, token="t", host="h", pid=4, beat=1000.0, status='{"workers": [{"pid": 5}]}'
            )
        )
    status = client.dispatcher()
    assert not status.alive
    assert status.workers == ()
    assert "last heard" in status.message


def test_the_client_pulls_in_no_dask_and_no_jax():
    heavy = "('distributed', 'dask', 'jax', 'arviz', 'arviz_stats')"
    code = f"import xpcs_dash.jobs.client, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
