"""The frame of all pages: health strip, navigation rail, file panel, and the stores of the selection.

What happens in the browser (URL, poll, keys, tables) is in ``assets/shell*.js``; here is the layout, and the
one server callback that puts a page into the frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dash_ag_grid as dag
import dash_bootstrap_components as dbc
from dash import ClientsideFunction, Dash, Input, Output, State, dcc, html

import xpcs_dash
from xpcs_dash.components import states
from xpcs_dash.components.states import icon
from xpcs_dash.components.theme import current_theme
from xpcs_dash.errors import XpcsDashError
from xpcs_dash.logs import get_logger
from xpcs_dash.rules import table
from xpcs_dash.shell.allow import Role, may_write, open_to
from xpcs_dash.shell.prepare import prepare_page, with_view

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from xpcs_dash.services import Services
    from xpcs_dash.shell.page import Page

log = get_logger(__name__)


#: Data older than this (s) is called stale.
STALE_AFTER_S = 15 * 60

KEYS = (
    ("n", "next file"),
    ("p", "previous file"),
    ("l", "follow the latest file"),
    ("f", "full screen"),
    ("/", "search the files"),
    ("d", "dark or light"),
    ("?", "this help"),
    ("Esc", "close"),
)


def layout(services: Services, pages: Sequence[Page]) -> Component:
    """The frame, for one visit."""
    return html.Div(
        [
            *_stores(services, pages),
            _strip(),
            _rail(services, pages),
            _file_panel(),
            html.Main(states.loading(), id="shell-page", className="xd-page", tabIndex="-1"),
            _problems(),
            _help(),
            html.Div(
                [
                    html.Span(id="shell-notice-text"),
                    html.Button("Go on with it", id="shell-notice-accept", className="xd-btn", type="button"),
                ],
                id="shell-notice",
                className="xd-notice",
                role="status",
                hidden=True,
            ),
            html.Div(id="shell-banner", className="xd-banner", role="alert", hidden=True),
            html.Div(id="shell-toasts", className="xd-toasts", **{"aria-live": "polite"}),
        ],
        id="shell",
        className="xd-shell",
    )


def _stores(services: Services, pages: Sequence[Page]) -> list[Component]:
    config = {
        "prefix": services.settings.url_prefix,
        "version": xpcs_dash.__version__,
        "stale_s": STALE_AFTER_S,
        "may_write": may_write(),
        "rules": {rule.flag: {"severity": rule.severity, "sentence": rule.sentence} for rule in table.RULES},
        "theme": current_theme(),
        "pages": {
            page.path: {
                "name": page.name,
                "params": {name: list(where) for name, where in page.params.items()},
            }
            for page in pages
        },
    }
    return [
        dcc.Store(id="shell-config", data=config),
        dcc.Store(id="shell-route"),
        dcc.Store(id="shell-view"),
        dcc.Store(id="shell-live"),
        dcc.Store(id="shell-current"),
        dcc.Store(id="shell-select"),
        dcc.Store(id="shell-theme", data=current_theme()),
        dcc.Store(id="shell-toast"),
    ]


def _strip() -> Component:
    """The health strip; its words are filled by the browser, so that the clock ticks without a request."""
    return html.Header(
        [
            html.Span("xpcs-dash", className="xd-brand"),
            html.Span(
                [
                    html.Span("◌", id="shell-state-sign", className="xd-sign"),
                    "newest data ",
                    _value("live-age", "…"),
                ],
                id="shell-age",
                className="xd-item xd-age",
            ),
            html.Span(
                ["", _value("shell-watch", "")], id="shell-watch-item", className="xd-item xd-not-kiosk"
            ),
            html.Button(
                [
                    html.Span(["waiting ", _value("shell-waiting", "0")], id="shell-waiting-item"),
                    html.Span(["failed ", _value("shell-failed", "0")], id="shell-failed-item"),
                ],
                id="shell-problems-open",
                type="button",
                className="xd-item xd-plain xd-not-kiosk",
                title="files that wait or failed, and why",
            ),
            html.A(
                ["jobs ", _value("shell-jobs", "0")],
                id="shell-jobs-item",
                href="#",
                className="xd-item xd-plain xd-not-kiosk",
            ),
            html.Span(className="xd-spring"),
            html.Button(
                id="shell-warning", type="button", className="xd-item xd-plain xd-warning", hidden=True
            ),
            html.Span(id="shell-connection", className="xd-item xd-alarm", hidden=True),
            html.Span(
                _value("shell-clock", "--:--:--"), className="xd-item xd-clock", title="time at the server"
            ),
            html.Button(
                [html.Span("dark", id="shell-theme-name"), icon("bi-circle-half")],
                id="shell-theme-switch",
                type="button",
                className="xd-item xd-plain xd-not-kiosk",
                title="dark or light (d)",
            ),
            html.Button(
                icon("bi-arrows-fullscreen"),
                id="shell-fullscreen",
                type="button",
                className="xd-item xd-plain xd-not-kiosk",
                title="full screen (f)",
                **{"aria-label": "full screen"},
            ),
            html.Button(
                icon("bi-question-circle"),
                id="shell-help-open",
                type="button",
                className="xd-item xd-plain xd-not-kiosk",
                title="keys (?)",
                **{"aria-label": "help"},
            ),
        ],
        className="xd-strip",
    )


def _value(id_: str, text: str) -> html.B:
    return html.B(text, id=id_)


def _rail(services: Services, pages: Sequence[Page]) -> Component:
    prefix = services.settings.url_prefix.rstrip("/")
    links = [
        html.A(
            [icon(page.icon), html.Span(page.name)],
            href=f"{prefix}{page.path}",
            className="xd-rail-link",
            **{"data-path": page.path},
        )
        for page in pages
        if page.in_rail
    ]
    return html.Nav(links, className="xd-rail xd-not-kiosk", **{"aria-label": "pages"})


def _file_panel() -> Component:
    """List of files on the left of every page."""
    return html.Aside(
        [
            html.Div(
                [
                    dbc.Input(
                        id="shell-search", type="search", placeholder="Search files", class_name="xd-search"
                    ),
                    html.Div(
                        [
                            html.Select(
                                html.Option("samples", value=""), id="shell-filter-sample", title="sample"
                            ),
                            html.Select(
                                [
                                    html.Option(text, value=value)
                                    for value, text in (
                                        ("", "kinds"),
                                        ("multitau", "multi-tau"),
                                        ("twotime", "two-time"),
                                        ("average", "averages"),
                                        ("partition", "partitions"),
                                        ("raw data", "raw data"),
                                        ("flagged", "flagged"),
                                        ("failed", "failed"),
                                    )
                                ],
                                id="shell-filter-kind",
                                title="kind",
                            ),
                            html.Select(
                                [
                                    html.Option(text, value=value)
                                    for value, text in (
                                        ("newest", "newest"),
                                        ("oldest", "oldest"),
                                        ("name", "by name"),
                                        ("sample", "by sample"),
                                    )
                                ],
                                id="shell-sort",
                                title="order",
                            ),
                        ],
                        className="xd-filters",
                    ),
                    html.Div(
                        [
                            html.Button(
                                [
                                    "Follow latest",
                                    html.Span(id="shell-new", className="xd-badge", hidden=True),
                                ],
                                id="shell-follow",
                                type="button",
                                className="xd-toggle",
                                title="follow latest (l)",
                            ),
                            html.Button("Pin", id="shell-pin", type="button", className="xd-toggle"),
                        ],
                        className="xd-toggles",
                    ),
                ],
                className="xd-files-head",
            ),
            dag.AgGrid(
                id="shell-grid",
                columnDefs=[
                    {"field": "name", "cellRenderer": "XdFileCell", "flex": 1, "sortable": True},
                    {"field": "t", "hide": True, "sort": "desc"},
                    {"field": "sample", "hide": True},
                ],
                rowData=[],
                getRowId="params.data.row",
                className="xd-grid xd-grid-list",
                style={"height": "100%", "width": "100%"},
                dashGridOptions={
                    "headerHeight": 0,
                    "rowHeight": 46,
                    "rowClassRules": {"xd-row-on": "xdSelected(params.data)"},
                    "suppressCellFocus": True,
                    "animateRows": False,
                    "isExternalFilterPresent": {"function": "xdFilterPresent()"},
                    "doesExternalFilterPass": {"function": "xdFilterPass(params.data)"},
                    "suppressNoRowsOverlay": True,
                },
            ),
            html.Div(id="shell-files-empty", className="xd-files-empty"),
        ],
        id="shell-files",
        className="xd-files xd-not-kiosk",
        **{"aria-label": "files"},
    )


def _problems() -> Component:
    """Files that wait or failed, with the reason; filled by the browser when it is opened."""
    return html.Dialog(
        [
            html.Header(
                [html.H2("What needs attention", className="xd-panel-title"), _close("shell-problems")],
                className="xd-panel-head",
            ),
            html.Div(id="shell-problems-list", className="xd-problems"),
        ],
        id="shell-problems",
        className="xd-dialog",
    )


def _help() -> Component:
    rows = [html.Div([html.Dt(html.Kbd(key)), html.Dd(text)]) for key, text in KEYS]
    return html.Dialog(
        [
            html.Header(
                [html.H2("Keys", className="xd-panel-title"), _close("shell-help")], className="xd-panel-head"
            ),
            html.Dl(rows, className="xd-keys"),
            html.P(
                [
                    "Click a file to pin it, Ctrl-click for several. The address of the page says what you ",
                    "see: copy it into a log book, and it shows the same again. Add ",
                    html.Code("kiosk=1"),
                    " to it for a screen on the wall.",
                ],
                className="xd-state-hint",
            ),
        ],
        id="shell-help",
        className="xd-dialog",
    )


def _close(dialog: str) -> Component:
    return html.Button(
        icon("bi-x-lg"),
        id=f"{dialog}-close",
        type="button",
        className="xd-item xd-plain",
        **{"aria-label": "close"},
    )


def register(app: Dash, services: Services, pages: Sequence[Page]) -> None:
    """Add the shell's callbacks to an app."""
    by_path = {page.path: page for page in pages}
    app.clientside_callback(
        ClientsideFunction("shell", "boot"),
        Output("shell-route", "data"),
        Input("shell-config", "data"),
    )
    app.clientside_callback(
        ClientsideFunction("shell", "select"), Input("shell-select", "data"), prevent_initial_call=True
    )
    app.clientside_callback(
        ClientsideFunction("shell", "toast"), Input("shell-toast", "data"), prevent_initial_call=True
    )
    for page in pages:
        if page.params:
            app.clientside_callback(
                ClientsideFunction("shell", "params"),
                *[Input(id_, prop) for id_, prop in page.params.values()],
                prevent_initial_call=True,
            )

    @app.callback(Output("shell-page", "children"), Input("shell-route", "data"), State("shell-view", "data"))
    @open_to(Role.VIEWER)
    def show_page(route: Mapping[str, Any] | None, view: Any) -> Any:
        prepare_page(services, by_path, route, view)
        return render_page(services, by_path, with_view(route, view))


def render_page(services: Services, by_path: Mapping[str, Page], route: Mapping[str, Any] | None) -> Any:
    """The layout of the page that a route names; a designed message where there is none or it fails."""
    if not route:
        return states.loading()
    page = by_path.get(str(route.get("path")))
    if page is None:
        return states.empty(
            f"There is no page {route.get('path')}.", "Choose one on the left.", sign="bi-signpost-split"
        )
    query = {str(name): str(value) for name, value in (route.get("query") or {}).items()}
    try:
        return page.layout(services, query)
    except XpcsDashError as err:
        return states.failed(err)
    except Exception as err:
        log.exception("a page failed", page=page.path)
        return states.failed(err)
