"""What the diffusion page draws and lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from dash import html

from xpcs_dash.analysis import diffusion
from xpcs_dash.components.views import Looked, name_of
from xpcs_dash.errors import UsageError
from xpcs_dash.figures.diffusion import Series
from xpcs_dash.figures.format import format_q, uncertain
from xpcs_dash.figures.theme import q_colours, tokens
from xpcs_dash.results.said import said_of
from xpcs_dash.services import Services

if TYPE_CHECKING:
    from xpcs_dash.results.statement import BinResult

MOST_FILES = 12


def batch(services: Services, ref: str, model: str) -> tuple[BinResult, ...]:
    """Fit of all q of one file, remembered: the one made at ingest, where it is of this model and made with
    the settings in force, else one made now.

    Raises
    ------
    UsageError
        Where the file holds no multi-tau g2.
    """
    row, here = services.catalogue.get(ref), services.kernel.open(ref)
    kept = said_of(row).bins
    same = (row.mtime_ns, row.size) == (here.key.mtime_ns, here.key.size)

    def compute(xf: Any) -> tuple[BinResult, ...]:
        if same and len(kept) == xf.n_q and all(b.model == model for b in kept):
            made_with = kept[0].origin.settings.get("min_coincidences") if kept else None
            if made_with == xf.min_coincidences:
                return kept
        made = diffusion.statements_of(xf, model)
        return tuple(b.of(row.ref, row.version) for b in made)

    found: tuple[BinResult, ...] = services.kernel.derived(ref, "fit.batch", (model,), compute)
    return found


def series(
    services: Services, seen: Looked, model: str, parameter: str, q_range: tuple[float, float] | None = None
) -> list[Series]:
    """One series per chosen file; the power law for τ where two good points allow it."""
    ids = seen.selection.refs[:MOST_FILES]
    colours = [tokens(seen.theme).accent] if len(ids) == 1 else q_colours(len(ids), seen.theme)
    made = []
    for ref, colour in zip(ids, colours, strict=True):
        bins, time = batch(services, ref, model), parameter == "tau"
        found = diffusion.times_of(bins) if time else diffusion.points_of(bins, parameter)
        law = None
        if parameter == "tau" and found.usable.sum() >= 2:
            try:
                law = diffusion.power_law(found, q_range)
            except UsageError:
                law = None
        made.append(Series(name_of(services, ref), found, law, colour))
    return made


def limits(low: Any, high: Any) -> tuple[float, float] | None:
    """The q range of the power law from its two controls, or None for all q.

    Raises
    ------
    UsageError
        Where the range is empty.
    """
    if low is None and high is None:
        return None
    q0, q1 = float(low or 0.0), float("inf") if high is None else float(high)
    if q1 <= q0:
        raise UsageError("The q range of the power law must rise.")
    return q0, q1


def summary(made: list[Series]) -> str:
    """How many bins count, for the title line."""
    good, total = sum(s.points.status.count("ok") for s in made), sum(s.points.q.size for s in made)
    bound = sum(s.points.status.count("bound") for s in made)
    failed = sum(s.points.status.count("failed") for s in made)
    parts = [f"{good} of {total} bins good"]
    if bound:
        parts.append(f"{bound} with a flag, such as one at a bound (open)")
    if failed:
        parts.append(f"{failed} without a fit (✕)")
    return " · ".join(parts)


def radius(law: diffusion.PowerLaw, temperature_k: float | None, viscosity_mpa_s: float | None) -> str:
    """Hydrodynamic radius with its error, or a dash where something it needs is not known."""
    if law.d is None or law.d_err is None or not temperature_k or not viscosity_mpa_s:
        return "—"
    value = diffusion.hydrodynamic_radius(law.d, temperature_k, 1e-3 * viscosity_mpa_s)
    return str(uncertain(value, value * law.d_err / law.d, "nm"))


def temperatures(services: Services, seen: Looked, given: Any) -> list[float | None]:
    """Temperature of each file in K: the one that was typed, else the file's own."""
    ids = seen.selection.refs[:MOST_FILES]
    if given is not None:
        return [float(given)] * len(ids)
    return [services.kernel.open(ref).temperature_k for ref in ids]


def law_table(
    made: list[Series],
    temperatures_k: Sequence[float | None] | None = None,
    viscosity_mpa_s: float | None = None,
) -> Any:
    """a, b and D of every file; with a viscosity in mPa·s the radius as well.

    Raises
    ------
    UsageError
        For a temperature or viscosity that is not above zero.
    """
    radii = viscosity_mpa_s is not None
    known = list(temperatures_k or [None] * len(made))
    if viscosity_mpa_s is not None and (viscosity_mpa_s <= 0 or any(t is not None and t <= 0 for t in known)):
        raise UsageError("A radius needs a temperature and a viscosity above zero.")
    rows = []
    for one, kelvin in zip(made, known, strict=True):
        law = one.law
        if law is None:
            rows.append([one.name, "fewer than two good bins", "", "", *[""] * radii, ""])
            continue
        d = "b is not −2" if law.d is None else str(uncertain(law.d, law.d_err, "Å²/s"))
        chi2 = f"{law.chi2:.2g}" if np.isfinite(law.chi2) else "—"
        size = [radius(law, kelvin, viscosity_mpa_s)] if radii else []
        rows.append([one.name, str(uncertain(law.b, law.b_err)), d, *size, f"{law.a:.3g}", chi2])
    note = (
        "D = 1/(τ·q²) from a fit with b = −2, given where b is within 0.2 or two standard errors of it; "
        "g₂ − baseline ∝ exp(−2τ/τc)."
    )
    if radii:
        missing = "" if all(known) else " A file without a temperature needs one in the toolbar."
        note += f" R_h = k_B·T/(6π·η·D) with η = {viscosity_mpa_s:g} mPa·s; its error is that of D alone."
        note += missing
    head = ["file", "b", "D", *["R_h"] * radii, "a (s·Å^b)", "χ²"]
    return [table(head, rows), html.P(note, className="xd-views-note")]


def value_table(services: Services, seen: Looked, model: str) -> Any:
    """All parameters of the primary file, one row per bin."""
    bins = batch(services, seen.ref, model)
    names = bins[0].names if bins else ()
    rows, classes = [], []
    for b in bins:
        drawn = b.verdict.has_curve
        cells = [str(b.label), format_q(b.q, b.q_unit)]
        cells += [str(uncertain(v.value, v.sigma, v.unit)) if drawn else "—" for v in b.values.values()]
        cells.append(f"{b.chi2_red:.2f}" if drawn else "—")
        sign = "● " if b.good else "▲ " if drawn else "✕ "
        cells.append(sign + b.verdict.sentence)
        rows.append(cells)
        classes.append("" if b.good else "xd-faded")
    head = [
        "bin",
        "q",
        *("γ" if n == "gamma" else "τ" if n == "tau" else n for n in names),
        "χ²",
        "verdict",
    ]
    return table(head, rows, classes)


def table(head: list[str], rows: list[list[str]], classes: list[str] | None = None) -> Any:
    """A small table; columns after the first are numbers."""
    names = classes or [""] * len(rows)
    return html.Table(
        [
            html.Thead(html.Tr([html.Th(name) for name in head])),
            html.Tbody(
                [html.Tr([html.Td(v) for v in row], className=c) for row, c in zip(rows, names, strict=True)]
            ),
        ],
        className="xd-table",
    )
