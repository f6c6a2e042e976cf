"""DataCache: bounded in bytes, one load for many threads, honest counts."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xpcs_dash.results.cache import DataCache, size_of


def test_a_value_is_loaded_once():
    cache = DataCache(10_000)
    calls: list[int] = []
    for _ in range(3):
        assert cache.get("a", lambda: calls.append(1) or 5) == 5
    assert len(calls) == 1
    stats = cache.stats()
    assert (stats.hits, stats.misses, stats.entries) == (2, 1, 1)


@settings(deadline=None)
@given(sizes=st.lists(st.integers(0, 3000), max_size=40), bound=st.integers(0, 8000))
def test_never_more_bytes_than_the_bound(sizes, bound):
    cache = DataCache(bound)
    for i, size in enumerate(sizes):
        value = cache.get(i % 7, lambda size=size: np.zeros(size, np.uint8))
        assert isinstance(value, np.ndarray)
        stats = cache.stats()
        assert stats.nbytes <= bound
        assert stats.entries <= 7
    cache.clear()
    assert cache.stats().nbytes == 0


def test_least_recently_used_goes_first():
    cache = DataCache(3 * (1000 + 128))
    for key in "abc":
        cache.get(key, lambda: np.zeros(1000, np.uint8))
    cache.get("a", lambda: pytest.fail("it was there"))
    cache.get("d", lambda: np.zeros(1000, np.uint8))
    assert "b" not in cache
    assert all(key in cache for key in "acd")
    assert cache.stats().evictions == 1


def test_a_value_larger_than_the_cache_is_handed_out_but_not_kept():
    cache = DataCache(100)
    cache.get("small", lambda: 1)
    assert cache.get("big", lambda: np.zeros(1000)).size == 1000
    assert "big" not in cache
    assert "small" in cache
    assert cache.stats().rejected == 1


def test_a_failed_load_leaves_nothing():
    cache = DataCache(1000)
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda: 1 // 0)
    assert "a" not in cache
    assert cache.get("a", lambda: 2) == 2


def test_threads_wait_for_one_load_and_do_not_hold_up_others():
    cache = DataCache(10_000)
    release, started = threading.Event(), threading.Event()
    loads: list[str] = []

    def slow() -> int:
        loads.append("slow")
        started.set()
        release.wait(10)
        return 1

    got: list[int] = []
    threads = [threading.Thread(target=lambda: got.append(cache.get("slow", slow))) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert started.wait(10)
    assert cache.get("other", lambda: 2) == 2  # while the slow one is being loaded
    release.set()
    for thread in threads:
        thread.join(10)
    assert got == [1] * 5
    assert loads == ["slow"]


def test_many_threads_keep_the_books():
    cache = DataCache(20_000)

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for key in rng.integers(0, 30, 200):
            value = cache.get(int(key), lambda key=key: np.full(100 + int(key), key, np.float64))
            assert value[0] == key
            if key % 7 == 0:
                cache.discard(int(key))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    stats = cache.stats()
    assert stats.hits + stats.misses == 1200
    cache.discard_where(lambda _: True)
    assert cache.stats().nbytes == 0


def test_a_loader_may_ask_for_another_value():
    cache = DataCache(10_000)
    assert cache.get("a", lambda: cache.get("b", lambda: 1) + 1) == 2
    assert "b" in cache


def test_size_counts_what_a_view_keeps_alive():
    big = np.zeros(1_000_000, np.uint8)
    assert size_of(big[:10]) >= 1_000_000
    assert size_of({"a": [np.zeros(1000), np.zeros(1000)]}) >= 16_000
    assert size_of("text") < 200


def test_negative_bound():
    with pytest.raises(ValueError, match="max_bytes"):
        DataCache(-1)


def test_discard_while_loading_is_harmless():
    cache = DataCache(10_000)
    thread = threading.Thread(target=lambda: cache.get("a", lambda: time.sleep(0.1) or 3))
    thread.start()
    cache.discard("a")
    thread.join(10)
    assert cache.get("a", lambda: 4) in (3, 4)
