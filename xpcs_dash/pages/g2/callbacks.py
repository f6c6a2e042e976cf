"""Callbacks of the g2 page: parse the controls, ask `view`, wrap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import ClientsideFunction, Dash, Input, Output, Patch, State
from dash.exceptions import PreventUpdate

from xpcs_dash.components.errors import guarded
from xpcs_dash.components.graphs import message
from xpcs_dash.components.selection import Selection
from xpcs_dash.components.views import look
from xpcs_dash.errors import UsageError
from xpcs_dash.figures.drawing import Drawing
from xpcs_dash.pages.g2 import view
from xpcs_dash.pages.g2.qbar import qbar
from xpcs_dash.results.said import said_of
from xpcs_dash.shell.allow import Role, open_to

if TYPE_CHECKING:
    from xpcs_dash.services import Services

#: Control -> name in `view.Options.parse`.
CONTROLS = {
    "g2-view": "view",
    "g2-combine": "combine",
    "g2-fit": "fit",
    "g2-common": "common",
    "g2-delay": "delay",
    "g2-tmin": "tmin",
    "g2-tmax": "tmax",
    "g2-ymin": "ymin",
    "g2-ymax": "ymax",
    "g2-offset": "offset",
}


def register(app: Dash, services: Services) -> None:
    """Add the page's callbacks."""
    app.clientside_callback(
        ClientsideFunction("live", "tick"), Output("g2-tick", "data"), Input("shell-live", "data")
    )

    @app.callback(
        Output("g2-graph", "figure"),
        Output("g2-qbar", "children"),
        Output("g2-conditions", "children"),
        Output("g2-room", "style"),
        Output("g2-signature", "data"),
        Output("g2-shown", "data"),
        Input("shell-current", "data"),
        Input("g2-tick", "data"),
        Input("shell-theme", "data"),
        State("g2-signature", "data"),
        State("g2-shown", "data"),
        State("g2-scale", "data"),
        *[Input(name, "value") for name in CONTROLS],
    )
    @open_to(Role.VIEWER)
    def show(
        current: Any, _tick: Any, theme: Any, signature: Any, shown: Any, scale: Any, *values: Any
    ) -> Any:
        selection = Selection.parse(current)
        given = dict(zip(CONTROLS.values(), values, strict=True))
        now = what_is_shown(services, selection, current, given, theme)
        if now == shown:
            raise PreventUpdate
        return (*answer(services, current, given, signature, float(scale or 1.0)), now)


def what_is_shown(
    services: Services, selection: Selection, current: Any, given: Any, theme: Any
) -> list[Any]:
    """All that decides the picture; the fits are among it, because they arrive after their file."""
    rows = services.catalogue.get_many(selection.refs) if selection.refs else []
    fitted = [bool(said_of(row).bins) for row in rows]
    return [(current or {}).get("files"), list(selection.q or ()), given, theme, fitted]


@guarded(outputs=5, figure=True)
def answer(services: Services, current: Any, given: Any, signature: Any, scale: float) -> Any:
    """Figure or patch, keys of q, conditions, height and signature."""
    options = view.Options.parse(given)
    try:
        seen = look(services, current)
        made = view.make(services, seen, options)
    except UsageError as err:
        return message(str(err)), [], "", {}, None
    made.drawing.scale = scale
    now = signature_of(made.drawing, options)
    figure = change(made.drawing) if now == signature else made.drawing.to_plotly_json()
    room = {"minHeight": f"{made.rows * view.PANEL_PX * scale:.0f}px"}
    return figure, qbar(seen.xf, made.colours, seen.selection.q is not None), made.words, room, now


def signature_of(drawing: Drawing, options: view.Options) -> list[Any]:
    """What the axes are: while it stays the same, a change of file, q or theme leaves zoom and axes alone."""
    axes = [key for key in drawing.layout if key.startswith(("xaxis", "yaxis"))]
    ranges = [*options.t_range, *options.y_range]
    legend = bool(drawing.layout.get("showlegend"))
    return [options.view, len(axes), options.log_t, options.common, ranges, legend]


def change(drawing: Drawing) -> Patch:
    """Only what a new file can change: the traces, the titles, and what automatic ranges aim at."""
    made = Patch()
    made["data"] = drawing.data
    layout = drawing.to_plotly_json()["layout"]
    for name in ("annotations", "shapes"):
        made["layout"][name] = layout.get(name, [])
    for name, axis in layout.items():
        if name.startswith(("xaxis", "yaxis")):
            for part in ("autorangeoptions", "tickvals", "ticktext"):
                if part in axis:
                    made["layout"][name][part] = axis[part]
    return made
