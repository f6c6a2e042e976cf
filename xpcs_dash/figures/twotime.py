"""Two-time correlation as a picture by URL, cuts at constant age, g2 by age, and τ against age."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xpcs_dash.analysis.aging import AgeFit, AgeSlice
from xpcs_dash.figures.detector import colour_bar
from xpcs_dash.figures.drawing import Drawing, pack
from xpcs_dash.figures.format import engineering
from xpcs_dash.figures.g2 import fixed_auto
from xpcs_dash.figures.images import full_palette, palette_png, to_index
from xpcs_dash.figures.logaxis import log_axis
from xpcs_dash.figures.theme import axis, q_colours, tokens, with_alpha


def picture_png(values: np.ndarray, limits: tuple[float, float], colours: str) -> bytes:
    """Part of C2 (rows t2 upwards) as a picture: time runs up, so the rows are turned over."""
    return palette_png(to_index(values[::-1], None, "linear", limits), full_palette(colours))


def image(source: str, rows: tuple[int, int], columns: tuple[int, int], dt_s: float) -> dict[str, Any]:
    """A part of C2 as an entry of ``layout.images``, in seconds; frame k covers (k − ½)·dt … (k + ½)·dt."""
    return {
        "source": source,
        "xref": "x",
        "yref": "y",
        "x": (columns[0] - 0.5) * dt_s,
        "y": (rows[1] - 0.5) * dt_s,
        "xanchor": "left",
        "yanchor": "top",
        "sizex": (columns[1] - columns[0]) * dt_s,
        "sizey": (rows[1] - rows[0]) * dt_s,
        "sizing": "stretch",
        "layer": "below",
    }


def figure_twotime(
    images: list[dict[str, Any]],
    n: int,
    dt_s: float,
    limits: tuple[float, float],
    theme: str = "dark",
    *,
    colours: str = "viridis",
    ages_s: Sequence[float] = (),
    time_unit: str = "s",
) -> Drawing:
    """C2(t1, t2).

    Parameters
    ----------
    images : entries from `image`, the overview first.
    n : frames.
    dt_s : time step of the matrix.
    limits : colours.
    ages_s : ages whose lines (t1 + t2)/2 = age are drawn.
    time_unit : "s", or "frames" where the file does not give the time step (``dt_s`` is 1 then).
    """
    t = tokens(theme)
    end = (n - 0.5) * dt_s
    low = -0.5 * dt_s
    lines = [_age_line(2 * age, low, end, t.accent) for age in ages_s]
    # also what the automatic range goes by: there is no trace with points
    square = {
        "type": "rect",
        "xref": "x",
        "yref": "y",
        "x0": low,
        "y0": low,
        "x1": end,
        "y1": end,
        "fillcolor": t.raised if theme != "light" else t.grid,
        "line": {"width": 0},
        "layer": "below",
    }
    fixed = {
        "autorangeoptions": fixed_auto(low, end),
        "showgrid": False,
        "constrain": "domain",
        "domain": [0, 1],
    }
    layout = {
        "xaxis": axis(f"t₁ ({time_unit})", **fixed),
        "yaxis": axis(f"t₂ ({time_unit})", scaleanchor="x", **fixed),
        "images": images,
        "shapes": [square, *lines],
        "margin": {"l": 60, "r": 80, "t": 8, "b": 44},
        "showlegend": False,
        "hovermode": False,
        "dragmode": "zoom",
    }
    return Drawing([colour_bar(limits, "linear", colours, "C₂")], layout, theme)


def _age_line(total: float, low: float, end: float, colour: str) -> dict[str, Any]:
    """The line t1 + t2 = ``total`` inside the matrix.

    It ends a little inside: half a line width beyond the limits of the axes would shrink the square picture.
    """
    first, last = max(low, total - end), min(end, total - low)
    room = 0.01 * (last - first)
    first, last = first + room, last - room
    return {
        "type": "line",
        "x0": first,
        "y0": total - first,
        "x1": last,
        "y1": total - last,
        "line": {"color": colour, "width": 1.5, "dash": "dot"},
    }


def _slice_trace(
    part: AgeSlice, name: str, colour: str, dt_s: float, fit: AgeFit | None, base: float
) -> list[Any]:
    use = part.pairs >= 4
    lag = part.lag[use] * dt_s
    made: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "markers",
            "x": pack(lag, "f8"),
            "y": pack(part.g2[use], "f8"),
            "name": name,
            "marker": {"color": colour, "size": 5},
            "legendgroup": name,
            "error_y": {
                "type": "data",
                "array": pack(part.sigma[use]),
                "thickness": 1,
                "width": 0,
                "color": with_alpha(colour, 0.5),
            },
            "hovertemplate": f"{name}<br>lag %{{x:.4~g}} s<br>g₂ = %{{y:.5~g}}<extra></extra>",
        }
    ]
    if fit is not None and fit.status != "failed" and lag.size:
        x = np.geomspace(lag[0], lag[-1], 80)
        y = base + fit.contrast * np.exp(-2.0 * x / fit.tau_s)
        made.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": pack(x, "f8"),
                "y": pack(y, "f8"),
                "name": name,
                "legendgroup": name,
                "showlegend": False,
                "hoverinfo": "skip",
                "line": {"color": colour, "width": 1.4, "dash": "solid" if fit.status == "ok" else "dot"},
            }
        )
    return made


def figure_slices(
    slices: Sequence[AgeSlice],
    fits: Sequence[AgeFit],
    dt_s: float,
    theme: str = "dark",
    *,
    cut: AgeSlice | None = None,
    baseline: float = 1.0,
    unit: str = "s",
) -> Drawing:
    """g2 in slices of age with their fits, and one cut at constant age."""
    t = tokens(theme)
    colours = q_colours(len(slices), theme)
    data: list[dict[str, Any]] = []
    for part, fit, colour in zip(slices, fits, colours, strict=True):
        made = _slice_trace(part, f"age {engineering(part.age * dt_s, unit)}", colour, dt_s, fit, baseline)
        made[0]["showlegend"] = part is slices[0] or part is slices[-1]
        data += made
    if cut is not None:
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": pack(cut.lag * dt_s, "f8"),
                "y": pack(cut.g2, "f8"),
                "name": f"cut at {engineering(cut.age * dt_s, unit)}",
                "line": {"color": t.accent, "width": 1},
                "opacity": 0.8,
                "hovertemplate": "cut<br>lag %{x:.4~g}<br>C₂ = %{y:.5~g}<extra></extra>",
            }
        )
        data.insert(0, data.pop())
    layout = {
        "xaxis": log_axis(f"lag |t₂ − t₁| ({unit})", *(s.lag for s in slices)),
        "yaxis": axis("g₂"),
        "margin": {"l": 60, "r": 14, "t": 8, "b": 44},
        "showlegend": True,
        "legend": {"x": 0, "xanchor": "left", "y": 0, "yanchor": "bottom"},
    }
    return Drawing(data, layout, theme)


def figure_tau_age(fits: Sequence[AgeFit], theme: str = "dark", *, unit: str = "s") -> Drawing:
    """τ against age; open where the decay exceeds the window, crosses where there is no fit."""
    t = tokens(theme)
    data = []
    for status, symbol, name, colour in (
        ("ok", "circle", "fit", t.accent),
        ("window", "circle-open", "longer than the window", t.warning),
    ):
        some = [f for f in fits if f.status == status]
        if not some:
            continue
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": pack([f.age_s for f in some], "f8"),
                "y": pack([f.tau_s for f in some], "f8"),
                "name": name,
                "marker": {"symbol": symbol, "size": 8, "color": colour},
                "error_y": {
                    "type": "data",
                    "array": pack([f.tau_err_s for f in some]),
                    "thickness": 1.2,
                    "width": 0,
                },
                "hovertemplate": f"age %{{x:.4~g}} {unit}<br>τ = %{{y:.4~g}} {unit}<extra></extra>",
            }
        )
    bad = [f for f in fits if f.status == "failed"]
    if bad:
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": pack([f.age_s for f in bad], "f8"),
                "y": pack([0.0] * len(bad)),
                "name": "no fit",
                "marker": {"symbol": "x-thin", "size": 8, "line": {"color": t.alarm, "width": 2}},
                "hovertemplate": f"age %{{x:.4~g}} {unit}<br>no fit<extra></extra>",
            }
        )
    layout = {
        "xaxis": axis(f"age (t₁ + t₂)/2 ({unit})"),
        "yaxis": axis(f"τ ({unit})", rangemode="tozero"),
        "margin": {"l": 60, "r": 14, "t": 30 if len(data) > 1 else 8, "b": 44},
        "showlegend": len(data) > 1,
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom"},
    }
    return Drawing(data, layout, theme)


def figure_diagonals(
    lag_s: np.ndarray,
    computed: np.ndarray,
    stored: np.ndarray | None,
    theme: str = "dark",
    *,
    unit: str = "s",
) -> Drawing:
    """g2 as the mean of each diagonal, beside the stored one; lag 0 is shot noise and left out."""
    t = tokens(theme)
    thin = (
        np.unique(np.geomspace(1, lag_s.size - 1, 300).astype(int))
        if lag_s.size > 300
        else np.arange(1, lag_s.size)
    )
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": pack(lag_s[thin], "f8"),
            "y": pack(computed[thin], "f8"),
            "name": "diagonals of C₂",
            "line": {"color": t.accent, "width": 2},
            "hovertemplate": f"lag %{{x:.4~g}} {unit}<br>g₂ = %{{y:.6~g}}<extra></extra>",
        }
    ]
    if stored is not None:
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": pack(lag_s[thin], "f8"),
                "y": pack(np.asarray(stored)[thin], "f8"),
                "name": "stored",
                "marker": {"size": 4, "color": t.warning},
                "hovertemplate": f"stored<br>lag %{{x:.4~g}} {unit}<br>g₂ = %{{y:.6~g}}<extra></extra>",
            }
        )
    layout = {
        "xaxis": log_axis(f"lag ({unit})", lag_s),
        "yaxis": axis("g₂"),
        "margin": {"l": 60, "r": 14, "t": 8, "b": 44},
        "showlegend": True,
        # a decay leaves this corner free
        "legend": {"x": 0, "xanchor": "left", "y": 0, "yanchor": "bottom"},
    }
    return Drawing(data, layout, theme)
