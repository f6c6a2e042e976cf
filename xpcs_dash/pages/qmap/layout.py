"""Layout of the q-map page."""

from __future__ import annotations

from collections.abc import Mapping

from dash import dcc, html
from dash.development.base_component import Component

from xpcs_dash.components.controls import segmented, select, toolbar
from xpcs_dash.components.graphs import graph
from xpcs_dash.components.panel import panel
from xpcs_dash.components.views import detector_graph, first_look, frame_of
from xpcs_dash.errors import XpcsDashError
from xpcs_dash.figures.drawing import Drawing
from xpcs_dash.figures.qmap import MAPS
from xpcs_dash.pages.qmap import pictures
from xpcs_dash.services import Services

COLOURS = {name: name for name in ("viridis", "turbo", "cividis", "plasma", "inferno", "gray")}
BINS = {"dynamic": "dynamic", "static": "static"}


def layout(services: Services, query: Mapping[str, str]) -> Component:
    """Map on the left; pixels per bin and the map's facts on the right."""
    kind = query.get("map", "dynamic")
    bins = query.get("bins", "dynamic")
    cmap = query.get("cmap", "viridis")
    first = first_picture(services, query)
    return html.Div(
        [
            toolbar(
                segmented(
                    "qmap-kind",
                    "Map",
                    {key: name for key, (name, _) in MAPS.items()},
                    kind if kind in MAPS else "dynamic",
                ),
                select("qmap-cmap", "Colours", COLOURS, cmap if cmap in COLOURS else "viridis"),
            ),
            html.Div(
                [
                    panel(
                        "q-map",
                        [
                            detector_graph("qmap-graph", "qmap", first=first),
                            html.Div(id="qmap-readout", className="xd-readout", children=READOUT_HINT),
                        ],
                        conditions=html.Span(id="qmap-conditions"),
                        export=("qmap", "qmap-graph"),
                        class_name="xd-views-main",
                    ),
                    panel(
                        "Pixels per bin",
                        graph("qmap-bins-graph", filename="qmap-bins"),
                        conditions=html.Span(id="qmap-bins-conditions"),
                        export=("qmap", "qmap-bins-graph"),
                        controls=segmented("qmap-bins", "", BINS, bins if bins in BINS else "dynamic"),
                    ),
                    panel("Map", html.Div(id="qmap-facts", className="xd-views-facts")),
                ],
                className="xd-views-grid xd-views-map",
            ),
            dcc.Store(id="qmap-source"),
            dcc.Store(id="qmap-frame", data=frame_of(first)),
            dcc.Store(id="qmap-attached"),
        ],
        className="xd-views",
    )


def first_picture(services: Services, query: Mapping[str, str]) -> tuple[Drawing, tuple[int, int]] | None:
    """The map that the page opens with; None where there is none to show."""
    kind, cmap = query.get("map", "dynamic"), query.get("cmap", "viridis")
    seen = first_look(services, query)
    if seen is None or kind not in MAPS or cmap not in COLOURS:
        return None
    try:
        return pictures.draw(services, seen, kind, cmap)[0], pictures.shape_of(seen.xf)
    except XpcsDashError:
        return None


READOUT_HINT = (
    "Move over the map for x, y, I, q, φ and bin; click a bin to select it everywhere, with Shift to add it."
)
