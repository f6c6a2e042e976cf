"""Averaging: memory bounded by a few files, faster than reading every file twice, as fast as the peer."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.result import Result
from xpcs_dash import open_result
from xpcs_dash.analysis.averaging import average, to_result
from xpcs_dash.hdf5.aps_writer import write_aps

SAMPLE = Path(__file__).parents[1] / "tests" / "data" / "A001_silica_multitau_results.hdf"
#: Python of an environment in which pyXpcsViewer 1.2.2 is installed.
PEERS = "XPCS_DASH_PEERS_PYTHON"


@contextmanager
def copies(number: int) -> Iterator[list[Path]]:
    """Copies of one result."""
    with tempfile.TemporaryDirectory(prefix="xpcs-dash-bench-") as folder:
        paths = [Path(folder) / "data" / f"A{k:04d}_results.hdf" for k in range(number)]
        paths[0].parent.mkdir()
        for path in paths:
            shutil.copyfile(SAMPLE, path)
        yield paths


def read_all(path: Path) -> float:
    """Everything that an average needs of one file."""
    xf = open_result(path)
    arrays = (xf.g2, xf.g2_err, xf.saxs_1d, xf.saxs_2d, xf.segments, xf.int_t)
    return float(sum(np.nansum(a) for a in arrays if a is not None))


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def peak_mb(call: Callable[[], object]) -> float:
    """Most memory that a call holds."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


@contextmanager
def peer(folder: Path, out: Path) -> Iterator[Callable[[], float]]:
    """Seconds in which pyXpcsViewer averages the files, each time it is asked."""
    command = [os.environ[PEERS], str(Path(__file__).with_name("peer_average.py")), str(folder), str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"pyXpcsViewer does not start with {os.environ[PEERS]}")

        def once() -> float:
            process.stdin.write("go\n")
            process.stdin.flush()
            return float(process.stdout.readline())

        yield once


def against_peer(paths: list[Path], rounds: int) -> Result:
    """Time of our average, written, over that of pyXpcsViewer, in turn."""
    name = f"average of {len(paths)} files: time / pyXpcsViewer 1.2.2"
    if PEERS not in os.environ:
        return Result(name, float("nan"), "ratio", "<= 1.2", None, f"not installed: {PEERS} is not set")
    folder = paths[0].parent.parent
    ours, theirs = [], []
    with peer(paths[0].parent, folder / "peer.hdf") as ask:
        ask()  # both have done it once before
        write_aps(folder / "ours_results.hdf", to_result(average(paths, open_result)))
        for _ in range(rounds):
            theirs.append(ask())
            ours.append(
                seconds(
                    lambda: write_aps(folder / "ours_results.hdf", to_result(average(paths, open_result)))
                )
            )
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    note = f"{statistics.median(ours):.2f} s against {statistics.median(theirs):.2f} s; "
    return Result(name, ratio, "ratio", "<= 1.2", ratio <= 1.2, note + "ours with errors, segments and I(t)")


def run(quick: bool) -> list[Result]:
    """All figures of averaging."""
    number = 40 if quick else 200
    with copies(number) as paths:
        read_all(paths[0])  # imports are not the file's memory
        one = peak_mb(lambda: read_all(paths[0]))
        out = paths[0].parent.parent / "Average_results.hdf"
        memory = peak_mb(lambda: write_aps(out, to_result(average(paths, open_result, alone=True))))
        ratios = []
        for _ in range(1 if quick else 3):  # in turn, so that a change of the machine's speed meets both
            reading = seconds(lambda: [read_all(path) for path in paths])
            averaging = seconds(lambda: write_aps(out, to_result(average(paths, open_result))))
            ratios.append(averaging / reading)
        ratio = float(np.median(ratios))
        beside = against_peer(paths, 3 if quick else 7)
    files = memory / one
    return [
        beside,
        Result(f"average of {number} files: time / reading them once", ratio, "ratio", "< 2", ratio < 2),
        Result(f"average of {number} files: peak memory / one file", files, "ratio", "<= 8", files <= 8),
        Result(f"average of {number} files: peak memory", memory, "MB"),
    ]
