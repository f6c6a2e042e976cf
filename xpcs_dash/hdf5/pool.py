"""HDF5ConnectionPool: short-lived, non-locking read handles shared among the reads of one view."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import h5py
from h5py import h5f, h5p, h5pl

from xpcs_dash.errors import UnreadableFile
from xpcs_dash.hdf5.handle import Handle
from xpcs_dash.hdf5.lease import MOST_FILES, Lease
from xpcs_dash.hdf5.reach import Opened, Reach, look
from xpcs_dash.hdf5.records import FileKey, file_key, key_of

__all__ = ["HDF5ConnectionPool", "PoolStatistics", "default_pool"]


#: Every pool of this process, because HDF5 keeps one view of a file for all of them.
_POOLS: weakref.WeakSet[HDF5ConnectionPool] = weakref.WeakSet()


@dataclass
class _Handle:
    h5: h5py.File
    real: Path
    reach: Reach | None
    leases: int = 0
    last_used: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class PoolStatistics:
    """Counts since the pool was made, and what it holds now."""

    opened: int
    shared: int
    open_now: int
    leased_now: int


class HDF5ConnectionPool:
    """Read handles keyed by what the file is, not by its name.

    A handle is opened with ``locking=False``, so a writer is never blocked, and is keyed by path, inode,
    modification time and size, so a replaced or rewritten file is never served from an old handle. Handles
    that nobody uses are closed after ``idle_s`` seconds; all methods may be called from any thread.

    Parameters
    ----------
    idle_s : seconds that an unused handle stays open for the next read of the same view.
    limit : most unused handles kept at any time.
    roots : directories in which every file must lie, and every file that a link in one leads to. None: any
        file may be named, and the links in it lead to its own directory and below.
    """

    def __init__(
        self, idle_s: float = 3.0, limit: int = 16, roots: Iterable[str | Path] | None = None
    ) -> None:
        self.idle_s = float(idle_s)
        self.limit = int(limit)
        self.reach = None if roots is None else Reach.of(roots)
        if self.reach is not None:
            _load_no_filters_from(self.reach)
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        # on the same lock: who closes idle handles need not be woken by every lease
        self._closed = threading.Condition(lock)
        self._handles: dict[FileKey, _Handle] = {}
        self._opening: set[Path] = set()
        self._janitor: threading.Thread | None = None
        self._opened = self._shared = 0
        _POOLS.add(self)

    @contextmanager
    def open(self, path: str | Path, expected: FileKey | None = None) -> Iterator[Handle]:
        """Lease a handle for reading; do not close it.

        Parameters
        ----------
        path : file to read.
        expected : the contents the caller means; another file under the same name is refused.

        Raises
        ------
        OutOfReach
            The file lies outside the directories that may be read.
        UnreadableFile
            No such file, not HDF5, truncated, or no longer the file that ``expected`` names.
        """
        lease = Lease()
        with lease.files:
            handle, key = self._lease(Path(path), expected, self.reach)
            lease.files.callback(self._release, key, handle)
            reach = Reach.beside(handle.real) if self.reach is None else self.reach
            yield Handle(key.path, handle.real, handle.h5, reach, self._lend, lease)

    def _lend(self, path: Path, reach: Reach, lease: Lease) -> Handle:
        """Open a file that another one leads to."""
        if len(lease.linked) >= MOST_FILES:
            raise UnreadableFile(path, f"more than {MOST_FILES} files are needed at once", "use fewer")
        handle, key = self._lease(path, None, reach)
        lease.files.callback(self._release, key, handle)
        return Handle(key.path, handle.real, handle.h5, reach, self._lend, lease)

    def _lease(self, path: Path, expected: FileKey | None, reach: Reach | None) -> tuple[_Handle, FileKey]:
        while True:
            key = file_key(path)
            if expected is not None and key != expected:
                raise UnreadableFile(
                    path, "it was replaced after it had been opened", "open it again", transient=True
                )
            with self._changed:
                if key.path in self._opening:
                    self._changed.wait(1.0)
                    continue
                handle = self._handles.get(key)
                if handle is not None:
                    # it was opened for some reach, and looked at for that
                    if reach is not None and reach is not handle.reach and not reach.holds(handle.real):
                        raise reach.refusal(path)
                    handle.leases += 1
                    self._shared += 1
                    return handle, key
                self._drop_stale(key)
                self._opening.add(key.path)
            self._drop_elsewhere(key)
            try:
                handle = _open_for_reading(key, reach)
            except BaseException:
                with self._changed:
                    self._opening.discard(key.path)
                    self._changed.notify_all()
                raise
            with self._changed:
                self._opening.discard(key.path)
                if handle is not None:
                    self._handles[key] = handle
                    self._opened += 1
                self._changed.notify_all()
            if handle is not None:
                return handle, key

    def _drop_stale(self, key: FileKey) -> None:
        """Close handles of earlier contents of the same file (lock held).

        HDF5 keeps one view of a file for each inode within a process: while an old handle of a file that was
        rewritten in place is open, a new one would see its old metadata. Reads are short, so wait for them.
        """
        deadline = time.monotonic() + 10.0
        while True:
            stale = [k for k in self._handles if _is_stale(k, key)]
            for old in stale:
                if self._handles[old].leases == 0:
                    self._close(old)
            busy = [k for k in stale if k in self._handles and k.inode == key.inode]
            if not busy:
                return
            if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                raise UnreadableFile(
                    key.path, "it was rewritten while it was being read", "try again", transient=True
                )

    def _drop_elsewhere(self, key: FileKey) -> None:
        """Close unused handles of earlier contents that other pools of this process keep."""
        for pool in list(_POOLS):
            if pool is self:
                continue
            with pool._changed:
                for old in [k for k, h in pool._handles.items() if _is_stale(k, key) and h.leases == 0]:
                    pool._close(old)

    def _release(self, key: FileKey, handle: _Handle) -> None:
        with self._changed:
            handle.leases -= 1
            handle.last_used = time.monotonic()
            if handle.leases == 0:
                if self.idle_s <= 0:
                    self._close(key)
                else:
                    idle = sorted(
                        (h.last_used, i, k) for i, (k, h) in enumerate(self._handles.items()) if h.leases == 0
                    )
                    for _, _, old in idle[: max(0, len(idle) - self.limit)]:
                        self._close(old)
                    self._start_janitor()
            self._changed.notify_all()

    def _close(self, key: FileKey) -> None:
        handle = self._handles.pop(key, None)
        if handle is not None:
            with suppress(Exception):  # a file that vanished under us has nothing to flush
                handle.h5.close()

    def _start_janitor(self) -> None:
        if self._handles and (self._janitor is None or not self._janitor.is_alive()):
            self._janitor = threading.Thread(target=self._sweep, name="hdf5-pool", daemon=True)
            self._janitor.start()

    def _sweep(self) -> None:
        """Close idle handles; ends when there is none, so an unused pool has no thread."""
        with self._changed:
            while self._handles:
                now = time.monotonic()
                waits = []
                for key, handle in list(self._handles.items()):
                    rest = self.idle_s - (now - handle.last_used)
                    if handle.leases == 0 and rest <= 0:
                        self._close(key)
                    else:
                        waits.append(rest if handle.leases == 0 else self.idle_s)
                if waits:
                    self._closed.wait(max(0.02, min(waits)))
            self._janitor = None

    def close(self) -> None:
        """Close every handle that nobody is reading from now."""
        with self._changed:
            for key in [k for k, h in self._handles.items() if h.leases == 0]:
                self._close(key)
            self._changed.notify_all()
            self._closed.notify_all()

    def _end(self) -> None:
        self.close()
        janitor = self._janitor
        if janitor is not None:
            janitor.join(1.0)

    def stats(self) -> PoolStatistics:
        """Opens, leases that shared an open handle, and handles open now."""
        with self._changed:
            return PoolStatistics(
                opened=self._opened,
                shared=self._shared,
                open_now=len(self._handles),
                leased_now=sum(h.leases > 0 for h in self._handles.values()),
            )


@atexit.register
def _end_all() -> None:
    # a thread that the end of the interpreter catches inside HDF5 would keep HDF5's lock, and the end waits
    # for that
    for pool in list(_POOLS):
        pool._end()


def _load_no_filters_from(reach: Reach) -> None:
    """Take the directories in reach off HDF5's list of places with filters, which are programs.

    The list comes from the variable HDF5_PLUGIN_PATH.
    """
    for i in reversed(range(h5pl.size())):
        if reach.holds(Path(os.path.realpath(os.fsdecode(h5pl.get(i))))):
            h5pl.remove(i)


def _is_stale(old: FileKey, now: FileKey) -> bool:
    """True where a handle shows earlier contents of a file; another name of the same contents is none."""
    same = (old.inode, old.mtime_ns, old.size) == (now.inode, now.mtime_ns, now.size)
    return not same and (old.path == now.path or old.inode == now.inode)


def _without_locks() -> h5p.PropFAID:
    """What ``h5py.File(name, "r", locking=False)`` opens files with, made once for all of them."""
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_libver_bounds(h5f.LIBVER_EARLIEST, h5f.LIBVER_LATEST)
    access.set_file_locking(False, False)
    return access


_ACCESS = _without_locks()


def _open_for_reading(key: FileKey, reach: Reach | None) -> _Handle | None:
    """Open the file that ``key`` names; None where another one has taken its place since."""
    found = look(key.path) if reach is None else reach.open(key.path)
    try:
        if key_of(key.path, found.status) != key:
            return None
        ident = h5f.open(found.name.encode(), h5f.ACC_RDONLY, _ACCESS)
        return _Handle(h5py.File(ident), found.real, reach, leases=1)
    except (OSError, RuntimeError, ValueError) as err:
        raise _explain(key.path, found, err) from None
    finally:
        found.close()


def _explain(path: Path, found: Opened, err: Exception) -> UnreadableFile:
    """Turn the library's message into a sentence; waiting helps where the file may still be growing."""
    text = str(err)
    try:
        with Path(found.name).open("rb") as stream:
            head = stream.read(8)
    except OSError as failure:
        reason = failure.strerror or str(failure)
        return UnreadableFile(path, f"it cannot be opened ({reason})", "check your rights", transient=True)
    if not head:
        return UnreadableFile(path, "the file is empty", "wait until it has been written", transient=True)
    if "truncated" in text:
        return UnreadableFile(
            path, "the file is truncated", "wait until it has been written or copy it again", transient=True
        )
    if head != b"\x89HDF\r\n\x1a\n":
        zero = not head.strip(b"\0")
        return UnreadableFile(
            path,
            "this is not an HDF5 file" if not zero else "the file starts with zeros and is not HDF5 yet",
            "give the path of an HDF5 result file" if not zero else "wait until it has been written",
            transient=zero,
        )
    if "locked" in text or "lock file" in text or "open for write" in text:
        return UnreadableFile(
            path, "a program is writing this file", "wait until it has finished", transient=True
        )
    reason = text.splitlines()[0].replace(found.name, path.name) if text else type(err).__name__
    return UnreadableFile(
        path,
        f"the HDF5 file is damaged or unfinished ({reason})",
        "wait until it has been written or copy it again",
        transient=True,
    )


_DEFAULT: list[HDF5ConnectionPool] = []
_DEFAULT_LOCK = threading.Lock()


def default_pool() -> HDF5ConnectionPool:
    """The pool of callers that bring none, as scripts do; made on first use."""
    with _DEFAULT_LOCK:
        if not _DEFAULT:
            _DEFAULT.append(HDF5ConnectionPool())
        return _DEFAULT[0]
