"""Layout of the review desk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dash_ag_grid as dag
from dash import dcc, html

from xpcs_dash.components import controls, states
from xpcs_dash.components.graphs import graph
from xpcs_dash.components.panel import panel
from xpcs_dash.fitting.models import model_names
from xpcs_dash.shell.allow import user_name

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from xpcs_dash.services import Services

KINDS = {"all": "all fits", "nlsq": "NLSQ", "nuts": "sampled"}
REVIEWS = {
    "all": "all",
    "open": "not reviewed",
    "accepted": "accepted",
    "rejected": "rejected",
    "flagged": "flagged",
    "deleted": "deleted",
}


def _column(field: str, name: str, width: int, **more: Any) -> dict[str, Any]:
    return {"field": field, "headerName": name, "width": width, **more}


COLUMNS = [
    _column("id", "fit", 62, sort="desc", type="rightAligned"),
    _column("file", "file", 180, flex=1, minWidth=120, tooltipField="file"),
    _column("kind", "kind", 72),
    _column("model", "model", 96),
    _column("state", "checks", 128, tooltipField="why"),
    _column("chi2", "χ²", 66, type="rightAligned"),
    _column("review", "review", 124, tooltipField="note"),
    _column("when", "made", 104),
]


def layout(services: Services, query: Mapping[str, str]) -> Component:  # noqa: ARG001 - every page's signature
    """Build the page; a clock compares a stamp, and only a change redraws the list."""
    tools = controls.toolbar(
        controls.text(
            "fits-search", "", query.get("search", ""), placeholder="Search file, sample, note, name"
        ),
        controls.select("fits-kind", "", KINDS, query.get("kind", "all")),
        controls.select("fits-model", "", {"all": "all models"} | model_names(), query.get("model", "all")),
        controls.segmented("fits-review-filter", "", REVIEWS, query.get("review", "all")),
        html.Span(id="fits-undo-line"),
    )
    grid = dag.AgGrid(
        id="fits-grid",
        columnDefs=COLUMNS,
        rowData=[],
        getRowId="params.data.key",
        className="xd-grid",
        style={"height": "100%", "width": "100%"},
        defaultColDef={"sortable": True, "resizable": True, "filter": False},
        dashGridOptions={
            "rowHeight": 32,
            "headerHeight": 34,
            "rowSelection": {
                "mode": "multiRow",
                "checkboxes": True,
                "headerCheckbox": False,
                "enableClickSelection": True,
            },
            "selectionColumnDef": {"width": 34},
            "animateRows": False,
            "tooltipShowDelay": 300,
            "suppressNoRowsOverlay": True,
        },
    )
    return html.Div(
        [
            dcc.Interval(id="fits-tick", interval=1000),
            dcc.Store(id="fits-stamp"),
            dcc.Store(id="fits-done"),
            dcc.Store(id="fits-deleted"),
            dcc.Store(id="fits-chosen", data=query.get("fits") or None),
            tools,
            html.Div(
                [
                    panel(
                        "Stored fits",
                        [html.Div(id="fits-empty"), grid],
                        conditions=html.Span(id="fits-count"),
                        class_name="fits-list",
                    ),
                    html.Div([_detail(), _curves()], className="fit-right"),
                ],
                className="fits-columns",
            ),
        ],
        id="fits-page",
        className="fits-page xd-column",
    )


def _detail() -> Component:
    hint = "Choose one in the list; choose two (Ctrl-click) to compare them."
    body = [
        html.Div(_review(), id="fits-review", className="fits-review fits-pad", hidden=True),
        html.Div(states.empty("No fit is chosen.", hint), id="fits-detail", className="fits-detail"),
    ]
    return panel(
        "Fit", body, conditions=html.Span(id="fits-detail-conditions"), class_name="fits-detail-panel"
    )


def _review() -> list[Component]:
    return [
        html.Label(
            [
                html.Span("your name", className="xd-label"),
                dcc.Input(
                    id="fits-name",
                    type="text",
                    value=user_name() or None,
                    persistence=not user_name(),
                    persistence_type="local",
                    debounce=False,
                    placeholder="name",
                    className="xd-text",
                ),
            ],
            className="xd-control",
        ),
        html.Label(
            [
                html.Span("note", className="xd-label"),
                dcc.Input(
                    id="fits-note",
                    type="text",
                    placeholder="why",
                    debounce=False,
                    className="xd-text fits-note",
                ),
            ],
            className="xd-control",
        ),
        html.Span(className="fits-break"),
        controls.button("fits-accept", "Accept", icon="bi-check-lg"),
        controls.button("fits-flag", "Flag", icon="bi-flag"),
        controls.button("fits-reject", "Reject", icon="bi-x-lg"),
        html.Span(className="xd-spring"),
        html.A(
            [html.I(className="bi bi-box-arrow-up-right", **{"aria-hidden": "true"}), html.Span("Open")],
            id="fits-open",
            href="#",
            className="xd-btn",
            title="open the Fit page exactly as this fit was made",
        ),
        controls.button(
            "fits-again", "Re-run", icon="bi-arrow-repeat", title="the same request with the same seed"
        ),
        controls.button("fits-delete", "Delete", icon="bi-trash", danger=True, title="can be undone"),
    ]


def _curves() -> Component:
    return panel(
        "Curves",
        html.Div(html.Div(graph("fits-graph"), id="fits-graph-box"), className="fit-scroll"),
        conditions=html.Span(id="fits-graph-conditions"),
        export=(None, "fits-graph"),
        class_name="fits-curves",
    )
