"""Layout of the diffusion page."""

from __future__ import annotations

import math
from collections.abc import Mapping

from dash import html
from dash.development.base_component import Component

from xpcs_dash.components.controls import number, segmented, together, toolbar
from xpcs_dash.components.graphs import graph
from xpcs_dash.components.panel import panel
from xpcs_dash.fitting.models import MODELS
from xpcs_dash.services import Services

AXES = {"log": "log q", "lin": "linear q"}


def models() -> dict[str, str]:
    """Models to choose from: those with one decay, so with one relaxation time."""
    return {name: name for name, spec in MODELS.items() if spec.exchange is None}


def others() -> dict[str, str]:
    """Parameters to choose from besides relaxation time and contrast."""
    made = {"baseline": "baseline"}
    for spec in (MODELS[name] for name in models()):
        wanted = (p for p in spec.shape_parameters if p.name != spec.relaxation.parameter)
        made |= {p.name: p.symbol for p in wanted}
    return made


def _q(query: Mapping[str, str], name: str) -> float | None:
    try:
        value = float(query.get(name, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _one_of(query: Mapping[str, str], name: str, allowed: Mapping[str, str]) -> str:
    value = query.get(name, "")
    return value if value in allowed else next(iter(allowed))


def layout(services: Services, query: Mapping[str, str]) -> Component:  # noqa: ARG001 - the page protocol
    """τ(q) with its law on the left; contrast and baseline; all values on the right."""
    other = others()
    return html.Div(
        [
            toolbar(
                segmented("diffusion-model", "Model", models(), _one_of(query, "model", models())),
                segmented("diffusion-axes", "Axis", AXES, _one_of(query, "axes", AXES)),
                together(
                    number("diffusion-q-low", "Power law from q", _q(query, "q0"), minimum=0, width="6.5em"),
                    number("diffusion-q-high", "to", _q(query, "q1"), unit="Å⁻¹", minimum=0, width="6.5em"),
                ),
                together(
                    number(
                        "diffusion-viscosity",
                        "R_h with viscosity",
                        _q(query, "eta"),
                        unit="mPa·s",
                        minimum=0,
                        step="any",
                        width="5em",
                        title="Viscosity of the solvent at the temperature of the sample; gives the radius",
                    ),
                    number(
                        "diffusion-temperature",
                        "at",
                        _q(query, "temp"),
                        unit="K",
                        minimum=0,
                        step="any",
                        width="5em",
                        title="Temperature; left empty, each file's own",
                    ),
                ),
            ),
            html.Div(
                [
                    panel(
                        "τ(q)",
                        graph("diffusion-graph", filename="tau-q"),
                        conditions=html.Span(id="diffusion-conditions"),
                        export=("diffusion", "diffusion-graph"),
                    ),
                    panel(
                        "Contrast",
                        graph("diffusion-contrast", filename="contrast-q"),
                        export=(None, "diffusion-contrast"),
                    ),
                    panel(
                        "Parameter",
                        graph("diffusion-other", filename="parameter-q"),
                        export=(None, "diffusion-other"),
                        controls=segmented("diffusion-parameter", "", other, _one_of(query, "show", other)),
                    ),
                    panel("Power law τ = a·q^b", html.Div(id="diffusion-law", className="xd-views-scroll")),
                    panel(
                        "Values",
                        html.Div(id="diffusion-table", className="xd-views-scroll"),
                        class_name="xd-views-wide",
                    ),
                ],
                className="xd-views-grid xd-views-diffusion",
            ),
        ],
        className="xd-views",
    )
