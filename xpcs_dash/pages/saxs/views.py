"""What the SAXS page draws, from the kernel's data to figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from xpcs_dash.analysis import saxs
from xpcs_dash.analysis import views as derived
from xpcs_dash.components.scope import browser_scope
from xpcs_dash.components.views import Looked, name_of
from xpcs_dash.database.record.masks import MaskList
from xpcs_dash.errors import UsageError
from xpcs_dash.figures.detector import figure_detector
from xpcs_dash.figures.format import count, format_q
from xpcs_dash.figures.images import percentile_limits
from xpcs_dash.figures.qmap import whole_domain
from xpcs_dash.figures.saxs import Curve, figure_ring, region_shapes
from xpcs_dash.figures.theme import q_colours, tokens
from xpcs_dash.services import Services

#: More lines than this cannot be told apart.
MOST_FILES = 12


@dataclass(frozen=True)
class Wanted:
    """Controls of the I(q) panel, as they arrive from the page."""

    lines: str = "average"
    norm: str = "none"
    background: str = "none"
    weight: float | None = 1.0
    step: int | None = 1
    region: str = ""


def parse_region(text: str | None) -> saxs.Region | None:
    """Read ``r0, r1, φ0, φ1`` (the angles may be left out); empty text gives None.

    Raises
    ------
    UsageError
        For anything else.
    """
    if not (text or "").strip():
        return None
    try:
        parts = [float(part) for part in str(text).replace(";", ",").split(",")]
    except ValueError:
        parts = []
    if len(parts) not in (2, 4) or not all(math.isfinite(part) for part in parts):
        raise UsageError("A region is two radii in pixels and, for a sector, two angles: 100, 200, -30, 30.")
    return saxs.Region(*parts).widened()


def image(
    services: Services, seen: Looked, scale: str, cmap: str, percentiles: tuple[Any, Any], region: str | None
) -> tuple[Any, str]:
    """The scattering image with the region drawn on it, and its conditions."""
    xf = seen.xf
    if xf.saxs_2d is None or xf.detector_shape is None:
        raise UsageError("This file holds no scattering image.")
    limits = colour_limits(services, seen.ref, scale, percentiles)
    source = seen.url("img", "scattering.png", scale=scale, cmap=cmap, lo=limits[0], hi=limits[1])
    centre = (xf.geometry.bcx, xf.geometry.bcy) if xf.geometry is not None else None
    fig = figure_detector(
        source,
        xf.detector_shape,
        centre,
        seen.theme,
        limits=limits,
        scale=scale,
        colours=cmap,
        unit=xf.intensity_unit,
    )
    whole_domain(fig)
    fig.layout.pop("dragmode", None)  # belongs to the switch that turns drawing on
    found = parse_region(region)
    if found is not None and centre is not None:
        fig.layout["shapes"] = fig.layout["shapes"] + region_shapes(
            found, centre, xf.detector_shape, seen.theme
        )
    return fig, "masked pixels grey"


def colour_limits(
    services: Services, ref: str, scale: Any, percentiles: tuple[Any, Any]
) -> tuple[float, float]:
    """Values of the lowest and the highest colour.

    Raises
    ------
    UsageError
        For percentiles out of order, or a file without a scattering image.
    """
    low, high = _percentiles(percentiles)

    def compute(xf: Any) -> tuple[float, float]:
        if xf.saxs_2d is None:
            raise UsageError("This file holds no scattering image.")
        return percentile_limits(xf.saxs_2d, xf.mask, scale, low, high)

    return services.kernel.derived(ref, "limits", (scale, low, high), compute)


def _percentiles(given: tuple[Any, Any]) -> tuple[float, float]:
    low, high = (float(v) if v is not None else d for v, d in zip(given, (1.0, 99.7), strict=True))
    if not 0 <= low < high <= 100:
        raise UsageError("The colour limits are percentiles with 0 ≤ lower < upper ≤ 100.")
    return low, high


def profile_curves(services: Services, seen: Looked, wanted: Wanted) -> tuple[list[Curve], str]:
    """Curves of the I(q) panel and its conditions.

    Raises
    ------
    UsageError
        For a background on another q grid, a bad weight or step, a region without pixels.
    """
    ids = seen.selection.refs[:MOST_FILES]
    weighted = wanted.lines != "plain"
    background = _background(services, wanted, weighted)
    errors = None
    if background is not None:
        errors = derived.profile_errors(services.kernel.open(wanted.background), background)
    spread = None if errors is None else errors[0]
    words = ["weighted with pixels" if weighted else "sectors weigh the same"]
    curves: list[Curve] = []
    if wanted.lines == "sectors":
        curves += _sector_lines(services, seen, wanted, background)
        words = ["one line per sector"]
    else:
        colours = [tokens(seen.theme).accent] if len(ids) == 1 else q_colours(len(ids), seen.theme)
        for ref, colour in zip(ids, colours, strict=True):
            found = derived.profile(services.kernel, ref, weighted)
            q, y = _treated(found.q, found.average, wanted, background, sectors=False)
            errors = derived.profile_errors(services.kernel.open(ref), found)
            sigma = None
            if errors is not None:
                sigma = _treated_sigma(found.q, _less(found, wanted, background), errors[0], wanted, spread)
            curves.append(Curve(name_of(services, ref), q, y, colour, sigma))
        if any(curve.sigma is not None for curve in curves):
            words.append("± photon counting")
    region = parse_region(wanted.region)
    if region is not None:
        curves.append(_region_curve(services, seen, wanted, region))
    own = _applied_curve(services, seen, wanted, words)
    if own is not None:
        curves.append(own)
    if background is not None:
        words.append(f"− {wanted.weight:g} × {name_of(services, wanted.background)}")
    if seen.xf.averaged_from:
        words.append(f"average of {len(seen.xf.averaged_from)} files")
    return curves, " · ".join(words)


def _applied_curve(services: Services, seen: Looked, wanted: Wanted, words: list[str]) -> Curve | None:
    """I(q) of the primary file with the mask that this browser uses, if it uses one."""
    applied = services.kernel.applied(browser_scope())
    if applied is None:
        return None
    try:
        q, y, kind = services.kernel.intensity_with(seen.ref, applied)
    except UsageError as err:
        words.append(f"your mask is not shown: {err}")
        return None
    used = MaskList(services.record).in_use(browser_scope())
    if used is not None and used.version:
        now = services.catalogue.versions([used.ref]).get(used.ref, "")
        if now and now != used.version:
            words.append(f"the file of your {kind} has been replaced since")
    x, y = saxs.sample(q, saxs.normalise(q, y, wanted.norm), int(wanted.step or 1))
    return Curve(f"with your {kind}", x, y, tokens(seen.theme).stale, width=2.0, dash="dot")


def _background(services: Services, wanted: Wanted, weighted: bool) -> saxs.Profile | None:
    if wanted.background in ("", "none"):
        return None
    if wanted.weight is None or wanted.weight < 0:
        raise UsageError("The weight of the background must be zero or more.")
    return derived.profile(services.kernel, wanted.background, weighted)


def _treated(
    q: np.ndarray, lines: np.ndarray, wanted: Wanted, background: saxs.Profile | None, *, sectors: bool
) -> tuple[np.ndarray, np.ndarray]:
    if background is not None:
        other = background.sectors if sectors else background.average
        lines = saxs.subtract_background(q, lines, background.q, other, float(wanted.weight or 0.0))
    return saxs.sample(q, saxs.normalise(q, lines, wanted.norm), int(wanted.step or 1))


def _less(found: saxs.Profile, wanted: Wanted, background: saxs.Profile | None) -> np.ndarray:
    """The average less the background, before it is scaled."""
    if background is None:
        return found.average
    return saxs.subtract_background(
        found.q, found.average, background.q, background.average, float(wanted.weight or 0.0)
    )


def _treated_sigma(
    q: np.ndarray, line: np.ndarray, sigma: np.ndarray, wanted: Wanted, spread: np.ndarray | None
) -> np.ndarray:
    """Errors scaled as their curve is: with that of the background added, and the factor of each point."""
    if spread is not None:
        sigma = np.hypot(sigma, float(wanted.weight or 0.0) * spread)
    factors = saxs.normalise(q, np.ones_like(line), wanted.norm)
    if wanted.norm == "i0":
        usable = line[np.isfinite(line) & (line > 0)]
        factors = np.full(line.shape, 1.0 / usable[0] if usable.size else np.nan)
    return saxs.sample(q, sigma * factors, int(wanted.step or 1))[1]


def _sector_lines(
    services: Services, seen: Looked, wanted: Wanted, background: saxs.Profile | None
) -> list[Curve]:
    found = derived.profile(services.kernel, seen.ref)
    q, lines = _treated(found.q, found.sectors, wanted, background, sectors=True)
    colours = q_colours(len(lines), seen.theme)
    names = [f"φ = {phi:.1f}°" for phi in found.phi] if len(lines) > 1 else ["all φ"]
    return [Curve(n, q, y, c, width=1.2) for n, y, c in zip(names, lines, colours, strict=True)]


def _region_curve(services: Services, seen: Looked, wanted: Wanted, region: saxs.Region) -> Curve:
    line = _line(services, seen, region, "sector")
    q, y = saxs.sample(line.x, saxs.normalise(line.x, line.y, wanted.norm), int(wanted.step or 1))
    colour = tokens(seen.theme).warning
    return Curve("region", q, y, colour, width=2.0, markers=True)


def _line(services: Services, seen: Looked, region: saxs.Region, kind: str) -> saxs.Line:
    xf = seen.xf
    if xf.saxs_2d is None:
        raise UsageError("This file holds no scattering image.")
    if xf.geometry is None:
        raise UsageError("This file holds no geometry, so a region has no q.")
    if xf.static is None and xf.dynamic is None:
        raise UsageError("This file holds no partition, so there are no q-bins.")
    key = (kind, region.r0, region.r1, region.phi0, region.phi1)

    def compute(f: Any) -> saxs.Line:
        if kind == "ring":
            return saxs.ring(f.saxs_2d, f.mask, f.geometry, region)
        table = f.static if f.static is not None else f.dynamic
        return saxs.sector(f.saxs_2d, f.mask, f.geometry, region, table.axis0)

    return services.kernel.derived(seen.ref, "saxs.region", key, compute)


def ring_figure(services: Services, seen: Looked, text: str) -> tuple[Any, str]:
    """I(φ) of the region and its conditions."""
    region = parse_region(text)
    if region is None:
        raise UsageError("There is no region yet.")
    line = _line(services, seen, region, "ring")
    q0, q1 = saxs.q_of_radius(np.array([region.r0, region.r1]), seen.xf.geometry)
    pixels = int(line.pixels.sum()) if line.pixels is not None else 0
    where = "ring" if region.full else f"φ {region.phi0:.0f} to {region.phi1:.0f}°"
    words = f"{where} · q {format_q(float(q0))} to {format_q(float(q1))} · {count(pixels)} px"
    return figure_ring(line.x, line.y, line.pixels, seen.theme), words
