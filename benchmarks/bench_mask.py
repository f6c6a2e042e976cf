"""Masks, q-maps and partitions at detector size."""

from __future__ import annotations

import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.result import Result

SHAPE = (1676, 2100)
LARGE = (2048, 2048)
SCREEN_MS, UP_KB = 300.0, 3.0

#: Times one drawing inside the page: from the end of the gesture until the count has changed, the new overlay
#: is decoded and a frame with it was painted. ``end`` names the event that ends the gesture.
WATCH = """([end, key]) => {
    const text = () => document.getElementById('mask-count').textContent;
    const link = () => [...document.querySelectorAll('#mask-graph image')]
        .map((i) => i.href.baseVal).find((address) => address.includes('/overlay.png'));
    const frame = () => new Promise(requestAnimationFrame);
    const was = text(), shown = link();
    window.xdRound = new Promise((done) => {
        const ended = async (event) => {
            if (key && event.key !== key) return;
            window.removeEventListener(end, ended, true);
            const begin = performance.now(), at = {};
            while (text() === was || link() === shown) {
                if (!at.count && text() !== was) at.count = performance.now() - begin;
                if (!at.link && link() !== shown) at.link = performance.now() - begin;
                await frame();
            }
            at.count = at.count || performance.now() - begin;
            at.link = at.link || performance.now() - begin;
            const image = new Image();
            image.src = link();
            await image.decode();
            at.decoded = performance.now() - begin;
            await frame();
            await frame();
            done({ ...at, total: performance.now() - begin });
        };
        window.addEventListener(end, ended, true);
    });
}"""


def best(run: Callable[[], Any], times: int) -> float:
    """Milliseconds of the fastest of some runs, after one that is not counted."""
    run()
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        spent.append((time.perf_counter() - start) * 1e3)
    return min(spent)


def plain_maps(g: Any) -> dict[str, Any]:
    """The same maps as the formulas are usually written in NumPy."""
    row, column = np.mgrid[: g.shape[0], : g.shape[1]].astype(np.float64)
    v, h = (row - g.bcy) * g.pix_dim, (column - g.bcx) * g.pix_dim
    rays = np.stack([h, v, np.full_like(h, g.det_dist)], axis=-1) @ np.eye(3)
    alpha = np.arctan2(np.hypot(rays[..., 0], rays[..., 1]), rays[..., 2])
    phi = -np.arctan2(rays[..., 1], rays[..., 0])
    qr = g.k0 * np.sin(alpha)
    return {
        "q": 2 * g.k0 * np.sin(alpha / 2),
        "phi": np.degrees(phi),
        "TTH": np.degrees(alpha),
        "qx": qr * np.cos(phi),
        "qy": qr * np.sin(phi),
        "qz": g.k0 * (np.cos(alpha) - 1),
        "qr": qr,
        "x": column,
        "y": row,
    }


def run(quick: bool = False) -> Iterator[Result]:
    """The figures of masks, maps and partitions, in one run."""
    yield from computing(quick)
    yield from screen(quick)


