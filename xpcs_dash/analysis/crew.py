"""Processes that help to average: each adds up files of its own, and hands over its sums at the end.

HDF5 reads one file at a time within a process, so many files are averaged faster by several. The helpers are
plain programs that import no more than reading needs; they stay for some minutes, because to start one takes
as long as to read some dozens of files. What a helper was doing when it was lost is done again by others.
"""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any

from xpcs_dash.analysis.sums import Sums
from xpcs_dash.errors import XpcsDashError
from xpcs_dash.logs import configure_logging, current_logging
from xpcs_dash.results.numbers import Origin, Siblings
from xpcs_dash.results.xpcs_file import XpcsFile

__all__ = ["Crew", "cores"]

#: Files handed out at once, so that helpers rarely wait for the next ones; and lists of them in hand.
FILES, LISTS = 8, 2
#: Most helpers, however many cores there are: one disk feeds them all.
MOST = 7
#: Seconds of work for which a helper is started, and for which one that is there already is asked.
WORTH_STARTING_S, WORTH_ASKING_S = 0.8, 0.1
#: Seconds that a helper stays without work.
IDLE_S = 300.0
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class _Helper:
    process: subprocess.Popen[bytes]
    connection: Connection
    in_hand: deque[list[Path]] = field(default_factory=deque)
    done: list[Path] = field(default_factory=list)


#: Helpers without work, for the next average of this process.
_IDLE: list[_Helper] = []
_LOCK = threading.Lock()


def _start() -> _Helper:
    ours, theirs = Pipe()
    command = [sys.executable, "-m", "xpcs_dash.analysis.crew", str(theirs.fileno())]
    if (told := current_logging()) is not None:
        command += [told.level, told.form]
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(  # noqa: S603
        command,
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        env={**os.environ, **_ONE_THREAD, "PYTHONPATH": paths},
    )
    theirs.close()
    return _Helper(process, ours)


def _end(helper: _Helper) -> None:
    helper.connection.close()
    helper.process.kill()
    with suppress(subprocess.TimeoutExpired):
        helper.process.wait(5)


@atexit.register
def _end_idle() -> None:
    with _LOCK:
        while _IDLE:
            _end(_IDLE.pop())


class Crew:
    """The helpers of one average; ends with it.

    Parameters
    ----------
    first : a file of the measurement; helpers take in files that differ from it in their numbers alone.
    work_s : seconds that the rest would take without help; few helpers or none where it is little.
    """

    def __init__(self, first: XpcsFile, work_s: float) -> None:
        self._helpers: list[_Helper] = []
        most = min(MOST, cores() - 1)
        with _LOCK:
            while _IDLE and len(self._helpers) < most and work_s > WORTH_ASKING_S:
                self._helpers.append(_IDLE.pop())
        while len(self._helpers) < min(most, int(work_s / WORTH_STARTING_S)):
            self._helpers.append(_start())
        begin = ("begin", Origin.of(first))
        for helper in list(self._helpers):
            self._send(helper, begin)

    def __bool__(self) -> bool:
        return bool(self._helpers)

    @property
    def busy(self) -> bool:
        """Whether a helper has files in hand."""
        return any(helper.in_hand for helper in self._helpers)

    def _send(self, helper: _Helper, message: Any) -> bool:
        try:
            helper.connection.send(message)
        except OSError:
            return False  # it is gone, which `collect` will find
        return True

    def feed(self, todo: deque[Path]) -> None:
        """Hand out files from the end of ``todo``."""
        for helper in self._helpers:
            while len(helper.in_hand) < LISTS and len(todo) > len(self._helpers):
                count = max(1, min(FILES, len(todo) // (2 * (1 + len(self._helpers)))))
                files = [todo.pop() for _ in range(count)]
                helper.in_hand.append(files)
                self._send(helper, ("add", files))

    def collect(self, timeout: float) -> tuple[int, list[Path], list[Path]]:
        """What has happened since the last call.

        Returns
        -------
        number of files taken in, files that have to be opened as a whole, files of helpers that were lost.

        Raises
        ------
        XpcsDashError
            What a helper raised: files that do not belong together.
        """
        taken, left, lost = 0, [], []
        ready = set(wait([helper.connection for helper in self._helpers], timeout))
        for helper in [h for h in self._helpers if h.connection in ready]:
            try:
                while helper.connection.poll():
                    answer = helper.connection.recv()
                    if isinstance(answer, XpcsDashError):
                        raise answer
                    files, refused = helper.in_hand.popleft(), set(answer)
                    helper.done += [path for path in files if path not in refused]
                    taken += len(files) - len(refused)
                    left += [path for path in files if path in refused]
            except (EOFError, OSError, pickle.UnpicklingError):
                taken -= len(helper.done)
                lost += [*helper.done, *(path for files in helper.in_hand for path in files)]
                self._helpers.remove(helper)
                _end(helper)
        return taken, left, lost

    def sums(self) -> tuple[list[Sums], list[Path]]:
        """The sums of the helpers, which are then free, and the files of those that were lost meanwhile."""
        found, lost = [], []
        while self._helpers:
            helper = self._helpers.pop()
            try:
                helper.connection.send(("end",))
                found.append(helper.connection.recv())
                helper.done.clear()
                with _LOCK:
                    _IDLE.append(helper)
            except (EOFError, OSError, pickle.UnpicklingError):
                lost += helper.done
                _end(helper)
        return found, lost

    def close(self) -> None:
        """End helpers that are still at work."""
        while self._helpers:
            _end(self._helpers.pop())


def serve(connection: Connection) -> None:
    """Do what is asked until nobody asks any more; the work of one helper."""
    siblings: Siblings | None = None
    sums = Sums()
    while connection.poll(IDLE_S):
        try:
            what, *rest = connection.recv()
            if what == "begin":
                siblings, sums = Siblings.like(*rest), Sums()
            elif what == "add":
                connection.send(_add(sums, siblings, *rest))
            else:
                connection.send(sums)
        except (EOFError, OSError):
            return  # whom we helped is gone


def _add(sums: Sums, siblings: Siblings | None, paths: list[Path]) -> list[Path] | XpcsDashError:
    left = []
    try:
        for path in paths:
            found = None if siblings is None else siblings.read(path)
            if found is None:
                left.append(path)
            else:
                sums.add(found)
    except XpcsDashError as err:
        return err
    return left


if __name__ == "__main__":
    if sys.argv[2:]:
        configure_logging(sys.argv[2], "crew", "json" if sys.argv[3] == "json" else "text")
    serve(Connection(int(sys.argv[1])))
