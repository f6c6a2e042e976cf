"""I(q) of the static partition: averaged with pixel weights, and for each sector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.analysis import saxs
from xpcs_dash.analysis.views import profile_errors
from xpcs_dash.export.tables import Column, Table
from xpcs_dash.export.views.base import View, ViewOptions, literal, need, title_of
from xpcs_dash.export.views.ranges import of_bins
from xpcs_dash.figures.publication import AxisText, Curve, PageSize, PaperFigure, curves

if TYPE_CHECKING:
    from xpcs_dash.results.xpcs_file import XpcsFile


def profile_of(xf: XpcsFile) -> saxs.Profile:
    """I(q) on the full static grid."""
    values = need(xf, xf.saxs_1d, "I(q)")
    bins = need(xf, xf.static, "static partition")
    counts = None if xf.sqmap is None else saxs.pixel_counts(xf.sqmap, bins.n)
    return saxs.profile(values, bins, counts)


def tables(xf: XpcsFile, options: ViewOptions) -> list[Table]:  # noqa: ARG001 - every view has the same form
    """The average, and with several sectors one column for each."""
    found = profile_of(xf)
    unit = xf.intensity_unit
    columns = [Column("q", xf.q_unit, found.q), Column("I", unit, found.average)]
    errors = profile_errors(xf, found)
    if errors is not None:
        columns.append(Column("I_sigma_counting", unit, errors[0]))
    if len(found.sectors) > 1:
        columns += [
            Column(f"I phi={phi:.1f} deg", unit, line)
            for phi, line in zip(found.phi, found.sectors, strict=True)
        ]
    return [Table("saxs", tuple(columns))]


def draw(xf: XpcsFile, options: ViewOptions, size: PageSize) -> PaperFigure:
    """The average on two logarithmic axes."""
    found = profile_of(xf)
    good = np.isfinite(found.average) & (found.average > 0) & (found.q > 0)
    errors = profile_errors(xf, found)
    line = Curve(found.q[good], found.average[good], sigma=None if errors is None else errors[0][good])
    return curves(
        [line],
        AxisText(f"q ({literal(xf.q_unit)})", log=True),
        AxisText(f"I ({literal(xf.intensity_unit)})", log=True),
        size,
        title=title_of(xf, options),
        lines=True,
    )


def covers(xf: XpcsFile, options: ViewOptions) -> dict[str, Any]:  # noqa: ARG001 - every view has the same form
    """Range of q."""
    return of_bins(xf, xf.static)


VIEW = View("saxs", 0.75, tables, draw, covers)
