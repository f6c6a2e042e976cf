"""A worker whose job does not stop is given up and started again; the jobs behind it go on."""

from __future__ import annotations

import multiprocessing

import psutil
import pytest

from tests.jobs.conftest import Running
from xpcs_dash.jobs import dispatcher
from xpcs_dash.services import run_jobs
from xpcs_dash.settings import Settings

pytestmark = pytest.mark.slow


def impatient(settings):
    """The dispatcher as it runs, with a second of patience in place of many."""
    dispatcher.PATIENCE_S = 1.0
    run_jobs(settings, warm=False)


@pytest.fixture
def jobs(tmp_path):
    held = Running(Settings(state_dir=tmp_path / "state"))
    context = multiprocessing.get_context("spawn")
    held.process = context.Process(target=impatient, args=(held.settings,), daemon=True)
    held.process.start()
    held.until(lambda: held.client.dispatcher().workers)
    yield held
    held.stop()
    held.record.close()


def test_a_job_that_cannot_be_broken_off_costs_its_worker_and_nothing_else(jobs):
    stuck = jobs.client.submit("sleep", {"seconds": 600, "steps": 1}, "never looks up")
    following = jobs.client.submit("sleep", {"seconds": 0.05}, "waits behind it")
    before = jobs.wait(stuck, lambda row: row.worker != "")
    pid = int(before.worker.rpartition(":")[2])
    jobs.client.cancel(stuck)
    row = jobs.wait(following, lambda row: row.final)
    assert row.state == "done"
    assert row.worker != before.worker
    jobs.until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie")
    assert jobs.client.get(stuck).state == "cancelled"
    assert jobs.client.get(stuck).attempts == 1  # it is not tried again
