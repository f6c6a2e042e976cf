"""The dynamic partition over the detector, and its table of bins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.analysis.saxs import pixel_counts
from xpcs_dash.export.tables import Column, Table
from xpcs_dash.export.views.base import View, ViewOptions, literal, need, title_of
from xpcs_dash.export.views.ranges import of_bins
from xpcs_dash.figures.publication import PageSize, PaperFigure, image

if TYPE_CHECKING:
    from xpcs_dash.results.xpcs_file import XpcsFile


def tables(xf: XpcsFile, options: ViewOptions) -> list[Table]:  # noqa: ARG001 - every view has the same form
    """One row a bin, for the dynamic and the static partition."""
    made = []
    for name, bins, labels in (("dynamic", xf.dynamic, xf.dqmap), ("static", xf.static, xf.sqmap)):
        if bins is None or labels is None:
            continue
        made.append(
            Table(
                name,
                (
                    Column("label", "", np.arange(1, bins.n + 1)),
                    Column(bins.names[0], bins.units[0], bins.q),
                    Column(bins.names[1], bins.units[1], bins.phi),
                    Column("pixels", "", pixel_counts(labels, bins.n)),
                ),
            )
        )
    return need(xf, made or None, "q-map")


def draw(xf: XpcsFile, options: ViewOptions, size: PageSize) -> PaperFigure:
    """Each pixel coloured by the q of its dynamic bin."""
    labels = need(xf, xf.dqmap, "q-map")
    bins = need(xf, xf.dynamic, "dynamic partition")
    values = np.concatenate([[np.nan], bins.q])[labels]
    return image(
        values,
        size,
        x="x (px)",
        y="y (px)",
        colour_label=literal(f"{bins.names[0]} ({bins.units[0]})"),
        limits=(float(bins.q.min()), float(bins.q.max())),
        cmap="viridis",
        marker=None if xf.geometry is None else (xf.geometry.bcx, xf.geometry.bcy),
        title=title_of(xf, options),
    )


def covers(xf: XpcsFile, options: ViewOptions) -> dict[str, Any]:  # noqa: ARG001 - every view has the same form
    """Range of q."""
    return of_bins(xf, xf.dynamic)


VIEW = View("qmap", 0.8, tables, draw, covers)
