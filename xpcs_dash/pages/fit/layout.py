"""Layout of the Fit page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import dash_bootstrap_components as dbc
from dash import dcc, html

from xpcs_dash.components import controls, states
from xpcs_dash.components.graphs import graph
from xpcs_dash.components.panel import panel
from xpcs_dash.figures.diagnostics import KINDS
from xpcs_dash.fits.request import FitRequest
from xpcs_dash.fitting.models import model_names
from xpcs_dash.pages.fit.parameters import parameter_table
from xpcs_dash.pages.fit.restore import request_of

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from xpcs_dash.services import Services

SIGMAS = {"counting": "counting", "file": "file"}


def layout(services: Services, query: Mapping[str, str]) -> Component:
    """Build the page; a stored fit or a job of the address gives its controls their first values."""
    asked = request_of(services, query)
    job = query.get("job", "")
    return html.Div(
        [
            dcc.Store(id="fit-job", data=job if job.isdigit() else None),
            dcc.Store(id="fit-shown", data=query.get("fit") or None),
            dcc.Interval(id="fit-tick", interval=400, disabled=not job.isdigit()),
            dcc.Store(id="fit-given", data=query.get("par") or None),
            _tools(asked),
            _sampler(asked),
            html.Div(
                [
                    html.Div(
                        [html.Div([_bins(), _parameters(asked)], className="fit-setup"), _curves()],
                        className="fit-left",
                    ),
                    html.Div([_results(), _diagnostics()], className="fit-right"),
                ],
                className="fit-columns",
            ),
        ],
        id="fit-page",
        className="fit-page xd-column",
    )


def _tools(asked: FitRequest) -> Component:
    low, high = asked.delay or (None, None)
    return controls.toolbar(
        controls.segmented("fit-model", "model", model_names(), asked.model),
        controls.segmented(
            "fit-sigma",
            "σ",
            SIGMAS,
            asked.sigma,
            title="counting: the file's error and photon counting together. file: the file's error as it is",
        ),
        controls.together(
            controls.number("fit-tmin", "delays", low or None, minimum=0, width="7em", title="first delay"),
            controls.number(
                "fit-tmax",
                "to",
                high if high is not None and high < 1e30 else None,
                unit="s",
                minimum=0,
                width="7em",
                title="last delay",
            ),
        ),
        controls.segmented(
            "fit-drag",
            "drag",
            {"zoom": "zooms", "select": "sets delays"},
            "zoom",
            title="what dragging on the plot does",
        ),
    )


def _sampler(asked: FitRequest) -> Component:
    return html.Div(
        [
            controls.button(
                "fit-run",
                "Fit",
                icon="bi-bezier2",
                primary=True,
                title="fit with NLSQ on the worker and keep the result",
            ),
            controls.button(
                "fit-sample",
                "Sample",
                icon="bi-shuffle",
                title="sample the posterior with NUTS, started from the fit",
            ),
            controls.button("fit-cancel", "Cancel", icon="bi-x-lg", danger=True, disabled=True),
            controls.number("fit-chains", "chains", asked.chains, minimum=1, maximum=16, step=1, width="4em"),
            controls.number(
                "fit-draws", "draws", asked.draws, minimum=10, maximum=20000, step=1, width="5.5em"
            ),
            controls.number(
                "fit-warmup", "warm-up", asked.warmup, minimum=10, maximum=20000, step=1, width="5.5em"
            ),
            controls.number("fit-seed", "seed", asked.seed, minimum=0, step=1, width="6em"),
            html.Div(
                html.Span("Sample shows its progress here.", className="xd-muted"),
                id="fit-progress",
                className="fit-progress",
                **{"aria-live": "polite"},
            ),
        ],
        className="xd-toolbar fit-sampler xd-not-kiosk",
    )


def _bins() -> Component:
    tools = [
        controls.button("fit-six", "6", title="six bins spread over q"),
        controls.button("fit-all", "All", title="all bins"),
    ]
    body = [
        html.Div(
            graph("fit-map", config={"displayModeBar": False}, filename="bins"),
            className="fit-map-box",
        ),
        dbc.Input(
            id="fit-bins",
            type="text",
            debounce=True,
            size="sm",
            class_name="xd-text fit-bins",
            placeholder="bins, such as 1-5, 9",
        ),
    ]
    return panel(
        "q-bins", body, controls=tools, conditions=html.Span(id="fit-bins-count"), class_name="fit-bins-panel"
    )


def _parameters(asked: FitRequest) -> Component:
    return panel(
        "Parameters",
        html.Div(parameter_table(asked), id="fit-params", className="fit-scroll fit-params"),
        conditions="an empty field follows the data, as its grey text says",
        class_name="fit-params-panel",
    )


def _curves() -> Component:
    return panel(
        "g₂ and fit",
        html.Div(html.Div(graph("fit-graph"), id="fit-graph-box"), className="fit-scroll"),
        conditions=html.Span(id="fit-conditions"),
        export=("fit", "fit-graph"),
        class_name="fit-main",
    )


def _results() -> Component:
    return panel(
        "Parameters of each bin",
        [
            html.Div(id="fit-warnings", className="fit-warnings"),
            html.Div(states.loading("Waiting for a file…"), id="fit-table", className="fit-scroll"),
        ],
        conditions=html.Span(id="fit-table-conditions"),
        class_name="fit-results",
    )


def _diagnostics() -> Component:
    kinds = dbc.RadioItems(
        id="fit-plot",
        options=[{"label": text, "value": key} for key, text in KINDS.items()],
        value="forest",
        inline=True,
        class_name="xd-segmented",
        input_class_name="btn-check",
        label_class_name="xd-segment",
        label_checked_class_name="xd-segment-on",
    )
    body = [
        html.Div(id="fit-chain-lines", className="fit-chains"),
        html.Div(id="fit-diagnostics", className="fit-scroll fit-verdicts"),
        html.Div(
            [kinds, controls.select("fit-plot-bin", "", [], title="q-bin of the plot")],
            className="fit-plot-tools xd-not-kiosk",
        ),
        html.Div(graph("fit-plot-graph"), className="fit-plot-box"),
        html.P(id="fit-plot-note", className="xd-muted fit-note"),
    ]
    return panel("Convergence", body, class_name="fit-diagnostics-panel")