def computing(quick: bool) -> list[Result]:
    """What the server computes, without network and browser."""
    from xpcs_dash.figures.mask import overlay_png
    from xpcs_dash.hdf5.schemas import GeometryMetadata
    from xpcs_dash.simplemask.area_mask import AreaMask
    from xpcs_dash.simplemask.drawing_tools import DrawingTools
    from xpcs_dash.simplemask.operations import Context
    from xpcs_dash.simplemask.partition import Axis, check_nesting, generate_partition
    from xpcs_dash.simplemask.qmap import compute_maps

    times = 3 if quick else 7
    g = GeometryMetadata.from_metres(
        energy_kev=12.34, distance_m=11.6, pixel_m=76e-6, bcx=1677.5, bcy=841.5, shape=SHAPE
    )
    results = []
    spent = {name: best(lambda n=name: compute_maps(g, backend=n), times) for name in ("jax", "numpy")}
    usual = best(lambda: plain_maps(g), max(2, times // 2))
    fastest = min(spent, key=spent.__getitem__)
    for name, value in spent.items():
        note = "all nine maps of 1676 × 2100, warm"
        results.append(Result(f"q-map, {name}", value, "ms", "<= 200 ms", value <= 200, note))
    ratio = usual / spent[fastest]
    note = f"{usual:.0f} ms as the formulas are usually written; {fastest} backend"
    results.append(Result("q-map against plain NumPy", ratio, "×", ">= 4 ×", ratio >= 4, note))

    maps = compute_maps(g)
    mask = np.ones(SHAPE, bool)

    def cut() -> None:
        made = generate_partition(maps, mask, Axis("q", 36, 360), Axis("phi", 4, 8))
        assert not check_nesting(made.dynamic.roi_map, made.static.roi_map, mask)

    value = best(cut, times)
    note = "36 × 4 dynamic and 360 × 8 static bins of 1676 × 2100, with the checks of a foreign map"
    results.append(Result("partition", value, "ms", "<= 250 ms", value <= 250, note))

    turn = np.linspace(0, 2 * math.pi, 301)[:-1]
    radius = 820 + 90 * np.sin(7 * turn)
    corners = np.column_stack([1024 + radius * np.cos(turn), 1024 + radius * np.sin(turn)])
    tools = DrawingTools(LARGE)
    pixels = tools.polygon(corners).count
    value = best(lambda: tools.polygon(corners), 3 * times)
    note = f"300 corners, {pixels / 1e6:.2f} megapixels inside"
    results.append(Result("polygon", value, "ms", "<= 30 ms", value <= 30, note))

    area = AreaMask(LARGE)
    for k in range(6):
        shape = {"type": "rect", "x0": 100 * k, "y0": 50 * k, "x1": 100 * k + 400, "y1": 900}
        area = area.relayout({f"shapes[{k}]": shape})
    context = Context(LARGE)

    def paint() -> None:
        found, _ = area.relayout({"shapes[2].x0": 333.3}).compute(context)
        np.count_nonzero(found)
        overlay_png(~found, "#3d4c63")

    value = best(paint, times)
    note = "one of six shapes moved on 4 megapixels: mask, count and overlay; without network and browser"
    results.append(Result("drawing to mask on the server", value, "ms", "<= 300 ms", value <= 300, note))
    return results


def screen(quick: bool) -> Iterator[Result]:
    """From the end of a gesture with the mouse to the new count and overlay in a browser, and bytes sent."""
    from tests.browser.conftest import ARGUMENTS, chromium, start_dashboard, stop_dashboard
    from xpcs_dash.simplemask.files import mask_bytes

    path = chromium()
    if path is None:
        print("# no Chromium: drawing to the screen is not measured", file=sys.stderr)
        return
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        base = Path(folder)
        (base / "data").mkdir()
        image = np.random.default_rng(1).poisson(3.0, LARGE).astype(np.uint8)
        (base / "data" / "image.tif").write_bytes(mask_bytes(image, "tif"))
        dashboard = start_dashboard(base / "data", base / "state")
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            page = browser.new_page(viewport={"width": 1600, "height": 900})
            page.goto(dashboard.url + "mask")
            page.click("[data-tab=files]")
            page.fill("#mask-path", "image.tif")
            page.click("#mask-open-path")
            yield from _drawn(page, "2048 × 2048 TIFF", LARGE, 3 if quick else 5)
        finally:
            browser.close()
            stop_dashboard(dashboard)


class _Hand:
    """Draws on the page in shares of the detector, and notes how long each gesture took to be seen."""

    def __init__(self, page: Any, shape: tuple[int, int]) -> None:
        self.page, self.shape = page, shape
        self.spent: dict[str, list[dict[str, float]]] = {}
        self.alone: list[int] = []
        self.together: list[int] = []
        self._sent: list[tuple[bool, int]] = []
        page.on("request", self._note)

    def _note(self, asked: Any) -> None:
        if asked.method == "POST":
            body = asked.post_data_buffer or b""
            self._sent.append((b"mask-action" in body, len(body)))

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where on the screen a place of the detector is."""
        found = self.page.evaluate(
            """([x, y]) => {
            const gd = document.querySelector('#mask-graph .js-plotly-plot'), f = gd._fullLayout;
            const b = gd.querySelector('.nsewdrag').getBoundingClientRect();
            return [b.left + f.xaxis.c2p(x), b.top + f.yaxis.c2p(y)]; }""",
            [x * self.shape[1], y * self.shape[0]],
        )
        return found[0], found[1]

    def drag(self, corners: list[tuple[float, float]]) -> None:
        places = [self.at(*corner) for corner in corners]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=4)
        self.page.mouse.up()

    def click(self, corners: list[tuple[float, float]]) -> None:
        self.page.keyboard.press("p")
        for corner in corners:
            self.page.mouse.click(*self.at(*corner))
        self.page.keyboard.press("Enter")

    def measure(self, kind: str, end: str, gesture: Callable[[], None]) -> None:
        """Make a gesture, wait until it is seen, and note the time and the bytes that went up."""
        self.page.evaluate(WATCH, end.split())
        self._sent.clear()
        gesture()
        found = self.page.evaluate("window.xdRound")
        self.page.wait_for_timeout(900)  # the rest of the page follows
        self.spent.setdefault(kind, []).append(found)
        self.together.append(sum(size for _, size in self._sent))
        self.alone.append(max(size for own, size in self._sent if own))


def _drawn(page: Any, note: str, shape: tuple[int, int], times: int) -> Iterator[Result]:
    """Rectangles, ellipses, freehand areas and clicked polygons, ``times`` each, and one of them moved."""
    page.wait_for_selector("#mask-graph .nsewdrag", timeout=60_000)
    ready = """() => document.querySelector('#mask-graph .js-plotly-plot')._xdMask === true
        && / of /.test(document.getElementById('mask-count').textContent)"""
    page.wait_for_function(ready, polling=100)
    page.wait_for_timeout(1500)
    hand = _Hand(page, shape)
    turn = np.linspace(0, 2 * math.pi, 60)
    for k in range(times):
        x = 0.05 + 0.9 * k / times
        page.keyboard.press("r")
        hand.measure("rectangle", "mouseup", partial(hand.drag, [(x, 0.2), (x + 0.05, 0.26)]))
        page.keyboard.press("e")
        hand.measure("ellipse", "mouseup", partial(hand.drag, [(x, 0.35), (x + 0.05, 0.41)]))
        ring = [(x + 0.05 * (1 + math.cos(t)), 0.5 + 0.05 * math.sin(t)) for t in turn]
        page.keyboard.press("f")
        hand.measure("freehand", "mouseup", partial(hand.drag, ring))
        corners = [(x, 0.65), (x + 0.06, 0.65), (x + 0.03, 0.72)]
        hand.measure("polygon", "keydown Enter", partial(hand.click, corners))
    page.keyboard.press("v")
    for k in range(times):
        x = 0.075 + 0.9 * k / times
        page.mouse.click(*hand.at(x, 0.23))
        hand.measure("moved", "mouseup", partial(hand.drag, [(x, 0.23), (x + 0.03, 0.25)]))

    every = [found["total"] for listed in hand.spent.values() for found in listed]
    middle = {
        name: [f[name] for listed in hand.spent.values() for f in listed]
        for name in ("count", "link", "decoded")
    }
    parts = ", ".join(f"{k} {statistics.median(f['total'] for f in v):.0f}" for k, v in hand.spent.items())
    steps = ", ".join(f"{name} {statistics.median(values):.0f}" for name, values in middle.items())
    value = statistics.median(every)
    text = f"{note}; {len(every)} gestures, worst {max(every):.0f} ms; medians: {parts}; steps: {steps}"
    yield Result(
        "drawing to the screen, median", value, "ms", f"<= {SCREEN_MS:g} ms", value <= SCREEN_MS, text
    )
    for name, sizes in (("request of a drawing, most", hand.alone), ("all requests, most", hand.together)):
        most = max(sizes) / 1e3
        yield Result(name, most, "kB", f"<= {UP_KB:g} kB", most <= UP_KB, note)


if __name__ == "__main__":
    for result in run():
        print(result)
