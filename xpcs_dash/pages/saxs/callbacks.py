"""Callbacks of the SAXS page."""

from __future__ import annotations

from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, Patch, State, ctx

from xpcs_dash.components.errors import guarded
from xpcs_dash.components.graphs import message, patch
from xpcs_dash.components.views import detector_frame, framed, look
from xpcs_dash.figures.saxs import figure_profile
from xpcs_dash.pages.saxs import views
from xpcs_dash.services import Services
from xpcs_dash.shell.allow import Role, open_to

REGION_HINT = "Choose ring or sector, then drag on the image from one corner of the region to the other."


def register(app: Dash, services: Services) -> None:
    """Add the page's callbacks."""
    current = Input("shell-current", "data")

    @app.callback(
        Output("saxs-graph", "figure"),
        Output("saxs-conditions", "children"),
        Output("saxs-frame", "data"),
        current,
        Input("saxs-scale", "value"),
        Input("saxs-cmap", "value"),
        Input("saxs-low", "value"),
        Input("saxs-high", "value"),
        Input("saxs-region", "value"),
        State("saxs-frame", "data"),
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=3, figure=True)
    def image(data: Any, scale: str, cmap: str, low: float, high: float, region: str, frame: Any) -> Any:
        seen = look(services, data)
        fig, words = views.image(services, seen, scale, cmap, (low, high), region)
        change, frame = framed(patch(fig), *detector_frame(seen.xf.detector_shape), frame)
        return change, words, frame

    @app.callback(
        Output("saxs-profile", "figure"),
        Output("saxs-profile-conditions", "children"),
        current,
        Input("saxs-lines", "value"),
        Input("saxs-norm", "value"),
        Input("saxs-axes", "value"),
        Input("saxs-background", "value"),
        Input("saxs-weight", "value"),
        Input("saxs-step", "value"),
        Input("saxs-region", "value"),
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=2, figure=True)
    def profile(
        data: Any, lines: str, norm: str, axes: str, background: str, weight: float, step: int, region: str
    ) -> Any:
        wanted = views.Wanted(lines, norm, background or "none", weight, step, region or "")
        seen = look(services, data)
        curves, words = views.profile_curves(services, seen, wanted)
        x, y = axes.split("-")
        fig = figure_profile(
            curves,
            seen.theme,
            normalisation=norm,
            x_log=x == "log",
            y_log=y == "log",
            unit=seen.xf.intensity_unit,
        )
        moved = ("xaxis", "yaxis") if ctx.triggered_id in ("saxs-axes", "saxs-norm") else ()
        return patch(fig, reset=moved), words

    @app.callback(
        Output("saxs-ring", "figure"),
        Output("saxs-ring-conditions", "children"),
        current,
        Input("saxs-region", "value"),
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=2, figure=True)
    def ring(data: Any, region: str) -> Any:
        seen = look(services, data)
        if not (region or "").strip():
            return message("No region yet.", REGION_HINT), ""
        fig, words = views.ring_figure(services, seen, region)
        return patch(fig), words

    @app.callback(Output("saxs-source", "data"), current, Input("saxs-draw", "value"))
    @open_to(Role.VIEWER)
    @guarded
    def source(data: Any, draw: str) -> Any:
        seen = look(services, data)
        return {"ref": seen.ref, "token": seen.xf.key.token, "draw": draw}

    @app.callback(
        Output("saxs-graph", "figure", allow_duplicate=True),
        Input("saxs-draw", "value"),
        prevent_initial_call=True,
    )
    @open_to(Role.VIEWER)
    def mode(draw: str) -> Patch:
        change = Patch()
        change["layout"]["dragmode"] = "pan" if draw == "none" else False
        return change

    app.clientside_callback(
        ClientsideFunction("views", "attachSaxs"),
        Output("saxs-attached", "data"),
        Input("saxs-source", "data"),
    )
