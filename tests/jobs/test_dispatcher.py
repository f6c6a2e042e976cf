"""Queue, progress, cancel and recovery with real Dask worker processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from distributed import LocalCluster

pytestmark = pytest.mark.slow


def test_a_job_runs_on_the_worker_and_its_progress_is_seen(running):
    job_id = running.client.submit("sleep", {"seconds": 0.6, "steps": 12, "marker": "m"}, "wait")
    part = running.wait(job_id, lambda row: 0 < row.progress < 1)
    assert part.state == "running"
    assert part.message.startswith("waited")
    row = running.wait(job_id, lambda row: row.final)
    assert (row.state, row.progress, row.result["marker"]) == ("done", 1.0, "m")
    worker = running.client.dispatcher().workers[0]
    assert row.result["worker"] == row.worker == f"{worker['host']}:{worker['pid']}"
    assert worker["pid"] != running.process.pid


def test_a_failing_job_gives_its_sentence_and_a_retry_runs_again(running):
    job_id = running.client.submit(
        "sleep", {"seconds": 0.1, "fail": "no signal in q-bin 3; leave it out."}, "x"
    )
    row = running.wait(job_id, lambda row: row.final)
    assert (row.state, row.message) == ("failed", "no signal in q-bin 3; leave it out.")
    running.client.retry(job_id)
    assert running.wait(job_id, lambda row: row.final and row.attempts == 1).state == "failed"


def test_cancel_stops_a_running_job_and_the_worker_goes_on(running):
    job_id = running.client.submit("sleep", {"seconds": 30, "steps": 600}, "long")
    running.wait(job_id, lambda row: row.progress > 0)
    running.client.cancel(job_id)
    row = running.wait(job_id, lambda row: row.final)
    assert row.state == "cancelled"
    assert row.progress < 0.2
    assert row.result == {}
    following = running.client.submit("sleep", {"seconds": 0.05}, "next")
    assert running.wait(following, lambda row: row.final).state == "done"


def test_cancel_does_not_wait_for_a_step_that_cannot_be_broken_off(running):
    job_id = running.client.submit("sleep", {"seconds": 6, "steps": 1}, "one step")
    running.wait(job_id, lambda row: row.worker != "")
    running.client.cancel(job_id)
    row = running.wait(job_id, lambda row: row.final)
    assert row.state == "cancelled"
    assert row.finished - row.started < 5


def test_higher_priority_overtakes_the_queue(running):
    first = running.client.submit("sleep", {"seconds": 0.5}, "first")
    running.wait(first, lambda row: row.state == "running")
    low = running.client.submit("sleep", {"seconds": 0.1}, "low")
    high = running.client.submit("sleep", {"seconds": 0.1}, "high", priority=1)
    rows = [running.wait(i, lambda row: row.final) for i in (low, high)]
    assert rows[1].started < rows[0].started


def test_a_killed_worker_comes_back_and_its_job_runs_again(running):
    job_id = running.client.submit("sleep", {"seconds": 2, "steps": 40}, "to be killed")
    before = running.wait(job_id, lambda row: row.progress > 0)
    os.kill(int(before.worker.rpartition(":")[2]), signal.SIGKILL)
    queued = running.wait(job_id, lambda row: row.state == "queued")
    assert "worker process died" in queued.message
    row = running.wait(job_id, lambda row: row.final)
    assert (row.state, row.attempts) == ("done", 2)
    assert row.worker != before.worker


def test_the_dispatcher_never_imports_jax(running):
    maps = psutil.Process(running.process.pid).memory_maps()
    assert not [entry.path for entry in maps if "jaxlib" in entry.path]


def test_jobs_survive_a_killed_dispatcher_and_an_orderly_stop(make_running):
    held = make_running().start()
    running_id = held.client.submit("sleep", {"seconds": 3, "steps": 60}, "runs")
    waiting_id = held.client.submit("sleep", {"seconds": 0.1}, "waits")
    row = held.wait(running_id, lambda row: row.progress > 0)
    held.stop(kill=True)
    worker = int(row.worker.rpartition(":")[2])
    held.until(lambda: not psutil.pid_exists(worker) or psutil.Process(worker).status() == "zombie")
    assert held.client.get(running_id).state == "running"
    held.start()
    assert held.wait(running_id, lambda row: row.attempts == 2 and row.progress > 0).state == "running"
    held.stop()
    assert held.client.get(running_id).state == "queued"
    assert held.client.get(waiting_id).state == "queued"
    assert held.client.get(running_id).attempts == 1


def test_another_machines_cluster_is_used_by_its_address_only(make_running):
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1"
    ) as cluster:
        remote = make_running(scheduler=cluster.scheduler_address).start()
        assert remote.client.dispatcher().scheduler == cluster.scheduler_address
        job_id = remote.client.submit("sleep", {"seconds": 20, "steps": 400}, "far")
        row = remote.wait(job_id, lambda row: row.progress > 0)
        parent = psutil.Process(int(row.worker.rpartition(":")[2]))
        assert remote.process.pid not in [p.pid for p in parent.parents()]
        remote.client.cancel(job_id)
        assert remote.wait(job_id, lambda row: row.final).state == "cancelled"
        remote.stop()


def test_a_scheduler_that_does_not_answer_is_named_and_jobs_wait(make_running):
    lonely = make_running(scheduler="tcp://127.0.0.1:9")
    job_id = lonely.client.submit("sleep", {}, "waits")
    code = (
        "import threading, sys\n"
        "from pathlib import Path\n"
        "from xpcs_dash.services import run_jobs\n"
        "from xpcs_dash.settings import Settings\n"
        "run_jobs(Settings(state_dir=Path(sys.argv[1]), scheduler='tcp://127.0.0.1:9'), warm=False)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(lonely.settings.state_dir)], stderr=subprocess.PIPE
    )
    try:
        lonely.until(lambda: "tcp://127.0.0.1:9" in lonely.client.dispatcher().message)
        assert lonely.client.get(job_id).state == "queued"
        began = time.monotonic()
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert time.monotonic() - began < 30
