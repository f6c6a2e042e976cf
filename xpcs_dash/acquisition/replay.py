"""Feeds the files of a directory into a watched one again, in the order and rhythm in which they came."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from xpcs_dash.acquisition.processes import stop_event
from xpcs_dash.acquisition.scan import walk
from xpcs_dash.errors import UsageError, XpcsDashError
from xpcs_dash.logs import get_logger
from xpcs_dash.settings import Settings

log = get_logger(__name__)

#: Above so many files their time stamps are taken instead of the start times inside them.
OPEN_AT_MOST = 2000
#: Shortest pause between two files, s: each one is seen.
SHORTEST_S = 0.25


@dataclass(frozen=True)
class Item:
    """One file to replay.

    Attributes
    ----------
    when : its time, s since the epoch.
    """

    path: Path
    when: float


def plan(source: Path, suffixes: Sequence[str]) -> list[Item]:
    """Files below ``source`` in the order of their time.

    The time is the start of the acquisition where the file tells it, else the time stamp of the file.

    Raises
    ------
    UsageError
        Where there is no such directory, or nothing in it.
    """
    if not source.is_dir():
        raise UsageError(f"{source} is not a directory; give the directory whose files are to be replayed.")
    found = walk(source, suffixes).files
    if not found:
        raise UsageError(f"{source} holds no file ending in {', '.join(suffixes)}; give another directory.")
    look_inside = len(found) <= OPEN_AT_MOST
    items = [
        Item(Path(path), _start_of(Path(path), stat.mtime_ns / 1e9) if look_inside else stat.mtime_ns / 1e9)
        for path, stat in found.items()
    ]
    return sorted(items, key=lambda item: (item.when, item.path.name))


def _start_of(path: Path, otherwise: float) -> float:
    from xpcs_dash.acquisition.reading import ingest_door

    try:
        start = ingest_door().read(path).start_time
    except XpcsDashError:
        # damaged files are replayed as well: they were part of that shift
        return otherwise
    return otherwise if start is None else start.timestamp()


def pauses(items: Sequence[Item], speed: float, longest_s: float) -> list[float]:
    """Seconds to wait before each file: gaps divided by ``speed``, within limits."""
    found = [0.0]
    for before, after in pairwise(items):
        gap = max(after.when - before.when, 0.0) / speed
        found.append(min(max(gap, SHORTEST_S), max(longest_s, SHORTEST_S)))
    return found


def deliver(source: Path, target: Path) -> Path:
    """Put one file where it is watched: a link or copy under a temporary name, then renamed.

    The source is never written to; a hard link is used where both lie on one file system.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".temp")
    temporary.unlink(missing_ok=True)
    try:
        temporary.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, temporary)
    os.replace(temporary, target)  # noqa: PTH105 - the same call as the writers use
    # renaming one hard link onto another of the same file does nothing and leaves both
    temporary.unlink(missing_ok=True)
    return target


def run(
    settings: Settings, source: str, speed: float = 10.0, longest_s: float = 30.0, loop: bool = False
) -> None:
    """Replay until the end or SIGTERM; a process of ``replay``."""
    if settings.root is None:
        raise UsageError("a replay needs a directory to fill.")
    origin = Path(source)
    feed(origin, settings.root, plan(origin, settings.file_suffixes), speed, longest_s, loop, stop_event())


def feed(
    origin: Path,
    root: Path,
    items: Sequence[Item],
    speed: float,
    longest_s: float,
    loop: bool,
    stopping: threading.Event,
) -> int:
    """Deliver all items in their rhythm; returns how many were delivered."""
    waits, delivered, turn = pauses(items, speed, longest_s), 0, 1
    while True:
        for item, wait in zip(items, waits, strict=True):
            if stopping.wait(wait):
                return delivered
            place = root / item.path.relative_to(origin)
            if turn > 1:
                # a second showing is another file, or it would be recognised as the first one
                place = place.with_name(f"turn{turn}_{place.name}")
            try:
                deliver(item.path, place)
            except OSError as err:
                log.warning("a file cannot be replayed", file=item.path.name, reason=err.strerror or str(err))
                continue
            delivered += 1
        if not loop:
            return delivered
        turn += 1
        if stopping.wait(SHORTEST_S):
            return delivered
