"""When a file is finished: its size and time stand still, nobody is writing it, and it can be read.

A file goes from *seen* through *settling* to *being read*, and ends as ready or failed; what does not work
yet is tried again with growing pauses. The rules are functions of what was seen and of the clock.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from xpcs_dash.acquisition.scan import Stat

#: Pause before the second try and the longest pause, s.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 10.0
#: A file that is broken for good fails after it has stood still for so long, s: it may yet be one that is
#: being written piece by piece.
GRACE_S = 2.0
#: A local writer that was seen to write and not to close holds the file back for so long without a change, s.
OPEN_LIMIT_S = 10.0

Verdict = Literal["retry", "failed"]


@dataclass
class Pending:
    """A file on its way from being seen to being ready.

    Attributes
    ----------
    stat : the version seen last.
    since : monotonic time from which this version is known to stand still, s.
    due : monotonic time of the next look, s.
    sort_at : arrival in the catalogue's order, s since the epoch.
    backlog : True for files that were there before ingest looked; their arrival is their own time stamp.
    attempts : reads that failed since the last change.
    forced : a person asked for it: read it even where a writer holds it.
    """

    path: str
    stat: Stat
    since: float
    due: float
    sort_at: float
    backlog: bool = False
    attempts: int = 0
    forced: bool = False
    reading: bool = False
    reason: str | None = None

    def changed(self, found: Stat, now: float, settle_s: float) -> None:
        """Note a new version: everything starts again."""
        self.stat, self.since, self.due = found, now, now + settle_s
        self.attempts, self.backlog = 0, False


def pause(attempts: int) -> float:
    """Seconds until the next try after ``attempts`` failures: doubling, with an upper limit."""
    return float(min(FIRST_PAUSE_S * 2.0 ** min(max(attempts - 1, 0), 30), LONGEST_PAUSE_S))


def verdict(transient: bool, still_s: float, retry_limit_s: float) -> Verdict:
    """What to do with a file that could not be read.

    Parameters
    ----------
    transient : whether waiting may help (truncated, locked, empty), as the reader says.
    still_s : seconds for which the file has not changed.
    retry_limit_s : seconds after which a file that might have healed goes to quarantine.
    """
    limit = retry_limit_s if transient else min(GRACE_S, retry_limit_s)
    return "failed" if still_s >= limit else "retry"


def writer_of(path: str | Path, locks: str | Path = "/proc/locks") -> int | None:
    """Process id of a writer that holds an exclusive lock on a file, or None.

    HDF5 locks a file that is open for writing with ``flock``. The kernel's list of locks is read, no lock is
    tried: a reader that takes even a shared lock for a moment makes the writer's own open fail.
    """
    try:
        lines = Path(locks).read_text(encoding="ascii", errors="replace")
        if " WRITE " not in lines:
            return None
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    device = (os.major(found.st_dev), os.minor(found.st_dev))
    for line in lines.splitlines():
        fields = line.split()
        # "7: FLOCK ADVISORY WRITE 4711 fd:01:1234567 0 EOF"; lines with "->" only wait for a lock
        if len(fields) < 8 or fields[1] != "FLOCK" or fields[3] != "WRITE":
            continue
        major, minor, inode = fields[5].split(":")
        if int(inode) != found.st_ino:
            continue
        # overlay, btrfs and network mounts report another device number to stat than to the lock list
        if device[0] == 0 or (int(major, 16), int(minor, 16)) == device:
            return int(fields[4])
    return None


def held_reason(path: str | Path, pid: int | None) -> str:
    """Sentence for a file that a writer holds open."""
    if pid is None:
        return f"{Path(path).name} is still being written."
    try:
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        name = ""
    who = f"{name} (process {pid})" if name else f"process {pid}"
    return f"{Path(path).name} is held open for writing by {who}; it is read when that process closes it."


def next_look(
    item: Pending,
    found: Stat | None,
    now: float,
    settle_s: float,
    is_open: Callable[[str], bool],
    writer: Callable[[str], int | None] = writer_of,
) -> Literal["read", "wait", "gone"]:
    """Decide about a file that is due; updates ``item`` where it has to wait."""
    if found is None:
        return "gone"
    if found != item.stat:
        item.changed(found, now, settle_s)
        return "wait"
    if now - item.since < settle_s:
        item.due = item.since + settle_s
        return "wait"
    if item.forced:
        return "read"
    pid = writer(item.path)
    if pid is not None or (is_open(item.path) and now - item.since < OPEN_LIMIT_S):
        item.reason = held_reason(item.path, pid)
        item.due = now + min(0.25 + 0.1 * (now - item.since), 2.0)
        return "wait"
    return "read"


def quarantined(reason: str, still_s: float) -> str:
    """Sentence for a file that is given up: the reader's reason and how long it was tried."""
    text = reason.strip().rstrip(".")
    return f"{text}; unchanged for {still_s:.0f} s and given up, retry it once it is repaired."
