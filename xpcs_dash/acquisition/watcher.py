"""Hints that something changed: watchdog events where the file system gives them, and a re-scan always.

Nothing here decides anything. The event thread only puts a path into a set; the loop of `ingest` looks at
the file.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from watchdog import events
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers.api import BaseObserver

from xpcs_dash.acquisition.scan import Scan, file_system, is_candidate, is_text, needs_polling, walk
from xpcs_dash.logs import get_logger

log = get_logger(__name__)

#: Events that our own reading causes; reacting to them would be a loop.
_OURS = frozenset({"opened", "closed_no_write"})
#: All others: the kernel is asked for these alone.
_WANTED = (
    events.FileCreatedEvent,
    events.FileModifiedEvent,
    events.FileClosedEvent,
    events.FileMovedEvent,
    events.FileDeletedEvent,
    events.DirCreatedEvent,
    events.DirModifiedEvent,
    events.DirMovedEvent,
    events.DirDeletedEvent,
)


#: Share of the time that walks may take: where nothing else notices changes, and where the kernel tells.
WALK_SHARE, WALK_SHARE_WATCHED = 0.25, 0.01


class Hints:
    """Paths to look at, collected by threads and taken by one loop, which sleeps on `fileno`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paths: set[str] = set()
        self._open: set[str] = set()
        self._scan: Scan | None = None
        self.rescan_wanted = threading.Event()
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)

    def fileno(self) -> int:
        """File descriptor that becomes readable when there is something to take."""
        return self._receiver.fileno()

    def close(self) -> None:
        """Release the descriptors."""
        self._receiver.close()
        self._sender.close()

    def wake(self) -> None:
        """Make the loop look."""
        try:
            self._sender.send(b"x")
        except (BlockingIOError, OSError):
            # the loop has unread wake-ups, or is closing
            return

    def put(self, *paths: str) -> None:
        """Something happened to these paths."""
        with self._lock:
            self._paths.update(paths)
        self.wake()

    def opened(self, path: str, is_open: bool) -> None:
        """Note that a local writer writes to a file, or has closed it."""
        with self._lock:
            (self._open.add if is_open else self._open.discard)(path)

    def is_open(self, path: str) -> bool:
        """Whether a local writer was seen to write to the file and not yet to close it."""
        with self._lock:
            return path in self._open

    def put_scan(self, scan: Scan) -> None:
        """Hand over the result of a walk."""
        with self._lock:
            self._scan = scan
            # a lost "closed" must not stay for ever, nor the set grow without bound
            if scan.root_error is None:
                self._open &= scan.files.keys()
        self.wake()

    def take(self) -> tuple[set[str], Scan | None]:
        """Everything that came in since the last call."""
        try:
            while self._receiver.recv(4096):
                pass
        except (BlockingIOError, OSError):
            pass
        with self._lock:
            paths, self._paths = self._paths, set()
            scan, self._scan = self._scan, None
        return paths, scan


class _Handler(FileSystemEventHandler):
    """Turns events into hints; runs in the observer's thread, so it must never wait."""

    def __init__(self, hints: Hints, suffixes: Sequence[str]) -> None:
        self._hints = hints
        self._suffixes = tuple(suffixes)

    def on_any_event(self, event: FileSystemEvent) -> None:
        try:
            self._take(event)
        except Exception:
            # the thread goes on, and a walk finds what this event stood for
            log.exception("an event could not be taken")
            self._hints.rescan_wanted.set()

    def _take(self, event: FileSystemEvent) -> None:
        kind = event.event_type
        if kind in _OURS:
            return
        if event.is_directory:
            # "modified" comes with every change of an entry and tells nothing new
            if kind in ("moved", "deleted", "created"):
                self._hints.rescan_wanted.set()
            return
        source, target = os.fsdecode(event.src_path), os.fsdecode(event.dest_path or "")
        if kind == "modified":
            self._hints.opened(source, True)
        elif kind in ("closed", "deleted", "moved"):
            self._hints.opened(source, False)
        paths = [p for p in (source, target) if p and is_text(p)]
        wanted = [p for p in paths if is_candidate(Path(p).name, self._suffixes)]
        if wanted:
            self._hints.put(*wanted)


class _OverflowListener(logging.Handler):
    """Asks for a re-scan when watchdog reports that the kernel dropped events; it tells only its log."""

    def __init__(self, hints: Hints) -> None:
        super().__init__(logging.WARNING)
        self._hints = hints

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.getMessage().lower():
            self._hints.rescan_wanted.set()


