"""What a job sees of the outside while it runs: it reports progress and asks whether to stop."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from xpcs_dash.database.record.tables import dump
from xpcs_dash.errors import XpcsDashError

TOPIC = "xpcs-dash-jobs"
"""Dask topic on which workers report; one for all jobs, because the scheduler keeps a history of each."""

EVERY_S = 0.1
"""Reports that come faster than this are dropped, except the first, the last and those that are forced."""


class JobCancelled(XpcsDashError):
    """Raised by a job, or by `JobContext.check`, when somebody asked it to stop."""


class JobContext:
    """Progress and cancel of one attempt at one job.

    Nothing here touches the catalogue: a worker may sit on a machine that cannot reach it.

    Parameters
    ----------
    send : takes one JSON text; carries it to the dispatcher.
    stop : says whether somebody asked the job to stop; must be cheap, it is called between chunks.
    """

    def __init__(
        self, job_id: int, attempt: int, send: Callable[[str], None], stop: Callable[[], bool]
    ) -> None:
        self.job_id = job_id
        self.attempt = attempt
        self._send = send
        self._stop = stop
        self._last = 0.0

    def progress(
        self, fraction: float, message: str | None = None, *, force: bool = False, **detail: Any
    ) -> None:
        """Report how far the job is.

        Parameters
        ----------
        fraction : 0 to 1.
        message : one short sentence about what is being done.
        force : send even if the last report was only just sent.
        **detail : JSON-able numbers to show, for example ``r_hat=1.02, draws=400``.
        """
        now = time.monotonic()
        if not force and fraction < 1.0 and now - self._last < EVERY_S:
            return
        self._last = now
        report = {"progress": min(1.0, max(0.0, float(fraction))), "detail": detail}
        self.report(report if message is None else report | {"message": message})

    def report(self, values: Mapping[str, Any]) -> None:
        """Send one report; `progress` is the usual way."""
        self._send(dump({"job": self.job_id, "attempt": self.attempt, **values}))

    def cancelled(self) -> bool:
        """True once somebody asked the job to stop."""
        return self._stop()

    def check(self) -> None:
        """Stop here if somebody asked for it.

        Raises
        ------
        JobCancelled
            Where somebody did.
        """
        if self._stop():
            raise JobCancelled("Cancelled.")


def here() -> str:
    """``host:pid`` of this process, as the job list shows it."""
    return f"{socket.gethostname()}:{os.getpid()}"
