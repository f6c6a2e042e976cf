"""The table of parameters: start or held value, bounds and prior of each, with its unit.

A table of input fields, not a data grid: every cell shows the default that the data give as its grey text,
takes a number without being opened first, and is reached by Tab with a name that screen readers say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dash_bootstrap_components as dbc
from dash import dcc, html

from xpcs_dash.fitting.models import FORMULA, MODELS

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from xpcs_dash.fits.request import FitRequest

PRIORS = {"lognormal": "log-normal", "normal": "normal", "halfnormal": "half-normal", "uniform": "uniform"}

HEADS = (
    ("parameter", "symbol and name in the formula"),
    ("unit", "of start, bounds and the centre of the prior"),
    ("start", "where the fit starts; the value itself where the parameter is held"),
    ("hold", "hold the parameter at the value in start"),
    ("lower", "lower bound, hard"),
    ("upper", "upper bound, hard"),
    ("prior", "used by Sample"),
    ("centre", "of the prior; of a log-normal its median"),
    ("width", "of the prior, in the parameter's unit; of a log-normal in units of ln"),
)
"""(name, meaning) of each column."""


def parameter_table(asked: FitRequest) -> list[Component]:
    """Formula and table of a request's model; empty fields follow the data."""
    model = MODELS[asked.model]
    head = html.Tr([html.Th(name, title=title, scope="col") for name, title in HEADS])
    return [
        html.P([html.Code(model.formula)], className="fit-formula", title=FORMULA),
        html.Table(
            [html.Thead(head), html.Tbody([_row(asked, spec) for spec in model.parameters])],
            className="fit-table fit-par-table",
        ),
    ]


def _row(asked: FitRequest, spec: Any) -> Component:
    name = spec.name
    low, high = asked.bounds.get(name, (None, None))
    kind, loc, scale = asked.priors.get(name, (spec.prior.kind, None, None))
    value = asked.fixed.get(name, asked.start.get(name))
    hold = dcc.Checklist(
        id={"type": "fit-held", "name": name},
        options=[{"label": html.Span(f"hold {name}", className="visually-hidden"), "value": 1}],
        value=[1] if name in asked.fixed else [],
        className="fit-held",
    )
    prior = dbc.Select(
        id={"type": "fit-prior", "name": name},
        options=[{"label": text, "value": key} for key, text in PRIORS.items()],
        value=kind,
        size="sm",
        class_name="fit-prior",
    )
    cells = [
        html.Th([html.B(spec.symbol), html.Span(f" {name}", className="xd-muted")], scope="row"),
        html.Td(spec.unit or "1", className="xd-muted"),
        _field(name, "value", value, "start"),
        html.Td(hold, className="fit-hold"),
        _field(name, "lower", low, "lower bound"),
        _field(name, "upper", high, "upper bound"),
        html.Td(html.Label([html.Span(f"prior of {name}", className="visually-hidden"), prior])),
        _field(name, "loc", loc, "centre of the prior"),
        _field(name, "scale", scale, "width of the prior"),
    ]
    return html.Tr(cells, **{"data-parameter": name})


def _field(name: str, what: str, shown: float | None, meaning: str) -> Component:
    box = dbc.Input(
        id={"type": "fit-par", "name": name, "field": what},
        type="number",
        step="any",
        value=shown if shown is None or abs(shown) < 1e300 else None,
        debounce=True,
        size="sm",
        class_name="xd-number fit-field",
    )
    return html.Td(html.Label([html.Span(f"{meaning} of {name}", className="visually-hidden"), box]))
