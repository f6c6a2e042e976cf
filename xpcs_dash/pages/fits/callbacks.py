"""Callbacks of the review desk."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dash import Input, Output, State, ctx, html, no_update
from dash.exceptions import PreventUpdate

from xpcs_dash.components import states
from xpcs_dash.components.errors import guarded, notify
from xpcs_dash.components.graphs import message
from xpcs_dash.components.theme import current_theme
from xpcs_dash.database.record.fits import FitIndex, FitRow
from xpcs_dash.figures.fit import columns_for, figure_fit, height_for
from xpcs_dash.fits.request import FitRequest
from xpcs_dash.pages.fit.sampling import submit
from xpcs_dash.pages.fit.shown import view_of_row
from xpcs_dash.pages.fits import views
from xpcs_dash.shell.allow import Role, open_to, user_name

if TYPE_CHECKING:
    from dash import Dash

    from xpcs_dash.figures.fit import FitPanel
    from xpcs_dash.services import Services

VERDICTS = {"fits-accept": "accepted", "fits-reject": "rejected", "fits-flag": "flagged"}


def register(app: Dash, services: Services) -> None:
    """Add the callbacks of the page."""
    index = FitIndex(services.record)
    _register_list(app, services, index)
    _register_detail(app, services, index)
    _register_actions(app, services, index)


def _register_list(app: Dash, services: Services, index: FitIndex) -> None:
    @app.callback(
        Output("fits-grid", "rowData"),
        Output("fits-count", "children"),
        Output("fits-stamp", "data"),
        Output("fits-empty", "children"),
        Input("fits-tick", "n_intervals"),
        Input("fits-done", "data"),
        Input("fits-search", "value"),
        Input("fits-kind", "value"),
        Input("fits-model", "value"),
        Input("fits-review-filter", "value"),
        State("fits-stamp", "data"),
    )
    @open_to(Role.VIEWER)
    def show_list(_t: Any, _d: Any, text: Any, kind: Any, model: Any, review: Any, before: Any) -> Any:
        stamp = f"{text}|{kind}|{model}|{review}|{index.stamp()}"
        if stamp == before:
            raise PreventUpdate
        deleted = review == "deleted"
        rows = index.list(
            kind=_given(kind), model=_given(model), review=None if deleted else _given(review),
            text=text or "", deleted=deleted,
        )  # fmt: skip
        hint = "Fit and Sample on the Fit page keep their results here."
        none: Any = [] if rows else states.empty("No stored fit in this list.", hint)
        versions = services.catalogue.versions({row.ref for row in rows})
        lines = [views.grid_row(row, views.standing(row, versions)) for row in rows]
        return lines, f"{len(rows)} fits", stamp, none

    # the grid can only select rows that it has drawn, so this comes after them
    @app.callback(
        Output("fits-grid", "selectedRows"),
        Input("fits-grid", "virtualRowData"),
        State("fits-chosen", "data"),
        State("fits-grid", "selectedRows"),
        prevent_initial_call=True,
    )
    @open_to(Role.VIEWER)
    def mark_chosen(rows: Any, chosen: Any, selected: Any) -> Any:
        wanted = [i for i in ids_of(chosen) if any(str(row["id"]) == i for row in rows or ())]
        marked = [str(row["id"]) for row in selected] if isinstance(selected, list) else []
        if sorted(marked) == sorted(wanted):
            raise PreventUpdate
        return {"ids": wanted}

    @app.callback(
        Output("fits-chosen", "data"),
        Input("fits-grid", "selectedRows"),
        State("fits-chosen", "data"),
        prevent_initial_call=True,
    )
    @open_to(Role.VIEWER)
    def choose(rows: Any, before: Any) -> Any:
        if not isinstance(rows, list):
            raise PreventUpdate
        chosen = ",".join(str(row["id"]) for row in rows[-2:]) or None
        if chosen == before:
            raise PreventUpdate
        return chosen


def _given(value: Any) -> str | None:
    return None if value in (None, "", "all") else str(value)


def ids_of(chosen: Any) -> list[str]:
    """Numbers of at most two chosen fits, as the grid and the address write them."""
    return [part for part in str(chosen or "").split(",") if part.isdigit()][:2]


def _register_detail(app: Dash, services: Services, index: FitIndex) -> None:
    @app.callback(
        Output("fits-detail", "children"),
        Output("fits-review", "hidden"),
        Output("fits-open", "href"),
        Output("fits-note", "value"),
        Output("fits-detail-conditions", "children"),
        Input("fits-chosen", "data"),
        Input("fits-stamp", "data"),
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=5)
    def show_detail(chosen: Any, _stamp: Any) -> Any:
        ids = ids_of(chosen)
        if not ids:
            hint = "Choose one in the list; choose two (Ctrl-click) to compare them."
            return states.empty("No fit is chosen.", hint), True, "#", "", ""
        rows = [index.get(i) for i in ids]
        if len(rows) == 2:
            return views.compare(*rows), True, "#", "", f"fit {ids[0]} against fit {ids[1]}"
        # a note that is being typed is not overwritten by an update of the list
        note = rows[0].note if ctx.triggered_id != "fits-stamp" else no_update
        address = views.href(rows[0], services.settings.url_prefix)
        since = views.standing(rows[0], services.catalogue.versions([rows[0].ref]))
        return views.detail(rows[0], since), False, address, note, f"fit {ids[0]}"

    @app.callback(
        Output("fits-graph", "figure"),
        Output("fits-graph-box", "style"),
        Output("fits-graph-conditions", "children"),
        Input("fits-chosen", "data"),
        Input("shell-theme", "data"),
    )
    @open_to(Role.VIEWER)
    @guarded(outputs=3, figure=True)
    def show_curves(chosen: Any, _theme: Any) -> Any:
        ids = ids_of(chosen)
        if not ids:
            return message("The curves of the chosen fit appear here."), {"height": "100%"}, ""
        rows = [index.get(i) for i in ids]
        panels = panels_of(services, rows)
        drawing = figure_fit(panels, current_theme(), columns=columns_for(len(panels), 700))
        style = {"height": f"max(100%, {height_for(len(panels), 700)}px)"}
        said = f"solid: fit {ids[0]}" + (f" · dashed: fit {ids[1]}" if len(ids) == 2 else "")
        return drawing.to_plotly_json(), style, said


def panels_of(services: Services, rows: list[FitRow]) -> list[FitPanel]:
    """Panels of the first fit, with the second one's line dashed where it has the same bin."""
    theme = current_theme()
    first = view_of_row(rows[0], services.kernel.open(rows[0].ref), theme).panels
    if len(rows) == 1:
        return first
    second = view_of_row(rows[1], services.kernel.open(rows[1].ref), theme).panels
    others = {entry["label"]: panel.curve for entry, panel in zip(rows[1].bins, second, strict=True)}
    made = []
    for entry, panel in zip(rows[0].bins, first, strict=True):
        other = others.get(entry["label"])
        if other is not None:
            panel = replace(panel, second_t=other.fit_t, second_g2=other.fit_g2)
        made.append(panel)
    return made


