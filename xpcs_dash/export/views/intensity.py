"""Mean intensity against time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpcs_dash.analysis.intensity import decimate
from xpcs_dash.export.tables import Column, Table
from xpcs_dash.export.views.base import View, ViewOptions, literal, need, title_of
from xpcs_dash.export.views.ranges import of_frames
from xpcs_dash.figures.publication import AxisText, Curve, PageSize, PaperFigure, curves

if TYPE_CHECKING:
    from xpcs_dash.results.xpcs_file import XpcsFile


def tables(xf: XpcsFile, options: ViewOptions) -> list[Table]:  # noqa: ARG001 - every view has the same form
    """Every frame."""
    series = need(xf, xf.int_t, "I(t)")
    return [Table("intensity", (Column("time", "s", series[0]), Column("I", xf.intensity_unit, series[1])))]


def draw(xf: XpcsFile, options: ViewOptions, size: PageSize) -> PaperFigure:
    """Means of up to 1000 stretches."""
    series = need(xf, xf.int_t, "I(t)")
    found = decimate(series[0], series[1], 1000)
    return curves(
        [Curve(found.x, found.mean)],
        AxisText("time (s)"),
        AxisText(f"I ({literal(xf.intensity_unit)})"),
        size,
        title=title_of(xf, options),
        lines=True,
    )


VIEW = View("intensity", 0.6, tables, draw, of_frames)
