"""DataCache: a thread-safe store bounded in bytes."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

__all__ = ["CacheStatistics", "DataCache", "size_of"]

T = TypeVar("T")


def size_of(value: Any, _depth: int = 0) -> int:
    """Bytes that ``value`` holds: arrays in full (a view counts its base), containers by their members."""
    own = getattr(value, "nbytes", None)
    if isinstance(value, np.ndarray):
        base = value.base
        return int(base.nbytes if isinstance(base, np.ndarray) else value.nbytes) + 128
    if isinstance(own, int):
        return own + 128
    if _depth < 6:
        if isinstance(value, dict):
            return 64 + sum(size_of(k, _depth + 1) + size_of(v, _depth + 1) for k, v in value.items())
        if isinstance(value, list | tuple | set | frozenset):
            return 64 + sum(size_of(v, _depth + 1) for v in value)
        if is_dataclass(value) and not isinstance(value, type):
            return 64 + sum(size_of(getattr(value, f.name), _depth + 1) for f in fields(value))
    return sys.getsizeof(value)


@dataclass(frozen=True)
class CacheStatistics:
    """Counts since the cache was made, and what it holds now."""

    hits: int
    misses: int
    evictions: int
    rejected: int
    entries: int
    nbytes: int
    max_bytes: int


class DataCache:
    """Least recently used values up to ``max_bytes``.

    A value larger than the whole bound is returned but not kept. Threads that ask for the same missing key
    wait for one load; other keys are not held up. A loader that raises leaves nothing behind.

    Parameters
    ----------
    max_bytes : bound of the sum of what ``measure`` says of each value.
    measure : bytes that a value holds; one that always says 1 makes the bound a number of values.
    """

    def __init__(self, max_bytes: int, measure: Callable[[Any], int] = size_of) -> None:
        if max_bytes < 0:
            raise ValueError(f"max_bytes must not be negative, found {max_bytes}")
        self.max_bytes = int(max_bytes)
        self._measure = measure
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._loading: dict[
            Hashable, list[Any]
        ] = {}  # key -> [lock, number of threads that hold or wait for it]
        self._nbytes = 0
        self._hits = self._misses = self._evictions = self._rejected = 0

    def get(self, key: Hashable, loader: Callable[[], T]) -> T:
        """The value of ``key``, loaded by ``loader()`` where it is not held."""
        with self._lock:
            if key in self._entries:
                self._hits += 1
                self._entries.move_to_end(key)
                return self._entries[key][0]  # type: ignore[no-any-return]
            gate = self._loading.setdefault(key, [threading.RLock(), 0])
            gate[1] += 1
        try:
            with gate[0]:
                with self._lock:
                    if key in self._entries:
                        self._hits += 1
                        self._entries.move_to_end(key)
                        return self._entries[key][0]  # type: ignore[no-any-return]
                    self._misses += 1
                value = loader()
                self._keep(key, value)
                return value
        finally:
            with self._lock:
                gate[1] -= 1
                if gate[1] == 0:
                    self._loading.pop(key, None)

    def _keep(self, key: Hashable, value: Any) -> None:
        nbytes = self._measure(value)
        with self._lock:
            if nbytes > self.max_bytes:
                self._rejected += 1
                return
            self._forget(key)
            self._entries[key] = (value, nbytes)
            self._nbytes += nbytes
            while self._nbytes > self.max_bytes:
                _, (_, freed) = self._entries.popitem(last=False)
                self._nbytes -= freed
                self._evictions += 1

    def _forget(self, key: Hashable) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self._nbytes -= found[1]

    def discard(self, key: Hashable) -> None:
        """Drop one value if it is held."""
        with self._lock:
            self._forget(key)

    def discard_where(self, condition: Callable[[Hashable], bool]) -> int:
        """Drop every value whose key satisfies ``condition``; returns how many."""
        with self._lock:
            doomed = [key for key in self._entries if condition(key)]
            for key in doomed:
                self._forget(key)
            return len(doomed)

    def clear(self) -> None:
        """Drop everything; the counts stay."""
        with self._lock:
            self._entries.clear()
            self._nbytes = 0

    def __contains__(self, key: object) -> bool:
        with self._lock:
            return key in self._entries

    def stats(self) -> CacheStatistics:
        """Hits, misses, evictions, and bytes held."""
        with self._lock:
            return CacheStatistics(
                hits=self._hits,
                misses=self._misses,
                evictions=self._evictions,
                rejected=self._rejected,
                entries=len(self._entries),
                nbytes=self._nbytes,
                max_bytes=self.max_bytes,
            )
