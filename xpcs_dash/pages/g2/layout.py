"""Layout of the g2 page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dash import dcc, html

from xpcs_dash.components.controls import number, segmented, switch, together, toolbar
from xpcs_dash.components.graphs import graph
from xpcs_dash.components.panel import panel
from xpcs_dash.figures.theme import KIOSK_SCALE

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from xpcs_dash.services import Services

VIEWS = {"panels": "Panels", "overlay": "Overlaid", "partial": "Stability", "map": "Map"}
DELAYS = {"log": "log τ", "lin": "linear"}
WHAT = {
    "panels": "one panel for each q-bin, one curve for each file",
    "overlay": "one panel for each file, one curve for each q-bin",
    "partial": "g2 of the first part of the run, then of more and more of it",
    "map": "g2 as an image over delay and q-bin",
}


def layout(services: Services, query: Mapping[str, str]) -> Component:  # noqa: ARG001 - the page protocol
    """One row of controls and the graph."""
    view = query.get("view", "panels")
    delay = query.get("tau", "log")
    tools = toolbar(
        segmented("g2-view", "", VIEWS, view if view in VIEWS else "panels"),
        switch(
            "g2-combine",
            "combine delays",
            query.get("combine", "0") == "1",
            title="neighbouring delays are combined until each point holds enough expected coincidences",
        ),
        switch("g2-fit", "fit", query.get("fit", "1") != "0", title="single exponential fitted at arrival"),
        switch("g2-common", "common scale", query.get("common", "1") != "0", title="one axis for all"),
        segmented("g2-delay", "", DELAYS, delay if delay in DELAYS else "log"),
        together(
            number("g2-tmin", "τ", _given(query, "tmin"), title="shortest delay; empty follows the data"),
            number("g2-tmax", "to", _given(query, "tmax"), unit="s", title="longest delay; empty: the data"),
        ),
        together(
            number("g2-ymin", "g₂", _given(query, "ymin"), title="lower end; empty: the data", width="5.5em"),
            number("g2-ymax", "to", _given(query, "ymax"), title="upper end; empty: the data", width="5.5em"),
        ),
        number(
            "g2-offset", "offset", _given(query, "offset"), title="moves each next curve up", width="5em",
        ),
    )  # fmt: skip
    shown = panel(
        "g₂",
        html.Div(graph("g2-graph", filename="g2"), id="g2-room", className="xd-g2-room"),
        controls=html.Div(id="g2-qbar", className="xd-qbar"),
        conditions=html.Span(id="g2-conditions"),
        export=("g2", "g2-graph"),
        class_name="xd-fill",
    )
    scale = KIOSK_SCALE if query.get("kiosk") == "1" else 1.0
    stores = [
        dcc.Store(id="g2-scale", data=scale),
        dcc.Store(id="g2-tick"),
        dcc.Store(id="g2-signature"),
        dcc.Store(id="g2-shown"),
    ]
    return html.Div([tools, shown, *stores], className="xd-column xd-g2-page")


def _given(query: Mapping[str, str], name: str) -> float | None:
    try:
        value = float(query.get(name, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
