"""The single-exponential fit of every q of the files that were not fitted as they were read.

Readers fit most files while they have them open. What is left: files with very many bins, files whose first
read failed, and files whose fit could not be done for a reason that has passed since.
"""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Mapping
from typing import Any

from xpcs_dash.acquisition.readers import Pool
from xpcs_dash.acquisition.reading import failed_fit
from xpcs_dash.acquisition.rows import Change, Known
from xpcs_dash.acquisition.scan import Stat

log = logging.getLogger(__name__)


def make_fitter(min_coincidences: float = 10.0) -> Callable[[str], dict[str, Any]]:
    """A function that fits all q of a file as `quality.fit_summary` says; runs in a process of its own.

    The NumPy engine is used: a file takes some ten milliseconds, and ingest stays small without JAX.
    """
    from xpcs_dash.analysis.quality import fit_summary
    from xpcs_dash.hdf5.pool import HDF5ConnectionPool
    from xpcs_dash.results.cache import DataCache
    from xpcs_dash.results.opening import open_result

    pool, cache = HDF5ConnectionPool(idle_s=0.0), DataCache(64 * 2**20)

    def fit(path: str) -> dict[str, Any]:
        with pool.open(path):
            return fit_summary(open_result(path, pool, min_coincidences, cache))

    return fit


class FitQueue:
    """Files that wait for their fit, newest first.

    Parameters
    ----------
    pool : readers whose function is `make_fitter`'s.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._heap: list[tuple[float, str, Stat]] = []
        self._in_hand: dict[str, Stat] = {}
        self.done = 0

    def __len__(self) -> int:
        return len(self._heap) + len(self._in_hand)

    def add(self, path: str, stat: Stat, sort_at: float) -> None:
        """Queue one file."""
        heapq.heappush(self._heap, (-sort_at, path, stat))

    def add_missing(self, known: Mapping[str, Known]) -> None:
        """Queue the ready files whose fit is not in the catalogue yet."""
        for path, row in known.items():
            if row.state == "ready" and row.has_data and not row.has_fit:
                self.add(path, row.stat, row.sort_at)

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
            stat = self._in_hand.pop(outcome.path)
            self.done += 1
            if outcome.failure is not None:
                log.warning("no fit: %s", outcome.failure.reason)
                value = failed_fit(outcome.failure.reason)
            else:
                value = outcome.value
            changes.append(Change("fit", outcome.path, stat, values=value))
        while self._heap and not busy and self._pool.free() > 0:
            _, path, stat = heapq.heappop(self._heap)
            if path not in self._in_hand:
                self._in_hand[path] = stat
                self._pool.submit(path)
        return changes

    def close(self) -> None:
        """End the process."""
        self._pool.close()
