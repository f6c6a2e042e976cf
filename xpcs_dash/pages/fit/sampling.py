"""Fit and Sample as jobs: submit, follow, find again after a reload, cancel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dash import Input, Output, State, ctx, no_update
from dash.exceptions import PreventUpdate

from xpcs_dash.components.errors import notify
from xpcs_dash.components.selection import Selection
from xpcs_dash.errors import UsageError
from xpcs_dash.fits.request import FitRequest, chosen
from xpcs_dash.pages.fit.controls import AS_STATE, request_from
from xpcs_dash.pages.jobs.views import chain_table, progress
from xpcs_dash.shell.allow import Role, open_to, user_name

if TYPE_CHECKING:
    from dash import Dash

    from xpcs_dash.database.record.jobs import JobRow
    from xpcs_dash.services import Services

SAMPLER = {
    "chains": State("fit-chains", "value"),
    "draws": State("fit-draws", "value"),
    "warmup": State("fit-warmup", "value"),
    "seed": State("fit-seed", "value"),
}


def submit(services: Services, ref: str, kind: str, request: FitRequest, owner: str) -> int:
    """Queue the fit of one file and return the job's id."""
    row = services.catalogue.get(ref)
    many = f"{len(request.labels)} q" if len(request.labels) != 1 else f"q-bin {request.labels[0]}"
    word = "Sample" if kind == "nuts" else "Fit"
    params = {
        **request.to_params(),
        "ref": ref,
        "path": str(services.catalogue.path_of(ref)),
        "name": row.name,
        "owner": owner,
    }
    title = f"{word} {request.model}, {many} of {row.name}"
    return services.jobs.submit(kind, params, title, owner=owner, files={ref: row.version or ""})


def submit_all(
    services: Services, current: Any, kind: str, given: Mapping[str, Any], sampler: Any
) -> list[int]:
    """Queue the fit of every selected file; returns the jobs' ids.

    Raises
    ------
    UsageError
        While there is no file, or for controls that make no sense.
    """
    selection = Selection.parse(current)
    if selection.empty:
        raise UsageError("There is no file to fit yet.")
    made = []
    for ref in selection.refs:
        labels = chosen(services.kernel.open(ref), selection.q)
        request = request_from(given, labels, **sampler)
        made.append(submit(services, ref, kind, request, user_name()))
    return made


def register_sampling(app: Dash, services: Services) -> None:
    """Add the callbacks of the buttons and of the progress."""

    @app.callback(
        Output("fit-job", "data"),
        Output("fit-tick", "disabled"),
        Input("fit-run", "n_clicks"),
        Input("fit-sample", "n_clicks"),
        State("shell-current", "data"),
        AS_STATE,
        SAMPLER,
        prevent_initial_call=True,
    )
    @open_to(Role.OPERATOR)
    def start(
        run: Any, sample: Any, current: Any, given: Mapping[str, Any], sampler: Mapping[str, Any]
    ) -> Any:
        if not (run if ctx.triggered_id == "fit-run" else sample):
            raise PreventUpdate
        kind = "nlsq" if ctx.triggered_id == "fit-run" else "nuts"
        jobs = submit_all(services, current, kind, given, sampler)
        if len(jobs) > 1:
            notify(f"{len(jobs)} jobs queued, one a file; the page follows the first.", "info")
        return str(jobs[0]), False

    @app.callback(Input("fit-cancel", "n_clicks"), State("fit-job", "data"), prevent_initial_call=True)
    @open_to(Role.OPERATOR)
    def cancel(clicks: Any, job: Any) -> None:
        if clicks and job:
            services.jobs.cancel(int(job), user_name())

    @app.callback(
        Output("fit-progress", "children"),
        Output("fit-chain-lines", "children"),
        Output("fit-tick", "disabled", allow_duplicate=True),
        Output("fit-cancel", "disabled"),
        Output("fit-shown", "data", allow_duplicate=True),
        Input("fit-tick", "n_intervals"),
        Input("fit-job", "data"),
        State("fit-shown", "data"),
        prevent_initial_call="initial_duplicate",
    )
    @open_to(Role.VIEWER)
    def follow(_tick: Any, job: Any, shown: Any) -> Any:
        if not job:
            raise PreventUpdate
        row = services.jobs.get(int(job))
        chains = [] if row.state == "done" else chain_table(row.detail)
        return progress_line(services, row), chains, row.final, row.final, result_of(row, shown)


def progress_line(services: Services, row: JobRow) -> Any:
    """Progress of the job, and why nothing moves where nobody works on the list."""
    line = progress(row)
    if row.state == "queued" and not services.jobs.dispatcher().alive:
        line[-1].children = services.jobs.dispatcher().message
    return line


def result_of(row: JobRow, shown: Any) -> Any:
    """Id of the stored fit once the job is done; nothing new before, or where it is on the screen already."""
    fit = row.result.get("fit") if row.state == "done" else None
    return fit if fit and fit != shown else no_update
