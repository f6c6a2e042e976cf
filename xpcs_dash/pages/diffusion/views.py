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
from xpcs_dash.fits.ingested import stored_fit
from xpcs_dash.fitting.models import get_model
from xpcs_dash.services import Services

if TYPE_CHECKING:
    from xpcs_dash.analysis.diffusion import Fitted

MOST_FILES = 12


def batch(services: Services, ref: str, model: str) -> Fitted:
    """Fit of all q of one file, remembered: the one made at ingest, where it is of this model and made with
    the settings in force, else one made now.

    Raises
    ------
    UsageError
        Where the file holds no multi-tau g2.
    """
    row, here = services.catalogue.get(ref), services.kernel.open(ref)
    kept = (row.summary or {}).get("fit")
    same = (row.mtime_ns, row.size) == (here.key.mtime_ns, here.key.size)

    def compute(xf: Any) -> Fitted:
        stored = stored_fit(kept, model, xf.n_q, xf.min_coincidences) if same else None
        return diffusion.fit_every_bin(xf, model) if stored is None else stored

    return services.kernel.derived(ref, "fit.batch", (model,), compute)


def series(
    services: Services, seen: Looked, model: str, parameter: str, q_range: tuple[float, float] | None = None
) -> list[Series]:
    """One series per chosen file; the power law for τ where two good points allow it."""
    ids = seen.selection.refs[:MOST_FILES]
    colours = [tokens(seen.theme).accent] if len(ids) == 1 else q_colours(len(ids), seen.theme)
    made = []
    for ref, colour in zip(ids, colours, strict=True):
        fit = batch(services, ref, model)
        q = services.kernel.open(ref).q
        time = parameter == "tau"
        found = diffusion.times_of(fit, q, model) if time else diffusion.points_of(fit, q, parameter)
        law = None
        if parameter == "tau" and found.good.sum() >= 2:
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
    good, total = sum(int(s.points.good.sum()) for s in made), sum(s.points.q.size for s in made)
    bound = sum(s.points.status.count("bound") for s in made)
    failed = sum(s.points.status.count("failed") for s in made)
    parts = [f"{good} of {total} bins"]
    if bound:
        parts.append(f"{bound} at a bound or without a full decay or described badly (open)")
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
    fit = batch(services, seen.ref, model)
    spec = get_model(model)
    rows, classes = [], []
    for k in range(fit.n_q):
        failed = bool(fit.too_few_points[k] or fit.not_converged[k])
        cells = [str(k + 1), format_q(float(seen.xf.q[k]), seen.xf.q_unit)]
        for j, name in enumerate(fit.names):
            cells.append(
                "—" if failed else str(uncertain(fit.values[k, j], fit.errors[k, j], spec[name].unit))
            )
        cells.append("—" if failed else f"{fit.chi2_red[k]:.2f}")
        reasons = fit.reasons(k)
        cells.append(
            "✕ " * failed + "▲ " * (bool(reasons) and not failed) + "; ".join(reasons)
            if reasons
            else "● good"
        )
        rows.append(cells)
        classes.append("" if fit.good[k] and not fit.poor_fit[k] else "xd-faded")
    head = [
        "bin",
        "q",
        *(n if n in ("contrast", "baseline") else spec[n].symbol for n in fit.names),
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
