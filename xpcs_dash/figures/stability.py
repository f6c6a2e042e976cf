"""Stability: I(q) of time segments, the spectrum of I(t), and levels of the cumulative partial g2."""

from __future__ import annotations

from typing import Any

import numpy as np

from xpcs_dash.analysis.intensity import Decimated, Spectrum
from xpcs_dash.figures.drawing import Drawing, pack
from xpcs_dash.figures.format import engineering
from xpcs_dash.figures.intensity import figure_intensity
from xpcs_dash.figures.logaxis import log_axis
from xpcs_dash.figures.theme import axis, q_colours, tokens


def figure_segments(
    q: np.ndarray,
    curves: np.ndarray,
    theme: str = "dark",
    *,
    relative: bool = False,
    x_log: bool = False,
    y_log: bool = True,
) -> Drawing:
    """I(q) of every time segment, each divided by its own mean.

    Parameters
    ----------
    q : (n0,) Å⁻¹.
    curves : (n_seg, n0), mean 1.
    relative : draw the ratio to the first segment.
    """
    shown = curves
    if relative:
        with np.errstate(invalid="ignore", divide="ignore"):
            shown = np.where(curves[0] > 0, curves / curves[0], np.nan)
        y_log = False
    colours = q_colours(len(curves), theme)
    last = len(curves)
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": pack(q, "f8"),
            "y": pack(line, "f8"),
            "name": f"segment {k}",
            "line": {"color": colours[k - 1], "width": 1.4},
            "legendgroup": "s",
            "showlegend": k in (1, last),
            "hovertemplate": f"segment {k} of {last}<br>q = %{{x:.5~g}} Å⁻¹<br>%{{y:.4~g}}<extra></extra>",
        }
        for k, line in enumerate(shown, start=1)
    ]
    title = "I / I of segment 1" if relative else "I / mean of the segment"
    layout = {
        "xaxis": log_axis("q (Å⁻¹)", q) if x_log else axis("q (Å⁻¹)", type="linear"),
        "yaxis": log_axis(title, shown) if y_log else axis(title, type="linear"),
        "margin": {"l": 64, "r": 14, "t": 8, "b": 44},
        "showlegend": True,
        "legend": {"x": 1, "xanchor": "right", "y": 1, "yanchor": "top"},
    }
    return Drawing(data, layout, theme)


def figure_smoothed(
    series: Decimated, smooth: Decimated | None, theme: str = "dark", *, window: int = 1, note: str = ""
) -> Drawing:
    """I(t) with the range of each interval and, on top, its moving average over ``window`` frames."""
    drawn = figure_intensity(series, theme, note=note)
    if smooth is None:
        return drawn
    from xpcs_dash.figures.intensity import scale_of

    factor, _ = scale_of(series.high)
    t = tokens(theme)
    drawn.data.append(
        {
            "type": "scatter",
            "mode": "lines",
            "x": pack(smooth.x),
            "y": pack(smooth.mean * factor),
            "line": {"color": t.text, "width": 2},
            "hovertemplate": f"mean of {window:,} frames<br>t = %{{x:.4~g}} s<br>%{{y:.4~g}}<extra></extra>",
        }
    )
    return drawn


def figure_spectrum(
    found: Spectrum, peaks: list[tuple[float, float]], theme: str = "dark", *, log_x: bool = True
) -> Drawing:
    """Relative amplitude of I(t) against frequency, with the strongest lines named."""
    t = tokens(theme)
    data: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": pack(found.frequency, "f8"),
            "y": pack(found.amplitude, "f8"),
            "line": {"color": t.accent, "width": 1.2},
            "showlegend": False,
            "hovertemplate": "%{x:.5~g} Hz<br>amplitude %{y:.3~g} of the mean<extra></extra>",
        }
    ]
    notes = [
        {
            "x": float(np.log10(f)) if log_x else f,
            "y": float(np.log10(max(a, 1e-12))),
            "text": engineering(f, "Hz"),
            "showarrow": True,
            "arrowhead": 0,
            "ax": 0,
            "ay": -16 - 16 * k,
            "arrowcolor": t.faint,
            "font": {"size": 12, "color": t.text},
        }
        for k, (f, a) in enumerate(peaks)
    ]
    layout = {
        "xaxis": log_axis("frequency (Hz)", found.frequency)
        if log_x
        else axis("frequency (Hz)", type="linear"),
        "yaxis": log_axis("amplitude / mean", found.amplitude),
        "margin": {"l": 64, "r": 14, "t": 18, "b": 44},
        "annotations": notes,
    }
    return Drawing(data, layout, theme)


def figure_partials(
    t_el: np.ndarray,
    partials: np.ndarray,
    good: np.ndarray,
    names: list[str],
    theme: str = "dark",
) -> Drawing:
    """Cumulative partial g2 of one q-bin, one curve per partial.

    Parameters
    ----------
    t_el : (n_delay,) s.
    partials : (n_part, n_delay); NaN and 0 are not drawn.
    good : (n_part, n_delay) bool, points with enough coincidences.
    names : (n_part,) text of the legend.
    """
    colours = q_colours(len(partials), theme)
    data = []
    for k, (line, use) in enumerate(zip(partials, good, strict=True)):
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": pack(t_el[use], "f8"),
                "y": pack(line[use], "f8"),
                "name": names[k],
                "line": {"color": colours[k], "width": 1.2},
                "marker": {"size": 4},
                "hovertemplate": f"{names[k]}<br>τ = %{{x:.4~s}}s<br>g₂ = %{{y:.5~g}}<extra></extra>",
            }
        )
    layout = {
        "xaxis": log_axis("delay τ (s)", t_el),
        "yaxis": axis("g₂"),
        "margin": {"l": 64, "r": 14, "t": 8, "b": 44},
        "showlegend": True,
        "legend": {"x": 1, "xanchor": "right", "y": 1, "yanchor": "top"},
    }
    return Drawing(data, layout, theme)
