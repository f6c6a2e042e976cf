"""The pool of read handles: never in a writer's way, never old data, nothing kept for long."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.hdf5 import synthetic
from xpcs_dash.errors import UnreadableFile
from xpcs_dash.hdf5.pool import HDF5ConnectionPool
from xpcs_dash.results.opening import open_result


def write(path: Path, value: float, n: int = 10) -> None:
    with h5py.File(path, "w", locking=False) as h5:
        h5["x"] = np.full(n, value)


def read(pool: HDF5ConnectionPool, path: Path) -> float:
    with pool.open(path) as h5:
        return float(h5["x"][0])


def wait_for(condition, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def test_one_open_is_shared_by_the_reads_of_one_view(tmp_path):
    write(tmp_path / "a.h5", 1)
    pool = HDF5ConnectionPool(idle_s=30)
    for _ in range(5):
        assert read(pool, tmp_path / "a.h5") == 1
    assert pool.stats().opened == 1
    assert pool.stats().shared == 4
    pool.close()
    assert pool.stats().open_now == 0


def test_idle_handles_are_dropped(tmp_path):
    write(tmp_path / "a.h5", 1)
    pool = HDF5ConnectionPool(idle_s=0.1)
    read(pool, tmp_path / "a.h5")
    assert pool.stats().open_now == 1
    assert wait_for(lambda: pool.stats().open_now == 0)
    assert wait_for(lambda: not [t for t in threading.enumerate() if t is pool._janitor])
    assert read(pool, tmp_path / "a.h5") == 1


def test_a_handle_in_use_is_not_dropped(tmp_path):
    write(tmp_path / "a.h5", 1)
    pool = HDF5ConnectionPool(idle_s=0.05)
    with pool.open(tmp_path / "a.h5") as h5:
        time.sleep(0.3)
        assert h5["x"][0] == 1


def test_no_more_than_the_limit_is_kept(tmp_path):
    pool = HDF5ConnectionPool(idle_s=30, limit=3)
    for k in range(8):
        write(tmp_path / f"{k}.h5", k)
        assert read(pool, tmp_path / f"{k}.h5") == k
    assert pool.stats().open_now == 3
    pool.close()


def test_replaced_by_rename(tmp_path):
    pool = HDF5ConnectionPool(idle_s=30)
    write(tmp_path / "a.h5", 1)
    assert read(pool, tmp_path / "a.h5") == 1
    write(tmp_path / "b.h5", 2)
    (tmp_path / "b.h5").replace(tmp_path / "a.h5")
    assert read(pool, tmp_path / "a.h5") == 2
    assert pool.stats().open_now == 1
    pool.close()


def test_rewritten_in_place(tmp_path):
    """The same inode with other contents: HDF5 itself would serve what it remembers."""
    pool = HDF5ConnectionPool(idle_s=30)
    path = tmp_path / "a.h5"
    write(path, 1)
    write(tmp_path / "b.h5", 2)
    other = (tmp_path / "b.h5").read_bytes()
    assert read(pool, path) == 1
    before = path.stat()
    with path.open("r+b") as stream:
        stream.write(other)
        stream.truncate()
    assert path.stat().st_ino == before.st_ino
    assert read(pool, path) == 2
    pool.close()


def test_expected_contents(tmp_path):
    from xpcs_dash.hdf5.records import file_key

    pool = HDF5ConnectionPool(idle_s=0)
    write(tmp_path / "a.h5", 1)
    key = file_key(tmp_path / "a.h5")
    write(tmp_path / "b.h5", 2)
    (tmp_path / "b.h5").replace(tmp_path / "a.h5")
    with pytest.raises(UnreadableFile, match="replaced") as caught, pool.open(tmp_path / "a.h5", key):
        pass
    assert caught.value.transient


def test_many_threads(tmp_path):
    pool = HDF5ConnectionPool(idle_s=0.05, limit=2)
    for k in range(4):
        write(tmp_path / f"{k}.h5", k)
    wrong: list[object] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for k in rng.integers(0, 4, 40):
            try:
                if read(pool, tmp_path / f"{k}.h5") != k:
                    wrong.append(k)
            except Exception as err:
                wrong.append(err)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert wait_for(lambda: pool.stats().open_now == 0)


def test_threads_that_open_the_same_file_share_it(tmp_path):
    write(tmp_path / "a.h5", 1)
    pool = HDF5ConnectionPool(idle_s=30)
    barrier = threading.Barrier(6)
    seen: list[float] = []

    def work() -> None:
        barrier.wait()
        seen.append(read(pool, tmp_path / "a.h5"))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert seen == [1] * 6
    assert pool.stats().opened == 1
    pool.close()


def test_errors_leave_nothing_open(tmp_path):
    pool = HDF5ConnectionPool(idle_s=0)
    (tmp_path / "a.h5").write_bytes(b"no")
    for _ in range(3):
        with pytest.raises(UnreadableFile), pool.open(tmp_path / "a.h5"):
            pass
    assert pool.stats().open_now == 0
    write(tmp_path / "a.h5", 1)
    assert read(pool, tmp_path / "a.h5") == 1


def test_a_writer_is_never_blocked(tmp_path):
    """While we hold a file open, another process with ordinary locking can open, extend and close it."""
    path = tmp_path / "a_results.hdf"
    synthetic.aps(path)
    xf = open_result(path, HDF5ConnectionPool(idle_s=60))
    assert xf.n_q == 3
    script = textwrap.dedent(f"""
        import h5py, numpy as np
        with h5py.File({str(path)!r}, "a", locking=True) as h5:
            h5["/xpcs/later"] = np.arange(10)
        print("written")
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "written", done.stderr
    with HDF5ConnectionPool(idle_s=0).open(path) as h5:
        assert "later" in h5["/xpcs"]


def test_reading_beside_a_writer_that_holds_the_file(tmp_path):
    """A writer with its lock on the file: we read it (or say that it is being written), and it can go on."""
    path = tmp_path / "a_results.hdf"
    synthetic.aps(path)
    script = textwrap.dedent(f"""
        import sys, h5py, numpy as np
        with h5py.File({str(path)!r}, "a", locking=True) as h5:
            d = h5.create_dataset("/xpcs/growing", shape=(0,), maxshape=(None,))
            h5.flush()
            print("open", flush=True)
            sys.stdin.readline()
            d.resize((1000,))
            d[:] = 1
        print("done", flush=True)
    """)
    writer = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert writer.stdout.readline().strip() == "open"
        try:
            assert open_result(path, HDF5ConnectionPool(idle_s=0)).n_q == 3
        except UnreadableFile as err:
            transient = err.transient
            assert transient
        out, err_text = writer.communicate("\n", timeout=60)
    finally:
        writer.kill()
    assert "done" in out, err_text
    assert open_result(path, HDF5ConnectionPool(idle_s=0)).n_q == 3
