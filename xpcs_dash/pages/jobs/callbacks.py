"""Callbacks of the Jobs page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import ALL, Input, Output, State, ctx, no_update
from dash.exceptions import PreventUpdate

from xpcs_dash.components.errors import notify
from xpcs_dash.pages.jobs import views
from xpcs_dash.shell.allow import Role, may_write, open_to, user_name

if TYPE_CHECKING:
    from dash import Dash

    from xpcs_dash.services import Services

FILTERS: dict[str, tuple[str, ...] | None] = {
    "all": None,
    "open": ("queued", "running"),
    "failed": ("failed", "interrupted"),
}
MOST = 200


def register(app: Dash, services: Services) -> None:
    """Add the callbacks of the page."""

    @app.callback(
        Output("jobs-list", "children"),
        Output("jobs-count", "children"),
        Output("jobs-stamp", "data"),
        Output("jobs-workers", "children"),
        Output("jobs-scheduler", "children"),
        Input("jobs-tick", "n_intervals"),
        Input("jobs-show", "value"),
        Input("jobs-done", "data"),
        State("jobs-stamp", "data"),
    )
    @open_to(Role.VIEWER)
    def show(_tick: Any, shown: str, _done: Any, before: Any) -> Any:
        status = services.jobs.dispatcher()
        stamp = f"{shown} {services.jobs.stamp()}"
        people = (views.workers(status), status.scheduler)
        if stamp == before:
            return no_update, no_update, no_update, *people
        rows = services.jobs.list(MOST, states=FILTERS.get(shown))
        counts = services.jobs.counts()
        text = f"{counts['running']} running · {counts['queued']} waiting · {counts['failed']} failed"
        made = views.table(rows, services.settings.url_prefix, may_write=may_write())
        return made, text, stamp, *people

    @app.callback(
        Output("jobs-done", "data"),
        Input({"type": "jobs-act", "job": ALL, "action": ALL}, "n_clicks"),
        Input("jobs-clear", "n_clicks"),
        prevent_initial_call=True,
    )
    @open_to(Role.OPERATOR)
    def act(clicks: Any, clear: Any) -> Any:
        where = ctx.triggered_id
        if where == "jobs-clear" and clear:
            notify(f"{services.jobs.clear(who=user_name())} ended jobs removed from the list.", "info")
            return services.jobs.stamp()
        if not isinstance(where, dict) or not any(clicks):
            raise PreventUpdate
        carry_out(services, int(where["job"]), str(where["action"]))
        return services.jobs.stamp()


def carry_out(services: Services, job_id: int, action: str) -> None:
    """Do what a button of a job says."""
    jobs = services.jobs
    if action == "cancel":
        jobs.cancel(job_id, user_name())
    elif action == "retry":
        jobs.retry(job_id, user_name())
    else:
        step = 1 if action == "up" else -1
        jobs.set_priority(job_id, jobs.get(job_id).priority + step, user_name())
