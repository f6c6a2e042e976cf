"""Pieces of the job list; the Fit page shows the same progress."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard
from urllib.parse import quote

from dash import html

from xpcs_dash.components import states

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from xpcs_dash.database.record.jobs import DispatcherStatus, JobRow

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


def chain_rows(detail: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What each chain last said of itself; empty for a job that tells none, or only how far they are."""
    rows = detail.get("chains")
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def chain_table(detail: Mapping[str, Any]) -> Any:
    """One line a chain: how far it is, divergences, acceptance and steps; nothing before there is any."""
    rows = chain_rows(detail)
    if not rows:
        return []
    total = detail.get("total")
    head = [
        html.Th("chain"),
        html.Th("draws"),
        html.Th("divergent", title="passes: none"),
        html.Th("acceptance", title="mean acceptance of the proposals; aimed at 0.8 to 0.95"),
        html.Th("steps", title="mean leapfrog steps of a draw"),
    ]
    body = [_chain_line(k, row, total) for k, row in enumerate(rows)]
    return html.Table([html.Thead(html.Tr(head)), html.Tbody(body)], className="fit-table fit-chain-table")


def _chain_line(k: int, row: Mapping[str, Any], total: Any) -> Component:
    draws, divergent = row.get("draws"), row.get("divergences")
    far = min(1.0, draws / total) if _is_number(draws) and _is_number(total) and total > 0 else 0.0
    bad = _is_number(divergent) and divergent > 0
    return html.Tr(
        [
            html.Td(html.B(str(int(row.get("chain", k)) + 1))),
            html.Td([html.Div(bar(far), className="jobs-bar"), _short(draws, ".0f")]),
            html.Td(states.mark("warning", _short(divergent, ".0f")) if bad else _short(divergent, ".0f")),
            html.Td(_short(row.get("accept"), ".2f")),
            html.Td(_short(row.get("steps"), ".1f")),
        ]
    )


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)


def _short(value: Any, form: str) -> str:
    return f"{value:{form}}" if _is_number(value) else "—"


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
    return html.Span(columns, className="fit-chain-columns", **{"aria-label": f"{len(columns)} chains"})


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
        if (far := row.detail.get("chains")) and not chain_rows(row.detail):
            made.append(chains(far))
    said = numbers(row.detail)
    if said:
        made.append(html.Span(said))
    made += verdict(row)
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
    ref = row.params.get("ref")
    fits = row.kind in ("nlsq", "nuts") and ref
    target = f"{base}/fit?file={quote(str(ref))}&job={row.id}" if fits else ""
    return html.A(row.title, href=target) if target else row.title


def verdict(row: JobRow) -> list[Component]:
    """How many bins of a finished fit passed: that a job is done does not say that its fit is good."""
    good, bins = row.result.get("good"), row.result.get("bins")
    if row.state != "done" or not _is_number(good) or not _is_number(bins):
        return []
    state = "ok" if good == bins else "warning" if good else "alarm"
    return [states.mark(state, f"{good} of {bins} bins good")]


def _said(row: JobRow) -> list[Any]:
    said = numbers(row.detail) if row.state in ("running", "done") else ""
    text = " · ".join(part for part in (row.message, said) if part)
    return [*([text, " "] if text else []), *verdict(row)]


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
