"""What the two-time page draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xpcs_dash.analysis import aging, twotime
from xpcs_dash.analysis import views as derived
from xpcs_dash.components.views import Looked
from xpcs_dash.errors import UsageError
from xpcs_dash.figures import twotime as figures
from xpcs_dash.figures.format import count, engineering, format_q, percent
from xpcs_dash.results.twotime_slabs import stored_g2
from xpcs_dash.services import Services


@dataclass(frozen=True)
class Clock:
    """Time step of the matrix: seconds, or frames where the file does not give it."""

    dt: float
    unit: str


@dataclass(frozen=True)
class Colours:
    """Controls of the picture."""

    cmap: str = "viridis"
    low: float | None = 1.0
    high: float | None = 99.5

    def percentiles(self) -> tuple[float, float]:
        """The limits, checked."""
        low, high = float(self.low or 0.0), float(100.0 if self.high is None else self.high)
        if not 0 <= low < high <= 100:
            raise UsageError("The colour limits are percentiles with 0 ≤ lower < upper ≤ 100.")
        return low, high


def clock(xf: Any) -> Clock:
    """The matrix's own time step, never that of the multi-tau part."""
    dt = xf.c2_frame_time_s
    return Clock(float(dt), "s") if dt else Clock(1.0, "frames")


def run_ends(xf: Any) -> tuple[float, float]:
    """First and last moment of the run on the axes of C2."""
    dt = clock(xf).dt
    return -0.5 * dt, (xf.twotime_shape[0] - 0.5) * dt


def bin_of(seen: Looked) -> int:
    """The q-bin looked at: the first chosen one with a matrix, else the first of the file."""
    bins = seen.xf.twotime_bins
    if not bins:
        raise UsageError("This file holds no two-time matrices.")
    return seen.labels(bins, (bins[0],))[0]


def bin_options(xf: Any) -> list[dict[str, Any]]:
    """Choices of the q-bin control: labels (not positions) with their q."""
    return [
        {
            "value": str(label),
            "label": f"{label}: {xf.q_labels[label - 1]}" if label <= len(xf.q_labels) else str(label),
        }
        for label in xf.twotime_bins
    ]


def zoomed(ends: Sequence[float] | None) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Axis ranges (x, y) of a zoom as the browser keeps it, or None where the whole matrix is shown."""
    try:
        x0, x1, y0, y1 = (float(v) for v in ends or ())
    except (TypeError, ValueError):
        return None
    return ((x0, x1), (y0, y1)) if all(map(math.isfinite, (x0, x1, y0, y1))) else None


def c2_figure(
    services: Services, seen: Looked, wanted: Colours, age: float | None, zoom: Sequence[float] | None
) -> tuple[Any, str]:
    """C2 with the overview below and the part that is looked at above it in full resolution."""
    xf, label, t = seen.xf, bin_of(seen), clock(seen.xf)
    data = derived.triangle(services.kernel, seen.ref, label)
    limits = twotime.colour_limits(data, *wanted.percentiles())
    query = {"lo": f"{limits[0]:.6g}", "hi": f"{limits[1]:.6g}", "cmap": wanted.cmap}
    whole = twotime.plan(data)
    plans = [whole]
    ranges = zoomed(zoom)
    if ranges is not None:
        columns, rows = ((a / t.dt + 0.5, b / t.dt + 0.5) for a, b in ranges)
        part = twotime.plan(data, rows, columns, from_file=True)
        if part.factor < whole.factor:
            plans.append(part)
    images = [
        figures.image(
            seen.url(
                "twotime-img",
                f"{label}.png",
                r0=p.rows[0],
                r1=p.rows[1],
                c0=p.columns[0],
                c1=p.columns[1],
                **query,
            ),
            p.rows,
            p.columns,
            t.dt,
        )
        for p in plans
    ]
    ages = [] if age is None else [float(age)]
    fig = figures.figure_twotime(
        images, data.n, t.dt, limits, seen.theme, colours=wanted.cmap, ages_s=ages, time_unit=t.unit
    )
    step = plans[-1].factor
    size = (
        f"{count(data.n)} frames of {engineering(t.dt, 's')}" if t.unit == "s" else f"{count(data.n)} frames"
    )
    shown = "every frame" if step == 1 else f"blocks of {step} × {step} frames"
    where = f"bin {label}, q = {format_q(float(xf.q[label - 1]), xf.q_unit)}"
    words = f"{where} · {size} · {shown} · diagonal corrected"
    return fig, words


@dataclass(frozen=True)
class Aged:
    """Slices of age with their fits and the score."""

    slices: list[aging.AgeSlice]
    fits: list[aging.AgeFit]
    score: aging.Stationarity | None


def aged(services: Services, seen: Looked, n: Any, baseline: Any) -> Aged:
    """Slices, fits and score of the bin that is looked at, remembered."""
    label, t = bin_of(seen), clock(seen.xf)
    number = int(n or 8)
    base = 1.0 if baseline is None else float(baseline)
    parts = derived.slices(services.kernel, seen.ref, label, number)
    fits = services.kernel.derived(
        seen.ref, "twotime.fits", (label, number, base), lambda _: aging.fit_slices(parts, t.dt, base)
    )
    return Aged(parts, fits, aging.stationarity(parts, base, fits))


def slices_figure(
    services: Services, seen: Looked, n: Any, baseline: Any, age: float | None
) -> tuple[Any, str]:
    """g2 in slices of age, with a cut where one is asked for."""
    t = clock(seen.xf)
    found = aged(services, seen, n, baseline)
    cut = None
    if age is not None:
        data = derived.triangle(services.kernel, seen.ref, bin_of(seen))
        wide = max(1, data.n // 100)
        cut = aging.age_cut(data, float(age) / t.dt, wide)
    base = 1.0 if baseline is None else float(baseline)
    fig = figures.figure_slices(
        found.slices, found.fits, t.dt, seen.theme, cut=cut, baseline=base, unit=t.unit
    )
    return fig, f"g₂ = {base:g} + contrast·exp(−2τ/τc), baseline fixed"


def tau_figure(services: Services, seen: Looked, n: Any, baseline: Any) -> tuple[Any, str]:
    """τ against age, and the stationarity score."""
    t = clock(seen.xf)
    found = aged(services, seen, n, baseline)
    good = [f for f in found.fits if f.status == "ok"]
    words = []
    if len(good) >= 2:
        words.append(f"τ × {good[-1].tau_s / good[0].tau_s:.2g} over the run")
    if found.score is not None:
        words.append(f"stationarity {found.score.score:.2f}")
    return figures.figure_tau_age(found.fits, seen.theme, unit=t.unit), " · ".join(words)


def diagonals_figure(services: Services, seen: Looked) -> tuple[Any, str]:
    """g2 as means of the diagonals beside the stored one."""
    label, t = bin_of(seen), clock(seen.xf)
    data = derived.triangle(services.kernel, seen.ref, label)
    stored = stored_g2(seen.xf, label)
    lag = np.arange(data.n) * t.dt
    fig = figures.figure_diagonals(lag, data.diagonals, stored, seen.theme, unit=t.unit)
    apart = twotime.compare_diagonals(data, stored)
    if apart is None:
        return fig, "the file stores no g₂ of the diagonals"
    scale = max(float(np.nanmax(data.diagonals[1:]) - 1.0), 1e-6)
    if apart < 0.01 * scale:
        return fig, "agrees with the stored g₂"
    return fig, f"▲ up to {percent(apart / scale, 1)} of the contrast off the stored g₂"
