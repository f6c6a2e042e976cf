"""Callbacks of the stability page."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, ctx

from xpcs_dash.analysis.views import stability_report
from xpcs_dash.components.errors import guarded
from xpcs_dash.components.graphs import patch
from xpcs_dash.components.views import look
from xpcs_dash.pages.stability import views
from xpcs_dash.services import Services
from xpcs_dash.shell.allow import Role, open_to


def register(app: Dash, services: Services) -> None:
    """Add the page's callbacks."""
    current = Input("shell-current", "data")

    @app.callback(
        Output("stability-graph", "figure"),
        Output("stability-conditions", "children"),
        current,
        Input("stability-relative", "value"),
        Input("stability-axes", "value"),
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=2, figure=True)
    def segments(data: Any, relative: str, axes: str) -> Any:
        fig, words = views.segments(services, look(services, data), relative == "ratio", axes)
        return patch(fig, reset=() if ctx.triggered_id == "shell-current" else ("xaxis", "yaxis")), words

    @app.callback(
        Output("stability-intensity", "figure"),
        Output("stability-intensity-conditions", "children"),
        current,
        Input("stability-window", "value"),
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=2, figure=True)
    def intensity(data: Any, window: int | None) -> Any:
        fig, words = views.intensity_figure(services, look(services, data), window)
        return patch(fig), words

    @app.callback(
        Output("stability-spectrum", "figure"), Output("stability-spectrum-conditions", "children"), current
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=2, figure=True)
    def spectrum(data: Any) -> Any:
        fig, words = views.spectrum_figure(services, look(services, data))
        return patch(fig), words

    @app.callback(
        Output("stability-partials", "figure"), Output("stability-partials-conditions", "children"), current
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=2, figure=True)
    def partials(data: Any) -> Any:
        fig, words = views.partials_figure(look(services, data))
        return patch(fig), words

    @app.callback(Output("stability-table", "children"), Output("stability-numbers", "children"), current)
    @open_to(Role.VIEWER)
    @guarded(outputs=2)
    def table(data: Any) -> Any:
        seen = look(services, data)
        report = stability_report(services.kernel, seen.ref)
        label = seen.labels(range(1, seen.xf.n_q + 1), (1,))[0]
        return views.verdict_panel(report), views.numbers_panel(report, label)
