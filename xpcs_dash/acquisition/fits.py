"""The single-exponential fit of every q of the files that were not fitted as they were read.

Readers fit most files while they have them open. What is left: files with very many bins, files whose first
read failed, and files whose fit could not be done for a reason that may pass. Those are tried again.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xpcs_dash.acquisition.readers import Failure, Outcome, Pool
from xpcs_dash.acquisition.reading import failed_fit, ingest_door
from xpcs_dash.acquisition.rows import Change, Known
from xpcs_dash.acquisition.scan import Stat, clean
from xpcs_dash.logs import get_logger

log = get_logger(__name__)

#: Pauses before another try after a fault of the machine (a killed fitter, a vanished mount, a time-out), s.
PAUSES_S = (5.0, 30.0, 120.0, 600.0)


def make_fitter(settings: Mapping[str, Any] | None = None) -> Callable[[str], dict[str, Any]]:
    """A function that fits all q of a file as `quality.fit_summary` says; runs in a process of its own.

    The NumPy engine is used: a file takes some ten milliseconds, and ingest stays small without JAX.
    """
    from xpcs_dash.analysis.quality import fit_summary

    door = ingest_door(settings)

    def fit(path: str) -> dict[str, Any]:
        with door.pool.open(path):
            return fit_summary(door.read(Path(path)))

    return fit


@dataclass(order=True)
class _Wanted:
    """A file that waits for its fit; the order is that of the queue, newest first."""

    order: float
    path: str
    stat: Stat
    failed: int = 0

    @property
    def key(self) -> tuple[str, Stat]:
        return self.path, self.stat


class FitQueue:
    """Files that wait for their fit, newest first.

    A fit that fails for a fault of the machine is tried again after growing pauses, a few times; then it is
    left for the next start. One that fails by itself is stored as failed, with its reason.

    Parameters
    ----------
    pool : readers whose function is `make_fitter`'s.
    pauses_s : pauses before the tries after the first.
    """

    def __init__(self, pool: Pool, pauses_s: tuple[float, ...] = PAUSES_S) -> None:
        self._pool, self._pauses_s = pool, pauses_s
        self._heap: list[_Wanted] = []
        self._later: list[tuple[float, _Wanted]] = []
        self._in_hand: dict[str, _Wanted] = {}
        self.done = 0

    def __len__(self) -> int:
        return len(self._heap) + len(self._later) + len(self._in_hand)

    @property
    def busy(self) -> bool:
        """Whether there is something to do now; what waits for another try does not count."""
        return bool(self._heap or self._in_hand)

    def add(self, path: str, stat: Stat, sort_at: float) -> None:
        """Queue one file."""
        heapq.heappush(self._heap, _Wanted(-sort_at, path, stat))

    def add_missing(self, known: Mapping[str, Known]) -> None:
        """Queue the ready files with curves whose fit is not in the catalogue yet."""
        for path, row in known.items():
            if row.state == "ready" and row.has_curves and not row.has_fit:
                self.add(path, row.stat, row.sort_at)

    def hurry(self) -> None:
        """Try again now, and afresh, what waits for another try: what was in the way is gone."""
        for _, wanted in self._later:
            wanted.failed = 0
            heapq.heappush(self._heap, wanted)
        self._later.clear()

    def waitables(self) -> list[Any]:
        """Connections that become readable when a fit is done."""
        return self._pool.waitables()

    def step(self, *, busy: bool = False) -> list[Change]:
        """Collect what is done and hand out the next file.

        Parameters
        ----------
        busy : many files wait to be read; fits step back until they are.
        """
        changes = []
        for outcome in self._pool.collect():
            wanted = self._in_hand.pop(outcome.path, None)
            if wanted is not None:
                changes.append(self._change(wanted, outcome))
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            heapq.heappush(self._heap, heapq.heappop(self._later)[1])
        while self._heap and not busy and self._pool.free() > 0:
            wanted = heapq.heappop(self._heap)
            if wanted.path in self._in_hand:
                continue
            try:
                self._pool.submit(wanted.path)
            except OSError as err:
                reason = f"no process can be started to fit it ({err.strerror or err})"
                changes.append(self._again(wanted, reason))
                break
            self._in_hand[wanted.path] = wanted
        return changes

    def _change(self, wanted: _Wanted, outcome: Outcome) -> Change:
        self.done += 1
        failure, value = outcome.failure, outcome.value
        if failure is None and not (isinstance(value, Mapping) and "fit" in value):
            failure = Failure(f"{Path(wanted.path).name}: its fit gave no result.", False, "NoResult")
        if failure is not None:
            log.warning("no fit", reason=failure.reason)
            if failure.transient:
                return self._again(wanted, failure.reason.strip().rstrip("."))
            value = failed_fit(failure.reason)
        return Change("fit", wanted.path, wanted.stat, values=value)

    def _again(self, wanted: _Wanted, reason: str) -> Change:
        wanted.failed += 1
        if wanted.failed <= len(self._pauses_s):
            rest = self._pauses_s[wanted.failed - 1]
            heapq.heappush(self._later, (time.monotonic() + rest, wanted))
            when = f"it is tried again after {rest:.0f} s"
        else:
            when = f"tried {wanted.failed} times, and again when the file is retried or the dashboard starts"
        text = f"its curves have not been fitted: {reason}; {when}"
        return Change("unfitted", wanted.path, wanted.stat, values={"reason": clean(text)})

    def close(self) -> None:
        """End the process."""
        self._pool.close()
