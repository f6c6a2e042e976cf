"""The controls of the Fit page as one group of inputs, and the request that they stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import ALL, Input, State

from xpcs_dash.fits.request import FitRequest
from xpcs_dash.pages.fit.request import read_controls

MODEL = Input("fit-model", "value")
CONTROLS = {
    "model": MODEL,
    "sigma": Input("fit-sigma", "value"),
    "tmin": Input("fit-tmin", "value"),
    "tmax": Input("fit-tmax", "value"),
    "fields": Input({"type": "fit-par", "name": ALL, "field": ALL}, "value"),
    "held": Input({"type": "fit-held", "name": ALL}, "value"),
    "priors": Input({"type": "fit-prior", "name": ALL}, "value"),
    "field_ids": State({"type": "fit-par", "name": ALL, "field": ALL}, "id"),
    "held_ids": State({"type": "fit-held", "name": ALL}, "id"),
    "prior_ids": State({"type": "fit-prior", "name": ALL}, "id"),
}
AS_STATE = {name: State(item.component_id, item.component_property) for name, item in CONTROLS.items()}


def request_from(given: Mapping[str, Any], labels: Sequence[int] = (), **sampler: Any) -> FitRequest:
    """The request that stands in the controls."""
    parameters = [
        (where["name"], where["field"], value)
        for where, value in zip(given["field_ids"], given["fields"], strict=True)
    ]
    parameters += [
        (where["name"], "fixed", bool(value))
        for where, value in zip(given["held_ids"], given["held"], strict=True)
    ]
    parameters += [
        (where["name"], "prior", value)
        for where, value in zip(given["prior_ids"], given["priors"], strict=True)
    ]
    return read_controls(
        given["model"], given["sigma"], (given["tmin"], given["tmax"]), parameters, sampler, labels
    )
