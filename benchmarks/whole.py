"""The whole of ``serve`` on an indexed directory: time to the first page, idle load, memory."""

from __future__ import annotations

import sys
import time
import urllib.request
from pathlib import Path

import psutil

from benchmarks.result import Result

BROWSERS = 5


def first_page(root: Path, state: Path, count: int) -> tuple[object, float]:
    """Start ``serve``; seconds until it has answered the page and the list of all files."""
    from tests.browser.conftest import start_dashboard

    begin = time.perf_counter()
    dashboard = start_dashboard(root, state)
    with urllib.request.urlopen(dashboard.url, timeout=30) as answer:
        answer.read()
    while len(dashboard.get("/api/files?state=ready")["files"]) < count:
        time.sleep(0.02)
    return dashboard, time.perf_counter() - begin


def family(pid: int) -> list[psutil.Process]:
    """A process and all that it started."""
    top = psutil.Process(pid)
    return [top, *top.children(recursive=True)]


def load_of(pid: int, seconds: float) -> float:
    """Share of one core that a process and all that it started use, in percent."""

    def used() -> dict[int, float]:
        found = {}
        for process in family(pid):
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            found[process.pid] = times.user + times.system
        return found

    before, begin = used(), time.perf_counter()
    time.sleep(seconds)
    after, spent = used(), time.perf_counter() - begin
    return 100.0 * sum(after[pid] - before.get(pid, 0.0) for pid in after) / spent


def measure(root: Path, state: Path, count: int, quick: bool) -> list[Result]:
    """Time to the first page with ``count`` files, and the load of everything with five browsers."""
    from tests.browser.conftest import ARGUMENTS, chromium, stop_dashboard

    dashboard, seconds = first_page(root, state, count)
    results = [Result(f"restart to first page, {count} files", seconds, "s", "<= 3", seconds <= 3)]
    path = chromium()
    try:
        if path is None:
            print("# no Chromium: the idle load with browsers is not measured", file=sys.stderr)
            return results
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
            for _ in range(BROWSERS):
                page = browser.new_context().new_page()
                page.goto(dashboard.url)
                page.wait_for_selector("#live-g2 .scatterlayer .trace", state="attached", timeout=60_000)
            time.sleep(10 if quick else 60)  # until the workers are warm
            idle = load_of(dashboard.process.pid, 20 if quick else 60)
            browser.close()
        note = f"all processes of serve, {BROWSERS} browsers on the Live page"
        results.append(Result(f"idle CPU, {count} files", idle, "% of a core", "<= 5", idle <= 5, note))
    finally:
        stop_dashboard(dashboard)
    return results
