"""Callbacks of the run table: all of them in the browser (``assets/shell-files.js``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import ClientsideFunction, Input, Output

if TYPE_CHECKING:
    from dash import Dash

    from xpcs_dash.services import Services


def register(app: Dash, services: Services) -> None:  # noqa: ARG001 - every page's signature
    """Fill the table when the page is opened, and filter it."""
    app.clientside_callback(
        ClientsideFunction("files", "filter"),
        Output("files-conditions", "children"),
        Input("files-search", "value"),
        Input("files-show", "value"),
        Input("files-grid", "id"),
    )
