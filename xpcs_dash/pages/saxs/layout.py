"""Layout of the SAXS page."""

from __future__ import annotations

import math
from collections.abc import Mapping

from dash import dcc, html
from dash.development.base_component import Component

from xpcs_dash.components.controls import number, segmented, select, text, together, toolbar
from xpcs_dash.components.graphs import graph
from xpcs_dash.components.panel import panel
from xpcs_dash.components.views import detector_graph, first_look, frame_of
from xpcs_dash.database.kinds import holds_result
from xpcs_dash.errors import XpcsDashError
from xpcs_dash.figures.drawing import Drawing
from xpcs_dash.pages.saxs import views
from xpcs_dash.services import Services

COLOURS = {name: name for name in ("inferno", "viridis", "magma", "plasma", "cividis", "turbo", "gray")}
SCALES = {"log": "log", "linear": "linear"}
LINES = {"average": "average", "plain": "unweighted", "sectors": "per sector"}
NORMS = {"none": "I", "q2": "I·q²", "q4": "I·q⁴", "i0": "I / I(q₀)"}
AXES = {"lin-log": "log I", "log-log": "log–log", "lin-lin": "linear"}
DRAW = {"none": "off", "ring": "ring", "sector": "sector"}


def _one_of(query: Mapping[str, str], name: str, allowed: Mapping[str, str]) -> str:
    value = query.get(name, "")
    return value if value in allowed else next(iter(allowed))


def _number(query: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(query.get(name, ""))
    except ValueError:
        return default
    return value if math.isfinite(value) else default


def layout(services: Services, query: Mapping[str, str]) -> Component:
    """Image on the left; I(q) above I(φ) on the right."""
    first = first_picture(services, query)
    return html.Div(
        [
            toolbar(*image_controls(query), *profile_controls(services, query)),
            html.Div(
                [
                    panel(
                        "Scattering",
                        [
                            detector_graph("saxs-graph", "saxs-2d", first=first),
                            html.Div("Move over the image.", id="saxs-readout", className="xd-readout"),
                        ],
                        conditions=html.Span(id="saxs-conditions"),
                        export=("detector", "saxs-graph"),
                        controls=[
                            segmented("saxs-draw", "Draw", DRAW, "none"),
                            text(
                                "saxs-region",
                                "",
                                query.get("region", ""),
                                placeholder="r₀, r₁ px, φ₀, φ₁ °",
                                title="Inner and outer radius in pixels, first and last angle in degrees",
                            ),
                        ],
                        class_name="xd-views-main",
                    ),
                    panel(
                        "I(q)",
                        graph("saxs-profile", filename="saxs-1d"),
                        conditions=html.Span(id="saxs-profile-conditions"),
                        export=("saxs", "saxs-profile"),
                    ),
                    panel(
                        "I(φ)",
                        graph("saxs-ring", filename="saxs-phi"),
                        conditions=html.Span(id="saxs-ring-conditions"),
                        export=(None, "saxs-ring"),
                    ),
                ],
                className="xd-views-grid xd-views-saxs",
            ),
            dcc.Store(id="saxs-source"),
            dcc.Store(id="saxs-frame", data=frame_of(first)),
            dcc.Store(id="saxs-attached"),
        ],
        className="xd-views",
    )


def first_picture(services: Services, query: Mapping[str, str]) -> tuple[Drawing, tuple[int, int]] | None:
    """The image that the page opens with; None where there is none to show."""
    seen = first_look(services, query)
    if seen is None or seen.xf.detector_shape is None:
        return None
    scale, cmap, percentiles = picture_of(query)
    try:
        drawn, _ = views.image(services, seen, scale, cmap, percentiles, query.get("region"))
    except XpcsDashError:
        return None
    return drawn, seen.xf.detector_shape


def picture_of(query: Mapping[str, str]) -> tuple[str, str, tuple[float, float]]:
    """Scale, colour map and percentiles of the image that an address asks for."""
    percentiles = _number(query, "lo", 1.0), _number(query, "hi", 99.7)
    return _one_of(query, "scale", SCALES), _one_of(query, "cmap", COLOURS), percentiles


def image_controls(query: Mapping[str, str]) -> list[Component]:
    """Colours of the image."""
    scale, cmap, (low, high) = picture_of(query)
    return [
        select("saxs-scale", "Image", SCALES, scale, title="Scale of the colours"),
        select("saxs-cmap", "", COLOURS, cmap, title="Colour map"),
        together(
            number(
                "saxs-low",
                "",
                low,
                minimum=0,
                maximum=100,
                width="4.4em",
                title="Lower colour limit, percentile",
            ),
            number(
                "saxs-high",
                "to",
                high,
                unit="%",
                minimum=0,
                maximum=100,
                width="4.8em",
                title="Upper colour limit, percentile",
            ),
        ),
    ]


def profile_controls(services: Services, query: Mapping[str, str]) -> list[Component]:
    """What is done to I(q)."""
    weight, step = _number(query, "w", 1.0), int(_number(query, "step", 1))
    return [
        segmented("saxs-lines", "I(q)", LINES, _one_of(query, "lines", LINES)),
        select("saxs-norm", "", NORMS, _one_of(query, "norm", NORMS), title="Normalisation"),
        segmented("saxs-axes", "Axes", AXES, _one_of(query, "axes", AXES)),
        select("saxs-background", "Background", backgrounds(services), query.get("bg", "none")),
        number("saxs-weight", "× weight", weight, minimum=0, step="any", width="4.4em"),
        number("saxs-step", "Every", step, minimum=1, step=1, unit="q", width="4.2em"),
    ]


def backgrounds(services: Services, limit: int = 200) -> dict[str, str]:
    """Files that may serve as background: the newest ready ones that hold an image."""
    rows = services.catalogue.files(states=("ready",), limit=limit)
    return {"none": "none", **{row.ref: row.name for row in rows if holds_result(row.kinds)}}
