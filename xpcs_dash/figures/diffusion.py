"""τ and the other parameters against q, with the power law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xpcs_dash.analysis.diffusion import Points, PowerLaw
from xpcs_dash.figures.drawing import Drawing, pack
from xpcs_dash.figures.logaxis import log_axis
from xpcs_dash.figures.theme import axis, tokens, with_alpha
from xpcs_dash.fitting.models import MODELS

UNUSED = "not good: not used"
HOVER = "<b>bin %{customdata[0]}</b><br>q = %{x:.5~g} Å⁻¹<br>%{y:.4~g}<br>%{customdata[1]}<extra></extra>"


@dataclass(frozen=True)
class Series:
    """One file: its points, its power law (or None), a name and a colour."""

    name: str
    points: Points
    law: PowerLaw | None
    colour: str


def _group(series: Series, *, log_y: bool) -> list[dict[str, Any]]:
    p = series.points
    status = np.array(p.status)
    drawable = np.isfinite(p.value) & (p.q > 0) & ((p.value > 0) | (not log_y))
    made: list[dict[str, Any]] = []
    for kind, symbol, alpha in (("ok", "circle", 1.0), ("bound", "circle-open", 0.55)):
        use = drawable & (status == kind)
        if not use.any():
            continue
        trace: dict[str, Any] = {
            "type": "scatter",
            "mode": "markers",
            "x": pack(p.q[use], "f8"),
            "y": pack(p.value[use], "f8"),
            "name": series.name,
            "legendgroup": series.name,
            "showlegend": kind == "ok",
            "customdata": [[int(label), UNUSED if kind == "bound" else ""] for label in p.label[use]],
            "marker": {"symbol": symbol, "size": 7, "color": with_alpha(series.colour, alpha)},
            "hovertemplate": HOVER,
        }
        if kind == "ok":
            error = np.where(np.isfinite(p.error[use]), p.error[use], 0.0)
            trace["error_y"] = {"type": "data", "array": pack(error), "thickness": 1.2, "width": 0}
        made.append(trace)
    return made


def _failed(series: Series, t: Any) -> list[dict[str, Any]]:
    """Failed bins as crosses along the bottom of the axes: they exist, but have no value."""
    p = series.points
    use = (np.array(p.status) == "failed") & (p.q > 0)
    if not use.any():
        return []
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": pack(p.q[use], "f8"),
            "y": pack(np.full(int(use.sum()), 0.02)),
            "yaxis": "y2",
            "customdata": [int(v) for v in p.label[use]],
            "showlegend": False,
            "name": f"{series.name}: no fit",
            "marker": {"symbol": "x-thin", "size": 7, "line": {"color": t.alarm, "width": 1.6}},
            "hovertemplate": "<b>bin %{customdata}</b><br>q = %{x:.5~g} Å⁻¹<br>no fit<extra></extra>",
        }
    ]


def figure_parameter(
    series: Sequence[Series], theme: str = "dark", *, parameter: str = "tau", x_log: bool = True
) -> Drawing:
    """One parameter against q.

    Good points are filled with bars; points at a bound or without a decay are open, faint and without bars;
    bins without a fit are crosses at the bottom. The power law is drawn for τ.

    Parameters
    ----------
    series : one per file.
    parameter : ``tau``, the relaxation time, or a parameter of any model.
    """
    t = tokens(theme)
    log_y = parameter == "tau"
    data: list[dict[str, Any]] = []
    for one in series:
        data += _group(one, log_y=log_y)
        data += _failed(one, t)
        if parameter == "tau" and one.law is not None:
            data += _law(one)
    legend = len(series) > 1 and parameter == "tau"
    layout: dict[str, Any] = {
        "xaxis": log_axis("q (Å⁻¹)", *(s.points.q for s in series))
        if x_log
        else axis("q (Å⁻¹)", type="linear"),
        "yaxis": log_axis(title_of(parameter), *(s.points.value[s.points.usable] for s in series))
        if log_y
        else axis(title_of(parameter)),
        "yaxis2": {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
        "margin": {"l": 64, "r": 14, "t": 8 + (21 * len(series) if legend else 0), "b": 44},
        "showlegend": legend,
        "legend": {"x": 0, "xanchor": "left", "y": 1.01, "yanchor": "bottom"},
    }
    layout["yaxis"] |= {"autorangeoptions": _limits(series, log_y=log_y)}
    return Drawing(data, layout, theme)


def title_of(parameter: str) -> str:
    """What stands at the axis of a parameter: its symbol and unit."""
    if parameter in ("contrast", "baseline"):
        return parameter
    if parameter == "tau":
        return "τ (s)"
    found = (spec[parameter].title for spec in MODELS.values() if parameter in spec.names)
    return next(found, parameter)


def _limits(series: Sequence[Series], *, log_y: bool) -> dict[str, Any]:
    """Limits from the good points with their bars: values at a bound must not squeeze them."""
    if not series:
        return {}
    values = np.concatenate([s.points.value[s.points.usable] for s in series])
    errors = np.concatenate([s.points.error[s.points.usable] for s in series])
    if not values.size:
        return {}
    if log_y:
        low, high = float(values.min()) / 2, float(values.max()) * 2
        return {"include": [low, high], "clipmin": low / 3, "clipmax": high * 3}
    typical = np.minimum(errors, 3.0 * float(np.median(errors)))
    low, high = float((values - typical).min()), float((values + typical).max())
    room = 0.15 * max(high - low, 1e-3 * abs(high), 1e-9)
    return {"include": [low - room, high + room], "clipmin": low - room, "clipmax": high + room}


def _law(one: Series) -> list[dict[str, Any]]:
    law = one.law
    assert law is not None
    q = one.points.q[one.points.usable]
    x = np.geomspace(q.min() / 1.1, q.max() * 1.1, 80)
    low, high = law.band(x)
    base = {
        "type": "scatter",
        "mode": "lines",
        "x": pack(x, "f8"),
        "legendgroup": one.name,
        "showlegend": False,
        "hoverinfo": "skip",
    }
    return [
        base | {"y": pack(low, "f8"), "line": {"width": 0}},
        base
        | {
            "y": pack(high, "f8"),
            "line": {"width": 0},
            "fill": "tonexty",
            "fillcolor": with_alpha(one.colour, 0.15),
        },
        base | {"y": pack(law.tau(x), "f8"), "line": {"color": one.colour, "width": 1.6}},
    ]
