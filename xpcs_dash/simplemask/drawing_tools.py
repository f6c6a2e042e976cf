"""Shapes on a detector image, turned into pixels.

The rule: pixel (row i, column j) is the point x = j, y = i, so a detector of shape (H, W) spans x from -0.5
to W - 0.5. A pixel belongs to a shape when its centre does. Centres exactly on the outline belong to
rectangles, ellipses and lines; for polygons they belong on left and upper edges and not on right and lower
ones, so that polygons which share an edge share no pixel. Overlapping parts of one path cancel (even-odd
rule), as they are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError
from xpcs_dash.simplemask.paths import Vertices, parse_path

Bool = NDArray[np.bool_]

#: What a shape does to the mask: mask what is inside, keep only what is inside, give masked pixels back.
MODES = ("out", "keep", "back")


@dataclass(frozen=True)
class Region:
    """Pixels of one shape: a block (h, w) bool placed at row ``top``, column ``left`` of the detector."""

    top: int
    left: int
    block: Bool

    @property
    def window(self) -> tuple[slice, slice]:
        """Index of the block in the detector array."""
        h, w = self.block.shape
        return slice(self.top, self.top + h), slice(self.left, self.left + w)

    @property
    def count(self) -> int:
        """Number of pixels of the shape on the detector."""
        return int(np.count_nonzero(self.block))

    def full(self, shape: tuple[int, int]) -> Bool:
        """The region as an array (H, W) bool."""
        out = np.zeros(shape, dtype=bool)
        out[self.window] = self.block
        return out


@dataclass(frozen=True)
class DrawingTools:
    """Rasterises shapes on a detector of shape (H, W); all coordinates in pixels, x along columns, y along
    rows.
    """

    shape: tuple[int, int]

    def rectangle(self, x0: float, y0: float, x1: float, y1: float) -> Region:
        """Axis-parallel rectangle between two opposite corners."""
        window = self._window(min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1))
        if window is None:
            return _nothing()
        top, bottom, left, right = window
        return Region(top, left, np.ones((bottom - top, right - left), dtype=bool))

    def ellipse(self, cx: float, cy: float, rx: float, ry: float, angle: float = 0.0) -> Region:
        """Ellipse with half-axes ``rx`` and ``ry``, turned by ``angle`` degrees (from x towards y)."""
        rx, ry = abs(rx), abs(ry)
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        if angle % 90.0 == 0.0:
            c, s = abs(round(c)), abs(round(s))  # the cosine of 90 degrees is not exactly 0
        half_x, half_y = math.hypot(rx * c, ry * s), math.hypot(rx * s, ry * c)
        window = self._window(cx - half_x, cx + half_x, cy - half_y, cy + half_y)
        if window is None or rx == 0 or ry == 0:
            return _nothing()
        top, bottom, left, right = window
        x = np.arange(left, right, dtype=np.float64)[None, :] - cx
        y = np.arange(top, bottom, dtype=np.float64)[:, None] - cy
        # without a division: whole and half numbers decide exactly what lies on the outline
        block = ((x * c + y * s) * ry) ** 2 + ((y * c - x * s) * rx) ** 2 <= (rx * ry) ** 2
        return Region(top, left, block)

    def polygon(self, *rings: Vertices) -> Region:
        """Closed polygon(s) of vertices (n, 2) as x, y; several rings are combined even-odd."""
        rings = tuple(np.asarray(r, dtype=np.float64) for r in rings if len(r) >= 3)
        if not rings:
            return _nothing()
        every = np.concatenate(rings)
        if not np.isfinite(every).all():
            raise UsageError("polygon: a vertex is not a finite number.")
        (xmin, ymin), (xmax, ymax) = every.min(axis=0), every.max(axis=0)
        window = self._window(xmin, xmax, ymin, ymax)
        if window is None:
            return _nothing()
        return Region(window[0], window[2], _scan_fill(rings, window))

    def line(self, vertices: Vertices, width: float = 1.0) -> Region:
        """Line through vertices (n, 2) with round ends: all pixels within ``width / 2`` of it."""
        points = np.asarray(vertices, dtype=np.float64)
        half = abs(width) / 2
        if len(points) == 0:
            return _nothing()
        if not np.isfinite(points).all():
            raise UsageError("line: a vertex is not a finite number.")
        (xmin, ymin), (xmax, ymax) = points.min(axis=0) - half, points.max(axis=0) + half
        window = self._window(xmin, xmax, ymin, ymax)
        if window is None:
            return _nothing()
        top, bottom, left, right = window
        block = np.zeros((bottom - top, right - left), dtype=bool)
        segments = [(points[0], points[0])] if len(points) == 1 else pairwise(points)
        for a, b in segments:
            low, high = np.minimum(a, b) - half, np.maximum(a, b) + half
            part = self._window(low[0], high[0], low[1], high[1])
            if part is not None:
                t, bt, lf, rt = part
                block[t - top : bt - top, lf - left : rt - left] |= _near_segment(a, b, half, part)
        return Region(top, left, block)

    def path(self, path: str, width: float = 1.0) -> Region:
        """SVG path: closed sub-paths are filled; a path without any closed part is a line of ``width``."""
        parts = parse_path(path)
        closed = [vertices for vertices, is_closed in parts if is_closed]
        if closed:
            return self.polygon(*closed)
        regions = [self.line(vertices, width) for vertices, _ in parts]
        return _union([r for r in regions if r.block.size])

    def from_plotly(self, drawn: Mapping[str, Any], width: float = 1.0) -> Region:
        """Region of a Plotly layout shape (rect, circle, line or path).

        ``width`` is that of lines, in detector pixels. A ``circle`` with an ``angle`` (degrees) is a turned
        ellipse.

        Raises
        ------
        UsageError
            Where the shape's type is unknown or a coordinate is missing or not a number.
        """
        kind = drawn.get("type")
        if kind == "path" or (kind is None and "path" in drawn):
            return self.path(str(drawn.get("path", "")), width)
        if kind not in ("rect", "circle", "line"):
            raise UsageError(
                f"shape of type {kind!r} cannot be drawn on a mask; use rect, circle, line or path."
            )
        x0, y0, x1, y1 = (_coordinate(drawn, key) for key in ("x0", "y0", "x1", "y1"))
        if kind == "rect":
            return self.rectangle(x0, y0, x1, y1)
        if kind == "line":
            return self.line(np.array([[x0, y0], [x1, y1]]), width)
        angle = float(drawn.get("angle", 0.0) or 0.0)
        return self.ellipse((x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2, angle)

    def apply(self, mask: Bool, region: Region, mode: str, before: Bool | None = None) -> None:
        """Change ``mask`` (H, W) in place as ``mode`` says.

        ``out`` masks the region, ``keep`` masks everything else, ``back`` gives the region back: to
        ``before``, the mask that must not be undone (detector gaps, say), or to valid.
        """
        window = region.window
        if mode == "out":
            mask[window] &= ~region.block
        elif mode == "keep":
            inside = mask[window] & region.block
            mask[...] = False
            mask[window] = inside
        elif mode == "back":
            mask[window] |= region.block if before is None else region.block & before[window]
        else:
            raise UsageError(f"drawing mode {mode!r} is unknown; use one of {', '.join(MODES)}.")

    def _window(self, xmin: float, xmax: float, ymin: float, ymax: float) -> tuple[int, int, int, int] | None:
        """Rows and columns whose centres lie in a box, cut at the detector: top, bottom, left, right (half-
        open).
        """
        if not all(math.isfinite(v) for v in (xmin, xmax, ymin, ymax)):
            raise UsageError("shape: a coordinate is not a finite number.")
        h, w = self.shape
        top, bottom = max(0, math.ceil(ymin)), min(h, math.floor(ymax) + 1)
        left, right = max(0, math.ceil(xmin)), min(w, math.floor(xmax) + 1)
        return (top, bottom, left, right) if top < bottom and left < right else None


def _nothing() -> Region:
    return Region(0, 0, np.zeros((0, 0), dtype=bool))


def _union(regions: Sequence[Region]) -> Region:
    if not regions:
        return _nothing()
    top, left = min(r.top for r in regions), min(r.left for r in regions)
    bottom = max(r.top + r.block.shape[0] for r in regions)
    right = max(r.left + r.block.shape[1] for r in regions)
    block = np.zeros((bottom - top, right - left), dtype=bool)
    for r in regions:
        block[
            r.top - top : r.top - top + r.block.shape[0], r.left - left : r.left - left + r.block.shape[1]
        ] |= r.block
    return Region(top, left, block)


def _coordinate(drawn: Mapping[str, Any], key: str) -> float:
    try:
        value = float(drawn[key])
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"shape of type {drawn.get('type')!r}: {key} is not a number.") from None
    if not math.isfinite(value):
        raise UsageError(f"shape of type {drawn.get('type')!r}: {key} is not a finite number.")
    return value


def _near_segment(a: Vertices, b: Vertices, half: float, window: tuple[int, int, int, int]) -> Bool:
    top, bottom, left, right = window
    x = np.arange(left, right, dtype=np.float64)[None, :] - a[0]
    y = np.arange(top, bottom, dtype=np.float64)[:, None] - a[1]
    dx, dy = b - a
    square = float(dx * dx + dy * dy)
    t = 0.0 if square == 0 else np.clip((x * dx + y * dy) / square, 0.0, 1.0)
    near: Bool = (x - t * dx) ** 2 + (y - t * dy) ** 2 <= half * half
    return near


def _scan_fill(rings: Sequence[Vertices], window: tuple[int, int, int, int]) -> Bool:
    """Even-odd scan-line fill of a window: (bottom - top, right - left) bool.

    Each edge toggles, in every row that it crosses, all pixels from the crossing to the right.
    """
    top, bottom, left, right = window
    h, w = bottom - top, right - left
    start = np.concatenate(rings)
    end = np.concatenate([np.roll(r, -1, axis=0) for r in rings])
    low_first = start[:, 1] <= end[:, 1]
    (x0, y0), (x1, y1) = (np.where(low_first[:, None], p, q).T for p, q in ((start, end), (end, start)))
    first = np.clip(np.ceil(y0), top, bottom).astype(np.int64)  # rows i with y0 <= i < y1
    last = np.clip(np.ceil(y1), top, bottom).astype(np.int64)
    count = last - first
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    slope = np.divide(x1 - x0, y1 - y0, out=np.zeros_like(x0), where=y1 > y0)
    crossing = x0[edge] + (row - y0[edge]) * slope[edge]
    column = np.clip(np.ceil(crossing), left, right).astype(np.int64) - left
    # column w stands for crossings beyond the right end, which toggle nothing
    toggles = np.bincount((row - top) * (w + 1) + column, minlength=h * (w + 1)).reshape(h, w + 1)[:, :w]
    odd = (toggles & 1).astype(np.uint8)
    np.bitwise_xor.accumulate(odd, axis=1, out=odd)
    return odd.view(bool)
