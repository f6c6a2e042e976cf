"""The numbers of the last files: which, on what scale, in which state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xpcs_dash.figures.format import MINUS, number, uncertain
from xpcs_dash.figures.trends import Trend
from xpcs_dash.results.said import said_of
from xpcs_dash.results.statement import FileStatement
from xpcs_dash.rules.series import drift

if TYPE_CHECKING:
    from xpcs_dash.database.files import FileRow

#: How many files a trend covers.
N_FILES = 30
#: How far, relatively, q of two files may be apart for their numbers to be compared.
SAME_Q = 0.02


@dataclass(frozen=True)
class Quantity:
    """One number of the summaries.

    Attributes
    ----------
    key : name in the summary.
    name : what it is called.
    unit : its unit.
    drifts : whether a change of it is worth a warning.
    """

    key: str
    name: str
    unit: str
    drifts: bool = True


QUANTITIES = (
    Quantity("intensity", "mean intensity", "/px/frame"),
    Quantity("contrast", "contrast", ""),
    Quantity("baseline", "baseline", "", drifts=False),
    Quantity("tau", "τ", "s"),
)


def comparable(rows: Sequence[FileRow]) -> list[FileRow]:
    """The files whose numbers mean the same as those of the newest: same q, same unit, same kind of file."""
    if not rows:
        return []
    last = said_of(rows[-1]).file or FileStatement()

    def alike(row: FileRow) -> bool:
        said = said_of(row).file or FileStatement()
        names = ("q_unit", "intensity_unit", "intensity_source")
        if any(getattr(said, name) != getattr(last, name) for name in names):
            return False
        if bool(said.averaged_from) != bool(last.averaged_from):
            return False
        return said.q == last.q or bool(said.q and last.q and abs(said.q / last.q - 1) <= SAME_Q)

    return [row for row in rows if alike(row)]


def trends_of(rows: Sequence[FileRow]) -> list[tuple[Quantity, Trend]]:
    """Trends of the quantities that the newest file has, oldest file first."""
    found: list[tuple[Quantity, Trend]] = []
    said = [said_of(row).file or FileStatement() for row in rows]
    names = tuple(row.name for row in rows)
    for quantity in QUANTITIES:
        known = [one.quantity(quantity.key) for one in said]
        pairs = np.array([(one.value, one.sigma) for one in known], dtype=np.float64)
        if not len(pairs) or not np.isfinite(pairs[:, 0]).any():
            continue
        values, sigmas = pairs[:, 0], pairs[:, 1]
        last = values[np.isfinite(values)][-1]
        scale, unit = display_scale(float(last), quantity.unit)
        moved = quantity.drifts and drift(values, sigmas) is not None
        verdict = said[-1].tau_verdict
        doubt = verdict.sentence if quantity.key == "tau" and not verdict.good else ""
        state = "warning" if moved or doubt else "ok"
        trend = Trend(quantity.name, unit, values, sigmas, names, state, scale, doubt)
        found.append((quantity, trend))
    return found


def display_scale(value: float, unit: str) -> tuple[float, str]:
    """Factor and unit in which a number reads well: 2.79e-3 s gives 1e3 and ``ms``."""
    shown = number(value, unit)
    tail = shown.unit.lstrip("·")
    try:
        digits = float(shown.value.replace(MINUS, "-"))
    except ValueError:
        return 1.0, unit
    if not digits or not value:
        return 1.0, unit
    return 10.0 ** round(np.log10(abs(digits / value))), tail


def words_of(quantity: Quantity, trend: Trend, note: str = "") -> tuple[str, str, str, str]:
    """Name, value, uncertainty and unit of the newest file's number, as they are shown in large type."""
    value, sigma = float(trend.values[-1]), float(trend.sigmas[-1])
    name = quantity.name + (f", {note}" if note else "")
    change = drift(trend.values, trend.sigmas) if quantity.drifts else None
    mark = "▲ " if trend.doubt or change is not None else ""
    if trend.doubt:
        name += ", not good"
    if change is not None:
        sign = "+" if change > 0 else MINUS
        name += f" {sign}{abs(change) * 100:.0f} % in {int(np.isfinite(trend.values).sum())} files"
    shown = uncertain(value, sigma, quantity.unit)
    return mark + name, shown.value, shown.sigma, shown.unit.lstrip("·")
