"""τ(q) from a fit of each q-bin, with the power law through the good ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.analysis.diffusion import Points, PowerLaw, power_law, times_of
from xpcs_dash.errors import UsageError
from xpcs_dash.export.tables import Column, Table
from xpcs_dash.export.views.base import View, ViewOptions, chosen_bins, literal, title_of
from xpcs_dash.export.views.fit import parameter_table, said_of_bins
from xpcs_dash.export.views.ranges import of_fit, q_of
from xpcs_dash.figures.publication import AxisText, Curve, PageSize, PaperFigure, curves
from xpcs_dash.fitting.solvers import MAX_STEPS

if TYPE_CHECKING:
    from xpcs_dash.results.statement import BinResult
    from xpcs_dash.results.xpcs_file import XpcsFile


def statements(xf: XpcsFile, options: ViewOptions) -> tuple[BinResult, ...]:
    """What the view says of its bins."""
    return said_of_bins(xf, chosen_bins(xf, options), options, MAX_STEPS)[0]


def _fit(xf: XpcsFile, options: ViewOptions) -> tuple[tuple[BinResult, ...], Points]:
    """What is said of the chosen bins, and their relaxation times with their state."""
    said = statements(xf, options)
    return said, times_of(said)


def law_of(points: Points, options: ViewOptions) -> PowerLaw | None:
    """The power law in the chosen range of q, or None where too few bins are good."""
    try:
        return power_law(points, options.law_range)
    except UsageError:
        return None


def tables(xf: XpcsFile, options: ViewOptions) -> list[Table]:
    """Parameters of each bin, and the power law."""
    said, points = _fit(xf, options)
    law = law_of(points, options)
    made = [parameter_table(said)]
    if law is not None:
        nan = float("nan")
        values = (
            ("log_a", law.log_a, law.log_a_err, ""),
            ("b", law.b, law.b_err, ""),
            ("D", nan if law.d is None else law.d, nan if law.d_err is None else law.d_err, "Å²/s"),
        )
        columns = []
        for name, value, error, unit in values:
            columns += [
                Column(name, unit, np.array([value])),
                Column(f"{name}_error", unit, np.array([error])),
            ]
        columns += [Column("chi2_red", "", np.array([law.chi2])), Column("bins used", "", np.array([law.n]))]
        made.append(Table("power law tau = a q^b", tuple(columns)))
    return made


def draw(xf: XpcsFile, options: ViewOptions, size: PageSize) -> PaperFigure:
    """Good relaxation times with errors, the others faintly, and the line."""
    _, points = _fit(xf, options)
    law = law_of(points, options)
    line, label = None, ""
    if law is not None:
        q = np.geomspace(points.q[points.usable].min() / 1.1, points.q[points.usable].max() * 1.1, 100)
        line = (q, law.tau(q))
        label = f"$\\tau \\propto q^{{{law.b:.2f} \\pm {law.b_err:.2f}}}$"
    shown = Curve(points.q, points.value, label, points.error, points.usable, line)
    return curves(
        [shown],
        AxisText(f"q ({literal(xf.q_unit)})", log=True),
        AxisText("relaxation time τ (s)", log=True),
        size,
        title=title_of(xf, options),
    )


def covers(xf: XpcsFile, options: ViewOptions) -> dict[str, Any]:
    """What the fits cover, and the range of q of the power law."""
    limits = options.law_range
    return of_fit(xf, options) | {q_of(xf, "power_law_"): list(limits) if limits is not None else "all"}


VIEW = View("diffusion", 0.75, tables, draw, covers, statements)
