"""What runs inside a Dask worker: the task that calls a job's function, and the plugin with the stop flags.

The plugin is set up on every worker, also on one that the nanny starts again after the old one was killed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distributed import Worker, WorkerPlugin, get_worker

from xpcs_dash.errors import XpcsDashError
from xpcs_dash.jobs.context import TOPIC, JobCancelled, JobContext, here
from xpcs_dash.jobs.registry import resolve
from xpcs_dash.logs import Logging, get_logger

log = get_logger(__name__)
PLUGIN = "xpcs-dash-jobs"


class JobPlugin(WorkerPlugin):
    """Compilation cache of the worker, and which attempts were asked to stop.

    Parameters
    ----------
    cache_dir : directory of the persistent compilation cache; None where workers choose their own
        (another machine need not see the state directory).
    allowed : dotted names that jobs may call; what is not among them is refused.
    niceness : how far a worker steps back behind the web processes of the same machine.
    logging : how the dispatcher logs, and workers with it; None leaves that to whoever started them.
    """

    name = PLUGIN

    def __init__(
        self,
        cache_dir: str | None,
        allowed: frozenset[str] = frozenset(),
        niceness: int = 0,
        logging: Logging | None = None,
    ) -> None:
        self.cache_dir = cache_dir
        self.allowed = allowed
        self.niceness = niceness
        self.logging = logging
        self.stopped: set[tuple[int, int]] = set()

    def setup(self, worker: Worker) -> None:
        """Set what JAX reads when a job imports it; to import it here would slow the start of a worker."""
        self.stopped = set()
        if self.logging is not None:
            self.logging.begin("worker")
        if self.cache_dir is not None:
            Path(self.cache_dir).mkdir(parents=True, exist_ok=True)
            os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", self.cache_dir)
            os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
            os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")
        if self.niceness > os.nice(0):
            os.nice(self.niceness - os.nice(0))
        log.info("job worker ready", address=worker.address, pid=os.getpid())


def stop(job_id: int, attempt: int, dask_worker: Worker | None = None) -> None:
    """Ask an attempt to stop; executed on every worker through ``Client.run``."""
    plugin = dask_worker.plugins.get(PLUGIN) if dask_worker is not None else None
    if isinstance(plugin, JobPlugin):
        plugin.stopped.add((job_id, attempt))


def describe() -> dict[str, Any]:
    """Process id, host and memory of a worker; executed through ``Client.run``."""
    import psutil

    process = psutil.Process()
    return {
        "pid": process.pid,
        "host": here().partition(":")[0],
        "memory_mb": process.memory_info().rss / 1e6,
    }


def execute(job_id: int, attempt: int, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Run the function ``module:function`` that a job names, where it is one of those that jobs may call.

    Errors come back as text: an exception class of a numerics package need not exist in the dispatcher.

    Returns
    -------
    ``{"state": "done"|"cancelled"|"failed", "answer": {...}, "message": str, "seconds": float}``.
    """
    worker = get_worker()
    plugin = worker.plugins.get(PLUGIN)
    key = (job_id, attempt)

    def asked_to_stop() -> bool:
        return isinstance(plugin, JobPlugin) and key in plugin.stopped

    context = JobContext(job_id, attempt, lambda text: worker.log_event(TOPIC, text), asked_to_stop)
    context.report({"worker": here(), "started": True})
    began = time.perf_counter()
    try:
        context.check()
        allowed = plugin.allowed if isinstance(plugin, JobPlugin) else frozenset()
        answer = dict(resolve(name, allowed)(dict(params), context))
        state, message = "done", ""
    except JobCancelled as reason:
        state, answer, message = "cancelled", {}, str(reason)
    except Exception as error:
        if not isinstance(error, XpcsDashError):
            log.exception("a job failed", job=job_id)
        state, answer, message = "failed", {}, explain(error)
    finally:
        if isinstance(plugin, JobPlugin):
            plugin.stopped.discard(key)
    return {"state": state, "answer": answer, "message": message, "seconds": time.perf_counter() - began}


def explain(error: BaseException) -> str:
    """One sentence about an error: our own as they stand, others with the name of their class."""
    if isinstance(error, XpcsDashError):
        return str(error)
    if isinstance(error, MemoryError):
        return "The worker ran out of memory; select fewer q-bins or fewer draws and retry."
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no further explanation'}"
