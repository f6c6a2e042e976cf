"""Acquisition: end of a file to a new revision, indexing, restart, idle load; with the real processes."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psutil

from benchmarks.bench_door import bare, dataset_names, per_file_ms
from benchmarks.result import Result
from benchmarks.whole import measure
from xpcs_dash.acquisition.simulator import write_file
from xpcs_dash.acquisition.supervisor import Spec
from xpcs_dash.database.catalogue import Catalogue
from xpcs_dash.settings import Settings, load_settings

A001 = Path(__file__).parents[1] / "tests" / "data" / "A001_silica_multitau_results.hdf"


@contextmanager
def ingest(settings: Settings) -> Iterator[psutil.Process]:
    """The ingest process as ``serve`` runs it."""
    from xpcs_dash.acquisition.supervisor import Supervisor

    supervisor = Supervisor(settings, [Spec("ingest", "xpcs_dash.acquisition.service:run")])
    child = supervisor.children[0]
    supervisor._start(child)
    assert child.process is not None
    try:
        yield psutil.Process(child.process.pid)
    finally:
        supervisor.stop()


@contextmanager
def scene(**changes: object) -> Iterator[tuple[Settings, Catalogue]]:
    """An empty watched directory with its catalogue."""
    base = Path(tempfile.mkdtemp(prefix="xpcs-dash-bench-"))
    (base / "data").mkdir()
    settings = load_settings(root=base / "data", state_dir=base / "state", log_level="error", **changes)
    catalogue = Catalogue(settings.catalogue, settings.roots)
    try:
        yield settings, catalogue
    finally:
        catalogue.close()
        shutil.rmtree(base, ignore_errors=True)


def until(condition, seconds: float = 900.0, step: float = 0.002) -> float:
    """Seconds until something is so."""
    started = time.perf_counter()
    while not condition():
        if time.perf_counter() - started > seconds:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(step)
    return time.perf_counter() - started


def p95(values: list[float]) -> float:
    return sorted(values)[max(0, round(0.95 * len(values)) - 1)]


def latency(count: int) -> list[Result]:
    """Rename of a finished file until the catalogue has it as ready."""
    with scene() as (settings, catalogue), ingest(settings):
        root = settings.root
        assert root is not None
        write_file(root, 0, 9, datetime(2026, 1, 1))
        until(lambda: catalogue.counts()["ready"] == 1)
        time.sleep(2.0)
        found = []
        for number in range(count):
            target = root / f"f{number}_results.hdf"
            part = shutil.copyfile(A001, target.with_name(target.name + ".temp"))
            part.rename(target)
            found.append(until(lambda n=number: catalogue.counts()["ready"] == n + 2, 30.0))
            time.sleep(0.25)
        note = f"settle time {settings.settle_s:g} s included; load average {os.getloadavg()[0]:.1f}"
        return [
            Result("finish of file to revision, p50", statistics.median(found), "s", "", None, note),
            Result("finish of file to revision, p95", p95(found), "s", "<= 0.5", p95(found) <= 0.5, note),
        ]


def throughput(count: int) -> list[Result]:
    """Copies of A001 that are there at the start: read, summarised and fitted by the two reader processes."""
    with scene() as (settings, catalogue):
        root = settings.root
        assert root is not None
        for number in range(count):
            shutil.copyfile(A001, root / f"f{number:05d}_results.hdf")
        names = dataset_names(A001)
        with ingest(settings):
            until(lambda: catalogue.counts()["ready"] >= 10)
            first = catalogue.counts()["ready"]
            seconds = until(lambda: catalogue.counts()["ready"] == count, step=0.02)
            seconds += until(lambda: all_fitted(catalogue), step=0.05)
        plain = per_file_ms(sorted(root.glob("*.hdf"))[:100], lambda path: bare(path, names))
    rate = (count - first) / seconds
    note = f"{count} files with their fits, cold start left out; {1e3 / rate / plain:.2f} × h5py reading one"
    return [Result("ingest of files as A001", rate, "files/s", ">= 70", rate >= 70, note)]


def all_fitted(catalogue: Catalogue) -> bool:
    """Whether every file that is ready has its fit."""
    return all("tau" in (row.summary or {}) for row in catalogue.files(states=("ready",)))


def large(count: int, quick: bool) -> list[Result]:
    """Many files: cold indexing, restart, idle load. Links to one file stand for many."""
    with scene() as (settings, catalogue):
        root = settings.root
        assert root is not None
        small = shutil.copyfile(A001, root.parent / "small.hdf")
        now = time.time()
        for number in range(count):
            path = root / f"{number % 100:02d}" / f"f{number:05d}_results.hdf"
            path.parent.mkdir(exist_ok=True)
            # copies, not links: each has an inode and a time of its own
            shutil.copyfile(small, path)
            os.utime(path, (now - 2 * count + number,) * 2)
        started = time.perf_counter()
        with ingest(settings) as process:
            until(lambda: catalogue.newest() is not None)
            first = time.perf_counter() - started
            cold = until(lambda: catalogue.counts()["ready"] == count, step=0.2) + first
            # fits of files that could not be fitted as they were read
            until(lambda: catalogue.status().get("fits_queue") == 0, step=1.0)
            idle = idle_cpu(process, 20.0)
        opened = catalogue.status()["reads"]
        restart = restart_time(settings)
        reads = catalogue.status()["reads"]
        whole = measure(settings.root, settings.state_dir, count, quick)
    return [
        Result(
            f"{count} files, first one ready", first, "s", "", None, "newest first, processes started cold"
        ),
        Result(
            f"{count} files indexed cold", cold, "s", "", None, f"{count / cold:.0f} files/s, {opened} reads"
        ),
        Result(f"restart with {count} files", restart, "s", "<= 3", restart <= 3, f"{reads} HDF5 files read"),
        Result(
            f"idle CPU of ingest, {count} files",
            idle,
            "% of a core",
            "<= 2",
            idle <= 2,
            "20 s, all its processes",
        ),
        *whole,
    ]


def restart_time(settings: Settings) -> float:
    """Start of ingest until it has compared the whole directory with the catalogue."""
    catalogue = Catalogue(settings.catalogue, settings.roots)
    begun = time.time()
    started = time.perf_counter()
    with ingest(settings):
        until(lambda: (catalogue.status().get("last_scan") or 0) > begun)
        seconds = time.perf_counter() - started
        time.sleep(3.0)
    catalogue.close()
    return seconds


def idle_cpu(process: psutil.Process, seconds: float) -> float:
    """Share of one core that a process and its children use, in percent."""

    def used() -> float:
        family = [process, *process.children(recursive=True)]
        return sum(p.cpu_times().user + p.cpu_times().system for p in family)

    before = used()
    time.sleep(seconds)
    return 100.0 * (used() - before) / seconds


def run(quick: bool) -> list[Result]:
    """All figures of acquisition."""
    results = latency(20 if quick else 100)
    results += throughput(200 if quick else 1000)
    results += large(1000 if quick else 10_000, quick)
    return results
