"""Processes that read files for ingest, so that one slow, hanging or crashing file never stops the others.

HDF5 holds a lock of its own around every call: in one process a read that waits for a stalled disk makes all
other reads wait, and a damaged file may end the process. Here it costs one reader, which is replaced.
"""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from xpcs_dash.acquisition.processes import end_with_parent
from xpcs_dash.acquisition.scan import clean
from xpcs_dash.errors import FileError, UnknownLayout, XpcsDashError
from xpcs_dash.logs import Logging, current_logging, get_logger

log = get_logger(__name__)


@dataclass(frozen=True)
class Failure:
    """Why a file could not be read.

    Attributes
    ----------
    reason : sentence for a person.
    transient : whether waiting may help.
    kind : name of the error's class.
    known : what kind of file it is where that is known; then it is no result and no failure either.
    """

    reason: str
    transient: bool
    kind: str
    known: str = ""


@dataclass(frozen=True)
class Outcome:
    """Result of one read: a value or a failure."""

    path: str
    value: Any = None
    failure: Failure | None = None


class Pool(Protocol):
    """What ingest needs of a pool of readers."""

    n: int

    def free(self) -> int:
        """Number of files that can be handed out now."""

    def submit(self, path: str, *arguments: Any) -> None:
        """Hand a file, and what else the reading function takes, to a free reader."""

    def collect(self) -> list[Outcome]:
        """Results that are there."""

    def waitables(self) -> list[Any]:
        """Connections that become readable when there is something to collect."""

    def next_deadline(self) -> float | None:
        """Monotonic time at which a running read is given up."""

    def close(self) -> None:
        """End all readers."""


def resolve(target: str) -> Any:
    """The object named by ``package.module:name``."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def call(function: Callable[..., Any], path: str, *arguments: Any) -> Outcome:
    """Run a reading function; its errors become a `Failure`."""
    try:
        return Outcome(path, value=function(path, *arguments))
    except FileError as err:
        known = err.known if isinstance(err, UnknownLayout) else ""
        return Outcome(path, failure=Failure(clean(str(err)), err.transient, type(err).__name__, known))
    except XpcsDashError as err:
        return Outcome(path, failure=Failure(clean(str(err)), False, type(err).__name__))
    except FileNotFoundError:
        return Outcome(
            path, failure=Failure(f"{Path(path).name}: there is no such file.", True, "UnreadableFile")
        )
    except Exception as err:
        # no memory, too many open files, a disk that is away: that says nothing about the file
        passing = isinstance(err, OSError | MemoryError)
        if not passing:
            log.exception("unexpected error while reading", path=path)
        reason = (
            f"{Path(path).name}: it could not be read ({type(err).__name__}: {' '.join(str(err).split())})."
        )
        return Outcome(path, failure=Failure(clean(reason), passing, type(err).__name__))


def _serve(
    connection: Connection,
    target: str,
    options: dict[str, Any],
    parent: int,
    niceness: int,
    logging: Logging | None,
) -> None:
    end_with_parent(parent, signal.SIGKILL)
    if logging is not None:
        logging.begin("reader")
    os.nice(niceness)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    function = resolve(target)(**options)
    try:
        connection.send(call(function, *connection.recv()))
        # what the first file brought into memory stays for ever: nobody need look through it again and again
        gc.collect()
        gc.freeze()
        while True:
            connection.send(call(function, *connection.recv()))
    except (EOFError, OSError):
        # the parent is gone
        return


@dataclass
class _Reader:
    process: Any
    connection: Connection
    path: str | None = None
    deadline: float = 0.0


class ReaderPool:
    """Reader processes, each with one file at a time and a limit on how long that may take.

    Parameters
    ----------
    target : ``module:name`` of what makes the reading function; called as ``make(**options)`` in the process.
    n : number of processes; started when first needed.
    limit_s : seconds after which a read is given up and its process replaced.
    niceness : how far the processes step back behind others.
    """

    def __init__(
        self, target: str, options: dict[str, Any], n: int = 2, limit_s: float = 30.0, niceness: int = 0
    ) -> None:
        self.n, self.limit_s, self.niceness = n, limit_s, niceness
        self._target, self._options = target, options
        self._context = get_context("spawn")
        self._readers: list[_Reader] = []

    def start(self) -> None:
        """Start all readers now, so that the first file finds them warm."""
        while len(self._readers) < self.n:
            self._readers.append(self._new())

    def _new(self) -> _Reader:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve,
            args=(theirs, self._target, self._options, os.getpid(), self.niceness, current_logging()),
            daemon=True,
        )
        process.start()
        theirs.close()
        return _Reader(process, ours)

    def free(self) -> int:
        """Number of files that can be handed out now."""
        return self.n - sum(reader.path is not None for reader in self._readers)

    def submit(self, path: str, *arguments: Any) -> None:
        """Hand a file, and what else the reading function takes, to a free reader."""
        self.start()
        for index, reader in enumerate(self._readers):
            if reader.path is not None:
                continue
            try:
                reader.connection.send((path, *arguments))
            except OSError:
                # it died while it was idle
                self._discard(reader)
                self._readers[index] = reader = self._new()
                reader.connection.send((path, *arguments))
            reader.path, reader.deadline = path, time.monotonic() + self.limit_s
            return
        raise RuntimeError("no reader is free")

    def waitables(self) -> list[Any]:
        """Connections that become readable when there is something to collect."""
        return [reader.connection for reader in self._readers if reader.path is not None]

    def next_deadline(self) -> float | None:
        """Monotonic time at which the oldest running read is given up."""
        return min((reader.deadline for reader in self._readers if reader.path is not None), default=None)

    def collect(self) -> list[Outcome]:
        """Results that are there; readers that died or take too long make room for new ones."""
        found: list[Outcome] = []
        for reader in list(self._readers):
            if reader.path is None:
                continue
            path = reader.path
            try:
                if reader.connection.poll():
                    found.append(reader.connection.recv())
                    reader.path = None
                    continue
                if time.monotonic() < reader.deadline:
                    continue
                reason = (
                    f"{Path(path).name}: reading it took longer than {self.limit_s:.0f} s and was given up."
                )
                failure = Failure(reason, True, "Timeout")
            except Exception as err:
                # a connection that ended, or an answer that is none
                reader.process.join(timeout=1)
                code = reader.process.exitcode
                how = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
                how = how if code is not None else type(err).__name__
                reason = (
                    f"{Path(path).name}: the process that read it ended ({how}); the file may be damaged."
                )
                failure = Failure(reason, True, "Crash")
            found.append(Outcome(path, failure=failure))
            self._discard(reader)
            self._readers.remove(reader)
        return found

    def _discard(self, reader: _Reader) -> None:
        reader.connection.close()
        reader.process.kill()
        reader.process.join(timeout=5)

    def close(self) -> None:
        """End all readers."""
        for reader in self._readers:
            self._discard(reader)
        self._readers.clear()


class InlinePool:
    """Reads in the calling thread; for tests and single-shot use."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.n = 1
        self._function = function
        self._done: list[Outcome] = []

    def free(self) -> int:
        """One, until there are results to collect."""
        return 0 if self._done else 1

    def submit(self, path: str, *arguments: Any) -> None:
        """Read a file now."""
        self._done.append(call(self._function, path, *arguments))

    def collect(self) -> list[Outcome]:
        """The results so far."""
        found, self._done = self._done, []
        return found

    def waitables(self) -> list[Any]:
        """Nothing to wait for."""
        return []

    def next_deadline(self) -> float | None:
        """At once where there are results to collect."""
        return float("-inf") if self._done else None

    def close(self) -> None:
        """Nothing to end."""
