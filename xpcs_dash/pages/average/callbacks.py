"""Callbacks of the average page."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import dash_bootstrap_components as dbc
from dash import Input, Output, State, ctx, html, no_update
from dash.exceptions import PreventUpdate

from xpcs_dash.analysis.averaging import AcceptRule, Levels, measure, refusal
from xpcs_dash.components import states
from xpcs_dash.components.graphs import message, patch
from xpcs_dash.components.selection import Selection
from xpcs_dash.components.theme import current_theme
from xpcs_dash.errors import UsageError, XpcsDashError
from xpcs_dash.figures.average import figure_baselines
from xpcs_dash.figures.format import engineering, uncertain
from xpcs_dash.results.identity import display_name
from xpcs_dash.shell.allow import Role, open_to, user_name

if TYPE_CHECKING:
    from dash import Dash

    from xpcs_dash.services import Services

#: Files are measured this long at a time, so that the page answers while a long list is read.
BUDGET_S = 0.08

Entry = dict[str, Any]


def measure_some(
    services: Services, selection: Selection, label: int, window: int, known: Sequence[Entry]
) -> list[Entry]:
    """Measure files in the order of selection until the time is used up; at least one."""
    wanted = (label, window)
    done = {(e["ref"], e["key"]): e for e in known if (e["label"], e["window"]) == wanted}
    stop = time.perf_counter() + BUDGET_S
    entries = []
    for ref, key in zip(selection.refs, selection.keys, strict=True):
        entry = done.get((ref, key))
        if entry is None:
            entry = {"ref": ref, "key": key, "label": label, "window": window}
            entry |= asdict(levels_of(services, ref, label, window))
        entries.append(entry)
        if time.perf_counter() > stop:
            break
    return entries


def levels_of(services: Services, ref: str, label: int, window: int) -> Levels:
    """What the rule needs of one file; one that cannot be used says why."""
    try:
        return services.kernel.derived(
            ref, "average.levels", (label, window), lambda xf: measure(xf, label, window)
        )
    except XpcsDashError as err:
        return Levels(ref, problem=str(err))


def entries_to_rows(
    entries: Sequence[Entry], rule: AcceptRule, overruled: Mapping[str, bool]
) -> list[dict[str, Any]]:
    """Rows of the table: what the rule says, and what a person said over it."""
    rows = []
    for entry in entries:
        levels = Levels(**{name: entry[name] for name in Levels.__dataclass_fields__})
        reason = refusal(levels, rule)
        taken = not reason if not levels.problem else False
        said = overruled.get(entry["ref"])
        if said is not None and not levels.problem:
            taken = said
        rows.append(
            {
                "ref": entry["ref"],
                "taken": taken,
                "name": levels.name,
                "baseline": str(uncertain(levels.baseline, levels.baseline_err)),
                "contrast": engineering(levels.contrast),
                "intensity": engineering(levels.intensity),
                "verdict": f"✕ {reason}" if reason else "● accepted",
            }
        )
    return rows


def output_name(asked: str | None, first: str) -> str:
    """Name of the averaged file: what was asked for, or after the first file; safe as a file name.

    Raises
    ------
    UsageError
        For a name with a path in it.
    """
    stem = (asked or "").strip()
    if not stem:  # what the first file is called may be no name for ours
        stem = "Average_" + re.sub(r"[^\w.+ -]+", "_", display_name(first))[:120]
    if not re.fullmatch(r"[\w.+ -]{1,150}", stem) or stem.startswith("."):
        raise UsageError(
            f"{stem!r} cannot be a file name: use letters, digits, dots, dashes and underscores."
        )
    return stem.removesuffix(".hdf").removesuffix("_results") + "_results.hdf"


def rule_of(label: Any, window: Any, low: Any, high: Any) -> AcceptRule:
    """The rule that the controls stand for.

    Raises
    ------
    UsageError
        Where a control is empty or the band is upside down.
    """
    if None in (label, window, low, high):
        raise UsageError("The accept rule needs a q-bin, a number of delays and two limits.")
    return AcceptRule(int(label), int(window), float(low), float(high))


def submit(services: Services, refs: list[str], name: str | None, owner: str) -> int:
    """Queue the average of these files, as they are now; returns the job's id.

    Raises
    ------
    UsageError
        Fewer than two files, or a name that cannot be one.
    """
    if len(refs) < 2:
        raise UsageError("An average needs two files at least: choose more in the file list.")
    paths = [services.catalogue.path_of(ref) for ref in refs]
    out = services.settings.averages_dir / output_name(name, paths[0].name)
    return services.jobs.submit(
        "average",
        {"paths": [str(path) for path in paths], "out": str(out)},
        f"Average of {len(paths)} files",
        owner=owner,
        files=services.catalogue.versions(refs),
    )


def register(app: Dash, services: Services) -> None:
    """Add the callbacks."""

    @app.callback(
        Output("average-levels", "data"),
        Output("average-tick", "disabled"),
        Input("shell-current", "data"),
        Input("average-bin", "value"),
        Input("average-window", "value"),
        Input("average-tick", "n_intervals"),
        State("average-levels", "data"),
    )
    @open_to(Role.VIEWER)
    def read(current: Any, label: Any, window: Any, _tick: Any, known: list[Entry]) -> Any:
        selection = Selection.parse(current)
        if not label or not window:
            raise PreventUpdate
        entries = measure_some(services, selection, int(label), int(window), known or [])
        return entries, len(entries) == len(selection.refs)

    @app.callback(
        Output("average-overruled", "data"),
        Input("average-grid", "cellValueChanged"),
        State("average-overruled", "data"),
        prevent_initial_call=True,
    )
    @open_to(Role.VIEWER)
    def overrule(changes: Any, overruled: dict[str, bool]) -> Any:
        for change in changes or ():
            overruled[str(change["data"]["ref"])] = bool(change["data"]["taken"])
        return overruled

    @app.callback(
        Output("average-graph", "figure"),
        Output("average-grid", "rowData"),
        Output("average-conditions", "children"),
        Input("average-levels", "data"),
        Input("average-overruled", "data"),
        Input("average-window", "value"),
        Input("average-low", "value"),
        Input("average-high", "value"),
        State("average-bin", "value"),
        State("shell-current", "data"),
    )
    @open_to(Role.VIEWER)
    def show(entries: Any, overruled: Any, window: Any, low: Any, high: Any, label: Any, current: Any) -> Any:
        if not entries:
            hint = "Select several files in the list on the left: Ctrl-click or Shift-click."
            return message("Choose the files to average.", hint), [], ""
        try:
            rule = rule_of(label, window, low, high)
        except UsageError as err:
            return message(str(err)), no_update, ""
        rows = entries_to_rows(entries, rule, overruled or {})
        taken = [row["taken"] for row in rows]
        figure = figure_baselines(
            [row["name"] for row in rows],
            [entry["baseline"] for entry in entries],
            [entry["baseline_err"] for entry in entries],
            taken,
            (rule.low, rule.high),
            current_theme(),
        )
        total = len(Selection.parse(current).refs)
        words = f"{sum(taken)} of {total} files taken"
        return (
            patch(figure),
            rows,
            words if len(rows) == total else f"{words} · reading {len(rows)} of {total}",
        )

    _register_job(app, services)


def _register_job(app: Dash, services: Services) -> None:
    @app.callback(
        Output("average-job", "data"),
        Output("average-watch", "disabled"),
        Input("average-run", "n_clicks"),
        State("average-grid", "rowData"),
        State("average-name", "value"),
        prevent_initial_call=True,
    )
    @open_to(Role.OPERATOR)
    def start(clicks: Any, rows: Any, name: str | None) -> Any:
        if not clicks:
            raise PreventUpdate
        chosen = [row["ref"] for row in rows or () if row["taken"]]
        job = submit(services, chosen, name, user_name())
        return job, False

    @app.callback(
        Output("average-state", "children"),
        Output("average-watch", "disabled", allow_duplicate=True),
        Input("average-watch", "n_intervals"),
        Input("average-job", "data"),
        prevent_initial_call="initial_duplicate",
    )
    @open_to(Role.VIEWER)
    def watch(_tick: Any, job: int | None) -> Any:
        if not job:
            return None, True
        row = services.jobs.get(job)
        made = services.catalogue.by_path(row.result["path"]) if row.state == "done" else None
        name = made.ref if made is not None and made.state == "ready" else None
        waits = row.state in ("queued", "running") or (row.state == "done" and made is None)
        return job_line(row, services.settings.url_prefix, name), not (waits or _settling(made))

    @app.callback(
        Output("average-watch", "disabled", allow_duplicate=True),
        Input("average-cancel", "n_clicks"),
        State("average-job", "data"),
        prevent_initial_call=True,
    )
    @open_to(Role.OPERATOR)
    def cancel(clicks: Any, job: int | None) -> Any:
        if not clicks or not job or ctx.triggered_id != "average-cancel":
            raise PreventUpdate
        services.jobs.cancel(job, user_name())
        return False


def _settling(row: Any) -> bool:
    """Whether the averaged file is still to be read."""
    return row is not None and row.state == "waiting"


def job_line(row: Any, prefix: str, ref: str | None = None) -> Any:
    """One line about the job: how far, how to stop it, where its file is (its public name)."""
    if row.state in ("queued", "running"):
        return html.Div(
            [
                states.mark("nodata" if row.state == "queued" else "ok", row.state),
                dbc.Progress(value=100 * row.progress, style={"flex": "1", "height": "8px"}),
                html.Span(row.message or "waiting for a worker", className="xd-muted"),
                html.Button("Cancel", id="average-cancel", className="xd-btn", type="button"),
            ],
            className="xd-toolbar",
        )
    if row.state == "done":
        name = str(row.result["path"]).rsplit("/", 1)[-1]
        link = html.A(f"Download {name}", href=f"{prefix}averages/{quote(name)}", className="xd-link")
        words = f"{row.result['files']} files averaged, {row.result['sources']} acquisitions behind them."
        seen: Any = html.Span("It is being taken into the list of files.", className="xd-muted")
        if ref is not None:
            seen = html.A("Open it", href=f"{prefix}g2?file={quote(ref)}", className="xd-link")
        return html.Div([states.mark("ok", "done"), html.Span(words), seen, link], className="xd-toolbar")
    return html.Div(
        [states.mark("alarm" if row.state == "failed" else "stale", row.state), html.Span(row.message)],
        className="xd-toolbar",
    )
