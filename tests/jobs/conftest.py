"""A dispatcher process with real Dask workers, as the supervisor starts it."""

from __future__ import annotations

import multiprocessing
import time

import pytest

from xpcs_dash.database.record import open_record
from xpcs_dash.jobs.client import JobClient
from xpcs_dash.services import job_tasks, run_jobs
from xpcs_dash.settings import Settings


class Running:
    """A dispatcher process on a state directory, and the client that the web would have."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        self.record = open_record(settings)
        self.client = JobClient(self.record, job_tasks())
        self.process = None

    def start(self):
        context = multiprocessing.get_context("spawn")
        self.process = context.Process(
            target=run_jobs, args=(self.settings,), kwargs={"warm": False}, daemon=True, name="dispatcher"
        )
        self.process.start()
        self.until(
            lambda: self.client.dispatcher().workers and self.client.dispatcher().pid == self.process.pid
        )
        return self

    def stop(self, *, kill: bool = False) -> None:
        if self.process is not None:
            self.process.kill() if kill else self.process.terminate()
            self.process.join(30)
            assert not self.process.is_alive()
            self.process = None

    @staticmethod
    def until(condition, timeout=40.0):
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)

    def wait(self, job_id, condition, timeout=40.0):
        """The row once it satisfies the condition."""
        end = time.monotonic() + timeout
        while not condition(row := self.client.get(job_id)):
            assert time.monotonic() < end, f"waited in vain: {row}"
            time.sleep(0.02)
        return row


@pytest.fixture
def make_running(tmp_path):
    made = []

    def make(**given) -> Running:
        made.append(Running(Settings(state_dir=tmp_path / "state", **given)))
        return made[-1]

    yield make
    for running in made:
        running.stop()
        running.record.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    made = Running(Settings(state_dir=tmp_path_factory.mktemp("jobs") / "state")).start()
    yield made
    made.stop()
    made.record.close()
