"""Layout of the Live page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dash import dcc, html

from xpcs_dash.components.controls import switch
from xpcs_dash.components.graphs import graph
from xpcs_dash.components.panel import panel
from xpcs_dash.components.states import loading
from xpcs_dash.components.theme import current_theme
from xpcs_dash.figures.detector import figure_detector
from xpcs_dash.figures.theme import KIOSK_SCALE

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from xpcs_dash.services import Services


def layout(services: Services, query: Mapping[str, str]) -> Component:
    """Head line, g2 and detector above, I(t) and the numbers of the last files below."""
    combined = (
        "neighbouring delays are combined until each point holds "
        f"{services.settings.min_coincidences:g} expected coincidences"
    )
    scale = KIOSK_SCALE if query.get("kiosk") == "1" else 1.0
    empty = figure_detector(None, (512, 512), theme=current_theme()).to_plotly_json()
    g2 = panel(
        "g₂",
        graph("live-g2", filename="g2"),
        controls=[
            html.Div(id="live-qbar", className="xd-qbar"),
            switch("live-combine", "combine", query.get("combine", "1") != "0", title=combined),
        ],
        conditions=html.Span(id="live-g2-conditions"),
        export=("g2", "live-g2"),
        class_name="xd-live-g2",
    )
    detector = panel(
        "Detector",
        [
            # made with its axes, because an update never turns an axis round
            graph("live-detector", empty, filename="detector", config={"scrollZoom": True}),
            html.Div(
                "Move over the image for x, y, I, q, φ and bin.", id="live-readout", className="xd-readout"
            ),
        ],
        conditions=html.Span(id="live-detector-conditions"),
        export=("detector", "live-detector"),
        class_name="xd-live-detector",
    )
    intensity = panel(
        "I(t)",
        graph("live-intensity", filename="intensity"),
        conditions=html.Span(id="live-intensity-conditions"),
        export=("intensity", "live-intensity"),
        class_name="xd-live-intensity",
    )
    trends = panel(
        html.Span("Last files", id="live-trends-title"),
        html.Div(
            [
                html.Div(id="live-numbers", className="xd-live-numbers"),
                graph("live-trends", filename="trends", config={"displayModeBar": False}),
            ],
            className="xd-live-trends-body",
        ),
        conditions=html.Span(id="live-trends-conditions"),
        export=(None, "live-trends"),
        class_name="xd-live-trends",
    )
    return html.Div(
        [
            html.Div(loading("Looking for the newest file…"), id="live-empty", className="xd-live-empty"),
            html.Div(
                [html.Header(id="live-head", className="xd-live-head"), g2, detector, intensity, trends],
                id="live-grid",
                className="xd-live",
                hidden=True,
            ),
            dcc.Store(id="live-scale", data=scale),
            dcc.Store(id="live-tick"),
            dcc.Store(id="live-g2-shown"),
            dcc.Store(id="live-source"),
            dcc.Store(id="live-attached"),
        ],
        className="xd-live-page",
    )
