"""The web side of the job list: what it may ask for is given to it, and it knows nothing of Dask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpcs_dash.database.record.jobs import JobList
from xpcs_dash.database.record.store import Record
from xpcs_dash.jobs.registry import Tasks

__all__ = ["JobClient"]


class JobClient(JobList):
    """Submit, watch, cancel and retry jobs; see `JobList`.

    Parameters
    ----------
    record : where the rows are kept.
    tasks : what may be asked for.
    """

    def __init__(self, record: Record, tasks: Tasks) -> None:
        super().__init__(record)
        self._tasks = tasks

    def submit(
        self,
        kind: str,
        params: Mapping[str, Any],
        title: str,
        priority: int = 0,
        owner: str = "",
        files: Mapping[str, str] | None = None,
    ) -> int:
        """Queue a job and return its id; see `JobList.add`.

        Parameters
        ----------
        kind : the name of a task that was registered.
        files : public name -> version of every file that it works on.

        Raises
        ------
        UsageError
            Where no such kind of job exists.
        """
        self._tasks.find(kind)
        return self.add(kind, params, title, priority, owner, files)
