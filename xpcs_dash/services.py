"""Composition root: builds what the pages and routes call from the settings. Nothing is built at import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xpcs_dash.settings import Settings

if TYPE_CHECKING:
    import threading

    from xpcs_dash.analysis.kernel import ViewerKernel
    from xpcs_dash.database.catalogue import Catalogue
    from xpcs_dash.database.record import Record
    from xpcs_dash.jobs.client import JobClient
    from xpcs_dash.jobs.registry import Tasks
    from xpcs_dash.results.door import Door


@dataclass(frozen=True)
class Services:
    """What a page may use: handed to every layout and callback."""

    settings: Settings
    catalogue: Catalogue
    record: Record
    door: Door
    kernel: ViewerKernel
    jobs: JobClient

    def close(self) -> None:
        """Close all connections to databases."""
        self.catalogue.close()
        self.record.close()


def build_services(settings: Settings) -> Services:
    """Open the catalogue, the record and the caches that ``settings`` name.

    Raises
    ------
    UsageError
        Where the state directory or the catalogue cannot be used.
    """
    from xpcs_dash.analysis.kernel import ViewerKernel
    from xpcs_dash.backend import use_backend
    from xpcs_dash.database.catalogue import Catalogue
    from xpcs_dash.database.record import open_record
    from xpcs_dash.jobs.client import JobClient
    from xpcs_dash.results.door import Door
    from xpcs_dash.results.shared import open_shared

    use_backend(settings.backend)
    record = open_record(settings)
    catalogue = Catalogue(settings.catalogue, settings.roots, record.alias)
    door = Door(settings, catalogue.path_of)
    return Services(
        settings=settings,
        catalogue=catalogue,
        record=record,
        door=door,
        kernel=ViewerKernel(door, open_shared(settings)),
        jobs=JobClient(record, job_tasks()),
    )


def job_tasks() -> Tasks:
    """What jobs may do: the one place that knows it. A worker calls none but these functions."""
    from xpcs_dash.jobs.registry import Task, Tasks

    def fit(run: str) -> Task:
        room = "xpcs_dash.fits.run"
        return Task(run=f"{room}:{run}", prepare=f"{room}:prepare", finish=f"{room}:finish")

    def file(name: str) -> Task:
        room = "xpcs_dash.analysis.made"
        return Task(run=f"{room}:{name}", prepare=f"{room}:prepare_{name}")

    tasks = {
        "nlsq": fit("run_nlsq"),
        "nuts": fit("run_nuts"),
        "average": file("average"),
        "regroup": file("regroup"),
        "sleep": Task(run="xpcs_dash.jobs.sleep:run"),
    }
    return Tasks(tasks, warm="xpcs_dash.fits.run:warm")


def run_jobs(settings: Settings, stop: threading.Event | None = None, *, warm: bool = True) -> None:
    """The process that hands jobs to Dask; see `xpcs_dash.jobs.dispatcher.run`."""
    from xpcs_dash.jobs.dispatcher import run

    run(settings, job_tasks(), stop, warm=warm)
