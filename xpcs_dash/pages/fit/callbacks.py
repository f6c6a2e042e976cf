"""Callbacks of the Fit page: the live fit, choosing bins and delays. Jobs are in `sampling`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dash import ALL, Input, Output, State, ctx, no_update
from dash.exceptions import PreventUpdate

from xpcs_dash.components.errors import guarded
from xpcs_dash.components.graphs import message, patch
from xpcs_dash.components.selection import Selection, choose
from xpcs_dash.components.states import warning_line
from xpcs_dash.components.views import look, nothing_here, nothing_to_show
from xpcs_dash.errors import UsageError, XpcsDashError
from xpcs_dash.figures.bins import figure_bins
from xpcs_dash.figures.fit import columns_for, figure_fit, height_for
from xpcs_dash.fits.request import FitRequest, chosen, spread_bins
from xpcs_dash.pages.fit import preview, tables
from xpcs_dash.pages.fit.controls import CONTROLS, MODEL, request_from
from xpcs_dash.pages.fit.live import view_on_screen
from xpcs_dash.pages.fit.parameters import parameter_table
from xpcs_dash.pages.fit.plots import register_plots
from xpcs_dash.pages.fit.request import parse_bins, write_bins, write_given
from xpcs_dash.pages.fit.sampling import register_sampling
from xpcs_dash.shell.allow import Role, open_to

if TYPE_CHECKING:
    from dash import Dash

    from xpcs_dash.services import Services

WIDTH_PX = 860
"""Width for which the grid of panels is laid out."""
MAP_CELLS = 150
"""Longest side of the small map of bins."""


def register(app: Dash, services: Services) -> None:
    """Add the callbacks of the page."""
    _register_fit(app, services)
    _register_bins(app, services)
    _register_controls(app, services)
    register_sampling(app, services)
    register_plots(app, services)


def _register_fit(app: Dash, services: Services) -> None:
    @app.callback(
        Output("fit-table", "children"),
        Output("fit-graph", "figure"),
        Output("fit-graph-box", "style"),
        Output("fit-conditions", "children"),
        Output("fit-warnings", "children"),
        Output("fit-table-conditions", "children"),
        Input("shell-current", "data"),
        Input("fit-shown", "data"),
        Input("fit-drag", "value"),
        CONTROLS,
        State("fit-graph-box", "style"),
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=6)
    def show_fit(current: Any, shown: Any, drag: str, given: Mapping[str, Any], before: Any) -> Any:
        selection = Selection.parse(current)
        if selection.empty:
            said = nothing_to_show(selection)
            return nothing_here(selection), message(str(said)), no_update, "", [], ""
        looked = look(services, current)
        view = view_on_screen(services, looked, shown, given)
        drawing = figure_fit(
            view.panels,
            looked.theme,
            delay_range=view.delay,
            columns=columns_for(len(view.panels), WIDTH_PX),
            dragmode=drag,
        )
        # another grid needs other axes, and those that are gone must go: only then is the whole figure sent
        needed = height_for(len(view.panels), WIDTH_PX)
        style = {"height": f"max(100%, {needed}px)", "--fit-panels": str(len(view.panels))}
        same = (before or {}).get("--fit-panels") == style["--fit-panels"]
        figure = patch(drawing) if same else drawing.to_plotly_json()
        warnings = [warning_line(sentence) for sentence in view.warnings]
        table = tables.results(view.lines, view.model, interval=view.interval)
        return table, figure, style, view.conditions, warnings, view.table_conditions


def _register_bins(app: Dash, services: Services) -> None:
    @app.callback(
        Output("fit-bins", "value"),
        Output("fit-bins-count", "children"),
        Output("fit-map", "figure"),
        Input("shell-current", "data"),
    )
    @open_to(Role.VIEWER)
    def show_bins(current: Any) -> Any:
        if Selection.parse(current).empty:
            raise PreventUpdate
        looked = look(services, current)
        labels = chosen(looked.xf, looked.selection.q)
        count = f"{len(labels)} of {looked.xf.g2.shape[1] if looked.xf.g2 is not None else 0}"
        small, stride = services.kernel.derived(looked.ref, "fit.map", (MAP_CELLS,), _small_map)
        figure = no_update if small is None else patch(figure_bins(small, labels, stride, looked.theme))
        return write_bins(labels), count, figure

    @app.callback(
        Output("shell-select", "data", allow_duplicate=True),
        Input("fit-bins", "value"),
        Input("fit-all", "n_clicks"),
        Input("fit-six", "n_clicks"),
        Input("fit-map", "clickData"),
        State("shell-current", "data"),
        prevent_initial_call=True,
    )
    @open_to(Role.VIEWER)
    def choose_bins(text: str | None, _all: Any, _six: Any, click: Any, current: Any) -> Any:
        looked = look(services, current)
        n = looked.xf.g2.shape[1] if looked.xf.g2 is not None else 0
        now = chosen(looked.xf, looked.selection.q)
        if ctx.triggered_id == "fit-bins":
            wanted = parse_bins(text, n)
        elif ctx.triggered_id == "fit-map":
            label = clicked_label(click)
            wanted = tuple(sorted(set(now) ^ {label})) if label else now
        elif ctx.triggered_id == "fit-all" and _all:
            wanted = tuple(range(1, n + 1))
        elif ctx.triggered_id == "fit-six" and _six:
            wanted = spread_bins(n)
        else:
            raise PreventUpdate
        if not wanted or wanted == now:
            raise PreventUpdate
        return choose(q=wanted)


def _register_controls(app: Dash, services: Services) -> None:
    @app.callback(Output("fit-params", "children"), MODEL, prevent_initial_call=True)
    @open_to(Role.VIEWER)
    def change_model(model: str) -> Any:
        return parameter_table(FitRequest(model=model))

    @app.callback(Output("fit-given", "data"), CONTROLS, prevent_initial_call=True)
    @open_to(Role.VIEWER)
    def keep_in_address(**given: Any) -> Any:
        try:
            return write_given(request_from(given))
        except UsageError:
            raise PreventUpdate from None  # the panel of the fit says what is wrong

    @app.callback(
        Output({"type": "fit-par", "name": ALL, "field": ALL}, "placeholder"),
        Input("shell-current", "data"),
        Input("fit-params", "children"),
        State({"type": "fit-par", "name": ALL, "field": ALL}, "id"),
        State("fit-model", "value"),
    )
    @open_to(Role.VIEWER)
    def show_defaults(current: Any, _rows: Any, ids: Sequence[Mapping[str, str]], model: str) -> Any:
        try:
            looked = look(services, current)
        except XpcsDashError:
            raise PreventUpdate from None  # the panel of the fit says what is wrong
        texts = preview.placeholders(looked.xf, model, [(i["name"], i["field"]) for i in ids])
        return [text.replace("e-0", "e-").replace("e+0", "e") for text in texts]

    @app.callback(
        Output("fit-tmin", "value"),
        Output("fit-tmax", "value"),
        Input("fit-graph", "selectedData"),
        prevent_initial_call=True,
    )
    @open_to(Role.VIEWER)
    def drag_delays(selected: Any) -> Any:
        found = selected_delays(selected)
        if found is None:
            raise PreventUpdate
        return found

    @app.callback(
        Output("fit-shown", "data", allow_duplicate=True),
        CONTROLS,
        State("fit-shown", "data"),
        prevent_initial_call=True,
    )
    @open_to(Role.VIEWER)
    def back_to_live(_given: Any, shown: Any) -> Any:
        # whoever turns a knob wants to see the fit that the knobs stand for
        if shown is None or not ctx.triggered or ctx.triggered_id is None:
            raise PreventUpdate
        return None


def clicked_label(click: Any) -> int | None:
    """Label of the clicked cell of the map; None beside the bins."""
    points = (click or {}).get("points") or []
    label = points[0].get("customdata") if points else None
    return int(label) if isinstance(label, int | float) and label > 0 else None


def selected_delays(selected: Any) -> tuple[float, float] | None:
    """(first, last) delay of a box dragged on any panel; None where nothing was dragged."""
    spans = (selected or {}).get("range") or {}
    pair = next((value for name, value in spans.items() if name.startswith("x")), None)
    if not pair or len(pair) != 2:
        return None
    low, high = sorted(float(value) for value in pair)
    return (float(f"{low:.3g}"), float(f"{high:.3g}")) if high > max(low, 0) else None


def _small_map(xf: Any) -> Any:
    labels = xf.dqmap
    if labels is None:
        return None, 1
    stride = max(1, -(-max(labels.shape) // MAP_CELLS))
    return labels[::stride, ::stride].copy(), stride
