"""The door: opening results that were not opened before, against h5py reading everything in them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import h5py

from benchmarks.bench_average import copies
from benchmarks.result import Result
from xpcs_dash.results.door import Door
from xpcs_dash.settings import Settings


def dataset_names(path: Path) -> list[str]:
    """Every dataset of a file."""
    names: list[str] = []
    with h5py.File(path, "r") as h5:
        h5.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return names


def bare(path: Path, names: list[str]) -> None:
    """Read everything in a file with h5py as its manual shows."""
    with h5py.File(path, "r") as h5:
        for name in names:
            h5[name][()]


def per_file_ms(paths: list[Path], call: Callable[[Path], object]) -> float:
    """Milliseconds for each of the files, one after the other."""
    begin = time.perf_counter()
    for path in paths:
        call(path)
    return 1e3 * (time.perf_counter() - begin) / len(paths)


def run(quick: bool) -> list[Result]:
    """All figures of the door."""
    with copies(20 if quick else 60) as paths:
        names, folder = dataset_names(paths[0]), paths[0].parent
        opened, read = [], []
        for _ in range(5 if quick else 9):  # in turn, so that a change of the machine's speed meets both
            door = Door(Settings(root=folder, state_dir=folder / "state"))
            door.open(paths[0])
            opened.append(per_file_ms(paths[1:], door.open))
            door.pool.close()
            read.append(per_file_ms(paths[1:], lambda path: bare(path, names)))
        again = per_file_ms(paths[1:], door.open)
        ratio = statistics.median(a / b for a, b in zip(opened, read, strict=True))
        note = (
            f"{statistics.median(opened):.1f} ms against {statistics.median(read):.1f} ms; others were opened"
        )
    return [
        Result(
            f"open_file / h5py reading its {len(names)} datasets",
            ratio,
            "ratio",
            "<= 0.3",
            ratio <= 0.3,
            note,
        ),
        Result("open_file of a file that was opened before", again, "ms"),
    ]
