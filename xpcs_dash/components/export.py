"""The export menu of a panel: as shown, for paper, or as numbers (``assets/export.js`` does the work)."""

from __future__ import annotations

import dash_bootstrap_components as dbc
from dash import html

#: Kind of the entry and format -> its text.
ENTRIES = {
    ("paper", "pdf"): "PDF for paper",
    ("paper", "svg"): "SVG for paper",
    ("paper", "png"): "PNG for paper, 600 dpi",
    ("paper", "csv"): "numbers as CSV",
    ("paper", "h5"): "numbers as HDF5",
    ("shown", "png"): "picture as shown, PNG",
    ("shown", "svg"): "picture as shown, SVG",
}


def export_menu(view: str | None, graph_id: str) -> dbc.DropdownMenu:
    """Menu that exports ``view`` of the selected file and q-bins, or the graph as it stands.

    Parameters
    ----------
    view : a name of `xpcs_dash.export.VIEWS`; None offers the picture as shown alone.
    graph_id : the graph whose picture "as shown" is meant.
    """
    entries = [
        html.Button(
            text,
            type="button",
            className="dropdown-item xd-export-entry",
            **{"data-kind": kind, "data-format": form, "data-view": view or graph_id, "data-graph": graph_id},
        )
        for (kind, form), text in ENTRIES.items()
        if view is not None or kind == "shown"
    ]
    return dbc.DropdownMenu(
        entries,
        label=html.I(className="bi bi-download", title="Export", **{"aria-label": "Export"}),
        size="sm",
        align_end=True,
        class_name="xd-export xd-not-kiosk",
        toggle_class_name="xd-plain",
    )
