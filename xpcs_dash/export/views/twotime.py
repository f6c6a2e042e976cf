"""The two-time matrix of one q-bin: block means for the figure and the table, and every diagonal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.analysis import twotime
from xpcs_dash.errors import IncompleteFile, UsageError
from xpcs_dash.export.tables import Column, Table
from xpcs_dash.export.views.base import View, ViewOptions, literal, title_of
from xpcs_dash.figures.publication import PageSize, PaperFigure, image

if TYPE_CHECKING:
    from xpcs_dash.results.xpcs_file import XpcsFile

#: Values along each axis of the figure and of the table.
PIXELS = 512


def _matrix(xf: XpcsFile, options: ViewOptions) -> tuple[int, twotime.Triangle, float, str]:
    if not xf.twotime_bins or xf.twotime_shape is None:
        raise IncompleteFile(
            xf.path, "holds no two-time correlation", "choose another figure or another file"
        )
    label = xf.twotime_bins[0] if options.q_bins is None else options.q_bins[0]
    if label not in xf.twotime_bins:
        known = ", ".join(map(str, xf.twotime_bins))
        raise UsageError(f"{xf.path.name}: q-bin {label} has no two-time correlation; there are {known}.")
    n = xf.twotime_shape[0]
    rows = twotime.slab_rows(n)
    slabs = (
        (r0, xf.twotime_block(label, slice(r0, min(n, r0 + rows)), slice(r0, n))) for r0 in range(0, n, rows)
    )
    step = xf.c2_frame_time_s
    return label, twotime.build(slabs, n), step or 1.0, "s" if step else "frames"


def tables(xf: XpcsFile, options: ViewOptions) -> list[Table]:
    """The block-averaged upper triangle, and the mean of each diagonal at full resolution."""
    label, data, step, unit = _matrix(xf, options)
    seen = twotime.picture(data, pixels=PIXELS)
    m = seen.values.shape[0]
    i, j = np.triu_indices(m)
    middle = (np.arange(m) + 0.5) * seen.factor * step
    return [
        Table(
            "twotime",
            (
                Column("q_bin", "", np.full(i.size, label)),
                Column("t1", unit, middle[i]),
                Column("t2", unit, middle[j]),
                Column("C2", "", seen.values[i, j]),
            ),
        ),
        Table(
            "diagonals",
            (Column("delay", unit, np.arange(data.n) * step), Column("g2", "", data.diagonals)),
        ),
    ]


def draw(xf: XpcsFile, options: ViewOptions, size: PageSize) -> PaperFigure:
    """C2 with both axes in seconds, t1 = t2 from lower left to upper right."""
    label, data, step, unit = _matrix(xf, options)
    seen = twotime.picture(data, pixels=PIXELS)
    span = data.n * step
    low, high = np.percentile(seen.values, (2.0, 99.0))
    title = title_of(xf, options) or literal(xf.q_labels[label - 1])
    return image(
        seen.values,
        size,
        x=f"$t_1$ ({unit})",
        y=f"$t_2$ ({unit})",
        colour_label="$C_2$",
        extent=(0.0, span, 0.0, span),
        limits=(float(low), float(high)),
        cmap="viridis",
        origin="lower",
        title=title,
    )


def covers(xf: XpcsFile, options: ViewOptions) -> dict[str, Any]:  # noqa: ARG001 - every view has the same form
    """Range of ages."""
    if xf.twotime_shape is None:
        return {}
    step = xf.c2_frame_time_s
    return {f"age_range ({'s' if step else 'frames'})": [0.0, xf.twotime_shape[0] * (step or 1.0)]}


VIEW = View("twotime", 0.85, tables, draw, covers)
