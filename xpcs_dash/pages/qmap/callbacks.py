"""Callbacks of the q-map page."""

from __future__ import annotations

from typing import Any

import numpy as np
from dash import ClientsideFunction, Dash, Input, Output, State, html
from dash.exceptions import PreventUpdate

from xpcs_dash.analysis import views
from xpcs_dash.components.errors import guarded
from xpcs_dash.components.graphs import message, patch
from xpcs_dash.components.selection import choose
from xpcs_dash.components.states import warning_line
from xpcs_dash.components.views import Looked, detector_frame, framed, look, name_of
from xpcs_dash.figures.format import count, engineering, percent
from xpcs_dash.figures.qmap import figure_bins
from xpcs_dash.pages.qmap.pictures import draw, shape_of
from xpcs_dash.services import Services
from xpcs_dash.shell.allow import Role, open_to


def register(app: Dash, services: Services) -> None:
    """Add the page's callbacks."""

    @app.callback(
        Output("qmap-graph", "figure"),
        Output("qmap-conditions", "children"),
        Output("qmap-source", "data"),
        Output("qmap-frame", "data"),
        Input("shell-current", "data"),
        Input("qmap-kind", "value"),
        Input("qmap-cmap", "value"),
        State("qmap-frame", "data"),
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=4, figure=True)
    def show(current: Any, kind: str, cmap: str, frame: Any) -> Any:
        seen = look(services, current)
        fig, words = draw(services, seen, kind, cmap)
        change, frame = framed(patch(fig), *detector_frame(shape_of(seen.xf)), frame)
        return change, words, {"ref": seen.ref, "token": seen.xf.key.token}, frame

    @app.callback(
        Output("qmap-bins-graph", "figure"),
        Output("qmap-bins-conditions", "children"),
        Input("shell-current", "data"),
        Input("qmap-bins", "value"),
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=2, figure=True)
    def bars(current: Any, which: str) -> Any:
        return show_bins(services, look(services, current), which)

    @app.callback(Output("qmap-facts", "children"), Input("shell-current", "data"))
    @open_to(Role.VIEWER)
    @guarded
    def facts(current: Any) -> Any:
        return map_facts(services, look(services, current))

    @app.callback(
        Output("shell-select", "data", allow_duplicate=True),
        Input("qmap-bins-graph", "clickData"),
        State("qmap-bins", "value"),
        prevent_initial_call=True,
    )
    @open_to(Role.VIEWER)
    def pick(click: Any, which: str) -> Any:
        if not click or which != "dynamic":
            raise PreventUpdate
        return choose(q=[int(click["points"][0]["x"])])

    app.clientside_callback(
        ClientsideFunction("views", "attachMap"),
        Output("qmap-attached", "data"),
        Input("qmap-source", "data"),
    )


def show_bins(services: Services, seen: Looked, which: str) -> Any:
    """Bar plot of the pixels per bin and its conditions."""
    table = seen.xf.dynamic if which == "dynamic" else seen.xf.static
    counted = views.dynamic_pixels if which == "dynamic" else views.static_pixels
    pixels = counted(services.kernel, seen.ref)
    if table is None or pixels is None:
        return message("This file holds no {which} partition."), ""
    small, limit = views.small_bins(pixels)
    chosen = seen.labels(range(1, table.n + 1)) if which == "dynamic" else ()
    n_small = int(small.sum())
    words = [f"{table.n} bins · median {count(int(np.median(pixels)))} px"]
    if n_small:
        words.append(html.Span(f" · ▲ {n_small} below {limit} px", className="xd-warning"))
    return patch(figure_bins(pixels, table.labels, small, chosen, seen.theme)), words


def map_facts(services: Services, seen: Looked) -> Any:
    """Hash, source and geometry, with what disagrees; two columns for two files."""
    ids = seen.selection.refs[:2]
    files = [services.kernel.open(i) for i in ids]
    columns = [_facts_of(xf) for xf in files]
    rows = []
    for name in columns[0]:
        values = [column.get(name, "—") for column in columns]
        differs = len(set(values)) > 1
        rows.append(
            html.Tr([html.Th(name)] + [html.Td(v) for v in values], className="xd-differs" if differs else "")
        )
    head = (
        [html.Thead(html.Tr([html.Th("")] + [html.Th(name_of(services, i)) for i in ids]))]
        if len(ids) > 1
        else []
    )
    warnings = [
        warning_line(text)
        for i, xf in zip(ids, files, strict=True)
        for text in disagreements(services, i, xf)
    ]
    if files[0].geometry is None:
        warnings.append(warning_line("The file holds no geometry: q and φ of a pixel are not known."))
    return [
        html.Div(warnings, className="xd-views-warnings"),
        html.Table([*head, html.Tbody(rows)], className="xd-table"),
    ]


def disagreements(services: Services, ref: str, xf: Any) -> list[str]:
    """What the q-map and ``/entry`` say differently, in one sentence per file."""
    texts = [text.removesuffix("; the q-map's is used.") for text in xf.warnings if "/entry" in text]
    if not texts:
        return []
    head = f"{name_of(services, ref)}: " if len(texts) > 1 else ""
    return [f"{head}{'; '.join(texts)}. The q-map's geometry is used."]


def _facts_of(xf: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, table in (("dynamic bins", xf.dynamic), ("static bins", xf.static)):
        if table is not None:
            n0, n1 = table.num_pts
            cells = n0 * n1
            found[name] = f"{table.n} of {n0} × {n1}" if table.n != cells else f"{n0} × {n1}"
    if xf.dynamic is not None:
        found["q range"] = (
            f"{engineering(float(xf.q.min()), xf.q_unit)} to {engineering(float(xf.q.max()), xf.q_unit)}"
        )
    g = xf.geometry
    if g is not None:
        found |= {
            "energy": engineering(g.energy_kev * 1e3, "eV", 5),
            "distance": engineering(g.distance_m, "m", 4),
            "pixel": engineering(g.pixel_m, "m", 3),
            "beam centre": f"x {g.bcx:.2f} px, y {g.bcy:.2f} px",
            "detector": f"{g.shape[0]} × {g.shape[1]} px",
        }
    if xf.mask is not None:
        found["unmasked"] = percent(float(xf.mask.mean()), 1)
    found["hash"] = short(xf.map_hash)
    found["partition file"] = source_of(xf)
    return found


def short(text: str | None) -> str:
    """First twelve digits of a hash."""
    return "none in the file" if not text else f"{text[:12]}…" if len(text) > 14 else text


def source_of(xf: Any) -> str:
    """Name of the partition file that was used, without its folders."""
    for key, (value, _unit) in xf.metadata.items():
        if key.endswith(("qmap/source_file", "config/qmap")) and value:
            return str(value).rsplit("/", 1)[-1]
    return "not recorded"
