"""Tables of fitted numbers: every number with its uncertainty and unit, and every bin with its badge."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dash import html

from xpcs_dash.components import states
from xpcs_dash.components.states import SIGNS
from xpcs_dash.figures.format import uncertain
from xpcs_dash.fitting.models import get_model

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from xpcs_dash.results.statement import BinResult

LEAST_SQUARES = "± one standard error"
SAMPLED = "posterior median ± half its 94 % HDI (highest-density interval)"
"""What stands behind the ± of a table."""

WORDS = {"ok": "good", "warning": "with care", "alarm": "not usable", "nodata": "not judged"}


@dataclass(frozen=True)
class Line:
    """One bin of a table.

    Attributes
    ----------
    label, name : number and name of the bin.
    state : ok, warning, alarm or nodata.
    values : parameter -> (value, low, high, sigma) in its unit; the interval may be None.
    chi2 : reduced χ², or None.
    reasons : sentences why the state is not ok.
    held : parameters that were not fitted.
    sampled : whether the intervals are those of a posterior; the table then shows them behind ±.
    """

    label: int
    name: str
    state: str
    values: Mapping[str, tuple[float, float | None, float | None, float | None]]
    chi2: float | None
    reasons: tuple[str, ...] = ()
    held: frozenset[str] = field(default_factory=frozenset)
    sampled: bool = True

    @classmethod
    def of(cls, said: BinResult, name: str) -> Line:
        """What is said of a bin, under this name."""
        return cls(
            label=said.label,
            name=name,
            state=said.verdict.state,
            values={n: (e.value, e.low, e.high, e.sigma) for n, e in said.values.items()},
            chi2=said.chi2_red if math.isfinite(said.chi2_red) else None,
            reasons=said.verdict.reasons,
            held=frozenset(n for n, e in said.values.items() if e.held),
            sampled=said.origin.method == "nuts",
        )


def badge(state: str, reasons: Sequence[str] = ()) -> Component:
    """Sign and word of a bin's state; the reasons as its title."""
    sign = html.Span(SIGNS.get(state, "◌"), className="xd-sign", **{"aria-hidden": "true"})
    text = html.Span(WORDS.get(state, state), className=f"fit-badge-word fit-badge-{state}")
    return html.Span([sign, text], className=f"xd-mark xd-{state} fit-badge", title="; ".join(reasons))


def results(lines: Sequence[Line], model: str, *, interval: str) -> Component:
    """The table of parameters.

    Parameters
    ----------
    lines : one a bin.
    model : name of the model, for units and order.
    interval : what the uncertainty is, such as ``± 1 σ`` or ``94 % interval``.
    """
    spec = get_model(model)
    head = [
        html.Th(["q-bin", html.Small(" q / Å⁻¹")]),
        html.Th("checks"),
        html.Th("χ²", title="reduced χ²"),
        *(
            html.Th([html.B(p.symbol), html.Small(f" {p.name}{f' / {p.unit}' if p.unit else ''}")])
            for p in spec.parameters
        ),
    ]
    rows: list[Component] = []
    for line in lines:
        short = line.name.removeprefix("q = ").replace("\N{NO-BREAK SPACE}Å⁻¹", "")
        cells = [html.Td([html.B(f"{line.label} "), html.Span(short, className="xd-muted")], title=line.name)]
        cells.append(html.Td(badge(line.state, line.reasons)))
        cells.append(html.Td("—" if line.chi2 is None else f"{line.chi2:.3g}", className="fit-number"))
        cells += [html.Td(_value(line, p.name, p.unit), className="fit-number") for p in spec.parameters]
        rows.append(html.Tr(cells, className=f"fit-row-{line.state}", **{"data-label": str(line.label)}))
        if line.reasons:
            rows.append(_why(line.reasons, line.state, len(head)))
    return html.Table(
        [html.Caption(interval), html.Thead(html.Tr(head)), html.Tbody(rows)], className="fit-table"
    )


def _why(reasons: Sequence[str], state: str, columns: int) -> Component:
    """The row below a bin that says why; two lines of it, all of it on hovering."""
    text = "; ".join(reasons) + "."
    cell = html.Td(html.Div(text, title=text), colSpan=columns - 1, className=f"fit-why xd-{state}")
    return html.Tr([html.Td(""), cell], className="fit-why-row")


def _value(line: Line, name: str, unit: str) -> Any:
    if name not in line.values:
        return "—"
    value, low, high, sigma = line.values[name]
    if name in line.held:
        return [str(uncertain(value, None, unit)), html.Small(" held", className="xd-muted")]
    known = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    shown = uncertain(value, (high - low) / 2 if known and line.sampled else sigma, unit)  # type: ignore[operator]
    if not shown.sigma:
        # a number never stands there as if it were exact
        return [str(shown), html.Small(" ± ?", title="its error is unknown, or far larger than the value")]
    if not known:
        return str(shown)
    ends = f"{uncertain(low, None, unit)} to {uncertain(high, None, unit)}"
    return html.Span(str(shown), title=f"94 % {'HDI' if line.sampled else 'interval'} {ends}")


CHECKS = ("r_hat", "ess_bulk", "ess_tail", "divergences", "bfmi", "misfit")
HEADS = {
    "r_hat": ("R-hat", "below 1.01"),
    "ess_bulk": ("ESS bulk", "above 400"),
    "ess_tail": ("ESS tail", "above 400"),
    "divergences": ("divergent", "none"),
    "bfmi": ("BFMI", "at least 0.2 in every chain"),
    "misfit": ("misfit", "the model can have made the data"),
}


@dataclass(frozen=True)
class Verdict:
    """Diagnostics of one bin.

    Attributes
    ----------
    label, name : of the bin.
    state : ok or alarm.
    checks : check of `CHECKS` -> (text of the value, passed or None where it could not be computed).
    reasons : sentences why it failed.
    """

    label: int
    name: str
    state: str
    checks: Mapping[str, tuple[str, bool | None]]
    reasons: tuple[str, ...] = ()


def verdicts(rows: Sequence[Verdict]) -> Component:
    """The table q × checks as lights: colour, sign and number, and the sentence why."""
    head = [
        html.Th("q-bin"),
        *(html.Th(HEADS[c][0], title=f"passes: {HEADS[c][1]}") for c in CHECKS),
        html.Th("verdict"),
    ]
    body: list[Component] = []
    for row in rows:
        cells = [html.Td(html.B(str(row.label)), title=row.name)]
        for check in CHECKS:
            text, passed = row.checks.get(check, ("not computed", None))
            state = "ok" if passed else "alarm"
            sign = html.Span(SIGNS[state], className="xd-sign", **{"aria-hidden": "true"})
            cells.append(html.Td([sign, text], className=f"fit-light xd-{state}"))
        word = "converged" if row.state == "ok" else "failed"
        cells.append(html.Td(states.mark(row.state, word)))
        body.append(html.Tr(cells, **{"data-label": str(row.label)}))
        if row.state != "ok":
            body.append(_why(row.reasons or ("it was not checked",), row.state, len(head)))
    return html.Table([html.Thead(html.Tr(head)), html.Tbody(body)], className="fit-table fit-lights")
