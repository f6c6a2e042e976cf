"""The one writer of the catalogue: follows the directory, has finished files read, stores what they hold.

One loop in one thread. Events, walks and readers only put results where the loop finds them, so there is
nothing to lock and no file that can hold up another.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from xpcs_dash.acquisition import rows
from xpcs_dash.acquisition.fits import FitQueue
from xpcs_dash.acquisition.journal import Journal
from xpcs_dash.acquisition.mounts import Ground
from xpcs_dash.acquisition.presence import Presence
from xpcs_dash.acquisition.readers import Failure, Outcome, Pool
from xpcs_dash.acquisition.readiness import Pending, next_look, pause, quarantined, verdict
from xpcs_dash.acquisition.reading import Reading, beside
from xpcs_dash.acquisition.rows import Change, Relate
from xpcs_dash.acquisition.scan import clean, may_read, stat_of
from xpcs_dash.acquisition.schedule import Schedule
from xpcs_dash.acquisition.watcher import Watcher
from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.database.kinds import AVERAGE
from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.reach import Reach
from xpcs_dash.logs import get_logger
from xpcs_dash.settings import Settings

log = get_logger(__name__)


#: Pending files from which on fits wait.
BACKLOG = 20
#: Seconds for which results are gathered before they are stored while so many files are pending.
TOGETHER_S = 0.1
#: Seconds between two heartbeats and two looks for retry requests.
HEARTBEAT_S, RETRIES_S = 2.0, 1.0
#: Pause after a pass of the loop that failed as a whole, s.
FAILED_PASS_S = 0.5


class Ingest:
    """Follows one directory until it is told to stop.

    Whatever goes wrong with one path sets that path aside, with a sentence, and nothing else.

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
        self.reach = Reach.of(settings.roots.values())
        self.watcher = Watcher(
            self.root, settings.file_suffixes, settings.watch_mode, settings.rescan_s, self.averages
        )
        self.schedule = Schedule()
        self.presence = Presence(
            self.root,
            self.journal,
            self.schedule,
            self._problems,
            settings.settle_s,
            lambda: self.watcher.mode == "inotify",
        )
        self._in_hand: dict[str, Pending] = {}
        self._rates: deque[float] = deque(maxlen=10_000)
        self._next_beat = self._next_retries = 0.0
        self._stumbled = False
        self.scans = self.reads = 0

    # The loop.

    def start(self) -> None:
        """Load what the catalogue knows and begin to watch."""
        status = self.journal.catalogue.status()
        ground = Ground.from_dict(status.get("ground")) if status.get("root") == str(self.root) else None
        found = rows.load(self.journal.catalogue, self.settings.min_coincidences)
        self.presence.load(found, ground)
        self.watcher.start()
        if self._fits is not None:
            self._fits.add_missing(self.presence.known)

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
        return self.scans > 0 and not len(self.schedule) and (self._fits is None or not self._fits.busy)

    @property
    def fitted(self) -> int:
        """Number of fits done since the start."""
        return 0 if self._fits is None else self._fits.done

    def step(self, longest: float = 1.0) -> None:
        """One pass: sleep until something happens or is due, then deal with all of it."""
        self._stumbled = False
        with self._stage("wait for news"):
            self._sleep(longest)
        with self._stage("take up what was noticed"):
            self._take_hints()
        with self._stage("take up what was read"):
            for outcome in self._pool.collect():
                with self._each(outcome.path):
                    self._finish(outcome)
        now = time.monotonic()
        if now >= self._next_retries:
            self._next_retries = now + RETRIES_S
            with self._stage("take up retries"):
                self._take_retries()
        with self._stage("hand out files"):
            self._dispatch()
        if self._fits is not None:
            with self._stage("fit"):
                self._take_fits(self._fits.step(busy=len(self.schedule) > BACKLOG))
        with self._stage("store what it found"):
            # while many files wait, several are stored together: each transaction is a look of every browser
            self.journal.flush(TOGETHER_S if len(self.schedule) > BACKLOG else 0.0)
        if not self._stumbled:
            self._problems.pop("loop", None)
        if now >= self._next_beat:
            self._next_beat = now + HEARTBEAT_S
            with self._stage("report"):
                self._beat()
        if self._stumbled:
            time.sleep(FAILED_PASS_S)

    @contextmanager
    def _stage(self, what: str) -> Iterator[None]:
        """An error that belongs to no path is told, and the next pass tries again."""
        try:
            yield
        except Exception as err:
            log.exception("the watcher stumbled", step=what)
            self._stumbled = True
            self._problems["loop"] = f"The watcher could not {what} ({_named(err)}); it tries again."

    @contextmanager
    def _each(self, path: str) -> Iterator[None]:
        """An error with one path sets that path aside."""
        try:
            yield
        except Exception as err:
            log.exception("a file is set aside", path=path)
            self._in_hand.pop(path, None)
            reason = (
                f"{Path(path).name} is set aside: the dashboard failed on it ({_named(err)}); retry it, "
                "and report this if it fails again."
            )
            self.presence.set_aside(path, clean(reason))

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

    def _take_hints(self) -> None:
        paths, scan = self.watcher.hints.take()
        for path in paths:
            with self._each(path):
                self.presence.look(path, hinted=True)
        if scan is None:
            return
        away = self.presence.is_away
        for path, backlog, found in self.presence.reconcile(scan):
            with self._each(path):
                self.presence.look(path, backlog=backlog, found=found)
        self.scans += 1
        if self._fits is not None:
            if away and not self.presence.is_away:
                self._fits.hurry()
            self._fits.add_missing(self.presence.take_unfitted())

    def _take_retries(self) -> None:
        for path in self.journal.take_retries():
            with self._each(path):
                self._read_again(path, time.monotonic())

    def _read_again(self, path: str, now: float) -> None:
        try:
            found = stat_of(path)
        except OSError as err:
            self.presence.out_of_reach(path, err)
            return
        if found is None:
            self.presence.vanished(path)
            return
        item = self.schedule.items.get(path)
        if item is None:
            item = Pending(path, found, since=now - self.settings.settle_s, due=now, sort_at=time.time())
            self.journal.add(Change("waiting", path, found, values={"reason": "It is being read again."}))
        item.forced, item.due = True, now
        if not item.reading:
            self.schedule.put(item)

    # Reading.

    def _dispatch(self) -> None:
        now = time.monotonic()
        while self._pool.free() > 0:
            # one reader is always left for files that have not failed yet
            again = sum(1 for item in self._in_hand.values() if item.attempts)
            item = self.schedule.take(now, retries=again < max(1, self._pool.n - 1))
            if item is None:
                return
            with self._each(item.path):
                self._offer(item, now)

    def _offer(self, item: Pending, now: float) -> None:
        name, before = Path(item.path).name, item.reason
        try:
            found = stat_of(item.path)
            step = next_look(item, found, now, self.settings.settle_s, self.watcher.hints.is_open)
            inside = step != "read" or self.reach.holds(Path(item.path).resolve())
        except OSError as err:
            item.attempts += 1
            item.due = now + pause(item.attempts)
            self._wait(item, f"{name} cannot be looked at: {err.strerror or err}.")
            return
        if step == "gone":
            self.presence.vanished(item.path)
        elif step == "wait":
            reason, item.reason = item.reason, before
            self._wait(item, reason)
        elif not inside:
            self._fail(item, f"{name} is a link to a file outside the watched directory, which is not read.")
        elif not may_read(item.path):
            self._failed(item, Failure(f"{name} may not be read by this user.", True, "Permission"), now)
        else:
            self._submit(item, now)

    def _submit(self, item: Pending, now: float) -> None:
        # a file that failed before may fail because of its fit: show its curves, the fit can follow
        with_fit = self._fits is not None and item.attempts == 0
        try:
            self._pool.submit(item.path, *((True,) if with_fit else ()))
        except OSError as err:
            # too many processes, no memory: that says nothing about the file
            self._problems["readers"] = f"No process can be started to read files: {err.strerror or err}."
            item.due = now + pause(5)
            self.schedule.put(item)
            return
        self._problems.pop("readers", None)
        item.reading = True
        self._in_hand[item.path] = item

    def _wait(self, item: Pending, reason: str | None) -> None:
        """Put a file back, and tell why where the reason is a new one."""
        if reason is not None and reason != item.reason:
            item.reason = reason
            self.journal.add(Change("waiting", item.path, item.stat, values={"reason": reason}))
        self.schedule.put(item)

    def _finish(self, outcome: Outcome) -> None:
        item = self._in_hand.pop(outcome.path, None)
        if item is None:
            # set aside while it was read
            return
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
            self.presence.vanished(item.path)
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
            if failure.known:
                self._beside(item, failure)
                return
            reason = quarantined(failure.reason, still) if failure.transient else failure.reason
            flags = ("not-a-result",) if failure.kind == "UnknownLayout" else ()
            self._fail(item, reason, flags, denied=failure.kind == "Permission")
            return
        item.due = now + pause(item.attempts)
        self._wait(item, failure.reason)

    def _beside(self, item: Pending, failure: Failure) -> None:
        """A file that belongs to the acquisition and is no result: listed as what it is."""
        columns = beside(failure.known, failure.reason)
        self.schedule.drop(item.path)
        self.presence.remember(item, columns)
        self.journal.add(Change("ready", item.path, item.stat, item.sort_at, columns))

    def _fail(self, item: Pending, reason: str, flags: tuple[str, ...] = (), *, denied: bool = False) -> None:
        self.schedule.drop(item.path)
        self.presence.remember(item, denied=denied)
        values = {"reason": reason, "flags": flags}
        self.journal.add(Change("failed", item.path, item.stat, item.sort_at, values))
        log.info(reason)

    def _ready(self, item: Pending, reading: Reading) -> None:
        columns = dict(reading.columns)
        self.schedule.drop(item.path)
        if not item.backlog:
            # a file that was written in place for minutes arrives when its last byte does
            item.sort_at = min(time.time(), max(item.sort_at, item.stat.mtime_ns / 1e9))
        self._rates.append(time.monotonic())
        if Path(item.path).is_relative_to(self.averages):
            columns["kinds"] = [*columns.get("kinds", ()), AVERAGE]
        self.presence.remember(item, columns)
        to_fit = self._fits is not None and "multitau" in columns.get("kinds", ()) and "fit" not in columns
        if to_fit:
            columns["summary"] = {**columns["summary"], "fit_pending": "its curves have not been fitted yet"}
        self.journal.add(Change("ready", item.path, item.stat, item.sort_at, columns))
        if to_fit and self._fits is not None:
            self._fits.add(item.path, item.stat, item.sort_at)

    def _take_fits(self, changes: list[Change]) -> None:
        self.journal.add(*changes)
        for change in changes:
            if change.kind == "fit":
                self.presence.fitted(change.path)

    # The catalogue.

    def _beat(self) -> None:
        now = time.monotonic()
        recent = sum(1 for at in self._rates if now - at < 60.0)
        status = {
            "heartbeat": time.time(),
            "pid": os.getpid(),
            "root": str(self.root),
            "mode": self.watcher.mode,
            "mode_reason": self.watcher.mode_reason,
            "last_scan": self.watcher.last_scan,
            "scan_s": round(self.watcher.scan_s, 4),
            "n_files": self.presence.count(),
            "queue": len(self.schedule),
            "progress": self.schedule.progress if len(self.schedule) > BACKLOG else None,
            "fits_queue": 0 if self._fits is None else len(self._fits),
            "rate": round(recent / 60.0, 3),
            "reads": self.reads,
            "problems": list(self._problems.values()),
            "ground": None if self.presence.ground is None else self.presence.ground.to_dict(),
        }
        self.journal.report(status)


def _named(err: Exception) -> str:
    return clean(f"{type(err).__name__}: {' '.join(str(err).split())}"[:300])
