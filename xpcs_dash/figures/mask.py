"""The mask page: the detector with its mask as an overlay, drawn shapes, and pixels per bin."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xpcs_dash.figures.detector import figure_detector
from xpcs_dash.figures.drawing import Drawing, pack
from xpcs_dash.figures.images import SIGNATURE, layout_image
from xpcs_dash.figures.theme import axis, tokens

#: Mode of a shape -> how its outline is drawn.
OUTLINES = {"out": "solid", "keep": "dash", "back": "dot"}

#: Buttons that the mode bar gets on top of the usual ones.
DRAW_BUTTONS = ("drawrect", "drawcircle", "drawclosedpath", "drawopenpath", "drawline", "eraseshape")


def overlay_png(masked: np.ndarray, colour: str, alpha: int = 225) -> bytes:
    """Masked pixels (H, W) bool as a transparent overlay of one bit a pixel: 5 ms and some kB at 4
    megapixels.

    Parameters
    ----------
    masked : True where the overlay is seen.
    colour : ``#rrggbb``.
    alpha : 0 … 255.
    """
    height, width = masked.shape
    packed = np.packbits(np.asarray(masked, dtype=bool), axis=1)
    raw = np.zeros((height, packed.shape[1] + 1), dtype=np.uint8)
    raw[:, 1:] = packed
    rgb = bytes(int(colour[i : i + 2], 16) for i in (1, 3, 5))
    header = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)
    body = zlib.compress(raw.tobytes(), 1)
    parts = ((b"IHDR", header), (b"PLTE", b"\0\0\0" + rgb), (b"tRNS", bytes((0, alpha))), (b"IDAT", body))
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in (*parts, (b"IEND", b"")))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def styled_shapes(
    drawings: Sequence[Mapping[str, Any]], modes: Sequence[str], visible: Sequence[bool], theme: str
) -> list[dict[str, Any]]:
    """Shapes as entries of ``layout.shapes`` that can be moved and resized.

    Parameters
    ----------
    drawings : geometry and name of each.
    modes : out, keep or back.
    visible : False for operations that are switched off; they keep their place in the list.
    """
    return [
        {**shape, **look(mode, theme), "editable": True, "visible": seen, "fillrule": "evenodd"}
        for shape, mode, seen in zip(drawings, modes, visible, strict=True)
    ]


def look(mode: str, theme: str) -> dict[str, Any]:
    """Line and fill of shapes of a mode."""
    colour = tokens(theme).accent
    return {
        "line": {"color": colour, "width": 2, "dash": OUTLINES.get(mode, "solid")},
        "fillcolor": f"rgba({','.join(str(int(colour[i : i + 2], 16)) for i in (1, 3, 5))},0.10)",
        "opacity": 1,
        "layer": "above",
    }


def figure_mask(
    source: str,
    overlay: str,
    shape: tuple[int, int],
    centre: tuple[float, float] | None,
    shapes: Sequence[Mapping[str, Any]] = (),
    theme: str = "dark",
    *,
    limits: tuple[float, float] | None = None,
    scale: str = "log",
    bins: str | None = None,
    mode: str = "out",
) -> Drawing:
    """The detector (H, W) with picture, bins and mask by URL, and the shapes drawn on it."""
    drawn = figure_detector(source, shape, centre, theme, limits=limits, scale=scale)
    drawn.layout["images"] = layers(source, overlay, shape, bins)
    drawn.layout["shapes"] = list(shapes)
    drawn.layout["newshape"] = look(mode, theme)
    drawn.layout["activeshape"] = {"fillcolor": look(mode, theme)["fillcolor"], "opacity": 1}
    drawn.layout["dragmode"] = "zoom"
    drawn.layout["xaxis"] |= {"range": [-0.5, shape[1] - 0.5], "autorange": False}
    drawn.layout["yaxis"] |= {"range": [shape[0] - 0.5, -0.5], "autorange": False}
    drawn.layout["margin"] |= {"t": 34}
    return drawn


def layers(source: str, overlay: str, shape: tuple[int, int], bins: str | None) -> list[dict[str, Any]]:
    """Picture, bins (or nothing) and mask, from the lowest to the highest.

    Plotly knows an image by its place and size and draws one of several with the same: each is a hair
    larger than the one below it.
    """
    middle = {**layout_image(bins or source, shape, 0.75), "visible": bins is not None}
    return [
        {**image, "sizex": shape[1] + k * 1e-5}
        for k, image in enumerate((layout_image(source, shape), middle, layout_image(overlay, shape)))
    ]


def figure_counts(pixels: np.ndarray, few: int, theme: str = "dark") -> Drawing:
    """Pixels of each bin as bars; bins with few pixels in the warning colour."""
    t = tokens(theme)
    colours = [t.warning if n < few else t.accent for n in pixels]
    trace = {
        "type": "bar",
        "x": pack(np.arange(1, len(pixels) + 1)),
        "y": pack(pixels),
        "marker": {"color": colours, "line": {"width": 0}},
        "hovertemplate": "bin %{x}<br>%{y} px<extra></extra>",
    }
    layout = {
        "xaxis": axis("bin"),
        "yaxis": axis("pixels", rangemode="tozero"),
        "bargap": 0.05,
        "showlegend": False,
    }
    return Drawing([trace], layout, theme)


def figure_intensity(
    lines: Sequence[tuple[str, np.ndarray, np.ndarray]], x_title: str, theme: str = "dark"
) -> Drawing:
    """Mean intensity of the bins: (name, position, intensity) of each line; the first is the new one."""
    t = tokens(theme)
    colours = (t.accent, t.muted)
    data = []
    for k, (name, x, y) in enumerate(lines):
        seen = np.isfinite(y) & (y > 0)
        line = {"color": colours[k % 2], "width": 2 - k * 0.5, "dash": "solid" if k == 0 else "dot"}
        trace = {"type": "scatter", "mode": "lines", "name": name, "x": pack(x[seen]), "y": pack(y[seen])}
        data.append({**trace, "line": line, "hovertemplate": "%{x:.5g}<br>%{y:.4g}<extra></extra>"})
    layout = {
        "xaxis": axis(x_title),
        "yaxis": axis("I (photons/px/frame)", log=True),
        "showlegend": len(lines) > 1,
        "legend": {"x": 1, "xanchor": "right", "y": 1},
    }
    return Drawing(data, layout, theme)
