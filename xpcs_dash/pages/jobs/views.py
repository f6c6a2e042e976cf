"""Pieces of the job list; the Fit page shows the same progress."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dash import html

from xpcs_dash.components import states

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from xpcs_dash.jobs.table import DispatcherStatus, JobRow

#: State of a job -> (state of the design, word).
MARKS = {
    "queued": ("nodata", "waiting"),
    "running": ("ok", "running"),
    "done": ("ok", "done"),
    "failed": ("alarm", "failed"),
    "cancelled": ("stale", "cancelled"),
    "interrupted": ("warning", "interrupted"),
}


def mark(row: JobRow) -> Component:
    """State of a job as sign, colour and word."""
    state, word = MARKS[row.state]
    return states.mark(state, word)


def bar(fraction: float) -> Component:
    """A progress bar."""
    percent = f"{100 * min(1.0, max(0.0, fraction)):.0f}"
    return html.Div(
        html.Div(style={"width": f"{percent}%"}),
        className="fit-bar",
        role="progressbar",
        **{"aria-valuenow": percent, "aria-valuemin": "0", "aria-valuemax": "100"},
    )


def chains(fractions: Sequence[float]) -> Component:
    """One small column a chain, as high as the chain is far."""
    columns = [
        html.Div(
            html.Div(style={"height": f"{100 * min(1.0, max(0.0, f)):.0f}%"}),
            className="fit-chain",
            title=f"chain {k + 1}: {100 * f:.0f} %",
        )
        for k, f in enumerate(fractions)
    ]
    return html.Span(columns, className="fit-chains", **{"aria-label": f"{len(columns)} chains"})


def numbers(detail: dict[str, Any]) -> str:
    """What a sampler last said of itself: draws, R-hat, ESS, divergences."""
    parts = []
    if (draws := detail.get("draws")) is not None:
        total = detail.get("total")
        parts.append(f"{draws} of {total} draws" if total else f"{draws} draws")
    for key, name, text in (
        ("r_hat", "R-hat", ".3f"),
        ("ess", "ESS", ".0f"),
        ("ess_bulk", "ESS bulk", ".0f"),
    ):
        value = detail.get(key)
        if isinstance(value, int | float) and math.isfinite(value):
            parts.append(f"{name} {value:{text}}")
    if (divergences := detail.get("divergences")) is not None:
        parts.append(f"{divergences} divergent")
    return " · ".join(parts)


def progress(row: JobRow) -> list[Component]:
    """A job in one line: state, bar, chains, numbers, message."""
    made: list[Component] = [mark(row)]
    if row.state in ("queued", "running"):
        made.append(bar(row.progress))
        made.append(html.B(f"{100 * row.progress:.0f} %"))
        if row.detail.get("chains"):
            made.append(chains(row.detail["chains"]))
    said = numbers(row.detail)
    if said:
        made.append(html.Span(said))
    message = row.message or (
        f"took {duration(row.finished - row.started)}" if row.finished and row.started else ""
    )
    made.append(html.Span(message, className="xd-muted"))
    return made


def duration(seconds: float) -> str:
    """``4.2 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"


def table(rows: Sequence[JobRow], prefix: str, *, may_write: bool) -> Component:
    """All jobs as a table with their buttons."""
    if not rows:
        return states.empty(
            "No jobs in this list.", "Fits, samplings and averages that you start appear here."
        )
    head = ["job", "state", "progress", "what it says", "worker", "prio", "asked", "took", ""]
    body = [
        html.Tr(
            [
                html.Td([html.B(f"{row.id} "), _title(row, prefix)], className="jobs-title"),
                html.Td(mark(row)),
                html.Td([html.Div(bar(row.progress), className="jobs-bar"), f"{100 * row.progress:.0f} %"]),
                html.Td(_said(row), className="jobs-message"),
                html.Td(row.worker.rpartition(":")[2] or "—", title=row.worker, className="jobs-pid"),
                html.Td(str(row.priority), className="fit-number"),
                html.Td(
                    [
                        _clock(row.created),
                        html.Small(f" {row.owner}" if row.owner else "", className="xd-muted"),
                    ]
                ),
                html.Td(_took(row)),
                html.Td(_buttons(row, may_write)),
            ],
            **{"data-job": str(row.id), "data-state": row.state},
        )
        for row in rows
    ]
    return html.Table(
        [html.Thead(html.Tr([html.Th(name) for name in head])), html.Tbody(body)],
        className="fit-table jobs-table",
    )


def _title(row: JobRow, prefix: str) -> Any:
    base = prefix.rstrip("/")
    file_id = row.params.get("file_id")
    target = f"{base}/fit?file={file_id}&job={row.id}" if row.kind in ("nlsq", "nuts") and file_id else ""
    return html.A(row.title, href=target) if target else row.title


def _said(row: JobRow) -> str:
    said = numbers(row.detail) if row.state in ("running", "done") else ""
    return " · ".join(part for part in (row.message, said) if part)


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))


def _took(row: JobRow) -> str:
    if row.started is None:
        return "—"
    return duration((row.finished or time.time()) - row.started)


def _buttons(row: JobRow, may_write: bool) -> Component:
    def button(action: str, word: str, title: str) -> Component:
        return html.Button(
            word,
            id={"type": "jobs-act", "job": row.id, "action": action},
            type="button",
            className="xd-btn" + (" xd-btn-danger" if action == "cancel" else ""),
            title=title,
            disabled=not may_write,
        )

    made = []
    if row.state in ("queued", "running"):
        made.append(button("cancel", "Cancel", "stop this job"))
    if row.state == "queued":
        made.append(button("up", "▲", "run earlier"))
        made.append(button("down", "▼", "run later"))
    if row.state in ("failed", "cancelled", "interrupted"):
        made.append(button("retry", "Retry", "queue it again"))
    return html.Span(made, className="jobs-actions")


def workers(status: DispatcherStatus) -> Component:
    """The worker processes with process id and memory; a sentence where there is none."""
    if not status.alive:
        return states.warning_line(status.message)
    if not status.workers:
        return html.Span(status.message or "The workers are starting.", className="xd-muted")
    head = html.Tr([html.Th(name) for name in ("process", "host", "memory", "works on")])
    rows = [
        html.Tr(
            [
                html.Td(html.B(str(worker.get("pid", "…")), className="jobs-worker-pid")),
                html.Td(worker.get("host", "…")),
                html.Td(f"{worker['memory_mb']:.0f} MB" if "memory_mb" in worker else "…"),
                html.Td(f"job {worker['job']}" if worker.get("job") else "nothing"),
            ]
        )
        for worker in status.workers
    ]
    return html.Table([html.Thead(head), html.Tbody(rows)], className="fit-table")
