"""Layout of the two-time page."""

from __future__ import annotations

import math
from collections.abc import Mapping

from dash import dcc, html
from dash.development.base_component import Component

from xpcs_dash.components.controls import number, select, together, toolbar
from xpcs_dash.components.graphs import graph
from xpcs_dash.components.panel import panel
from xpcs_dash.components.views import detector_graph
from xpcs_dash.services import Services

COLOURS = {name: name for name in ("viridis", "inferno", "magma", "plasma", "cividis", "turbo", "gray")}


def _number(query: Mapping[str, str], name: str, default: float | None) -> float | None:
    try:
        value = float(query.get(name, ""))
    except ValueError:
        return default
    return value if math.isfinite(value) else default


def layout(services: Services, query: Mapping[str, str]) -> Component:  # noqa: ARG001 - the page protocol
    """C2 on the left; what follows from it on the right. Files without it get one sentence."""
    cmap = query.get("cmap", "")
    slices = _number(query, "slices", 8)
    return html.Div(
        [
            toolbar(
                select("twotime-bin", "q-bin", {}, None),
                select("twotime-cmap", "Colours", COLOURS, cmap if cmap in COLOURS else "viridis"),
                together(
                    number(
                        "twotime-low",
                        "Limits",
                        _number(query, "lo", 1.0),
                        minimum=0,
                        maximum=100,
                        width="4.4em",
                        title="Lower colour limit, percentile of C₂ off the diagonal",
                    ),
                    number(
                        "twotime-high",
                        "to",
                        _number(query, "hi", 99.5),
                        unit="%",
                        minimum=0,
                        maximum=100,
                        width="4.8em",
                        title="Upper colour limit, percentile",
                    ),
                ),
                number(
                    "twotime-slices",
                    "Slices of age",
                    int(slices or 8),
                    minimum=2,
                    maximum=32,
                    step=1,
                    width="4.4em",
                ),
                number(
                    "twotime-age", "Cut at age", _number(query, "age", None), unit="s", minimum=0, width="6em"
                ),
                number(
                    "twotime-baseline",
                    "Baseline",
                    _number(query, "base", 1.0),
                    step="any",
                    width="5em",
                    title="Baseline of the fits by age: fixed, because few slices hold a full decay",
                ),
            ),
            html.Div(id="twotime-state"),
            html.Div(
                [
                    panel(
                        "C₂(t₁, t₂)",
                        detector_graph("twotime-graph", "two-time", upwards=True),
                        conditions=html.Span(id="twotime-conditions"),
                        export=("twotime", "twotime-graph"),
                        class_name="xd-views-main",
                    ),
                    panel(
                        "g₂ by age",
                        graph("twotime-slices-graph", filename="g2-by-age"),
                        conditions=html.Span(id="twotime-slices-conditions"),
                        export=(None, "twotime-slices-graph"),
                    ),
                    panel(
                        "τ against age",
                        graph("twotime-tau", filename="tau-age"),
                        conditions=html.Span(id="twotime-tau-conditions"),
                        export=(None, "twotime-tau"),
                    ),
                    panel(
                        "g₂ of the diagonals",
                        graph("twotime-diagonals", filename="g2-diagonals"),
                        conditions=html.Span(id="twotime-diagonals-conditions"),
                        export=("twotime", "twotime-diagonals"),
                    ),
                    panel(
                        "q-bin",
                        [
                            detector_graph("twotime-map", "qmap"),
                            html.Div(
                                id="twotime-map-readout", className="xd-readout", children="Click a bin."
                            ),
                        ],
                    ),
                ],
                id="twotime-body",
                className="xd-views-grid xd-views-twotime",
            ),
            dcc.Store(id="twotime-source"),
            dcc.Store(id="twotime-frame"),
            dcc.Store(id="twotime-zoom"),
            dcc.Store(id="twotime-map-frame"),
            dcc.Store(id="twotime-attached"),
        ],
        className="xd-views",
    )
