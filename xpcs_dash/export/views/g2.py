"""g2 of the chosen q-bins, with the error that counts photons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xpcs_dash.export.tables import Column, Table
from xpcs_dash.export.views.base import View, ViewOptions, chosen_bins, literal, title_of
from xpcs_dash.export.views.ranges import of_delays
from xpcs_dash.figures.publication import AxisText, Curve, PageSize, PaperFigure, curves

if TYPE_CHECKING:
    from xpcs_dash.results.xpcs_file import XpcsFile

DELAY = AxisText("delay τ (s)", log=True)
G2 = AxisText("$g_2$")


def tables(xf: XpcsFile, options: ViewOptions) -> list[Table]:
    """One row a point, one block a q-bin."""
    bins = chosen_bins(xf, options)
    n = xf.t_el.size

    def every(values: np.ndarray | None) -> np.ndarray:
        return np.full(n * len(bins), np.nan) if values is None else np.asarray(values)[:, bins].T.ravel()

    return [
        Table(
            "g2",
            (
                Column("q_bin", "", np.repeat(np.array(bins) + 1, n)),
                Column("q", xf.q_unit, np.repeat(xf.q[bins], n)),
                Column("phi", "deg", np.repeat(xf.phi[bins], n)),
                Column("delay", "s", np.tile(xf.t_el, len(bins))),
                Column("g2", "", every(xf.g2)),
                Column("g2_sigma", "", every(xf.g2_sigma)),
                Column("g2_err_file", "", every(xf.g2_err)),
                Column("expected_coincidences", "", every(xf.coincidences)),
                Column("trusted", "", every(xf.trusted)),
            ),
        )
    ]


def curve_of(xf: XpcsFile, column: int) -> Curve:
    """The points of one q-bin."""
    return Curve(
        xf.t_el, xf.g2[:, column], literal(xf.q_labels[column]), xf.g2_sigma[:, column], xf.trusted[:, column]
    )


def draw(xf: XpcsFile, options: ViewOptions, size: PageSize) -> PaperFigure:
    """All chosen q-bins over one pair of axes."""
    shown = [curve_of(xf, column) for column in chosen_bins(xf, options, at_most=6)]
    return curves(shown, DELAY, G2, size, title=title_of(xf, options))


VIEW = View("g2", 0.75, tables, draw, of_delays)
