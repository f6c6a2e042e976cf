"""Callbacks of the diffusion page."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, ctx

from xpcs_dash.components.errors import guarded
from xpcs_dash.components.graphs import message, patch
from xpcs_dash.components.views import look
from xpcs_dash.figures.diffusion import figure_parameter
from xpcs_dash.fitting.models import get_model
from xpcs_dash.pages.diffusion import views
from xpcs_dash.pages.diffusion.layout import models
from xpcs_dash.services import Services
from xpcs_dash.shell.allow import Role, open_to


def register(app: Dash, services: Services) -> None:
    """Add the page's callbacks."""
    current, model = Input("shell-current", "data"), Input("diffusion-model", "value")
    axes = Input("diffusion-axes", "value")
    law = (Input("diffusion-q-low", "value"), Input("diffusion-q-high", "value"))

    def reset() -> tuple[str, ...]:
        return ("xaxis",) if ctx.triggered_id == "diffusion-axes" else ()

    @app.callback(
        Output("diffusion-graph", "figure"),
        Output("diffusion-conditions", "children"),
        current,
        model,
        axes,
        *law,
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=2, figure=True)
    def tau(data: Any, name: str, axis: str, low: float | None, high: float | None) -> Any:
        seen = look(services, data)
        made = views.series(services, seen, name, "tau", views.limits(low, high))
        return patch(figure_parameter(made, seen.theme, x_log=axis == "log"), reset=reset()), views.summary(
            made
        )

    @app.callback(
        Output("diffusion-law", "children"),
        current,
        model,
        *law,
        Input("diffusion-temperature", "value"),
        Input("diffusion-viscosity", "value"),
    )
    @open_to(Role.VIEWER)
    @guarded
    def laws(
        data: Any, name: str, low: float | None, high: float | None, kelvin: float | None, eta: float | None
    ) -> Any:
        seen = look(services, data)
        made = views.series(services, seen, name, "tau", views.limits(low, high))
        return views.law_table(made, views.temperatures(services, seen, kelvin), eta)

    @app.callback(Output("diffusion-contrast", "figure"), current, model, axes)
    @open_to(Role.VIEWER)
    @guarded(figure=True)
    def contrast(data: Any, name: str, axis: str) -> Any:
        return one(data, name, "contrast", axis)

    @app.callback(
        Output("diffusion-other", "figure"), current, model, axes, Input("diffusion-parameter", "value")
    )
    @open_to(Role.VIEWER)
    @guarded(figure=True)
    def other(data: Any, name: str, axis: str, parameter: str) -> Any:
        spec = get_model(name)
        if parameter not in spec.names:
            held = spec.constants.get(parameter)
            what = "no parameter" if held is None else f"held at {held:g}"
            having = ", ".join(other for other in models() if parameter in get_model(other).names)
            return message(f"{parameter} is {what} of the model {name}.", f"Choose {having} to fit it.")
        return one(data, name, parameter, axis)

    @app.callback(Output("diffusion-table", "children"), current, model)
    @open_to(Role.VIEWER)
    @guarded
    def values(data: Any, name: str) -> Any:
        return views.value_table(services, look(services, data), name)

    def one(data: Any, name: str, parameter: str, axis: str) -> Any:
        seen = look(services, data)
        made = views.series(services, seen, name, parameter)
        fig = figure_parameter(made, seen.theme, parameter=parameter, x_log=axis == "log")
        return patch(fig, reset=reset())
