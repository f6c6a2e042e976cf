"""Starts the processes of a dashboard, restarts those that die, and stops all of them together."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.errors import XpcsDashError
from xpcs_dash.logs import get_logger
from xpcs_dash.settings import Settings

log = get_logger(__name__)

#: First and longest pause before a restart, and how long a process must run to count as healthy again, s.
FIRST_PAUSE_S, LONGEST_PAUSE_S, HEALTHY_S = 0.5, 30.0, 60.0
#: How long a process may take to stop before it is killed, s.
STOP_S = 8.0
TICK_S = 0.1
REPORT_S = 5.0


@dataclass(frozen=True)
class Spec:
    """One process to keep running.

    Attributes
    ----------
    name : as it appears in the health strip.
    target : ``module:function``, called with the settings and ``args``.
    fds : file descriptors that it inherits.
    once : True for a process that may come to its end (a replay).
    every_s : pause after which a process that came to its end is started again; None: never.
    delay_s : pause before the first start, so that it does not compete with what people wait for.
    """

    name: str
    target: str
    args: Mapping[str, Any] = field(default_factory=dict)
    fds: tuple[int, ...] = ()
    once: bool = False
    every_s: float | None = None
    one_thread: bool = True
    delay_s: float = 0.0


@dataclass
class Child:
    """A process and its history."""

    spec: Spec
    process: subprocess.Popen[str] | None = None
    started: float = 0.0
    restarts: int = 0
    failures: int = 0
    retry_at: float = 0.0
    state: str = "starting"
    #: Asked to end, so that it starts anew: no failure.
    asked: bool = False

    def report(self) -> dict[str, Any]:
        """For the status row."""
        alive = self.process is not None and self.process.poll() is None
        return {
            "state": self.state,
            "pid": self.process.pid if alive and self.process is not None else None,
            "restarts": self.restarts,
            "since": self.started,
        }


def backoff(failures: int) -> float:
    """Seconds before the next start after so many deaths in a row."""
    return float(min(FIRST_PAUSE_S * 2.0 ** min(max(failures - 1, 0), 30), LONGEST_PAUSE_S))


class Supervisor:
    """Keeps the processes of one dashboard running.

    Parameters
    ----------
    settings : handed to each process.
    specs : the processes.
    catalogue : where their states are reported; None reports nowhere.
    """

    def __init__(self, settings: Settings, specs: Sequence[Spec], catalogue: Catalogue | None = None) -> None:
        self.settings, self.catalogue = settings, catalogue
        self.children = [Child(spec) for spec in specs]
        self._stopping = False
        self._reported: Any = None
        self._next_report = 0.0

    def stop_soon(self, *_: Any) -> None:
        """Ask `run` to end; a signal handler."""
        self._stopping = True

    def run(self, on_tick: Callable[[], None] | None = None) -> None:
        """Start all processes and keep them running until `stop_soon` or a signal; then stop them.

        Parameters
        ----------
        on_tick : called about ten times a second; what it raises stops everything.
        """
        handled = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, self.stop_soon) for number in handled}
        try:
            for child in self.children:
                if child.spec.delay_s:
                    child.retry_at = time.monotonic() + child.spec.delay_s
                else:
                    self._start(child)
            while not self._stopping:
                for child in self.children:
                    self._watch(child)
                self._report()
                if on_tick is not None:
                    on_tick()
                time.sleep(TICK_S)
        finally:
            self.stop()
            for number, handler in before.items():
                signal.signal(number, handler)

    def running(self, name: str) -> bool:
        """Whether a process of that name runs now."""
        return any(
            c.spec.name == name and c.process is not None and c.process.poll() is None for c in self.children
        )

    def deaths(self, name: str) -> int:
        """How often in a row a process ended soon after its start."""
        return max((c.failures for c in self.children if c.spec.name == name), default=0)

    def restart(self, name: str) -> None:
        """Let a process end and start anew, at once."""
        for child in self.children:
            if child.spec.name == name and child.process is not None and child.process.poll() is None:
                child.asked, child.state = True, "starting"
                child.process.terminate()

    def _start(self, child: Child) -> None:
        spec = child.spec
        order = {
            "name": spec.name,
            "target": spec.target,
            "args": dict(spec.args),
            "settings": self.settings.handed_on(),
            "parent": os.getpid(),
            "one_thread": spec.one_thread,
        }
        # a session of its own: an interrupt in the terminal reaches the supervisor alone
        child.process = subprocess.Popen(
            [sys.executable, "-m", "xpcs_dash.acquisition.child"],
            stdin=subprocess.PIPE,
            pass_fds=spec.fds,
            start_new_session=True,
            text=True,
        )
        child.started, child.state = time.time(), "running"
        stdin = child.process.stdin
        if stdin is not None:
            with contextlib.suppress(BrokenPipeError, OSError):
                stdin.write(json.dumps(order) + "\n")
                stdin.close()

    def _watch(self, child: Child) -> None:
        if child.process is None:
            waits = child.state != "done" or child.spec.every_s is not None
            if waits and time.monotonic() >= child.retry_at:
                child.restarts += child.started > 0 and child.state != "done"
                self._start(child)
            return
        code = child.process.poll()
        if code is None:
            if child.failures and time.time() - child.started > HEALTHY_S:
                child.failures = 0
            return
        child.process = None
        if child.asked:
            child.asked, child.retry_at = False, 0.0
            return
        if child.spec.once and code == 0:
            child.state = "done"
            child.retry_at = time.monotonic() + (child.spec.every_s or 0.0)
            return
        child.failures += 1
        pause = backoff(child.failures)
        child.retry_at = time.monotonic() + pause
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        child.state = f"ended with {how}; it is started again"
        log.warning(
            "a process ended and is started again", child=child.spec.name, how=how, pause_s=round(pause, 1)
        )

    def _report(self, *, force: bool = False) -> None:
        if self.catalogue is None:
            return
        now = {child.spec.name: child.report() for child in self.children}
        if not force and now == self._reported and time.monotonic() < self._next_report:
            return
        try:
            self.catalogue.set_status("processes", now)
        except (SQLAlchemyError, XpcsDashError) as err:
            log.warning("the states of the processes cannot be stored", reason=str(getattr(err, "orig", err)))
        self._reported, self._next_report = now, time.monotonic() + REPORT_S

    def stop(self) -> None:
        """Ask all processes to end, last started first; kill what does not within a few seconds."""
        alive = [c for c in reversed(self.children) if c.process is not None and c.process.poll() is None]
        for child in alive:
            child.state = "stopping"
            if child.process is not None:
                child.process.terminate()
        deadline = time.monotonic() + STOP_S
        for child in alive:
            self._reap(child, deadline)
        for child in self.children:
            child.state, child.process = "stopped", None
        self._report(force=True)

    @staticmethod
    def _reap(child: Child, deadline: float) -> None:
        process = child.process
        if process is None:
            return
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("a process did not stop in time and is killed", child=child.spec.name)
        # each child leads a group of its own: what it left behind goes with it
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
