"""Callbacks of the metadata page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dash import Input, Output, State
from dash.exceptions import PreventUpdate

from xpcs_dash.components import states
from xpcs_dash.components.selection import Selection
from xpcs_dash.components.views import nothing_here
from xpcs_dash.errors import UsageError, XpcsDashError
from xpcs_dash.hdf5 import tree
from xpcs_dash.hdf5.tree import Node
from xpcs_dash.pages.metadata.layout import DIFFERENCE_COLUMNS, TREE_COLUMNS
from xpcs_dash.shell.allow import Role, open_to

if TYPE_CHECKING:
    from dash import Dash

    from xpcs_dash.services import Services

NBSP = "\N{NO-BREAK SPACE}"
Row = dict[str, Any]


def node_row(found: Node, opened: frozenset[str], *, full_path: bool = False) -> Row:
    """One row of the tree: the name stands in by its depth, groups carry a sign."""
    sign = "" if found.kind != "group" else "▾ " if found.path in opened else "▸ "
    name = found.path if full_path else 4 * NBSP * found.level + (sign or 2 * NBSP) + found.name
    return {
        "path": found.path,
        "kind": found.kind,
        "shown": name,
        "value": found.preview,
        "unit": found.unit,
        "shape": found.shape,
        "dtype": found.dtype,
        "attributes": ", ".join(f"{key} = {value}" for key, value in found.attributes),
    }


def tree_rows(services: Services, ref: str, opened: frozenset[str]) -> list[Row]:
    """Rows of every open group; a group is read only when it is opened, and once a file version."""

    def members(path: str) -> list[Node]:
        def load(xf: Any) -> list[Node]:
            with services.kernel.pool.open(xf.path) as h5:
                return tree.children(h5, path)

        return services.kernel.derived(ref, "tree", (path,), load)

    rows: list[Row] = []

    def add(path: str) -> None:
        for found in members(path):
            rows.append(node_row(found, opened))
            if found.kind == "group" and found.path in opened:
                add(found.path)

    add("/")
    return rows


def search_rows(services: Services, ref: str, text: str) -> list[Row]:
    """Rows of everything that holds the text."""
    with services.kernel.pool.open(services.kernel.open(ref).path) as h5:
        return [node_row(found, frozenset(), full_path=True) for found in tree.find(h5, text)]


def difference_rows(services: Services, refs: Sequence[str]) -> list[Row]:
    """Rows of what differs between the first two files of the selection.

    Raises
    ------
    UsageError
        Where fewer than two are selected.
    """
    if len(refs) < 2:
        raise UsageError("Select two files in the list on the left to see how they differ.")
    first, second = (services.kernel.open(ref).path for ref in refs[:2])
    with services.kernel.pool.open(first) as a, services.kernel.pool.open(second) as b:
        return [vars(found) for found in tree.difference(a, b)]


def toggle(opened: str, path: str) -> str:
    """Open a closed group, close an open one; the list travels in the URL."""
    found = [p for p in opened.split(",") if p]
    return ",".join([p for p in found if p != path] if path in found else [*found, path])


def register(app: Dash, services: Services) -> None:
    """Add the callbacks."""

    @app.callback(
        Output("metadata-grid", "rowData"),
        Output("metadata-grid", "columnDefs"),
        Output("metadata-conditions", "children"),
        Output("metadata-state", "children"),
        Input("shell-current", "data"),
        Input("metadata-view", "value"),
        Input("metadata-search", "value"),
        Input("metadata-open", "data"),
    )
    @open_to(Role.VIEWER)
    def show(current: Any, view: str, search: str | None, opened: str | None) -> Any:
        selection = Selection.parse(current)
        columns = DIFFERENCE_COLUMNS if view == "difference" else TREE_COLUMNS
        if selection.primary is None:
            return [], columns, "", nothing_here(selection, "The tree appears with the first file.")
        try:
            if view == "difference":
                rows = difference_rows(services, selection.refs)
                return rows, columns, f"{len(rows)} differences", None
            if search:
                rows = search_rows(services, selection.primary, search)
                return rows, columns, f"{len(rows)} found", None
            name = services.kernel.open(selection.primary).path.name
            rows = tree_rows(services, selection.primary, frozenset((opened or "").split(",")))
        except XpcsDashError as err:
            return [], columns, "", states.failed(err)
        return rows, columns, f"{name} · click a group to open it", None

    @app.callback(
        Output("metadata-open", "data"),
        Input("metadata-grid", "cellClicked"),
        State("metadata-grid", "rowData"),
        State("metadata-open", "data"),
        prevent_initial_call=True,
    )
    @open_to(Role.VIEWER)
    def open_group(clicked: Any, rows: list[Row], opened: str | None) -> Any:
        path = str((clicked or {}).get("rowId", ""))
        if not any(row["path"] == path and row.get("kind") == "group" for row in rows or ()):
            raise PreventUpdate
        return toggle(opened or "", path)
