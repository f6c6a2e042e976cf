"""I(q) per file or per sector, I(φ) of a ring, and the outline of a region on the detector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xpcs_dash.analysis.saxs import NORMALISATIONS, Region
from xpcs_dash.figures.drawing import Drawing, pack
from xpcs_dash.figures.logaxis import log_axis
from xpcs_dash.figures.theme import axis, tokens, with_alpha


@dataclass(frozen=True)
class Curve:
    """One line of a SAXS plot: ``x``, ``y``, optional standard error ``sigma``, name and colour."""

    name: str
    x: np.ndarray
    y: np.ndarray
    colour: str
    sigma: np.ndarray | None = None
    width: float = 1.6
    dash: str = "solid"
    markers: bool = False


def _trace(curve: Curve, x_text: str, y_text: str) -> dict[str, Any]:
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers" if curve.markers else "lines",
        "name": curve.name,
        "x": pack(curve.x, "f8"),
        "y": pack(curve.y, "f8"),
        "connectgaps": False,
        "line": {"color": curve.colour, "width": curve.width, "dash": curve.dash},
        "marker": {"color": curve.colour, "size": 4},
        "hovertemplate": f"<b>%{{fullData.name}}</b><br>{x_text}<br>{y_text}<extra></extra>",
    }
    if curve.sigma is not None:
        trace["error_y"] = {
            "type": "data",
            "array": pack(curve.sigma),
            "thickness": 1,
            "width": 0,
            "color": with_alpha(curve.colour, 0.5),
        }
    return trace


def figure_profile(
    curves: Sequence[Curve],
    theme: str = "dark",
    *,
    normalisation: str = "none",
    x_log: bool = False,
    y_log: bool = True,
    q_unit: str = "Å⁻¹",
    unit: str = "photons/pixel/frame",
) -> Drawing:
    """I(q) of several curves.

    Parameters
    ----------
    curves : lines; q in Å⁻¹, intensities already scaled.
    normalisation : key of `analysis.saxs.NORMALISATIONS`, for the title of the axis.
    """
    what = NORMALISATIONS[normalisation]
    units = {"none": unit, "q2": f"{unit}·{q_unit}²", "q4": f"{unit}·{q_unit}⁴", "i0": ""}
    y_title = f"{what} ({units[normalisation]})" if units[normalisation] else what
    data = [_trace(c, f"q = %{{x:.5~g}} {q_unit}", f"{what} = %{{y:.4~g}}") for c in curves]
    layout = {
        "xaxis": log_axis(f"q ({q_unit})", *(c.x for c in curves))
        if x_log
        else axis(f"q ({q_unit})", type="linear"),
        "yaxis": log_axis(y_title, *(c.y for c in curves)) if y_log else axis(y_title, type="linear"),
        "margin": {"l": 74, "r": 14, "t": 8, "b": 44},
        "showlegend": len(curves) > 1,
        "legend": {"x": 1, "xanchor": "right", "y": 1, "yanchor": "top"},
    }
    return Drawing(data, layout, theme)


def figure_ring(phi: np.ndarray, intensity: np.ndarray, pixels: np.ndarray, theme: str = "dark") -> Drawing:
    """I(φ) of a region.

    Parameters
    ----------
    phi : (n,) degrees.
    intensity : (n,) photons/pixel/frame.
    pixels : (n,) behind each point.
    """
    t = tokens(theme)
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": pack(phi),
            "y": pack(intensity, "f8"),
            "customdata": pack(pixels, "i4"),
            "line": {"color": t.accent, "width": 1.4},
            "marker": {"size": 4},
            "hovertemplate": "φ = %{x:.1f}°<br>I = %{y:.4~g}<br>%{customdata:,} pixels<extra></extra>",
            "showlegend": False,
        }
    ]
    layout = {
        "xaxis": axis("φ (°)", exponentformat="none"),
        "yaxis": axis("I (photons/pixel/frame)"),
        "margin": {"l": 74, "r": 14, "t": 8, "b": 44},
    }
    return Drawing(data, layout, theme)


def region_shapes(
    region: Region, centre: tuple[float, float], shape: tuple[int, int], theme: str = "dark"
) -> list[dict[str, Any]]:
    """Outline of a ring or sector as SVG paths on the detector, in pixels.

    It ends just inside a detector of ``shape`` (H, W): what lies outside would count in the automatic range
    of the axes and shift the picture.
    """
    t = tokens(theme)
    line = {"color": t.accent, "width": 2}
    path = _arc_path(region.widened(), centre, shape)
    fill = with_alpha(t.accent, 0.14)
    return [{"type": "path", "path": path, "line": line, "fillcolor": fill, "fillrule": "evenodd"}]


def _arc_path(region: Region, centre: tuple[float, float], shape: tuple[int, int]) -> str:
    """Polygon along the borders: Plotly's paths know no arcs."""
    cx, cy = centre
    span = 360.0 if region.full else (region.phi1 - region.phi0) % 360.0
    n = max(8, math.ceil(span / 2))
    angles = [math.radians(region.phi0 + span * i / n) for i in range(n + 1)]
    room = 0.006 * max(shape)  # half a line width on the screen

    def inside(value: float, size: int) -> float:
        return min(max(value, -0.5 + room), size - 0.5 - room)

    def at(r: float, a: float) -> str:
        x, y = inside(cx + r * math.cos(a), shape[1]), inside(cy - r * math.sin(a), shape[0])
        return f"{x:.2f},{y:.2f}"

    outer = [at(region.r1, a) for a in angles]
    inner = [at(region.r0, a) for a in reversed(angles)]
    if region.full:
        rings = [outer] if region.r0 == 0 else [outer, inner]
        return " ".join("M" + " L".join(ring) + " Z" for ring in rings)
    return "M" + " L".join(outer + inner) + " Z"
