"""Rows, details and comparisons of stored fits."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np
from dash import html

from xpcs_dash.components import states
from xpcs_dash.components.panel import facts
from xpcs_dash.figures.format import format_q, uncertain
from xpcs_dash.fits.request import FitRequest
from xpcs_dash.fitting.loo import difference
from xpcs_dash.fitting.models import get_model
from xpcs_dash.pages.fit import tables
from xpcs_dash.pages.fit.shown import line_of
from xpcs_dash.pages.jobs.views import duration

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from xpcs_dash.database.record.fits import FitRow

CHECK_TEXT = {"ok": "● all good", "warning": "▲ {good} of {all} good", "alarm": "✕ none good"}
REVIEW_TEXT = {
    "open": "◌ not reviewed",
    "accepted": "● accepted",
    "rejected": "✕ rejected",
    "flagged": "▲ flagged",
}
REVIEW_STATE = {"open": "nodata", "accepted": "ok", "rejected": "alarm", "flagged": "warning"}
#: Difference of the summed log densities below which neither model is preferred.
DECISIVE = 4.0
KIND_TEXT = {"nlsq": "NLSQ", "nuts": "NUTS"}


def standing(row: FitRow, versions: Mapping[str, str]) -> str:
    """What became of the file that was fitted since; empty where it is as it was.

    Parameters
    ----------
    versions : public name -> fingerprint of what the file holds now; `Catalogue.versions`.
    """
    if row.ref not in versions:
        return "no file of this name is here any more"
    now = versions[row.ref]
    return "the file has been replaced since" if row.version and now and row.version != now else ""


def grid_row(row: FitRow, since: str = "") -> dict[str, Any]:
    """One line of the list; ``since`` is what became of the file."""
    reasons = {reason for entry in row.bins for reason in entry["reasons"]}
    return {
        "id": row.id,
        "key": str(row.id),  # the grid wants texts to tell its rows apart
        "file": row.name,
        "kind": KIND_TEXT.get(row.kind, row.kind),
        "model": row.model,
        "sigma": row.sigma,
        "state": CHECK_TEXT[row.state].format(good=row.n_good, all=row.n_q),
        "why": "; ".join([*([since] if since else []), *sorted(reasons)]) or "every bin passed",
        "chi2": "—" if row.chi2 is None else f"{row.chi2:.2f}",
        "review": REVIEW_TEXT[row.review],
        "note": " — ".join(part for part in (row.reviewer, row.note) if part),
        "when": time.strftime("%m-%d %H:%M", time.localtime(row.created)),
        "owner": row.owner,
    }


def href(row: FitRow, prefix: str) -> str:
    """Address of the Fit page with the exact state of a stored fit."""
    request = FitRequest.from_params(row.request)
    query = {
        "file": row.ref,
        **({"v": row.version[:8]} if row.version else {}),
        "q": ",".join(map(str, request.labels)),
        "model": request.model,
        "sigma": request.sigma,
        "fit": row.id,
    }
    return f"{prefix.rstrip('/')}/fit?{urlencode(query, safe=',')}"


def detail(row: FitRow, since: str = "") -> list[Component]:
    """Facts, review and parameters of one stored fit; ``since`` is what became of the file."""
    request = FitRequest.from_params(row.request)
    names = [f"q = {format_q(entry['q'])}" for entry in row.bins]
    lines = [line_of(entry, name, request) for entry, name in zip(row.bins, names, strict=True)]
    kind = tables.SAMPLED if row.kind == "nuts" else tables.LEAST_SQUARES
    said = " · ".join(part for part in (row.reviewer, row.note) if part)
    return [
        *([html.P(states.warning_line(f"{since[:1].upper()}{since[1:]}."))] if since else []),
        facts(
            [
                ("file", row.name),
                ("model", get_model(row.model).title),
                ("σ", row.sigma),
                ("delays", delays(request)),
                ("seed", str(request.seed)),
                ("took", "—" if row.seconds is None else duration(row.seconds)),
                *[(name, text) for name, text in criteria(row)],
            ]
        ),
        html.P(
            [states.mark(REVIEW_STATE[row.review], REVIEW_TEXT[row.review][2:]), html.Span(f" {said}")],
            className="fits-said",
        ),
        tables.results(lines, row.model, interval=kind),
        html.Details(
            [html.Summary("how it was made"), html.Pre(provenance(row))],
            className="xd-muted",
        ),
    ]


def delays(request: FitRequest) -> str:
    """The fitted range of delays in words."""
    if request.delay is None:
        return "all"
    low, high = request.delay
    return f"{low:.3g} s to {high:.3g} s" if math.isfinite(high) else f"from {low:.3g} s"


def criteria(row: FitRow) -> list[tuple[str, str]]:
    """Information criteria: of each bin they add up, because bins are independent."""
    made = []
    for key, name in (("aic", "AIC"), ("bic", "BIC"), ("elpd_loo", "LOO")):
        total = total_of(row, key)
        if total is not None:
            made.append((name, f"{total:.1f}{unsure(row) if key == 'elpd_loo' else ''}"))
    return made


def unsure(row: FitRow) -> str:
    """Warning beside LOO where the draws do not bear it: points whose Pareto k is too large."""
    bad = sum(int(entry.get("pareto_bad") or 0) for entry in row.bins)
    return f" ▲ {bad} point{'s' if bad > 1 else ''} with too large a Pareto k" if bad else ""


def total_of(row: FitRow, key: str) -> float | None:
    """Sum of a criterion over the bins; None where a bin has none."""
    values = [entry.get(key) for entry in row.bins]
    return float(sum(values)) if values and all(isinstance(v, int | float) for v in values) else None


def provenance(row: FitRow) -> str:
    """Everything that is needed to make the fit again, one line each."""
    request = FitRequest.from_params(row.request)
    lines = [
        f"fit        {row.id}  ({row.store_id})",
        f"source     {row.name}, version {row.version}",
        f"bounds     {dict(request.bounds) or 'defaults for the delays'}",
        f"held       {dict(request.fixed) or 'nothing'}",
        f"start      {dict(request.start) or 'from the data'}",
        f"priors     {dict(request.priors) or 'defaults of the model'}",
    ]
    if row.kind == "nuts":
        lines.append(f"sampler    {request.chains} chains × {request.draws} draws, warm-up {request.warmup}")
    lines += [f"{name:<10} {value}" for name, value in row.facts.get("settings", {}).items()]
    lines += [f"{name:<10} {value}" for name, value in row.facts.get("versions", {}).items()]
    return "\n".join(lines)


def compare(a: FitRow, b: FitRow) -> list[Component]:
    """Two fits side by side: criteria, and the parameters of the bins that both have."""
    shared = [n for n in get_model(a.model).names if n in get_model(b.model).names]
    ours, theirs = ({entry["label"]: entry for entry in row.bins} for row in (a, b))
    labels = [label for label in ours if label in theirs]
    head = html.Tr(
        [
            html.Th("q-bin"),
            html.Th("parameter"),
            html.Th(f"fit {a.id}"),
            html.Th(f"fit {b.id}"),
            html.Th("difference"),
        ]
    )
    body = [
        compare_line(label, name, ours[label], theirs[label], get_model(a.model)[name].unit)
        for label in labels
        for name in shared
    ]
    return [
        compare_facts(a, b),
        html.P(
            [
                preference(a, b),
                " Between two fits of the same points, the model with the smaller AIC or BIC, or the larger "
                "LOO, is preferred; differences below about 4 decide nothing. ± is one standard deviation.",
            ],
            className="xd-muted",
        ),
        html.Table([html.Thead(head), html.Tbody(body)], className="fit-table")
        if body
        else states.empty("These fits have no q-bin in common."),
    ]


def compare_facts(a: FitRow, b: FitRow) -> Component:
    """Names and criteria of two fits, one row each."""
    criteria_names = [name for name, _ in criteria(a) if name in dict(criteria(b))]
    head = [html.Th(name) for name in ("fit", "file", "model", "checks", "χ²", *criteria_names, "review")]
    rows = [
        html.Tr(
            [
                html.Td(html.B(str(row.id))),
                html.Td(row.name, title=row.name, className="fit-name"),
                html.Td(f"{row.model}, {KIND_TEXT.get(row.kind, row.kind)}"),
                html.Td(
                    CHECK_TEXT[row.state].format(good=row.n_good, all=row.n_q), className=f"xd-{row.state}"
                ),
                html.Td("—" if row.chi2 is None else f"{row.chi2:.3f}"),
                *(html.Td(dict(criteria(row))[name], className="fit-criterion") for name in criteria_names),
                html.Td(REVIEW_TEXT[row.review]),
            ]
        )
        for row in (a, b)
    ]
    return html.Table([html.Thead(html.Tr(head)), html.Tbody(rows)], className="fit-table")


def preference(a: FitRow, b: FitRow) -> str:
    """What leave-one-out says between two sampled fits of the same points, in one sentence; empty where it
    cannot say anything.
    """
    same = bool(a.version) and (a.version, a.sigma) == (b.version, b.sigma)
    same = same and FitRequest.from_params(a.request).delay == FitRequest.from_params(b.request).delay
    ours, theirs = ({e["label"]: e.get("elpd_points") for e in row.bins} for row in (a, b))
    labels = [label for label, points in ours.items() if points and theirs.get(label)]
    if not (same and labels):
        return ""
    pair = [np.array([each[label] for label in labels], dtype=float) for each in (ours, theirs)]
    gap, error = difference(*pair)
    n = int(np.isfinite(pair[0] - pair[1]).sum())
    better, worse = (a, b) if gap > 0 else (b, a)
    size = f"{abs(gap):.1f} ± {error:.1f} over {n} points"
    if abs(gap) < max(DECISIVE, 2.0 * error):
        return f"LOO does not decide between them: they differ by {size}."
    return f"LOO prefers fit {better.id} to fit {worse.id}, by {size}."


def compare_line(label: int, name: str, ours: Any, theirs: Any, unit: str) -> Component:
    """One parameter of one bin in both fits, with the difference in units of the joint error."""
    (v1, s1), (v2, s2) = (value_and_sigma(entry["values"][name]) for entry in (ours, theirs))
    joint = math.hypot(s1, s2)
    apart = abs(v1 - v2) / joint if joint > 0 and math.isfinite(joint) else math.nan
    text = f"{apart:.1f} σ" if math.isfinite(apart) else "—"
    state = "ok" if apart < 2 else "warning" if apart < 4 else "alarm" if math.isfinite(apart) else "nodata"
    cells = [
        html.Td(html.B(str(label))),
        html.Td(name, className="xd-muted"),
        *(
            html.Td([tables.badge(entry["state"], entry["reasons"]), " ", str(uncertain(v, s, unit))])
            for entry, v, s in ((ours, v1, s1), (theirs, v2, s2))
        ),
        html.Td(states.mark(state, text)),
    ]
    return html.Tr(cells)


def value_and_sigma(four: Sequence[float | None]) -> tuple[float, float]:
    """Value and standard error of a stored parameter; from the 94 % interval where there is no error."""
    value, low, high, sigma = (math.nan if v is None else float(v) for v in four)
    return value, sigma if math.isfinite(sigma) else (high - low) / 3.76
