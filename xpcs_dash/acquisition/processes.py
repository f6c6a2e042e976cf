"""What every process of the dashboard does at its start: end with its parent, one thread a library."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1

#: The array libraries of helper processes stay on one thread: there is a process for each core already.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}


def end_with_parent(parent: int, sig: int = signal.SIGTERM) -> None:
    """Ask the kernel for a signal when the parent process dies, however it dies.

    Parameters
    ----------
    parent : process id of the parent; if it is gone already this process ends here.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(sig), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def stop_event() -> threading.Event:
    """An event that SIGTERM sets; for the main thread of a process."""
    event = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: event.set())
    return event
