"""Intensity against time: the mean of each block over its range."""

from __future__ import annotations

from typing import Any

import numpy as np

from xpcs_dash.analysis.intensity import Decimated
from xpcs_dash.figures.curve import fixed_auto, nice_limits
from xpcs_dash.figures.drawing import Drawing, pack
from xpcs_dash.figures.format import superscript
from xpcs_dash.figures.theme import axis, tokens, with_alpha


def scale_of(values: np.ndarray) -> tuple[float, str]:
    """Factor and text (``10⁻⁶ ``) that bring counts per pixel and frame between 1 and 1000."""
    seen = np.abs(values[np.isfinite(values)])
    top = float(seen.max()) if seen.size else 1.0
    if not 0 < top < 0.1:
        return 1.0, ""
    power = 3 if top >= 1e-3 else 6 if top >= 1e-6 else 9
    return 10.0**power, f"10{superscript(-power)} "


def figure_intensity(
    series: Decimated | None, theme: str = "dark", unit: str = "photons/pixel/frame", note: str = ""
) -> Drawing:
    """I(t) as mean and range of each block.

    Parameters
    ----------
    series : the decimated series, time in seconds; None gives empty axes.
    theme : "dark" or "light".
    unit : unit of the values.
    note : a sentence that stands in the panel where the values need a caveat.
    """
    t = tokens(theme)
    factor, prefix = (1.0, "") if series is None else scale_of(series.high)
    layout: dict[str, Any] = {
        "xaxis": axis("time (s)"),
        "yaxis": axis(f"{prefix}{unit}"),
        "margin": {"l": 60, "r": 14, "t": 8, "b": 44},
        "showlegend": False,
        "annotations": [],
    }
    data: list[dict[str, Any]] = []
    if series is not None and series.x.size:
        low, mean, high = series.low * factor, series.mean * factor, series.high * factor
        if series.width > 1:
            band = {
                "type": "scatter",
                "mode": "lines",
                "line": {"width": 0},
                "hoverinfo": "skip",
                "x": pack(series.x),
            }
            data += [
                band | {"y": pack(low)},
                band | {"y": pack(high), "fill": "tonexty", "fillcolor": with_alpha(t.accent, 0.22)},
            ]
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": pack(series.x),
                "y": pack(mean),
                "line": {"color": t.accent, "width": 1.25},
                "customdata": pack(np.stack([low, high], axis=1)),
                "hovertemplate": f"t = %{{x:.4~g}} s<br>mean %{{y:.4~g}}<br>range %{{customdata[0]:.4~g}} … "
                f"%{{customdata[1]:.4~g}}<br>{prefix}{unit}<extra></extra>",
            }
        )
        half = float(series.x[1] - series.x[0]) / 2 if series.x.size > 1 else 0.5
        layout["xaxis"]["autorangeoptions"] = fixed_auto(
            float(series.x[0]) - half, float(series.x[-1]) + half
        )
        if np.isfinite(low).any():
            bottom, top = float(np.nanmin(low)), float(np.nanmax(high))
            margin = 0.05 * max(top - bottom, abs(top) * 0.02, 1e-12)
            layout["yaxis"]["autorangeoptions"] = fixed_auto(*nice_limits(bottom - margin, top + margin, 5))
    if note:
        place = {"x": 1, "y": 1, "xref": "paper", "yref": "paper", "xanchor": "right", "yanchor": "top"}
        font = {"color": t.muted, "size": 12}
        layout["annotations"].append({"text": note, "showarrow": False, "font": font, **place})
    return Drawing(data, layout, theme)
