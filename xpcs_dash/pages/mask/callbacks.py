"""Callbacks of the mask page: actions change the draft, the state's revision repaints."""

from __future__ import annotations

from typing import Any

import numpy as np
from dash import ClientsideFunction, Dash, Input, Output, Patch, State, ctx, html, no_update
from dash.exceptions import PreventUpdate

from xpcs_dash.analysis.rebin import bin_intensity, rebin
from xpcs_dash.components.graphs import message, patch
from xpcs_dash.components.scope import browser_scope
from xpcs_dash.components.theme import current_theme
from xpcs_dash.errors import XpcsDashError
from xpcs_dash.figures.images import layout_image
from xpcs_dash.figures.mask import figure_counts, figure_intensity, layers, look
from xpcs_dash.pages.mask import forms
from xpcs_dash.pages.mask.compare import register_compare
from xpcs_dash.pages.mask.regroup import availability, register_regroup
from xpcs_dash.pages.mask.session import Workbench
from xpcs_dash.pages.mask.show import (
    bins_url,
    count_text,
    limits_of,
    overlay_url,
    picture_url,
    shapes_of,
    url,
)
from xpcs_dash.pages.mask.work import (
    apply_to_viewer,
    chosen,
    file_of,
    find_geometry,
    import_mask,
    open_source,
    perform,
    save_version,
    session_of,
    swiftly,
)
from xpcs_dash.shell.allow import Role, open_to
from xpcs_dash.simplemask.partition import FEW_PIXELS, label_values


def register(app: Dash, bench: Workbench) -> None:
    """Add the page's callbacks."""
    _register_actions(app, bench)
    _register_paint(app, bench)
    _register_files(app, bench)
    _register_results(app, bench)
    register_compare(app, bench, session_of)
    register_regroup(app, bench, session_of)
    app.clientside_callback(
        ClientsideFunction("mask", "attach"),
        Output("mask-attached", "data"),
        Input("mask-state", "data"),
        Input("mask-stage", "children"),
    )