class Watcher:
    """Observer and re-scan of one directory tree.

    Parameters
    ----------
    root : directory to watch, recursively.
    suffixes : file names to look at.
    mode : "auto" takes inotify on local file systems and polling on others.
    rescan_s : seconds between two walks; a walk that takes long makes the pauses longer.
    averages : directory that is only walked, and where nothing need be; None for none.

    Attributes
    ----------
    hints : where paths and walks arrive.
    mode : "inotify" or "polling", after `start`.
    mode_reason : why, as a clause.
    """

    def __init__(
        self,
        root: Path,
        suffixes: Sequence[str],
        mode: str = "auto",
        rescan_s: float = 5.0,
        averages: Path | None = None,
    ) -> None:
        self.averages = averages
        self.root, self.suffixes, self.rescan_s = root, tuple(suffixes), rescan_s
        self.hints = Hints()
        self._wanted = mode
        self.mode, self.mode_reason = "polling", "not started"
        self._observer: BaseObserver | None = None
        self._root_key: tuple[int, int] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._scan_loop, name="rescan", daemon=True)
        self._overflow = _OverflowListener(self.hints)
        self.last_scan = 0.0
        self.scan_s = 0.0

    def start(self) -> None:
        """Begin to watch; the first walk follows at once."""
        logging.getLogger("watchdog").addHandler(self._overflow)
        self._observe()
        self._thread.start()

    def stop(self) -> None:
        """Stop both threads."""
        self._stop.set()
        self.hints.rescan_wanted.set()
        self._drop_observer()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        logging.getLogger("watchdog").removeHandler(self._overflow)

    def _observe(self) -> None:
        try:
            kind = file_system(self.root)
        except (OSError, ValueError, RuntimeError):
            kind = None
        if self._wanted == "polling":
            self.mode, self.mode_reason = "polling", "forced"
            return
        if self._wanted == "auto" and needs_polling(kind):
            self.mode, self.mode_reason = "polling", f"{kind or 'unknown'} file system"
            return
        try:
            found = self.root.stat()
            self._root_key = (found.st_dev, found.st_ino)
            from watchdog.observers.inotify import InotifyObserver

            observer = InotifyObserver()
            handler = _Handler(self.hints, self.suffixes)
            # every read opens and closes a file: the kernel need not tell us of our own reads
            observer.schedule(handler, os.fspath(self.root), recursive=True, event_filter=list(_WANTED))
            observer.start()
        except (OSError, ImportError) as err:
            # the number of inotify instances and watches is limited per user
            self.mode, self.mode_reason = (
                "polling",
                f"inotify refused: {getattr(err, 'strerror', None) or err}",
            )
            log.warning("inotify cannot be used; polling instead", root=str(self.root), reason=str(err))
            return
        self._observer = observer
        self.mode = "inotify"
        self.mode_reason = "forced" if self._wanted == "inotify" else f"{kind} file system"

    def _drop_observer(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join(timeout=5)

    def _scan_loop(self) -> None:
        while not self._stop.is_set():
            self.hints.rescan_wanted.clear()
            started = time.monotonic()
            try:
                scan = self._walk()
                self._follow(scan.ground.key)
            except Exception as err:
                # without this thread nobody would notice what the kernel does not tell
                log.exception("the directory could not be walked")
                scan = Scan(root_error=f"{type(err).__name__}: {err}")
            self.scan_s = time.monotonic() - started
            self.last_scan = time.time()
            self.hints.put_scan(scan)
            # polling has only the walk to notice with, so it walks more often while that is cheap
            period = min(self.rescan_s, 1.0) if self.mode == "polling" else self.rescan_s
            share = WALK_SHARE if self._observer is None else WALK_SHARE_WATCHED
            self._pause(max(period, self.scan_s / share))

    def _walk(self) -> Scan:
        scan = walk(self.root, self.suffixes)
        if self.averages is not None:
            found = walk(self.averages, self.suffixes)
            scan.files.update(found.files)
            scan.unreadable.update(found.unreadable)
        return scan

    def _follow(self, root_key: tuple[int, int] | None) -> None:
        """Watch what is at the root now, and begin again where watching came to an end."""
        if self._observer is None:
            if self.mode_reason.startswith("inotify refused"):
                self._observe()
            return
        alive = self._observer.is_alive() and all(e.is_alive() for e in self._observer.emitters)
        if not alive:
            log.warning("inotify stopped watching and is started again", root=str(self.root))
        # another directory or mount may stand at this path: the kernel still watches the old one
        if not alive or root_key not in (None, self._root_key):
            self._drop_observer()
            self._observe()

    def _pause(self, seconds: float) -> None:
        self.hints.rescan_wanted.wait(seconds)
        if self.hints.rescan_wanted.is_set() and not self._stop.is_set():
            # directory events come in bursts
            self._stop.wait(max(0.02, self.scan_s))
