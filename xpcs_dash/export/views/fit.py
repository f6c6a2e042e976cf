"""g2 with a least-squares fit of each chosen q-bin. A fit that has a flag carries it everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.errors import UsageError
from xpcs_dash.export.tables import Column, Table
from xpcs_dash.export.views import g2
from xpcs_dash.export.views.base import View, ViewOptions, chosen_bins, title_of
from xpcs_dash.export.views.ranges import of_fit
from xpcs_dash.figures.publication import PageSize, PaperFigure, curves
from xpcs_dash.fits.request import LIVE_STEPS, FitRequest, Selected, fit_selected, select
from xpcs_dash.fitting.batch import BatchFit
from xpcs_dash.fitting.statements import Place, of_batch

if TYPE_CHECKING:
    from xpcs_dash.results.statement import BinResult
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


def said_of_bins(
    xf: XpcsFile, bins: list[int], options: ViewOptions, steps: int = LIVE_STEPS
) -> tuple[tuple[BinResult, ...], BatchFit, Selected]:
    """What is said of the chosen columns, the fit, and the points that took part."""
    fit, data = fit_bins(xf, bins, options, steps)
    request = {"delay": options.delay, "fixed": options.fixed, "bounds": options.bounds}
    given = {name: value for name, value in request.items() if value}
    place = Place.of(xf, [column + 1 for column in bins], options.sigma, given)
    return of_batch(fit, place), fit, data


def parameter_table(bins: Sequence[BinResult]) -> Table:
    """One row a q-bin: parameters with errors and intervals, χ², and the verdict."""
    first = bins[0]

    def column(name: str, unit: str, values: Iterable[Any]) -> Column:
        return Column(name, unit, np.array(list(values)))

    columns = [
        column("q_bin", "", (b.label for b in bins)),
        column("q", first.q_unit, (b.q for b in bins)),
        column("phi", "deg", (b.phi for b in bins)),
    ]
    for name, estimate in first.values.items():
        for tail, part in (("", "value"), ("_error", "sigma"), ("_low", "low"), ("_high", "high")):
            values = (getattr(b[name], part) for b in bins)
            columns.append(column(f"{name}{tail}", estimate.unit, values))
    columns += [
        column("chi2_red", "", (b.chi2_red for b in bins)),
        column("n_points", "", (b.n_points for b in bins)),
        column("sigma_model", "", (b.sigma_model for b in bins)),
        column("good", "", (b.good for b in bins)),
        column("flags", "", (b.verdict.sentence for b in bins)),
    ]
    return Table("fit", tuple(columns))


def tables(xf: XpcsFile, options: ViewOptions) -> list[Table]:
    """Parameters, and the points with the fitted value beside each."""
    bins = chosen_bins(xf, options)
    said, fit, data = said_of_bins(xf, bins, options)
    points = g2.tables(xf, options)[0]
    fitted = Column("g2_fit", "", fit.curve(xf.t_el).T.ravel())
    took_part = Column("fitted", "", data.used.T.ravel())
    return [parameter_table(said), replace(points, columns=(*points.columns, fitted, took_part))]


def draw(xf: XpcsFile, options: ViewOptions, size: PageSize) -> PaperFigure:
    """Points with their fits; one that is not good is dotted, and the legend says why."""
    bins = chosen_bins(xf, options, at_most=6)
    said, fit, data = said_of_bins(xf, bins, options)
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
        flags = ", ".join(flag.replace("_", " ") for flag in said[k].verdict.flags)
        label = f"{curve.label} [{flags}]" if flags else curve.label
        line = (t, lines[:, k]) if said[k].verdict.has_curve else None
        shown.append(replace(curve, label=label, fit=line, sure=said[k].good))
    return curves(shown, g2.DELAY, g2.G2, size, title=title_of(xf, options))


def statements(xf: XpcsFile, options: ViewOptions) -> tuple[BinResult, ...]:
    """What the view says of its bins."""
    return said_of_bins(xf, chosen_bins(xf, options), options)[0]


VIEW = View("fit", 0.75, tables, draw, of_fit, statements)
