"""Layout of the run table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dash_ag_grid as dag
from dash import html

from xpcs_dash.components import controls
from xpcs_dash.components.panel import panel

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from xpcs_dash.services import Services

SHOWN = {"all": "all", "ready": "ready", "flagged": "flagged", "waiting": "waiting", "failed": "failed"}


def _column(field: str, name: str, width: int, **more: Any) -> dict[str, Any]:
    return {"field": field, "headerName": name, "width": width, **more}


def _formatted(name: str) -> dict[str, Any]:
    return {"valueFormatter": {"function": f"{name}(params.value)"}}


COLUMNS = [
    _column("state", "state", 112, cellRenderer="XdStateCell", pinned="left"),
    _column(
        "name",
        "file",
        360,
        tooltipField="file",
        cellRenderer="XdNameCell",
        pinned="left",
        filter="agTextColumnFilter",
    ),
    _column("sample", "sample", 130, filter="agTextColumnFilter"),
    _column("flags", "flags and reason", 340, cellRenderer="XdReasonCell", flex=1, minWidth=260),
    _column("scan", "scan", 90),
    _column("t", "arrived", 190, sort="desc", **_formatted("xdMoment")),
    _column("start", "started", 184, **_formatted("xdMoment")),
    _column("kinds", "kinds", 170, **_formatted("xdKinds")),
    _column("n_q", "q-bins", 84, type="rightAligned"),
    _column("n_delay", "delays", 84, type="rightAligned"),
    _column("n_frames", "frames", 104, type="rightAligned", **_formatted("xdWhole")),
    _column("temperature_k", "T (°C)", 90, type="rightAligned", **_formatted("xdCelsius")),
    _column("size", "size", 96, type="rightAligned", **_formatted("xdBytes")),
    _column("layout", "layout", 130, hide=True),
    _column("folder", "folder", 200),
]


def layout(services: Services, query: Mapping[str, str]) -> Component:  # noqa: ARG001 - every page's signature
    """Build the page; its rows come to the browser by themselves, and only those that changed."""
    shown = query.get("show", "all")
    tools = controls.toolbar(
        controls.text("files-search", "", query.get("search", ""), placeholder="Search all columns"),
        controls.segmented("files-show", "", SHOWN, shown if shown in SHOWN else "all"),
        html.Span(id="files-count", className="xd-muted"),
    )
    grid = dag.AgGrid(
        id="files-grid",
        columnDefs=COLUMNS,
        rowData=[],
        getRowId="params.data.row",
        className="xd-grid",
        style={"height": "100%", "width": "100%"},
        defaultColDef={"sortable": True, "resizable": True, "filter": False},
        dashGridOptions={
            "rowHeight": 32,
            "headerHeight": 34,
            "rowClassRules": {"xd-row-on": "xdSelected(params.data)"},
            "animateRows": False,
            "suppressNoRowsOverlay": True,
            "tooltipShowDelay": 300,
            "isExternalFilterPresent": {"function": "xdTableFilterPresent()"},
            "doesExternalFilterPass": {"function": "xdTableFilterPass(params.data)"},
        },
    )
    table = panel("Files", grid, conditions=html.Span(id="files-conditions"), class_name="xd-fill")
    return html.Div(
        [tools, table, html.Div(id="files-sink", hidden=True)], id="files-page", className="xd-column"
    )
