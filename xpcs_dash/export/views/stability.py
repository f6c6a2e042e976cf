"""I(q) of each time segment divided by its own mean, and the numbers of the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.analysis import saxs, stability
from xpcs_dash.export.tables import Column, Table
from xpcs_dash.export.views.base import View, ViewOptions, literal, need, title_of
from xpcs_dash.export.views.ranges import of_bins, of_frames
from xpcs_dash.figures.publication import AxisText, Curve, PageSize, PaperFigure, curves

if TYPE_CHECKING:
    from xpcs_dash.results.xpcs_file import XpcsFile


def tables(xf: XpcsFile, options: ViewOptions) -> list[Table]:  # noqa: ARG001 - every view has the same form
    """One table of curves, one of the change of each segment."""
    need(xf, xf.segments, "time segments of I(q)")
    found = stability.report(xf)
    assert found.shapes is not None
    bins = need(xf, xf.static, "static partition")
    shape = found.shapes
    curve_columns = [Column("q", xf.q_unit, bins.q), Column("phi", "deg", bins.phi)]
    curve_columns += [Column(f"segment {k}", "", line) for k, line in enumerate(shape.curves, start=1)]
    number = np.arange(1, len(shape.curves) + 1)
    return [
        Table("segments", tuple(curve_columns)),
        Table(
            "change",
            (
                Column("segment", "", number),
                Column("total relative to first", "", shape.total),
                Column("rms change of shape", "", shape.rms),
                Column("noise of that", "", shape.noise),
                Column("chi2_red", "", shape.chi2),
            ),
        ),
        Table(
            "verdict",
            (
                Column("verdict", "", np.array([found.verdict.state])),
                Column("rule", "", np.array([found.verdict.rule])),
                Column("note", "", np.array(["; ".join(found.verdict.notes)])),
            ),
        ),
    ]


def draw(xf: XpcsFile, options: ViewOptions, size: PageSize) -> PaperFigure:
    """One line a segment, early to late."""
    segments = need(xf, xf.segments, "time segments of I(q)")
    bins = need(xf, xf.static, "static partition")
    counts = None if xf.sqmap is None else saxs.pixel_counts(xf.sqmap, bins.n)
    lines = saxs.segment_lines(segments, bins, counts)
    shown = []
    for k, line in enumerate(lines, start=1):
        good = np.isfinite(line) & (line > 0) & (bins.axis0 > 0)
        label = f"segment {k}" if k in (1, len(lines)) else ""
        shown.append(Curve(bins.axis0[good], line[good] / np.nanmean(line), label))
    return curves(
        shown,
        AxisText(f"q ({literal(xf.q_unit)})", log=True),
        AxisText("I / mean of its segment", log=True),
        size,
        title=title_of(xf, options),
        lines=True,
    )


def covers(xf: XpcsFile, options: ViewOptions) -> dict[str, Any]:
    """Range of q and of times."""
    return of_bins(xf, xf.static) | of_frames(xf, options)


VIEW = View("stability", 0.75, tables, draw, covers)
