"""g2 against delay: one axes for the Live page, a grid of panels, the map over delay and q."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from xpcs_dash.figures.curve import Curve, Panel, fixed_auto, nice_limits, t_limits, t_limits_of, y_limits
from xpcs_dash.figures.drawing import Drawing, pack
from xpcs_dash.figures.theme import axis, colormap, tokens, with_alpha

__all__ = [
    "Curve",
    "Panel",
    "figure_live",
    "figure_map",
    "figure_panels",
    "fixed_auto",
    "grid",
    "nice_limits",
    "starved_note",
    "t_limits",
    "y_limits",
]

Range = tuple[float | None, float | None]


def starved_note(minimum: float) -> str:
    """What is said of points with fewer than ``minimum`` expected coincidences, wherever they are drawn."""
    return f"faint: fewer than {minimum:g} coincidences"


def _hover(what: str) -> str:
    return (
        "<b>%{meta}</b><br>τ = %{x:.4~s}s<br>"
        f"g₂ = %{{y:.5~g}} ± %{{customdata[0]:.2~g}}<br>{what}<extra></extra>"
    )


def _points(curve: Curve, use: np.ndarray) -> dict[str, Any]:
    custom = np.stack([curve.sigma[use], curve.coincidences[use]], axis=1)
    return {"x": pack(curve.t[use]), "y": pack(curve.g2[use]), "customdata": pack(custom)}


def curve_traces(
    curve: Curve, xaxis: str = "x", yaxis: str = "y", *, legend: bool = True, size: float = 5.0
) -> list[dict[str, Any]]:
    """Traces of one curve: starved points first (behind), then the points with bars, then the fit.

    Parameters
    ----------
    curve : the curve.
    xaxis, yaxis : names of the axes that it is drawn on.
    legend : whether it has an entry in the legend.
    size : diameter of the markers in px.
    """
    place = {"type": "scatter", "xaxis": xaxis, "yaxis": yaxis, "legendgroup": curve.name, "meta": curve.name}
    finite = np.isfinite(curve.g2)
    strong, weak = finite & curve.counted, finite & ~curve.counted
    if curve.line_only:
        return [
            place
            | {
                **_points(curve, strong),
                "mode": "lines",
                "line": {"color": with_alpha(curve.colour, curve.opacity), "width": 1.5},
                "name": curve.name,
                "showlegend": legend,
                "hovertemplate": _hover("%{customdata[1]:,.3~g} coincidences"),
            }
        ]
    faint = {
        **_points(curve, weak),
        "mode": "markers",
        "marker": {"color": with_alpha(curve.colour, 0.22 * curve.opacity), "size": max(size - 1.5, 2.5)},
        "name": curve.name,
        "showlegend": False,
        "hovertemplate": _hover("only %{customdata[1]:.2~g} coincidences expected: does not count"),
    }
    solid = {
        **_points(curve, strong),
        "mode": "markers",
        "marker": {"color": with_alpha(curve.colour, curve.opacity), "size": size},
        "error_y": {
            "type": "data",
            "array": pack(curve.sigma[strong]),
            "color": with_alpha(curve.colour, 0.55 * curve.opacity),
            "thickness": 1,
            "width": 0,
        },
        "name": curve.short or curve.name,
        "showlegend": legend,
        "hovertemplate": _hover("%{customdata[1]:,.3~g} coincidences"),
    }
    traces = [place | faint, place | solid] if weak.any() else [place | solid]
    if curve.fit_t is not None and curve.fit_g2 is not None:
        traces.append(
            place
            | {
                "x": pack(curve.fit_t),
                "y": pack(curve.fit_g2),
                "mode": "lines",
                "line": {
                    "color": with_alpha(curve.colour, curve.opacity * (1.0 if curve.fit_sure else 0.6)),
                    "width": 1.5 if curve.fit_sure else 1.2,
                    "dash": "solid" if curve.fit_sure else "dot",
                },
                "name": f"{curve.name}, fit",
                "showlegend": False,
                "hoverinfo": "skip",
            }
        )
    return traces


def _t_axis(
    log_t: bool, limits: tuple[float, float], wanted: Range = (None, None), **more: Any
) -> dict[str, Any]:
    made = axis("", log=log_t, **more) | {"autorangeoptions": fixed_auto(*limits)}
    made.pop("title")
    if all(v is not None for v in wanted):
        low, high = (float(v) for v in wanted if v is not None)
        if high > low and (not log_t or low > 0):
            made["range"] = [math.log10(low), math.log10(high)] if log_t else [low, high]
    return made


def _limits(auto: tuple[float, float], wanted: Range) -> tuple[float, float]:
    low = auto[0] if wanted[0] is None else float(wanted[0])
    high = auto[1] if wanted[1] is None else float(wanted[1])
    return (low, high) if high > low else auto


def _baseline(xref: str, yref: str, colour: str) -> dict[str, Any]:
    line = {"color": colour, "width": 1, "dash": "dot"}
    return {
        "type": "line", "xref": f"{xref} domain", "yref": yref, "x0": 0, "x1": 1, "y0": 1, "y1": 1,
        "line": line, "layer": "below",
    }  # fmt: skip


def figure_live(
    curves: Sequence[Curve], behind: Sequence[Curve] = (), theme: str = "dark", legend_title: str = ""
) -> Drawing:
    """The newest file's g2 at the chosen q, with earlier files fading behind.

    Parameters
    ----------
    curves : curves of the newest file, from low to high q.
    behind : curves of earlier files, the oldest first; drawn as faint lines and left out of the legend.
    theme : "dark" or "light".
    legend_title : what the entries of the legend are, such as ``q (Å⁻¹)``.
    """
    t = tokens(theme)
    data: list[dict[str, Any]] = []
    for curve in behind:
        data += curve_traces(replace(curve, line_only=True), legend=False)
    for curve in curves:
        data += curve_traces(curve, size=6.0)
    x_limits, limits = t_limits(curves), y_limits(curves)
    layout: dict[str, Any] = {
        "xaxis": _t_axis(True, x_limits) | {"title": {"text": "delay τ (s)"}},
        "yaxis": axis("g₂", autorangeoptions=fixed_auto(*limits)),
        "margin": {"l": 60, "r": 14, "t": 30, "b": 46},
        # above the axes: inside, it would lie on the curves of whatever sample comes next
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yanchor": "bottom",
            "font": {"size": 13},
            "title": {"text": legend_title, "side": "left", "font": {"size": 13}},
        },
        "shapes": [_baseline("x", "y", t.faint)],
        "showlegend": len(curves) > 0,
    }
    return Drawing(data, layout, theme)


def grid(n: int, wide: float = 1.5) -> tuple[int, int]:
    """Rows and columns for ``n`` panels on a page that is ``wide`` times as wide as high."""
    if n <= 3:
        return 1, max(n, 1)
    columns = max(1, round(math.sqrt(n * wide * 0.75)))
    rows = math.ceil(n / columns)
    return rows, math.ceil(n / rows)


def figure_panels(
    panels: Sequence[Panel],
    theme: str = "dark",
    *,
    log_t: bool = True,
    t_range: Range = (None, None),
    y_range: Range = (None, None),
    common_y: bool = True,
    legend: bool = False,
) -> Drawing:
    """A grid of panels on common axes: zooming into one zooms into all.

    Parameters
    ----------
    panels : what is drawn, row by row.
    theme : "dark" or "light".
    log_t : logarithmic delay.
    t_range, y_range : ends of the axes in data units; None where they follow the data.
    common_y : one scale for all panels, or each its own.
    legend : show the legend (of several files, or of several q in one panel).
    """
    t = tokens(theme)
    rows, columns = grid(len(panels))
    every = [curve for panel in panels for curve in panel.curves]
    x_limits = _limits(t_limits(every), t_range)
    all_limits = _limits(y_limits(every), y_range)
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"shapes": [], "annotations": [], "margin": {"l": 62, "r": 12, "t": 26, "b": 48}}
    named: set[str] = set()
    gap_x, gap_y = min(0.014, 0.2 / columns), min(0.06, 0.34 / rows)
    width, height = (1 - gap_x * (columns - 1)) / columns, (1 - gap_y * (rows - 1)) / rows
    if not common_y:
        gap_x = min(0.05, 0.5 / columns)
        width = (1 - gap_x * (columns - 1)) / columns
    for k, panel in enumerate(panels):
        row, column = divmod(k, columns)
        tail = "" if k == 0 else str(k + 1)
        left, top = column * (width + gap_x), 1 - row * (height + gap_y)
        limits = all_limits if common_y else _limits(y_limits(panel.curves), y_range)
        bottom_most = k + columns >= len(panels)
        more: dict[str, Any] = {
            "domain": [left, min(left + width, 1.0)], "anchor": f"y{tail}", "showticklabels": bottom_most,
        }  # fmt: skip
        layout[f"xaxis{tail}"] = _t_axis(log_t, x_limits, t_range, **more) | ({"matches": "x"} if k else {})
        layout[f"yaxis{tail}"] = {
            "domain": [max(top - height, 0.0), top],
            "anchor": f"x{tail}",
            "showticklabels": column == 0 or not common_y,
            "autorangeoptions": fixed_auto(*limits),
            "nticks": 5,
        } | ({"matches": "y"} if k and common_y else {})
        if all(v is not None for v in y_range):
            layout[f"yaxis{tail}"]["range"] = list(limits)
        layout["annotations"].append(_title(panel, left, top))
        layout["shapes"].append(_baseline(f"x{tail}", f"y{tail}", t.faint))
        for curve in panel.curves:
            new = legend and curve.name not in named
            named.add(curve.name)
            data += curve_traces(
                curve, f"x{tail}", f"y{tail}", legend=new, size=4.5 if len(panels) > 4 else 6
            )
    layout["annotations"] += _axis_names("delay τ (s)", "g₂")
    layout["showlegend"] = legend and len(named) > 0
    if legend:
        layout["legend"] = {"orientation": "v", "x": 1.005, "xanchor": "left", "y": 1, "yanchor": "top"}
    return Drawing(data, layout, theme)


def _title(panel: Panel, left: float, top: float) -> dict[str, Any]:
    note = f"  <span style='font-size:11px;opacity:.75'>{panel.note}</span>" if panel.note else ""
    return {
        "text": panel.title + note, "x": left, "y": top, "xref": "paper", "yref": "paper", "showarrow": False,
        "xanchor": "left", "yanchor": "bottom", "font": {"size": 12}, "yshift": 1,
    }  # fmt: skip


def _axis_names(x: str, y: str) -> list[dict[str, Any]]:
    common = {"xref": "paper", "yref": "paper", "showarrow": False, "font": {"size": 13}}
    return [
        common | {"text": x, "x": 0.5, "y": 0, "yshift": -46, "yanchor": "bottom", "xanchor": "center"},
        common | {"text": y, "x": 0, "y": 0.5, "xshift": -58, "textangle": -90, "xanchor": "left"},
    ]


def figure_map(
    t: np.ndarray,
    q: np.ndarray,
    g2: np.ndarray,
    counted: np.ndarray,
    names: Sequence[str],
    theme: str = "dark",
    *,
    log_t: bool = True,
    y_range: Range = (None, None),
) -> Drawing:
    """g2 as an image over delay and q-bin.

    Parameters
    ----------
    t : (n_delay,) s.
    q : (n_q,) wave vectors, for the order of the rows only.
    g2 : (n_delay, n_q).
    counted : (n_delay, n_q) bool; the rest is left transparent.
    names : (n_q,) names of the bins for the hover.
    theme : "dark" or "light".
    log_t : logarithmic delay.
    y_range : ends of the colour scale; None where they follow the data (2nd and 98th percentile).
    """
    shown = np.where(counted, g2, np.nan).astype(np.float32).T
    seen = shown[np.isfinite(shown)]
    auto = tuple(float(v) for v in np.percentile(seen, [2, 98])) if seen.size else (1.0, 1.1)
    low, high = _limits((auto[0], max(auto[1], auto[0] + 1e-4)), y_range)
    rows = np.arange(1, len(q) + 1)
    stops = [
        [i / 15, "rgb({},{},{})".format(*map(int, rgb))] for i, rgb in enumerate(colormap("viridis", 16))
    ]
    heat = {
        "type": "heatmap",
        "x": pack(t),
        "y": pack(rows),
        "z": pack(shown),
        "zmin": low,
        "zmax": high,
        "colorscale": stops,
        "hoverongaps": False,
        "customdata": np.tile(np.array(names, dtype=object)[:, None], (1, len(t))).tolist(),
        "hovertemplate": "<b>%{customdata}</b><br>τ = %{x:.4~s}s<br>g₂ = %{z:.5~g}<extra></extra>",
        "colorbar": {"title": {"text": "g₂", "side": "top"}, "outlinewidth": 0, "thickness": 14},
    }
    count = len(q)
    places = np.unique(np.linspace(0, max(count - 1, 0), min(count, 12)).round().astype(int))
    layout = {
        "xaxis": _t_axis(log_t, t_limits_of(t)) | {"title": {"text": "delay τ (s)"}},
        "yaxis": axis("q-bin", tickvals=[int(rows[i]) for i in places], ticktext=[names[i] for i in places])
        | {"autorangeoptions": fixed_auto(0.5, len(q) + 0.5), "automargin": True},
        "margin": {"l": 170, "r": 14, "t": 12, "b": 48},
    }
    return Drawing([heat], layout, theme)
