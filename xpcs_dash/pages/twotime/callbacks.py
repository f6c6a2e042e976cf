"""Callbacks of the two-time page."""

from __future__ import annotations

from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from xpcs_dash.components.errors import guarded
from xpcs_dash.components.graphs import patch
from xpcs_dash.components.selection import choose
from xpcs_dash.components.states import empty
from xpcs_dash.components.views import Looked, detector_frame, framed, look
from xpcs_dash.figures.qmap import figure_qmap
from xpcs_dash.pages.twotime import views
from xpcs_dash.services import Services
from xpcs_dash.shell.allow import Role, open_to


def register(app: Dash, services: Services) -> None:
    """Add the page's callbacks."""
    register_picture(app, services)
    register_ages(app, services)
    register_zoom(app)
    app.clientside_callback(
        ClientsideFunction("views", "attachTwotime"),
        Output("twotime-attached", "data"),
        Input("twotime-source", "data"),
    )


def register_zoom(app: Dash) -> None:
    """Keep the ranges of a zoom; other events of the graph must not discard a picture on its way."""
    app.clientside_callback(
        ClientsideFunction("views", "zoomed"),
        Output("twotime-zoom", "data"),
        Input("twotime-graph", "relayoutData"),
        State("twotime-zoom", "data"),
    )


def looked(services: Services, data: Any) -> Looked:
    """The file, or nothing to do where the page's state explains why there is nothing to see."""
    seen = look(services, data)
    if not seen.xf.twotime_bins:
        raise PreventUpdate
    return seen


def register_picture(app: Dash, services: Services) -> None:
    """The state of the page, the q-bin and C2."""
    current = Input("shell-current", "data")

    @app.callback(
        Output("twotime-state", "children"),
        Output("twotime-body", "style"),
        Output("twotime-bin", "options"),
        Output("twotime-bin", "value"),
        current,
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=4)
    def state(data: Any) -> Any:
        seen = look(services, data)
        if not seen.xf.twotime_bins:
            return missing(seen), {"display": "none"}, [], None
        return None, {}, views.bin_options(seen.xf), str(views.bin_of(seen))

    @app.callback(
        Output("shell-select", "data", allow_duplicate=True),
        Input("twotime-bin", "value"),
        State("shell-current", "data"),
        prevent_initial_call=True,
    )
    @open_to(Role.VIEWER)
    def pick(value: Any, data: Any) -> Any:
        if not value or int(value) == views.bin_of(looked(services, data)):
            raise PreventUpdate
        return choose(q=[int(value)])

    @app.callback(
        Output("twotime-graph", "figure"),
        Output("twotime-conditions", "children"),
        Output("twotime-frame", "data"),
        current,
        Input("twotime-cmap", "value"),
        Input("twotime-low", "value"),
        Input("twotime-high", "value"),
        Input("twotime-age", "value"),
        Input("twotime-zoom", "data"),
        State("twotime-frame", "data"),
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=3, figure=True)
    def c2(data: Any, cmap: str, low: float, high: float, age: float | None, zoom: Any, frame: Any) -> Any:
        wanted = views.Colours(cmap, low, high)
        seen = looked(services, data)
        fig, words = views.c2_figure(services, seen, wanted, age, zoom)
        ends = views.run_ends(seen.xf)
        change, frame = framed(patch(fig), ends, ends, frame)
        return change, words, frame


def register_ages(app: Dash, services: Services) -> None:
    """What follows from C2: g2 by age, τ against age, diagonals; and the map to choose a bin on."""
    current = Input("shell-current", "data")
    slices = (Input("twotime-slices", "value"), Input("twotime-baseline", "value"))

    @app.callback(
        Output("twotime-slices-graph", "figure"),
        Output("twotime-slices-conditions", "children"),
        current,
        *slices,
        Input("twotime-age", "value"),
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=2, figure=True)
    def by_age(data: Any, n: int, baseline: float, age: float | None) -> Any:
        fig, words = views.slices_figure(services, looked(services, data), n, baseline, age)
        return patch(fig), words

    @app.callback(
        Output("twotime-tau", "figure"), Output("twotime-tau-conditions", "children"), current, *slices
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=2, figure=True)
    def tau(data: Any, n: int, baseline: float) -> Any:
        fig, words = views.tau_figure(services, looked(services, data), n, baseline)
        return patch(fig), words

    @app.callback(
        Output("twotime-diagonals", "figure"), Output("twotime-diagonals-conditions", "children"), current
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=2, figure=True)
    def diagonals(data: Any) -> Any:
        fig, words = views.diagonals_figure(services, looked(services, data))
        return patch(fig), words

    @app.callback(
        Output("twotime-map", "figure"),
        Output("twotime-source", "data"),
        Output("twotime-map-frame", "data"),
        current,
        State("twotime-map-frame", "data"),
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=3, figure=True)
    def small_map(data: Any, frame: Any) -> Any:
        seen = looked(services, data)
        if seen.xf.detector_shape is None or seen.xf.dqmap is None:
            return no_update, no_update, no_update
        label = views.bin_of(seen)
        overlay = seen.url("map", "borders.png", q=label, theme=seen.theme)
        fig = figure_qmap(
            seen.url("map", "dynamic.png", cmap="viridis"),
            seen.xf.detector_shape,
            None,
            seen.theme,
            overlay=overlay,
        )
        for name in ("xaxis", "yaxis"):  # a map to click on: its pixels are counted on the page of the q-map
            fig.layout[name]["visible"] = False
        fig.layout["margin"] = {"l": 8, "r": 8, "t": 8, "b": 8}
        change, frame = framed(patch(fig), *detector_frame(seen.xf.detector_shape), frame)
        return change, {"ref": seen.ref, "token": seen.xf.key.token}, frame


def missing(seen: Looked) -> Any:
    """What to say of a file without two-time matrices."""
    have = {"multitau": "multi-tau g₂"}
    held = [have.get(kind, kind) for kind in seen.xf.kinds]
    return empty(
        f"{seen.xf.path.name} holds no two-time correlation"
        + (f", only {' and '.join(held)}." if held else "."),
        "Correlate the raw data with analysis type “Twotime” or “Both”, or choose another file.",
        sign="bi-border-style",
    )
