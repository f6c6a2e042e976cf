"""What is in the watched directory: compares what is seen with what the catalogue holds.

Files that are not seen any more are gone only where the disk that they lay on is still there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from xpcs_dash.acquisition.journal import Journal
from xpcs_dash.acquisition.mounts import Ground, ground_of
from xpcs_dash.acquisition.readiness import Pending
from xpcs_dash.acquisition.rows import Change, Known
from xpcs_dash.acquisition.scan import Scan, Stat, is_gone, may_read, stat_of
from xpcs_dash.acquisition.schedule import Schedule
from xpcs_dash.logs import get_logger

log = get_logger(__name__)

#: Stands for a file that the catalogue names and nobody has read: equal to none on disk.
UNREAD = Stat(-1, -1, -1)
#: Seconds for which a look at the mounts counts: files that are gone come by the thousand.
GROUND_S = 0.2


class Look(NamedTuple):
    """A path to look at, and what a walk found there."""

    path: str
    backlog: bool = False
    found: Stat | None = None


class Presence:
    """Files that are known, and what to do about each path that is seen, changed or missing.

    Parameters
    ----------
    root : the watched directory.
    journal, schedule : where changes and files to read go.
    problems : sentences for the health strip, by subject.
    settle_s : seconds for which a file must stand still.
    inodes : whether inode numbers last; some network file systems hand out new ones with every mount.
    """

    def __init__(
        self,
        root: Path,
        journal: Journal,
        schedule: Schedule,
        problems: dict[str, str],
        settle_s: float,
        inodes: Callable[[], bool],
    ) -> None:
        self.root, self._journal, self._schedule = root, journal, schedule
        self._problems, self._settle_s, self._inodes = problems, settle_s, inodes
        self._top = f"{os.fspath(root).rstrip(os.sep)}{os.sep}"
        self.known: dict[str, Known] = {}
        self._by_stat: dict[Stat, str] = {}
        self._denied: set[str] = set()
        self._unfitted: dict[str, Known] = {}
        self.ground: Ground | None = None
        self._now, self._now_at = Ground(), float("-inf")
        self._walked = False

    # What is known.

    def load(self, rows: Mapping[str, Known], ground: Ground | None) -> None:
        """Take over what the catalogue holds, and what the directory stood on when it was last written."""
        self.ground = ground
        # a file that was moved leaves a row behind: of two with one identity the one that is there counts
        for path, known in sorted(rows.items(), key=lambda row: row[1].state != "gone"):
            if known.state == "waiting":
                # seen in an earlier run, not read: like no file on disk, so the first walk takes it up again
                self.known[path] = known._replace(stat=UNREAD)
                continue
            if known.outdated:
                # its numbers belong to other settings: it stays on the screen until it has been read again
                self.known[path] = known._replace(stat=UNREAD, has_fit=True)
                continue
            self.known[path] = known
            self._by_stat[known.stat] = path

    def remember(
        self, item: Pending, columns: Mapping[str, Any] | None = None, *, denied: bool = False
    ) -> None:
        """Note what became of a file.

        Parameters
        ----------
        columns : what was read of it; None for one that failed.
        denied : it failed for want of rights.
        """
        before = self.known.get(item.path)
        if before is not None and self._by_stat.get(before.stat) == item.path:
            del self._by_stat[before.stat]
        state, found = ("failed", {}) if columns is None else ("ready", columns)
        curves = "multitau" in found.get("kinds", ())
        known = Known(item.stat, state, columns is not None, "fit" in found, item.sort_at, curves)
        self.known[item.path] = known
        self._by_stat[item.stat] = item.path
        (self._denied.add if denied else self._denied.discard)(item.path)

    def fitted(self, path: str) -> None:
        """Note that the fit of a file is stored."""
        if path in self.known:
            self.known[path] = self.known[path]._replace(has_fit=True)

    def set_aside(self, path: str, reason: str) -> None:
        """Quarantine a path that cannot be dealt with; never raises."""
        item, before = self._schedule.drop(path), self.known.get(path)
        found, sort_at = UNREAD, time.time()
        if before is not None:
            found, sort_at = before.stat, before.sort_at
        if item is not None:
            found, sort_at = item.stat, item.sort_at
        try:
            # at rest until it changes
            found = stat_of(path) or found
        except (OSError, ValueError):
            log.debug("a file cannot be looked at", path=path)
        self.known[path] = Known(found, "failed", False, False, sort_at)
        self._journal.add(Change("failed", path, found, sort_at, {"reason": reason}))

    @property
    def is_away(self) -> bool:
        """Whether the directory, or a disk below it, is not there now."""
        return not {"root", "mounts"}.isdisjoint(self._problems)

    def out_of_reach(self, path: str, err: OSError) -> None:
        """A path that a person asked for and that cannot be looked at: what is known of it stays."""
        known = self.known.get(path)
        if known is not None and known.state == "failed":
            reason = f"{Path(path).name} cannot be looked at: {err.strerror or err}; retry it once it can."
            self._journal.add(Change("failed", path, known.stat, known.sort_at, {"reason": reason}))
        log.warning("a file cannot be looked at", path=path, reason=str(err))

    def take_unfitted(self) -> dict[str, Known]:
        """Files that came back without a fit since the last call."""
        found, self._unfitted = self._unfitted, {}
        return found

    def count(self) -> int:
        """Number of files that are there."""
        here = sum(known.state != "gone" for path, known in self.known.items())
        return here + sum(path not in self.known for path in self._schedule.items)

    def same(self, a: Stat, b: Stat) -> bool:
        """Whether two looks at a path saw the same content."""
        alike = (a.mtime_ns, a.size) == (b.mtime_ns, b.size)
        return alike and (a.inode == b.inode or not self._inodes())

    # What is seen.

    def look(
        self, path: str, *, backlog: bool = False, found: Stat | None = None, hinted: bool = False
    ) -> None:
        """Compare one path with what is known of it; ``hinted``: an event says that something happened."""
        now = time.monotonic()
        try:
            found = found or stat_of(path)
        except OSError as err:
            # known to be there, but not to be looked at: an I/O error or a stale mount is not "gone"
            log.warning("a file cannot be looked at", path=path, reason=str(err))
            return
        item, known = self._schedule.items.get(path), self.known.get(path)
        if found is None:
            self.vanished(path)
        elif item is not None:
            self._hint(item, found, now)
        elif known is not None and known.state != "gone" and self.same(known.stat, found):
            # other rights, say: the content is the same, but it may be readable now
            if hinted and known.state == "failed":
                self._begin(path, found, now, backlog=False, new=False)
        elif not self._recognised(path, found, known):
            self._begin(path, found, now, backlog=backlog, new=known is None)

    def _hint(self, item: Pending, found: Stat, now: float) -> None:
        if found != item.stat:
            item.changed(found, now, self._settle_s)
            item.sort_at = time.time()
        else:
            item.due = min(item.due, max(now, item.since + self._settle_s))
        if not item.reading:
            self._schedule.put(item)

    def _begin(self, path: str, found: Stat, now: float, *, backlog: bool, new: bool) -> None:
        wall = time.time()
        age = max(0.0, wall - found.mtime_ns / 1e9)
        still = now - age if backlog else now
        sort_at = min(found.mtime_ns / 1e9, wall) if backlog else wall
        item = Pending(
            path, found, since=still, due=max(now, still + self._settle_s), sort_at=sort_at, backlog=backlog
        )
        self._schedule.put(item)
        if new:
            name = Path(path).name
            values = {"new": True, "reason": f"{name} has been seen and will be read when it stands still."}
            self._journal.add(Change("waiting", path, found, sort_at, values))
        # a row that was ready stays so until its replacement has been read: the screen does not jump back

    def _recognised(self, path: str, found: Stat, known: Known | None) -> bool:
        """Deal with a file that only came back or was moved: it need not be read again."""
        if known is not None and known.state == "gone" and known.has_data and self.same(known.stat, found):
            self.known[path] = known._replace(stat=found, state="ready")
            self._journal.add(Change("back", path))
            self._unfitted[path] = self.known[path]
            return True
        if known is not None:
            return False
        old = self._by_stat.get(found)
        before = self.known.get(old) if old is not None else None
        if old is None or before is None or not before.has_data or before.stat != found or not is_gone(old):
            return False
        self.known[path] = before._replace(state="ready")
        self.known[old] = before._replace(state="gone")
        self._by_stat[found] = path
        self._journal.add(Change("moved", old, new_path=path, values={"state": "ready", "reason": None}))
        return True

    def vanished(self, path: str) -> None:
        """A path at which there is no file: gone, unless its disk is."""
        if self._away(path):
            item = self._schedule.items.get(path)
            if item is not None and not item.reading:
                item.due = time.monotonic() + 1.0
                self._schedule.put(item)
            return
        item = self._schedule.drop(path)
        known = self.known.get(path)
        self._denied.discard(path)
        if known is not None and known.state != "gone":
            self.known[path] = known._replace(state="gone")
            self._journal.add(Change("gone", path))
        elif item is not None:
            self._journal.add(Change("gone", path))
            self.known[path] = Known(item.stat, "gone", False, False, item.sort_at)

    # The directory as a whole.

    def _away(self, path: str) -> bool:
        """Whether the disk on which a file below the root lay is not there now."""
        if self.ground is None or not path.startswith(self._top):
            return False
        now = time.monotonic()
        if now - self._now_at > GROUND_S:
            self._now, self._now_at = ground_of(self.root), now
        if self._now.key is None or self._now.key != self.ground.key or self.ground.unmounted(self._now):
            return True
        return path.startswith(tuple(f"{point}{os.sep}" for point in self.ground.away(self._now)))

    def _root_away(self, scan: Scan) -> str | None:
        """Why a walk says nothing about the files of the catalogue, as a sentence; None where it does."""
        if scan.root_error is not None:
            return f"{self.root} cannot be read: {scan.root_error}."
        point = None if self.ground is None else self.ground.unmounted(scan.ground)
        if self.ground is None or (point is None and scan.ground.key == self.ground.key):
            return None
        here = [p for p, known in self.known.items() if known.state != "gone" and p.startswith(self._top)]
        if not here:
            return None
        kept = f"its {len(here)} file(s) stay in the list until it is back"
        # the same files on another disk are the same files
        if point is not None and 2 * sum(path in scan.files for path in here) < len(here):
            return f"{self.root} is away: the disk of {point} is not mounted; {kept}."
        if scan.ground.key != self.ground.key and not any(path.startswith(self._top) for path in scan.files):
            return (
                f"{self.root} is empty and another directory than before: is its disk mounted? "
                f"{kept.capitalize()}."
            )
        return None

    def reconcile(self, scan: Scan) -> list[Look]:
        """Take a walk as a list of hints: the paths that differ from what is known, to be looked at now."""
        # what came while nobody could look is ordered by its own time
        backlog = not self._walked or "root" in self._problems
        away = self._root_away(scan)
        self._tell("root", away)
        if away is not None:
            # an unmounted disk is not ten thousand deleted files
            return []
        self._walked, self._now_at = True, float("-inf")
        lost = (self.ground or scan.ground).away(scan.ground)
        self.ground = (self.ground or scan.ground).followed_by(scan.ground, scan.files)
        lost &= self.ground.below
        self._tell("mounts", self._lost_sentence(lost))
        self._tell("folders", _unreadable_sentence(scan))
        fresh, looks = [], []
        for path, found in scan.files.items():
            known, item = self.known.get(path), self._schedule.items.get(path)
            if item is not None:
                if item.stat != found:
                    looks.append(Look(path))
            elif known is None or known.state == "gone" or not self.same(known.stat, found):
                fresh.append((found.mtime_ns, path, found))
            elif path in self._denied and may_read(path):
                self.known[path] = known._replace(stat=UNREAD)
                fresh.append((found.mtime_ns, path, found))
        # files that arrive together are ordered by their own time
        looks += [Look(path, backlog, found if backlog else None) for _, path, found in sorted(fresh)]
        hidden = tuple(f"{folder}{os.sep}" for folder in (*scan.unreadable, *lost))
        gone = [p for p, k in self.known.items() if k.state != "gone" and p not in scan.files]
        gone += [p for p in self._schedule.items if p not in scan.files and p not in self.known]
        return looks + [Look(path) for path in gone if not path.startswith(hidden)]

    def _lost_sentence(self, lost: frozenset[str]) -> str | None:
        if not lost:
            return None
        point = min(lost)
        below = tuple(f"{folder}{os.sep}" for folder in lost)
        n = sum(known.state != "gone" and path.startswith(below) for path, known in self.known.items())
        return (
            f"The disk of {point} is not mounted; {n} file(s) below it stay in the list until it is back. "
            "Remove the folder to forget them."
            if n
            else None
        )

    def _tell(self, subject: str, sentence: str | None) -> None:
        if sentence is None:
            self._problems.pop(subject, None)
        else:
            self._problems[subject] = sentence


def _unreadable_sentence(scan: Scan) -> str | None:
    if not scan.unreadable:
        return None
    place, reason = next(iter(scan.unreadable.items()))
    return f"{len(scan.unreadable)} folder(s) or file(s) cannot be read, such as {place}: {reason}."
