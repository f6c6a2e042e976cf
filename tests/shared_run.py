"""What the processes of one run of the suite share, and what stays for the next run.

A run has a folder, which its first process makes and removes; the processes of pytest-xdist inherit its name.
Compiled programs stay in the user's cache: to compile the samplers and fits of the suite takes minutes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import platformdirs

RUN = "XPCS_DASH_TEST_RUN"
#: Bytes of compiled programs after which the next run begins with none.
MOST = 1_000_000_000


def begin() -> bool:
    """Make the folder of the run, unless another process has; true for the process that ends the run."""
    os.environ.update(compiled_programs())
    if RUN in os.environ:
        return False
    os.environ[RUN] = tempfile.mkdtemp(prefix="xpcs-dash-tests-")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # who ends the run ends its servers
    return True


def end() -> None:
    """End the servers that were started for the whole run, and remove its folder."""
    folder = Path(os.environ.pop(RUN))
    servers = [int(note.read_text()) for note in folder.glob("*/pid")]
    for pid in servers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 20
    while any(lives(pid) for pid in servers) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in servers:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def lives(pid: int) -> bool:
    """Whether a process runs: one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def alone(name: str) -> Iterator[Path]:
    """Folder ``name`` of the run, while no other process of the run is in it."""
    folder = Path(os.environ[RUN]) / name
    folder.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def compiled_programs() -> dict[str, str]:
    """Settings by which JAX, in every process that a test starts, keeps programs for the next run.

    They hold for one version of JAX and one kind of processor. What the user has set is left as it is.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return {}
    known = [version("jaxlib")]
    with contextlib.suppress(OSError):
        known += [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "flags" in line][:1]
    digest = hashlib.sha256("\n".join(known).encode()).hexdigest()[:12]
    top = platformdirs.user_cache_path("xpcs-dash-tests") / digest
    if sum(path.stat().st_size for path in top.rglob("*") if path.is_file()) > MOST:
        shutil.rmtree(top)
    return {
        "JAX_COMPILATION_CACHE_DIR": str(top / "jax-cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.01",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
