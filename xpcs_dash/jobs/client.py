"""The web side of the job list: it knows the kinds of jobs by name, and nothing of Dask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpcs_dash.database.record.jobs import JobList
from xpcs_dash.errors import UsageError
from xpcs_dash.jobs.registry import KINDS

__all__ = ["JobClient"]


class JobClient(JobList):
    """Submit, watch, cancel and retry jobs; see `JobList`."""

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
        kind : a name of `xpcs_dash.jobs.registry.KINDS`.
        files : public name -> version of every file that it works on.

        Raises
        ------
        UsageError
            Where no such kind of job exists.
        """
        if kind not in KINDS:
            raise UsageError(f"no kind of job is called {kind!r}; there are {', '.join(sorted(KINDS))}.")
        return self.add(kind, params, title, priority, owner, files)
