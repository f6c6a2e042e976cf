"""Callbacks of the Live page: parse the selection, ask `view`, wrap."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dash import ClientsideFunction, Dash, Input, Output, State, html
from dash.exceptions import PreventUpdate

from xpcs_dash.analysis.views import stability_report
from xpcs_dash.components import states
from xpcs_dash.components.errors import guarded
from xpcs_dash.components.graphs import message, patch
from xpcs_dash.components.panel import facts
from xpcs_dash.components.selection import Selection, View, href
from xpcs_dash.components.views import look, nothing_here
from xpcs_dash.figures.format import engineering, format_q
from xpcs_dash.figures.theme import css_gradient
from xpcs_dash.figures.trends import figure_trends
from xpcs_dash.pages.g2.qbar import qbar
from xpcs_dash.pages.live import numbers, view
from xpcs_dash.pages.stability.views import verdict_mark
from xpcs_dash.results.said import said_of
from xpcs_dash.shell.allow import Role, open_to

if TYPE_CHECKING:
    from xpcs_dash.services import Services

CURRENT = Input("shell-current", "data")
THEME = Input("shell-theme", "data")
SCALE = State("live-scale", "data")


def register(app: Dash, services: Services) -> None:
    """Add the page's callbacks."""
    app.clientside_callback(
        ClientsideFunction("live", "tick"), Output("live-tick", "data"), Input("shell-live", "data")
    )
    app.clientside_callback(
        ClientsideFunction("views", "attachLive"),
        Output("live-attached", "data"),
        Input("live-source", "data"),
    )

    @app.callback(
        Output("live-empty", "children"), Output("live-grid", "hidden"), CURRENT, Input("live-tick", "data")
    )
    @open_to(Role.VIEWER)
    def show_or_wait(current: Any, _tick: Any) -> Any:
        selection = Selection.parse(current)
        if selection.missing and selection.empty:
            return nothing_here(selection), True
        return (waiting(services), True) if selection.empty else (None, False)

    @app.callback(Output("live-head", "children"), CURRENT)
    @open_to(Role.VIEWER)
    @guarded
    def show_head(current: Any) -> Any:
        return head(services, need(current))

    @app.callback(
        Output("live-g2", "figure"),
        Output("live-qbar", "children"),
        Output("live-g2-conditions", "children"),
        Output("live-g2-shown", "data"),
        CURRENT,
        Input("live-tick", "data"),
        Input("live-combine", "value"),
        THEME,
        State("live-g2-shown", "data"),
        SCALE,
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=4, figure=True)
    def show_g2(current: Any, _tick: Any, combine: bool, theme: Any, shown: Any, scale: Any) -> Any:
        row = services.catalogue.get(need(current).primary)
        fit = said_of(row).bins
        now = [current["files"], current.get("q"), combine, theme, bool(fit)]
        if now == shown:
            raise PreventUpdate
        seen = look(services, current)
        drawing, colours, words = view.g2_view(services, seen, fit, bool(combine), scale or 1.0)
        if drawing is None:
            return (
                message("This file holds no multi-tau g2.", "Its two-time part has a page of its own."),
                [],
                "",
                now,
            )
        return patch(drawing), qbar(seen.xf, colours, seen.selection.q is not None), words, now

    @app.callback(
        Output("live-detector", "figure"),
        Output("live-detector-conditions", "children"),
        Output("live-source", "data"),
        CURRENT,
        THEME,
        SCALE,
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=3, figure=True)
    def show_detector(current: Any, _theme: Any, scale: Any) -> Any:
        need(current)
        seen = look(services, current)
        drawing, limits = view.detector_view(services, seen, scale or 1.0)
        source = {"ref": seen.ref, "token": seen.xf.key.token}
        if drawing is None:
            return message("This file holds no detector image."), "", source
        return patch(drawing), colour_scale(limits, view.short_unit(seen.xf.intensity_unit)), source

    @app.callback(
        Output("live-intensity", "figure"),
        Output("live-intensity-conditions", "children"),
        CURRENT,
        THEME,
        SCALE,
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=2, figure=True)
    def show_intensity(current: Any, _theme: Any, scale: Any) -> Any:
        need(current)
        seen = look(services, current)
        drawing, words = view.intensity_view(services, seen, scale or 1.0)
        if drawing is None:
            return message("This file holds no I(t)."), ""
        verdict = stability_report(services.kernel, seen.ref).verdict
        return patch(drawing), [verdict_mark(verdict), f" · {words}"]

    @app.callback(
        Output("live-trends", "figure"),
        Output("live-numbers", "children"),
        Output("live-trends-title", "children"),
        Output("live-trends-conditions", "children"),
        CURRENT,
        Input("live-tick", "data"),
        THEME,
        SCALE,
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=4, figure=True)
    def show_trends(current: Any, _tick: Any, theme: Any, scale: Any) -> Any:
        rows = view.rows_until(services, str(need(current).primary), numbers.N_FILES)
        return trends(rows, str(theme or "dark"), float(scale or 1.0))


