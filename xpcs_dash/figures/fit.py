"""Fitted g2 with residuals below each panel, and relaxation times over q."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xpcs_dash.figures.drawing import Drawing, pack
from xpcs_dash.figures.format import engineering
from xpcs_dash.figures.g2 import Curve, fixed_auto, t_limits, y_limits
from xpcs_dash.figures.theme import STATE_COLOURS, STATE_SHAPES, Tokens, axis, tokens, with_alpha

PANEL_PX = 236
"""Height that a panel with its residuals needs to be read; the page scrolls beyond that."""

TICK_PX = 11

SYMBOLS = {
    "ok": "circle",
    "warning": "triangle-up",
    "alarm": "x",
    "nodata": "circle-open",
    "stale": "diamond",
}


@dataclass(frozen=True)
class FitPanel:
    """One q-bin: data, fit and residuals.

    Attributes
    ----------
    title : name of the bin.
    curve : data with the fitted line in ``fit_t``, ``fit_g2``.
    used : (n,) bool, points that were fitted.
    residuals : (n,) (g2 - fit)/σ; NaN where not fitted.
    note : conditions of the title, such as ``χ² 0.94``.
    state : ok, warning, alarm or nodata: whether the numbers of this bin may be trusted.
    band, inner : (fit_t, low, high) of the 94 % predictive band of data and of the curve itself, or None.
    second_t, second_g2 : another fit's line for comparison, dashed; or None.
    """

    title: str
    curve: Curve
    used: np.ndarray
    residuals: np.ndarray
    note: str = ""
    state: str = "ok"
    band: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    inner: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    second_t: np.ndarray | None = None
    second_g2: np.ndarray | None = None


def columns_for(n: int, width_px: int = 1100) -> int:
    """Columns of a grid of ``n`` panels that are at least 240 px wide."""
    most = max(1, width_px // 240)
    if n <= 3:
        return max(1, n)
    if n == 4:
        return 2
    return min(most, n, 3 if n <= 6 else 4)


def height_for(n: int, width_px: int = 1100) -> int:
    """Height in pixels that a grid of ``n`` panels needs."""
    rows = math.ceil(max(1, n) / columns_for(n, width_px))
    return 60 + rows * PANEL_PX


def figure_fit(
    panels: Sequence[FitPanel],
    theme: str = "dark",
    *,
    delay_range: tuple[float, float] | None = None,
    columns: int | None = None,
    dragmode: str = "zoom",
) -> Drawing:
    """A grid of fitted curves, each with its residuals in units of σ below it.

    Parameters
    ----------
    panels : one a bin; an empty list gives an empty figure.
    theme : "dark" or "light".
    delay_range : (first, last) delay in s that was fitted; what lies outside is shaded. None: everything.
    columns : of the grid; chosen by the number of panels where None.
    dragmode : "zoom", or "select" where dragging chooses the delay range.
    """
    t = tokens(theme)
    columns = columns or columns_for(len(panels))
    rows = max(1, math.ceil(len(panels) / columns))
    x_limits = t_limits([panel.curve for panel in panels])
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {
        "shapes": [], "annotations": [], "showlegend": False, "dragmode": dragmode, "selectdirection": "h",
        "margin": {"l": 62, "r": 12, "t": 26, "b": 46},
    }  # fmt: skip
    plot_px = max(rows * PANEL_PX - 10, 200)
    gap_x, gap_y = (0.075 if columns > 1 else 0.0), (30 / plot_px if rows > 1 else 0.0)
    width, height = (1 - gap_x * (columns - 1)) / columns, (1 - gap_y * (rows - 1)) / rows
    rest = _residual_limit(panels)
    # ten to the minus four and its neighbours need 40 px each
    step = 1 if columns * math.log10(x_limits[1] / x_limits[0]) <= 18 else 2
    small, powers = {"size": TICK_PX}, {"size": TICK_PX / 1.25}  # the axis draws powers of ten 1.25 x larger
    for k, panel in enumerate(panels):
        row, column = divmod(k, columns)
        main, below = _names(2 * k), _names(2 * k + 1)
        left, top = column * (width + gap_x), 1 - row * (height + gap_y)
        bottom = max(top - height, 0.0)
        split = bottom + 0.24 * (top - bottom)
        last_row = k + columns >= len(panels)
        domain = [left, min(left + width, 1.0)]
        # the lower axis carries the ticks; the upper one follows it, so zooming into one zooms into both
        layout[f"xaxis{below}"] = {
            "type": "log", "dtick": step, "exponentformat": "power", "domain": domain, "anchor": f"y{below}",
            "tickfont": powers,
            "autorangeoptions": fixed_auto(*x_limits), "showticklabels": last_row,
        } | ({} if k == 0 else {"matches": "x2"})  # fmt: skip
        layout[f"xaxis{main}"] = {
            "type": "log", "dtick": step, "domain": domain, "anchor": f"y{main}", "showticklabels": False,
            "matches": "x2", "autorangeoptions": fixed_auto(*x_limits),
        }  # fmt: skip
        layout[f"yaxis{main}"] = {
            "domain": [split + 0.05 * (top - bottom), top], "anchor": f"x{main}", "nticks": 5,
            "tickformat": ".6~g", "tickfont": small,
            "autorangeoptions": fixed_auto(*y_limits([panel.curve], baseline=None)),
        }  # fmt: skip
        layout[f"yaxis{below}"] = {
            "domain": [bottom, split], "anchor": f"x{below}", "tickvals": [-rest, 0, rest],
            "ticktext": [f"−{rest:g}", "0", f"{rest:g}"], "tickfont": {"size": 10},
            "autorangeoptions": fixed_auto(-1.35 * rest, 1.35 * rest),
        }  # fmt: skip
        layout["annotations"].append(_title(panel, left, top, theme))
        if column == 0:
            layout["annotations"] += _row_names(split + 0.05 * (top - bottom), top, bottom, split)
        layout["shapes"] += _marks(main, below, delay_range, x_limits, t)
        data += _traces(panel, main, below, t)
    layout["annotations"].append(_delay_name())
    return Drawing(data, layout, theme)


def _names(index: int) -> str:
    return "" if index == 0 else str(index + 1)


def _residual_limit(panels: Sequence[FitPanel]) -> float:
    seen = [np.abs(panel.residuals[np.isfinite(panel.residuals)]) for panel in panels]
    joined = np.concatenate(seen) if seen else np.zeros(0)
    wide = float(np.percentile(joined, 98)) if joined.size else 3.0
    return (
        next(step for step in (3, 5, 10, 20, 50, 100, 1000, math.inf) if wide <= step)
        if wide < 1000
        else 1000
    )


def _traces(panel: FitPanel, main: str, below: str, t: Tokens) -> list[dict[str, Any]]:
    curve = panel.curve
    place = {"type": "scatter", "xaxis": f"x{main}", "yaxis": f"y{main}", "meta": panel.title}
    under = {"type": "scatter", "xaxis": f"x{below}", "yaxis": f"y{below}", "meta": panel.title}
    made: list[dict[str, Any]] = []
    for band, alpha in ((panel.band, 0.16), (panel.inner, 0.38)):
        if band is not None:
            made.append(_band(band, place, with_alpha(curve.colour, alpha)))
    drawn = np.isfinite(curve.g2) & np.isfinite(curve.sigma)
    faint, solid = drawn & ~panel.used, drawn & panel.used
    custom = np.stack([curve.sigma, curve.coincidences], axis=1)
    hover = (
        "<b>%{meta}</b><br>τ = %{x:.4~s}s<br>g₂ = %{y:.5~g} ± %{customdata[0]:.2~g}"
        "<br>%{customdata[1]:,.3~g} coincidences"
    )
    made.append(
        place
        | {
            "x": pack(curve.t[faint]), "y": pack(curve.g2[faint]), "customdata": pack(custom[faint]),
            "mode": "markers", "marker": {"color": with_alpha(curve.colour, 0.22), "size": 3},
            "hovertemplate": hover + "<br>not fitted<extra></extra>",
        }
    )  # fmt: skip
    made.append(
        place
        | {
            "x": pack(curve.t[solid]), "y": pack(curve.g2[solid]), "customdata": pack(custom[solid]),
            "mode": "markers", "marker": {"color": curve.colour, "size": 5},
            "error_y": {
                "type": "data", "array": pack(curve.sigma[solid]), "color": with_alpha(curve.colour, 0.5),
                "thickness": 1, "width": 0,
            },
            "hovertemplate": hover + "<extra></extra>",
        }
    )  # fmt: skip
    line = {"mode": "lines", "hoverinfo": "skip"}
    if curve.fit_t is not None and curve.fit_g2 is not None:
        style = {"color": t.text, "width": 1.6, "dash": "solid" if panel.state == "ok" else "dot"}
        made.append(place | line | {"x": pack(curve.fit_t), "y": pack(curve.fit_g2), "line": style})
    if panel.second_t is not None and panel.second_g2 is not None:
        style = {"color": t.accent, "width": 1.6, "dash": "dash"}
        made.append(place | line | {"x": pack(panel.second_t), "y": pack(panel.second_g2), "line": style})
    seen = np.isfinite(panel.residuals)
    made.append(
        under
        | {
            "x": pack(curve.t[seen]), "y": pack(panel.residuals[seen]), "mode": "markers",
            "marker": {"color": curve.colour, "size": 3.5},
            "hovertemplate": "<b>%{meta}</b><br>τ = %{x:.4~s}s<br>residual %{y:.2f} σ<extra></extra>",
        }
    )  # fmt: skip
    return made


def _band(
    band: tuple[np.ndarray, np.ndarray, np.ndarray], place: dict[str, Any], colour: str
) -> dict[str, Any]:
    x, low, high = band
    return place | {
        "x": pack(np.concatenate([x, x[::-1]])), "y": pack(np.concatenate([low, high[::-1]])),
        "mode": "lines", "line": {"width": 0}, "fill": "toself", "fillcolor": colour, "hoverinfo": "skip",
    }  # fmt: skip


def _marks(
    main: str,
    below: str,
    delay_range: tuple[float, float] | None,
    x_limits: tuple[float, float],
    t: Tokens,
) -> list[dict[str, Any]]:
    zero = {
        "type": "line", "xref": f"x{below} domain", "yref": f"y{below}", "x0": 0, "x1": 1, "y0": 0, "y1": 0,
        "line": {"color": t.faint, "width": 1, "dash": "dot"}, "layer": "below",
    }  # fmt: skip
    made = [zero]
    if delay_range is None:
        return made
    low, high = delay_range
    for x0, x1 in ((x_limits[0] / 10, low), (high, x_limits[1] * 10)):
        if x1 > x0 and x1 > x_limits[0] and x0 < x_limits[1]:
            made.append(
                {
                    "type": "rect", "xref": f"x{main}", "yref": f"y{main} domain", "x0": x0, "x1": x1,
                    "y0": 0, "y1": 1, "fillcolor": with_alpha(t.nodata, 0.14), "line": {"width": 0},
                    "layer": "below",
                }
            )  # fmt: skip
    return made


def _title(panel: FitPanel, left: float, top: float, theme: str) -> dict[str, Any]:
    colour = STATE_COLOURS.get(theme, STATE_COLOURS["dark"])[panel.state]
    sign = f"<span style='color:{colour}'>{STATE_SHAPES[panel.state]}</span> "
    note = f"  <span style='font-size:11px'>{panel.note}</span>" if panel.note else ""
    return {
        "text": sign + panel.title + note, "x": left, "y": top, "xref": "paper", "yref": "paper",
        "showarrow": False, "xanchor": "left", "yanchor": "bottom", "font": {"size": 12}, "yshift": 1,
    }  # fmt: skip


def _delay_name() -> dict[str, Any]:
    return {
        "text": "delay τ (s)", "x": 0.5, "y": 0, "yshift": -44, "yanchor": "bottom", "xanchor": "center",
        "xref": "paper", "yref": "paper", "showarrow": False, "font": {"size": 13},
    }  # fmt: skip


def _row_names(foot: float, top: float, bottom: float, split: float) -> list[dict[str, Any]]:
    """Names of the two y axes of a row of panels."""
    common = {
        "xref": "paper", "yref": "paper", "showarrow": False, "x": 0, "xshift": -62, "xanchor": "left",
        "yanchor": "middle", "textangle": -90,
    }  # fmt: skip
    g2 = {"text": "g₂", "y": (foot + top) / 2, "font": {"size": 13}}
    rest = {"text": "resid. (σ)", "y": (bottom + split) / 2, "font": {"size": 11}}
    return [common | g2, common | rest]


@dataclass(frozen=True)
class TauPoint:
    """One relaxation time of the figure over q."""

    q: float
    tau: float
    low: float
    high: float
    state: str = "ok"
    reason: str = ""


def figure_tau(
    points: Sequence[TauPoint],
    theme: str = "dark",
    *,
    line: tuple[np.ndarray, np.ndarray] | None = None,
    band: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    line_name: str = "",
    unit: str = "Å⁻¹",
) -> Drawing:
    """Relaxation times over q with their intervals; what may not be trusted is drawn hollow and says why.

    Parameters
    ----------
    points : one a bin; those that are not finite are left out.
    theme : "dark" or "light".
    line : (q, tau) of a power law through them, or None.
    band : (q, low, high) of its interval, or None.
    line_name : text of the line, such as ``τ = 1/(D qⁿ), n = 2.02 ± 0.03``.
    unit : of q.
    """
    t = tokens(theme)
    shown = [p for p in points if math.isfinite(p.tau) and p.tau > 0 and math.isfinite(p.q) and p.q > 0]
    data: list[dict[str, Any]] = []
    if band is not None:
        data.append(_band(band, {"type": "scatter"}, with_alpha(t.accent, 0.16)))
    for state in ("ok", "warning", "alarm", "nodata"):
        group = [p for p in shown if p.state == state]
        if not group:
            continue
        colour = t.accent if state == "ok" else STATE_COLOURS.get(theme, STATE_COLOURS["dark"])[state]
        tau = np.array([p.tau for p in group])
        up = np.array([p.high for p in group]) - tau
        down = tau - np.array([p.low for p in group])
        data.append(
            {
                "type": "scatter", "mode": "markers", "x": pack([p.q for p in group], "f8"),
                "y": pack(tau, "f8"),
                "error_y": {
                    "type": "data", "symmetric": False, "array": pack(np.nan_to_num(up), "f8"),
                    "arrayminus": pack(np.nan_to_num(np.minimum(down, 0.999 * tau)), "f8"),
                    "thickness": 1, "width": 0,
                },
                "marker": {"color": colour, "size": 8, "symbol": SYMBOLS[state]},
                "customdata": [[p.reason or "all checks passed"] for p in group],
                "hovertemplate": f"q = %{{x:.4~g}} {unit}<br>τ = %{{y:.4~s}}s<br>%{{customdata[0]}}"
                "<extra></extra>",
                "showlegend": False,
            }
        )  # fmt: skip
    if line is not None:
        data.append(
            {
                "type": "scatter", "mode": "lines", "x": pack(line[0], "f8"), "y": pack(line[1], "f8"),
                "line": {"color": t.text, "width": 1.4}, "name": line_name, "showlegend": bool(line_name),
                "hoverinfo": "skip",
            }
        )  # fmt: skip
    x, y = [p.q for p in shown], [p.tau for p in shown if p.state != "nodata"] or [p.tau for p in shown]
    tau_limits = _log_limits(y, (1e-5, 1.0), 2.0)
    times = _time_ticks(*tau_limits)
    layout = {
        "xaxis": {
            "type": "log", "title": {"text": f"q ({unit})"}, "tickfont": {"size": 11}, "tickangle": 0,
            "tickvals": (ticks := _q_ticks(x)), "ticktext": [f"{1e3 * v:g}·10⁻³" for v in ticks],
            "autorangeoptions": fixed_auto(*_log_limits(x, (1e-3, 1e-1), 1.15)),
        },
        "yaxis": axis("relaxation time τ", log=True, autorangeoptions=fixed_auto(*tau_limits))
        | {"tickvals": times, "ticktext": [engineering(v, "s", 1) for v in times], "tickfont": {"size": 11}},
        "margin": {"l": 66, "r": 14, "t": 10, "b": 46},
        "legend": {"x": 0.02, "xanchor": "left", "y": 0.02, "yanchor": "bottom"},
        "showlegend": bool(line_name and line is not None),
    }  # fmt: skip
    return Drawing(data, layout, theme)


def _q_ticks(q: Sequence[float]) -> list[float]:
    """Round wave vectors between the smallest and the largest, few enough to be read."""
    if not q:
        return []
    rounds = [m * 10.0**k for k in range(-5, 2) for m in (1, 2, 3, 5, 7)]
    inside = [v for v in rounds if min(q) / 1.1 <= v <= max(q) * 1.1]
    return inside if len(inside) <= 7 else [v for v in inside if f"{v:e}"[0] in "125"]


def _time_ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Round times from ``low`` to ``high``: 1, 2, 5 of each decade, or whole decades where those are many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps, every in (((1, 2, 5), 1), ((1, 3), 1), ((1,), 1), ((1,), 2), ((1,), 3)):
        ticks = [m * 10.0**k for k in range(first, last + 1) if k % every == 0 for m in steps]
        inside = [v for v in ticks if low <= v <= high]
        if len(inside) <= most:
            return inside
    return inside


def _log_limits(values: Sequence[float], without: tuple[float, float], margin: float) -> tuple[float, float]:
    return (min(values) / margin, max(values) * margin) if values else without
