"""The pages: server time of a change of file, finish of a file to its curve on a screen, payload, memory."""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.result import Result

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "tests" / "data"
LARGE = "llps_E0173_H06-c6c5-4_a0009_f100000_r00001_results.hdf"
SMALL = "A001_silica_multitau_results.hdf"

WARM_MS, COLD_MS, SCREEN_S, RSS_MB = 60.0, 200.0, 1.7, 300.0


def run(quick: bool = False) -> Iterator[Result]:
    """Yield the figures; ``quick`` repeats less."""
    yield from server_times(quick)
    yield from screen(quick)


def sample(name: str) -> Path | None:
    """Path of a sample file; None where it may not be redistributed and is not here."""
    for folder in (SAMPLES, ROOT.parent / "shared" / "data"):
        if (folder / name).is_file():
            return folder / name
    return None


def p95(values: list[float]) -> float:
    """95th percentile, or the largest of few values."""
    return max(values) if len(values) < 20 else statistics.quantiles(values, n=20)[-1]


def bounded(name: str, value: float, unit: str, limit: float, note: str = "") -> Result:
    """A figure with the limit that it must stay below."""
    return Result(name, value, unit, f"<= {limit:g}", value <= limit, note)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds that a call took, and its result."""
    begin = time.perf_counter()
    found = call()
    return (time.perf_counter() - begin) * 1e3, found


def server_times(quick: bool) -> Iterator[Result]:
    """Time of the g2 page's callback for the file with 36 bins, and the bytes of one update."""
    from dash._utils import to_json  # what the callback's answer is written with

    from tests.pages.live_fixture import current, fill
    from xpcs_dash.pages.g2.callbacks import answer
    from xpcs_dash.services import build_services

    path = sample(LARGE)
    name = "E0173, 36 bins"
    if path is None:
        path, name = sample(SMALL), "A001, 12 bins: the large file is not here"
    assert path is not None
    options = {"view": "panels", "combine": False, "fit": True, "common": True, "delay": "log"}
    with tempfile.TemporaryDirectory() as folder:
        services = fill(Path(folder), [path])
        chosen = current(1)
        answer(services, chosen, options, None, 1.0)  # imports
        cold = []
        for _ in range(3 if quick else 12):
            fresh = build_services(services.settings)
            cold.append(timed(lambda s=fresh: to_json(answer(s, chosen, options, None, 1.0)[0]))[0])
            fresh.close()
        signature = answer(services, chosen, options, None, 1.0)[4]
        warm, size = [], 0
        for _ in range(10 if quick else 60):
            took, text = timed(lambda: to_json(answer(services, chosen, options, signature, 1.0)[0]))
            warm.append(took)
            size = len(text)
        services.close()
    yield Result(
        "g2 change of file, server, warm, p95", p95(warm), "ms", f"<= {WARM_MS:g}", p95(warm) <= WARM_MS, name
    )
    yield Result(
        "g2 change of file, server, cold, p95", p95(cold), "ms", f"<= {COLD_MS:g}", p95(cold) <= COLD_MS, name
    )
    yield Result("g2 update, before compression", size / 1024, "kB", note=name)


def screen(quick: bool) -> Iterator[Result]:
    """From the rename of a finished file to its curve in a browser, and the web process's memory after it."""
    from tests.browser.conftest import ARGUMENTS, chromium, start_dashboard, stop_dashboard

    path = chromium()
    source = sample(SMALL)
    if path is None or source is None:
        print("# no Chromium: the time to the screen is not measured", file=sys.stderr)
        return
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        base = Path(folder)
        (base / "data").mkdir()
        dashboard = start_dashboard(base / "data", base / "state")
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            dashboard.add(source, "run0000_results.hdf")
            page = browser.new_page(viewport={"width": 1600, "height": 900})
            page.goto(dashboard.url)
            shown = """(name) => (document.querySelector('#live-head h1') || {}).textContent === name
                && document.querySelector('#live-g2 .js-plotly-plot').data !== window.xdBefore"""
            keep = "() => { window.xdBefore = document.querySelector('#live-g2 .js-plotly-plot').data; }"
            page.wait_for_selector("#live-g2 .scatterlayer .trace", timeout=60_000)
            times = []
            for k in range(1, 4 if quick else 21):
                name = f"run{k:04d}"
                part = base / "data" / f"{name}.temp"
                shutil.copyfile(source, part)
                page.evaluate(keep)
                begin = time.perf_counter()
                part.rename(base / "data" / f"{name}_results.hdf")
                page.wait_for_function(shown, arg=name, timeout=60_000, polling=20)
                times.append(time.perf_counter() - begin)
                threading.Event().wait(0.13 * (k % 8))  # at another phase of the browser's poll
            value = p95(times)
            note = f"{len(times)} files, 1 s polling, median {statistics.median(times):.2f} s"
            yield bounded("finish of file to curve on screen, p95", value, "s", SCREEN_S, note)
            rss = web_memory(dashboard.url)
            yield bounded("resident memory of the web process", rss, "MB", RSS_MB)
        finally:
            browser.close()
            stop_dashboard(dashboard)


def web_memory(url: str) -> float:
    """Resident memory in MB of the process that answers ``/metrics``."""
    with urllib.request.urlopen(url + "metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.split(" ")[0].endswith("resident_memory_bytes"):
                return float(line.split()[1]) / 1e6
    return float("nan")