def _register_actions(app: Dash, services: Services, index: FitIndex) -> None:
    @app.callback(
        Output("fits-done", "data"),
        Input("fits-accept", "n_clicks"),
        Input("fits-reject", "n_clicks"),
        Input("fits-flag", "n_clicks"),
        State("fits-chosen", "data"),
        State("fits-note", "value"),
        State("fits-name", "value"),
        prevent_initial_call=True,
    )
    @open_to(Role.OPERATOR)
    def review(*given: Any) -> Any:
        *clicks, chosen, note, name = given
        ids = ids_of(chosen)
        if not any(clicks) or len(ids) != 1:
            raise PreventUpdate
        verdict = VERDICTS[str(ctx.triggered_id)]
        index.set_review(int(ids[0]), verdict, note or "", user_name() or name or "")
        notify(f"Fit {ids[0]} is {verdict}.", "ok")
        return index.stamp()

    @app.callback(Input("fits-again", "n_clicks"), State("fits-chosen", "data"), prevent_initial_call=True)
    @open_to(Role.OPERATOR)
    def again(clicks: Any, chosen: Any) -> None:
        ids = ids_of(chosen)
        if not clicks or len(ids) != 1:
            raise PreventUpdate
        row = index.get(ids[0])
        job = submit(services, row.ref, row.kind, FitRequest.from_params(row.request), user_name())
        notify(f"Job {job} makes fit {row.id} again with seed {row.request.get('seed', 0)}.", "info")

    @app.callback(
        Output("fits-deleted", "data"),
        Output("fits-chosen", "data", allow_duplicate=True),
        Output("fits-done", "data", allow_duplicate=True),
        Input("fits-delete", "n_clicks"),
        State("fits-chosen", "data"),
        prevent_initial_call=True,
    )
    @open_to(Role.OPERATOR)
    def delete(clicks: Any, chosen: Any) -> Any:
        ids = [int(i) for i in ids_of(chosen)]
        if not clicks or not ids:
            raise PreventUpdate
        index.delete(ids, user_name())
        return ids, None, index.stamp()

    @app.callback(Output("fits-undo-line", "children"), Input("fits-deleted", "data"))
    @open_to(Role.VIEWER)
    def offer_undo(ids: Any) -> Any:
        if not ids:
            return []
        text = f"Fit {', '.join(map(str, ids))} deleted. "
        return [html.Span(text), html.Button("Undo", id="fits-undo", type="button", className="xd-btn")]

    @app.callback(
        Output("fits-deleted", "data", allow_duplicate=True),
        Output("fits-done", "data", allow_duplicate=True),
        Input("fits-undo", "n_clicks"),
        State("fits-deleted", "data"),
        prevent_initial_call=True,
    )
    @open_to(Role.OPERATOR)
    def undo(clicks: Any, ids: Any) -> Any:
        if not clicks or not ids:
            raise PreventUpdate
        index.restore(ids, user_name())
        return None, index.stamp()
