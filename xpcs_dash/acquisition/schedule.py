"""Which pending file is looked at next: new files before retries, newest first, nothing before its time."""

from __future__ import annotations

import heapq
from itertools import count

from xpcs_dash.acquisition.readiness import Pending


class Schedule:
    """Pending files by due time. A file that keeps failing waits in a queue of its own and delays nobody."""

    def __init__(self) -> None:
        self.items: dict[str, Pending] = {}
        self._tokens = count()
        self._most = 0
        self._valid: dict[str, int] = {}
        self._later: list[tuple[float, int, str]] = []
        self._fresh: list[tuple[float, int, str]] = []
        self._again: list[tuple[float, int, str]] = []

    def __len__(self) -> int:
        return len(self.items)

    @property
    def progress(self) -> tuple[int, int]:
        """How many files have been dealt with since the queue was last empty, and of how many."""
        return self._most - len(self.items), self._most

    def put(self, item: Pending) -> None:
        """Add a file, or move it to its new due time."""
        token = next(self._tokens)
        if item.path not in self.items:
            self._most = (self._most if self.items else 0) + 1
        self.items[item.path] = item
        self._valid[item.path] = token
        heapq.heappush(self._later, (item.due, token, item.path))

    def drop(self, path: str) -> Pending | None:
        """Forget a file."""
        self._valid.pop(path, None)
        return self.items.pop(path, None)

    def hold(self, path: str) -> None:
        """Keep a file without a due time: it is being read."""
        self._valid.pop(path, None)

    def next_due(self) -> float | None:
        """Monotonic time of the next look, or None; minus infinity where a file is due already."""
        for queue in (self._fresh, self._again):
            self._clean(queue)
            if queue:
                return float("-inf")
        self._clean(self._later)
        return self._later[0][0] if self._later else None

    def take(self, now: float, *, retries: bool = True) -> Pending | None:
        """The next file to look at, or None.

        Parameters
        ----------
        now : monotonic time, s.
        retries : False leaves out files that failed before, so that one reader is always free for new ones.
        """
        while self._later and self._later[0][0] <= now:
            _, token, path = heapq.heappop(self._later)
            if self._valid.get(path) == token:
                item = self.items[path]
                queue = self._again if item.attempts else self._fresh
                heapq.heappush(queue, (-item.sort_at, token, path))
        for queue in (self._fresh, self._again) if retries else (self._fresh,):
            self._clean(queue)
            if queue:
                _, _, path = heapq.heappop(queue)
                self._valid.pop(path, None)
                return self.items[path]
        return None

    def _clean(self, queue: list[tuple[float, int, str]]) -> None:
        while queue and self._valid.get(queue[0][2]) != queue[0][1]:
            heapq.heappop(queue)
