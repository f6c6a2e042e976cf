"""Layout of the average page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dash_ag_grid as dag
from dash import dcc, html

from xpcs_dash.analysis.averaging import AcceptRule
from xpcs_dash.components import controls
from xpcs_dash.components.graphs import graph
from xpcs_dash.components.panel import panel
from xpcs_dash.shell.allow import may_write

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from xpcs_dash.services import Services


def _column(field: str, name: str, width: int, **more: Any) -> dict[str, Any]:
    return {"field": field, "headerName": name, "width": width, **more}


COLUMNS = [
    _column("taken", "take", 70, cellDataType="boolean", editable=True),
    _column("name", "file", 220, flex=1, minWidth=180, tooltipField="name"),
    _column("baseline", "baseline", 200, type="rightAligned"),
    _column("contrast", "contrast", 100, type="rightAligned"),
    _column("intensity", "I (photons/pixel/frame)", 180, type="rightAligned"),
    _column("verdict", "verdict of the rule", 250, flex=1, minWidth=200, tooltipField="verdict"),
]


def number_of(query: Mapping[str, str], name: str, fallback: float) -> float:
    """A number of the URL, or ``fallback`` where it is missing or malformed."""
    try:
        return float(query[name])
    except (KeyError, ValueError):
        return fallback


def layout(services: Services, query: Mapping[str, str]) -> Component:  # noqa: ARG001 - every page's signature
    """Build the page."""
    rule = AcceptRule()
    job = query.get("job", "")
    tools = controls.toolbar(
        controls.number("average-bin", "q-bin", int(number_of(query, "bin", rule.label)), minimum=1, step=1),
        controls.number(
            "average-window", "last delays", int(number_of(query, "window", rule.window)), minimum=1, step=1
        ),
        controls.together(
            controls.number("average-low", "baseline from", number_of(query, "low", rule.low), step=0.01),
            controls.number("average-high", "to", number_of(query, "high", rule.high), step=0.01),
        ),
        controls.text("average-name", "name", placeholder="after the first file"),
        controls.button(
            "average-run",
            "Average",
            icon="bi-layers",
            primary=True,
            disabled=not may_write(),
            title="" if may_write() else "Only an operator may start jobs.",
        ),
    )
    table = dag.AgGrid(
        id="average-grid",
        columnDefs=COLUMNS,
        rowData=[],
        getRowId="params.data.ref",
        className="xd-grid",
        style={"height": "100%", "width": "100%"},
        defaultColDef={"sortable": True, "resizable": True},
        dashGridOptions={"rowHeight": 30, "headerHeight": 34, "animateRows": False, "tooltipShowDelay": 300},
    )
    return html.Div(
        [
            tools,
            html.Div(id="average-state", className="xd-not-kiosk"),
            panel(
                "Baselines",
                graph("average-graph"),
                conditions=html.Span(id="average-conditions"),
                export=(None, "average-graph"),
                flex="1 1 45%",
            ),
            panel("Files", table, conditions="untick or tick a file to overrule the rule", flex="1 1 45%"),
            dcc.Store(id="average-levels", data=[]),
            dcc.Store(id="average-overruled", data={}),
            dcc.Store(id="average-job", data=int(job) if job.isdecimal() else None),
            dcc.Interval(id="average-tick", interval=60, disabled=True),
            dcc.Interval(id="average-watch", interval=500, disabled=not job),
        ],
        id="average-page",
        className="xd-column",
    )