def need(current: Any) -> Selection:
    """The selection; leaves the page as it is while there is no file."""
    selection = Selection.parse(current)
    if selection.empty:
        raise PreventUpdate
    return selection


def breakable(name: str) -> list[Any]:
    """A file name that may be broken after its underscores, and copied as it is."""
    parts = name.split("_")
    return [piece for part in parts[:-1] for piece in (part + "_", html.Wbr())] + parts[-1:]


def colour_scale(limits: tuple[float, float], unit: str) -> Any:
    """The colours of the detector image from low to high, with their values."""
    low, high = (engineering(v, "", 2) for v in limits)
    bar = html.Span(className="xd-scale", style={"background": css_gradient("inferno")})
    return [f"log  {low}", bar, f"{high} {unit}"]


def waiting(services: Services) -> Any:
    """What is awaited, since when, and what to do."""
    status = services.catalogue.status()
    counts = services.catalogue.counts()
    root = status.get("root") or services.settings.root
    where = f" in {root}" if root else ""
    hints = []
    beat = status.get("heartbeat")
    if beat is None:
        hints.append("No process watches the directory yet; start one with xpcs-dash serve.")
    else:
        mode = status.get("mode") or "re-scans"
        hints.append(f"Watched by {mode}; last looked {max(0.0, time.time() - float(beat)):.0f} s ago.")
    if counts.get("waiting"):
        hints.append(f"{counts['waiting']} file(s) are being written or read.")
    if counts.get("failed"):
        hints.append(f"{counts['failed']} file(s) could not be read: see “failed” at the top.")
    return states.empty(
        f"Waiting for the first finished result file{where}.", " ".join(hints), sign="bi-hourglass-split"
    )


def head(services: Services, selection: Selection) -> Any:
    """Name of the file, what is known of it, and its warnings, which lead to the details."""
    ref = str(selection.primary)
    xf = services.kernel.open(ref)
    row = services.catalogue.get(ref)
    parts: list[Any] = [html.H1(breakable(row.name), title=row.path), facts(view.facts_of(xf))]
    if row.flags:
        parts.append(html.Div(states.flag_lines(row.flags), className="xd-live-flags"))
    warnings = list(dict.fromkeys([*row.warnings, *xf.warnings]))
    if warnings:
        link = href(services.settings.url_prefix, "/metadata", View(selection.refs))
        more = f" (+{len(warnings) - 1})" if len(warnings) > 1 else ""
        line = states.warning_line(warnings[0] + more, link)
        parts.append(html.Div(line, className="xd-live-warnings", title="\n".join(warnings)))
    return parts


def trends(rows: Sequence[Any], theme: str, scale: float) -> Any:
    """Figure, numbers, title and conditions of the panel of the last files."""
    rows, n_all = numbers.comparable(rows), len(rows)
    found = numbers.trends_of(rows)
    if not found:
        note = message("Numbers appear when the first file is summarised.")
        return note, [], "Last files", ""
    drawing = figure_trends([trend for _, trend in found], theme)
    drawing.scale = scale
    said = said_of(rows[-1]).file
    at = f"at q = {format_q(said.q, said.q_unit or '')}" if said is not None and said.q else ""
    shown = []
    for quantity, trend in found:
        name, value, sigma, unit = numbers.words_of(quantity, trend)
        small = html.Small(" ".join(part for part in (f"± {sigma}" if sigma else "", unit) if part))
        shown.append(
            html.Div(
                [html.Div(name, className="xd-what"), html.Div([value, small], className="xd-big")],
                className="xd-live-number",
                title=trend.doubt,
                **{"data-state": trend.state},
            )
        )
    title = f"Last {len(rows)} files" if len(rows) > 1 else "This file"
    if len(rows) < n_all:
        at = f"{at} · {n_all - len(rows)} at another q left out"
    return patch(drawing), shown, title, at
