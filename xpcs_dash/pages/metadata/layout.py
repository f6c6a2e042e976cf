"""Layout of the metadata page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dash_ag_grid as dag
from dash import dcc, html

from xpcs_dash.components import controls
from xpcs_dash.components.panel import panel

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from xpcs_dash.services import Services

VIEWS = {"tree": "tree", "difference": "difference of two files"}

#: Groups that are open at first; those that a file lacks are passed over.
OPEN = "/entry,/entry/sample,/entry/instrument,/xpcs"


def _column(field: str, name: str, **more: Any) -> dict[str, Any]:
    return {"field": field, "headerName": name, "tooltipField": field, **more}


TREE_COLUMNS = [
    _column("shown", "name", flex=3, minWidth=260, cellClass="xd-tree-name"),
    _column("value", "value", flex=4, minWidth=240),
    _column("unit", "unit", width=100),
    _column("shape", "shape", width=150, type="rightAligned"),
    _column("dtype", "type", width=100),
    _column("attributes", "attributes", flex=3, minWidth=160),
]
DIFFERENCE_COLUMNS = [
    _column("path", "path", flex=4, minWidth=300),
    _column("left", "first file", flex=3, minWidth=200),
    _column("right", "second file", flex=3, minWidth=200),
    _column("what", "differs in", width=180),
]


def layout(services: Services, query: Mapping[str, str]) -> Component:  # noqa: ARG001 - every page's signature
    """Build the page."""
    view = query.get("view", "tree")
    tools = controls.toolbar(
        controls.segmented("metadata-view", "", VIEWS, view if view in VIEWS else "tree"),
        controls.text("metadata-search", "", query.get("search", ""), placeholder="Search names and values"),
    )
    grid = dag.AgGrid(
        id="metadata-grid",
        columnDefs=TREE_COLUMNS,
        rowData=[],
        getRowId="params.data.path",
        className="xd-grid",
        style={"height": "100%", "width": "100%"},
        defaultColDef={"sortable": False, "resizable": True},
        dashGridOptions={
            "rowHeight": 28,
            "headerHeight": 32,
            "animateRows": False,
            "tooltipShowDelay": 400,
            "suppressNoRowsOverlay": True,
            "enableCellTextSelection": True,
        },
    )
    return html.Div(
        [
            tools,
            html.Div(id="metadata-state"),
            panel("Metadata", grid, conditions=html.Span(id="metadata-conditions"), class_name="xd-fill"),
            dcc.Store(id="metadata-open", data=query.get("open", OPEN)),
        ],
        id="metadata-page",
        className="xd-column",
    )
