"""The one writer of the catalogue: follows the directory, has finished files read, stores what they hold.

One loop in one thread. Events, walks and readers only put results where the loop finds them, so there is
nothing to lock and no file that can hold up another.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from xpcs_dash.acquisition import rows
from xpcs_dash.acquisition.fits import FitQueue
from xpcs_dash.acquisition.journal import Journal
from xpcs_dash.acquisition.readers import Failure, Outcome, Pool
from xpcs_dash.acquisition.readiness import Pending, next_look, pause, quarantined, verdict
from xpcs_dash.acquisition.reading import Reading
from xpcs_dash.acquisition.rows import Change, Known, Relate
from xpcs_dash.acquisition.scan import Scan, Stat, stat_of
from xpcs_dash.acquisition.schedule import Schedule
from xpcs_dash.acquisition.watcher import Watcher
from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.database.kinds import AVERAGE
from xpcs_dash.errors import UsageError
from xpcs_dash.settings import Settings

log = logging.getLogger(__name__)


#: Pending files from which on fits wait.
BACKLOG = 20
#: Stands for a file that the catalogue names and nobody has read: equal to none on disk.
UNREAD = Stat(-1, -1, -1)
#: Seconds between two heartbeats and two looks for retry requests.
HEARTBEAT_S, RETRIES_S = 2.0, 1.0


class Ingest:
    """Follows one directory until it is told to stop.

    Parameters
    ----------
    settings : ``root`` must be given.
    catalogue : where rows go; nobody else may write files to it.
    pool : reads files; each value is a `reading.Reading`.
    fits : fits all q of files that were not fitted as they were read; None: no fits at all.
    relate : flags that compare a file with the one before it.
    """

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        pool: Pool,
        fits: FitQueue | None = None,
        relate: Relate | None = None,
    ) -> None:
        if settings.root is None:
            raise UsageError(
                "ingest needs a directory to watch; give it on the command line or as XPCS_DASH_ROOT."
            )
        self.settings, self.root = settings, settings.root
        self._pool, self._fits = pool, fits
        self._problems: dict[str, str] = {}
        self.journal = Journal(catalogue, self._problems, relate)
        self.averages = settings.averages_dir.resolve()
        self.watcher = Watcher(
            self.root, settings.file_suffixes, settings.watch_mode, settings.rescan_s, self.averages
        )
        self.schedule = Schedule()
        self.known: dict[str, Known] = {}
        self._by_stat: dict[Stat, str] = {}
        self._in_hand: dict[str, Pending] = {}
        self._rates: deque[float] = deque(maxlen=10_000)
        self._next_beat = self._next_retries = 0.0
        self.scans = self.reads = 0

    # The loop.

    def start(self) -> None:
        """Load what the catalogue knows and begin to watch."""
        for path, known in rows.load(self.journal.catalogue).items():
            if known.state == "waiting":
                # seen in an earlier run, not read: like no file on disk, so the first walk takes it up again
                self.known[path] = known._replace(stat=UNREAD)
                continue
            self.known[path] = known
            self._by_stat[known.stat] = path
        self.watcher.start()
        if self._fits is not None:
            self._fits.add_missing(self.known)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Work until ``stopped()``."""
        self.start()
        try:
            while not stopped():
                self.step()
        finally:
            self.stop()

    def stop(self) -> None:
        """End the threads and the readers, store what is left."""
        self.watcher.stop()
        self._pool.close()
        if self._fits is not None:
            self._fits.close()
        self.journal.flush()
        self.watcher.hints.close()

    @property
    def idle(self) -> bool:
        """Whether everything that was found has been dealt with."""
        return self.scans > 0 and not len(self.schedule) and (self._fits is None or not len(self._fits))

    @property
    def fitted(self) -> int:
        """Number of fits done since the start."""
        return 0 if self._fits is None else self._fits.done

    def step(self, longest: float = 1.0) -> None:
        """One pass: sleep until something happens or is due, then deal with all of it."""
        self._sleep(longest)
        paths, scan = self.watcher.hints.take()
        for path in paths:
            self._look(path, backlog=False, hinted=True)
        if scan is not None:
            self._reconcile(scan)
        for outcome in self._pool.collect():
            self._finish(outcome)
        now = time.monotonic()
        if now >= self._next_retries:
            self._next_retries = now + RETRIES_S
            self._take_retries()
        self._dispatch()
        if self._fits is not None:
            self.journal.add(*self._fits.step(busy=len(self.schedule) > BACKLOG))
        self.journal.flush()
        if now >= self._next_beat:
            self._next_beat = now + HEARTBEAT_S
            self._beat()

    def _sleep(self, longest: float) -> None:
        now = time.monotonic()
        ends = [now + longest]
        sources: list[Any] = [self.watcher.hints, *self._pool.waitables()]
        if self._fits is not None:
            sources += self._fits.waitables()
        if self._pool.free() and (due := self.schedule.next_due()) is not None:
            ends.append(due)
        if (deadline := self._pool.next_deadline()) is not None:
            ends.append(deadline)
        wait(sources, timeout=max(0.0, min(ends) - now))

    # What is there.

    def _same(self, a: Stat, b: Stat) -> bool:
        # some network file systems hand out new inode numbers with every mount
        alike = (a.mtime_ns, a.size) == (b.mtime_ns, b.size)
        return alike and (a.inode == b.inode or self.watcher.mode != "inotify")

    def _look(self, path: str, *, backlog: bool, found: Stat | None = None, hinted: bool = False) -> None:
        """Compare one path with what is known of it; ``hinted``: an event says that something happened."""
        now = time.monotonic()
        try:
            found = found or stat_of(path)
        except OSError as err:
            # known to be there, but not to be looked at: an I/O error or a stale mount is not "gone"
            log.warning("%s cannot be looked at: %s", path, err)
            return
        item, known = self.schedule.items.get(path), self.known.get(path)
        if found is None:
            self._vanished(path)
        elif item is not None:
            self._hint(item, found, now)
        elif known is not None and known.state != "gone" and self._same(known.stat, found):
            # other rights, say: the content is the same, but it may be readable now
            if hinted and known.state == "failed":
                self._begin(path, found, now, backlog=False, new=False)
        elif not self._recognised(path, found, known):
            self._begin(path, found, now, backlog=backlog, new=known is None)

    def _hint(self, item: Pending, found: Stat, now: float) -> None:
        if found != item.stat:
            item.changed(found, now, self.settings.settle_s)
            item.sort_at = time.time()
        else:
            item.due = min(item.due, max(now, item.since + self.settings.settle_s))
        if not item.reading:
            self.schedule.put(item)

    def _begin(self, path: str, found: Stat, now: float, *, backlog: bool, new: bool) -> None:
        wall = time.time()
        age = max(0.0, wall - found.mtime_ns / 1e9)
        settle = self.settings.settle_s
        still = now - age if backlog else now
        sort_at = min(found.mtime_ns / 1e9, wall) if backlog else wall
        item = Pending(
            path, found, since=still, due=max(now, still + settle), sort_at=sort_at, backlog=backlog
        )
        self.schedule.put(item)
        if new:
            name = Path(path).name
            values = {"new": True, "reason": f"{name} has been seen and will be read when it stands still."}
            self.journal.add(Change("waiting", path, found, sort_at, values))
        # a row that was ready stays so until its replacement has been read: the screen does not jump back

    def _recognised(self, path: str, found: Stat, known: Known | None) -> bool:
        """Deal with a file that only came back or was moved: it need not be read again."""
        if known is not None and known.state == "gone" and known.has_data and self._same(known.stat, found):
            self.known[path] = known._replace(stat=found, state="ready")
            self.journal.add(Change("back", path))
            return True
        if known is not None:
            return False
        old = self._by_stat.get(found)
        before = self.known.get(old) if old is not None else None
        if (
            old is None
            or before is None
            or not before.has_data
            or before.stat != found
            or os.path.lexists(old)
        ):
            return False
        self.known[path] = before._replace(state="ready")
        del self.known[old]
        self._by_stat[found] = path
        self.journal.add(Change("moved", old, new_path=path, values={"state": "ready", "reason": None}))
        return True

    def _vanished(self, path: str) -> None:
        item = self.schedule.drop(path)
        known = self.known.get(path)
        if known is not None and known.state != "gone":
            self.known[path] = known._replace(state="gone")
            self.journal.add(Change("gone", path))
        elif item is not None:
            self.journal.add(Change("gone", path))
            self.known[path] = Known(item.stat, "gone", False, False, item.sort_at)

    def _reconcile(self, scan: Scan) -> None:
        """Take a walk as a list of hints: what differs is looked at again, now."""
        first, self.scans = self.scans == 0, self.scans + 1
        self._problems.pop("root", None)
        if scan.root_error is not None:
            # an unmounted disk is not ten thousand deleted files
            self._problems["root"] = f"{self.root} cannot be read: {scan.root_error}."
            return
        self._problems.pop("folders", None)
        if scan.unreadable:
            folder, reason = next(iter(scan.unreadable.items()))
            self._problems["folders"] = (
                f"{len(scan.unreadable)} folder(s) cannot be read, such as {folder}: {reason}."
            )
        fresh = []
        for path, found in scan.files.items():
            known = self.known.get(path)
            if path not in self.schedule.items and (
                known is None or known.state == "gone" or not self._same(known.stat, found)
            ):
                fresh.append((found.mtime_ns, path, found))
            elif path in self.schedule.items and self.schedule.items[path].stat != found:
                self._look(path, backlog=False)
        # files that arrive together are ordered by their own time
        for _, path, found in sorted(fresh):
            self._look(path, backlog=first, found=found if first else None)
        hidden = tuple(f"{folder}{os.sep}" for folder in scan.unreadable)
        gone = [p for p, k in self.known.items() if k.state != "gone" and p not in scan.files]
        gone += [p for p in self.schedule.items if p not in scan.files and p not in self.known]
        for path in gone:
            if not path.startswith(hidden):
                self._look(path, backlog=False)

    # Reading.

    def _dispatch(self) -> None:
        now = time.monotonic()
        while self._pool.free() > 0:
            # one reader is always left for files that have not failed yet
            again = sum(1 for item in self._in_hand.values() if item.attempts)
            item = self.schedule.take(now, retries=again < max(1, self._pool.n - 1))
            if item is None:
                return
            self._offer(item, now)

    def _offer(self, item: Pending, now: float) -> None:
        name, before = Path(item.path).name, item.reason
        try:
            found = stat_of(item.path)
        except OSError as err:
            item.due, item.attempts = now + pause(item.attempts + 1), item.attempts + 1
            self._wait(item, f"{name} cannot be looked at: {err.strerror}.")
            return
        step = next_look(item, found, now, self.settings.settle_s, self.watcher.hints.is_open)
        if step == "gone":
            self._vanished(item.path)
        elif step == "wait":
            reason, item.reason = item.reason, before
            self._wait(item, reason)
        elif not any(Path(item.path).resolve().is_relative_to(top) for top in (self.root, self.averages)):
            self._fail(item, f"{name} is a link to a file outside the watched directory, which is not read.")
        elif not os.access(item.path, os.R_OK):
            self._failed(item, Failure(f"{name} may not be read by this user.", True, "Permission"), now)
        else:
            item.reading = True
            self._in_hand[item.path] = item
            # a file that failed before may fail because of its fit: show its curves, the fit can follow
            with_fit = self._fits is not None and item.attempts == 0
            self._pool.submit(item.path, *((True,) if with_fit else ()))

    def _wait(self, item: Pending, reason: str | None) -> None:
        """Put a file back, and tell why where the reason is a new one."""
        if reason is not None and reason != item.reason:
            item.reason = reason
            self.journal.add(Change("waiting", item.path, item.stat, values={"reason": reason}))
        self.schedule.put(item)

    def _finish(self, outcome: Outcome) -> None:
        item = self._in_hand.pop(outcome.path)
        item.reading = False
        if self.schedule.items.get(item.path) is not item:
            # it vanished, and perhaps came back, while it was read
            return
        now = time.monotonic()
        self.reads += 1
        try:
            found = stat_of(item.path)
        except OSError:
            found = item.stat
        if found is None:
            self._vanished(item.path)
        elif found != item.stat or (outcome.value is not None and outcome.value.stat != found):
            # changed while it was read: what was read may be half of each
            item.changed(found, now, self.settings.settle_s)
            self.schedule.put(item)
        elif outcome.failure is not None:
            self._failed(item, outcome.failure, now)
        else:
            self._ready(item, outcome.value)

    def _failed(self, item: Pending, failure: Failure, now: float) -> None:
        item.attempts += 1
        still = now - item.since
        asked, item.forced = item.forced, False
        if asked or verdict(failure.transient, still, self.settings.retry_limit_s) == "failed":
            reason = quarantined(failure.reason, still) if failure.transient else failure.reason
            self._fail(item, reason, ("not-a-result",) if failure.kind == "UnknownLayout" else ())
            return
        item.due = now + pause(item.attempts)
        self._wait(item, failure.reason)

    def _fail(self, item: Pending, reason: str, flags: tuple[str, ...] = ()) -> None:
        self.schedule.drop(item.path)
        self._remember(item, "failed")
        values = {"reason": reason, "flags": flags}
        self.journal.add(Change("failed", item.path, item.stat, item.sort_at, values))
        log.info("%s", reason)

    def _ready(self, item: Pending, reading: Reading) -> None:
        self.schedule.drop(item.path)
        if not item.backlog:
            # a file that was written in place for minutes arrives when its last byte does
            item.sort_at = min(time.time(), max(item.sort_at, item.stat.mtime_ns / 1e9))
        self._remember(item, "ready")
        self._rates.append(time.monotonic())
        columns = reading.columns
        if Path(item.path).is_relative_to(self.averages):
            columns = {**columns, "kinds": [*columns.get("kinds", ()), AVERAGE]}
        self.journal.add(Change("ready", item.path, item.stat, item.sort_at, columns))
        if self._fits is not None and "multitau" in columns.get("kinds", ()) and "fit" not in columns:
            self._fits.add(item.path, item.stat, item.sort_at)

    def _remember(self, item: Pending, state: str) -> None:
        before = self.known.get(item.path)
        if before is not None and self._by_stat.get(before.stat) == item.path:
            del self._by_stat[before.stat]
        self.known[item.path] = Known(item.stat, state, state == "ready", False, item.sort_at)
        self._by_stat[item.stat] = item.path

    # The catalogue.

    def _take_retries(self) -> None:
        now = time.monotonic()
        for path in self.journal.take_retries():
            found = stat_of(path)
            if found is None:
                self._vanished(path)
                continue
            item = self.schedule.items.get(path)
            if item is None:
                item = Pending(path, found, since=now - self.settings.settle_s, due=now, sort_at=time.time())
                self.journal.add(Change("waiting", path, found, values={"reason": "It is being read again."}))
            item.forced, item.due = True, now
            if not item.reading:
                self.schedule.put(item)

    def _beat(self) -> None:
        now = time.monotonic()
        recent = sum(1 for at in self._rates if now - at < 60.0)
        states = [k.state for k in self.known.values()]
        status = {
            "heartbeat": time.time(),
            "pid": os.getpid(),
            "root": str(self.root),
            "mode": self.watcher.mode,
            "mode_reason": self.watcher.mode_reason,
            "last_scan": self.watcher.last_scan,
            "scan_s": round(self.watcher.scan_s, 4),
            "n_files": len(states) - states.count("gone") + len(self.schedule),
            "queue": len(self.schedule),
            "fits_queue": 0 if self._fits is None else len(self._fits),
            "rate": round(recent / 60.0, 3),
            "reads": self.reads,
            "problems": list(self._problems.values()),
        }
        self.journal.report(status)
