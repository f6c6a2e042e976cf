"""Reader processes: what hangs or crashes costs one file, not ingest."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.connection import wait

import pytest

from xpcs_dash.acquisition.readers import ReaderPool, resolve


@pytest.fixture
def pool(monkeypatch, tmp_path):
    """A pool whose function comes from a module that only the child imports."""
    (tmp_path / "odd_reader.py").write_text(
        "import os, time\n"
        "def make(**options):\n"
        "    def read(path):\n"
        "        if path == 'crash': os.kill(os.getpid(), 11)\n"
        "        if path == 'exit': os._exit(3)\n"
        "        if path == 'hang': time.sleep(600)\n"
        "        return path, os.getpid(), options\n"
        "    return read\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = ReaderPool("odd_reader:make", {"x": 1}, n=2, limit_s=60.0)
    yield found
    found.close()


def collect(pool, count, seconds=60.0):
    found, end = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < end:
        wait(pool.waitables(), timeout=0.2)
        found += pool.collect()
    return found


def test_two_files_are_read_at_once_by_processes(pool):
    assert pool.free() == 2
    pool.submit("a")
    pool.submit("b")
    assert pool.free() == 0
    with pytest.raises(RuntimeError, match="no reader is free"):
        pool.submit("c")
    values = {o.path: o.value for o in collect(pool, 2)}
    assert values["a"][2] == {"x": 1}
    assert len({values["a"][1], values["b"][1], os.getpid()}) == 3
    assert pool.free() == 2


@pytest.mark.parametrize(("path", "how"), [("crash", "SIGSEGV"), ("exit", "exit code 3")])
def test_a_crash_is_a_reason_and_the_reader_is_replaced(pool, path, how):
    pool.submit(path)
    (outcome,) = collect(pool, 1)
    assert how in outcome.failure.reason
    assert outcome.failure.transient
    pool.submit("a")
    assert collect(pool, 1)[0].value[0] == "a"


def test_a_read_that_hangs_is_given_up_while_others_go_on(pool):
    pool.submit("hang")
    pool.submit("a")
    assert collect(pool, 1)[0].path == "a"
    assert pool.next_deadline() is not None
    pool._readers[0].deadline = time.monotonic()
    (outcome,) = collect(pool, 1)
    assert (outcome.path, outcome.failure.kind) == ("hang", "Timeout")
    pool.submit("b")
    assert collect(pool, 1)[0].value[0] == "b"


def test_a_reader_that_died_idle_is_replaced_when_it_is_needed(pool):
    pool.submit("a")
    (outcome,) = collect(pool, 1)
    os.kill(outcome.value[1], signal.SIGKILL)
    pool._readers[0].process.join(5)
    outcomes = []
    for name in ("b", "c"):
        pool.submit(name)
        outcomes += collect(pool, 1)
    assert [o.value[0] for o in outcomes if o.value] == ["b", "c"]


def test_targets_are_named_by_module_and_attribute():
    assert resolve("os.path:join") is os.path.join
