"""The views: the q-map page in Chromium, two-time matrices of 5,000 frames, a million frames of I(t)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np

from benchmarks.result import Result
from xpcs_dash.analysis import aging, intensity, twotime
from xpcs_dash.analysis.kernel import ViewerKernel
from xpcs_dash.analysis.views import triangle
from xpcs_dash.figures.twotime import picture_png
from xpcs_dash.results.door import Door
from xpcs_dash.settings import Settings

DATA = Path(__file__).parents[1] / "tests" / "data"
SHARED = Path(os.environ.get("XPCS_DASH_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
LARGE = SHARED / "llps_E0173_H06-c6c5-4_a0009_f100000_r00001_results.hdf"
BOTH = DATA / "A002_gel_aging_both_results.hdf"


def best(call: Callable[[], Any], rounds: int = 3) -> float:
    """Shortest of some rounds, in ms."""
    took = []
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        took.append(time.perf_counter() - begin)
    return 1e3 * min(took)


def at_most(name: str, value: float, unit: str, limit: float, note: str = "") -> Result:
    return Result(name, value, unit, f"<= {limit:,g}", value <= limit, note)


def series() -> list[Result]:
    rng = np.random.default_rng(0)
    y = rng.poisson(20, 1_000_000).astype(np.float64)
    t = np.arange(y.size) * 2e-5

    def everything() -> None:
        intensity.decimate(t, y)
        intensity.decimate(t, intensity.moving_average(y, 1000))

    return [
        at_most("I(t) of 1e6 frames: decimated and smoothed", best(everything), "ms", 200),
        at_most("spectrum of 1e6 frames", best(lambda: intensity.spectrum(y, 2e-5)), "ms", 200),
    ]


def large_matrix(path: Path, n: int) -> None:
    """A002 with its first matrix replaced by one of n × n frames, in one block as writers store it."""
    shutil.copyfile(BOTH, path)
    t = np.arange(n, dtype=np.float32) * 0.01
    with h5py.File(path, "r+") as h5:
        group = h5["xpcs/twotime"]
        bins = len(group["processed_bins"])
        for k in range(1, bins + 1):
            del group[f"correlation_map/c2_{k:05d}"]
        del group["processed_bins"], group["normalized_g2"], group["normalized_g2_segments"]
        group["processed_bins"] = np.array([1], np.int32)
        rng = np.random.default_rng(0)
        values = np.zeros((n, n), np.float32)
        for i in range(n):
            tail = t[i:] - t[i]
            values[i, i:] = 1 + 0.25 * np.exp(-tail / 4) + 0.01 * rng.standard_normal(n - i, np.float32)
        group.create_dataset("correlation_map/c2_00001", data=values, compression="lzf", chunks=(n, n))
        group["normalized_g2"] = np.ones((n, 1), np.float32)
        group["normalized_g2_segments"] = np.ones((n // 5, 5, 1), np.float32)


def show(kernel: ViewerKernel) -> None:
    """What a click on the two-time page asks of the server."""
    kernel.cache.clear()
    data = triangle(kernel, 1, 1)
    shown = twotime.picture(data)
    picture_png(shown.values, twotime.colour_limits(data, 1, 99.5), "viridis")


def growth_mb(path: Path) -> float:
    """Growth of the peak memory of a fresh process while it opens the matrix."""
    kernel = ViewerKernel(Door(Settings(state_dir=path.parent), lambda _: path))
    kernel.open(1)
    before = peak_mb()
    show(kernel)
    return peak_mb() - before


def peak_mb() -> float:
    """Peak memory of this process; ``ru_maxrss`` would include the parent's from before the exec."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3