def _register_actions(app: Dash, bench: Workbench) -> None:
    @app.callback(Output("mask-drawn", "data"), Input("mask-action", "data"), prevent_initial_call=True)
    @open_to(Role.OPERATOR)
    def act(action: Any) -> Any:
        if not action:
            raise PreventUpdate
        return swiftly(bench, session_of(), action)

    # the browser shows the overlay and the count of this answer at once, and only then asks for the rest
    app.clientside_callback(
        ClientsideFunction("mask", "drawn"),
        Output("mask-attached", "data", allow_duplicate=True),
        Input("mask-drawn", "data"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output("mask-state", "data", allow_duplicate=True),
        Output("mask-found", "children"),
        Input("mask-centre-symmetry", "n_clicks"),
        Input("mask-centre-rings", "n_clicks"),
        Input("mask-calibrate", "n_clicks"),
        prevent_initial_call=True,
        running=[
            (Output(f"mask-{name}", "disabled"), True, False)
            for name in ("centre-symmetry", "centre-rings", "calibrate")
        ],
    )
    @open_to(Role.OPERATOR)
    def find(*clicks: Any) -> Any:
        if not any(clicks):
            raise PreventUpdate
        return find_geometry(bench, session_of(), str(ctx.triggered_id).removeprefix("mask-"))


def _register_paint(app: Dash, bench: Workbench) -> None:
    @app.callback(
        Output("mask-graph", "figure"),
        Output("mask-count", "children"),
        Output("mask-ops", "children"),
        Output("mask-undo", "disabled"),
        Output("mask-redo", "disabled"),
        Output("mask-conditions", "children"),
        Input("mask-state", "data"),
        Input("mask-show", "value"),
        Input("mask-mode", "value"),
        Input("mask-compared", "data"),
        Input("mask-compare-what", "value"),
    )
    @open_to(Role.VIEWER)
    def paint(state: Any, show: str, mode: str, compared: Any, what: str) -> Any:
        trigger = str(ctx.triggered_id or "")
        other = (str((compared or {}).get("other") or ""), what)
        return painted(bench, browser_scope(), state or {}, show, mode, trigger, other)

    @app.callback(
        Output("mask-state", "data", allow_duplicate=True),
        Input("mask-scale", "value"),
        Input("mask-low", "value"),
        Input("mask-high", "value"),
        prevent_initial_call=True,
    )
    @open_to(Role.OPERATOR)
    def view(scale: str, low: Any, high: Any) -> Any:
        fields = {"scale": scale, "low": low, "high": high}
        return perform(bench, session_of(), {"act": "view", "fields": fields})

    @app.callback(
        Output("mask-geometry", "children"),
        Output("mask-partition", "children"),
        Input("mask-refill", "data"),
        prevent_initial_call=True,
    )
    @open_to(Role.VIEWER)
    def refill(asked: Any) -> Any:
        if not asked:
            raise PreventUpdate
        draft = bench.store.load(session_of())
        return forms.geometry_form(draft), forms.partition_form(draft)

    @app.callback(
        Output("mask-bins-graph", "figure"),
        Output("mask-intensity-graph", "figure"),
        Output("mask-checks", "children"),
        Output("mask-regroup", "disabled"),
        Output("mask-regroup-note", "children"),
        Input("mask-settled", "data"),
        Input("mask-tab", "data"),
    )
    @open_to(Role.VIEWER)
    def preview(_: Any, tab: str) -> Any:
        if tab != "partition" or not browser_scope():
            raise PreventUpdate
        session = session_of()
        try:
            possible, note = availability(bench, bench.store.load(session))
        except XpcsDashError as err:
            possible, note = False, str(err)
        try:
            return *previewed(bench, session), not possible, note
        except XpcsDashError as err:
            return message(str(err)), message(""), [], True, note


def painted(
    bench: Workbench,
    session: str,
    state: dict[str, Any],
    show: str,
    mode: str,
    trigger: str,
    compared: tuple[str, str] = ("", "mask"),
) -> Any:
    """Change of the graph, the count, the list of steps, whether undo and redo are off, the conditions."""
    draft = bench.store.load(session) if session else None
    if draft is None or not draft.source:
        hint = html.P(
            "The steps of the mask are listed here once an image is open.", className="xd-mask-hint"
        )
        return no_update, "", [hint], True, True, ""
    theme = current_theme()
    try:
        mask, problems = bench.mask(session, draft)
        image = bench.image(session, draft)
    except XpcsDashError as err:
        return no_update, str(err), no_update, not draft.area.past, not draft.area.future, ""
    change = Patch()
    bins = bins_url(bench, session, draft) if show == "bins" and draft.geometry else None
    overlay = overlay_url(bench, session, draft, theme)
    picture = picture_url(bench, session, draft, limits_of(image, draft))
    images = layers(picture, overlay, image.shape, bins)
    if compared[0]:
        key = bench.partition_key(session, draft)
        source = url(bench, "difference.png", other=compared[0], what=compared[1], k=key)
        images.append({**layout_image(source, image.shape), "sizex": image.shape[1] + 4e-5})
    change["layout"]["images"] = images
    if state.get("shapes", True) or trigger == "mask-mode":
        change["layout"]["shapes"] = shapes_of(draft, theme)
        change["layout"]["newshape"] = look(mode, theme)
    words = f"{image.name} · {image.shape[0]} × {image.shape[1]} px"
    words += f" · {image.frames:,} frames" if image.frames else ""
    area = draft.area
    return (
        change,
        count_text(mask),
        forms.operations(area.operations, problems),
        not area.past,
        not area.future,
        words,
    )


def previewed(bench: Workbench, session: str) -> Any:
    """Pixels per bin, I(q) before and after, and the checks of the draft's partition."""
    draft = bench.store.load(session)
    made, image = bench.partition(session, draft), bench.image(session, draft)
    theme = current_theme()
    new = rebin(image.image, made.dynamic.roi_map, made.static.roi_map, image.frames or None)
    x, _ = label_values(made.static)
    order = np.argsort(x, kind="stable")
    lines = [("this mask", x[order], new.static.mean[order])]
    if image.mask is not None:
        kernel = bench.kernel(session, draft)
        edges = np.unique(made.static.v_list[0])
        whole = _profile(image, kernel.maps[made.names[0]], edges)
        lines.append(("mask of the file", edges, whole))
    unit = f" ({made.units[0]})" if made.units[0] else ""
    words = [f"{made.num_pts} dynamic and {len(made.static.counts)} static bins."]
    if image.frames:
        c = new.coincidences
        words.append(
            f"Expected coincidences at the first delay: {np.median(c):.3g} in the median bin, "
            f"{c.min():.3g} in the worst."
        )
    checks = [html.P(w) for w in words] + [
        html.P(["▲ ", c], className="xd-warning-line") for c in made.checks
    ]
    counts = patch(figure_counts(np.array(made.num_list), FEW_PIXELS, theme))
    return counts, patch(figure_intensity(lines, f"{made.names[0]}{unit}", theme)), checks


def _profile(image: Any, values: Any, centres: np.ndarray) -> np.ndarray:
    """Mean intensity of the file's own valid pixels around given centres."""
    if len(centres) < 2:
        return np.full(len(centres), float(image.image[image.mask].mean()))
    middle = (centres[1:] + centres[:-1]) / 2
    labels = np.where(image.mask, np.digitize(values, middle) + 1, 0)
    return bin_intensity(image.image, labels, len(centres)).mean


def _register_files(app: Dash, bench: Workbench) -> None:
    @app.callback(
        Output("mask-state", "data", allow_duplicate=True),
        Output("mask-stage", "children"),
        Input("mask-open-current", "n_clicks"),
        Input("mask-open-path", "n_clicks"),
        Input("mask-upload", "contents"),
        State("shell-current", "data"),
        State("mask-path", "value"),
        State("mask-how", "value"),
        State("mask-frames", "value"),
        State("mask-upload", "filename"),
        prevent_initial_call=True,
    )
    @open_to(Role.OPERATOR)
    def opened(
        _c: Any, _p: Any, content: Any, current: Any, path: Any, how: Any, frames: Any, name: Any
    ) -> Any:
        if not any(t["value"] for t in ctx.triggered):
            raise PreventUpdate
        session = session_of()
        source = chosen(bench, session, str(ctx.triggered_id), content, current, path, how, frames, name)
        return open_source(bench, session, source)

    @app.callback(
        Output("mask-state", "data", allow_duplicate=True),
        Input("mask-import", "contents"),
        State("mask-import", "filename"),
        prevent_initial_call=True,
    )
    @open_to(Role.OPERATOR)
    def imported(content: Any, name: Any) -> Any:
        if not content:
            raise PreventUpdate
        return import_mask(bench, session_of(), content, str(name))


def _register_results(app: Dash, bench: Workbench) -> None:
    @app.callback(
        Output("mask-versions", "children"),
        Input("mask-save", "n_clicks"),
        State("mask-name", "value"),
        prevent_initial_call=True,
    )
    @open_to(Role.OPERATOR)
    def save(clicks: Any, name: Any) -> Any:
        if not clicks:
            raise PreventUpdate
        return save_version(bench, session_of(), str(name or ""))

    @app.callback(
        Output("mask-linked", "children"), Input("mask-link", "n_clicks"), prevent_initial_call=True
    )
    @open_to(Role.OPERATOR)
    def link(clicks: Any) -> Any:
        if not clicks:
            raise PreventUpdate
        href = f"{bench.services.settings.url_prefix}mask?copy={bench.store.share(session_of())}"
        return ["This link opens a copy: ", html.A(href, href=href, id="mask-share")]

    @app.callback(Output("mask-use", "title"), Input("mask-use", "n_clicks"), prevent_initial_call=True)
    @open_to(Role.OPERATOR)
    def use(clicks: Any) -> Any:
        if not clicks:
            raise PreventUpdate
        return apply_to_viewer(bench, session_of())

    @app.callback(
        Output("mask-download", "data"),
        [Input(f"mask-get-{kind}", "n_clicks") for kind in ("partition", "own", "hdf", "tif", "npy")],
        prevent_initial_call=True,
    )
    @open_to(Role.VIEWER)
    def download(*clicks: Any) -> Any:
        if not any(clicks):
            raise PreventUpdate
        return file_of(bench, session_of(), str(ctx.triggered_id).removeprefix("mask-get-"))
