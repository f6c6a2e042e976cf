"""Small trends of a few numbers over the last files: one row a number, common x."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xpcs_dash.figures.curve import fixed_auto
from xpcs_dash.figures.drawing import Drawing, pack
from xpcs_dash.figures.theme import STATE_COLOURS, tokens, with_alpha


@dataclass(frozen=True)
class Trend:
    """One number over files.

    Attributes
    ----------
    name : what it is, such as ``contrast``.
    unit : "" where it has none.
    values, sigmas : (n,) oldest first; NaN where a file has no value or no error.
    files : (n,) names of the files, for the hover.
    state : "ok", "warning" or "alarm": colours the row.
    scale : factor from ``values`` to what is drawn, such as 1e3 for ms.
    doubt : why the newest value is not good, as a clause; empty where it is.
    """

    name: str
    unit: str
    values: np.ndarray
    sigmas: np.ndarray
    files: tuple[str, ...]
    state: str = "ok"
    scale: float = 1.0
    doubt: str = ""


def _limits(trend: Trend) -> tuple[float, float]:
    values = trend.values * trend.scale
    seen = values[np.isfinite(values)]
    if not seen.size:
        return 0.0, 1.0
    low, high = float(seen.min()), float(seen.max())
    # a flat trend must look flat: at least 4 % of its value, or twice its error, fill the row
    error = trend.sigmas * trend.scale
    typical = float(np.nanmedian(error)) if np.isfinite(error).any() else 0.0
    span = max(high - low, 0.04 * abs((high + low) / 2), 2 * typical, 1e-30)
    middle = (high + low) / 2
    return middle - 0.65 * span, middle + 0.65 * span


def figure_trends(trends: Sequence[Trend], theme: str = "dark") -> Drawing:
    """One row for each trend, one above the other, the newest file at the right.

    Parameters
    ----------
    trends : the rows, top first.
    theme : "dark" or "light".
    """
    t = tokens(theme)
    n = max(len(trends), 1)
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {
        "margin": {"l": 52, "r": 12, "t": 4, "b": 6},
        "showlegend": False,
        "hovermode": "x",
        "annotations": [],
    }
    inner = 0.62 / n
    for k, trend in enumerate(trends):
        tail = "" if k == 0 else str(k + 1)
        middle = 1 - (k + 0.5) / n
        colour = (
            t.accent if trend.state == "ok" else STATE_COLOURS.get(theme, STATE_COLOURS["dark"])[trend.state]
        )
        count = len(trend.values)
        low, high = _limits(trend)
        layout[f"xaxis{tail}"] = {
            "domain": [0, 1], "anchor": f"y{tail}", "fixedrange": True,
            "showticklabels": False, "showgrid": False,
            "autorangeoptions": fixed_auto(-max(count - 1, 1) - 0.5, 0.5),
        }  # fmt: skip
        layout[f"yaxis{tail}"] = {
            "domain": [middle - inner / 2, middle + inner / 2], "anchor": f"x{tail}", "nticks": 2,
            "fixedrange": True, "autorangeoptions": fixed_auto(low, high), "tickformat": ".4~g",
        }  # fmt: skip
        values, sigmas = trend.values * trend.scale, np.nan_to_num(trend.sigmas * trend.scale)
        x = np.arange(count, dtype=np.float32) - (count - 1)
        sizes = np.full(count, 4.0)
        sizes[-1:] = 9.0
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "xaxis": f"x{tail}",
                "yaxis": f"y{tail}",
                "x": pack(x),
                "y": pack(values),
                "error_y": {
                    "type": "data",
                    "array": pack(sigmas),
                    "color": with_alpha(colour, 0.45),
                    "thickness": 1,
                    "width": 0,
                },
                "line": {"color": colour, "width": 1.5},
                "marker": {"color": colour, "size": pack(sizes)},
                "text": list(trend.files),
                "customdata": pack(sigmas),
                "connectgaps": True,
                "hovertemplate": "%{text}<br><b>%{y:.4~g} ± %{customdata:.2~g}</b> "
                f"{trend.unit}<extra>{trend.name}</extra>",
            }
        )
    return Drawing(data, layout, theme)
