"""g2 of the draft's bins from the per-pixel G2 of the open file: the job and what it found."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dash_bootstrap_components as dbc
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate

from xpcs_dash.analysis.regroup import why_not
from xpcs_dash.components import states
from xpcs_dash.components.controls import button
from xpcs_dash.components.downloads import safe_name
from xpcs_dash.components.graphs import graph, patch
from xpcs_dash.components.theme import current_theme
from xpcs_dash.errors import NotFoundError, UsageError
from xpcs_dash.figures.g2 import Panel, figure_panels
from xpcs_dash.figures.theme import q_colours
from xpcs_dash.pages.g2.curves import Source, choose_q, curve_of
from xpcs_dash.pages.mask.session import Workbench, result_of
from xpcs_dash.results.fingerprint import fingerprint
from xpcs_dash.results.identity import display_name
from xpcs_dash.results.xpcs_file import XpcsFile
from xpcs_dash.shell.allow import Role, open_to, user_name
from xpcs_dash.simplemask.draft import Draft
from xpcs_dash.simplemask.files import save_partition

#: Panels of bins that are shown.
PANELS = 9


def section() -> list[Any]:
    """The part of the page that recomputes g2."""
    return [
        html.H3("g2 of these bins", className="xd-mask-head"),
        html.Div(
            [
                button("mask-regroup", "Recompute g2", icon="bi-graph-down", disabled=True,
                       title="from the per-pixel G2 of the open file, one delay at a time"),
                html.Span(id="mask-regroup-note", className="xd-mask-origin"),
            ],
            className="xd-mask-fields",
        ),
        html.Div(
            [html.Div(id="mask-regroup-state", style={"flex": "1"}),
             html.Button("Cancel", id="mask-regroup-cancel", className="xd-btn", type="button", hidden=True)],
            className="xd-mask-fields",
        ),
        html.Div(graph("mask-regroup-graph", filename="mask-g2"), id="mask-regroup-plot",
                 className="xd-mask-panels", hidden=True),
        dcc.Interval(id="mask-regroup-watch", interval=500, disabled=True),
        dcc.Store(id="mask-regroup-job", storage_type="session"),
    ]  # fmt: skip


def folder(bench: Workbench) -> Path:
    """Where recomputed results are kept; those of earlier versions of the program are taken along."""
    settings = bench.services.settings
    place, before = settings.made_dir / "regrouped", settings.state_dir / "regrouped"
    if before.is_dir() and not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):  # another process has just done it
            before.rename(place)
    return place


def availability(bench: Workbench, draft: Draft) -> tuple[bool, str]:
    """Whether g2 can be recomputed, and a sentence on why not or on what will happen."""
    file = result_of(bench, draft)
    if file is None:
        return False, "g2 can be recomputed where the open image comes from a result file; this one does not."
    reason = why_not(file)
    if reason:
        return False, reason
    return True, f"{file.path.name} holds the per-pixel G2 of {file.n_delay} delays."


def submit(bench: Workbench, session: str) -> int:
    """Write the draft's partition and start the job; gives its number.

    Raises
    ------
    UsageError
        Where the file has no per-pixel G2 or there is no geometry.
    """
    draft = bench.store.load(session)
    possible, reason = availability(bench, draft)
    file, kernel = result_of(bench, draft), bench.kernel(session, draft)
    if not possible or file is None:
        raise UsageError(reason)
    partition = bench.partition(session, draft)
    assert kernel.geometry is not None  # else there is no partition
    place = folder(bench)
    place.mkdir(parents=True, exist_ok=True)
    name = safe_name(display_name(file.path))[:150]
    stem = f"{name}_{bench.partition_key(session, draft)}"
    bins = save_partition(place / f"{stem}_qmap.hdf", partition, kernel.geometry, source_file=file.path.name)
    given = {"path": str(file.path), "partition": str(bins), "out": str(place / f"{stem}_results.hdf")}
    title = f"g2 of {len(partition.num_list)} new bins of {file.path.name}"
    services = bench.services
    source = {str(services.door.ref(file.path)): fingerprint(file)}
    return int(services.jobs.submit("regroup", given, title, owner=user_name(), files=source))


def job_line(row: Any, prefix: str) -> Any:
    """One line about the job: how far it is, or where its file is."""
    if row.state in ("queued", "running"):
        return html.Div(
            [
                states.mark("nodata" if row.state == "queued" else "ok", row.state),
                dbc.Progress(
                    value=100 * row.progress, style={"flex": "1", "height": "8px", "minWidth": "6em"}
                ),
                html.Span(row.message or "waiting for a worker", className="xd-muted"),
            ],
            className="xd-mask-fields",
        )
    if row.state == "done":
        name = Path(str(row.result["path"])).name
        link = html.A(
            f"Download {name}",
            href=f"{prefix}mask-data/regrouped/{quote(name)}",
            download="",
            className="xd-mask-link",
        )
        words = f"g2 of {row.result['bins']} bins at {row.result['delays']} delays."
        return html.Div([states.mark("ok", "done"), html.Span(words), link], className="xd-mask-fields")
    state = "alarm" if row.state == "failed" else "stale"
    return html.Div([states.mark(state, row.state), html.Span(row.message)], className="xd-mask-fields")


def panels_of(file: XpcsFile, theme: str) -> Any:
    """Small panels of g2 of the file that the job wrote; of many bins, a few along q."""
    labels = choose_q(file, None, PANELS)
    colours = q_colours(file.n_q, theme)
    source = Source(file)
    panels = [
        Panel(file.q_labels[label - 1], (curve_of(source, label, colour=colours[label - 1]),))
        for label in labels
    ]
    drawn = figure_panels(panels, theme)
    drawn.layout["margin"] |= {"t": 48}  # room for the mode bar above the titles
    return drawn


def register_regroup(app: Dash, bench: Workbench, session_of: Any) -> None:
    """Add the callbacks of the job."""

    @app.callback(
        Output("mask-regroup-job", "data"),
        Output("mask-regroup-watch", "disabled"),
        Input("mask-regroup", "n_clicks"),
        prevent_initial_call=True,
    )
    @open_to(Role.OPERATOR)
    def begin(clicks: Any) -> Any:
        if not clicks:
            raise PreventUpdate
        return submit(bench, session_of()), False

    @app.callback(
        Output("mask-regroup-state", "children"),
        Output("mask-regroup-watch", "disabled", allow_duplicate=True),
        Output("mask-regroup-cancel", "hidden"),
        Output("mask-regroup-graph", "figure"),
        Output("mask-regroup-plot", "hidden"),
        Input("mask-regroup-watch", "n_intervals"),
        Input("mask-regroup-job", "data"),
        prevent_initial_call=True,
    )
    @open_to(Role.VIEWER)
    def watch(_tick: Any, job: Any) -> Any:
        if not job:
            raise PreventUpdate
        try:
            row = bench.services.jobs.get(int(job))
        except NotFoundError:  # a job of another state directory, which this tab remembers
            raise PreventUpdate from None
        waiting = row.state in ("queued", "running")
        figure: Any = no_update
        if row.state == "done":
            made = folder(bench) / Path(str(row.result["path"])).name
            figure = patch(panels_of(bench.services.door.open(made), current_theme()))
        line = job_line(row, bench.services.settings.url_prefix)
        return line, not waiting, not waiting, figure, row.state != "done"

    @app.callback(
        Output("mask-regroup-watch", "disabled", allow_duplicate=True),
        Input("mask-regroup-cancel", "n_clicks"),
        State("mask-regroup-job", "data"),
        prevent_initial_call=True,
    )
    @open_to(Role.OPERATOR)
    def cancel(clicks: Any, job: Any) -> Any:
        if not clicks or not job or ctx.triggered_id != "mask-regroup-cancel":
            raise PreventUpdate
        bench.services.jobs.cancel(int(job), user_name())
        return False
