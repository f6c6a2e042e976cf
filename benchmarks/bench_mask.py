"""Masks, q-maps and partitions at detector size."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.result import Result

SHAPE = (1676, 2100)
LARGE = (2048, 2048)


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


def run(quick: bool = False) -> list[Result]:
    """The figures of masks, maps and partitions, in one run."""
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


if __name__ == "__main__":
    for result in run():
        print(result)
