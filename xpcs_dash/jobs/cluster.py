"""The Dask side of the dispatcher: a local cluster of spawned workers, or somebody else's by its address."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psutil

from xpcs_dash.errors import UsageError
from xpcs_dash.logs import current_logging
from xpcs_dash.settings import Settings

if TYPE_CHECKING:
    from distributed import Client

MEMORY_SHARE = 0.6
"""Share of the machine's memory that all local workers together may fill; above it a worker is restarted."""


def connect(settings: Settings, allowed: frozenset[str]) -> tuple[Client, Callable[[], None]]:
    """Client of the cluster that the settings name, and the function that closes both.

    Local workers are spawned, never forked: a child forked after JAX ran hangs. Each has one thread and a
    nanny that starts it again when it is killed. The scheduler listens on the loopback address only.

    Parameters
    ----------
    settings : of the dashboard.
    allowed : dotted names that a worker may call.

    Raises
    ------
    UsageError
        Where the address in ``scheduler`` does not answer.
    """
    import dask
    from distributed import Client, LocalCluster

    from xpcs_dash.jobs.worker import JobPlugin

    dask.config.set(
        {
            # a lost worker is ours to handle: the row says so, and the job keeps its place in the queue
            "distributed.scheduler.allowed-failures": 0,
            "distributed.worker.multiprocessing-method": "spawn",
            "distributed.admin.low-level-log-length": 100,
            "distributed.comm.timeouts.connect": "10s",
            # a control-room machine idles most of the time: no profiler, no bookkeeping many times a second
            "distributed.worker.profile.enabled": False,
            "distributed.admin.tick.interval": "2s",
            "distributed.admin.tick.limit": "10s",
            "distributed.admin.system-monitor.interval": "5s",
            "distributed.worker.memory.monitor-interval": "1s",
            "distributed.scheduler.work-stealing": False,
        }
    )
    if settings.scheduler is not None:
        try:
            client = Client(settings.scheduler, timeout="10s", name="xpcs-dash", set_as_default=False)
        except (OSError, ValueError) as error:
            raise UsageError(
                f"no Dask scheduler answers at {settings.scheduler} ({error}); start one there."
            ) from None
        client.register_plugin(JobPlugin(None, allowed, niceness=0))
        return client, client.close
    # a daemonic process may not have children, and the dispatcher's nannies need some
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    cluster = LocalCluster(
        n_workers=settings.job_workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        memory_limit=int(MEMORY_SHARE * psutil.virtual_memory().total / settings.job_workers),
        local_directory=str(settings.state_dir / "dask"),
        silence_logs=40,
    )
    client = Client(cluster, name="xpcs-dash", set_as_default=False)
    client.register_plugin(
        JobPlugin(str(settings.state_dir / "jax-cache"), allowed, niceness=5, logging=current_logging())
    )

    def close() -> None:
        client.close(timeout=2)
        cluster.close(timeout=5)

    return client, close


def workers_of(client: Client) -> dict[str, Any]:
    """Address -> number of threads of the workers that are up, from the client's own copy of the state."""
    info = client.scheduler_info(n_workers=-1).get("workers", {})
    return {address: worker.get("nthreads", 1) for address, worker in info.items()}
