"""The numbers of the last files: which, on what scale, in which state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.figures.format import MINUS, number, uncertain
from xpcs_dash.figures.trends import Trend
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


def value_of(summary: Mapping[str, Any] | None, key: str) -> tuple[float, float]:
    """Value and standard error of one number of a summary; NaN for what it lacks."""
    summary = summary or {}
    value, error = summary.get(key), summary.get(f"{key}_err")
    found = float(value) if isinstance(value, int | float) else float("nan")
    sigma = float(error) if isinstance(error, int | float) else float("nan")
    if key == "tau" and not sigma < found:  # a relaxation time that the data do not determine is no trend
        return float("nan"), float("nan")
    return found, sigma


def comparable(rows: Sequence[FileRow]) -> list[FileRow]:
    """The files whose numbers mean the same as those of the newest: same q, same unit, same kind of file."""
    if not rows:
        return []
    last = rows[-1].summary or {}

    def alike(row: FileRow) -> bool:
        summary = row.summary or {}
        names = ("q_unit", "intensity_unit", "intensity_source")
        if any(summary.get(name) != last.get(name) for name in names):
            return False
        if bool(summary.get("averaged_from")) != bool(last.get("averaged_from")):
            return False
        q, reference = summary.get("q"), last.get("q")
        return q == reference or bool(q and reference and abs(q / reference - 1) <= SAME_Q)

    return [row for row in rows if alike(row)]


def trends_of(rows: Sequence[FileRow]) -> list[tuple[Quantity, Trend]]:
    """Trends of the quantities that the newest file has, oldest file first."""
    found = []
    for quantity in QUANTITIES:
        pairs = np.array([value_of(row.summary, quantity.key) for row in rows], dtype=np.float64)
        if not len(pairs) or not np.isfinite(pairs[:, 0]).any():
            continue
        values, sigmas = pairs[:, 0], pairs[:, 1]
        last = values[np.isfinite(values)][-1]
        scale, unit = display_scale(float(last), quantity.unit)
        state = "warning" if quantity.drifts and drift(values, sigmas) is not None else "ok"
        trend = Trend(quantity.name, unit, values, sigmas, tuple(row.name for row in rows), state, scale)
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
    if change is not None:
        sign = "+" if change > 0 else MINUS
        name = f"▲ {name} {sign}{abs(change) * 100:.0f} % in {int(np.isfinite(trend.values).sum())} files"
    shown = uncertain(value, sigma, quantity.unit)
    return name, shown.value, shown.sigma, shown.unit.lstrip("·")
