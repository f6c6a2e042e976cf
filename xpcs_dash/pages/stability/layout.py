"""Layout of the stability page."""

from __future__ import annotations

from collections.abc import Mapping

from dash import html
from dash.development.base_component import Component

from xpcs_dash.components.controls import number, segmented, toolbar
from xpcs_dash.components.graphs import graph
from xpcs_dash.components.panel import panel
from xpcs_dash.services import Services

CURVES = {"shape": "I(q)", "ratio": "ratio to first"}
AXES = {"lin-log": "log I", "log-log": "log–log", "lin-lin": "linear"}


def layout(services: Services, query: Mapping[str, str]) -> Component:  # noqa: ARG001 - the page protocol
    """Four views of one run beside its numbers and verdict."""
    window = query.get("window", "")
    curves, axes = query.get("curves", ""), query.get("axes", "")
    return html.Div(
        [
            toolbar(
                segmented("stability-relative", "Segments", CURVES, curves if curves in CURVES else "shape"),
                segmented("stability-axes", "Axes", AXES, axes if axes in AXES else "lin-log"),
                number(
                    "stability-window",
                    "Moving average",
                    int(window) if window.isdecimal() and int(window) > 0 else 1000,
                    unit="frames",
                    minimum=1,
                    step=1,
                    title="Frames of the moving average of I(t); 1 turns it off",
                ),
            ),
            html.Div(
                [
                    panel(
                        "Segments",
                        graph("stability-graph", filename="stability"),
                        conditions=html.Span(id="stability-conditions"),
                        export=("stability", "stability-graph"),
                    ),
                    panel(
                        "I(t)",
                        graph("stability-intensity", filename="intensity"),
                        conditions=html.Span(id="stability-intensity-conditions"),
                        export=("intensity", "stability-intensity"),
                    ),
                    panel("Verdict", html.Div(id="stability-table", className="xd-views-scroll")),
                    panel(
                        "Partial g₂",
                        graph("stability-partials", filename="g2-partials"),
                        conditions=html.Span(id="stability-partials-conditions"),
                        export=(None, "stability-partials"),
                    ),
                    panel(
                        "Spectrum of I(t)",
                        graph("stability-spectrum", filename="spectrum"),
                        conditions=html.Span(id="stability-spectrum-conditions"),
                        export=(None, "stability-spectrum"),
                    ),
                    panel("Numbers", html.Div(id="stability-numbers", className="xd-views-scroll")),
                ],
                className="xd-views-grid xd-views-stability",
            ),
        ],
        className="xd-views",
    )
