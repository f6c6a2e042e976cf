"""The writer of the simulated beamline: a result file every few seconds, as the correlator writes them."""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

from xpcs_dash.acquisition.beamline import RAMP_FILES, file_name, make_result, plan_run
from xpcs_dash.acquisition.beamline import truth as known
from xpcs_dash.acquisition.processes import stop_event
from xpcs_dash.errors import UsageError
from xpcs_dash.logs import get_logger
from xpcs_dash.settings import Settings

log = get_logger(__name__)

#: Files that a demo keeps, so that one that runs for days does not fill the disk.
KEEP = 1500


def truth_path(root: Path, path: Path, truth: Path) -> Path:
    """Where the truth of a file lies: the same folders below ``truth``, another end of the name."""
    below = path.relative_to(root)
    return truth / below.with_name(path.name.removesuffix("_results.hdf") + "_truth.json")


def write_file(root: Path, number: int, seed: int, start: datetime, truth: Path | None = None) -> Path:
    """Simulate and write file ``number``: ``.temp`` first, then its final name. Returns the path.

    With ``truth``, what was put in is written first, to `truth_path`.
    """
    from xpcs_dash.hdf5.aps_writer import write_aps

    run = plan_run(number, seed)
    folder = root / f"cycle{number // RAMP_FILES + 1:02d}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name(run)
    if truth is not None:
        beside = truth_path(root, path, truth)
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(known(run, seed).to_json() + "\n", encoding="utf-8")
    return write_aps(path, make_result(run, seed, start))


def write_backlog(
    root: Path, count: int, seed: int, interval_s: float, truth: Path | None = None
) -> list[Path]:
    """Files of the time before the demo began, with time stamps to match."""
    written = []
    now = datetime.now().astimezone().replace(tzinfo=None)
    for number in range(count):
        start = now - timedelta(seconds=(count - number) * max(interval_s, 4.5))
        path = write_file(root, number, seed, start, truth)
        at = start.timestamp() + 4.3
        os.utime(path, (at, at))
        written.append(path)
    return written


def run(
    settings: Settings,
    interval_s: float = 4.0,
    seed: int = 1,
    backlog: int = 12,
    limit: int = 0,
    truth: str | None = None,
) -> None:
    """Write files until SIGTERM, or until ``limit`` files have been written; a process of ``demo``."""
    root = settings.root
    if root is None:
        raise UsageError("the simulator needs a directory to write to.")
    beside = None if truth is None else Path(truth)
    follow(root, interval_s, seed, backlog, limit, stop_event(), beside)


def follow(
    root: Path,
    interval_s: float,
    seed: int,
    backlog: int,
    limit: int,
    stopping: threading.Event,
    truth: Path | None = None,
) -> int:
    """The loop of the simulator; returns the number of files written after the backlog.

    With ``truth``, the truth of each file lies below that directory as long as the file is kept.
    """
    # a simulator that is started again goes on where the last one ended
    existing = sorted(root.rglob("*_results.hdf"), key=lambda p: p.stat().st_mtime)
    kept = existing or write_backlog(root, backlog, seed, interval_s, truth)
    number = max((int(path.name[1:6]) for path in kept), default=-1) + 1
    written, due = 0, time.monotonic()
    while not stopping.is_set() and (limit == 0 or written < limit):
        path = write_file(root, number, seed, datetime.now().astimezone().replace(tzinfo=None), truth)
        log.debug("wrote a file", file=path.name)
        kept.append(path)
        number, written, due = number + 1, written + 1, due + interval_s
        while len(kept) > KEEP:
            gone = kept.pop(0)
            gone.unlink(missing_ok=True)
            if truth is not None:
                truth_path(root, gone, truth).unlink(missing_ok=True)
        stopping.wait(max(0.0, due - time.monotonic()))
    return written
