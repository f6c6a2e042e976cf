"""A stored fit on the Fit page: the same panels and tables, with what was stored in place of the live fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.database.record.fits import FitIndex, FitRow
from xpcs_dash.figures.fit import FitPanel, TauPoint
from xpcs_dash.figures.g2 import Curve
from xpcs_dash.figures.theme import q_colours
from xpcs_dash.fits.request import FitRequest, Selected, select
from xpcs_dash.fitting.models import get_model
from xpcs_dash.pages.fit import tables
from xpcs_dash.pages.fit.draws import Bands, load_bands
from xpcs_dash.pages.fit.preview import View, bin_names, curve_delays, notes_of
from xpcs_dash.pages.fit.tables import Line
from xpcs_dash.results.fingerprint import fingerprint

if TYPE_CHECKING:
    from xpcs_dash.components.views import Looked
    from xpcs_dash.results.xpcs_file import XpcsFile
    from xpcs_dash.services import Services


def stored(services: Services, shown: Any) -> FitRow | None:
    """The stored fit that the page was asked for, or None."""
    return FitIndex(services.record).get(shown) if shown else None


def shown_fit(services: Services, looked: Looked, shown: Any) -> View | None:
    """A stored fit as the page shows it; None where none was asked for, or it belongs to another file."""
    row = stored(services, shown)
    if row is None or row.ref != looked.ref:
        return None
    bands = load_bands(services.settings, row) if row.kind == "nuts" else None
    return view_of_row(row, looked.xf, looked.theme, bands)


def view_of_row(row: FitRow, xf: XpcsFile, theme: str, bands: Bands | None = None) -> View:
    """The view of a stored fit over the data of its file."""
    request = FitRequest.from_params(row.request)
    data = select(xf, request)
    names = bin_names(data, xf.q_unit)
    lines = [line_of(b, names[k], request) for k, b in enumerate(row.bins)]
    warnings = notes_of(data, [line.chi2 for line in lines], request, xf)
    if row.version and row.version != fingerprint(xf):
        warnings.insert(
            0, "The file has changed since this fit: the points are new, the lines and numbers are not."
        )
    kind = tables.SAMPLED if row.kind == "nuts" else f"NLSQ, {tables.LEAST_SQUARES}"
    sigma = "file σ" if row.sigma == "file" else "σ with photon counting"
    word = {"open": "not reviewed", "accepted": "accepted", "rejected": "rejected", "flagged": "flagged"}[
        row.review
    ]
    return View(
        panels=panels_of_row(row, data, names, theme, bands),
        lines=lines,
        points=[tau_of(b, row.model) for b in row.bins],
        model=row.model,
        delay=request.delay,
        interval=f"stored fit {row.id}: {kind}",
        conditions=f"stored fit {row.id} · {len(lines)} q-bins · {sigma} · residuals in σ",
        table_conditions=f"{row.n_good} of {row.n_q} good · {word}",
        warnings=warnings,
    )


def line_of(entry: dict[str, Any], name: str, request: FitRequest) -> Line:
    """One bin of a stored fit as a line of the table."""
    return Line(
        label=entry["label"],
        name=name,
        state=entry["state"],
        values={key: tuple(four) for key, four in entry["values"].items()},
        chi2=entry["chi2"],
        reasons=tuple(entry["reasons"]),
        held=frozenset(request.fixed),
    )


def panels_of_row(
    row: FitRow, data: Selected, names: tuple[str, ...], theme: str, bands: Bands | None = None
) -> list[FitPanel]:
    """Panels of a stored fit: the data of the file, the stored line and its residuals."""
    spec = get_model(row.model)
    x = curve_delays(data.t)
    colours = q_colours(len(row.bins), theme)
    made = []
    for k, entry in enumerate(row.bins):
        values = np.array([_float(entry["values"][name][0]) for name in spec.names])
        line, at_data = spec.evaluate(x, values), spec.evaluate(np.maximum(data.t, 1e-30), values)
        sigma = np.where(data.used[:, k], data.sigma[:, k], 1.0)  # others have none, or zero
        residuals = np.where(data.used[:, k], (data.g2[:, k] - at_data) / sigma, np.nan)
        curve = Curve(
            name=names[k],
            t=data.t,
            g2=data.g2[:, k],
            sigma=data.sigma[:, k],
            coincidences=data.coincidences[:, k],
            counted=data.used[:, k],
            colour=colours[k],
            fit_t=x,
            fit_g2=line,
        )
        chi2 = entry["chi2"]
        note = "not fitted" if chi2 is None else f"χ² {chi2:.3g}"
        panel = FitPanel(names[k], curve, data.used[:, k], residuals, note, entry["state"])
        if bands is not None and k < len(bands.curve):
            seen = np.isfinite(bands.predictive[k]).all(axis=0)
            outer = (bands.t[seen], *bands.predictive[k][:, seen]) if seen.any() else None
            panel = replace(panel, band=outer, inner=(bands.x, *bands.curve[k]))
        made.append(panel)
    return made


def tau_of(entry: dict[str, Any], model: str) -> TauPoint:
    """Relaxation time of a stored bin with its interval."""
    how = get_model(model).relaxation
    value, low, high, sigma = (_float(v) for v in entry["values"][how.parameter])
    if not np.isfinite(low):
        ratio = np.exp(min(1.881 * sigma / value, 50.0)) if value > 0 and np.isfinite(sigma) else np.nan
        low, high = value / ratio, value * ratio
    tau = float(how.times(value, sigma)[0])
    low, high = (float(end) for end in how.interval(low, high))
    return TauPoint(entry["q"], tau, low, high, entry["state"], "; ".join(entry["reasons"]))


def _float(value: float | None) -> float:
    return np.nan if value is None else float(value)
