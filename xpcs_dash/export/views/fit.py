"""g2 with a least-squares fit of each chosen q-bin. A fit that has a flag carries it everywhere."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xpcs_dash.errors import UsageError
from xpcs_dash.export.tables import Column, Table
from xpcs_dash.export.views import g2
from xpcs_dash.export.views.base import View, ViewOptions, chosen_bins, title_of
from xpcs_dash.export.views.ranges import of_fit
from xpcs_dash.figures.publication import PageSize, PaperFigure, curves
from xpcs_dash.fits.request import LIVE_STEPS, FitRequest, Selected, fit_selected, select
from xpcs_dash.fitting.batch import BatchFit

if TYPE_CHECKING:
    from xpcs_dash.results.xpcs_file import XpcsFile


def fit_bins(
    xf: XpcsFile, bins: list[int], options: ViewOptions, steps: int = LIVE_STEPS
) -> tuple[BatchFit, Selected]:
    """Fit the chosen columns just as the page does, and the data with the points that took part."""
    if options.sigma not in ("counting", "file"):
        raise UsageError(f"σ model {options.sigma!r}: choose counting or file.")
    request = FitRequest(
        model=options.model,
        labels=tuple(column + 1 for column in bins),
        sigma=options.sigma,
        delay=options.delay,
        fixed=options.fixed,
        start=options.start,
        bounds=options.bounds,
    )
    data = select(xf, request)
    return fit_selected(data, request, steps), data


def parameter_table(xf: XpcsFile, bins: list[int], fit: BatchFit) -> Table:
    """One row a q-bin: parameters with errors, χ², flags."""
    columns = [Column("q_bin", "", np.array(bins) + 1), Column("q", xf.q_unit, xf.q[bins])]
    columns.append(Column("phi", "deg", xf.phi[bins]))
    for k, (name, unit) in enumerate(zip(fit.names, fit.units, strict=True)):
        columns += [Column(name, unit, fit.values[:, k]), Column(f"{name}_error", unit, fit.errors[:, k])]
    flags = np.array(["; ".join(fit.reasons(k)) or "good" for k in range(fit.n_q)])
    columns += [
        Column("chi2_red", "", fit.chi2_red),
        Column("n_points", "", fit.n_points),
        Column("flags", "", flags),
    ]
    return Table("fit", tuple(columns))


def tables(xf: XpcsFile, options: ViewOptions) -> list[Table]:
    """Parameters, and the points with the fitted value beside each."""
    bins = chosen_bins(xf, options)
    fit, data = fit_bins(xf, bins, options)
    points = g2.tables(xf, options)[0]
    fitted = Column("g2_fit", "", fit.curve(xf.t_el).T.ravel())
    took_part = Column("fitted", "", data.used.T.ravel())
    return [parameter_table(xf, bins, fit), replace(points, columns=(*points.columns, fitted, took_part))]


def draw(xf: XpcsFile, options: ViewOptions, size: PageSize) -> PaperFigure:
    """Points with their fits; a flagged fit is named as such in the legend."""
    bins = chosen_bins(xf, options, at_most=6)
    fit, data = fit_bins(xf, bins, options)
    seen = xf.t_el[xf.t_el > 0]
    if options.delay is not None:  # the line ends where the fit does
        seen = np.clip(seen, *options.delay)
        t = np.geomspace(seen.min(), seen.max(), 200)
    else:
        t = np.geomspace(seen.min() / 3, seen.max() * 3, 200)
    lines = fit.curve(t)
    shown = []
    for k, column in enumerate(bins):
        curve = replace(g2.curve_of(xf, column), sigma=data.sigma[:, k], trusted=data.used[:, k])
        flags = ", ".join(flag.replace("_", " ") for flag in fit.flags(k))
        label = f"{curve.label} [{flags}]" if flags else curve.label
        shown.append(replace(curve, label=label, fit=(t, lines[:, k])))
    return curves(shown, g2.DELAY, g2.G2, size, title=title_of(xf, options))


VIEW = View("fit", 0.75, tables, draw, of_fit)
