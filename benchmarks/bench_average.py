"""Averaging: memory bounded by a few files, and faster than reading every file twice."""

from __future__ import annotations

import shutil
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.result import Result
from xpcs_dash import open_result
from xpcs_dash.analysis.averaging import average, to_result
from xpcs_dash.hdf5.aps_writer import write_aps

SAMPLE = Path(__file__).parents[1] / "tests" / "data" / "A001_silica_multitau_results.hdf"


@contextmanager
def copies(number: int) -> Iterator[list[Path]]:
    with tempfile.TemporaryDirectory(prefix="xpcs-dash-bench-") as folder:
        paths = [Path(folder) / f"A{k:04d}_results.hdf" for k in range(number)]
        for path in paths:
            shutil.copyfile(SAMPLE, path)
        yield paths


def read_all(path: Path) -> float:
    """Everything that an average needs of one file."""
    xf = open_result(path)
    arrays = (xf.g2, xf.g2_err, xf.saxs_1d, xf.saxs_2d, xf.segments, xf.int_t)
    return float(sum(np.nansum(a) for a in arrays if a is not None))


def seconds(call) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def peak_mb(call) -> float:
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def run(quick: bool) -> list[Result]:
    number = 40 if quick else 200
    with copies(number) as paths:
        read_all(paths[0])  # imports are not the file's memory
        one = peak_mb(lambda: read_all(paths[0]))
        out = paths[0].with_name("Average_results.hdf")
        memory = peak_mb(lambda: write_aps(out, to_result(average(paths, open_result))))
        rounds = 1 if quick else 3
        ratios = []
        for _ in range(rounds):  # in turn, so that a change of the machine's speed meets both
            reading = seconds(lambda: [read_all(path) for path in paths])
            averaging = seconds(lambda: write_aps(out, to_result(average(paths, open_result))))
            ratios.append(averaging / reading)
        ratio = float(np.median(ratios))
    files = memory / one
    return [
        Result(f"average of {number} files: time / reading them once", ratio, "ratio", "< 2", ratio < 2),
        Result(f"average of {number} files: peak memory / one file", files, "ratio", "<= 8", files <= 8),
        Result(f"average of {number} files: peak memory", memory, "MB"),
    ]
