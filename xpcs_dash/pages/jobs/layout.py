"""Layout of the Jobs page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dash import dcc, html

from xpcs_dash.components import controls, states
from xpcs_dash.components.panel import panel

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from xpcs_dash.services import Services

SHOWN = {"all": "all", "open": "waiting and running", "failed": "failed"}


def layout(services: Services, query: Mapping[str, str]) -> Component:  # noqa: ARG001 - every page's signature
    """Build the page; a clock compares a stamp once a second, and only a change redraws the list."""
    shown = query.get("show", "all")
    return html.Div(
        [
            dcc.Interval(id="jobs-tick", interval=700),
            dcc.Store(id="jobs-stamp"),
            dcc.Store(id="jobs-done"),
            controls.toolbar(
                controls.segmented("jobs-show", "", SHOWN, shown if shown in SHOWN else "all"),
                controls.button(
                    "jobs-clear", "Clear ended", title="remove ended jobs from the list; fits stay"
                ),
            ),
            panel(
                "Jobs",
                html.Div(states.loading(), id="jobs-list", className="jobs-list"),
                conditions=html.Span(id="jobs-count"),
                class_name="xd-fill",
            ),
            panel(
                "Workers",
                html.Div(id="jobs-workers", className="jobs-workers"),
                conditions=html.Span(id="jobs-scheduler"),
            ),
        ],
        id="jobs-page",
        className="jobs-page xd-column",
    )