def matrices(n: int) -> list[Result]:
    with tempfile.TemporaryDirectory(prefix="xpcs-dash-bench-") as folder:
        path = Path(folder) / "large_results.hdf"
        large_matrix(path, n)
        kernel = ViewerKernel(Door(Settings(state_dir=Path(folder)), lambda _: path))
        kernel.open(1)
        opened = best(lambda: show(kernel), 3)
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            grown = pool.submit(growth_mb, path).result()
        data = triangle(kernel, 1, 1)

        def zoom() -> None:
            quarter = (0.3 * n, 0.62 * n)
            picture_png(twotime.picture(data, quarter, quarter).values, (1.0, 1.25), "viridis")

        block = 4e-6 * n * n
        return [
            at_most(f"two-time {n:,} × {n:,}: open", opened, "ms", 1000, "read, average, encode"),
            at_most(f"two-time {n:,} × {n:,}: zoom", best(zoom), "ms", 300),
            at_most(
                "two-time: memory while it opens",
                grown,
                "MB",
                block + 2.5 * 64,
                f"the file's one block is {block:.0f} MB; kept afterwards {data.nbytes / 1e6:.0f} MB",
            ),
            Result("two-time: g2 in 8 slices of age", best(lambda: aging.age_slices(data, 8), 2), "ms"),
        ]


