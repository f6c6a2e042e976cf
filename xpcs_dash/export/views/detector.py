"""The scattering image over the detector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.export.tables import Column, Table
from xpcs_dash.export.views.base import View, ViewOptions, literal, need, title_of
from xpcs_dash.figures.publication import PageSize, PaperFigure, image

if TYPE_CHECKING:
    from xpcs_dash.results.xpcs_file import XpcsFile


def tables(xf: XpcsFile, options: ViewOptions) -> list[Table]:  # noqa: ARG001 - every view has the same form
    """One row an unmasked pixel."""
    values = need(xf, xf.saxs_2d, "scattering image")
    used = np.ones(values.shape, dtype=bool) if xf.mask is None else xf.mask
    y, x = np.nonzero(used)
    return [
        Table(
            "detector",
            (Column("x", "px", x), Column("y", "px", y), Column("I", xf.intensity_unit, values[used])),
        )
    ]


def draw(xf: XpcsFile, options: ViewOptions, size: PageSize) -> PaperFigure:
    """The image, logarithmic, masked pixels in grey, with the beam centre."""
    values = need(xf, xf.saxs_2d, "scattering image")
    shown = values.astype(float) if xf.mask is None else np.where(xf.mask, values, np.nan)
    return image(
        shown,
        size,
        x="x (px)",
        y="y (px)",
        colour_label=f"I ({literal(xf.intensity_unit)})",
        log=True,
        marker=None if xf.geometry is None else (xf.geometry.bcx, xf.geometry.bcy),
        title=title_of(xf, options),
    )


def covers(xf: XpcsFile, options: ViewOptions) -> dict[str, Any]:  # noqa: ARG001 - every view has the same form
    """All pixels."""
    if xf.detector_shape is None:
        return {}
    rows, columns = xf.detector_shape
    return {"rows (px)": [0, rows - 1], "columns (px)": [0, columns - 1]}


VIEW = View("detector", 0.8, tables, draw, covers)
