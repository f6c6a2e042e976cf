"""What the Live page shows of a file: plain functions from services and selection to figures and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from xpcs_dash.analysis.intensity import Decimated, decimate
from xpcs_dash.components.views import Looked
from xpcs_dash.figures import format as fmt
from xpcs_dash.figures.detector import figure_detector
from xpcs_dash.figures.drawing import Drawing
from xpcs_dash.figures.g2 import Curve, figure_live, starved_note
from xpcs_dash.figures.images import percentile_limits
from xpcs_dash.figures.intensity import figure_intensity
from xpcs_dash.figures.theme import q_colours
from xpcs_dash.pages.g2.curves import choose_q, curve_of, name_of_bin, same_bin, source_of
from xpcs_dash.rules.photons import sigma_words_short

if TYPE_CHECKING:
    from xpcs_dash.database.files import FileRow
    from xpcs_dash.results.statement import BinResult
    from xpcs_dash.results.xpcs_file import XpcsFile
    from xpcs_dash.services import Services

#: Opacity of the curves of earlier files, the latest of them first.
FADING = (0.42, 0.26, 0.15)
#: Coincidences behind each point of a curve that is drawn as a mere line: 2 % of noise at the most.
LINE_COINCIDENCES = 2500.0
#: Blocks in which I(t) is drawn: more than a screen has pixels for is not seen.
BLOCKS = 600


def facts_of(xf: XpcsFile) -> list[tuple[str, str]]:
    """Sample, temperature, frames, energy and distance: what a file has of them, as label and value."""
    found: list[tuple[str, str]] = []  # the most important first: a narrow screen drops the last
    if xf.sample:
        found.append(("sample", xf.sample))
    if xf.temperature_k is not None:
        found.append(("temperature", fmt.temperature(xf.temperature_k)))
    if xf.n_frames:
        text = fmt.count(xf.n_frames)
        if xf.g2_frame_time_s:
            text += f" × {fmt.engineering(xf.g2_frame_time_s, 's')}"
        if xf.averaged_from:
            text = f"{len(xf.averaged_from)} × {text}"
        found.append(("frames", text))
    if xf.geometry is not None:
        g = xf.geometry
        found.append(("energy · distance", f"{g.energy_kev:.3f} keV · {g.distance_m:.2f} m"))
    if xf.start_time is not None:
        found.append(("start", xf.start_time.strftime("%d %b %H:%M:%S")))
    if xf.scan:
        found.append(("scan", str(xf.scan)))
    return found


def g2_view(
    services: Services, seen: Looked, fit: Sequence[BinResult], combine: bool, scale: float = 1.0
) -> tuple[Drawing | None, dict[int, str], str]:
    """Figure of g2, label -> colour of what it shows, and its conditions; no figure without g2."""
    xf = seen.xf
    labels = choose_q(xf, seen.selection.q)
    if not labels:
        return None, {}, ""
    colours = dict(zip(labels, q_colours(len(labels), seen.theme), strict=True))
    source = source_of(services, seen.ref, combine=combine, fit=fit)
    curves = [curve_of(source, label, colour=colours[label]) for label in labels]
    title = ""
    if xf.dynamic is not None and xf.dynamic.names[0] == "q":
        title = f"q ({xf.q_unit})"
        curves = [replace(curve, short=short_name(curve.name, xf.q_unit)) for curve in curves]
    drawing = figure_live(curves, earlier_curves(services, seen, labels, colours), seen.theme, title)
    drawing.scale = scale
    return drawing, colours, g2_conditions(xf, curves, combine)


def short_name(name: str, unit: str) -> str:
    """``q = 3.76·10⁻³ Å⁻¹`` under a title that says the rest: ``3.76·10⁻³``."""
    return name.removeprefix("q = ").replace(f"{fmt.NBSP}{unit}", "")


def g2_conditions(xf: XpcsFile, curves: Sequence[Curve], combine: bool) -> str:
    """What the curves stand for: how many q, which errors, what is faint."""
    parts = [f"{len(curves)} of {xf.n_q} q"]
    parts.append(sigma_words_short(xf.photons))
    if xf.photons:
        minimum = xf.min_coincidences
        parts.append(f"≥ {minimum:g} coincidences" if combine else starved_note(minimum))
    if any(curve.fit_g2 is not None for curve in curves):
        parts.append("line: fit, dotted where it is not good")
    return " · ".join(parts)


def earlier_curves(
    services: Services, seen: Looked, labels: Sequence[int], colours: dict[int, str]
) -> list[Curve]:
    """Curves of the files before this one at the same q, the oldest first; other maps are left out."""
    rows = services.catalogue.results(len(FADING), before=seen.ref)
    found: list[Curve] = []
    for row, opacity in reversed(list(zip(rows, FADING, strict=False))):
        if not row.n_q or not row.n_delay:
            continue
        try:
            source = source_of(services, row.ref, combine=True, minimum=LINE_COINCIDENCES)
        except Exception:  # noqa: S112 - an earlier file that is gone is simply not behind
            continue
        for label in labels:
            match = same_bin(seen.xf, label, source.xf)
            if match is not None:
                name = f"{row.name}, {name_of_bin(source.xf, match)}"
                found.append(
                    curve_of(source, match, name=name, colour=colours[label], opacity=opacity, line_only=True)
                )
    return found


def detector_view(
    services: Services, seen: Looked, scale: float = 1.0
) -> tuple[Drawing | None, tuple[float, float]]:
    """Figure of the detector and the limits of its colours; no figure without an image."""
    xf = seen.xf
    shape = xf.detector_shape or (xf.geometry.shape if xf.geometry is not None else None)
    if xf.saxs_2d is None or shape is None:
        return None, (0.0, 0.0)
    limits = services.kernel.derived(
        seen.ref, "limits", ("log", 1.0, 99.7), lambda f: percentile_limits(f.saxs_2d, f.mask)
    )
    source = seen.url("img", "scattering.png", scale="log", cmap="inferno", lo=limits[0], hi=limits[1])
    overlay = None
    if xf.dqmap is not None:
        chosen = ",".join(map(str, choose_q(xf, seen.selection.q)))
        overlay = seen.url("map", "borders.png", q=chosen or None, theme=seen.theme)
    centre = (xf.geometry.bcx, xf.geometry.bcy) if xf.geometry is not None else None
    drawing = figure_detector(source, shape, centre, seen.theme, overlay=overlay)
    drawing.scale = scale
    return drawing, limits


def short_unit(unit: str) -> str:
    """Unit of an intensity as axes name it."""
    return unit.replace("/pixel", "/px").replace("photons", "ph")


def intensity_view(services: Services, seen: Looked, scale: float = 1.0) -> tuple[Drawing | None, str]:
    """Figure of I(t) and its conditions; no figure where the file has none."""
    series = services.kernel.derived(seen.ref, "int_t.decimated", (BLOCKS,), _decimated)
    if series is None:
        return None, ""
    drawing = figure_intensity(series, seen.theme, short_unit(seen.xf.intensity_unit))
    drawing.scale = scale
    words = []
    if series.width > 1 and series.x.size > 1:
        words.append(f"mean and range per {fmt.engineering(float(series.x[1] - series.x[0]), 's', 2)}")
    if seen.xf.averaged_from:
        words.append(f"first of {len(seen.xf.averaged_from)} files only")
    return drawing, " · ".join(words)


def _decimated(xf: XpcsFile) -> Decimated | None:
    series = xf.int_t
    return None if series is None or series.shape[1] == 0 else decimate(series[0], series[1], BLOCKS)


def rows_until(services: Services, ref: str, n: int) -> list[FileRow]:
    """The last ``n`` results up to and with this file, oldest first."""
    older = services.catalogue.results(n - 1, before=ref)
    return [*reversed(older), services.catalogue.get(ref)]
