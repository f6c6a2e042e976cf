"""One g2 curve as it is drawn, and the ranges of the axes that its points ask for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Curve:
    """One g2 curve as it is drawn.

    Attributes
    ----------
    name : text of the hover, such as ``q = 3.76·10⁻³ Å⁻¹``, and of the legend where there is no ``short``.
    t : (n,) delays in seconds.
    g2, sigma : (n,) value and standard deviation.
    coincidences : (n,) expected coincidences behind each point; NaN where intensity is not in photons.
    counted : (n,) bool, points with enough coincidences.
    colour : ``#rrggbb``.
    fit_t, fit_g2 : a fitted curve on its own delays, or None.
    fit_sure : False where the data do not determine the fit: it is drawn dotted.
    opacity : 1 for what is looked at, less for what stands behind it.
    line_only : drawn as a line through the points that count, without markers or bars.
    short : text of the legend where its title says the rest.
    """

    name: str
    t: np.ndarray
    g2: np.ndarray
    sigma: np.ndarray
    coincidences: np.ndarray
    counted: np.ndarray
    colour: str = "#54b8ff"
    fit_t: np.ndarray | None = None
    fit_g2: np.ndarray | None = None
    fit_sure: bool = True
    opacity: float = 1.0
    line_only: bool = False
    short: str = ""

    def shifted(self, offset: float) -> Curve:
        """The same curve, moved up by ``offset``."""
        if not offset:
            return self
        fit = None if self.fit_g2 is None else self.fit_g2 + offset
        return replace(self, g2=self.g2 + offset, fit_g2=fit)


@dataclass(frozen=True)
class Panel:
    """One axes of a grid: a title and its curves."""

    title: str
    curves: tuple[Curve, ...]
    note: str = ""


def fixed_auto(low: float, high: float) -> dict[str, Any]:
    """An automatic range that always comes out as ``low`` … ``high``, in data units, on linear and log axes.

    A range set outright would be applied over a user's zoom by the next update; this one is only asked for
    while the axis is automatic.
    """
    return {"include": [low, high], "clipmin": low, "clipmax": high}


def nice_limits(low: float, high: float, target: int = 6) -> tuple[float, float]:
    """Limits on round steps around ``low`` … ``high``, so that small changes do not move the axis."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        middle = low if math.isfinite(low) else 1.0
        return middle - 0.05, middle + 0.05
    raw = (high - low) / target
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw * 0.999)
    return math.floor(low / step + 1e-6) * step, math.ceil(high / step - 1e-6) * step


def y_limits(curves: Sequence[Curve], baseline: float | None = 1.0) -> tuple[float, float]:
    """Limits that hold what the points that count establish.

    A point with a long bar says little about where the curve is: it moves a limit only by the part of its
    value that two standard errors leave, and a single stray point does not move it at all. So neither starved
    points nor the noise of short delays decide the scale. Fitted curves are inside where they stay near the
    data, and so is the baseline 1 where the data come near it.
    """
    lows, highs, errors = [], [], []
    for curve in curves:
        use = curve.counted & np.isfinite(curve.g2) & np.isfinite(curve.sigma)
        if curve.line_only or not use.any():
            continue
        g2, sigma = curve.g2[use], curve.sigma[use]
        lows.append(float(_middle(g2 + 2 * sigma).min()))
        highs.append(float(_middle(g2 - 2 * sigma).max()))
        errors.append(float(np.quantile(sigma, 0.25)))
    if not lows:
        return 0.9, 1.5
    low, high = min(*lows, *highs), max(*lows, *highs)
    span = max(high - low, 2 * min(errors), 0.005)
    for curve in curves:
        if curve.fit_g2 is None or not curve.fit_sure or not np.isfinite(curve.fit_g2).any():
            continue
        bottom, top = float(np.nanmin(curve.fit_g2)), float(np.nanmax(curve.fit_g2))
        low = bottom if low - 0.5 * span < bottom < low else low
        high = top if high < top < high + 0.5 * span else high
    if baseline is not None and low - 1.5 * span < baseline < high + 1.5 * span:
        low, high = min(low, baseline), max(high, baseline)
    margin = 0.14 * max(high - low, 0.005) + float(np.median(errors))
    return nice_limits(low - margin, high + margin)


def _middle(values: np.ndarray, window: int = 5) -> np.ndarray:
    """Running median: what one stray point says, its neighbours do not."""
    if values.size < window:
        return values
    return np.median(np.lib.stride_tricks.sliding_window_view(values, window), axis=1)


def t_limits(curves: Sequence[Curve]) -> tuple[float, float]:
    """Delays from the first to the last of all curves, with a margin of a tenth of a decade."""
    ts = [curve.t[curve.t > 0] for curve in curves]
    ts = [t for t in ts if t.size]
    if not ts:
        return 1e-6, 1.0
    margin = 10.0**0.1
    return min(float(t.min()) for t in ts) / margin, max(float(t.max()) for t in ts) * margin


def t_limits_of(t: np.ndarray) -> tuple[float, float]:
    """`t_limits` of one list of delays."""
    good = t[t > 0]
    return (float(good.min()) / 1.26, float(good.max()) * 1.26) if good.size else (1e-6, 1.0)
