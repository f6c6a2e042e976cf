"""The writer of the simulated beamline: a result file every few seconds, as the correlator writes them."""

from __future__ import annotations

import logging
import os
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

from xpcs_dash.acquisition.beamline import RAMP_FILES, file_name, make_result, plan_run
from xpcs_dash.acquisition.processes import stop_event
from xpcs_dash.errors import UsageError
from xpcs_dash.settings import Settings

log = logging.getLogger(__name__)

#: Files that a demo keeps, so that one that runs for days does not fill the disk.
KEEP = 1500


def write_file(root: Path, number: int, seed: int, start: datetime) -> Path:
    """Simulate and write file ``number``: ``.temp`` first, then its final name. Returns the path."""
    from xpcs_dash.hdf5.aps_writer import write_aps

    run = plan_run(number, seed)
    folder = root / f"cycle{number // RAMP_FILES + 1:02d}"
    folder.mkdir(parents=True, exist_ok=True)
    return write_aps(folder / file_name(run), make_result(run, seed, start))


def write_backlog(root: Path, count: int, seed: int, interval_s: float) -> list[Path]:
    """Files of the time before the demo began, with time stamps to match."""
    written = []
    now = datetime.now().astimezone().replace(tzinfo=None)
    for number in range(count):
        start = now - timedelta(seconds=(count - number) * max(interval_s, 4.5))
        path = write_file(root, number, seed, start)
        at = start.timestamp() + 4.3
        os.utime(path, (at, at))
        written.append(path)
    return written


def run(
    settings: Settings, interval_s: float = 4.0, seed: int = 1, backlog: int = 12, limit: int = 0
) -> None:
    """Write files until SIGTERM, or until ``limit`` files have been written; a process of ``demo``."""
    root = settings.root
    if root is None:
        raise UsageError("the simulator needs a directory to write to.")
    follow(root, interval_s, seed, backlog, limit, stop_event())


def follow(
    root: Path, interval_s: float, seed: int, backlog: int, limit: int, stopping: threading.Event
) -> int:
    """The loop of the simulator; returns the number of files written after the backlog."""
    # a simulator that is started again goes on where the last one ended
    existing = sorted(root.rglob("*_results.hdf"), key=lambda p: p.stat().st_mtime)
    kept = existing or write_backlog(root, backlog, seed, interval_s)
    number = max((int(path.name[1:6]) for path in kept), default=-1) + 1
    written, due = 0, time.monotonic()
    while not stopping.is_set() and (limit == 0 or written < limit):
        path = write_file(root, number, seed, datetime.now().astimezone().replace(tzinfo=None))
        log.debug("wrote %s", path.name)
        kept.append(path)
        number, written, due = number + 1, written + 1, due + interval_s
        while len(kept) > KEEP:
            kept.pop(0).unlink(missing_ok=True)
        stopping.wait(max(0.0, due - time.monotonic()))
    return written