def serve(root: Path, state: Path) -> tuple[subprocess.Popen[str], str]:
    """Start the dashboard and return it with its address."""
    command = [
        sys.executable,
        "-m",
        "xpcs_dash",
        "serve",
        str(root),
        "--state-dir",
        str(state),
        "--port",
        "0",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "serves http" in line:
            return process, line.split("serves ")[1].split()[0].rstrip("/")
    raise RuntimeError("the dashboard did not start")


def in_browser(rounds: int) -> list[Result]:
    """Click in the rail to the map being drawn, payload of the page's data and heap."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not LARGE.is_file() or found is None:
        why = "no Chromium" if found is None else "the 1676×2100 sample is not beside the checkout"
        return [Result("q-map page in Chromium", float("nan"), "ms", "<= 500", None, f"skipped: {why}")]
    with tempfile.TemporaryDirectory(prefix="xpcs-dash-bench-") as folder:
        root = Path(folder) / "data"
        root.mkdir()
        for k in range(rounds + 1):
            shutil.copyfile(LARGE, root / f"{k}_{LARGE.name}")
        process, url = serve(root, Path(folder) / "state")
        try:
            wait_for_files(url, rounds + 1)
            first, *fresh = clicks_to_saxs(found, url, range(1, rounds + 2))
            again = clicks_to_saxs(found, url, [1] * rounds)
            measured = measure(found, url, rounds)
        finally:
            process.terminate()
            process.wait(30)
    return [
        at_most("SAXS page, 1676×2100: click to drawn, first", first, "ms", 500, "of a server just started"),
        at_most("SAXS page: click to drawn, a file not seen", median(fresh), "ms", 500, spread(fresh)),
        at_most("SAXS page: click to drawn, seen before", median(again), "ms", 500, spread(again)),
        at_most(
            "q-map page, 1676×2100: click to drawn",
            measured.click_ms,
            "ms",
            500,
            f"median of {rounds}, worst {measured.worst_ms:.0f}",
        ),
        at_most("q-map page: payload of map, labels, counts", measured.payload / 1e6, "MB", 1.5),
        at_most(
            "q-map page: heap", measured.heap / 1e6, "MB", 80, "JavaScript heap and arrays after collection"
        ),
        at_most("q-map page: cursor read-out", measured.hover_ms, "ms", 100, "no request to the server"),
    ]


def wait_for_files(url: str, count: int) -> None:
    """Until so many files are ready."""
    for _ in range(600):
        with urllib.request.urlopen(f"{url}/api/files?state=ready", timeout=10) as answer:
            if len(json.load(answer)["files"]) >= count:
                return
        time.sleep(0.1)
    raise RuntimeError("the files were not read within a minute")


def median(values: list[float]) -> float:
    return float(np.median(values))


def spread(values: list[float]) -> str:
    return f"median of {len(values)}, worst {max(values):.0f}"


DRAWN = """() => { const el = document.querySelector('#qmap-graph image');
    return el && el.getBoundingClientRect().width > 50 && window.mapLoaded; }"""
#: Notes when the map's picture has been decoded: the graph asks for it by address.
NOTE = """() => { window.mapLoaded = false; const look = async () => {
    const el = document.querySelector('#qmap-graph image');
    if (!el) return requestAnimationFrame(look);
    const img = new Image(); img.src = el.getAttribute('href') || el.getAttribute('xlink:href');
    await img.decode(); window.mapLoaded = true; }; look(); }"""


#: Notes, from the click on, when the scattering image stands on the screen.
CLICK = """() => window.addEventListener('click', () => { window.drawn = 0; const begin = performance.now();
    const look = async () => { const el = document.querySelector('#saxs-graph image');
        if (!el || el.getBoundingClientRect().width < 50) return requestAnimationFrame(look);
        const img = new Image(); img.src = el.getAttribute('href') || el.getAttribute('xlink:href');
        await img.decode();
        requestAnimationFrame(() => { window.drawn = performance.now() - begin; }); };
    look(); }, { capture: true, once: true })"""


def clicks_to_saxs(executable: str, url: str, files: Iterable[int]) -> list[float]:
    """Milliseconds from the click in the rail of the g2 page to the image, for each of the files."""
    from playwright.sync_api import sync_playwright

    took = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for number in files:
            page = browser.new_page(viewport={"width": 1920, "height": 1080})
            page.goto(f"{url}/g2?file={number}")
            page.wait_for_selector("#g2-graph .scatterlayer .trace", timeout=90_000)
            page.wait_for_timeout(1500)
            page.evaluate(CLICK)
            page.click("a.xd-rail-link[data-path='/saxs']")
            page.wait_for_function("() => window.drawn > 0", timeout=60_000, polling=20)
            took.append(float(page.evaluate("() => window.drawn")))
            page.close()
        browser.close()
    return took


def measure(executable: str, url: str, rounds: int) -> Any:
    from playwright.sync_api import sync_playwright

    clicks, sizes = [], {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for _ in range(rounds):
            page = browser.new_page(viewport={"width": 1920, "height": 1080})
            page.on("response", lambda r: sizes.__setitem__(r.url, r) if "/map/" in r.url else None)
            page.goto(f"{url}/saxs")
            page.wait_for_selector("#saxs-graph image", timeout=60_000)
            page.wait_for_timeout(1000)
            begin = time.perf_counter()
            page.click("a[href*='/qmap']")
            page.evaluate(NOTE)
            page.wait_for_function(DRAWN, timeout=60_000)
            clicks.append(1e3 * (time.perf_counter() - begin))
            page.wait_for_function("() => window.xd.views.sources['qmap-graph']")
            page.wait_for_function("() => [...window.xd.views.kept.values()].some(d => d.labels)")
            page.mouse.move(700, 500)
            page.wait_for_function("() => [...window.xd.views.kept.values()].some(d => d.intensity)")
            page.mouse.move(710, 505)
            page.wait_for_function("() => document.querySelector('#qmap-readout').dataset.filled")
            hover = page.evaluate(HOVER)
            session = page.context.new_cdp_session(page)
            session.send("HeapProfiler.collectGarbage")
            heap = page.evaluate("() => performance.memory.usedJSHeapSize")
            arrays = page.evaluate(ARRAYS)
            payload = sum(len_of(r) for r in sizes.values())
            page.close()
        browser.close()
    return SimpleNamespace(
        click_ms=median(clicks), worst_ms=max(clicks), payload=payload, heap=heap + arrays, hover_ms=hover
    )


def len_of(response: Any) -> int:
    """Bytes of a response's body on the wire."""
    return int(response.request.sizes()["responseBodySize"])


ARRAYS = """() => [...window.xd.views.kept.values()].reduce((n, d) => n + (d.labels ? d.labels.byteLength : 0)
    + (d.dynamic ? d.dynamic.byteLength : 0) + (d.intensity ? d.intensity.byteLength : 0), 0)"""
HOVER = """async () => { const out = document.querySelector('#qmap-readout'), layer =
    document.querySelector('#qmap-graph .nsewdrag'), box = layer.getBoundingClientRect();
    const seen = new Promise(done => { new MutationObserver(() => done(performance.now()))
        .observe(out, { childList: true }); });
    const start = performance.now();
    layer.dispatchEvent(new PointerEvent('pointermove', { bubbles: true, clientX: box.left + box.width * 0.4,
        clientY: box.top + box.height * 0.3 }));
    return await seen - start; }"""


def run(quick: bool) -> list[Result]:
    return [*series(), *matrices(2_000 if quick else 5_000), *in_browser(2 if quick else 7)]
