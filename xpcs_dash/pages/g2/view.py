"""What the g2 page draws: plain functions from services and selection to a figure and words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.components.views import Looked
from xpcs_dash.errors import UsageError
from xpcs_dash.figures import format as fmt
from xpcs_dash.figures.drawing import Drawing
from xpcs_dash.figures.g2 import Curve, Panel, figure_map, figure_panels, grid, starved_note
from xpcs_dash.figures.theme import q_colours, tokens
from xpcs_dash.pages.g2.curves import choose_q, curve_of, name_of_bin, same_bin, share_starved, source_of
from xpcs_dash.results.said import said_of
from xpcs_dash.rules.photons import sigma_words

if TYPE_CHECKING:
    from xpcs_dash.results.statement import BinResult
    from xpcs_dash.results.xpcs_file import XpcsFile
    from xpcs_dash.services import Services

#: More panels or files than this on one screen show nothing.
MOST_PANELS, MOST_FILES, MOST_OVERLAID = 64, 12, 12
#: Lowest height of a panel, px.
PANEL_PX = 118


@dataclass(frozen=True)
class Options:
    """The controls of the page.

    Attributes
    ----------
    view : "panels", "overlay", "partial" or "map".
    combine : neighbouring delays combined.
    fit : draw the fits of the catalogue.
    common : one scale for all panels.
    log_t : logarithmic delay.
    t_range, y_range : ends of the axes; None follows the data.
    offset : shift between neighbouring curves.
    """

    view: str = "panels"
    combine: bool = False
    fit: bool = True
    common: bool = True
    log_t: bool = True
    t_range: tuple[float | None, float | None] = (None, None)
    y_range: tuple[float | None, float | None] = (None, None)
    offset: float = 0.0

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Options:
        """Read the values of the controls; what is missing or malformed gets its default."""
        known = ("panels", "overlay", "partial", "map")
        return cls(
            view=given["view"] if given.get("view") in known else "panels",
            combine=bool(given.get("combine")),
            fit=bool(given.get("fit", True)),
            common=bool(given.get("common", True)),
            log_t=given.get("delay") != "lin",
            t_range=(_finite(given.get("tmin")), _finite(given.get("tmax"))),
            y_range=(_finite(given.get("ymin")), _finite(given.get("ymax"))),
            offset=_finite(given.get("offset")) or 0.0,
        )


@dataclass(frozen=True)
class View:
    """A figure and what goes with it.

    Attributes
    ----------
    drawing : the figure.
    colours : label -> colour, for the keys of the q-bins.
    words : conditions of the panel.
    rows : rows of panels, for the height of the page.
    """

    drawing: Drawing
    colours: dict[int, str]
    words: str
    rows: int = 1


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def make(services: Services, seen: Looked, options: Options) -> View:
    """The figure that the options ask for.

    Raises
    ------
    UsageError
        Where the file does not hold what the view needs; the sentence says what.
    """
    if not seen.xf.n_delay:
        raise UsageError(f"{seen.xf.path.name} holds no multi-tau g2; a two-time file has a page of its own.")
    return _VIEWS[options.view](services, seen, options)


def _draw(panels: Sequence[Panel], seen: Looked, options: Options, legend: bool) -> Drawing:
    return figure_panels(
        panels,
        seen.theme,
        log_t=options.log_t,
        t_range=options.t_range,
        y_range=options.y_range,
        common_y=options.common,
        legend=legend,
    )


def _fits(services: Services, ids: Sequence[str], options: Options) -> dict[str, tuple[BinResult, ...]]:
    if not options.fit:
        return {}
    return {row.ref: said_of(row).bins for row in services.catalogue.get_many(ids)}


def _words(xf: XpcsFile, curves: Sequence[Curve], options: Options, first: str) -> str:
    parts = [first, sigma_words(xf.photons)]
    starved = share_starved(curves)
    if xf.photons and options.combine:
        parts.append(f"delays combined to ≥ {xf.min_coincidences:g} coincidences")
    elif starved:
        parts.append(f"{starved_note(xf.min_coincidences)}, {fmt.percent(starved)} of the points")
    if any(curve.fit_g2 is not None for curve in curves):
        parts.append("line: single exponential, dotted where it is not good")
    return " · ".join(parts)


def panels_view(services: Services, seen: Looked, options: Options) -> View:
    """One panel for each q-bin, one curve for each file."""
    xf, ids = seen.xf, seen.selection.refs[:MOST_FILES]
    labels = choose_q(xf, seen.selection.q, n=MOST_PANELS)[:MOST_PANELS]
    if seen.selection.q is None:
        labels = tuple(range(1, min(xf.n_q, MOST_PANELS) + 1))
    several = len(ids) > 1
    by_q = dict(zip(labels, q_colours(len(labels), seen.theme), strict=True))
    by_file = dict(zip(ids, q_colours(len(ids), seen.theme), strict=True))
    names = {row.ref: row.name for row in services.catalogue.get_many(ids)} if several else {}
    fits = _fits(services, ids, options)
    sources = {i: source_of(services, i, combine=options.combine, fit=fits.get(i, ())) for i in ids}
    panels, every = [], []
    for label in labels:
        curves = []
        for m, ref in enumerate(ids):
            match = label if ref == seen.ref else same_bin(xf, label, sources[ref].xf)
            if match is None:
                continue
            curve = curve_of(
                sources[ref],
                match,
                name=names.get(ref) if several else None,
                colour=by_file[ref] if several else by_q[label],
            )
            curves.append(curve.shifted(m * options.offset))
        every += curves
        panels.append(Panel(f"<b>{label}</b>  {name_of_bin(xf, label)}", tuple(curves)))
    count = f"{len(labels)} of {xf.n_q} q" + (f" · {len(ids)} files" if several else "")
    colours = dict.fromkeys(labels, tokens(seen.theme).accent) if several else by_q
    drawing = _draw(panels, seen, options, legend=several)
    return View(drawing, colours, _words(xf, every, options, count), grid(len(panels))[0])


def overlay_view(services: Services, seen: Looked, options: Options) -> View:
    """One panel for each file, one curve for each q-bin."""
    xf, ids = seen.xf, seen.selection.refs[:MOST_FILES]
    labels = choose_q(xf, seen.selection.q, n=MOST_OVERLAID)
    colours = dict(zip(labels, q_colours(len(labels), seen.theme), strict=True))
    rows = {row.ref: row for row in services.catalogue.get_many(ids)}
    panels, every = [], []
    for ref in ids:
        fit = said_of(rows[ref]).bins if options.fit and ref in rows else ()
        source = source_of(services, ref, combine=options.combine, fit=fit)
        curves = []
        for m, label in enumerate(labels):
            match = label if ref == seen.ref else same_bin(xf, label, source.xf)
            if match is None:
                continue
            curve = curve_of(source, match, name=name_of_bin(xf, label), colour=colours[label])
            curves.append(curve.shifted(m * options.offset))
        every += curves
        title = rows[ref].name if ref in rows else source.xf.path.stem
        panels.append(Panel(title if len(ids) > 1 else "", tuple(curves)))
    words = _words(xf, every, options, f"{len(labels)} of {xf.n_q} q")
    if options.offset:
        words += f" · each next curve {options.offset:+g}"
    return View(_draw(panels, seen, options, legend=True), colours, words, grid(len(panels))[0])


def partial_view(_services: Services, seen: Looked, options: Options) -> View:
    """One panel for each q-bin, one curve for each part of the run: cumulative, the whole run last.

    Raises
    ------
    UsageError
        Where the file holds no cumulative g2.
    """
    xf = seen.xf
    if xf.partial_g2 is None or xf.partial_labels is None or not len(xf.partial_labels):
        raise UsageError(
            f"{xf.path.name} holds no cumulative g2, so its stability over the run cannot be shown here; "
            "the correlator writes it when it is asked for partial g2."
        )
    labels = choose_q(xf, seen.selection.q, n=MOST_PANELS)
    # correlators that were not asked for partial g2 may leave room for it, filled with NaN
    parts = [k for k in range(len(xf.partial_labels)) if np.isfinite(xf.partial_g2[k]).any()]
    if not parts:
        raise UsageError(
            f"{xf.path.name} has room for {len(xf.partial_labels)} cumulative parts of g2, but all are empty."
        )
    tints = q_colours(len(parts), seen.theme)
    panels = [
        Panel(
            f"<b>{label}</b>  {name_of_bin(xf, label)}",
            tuple(
                partial_curve(xf, k, label, tints[n]).shifted(n * options.offset) for n, k in enumerate(parts)
            ),
        )
        for label in labels
    ]
    every = [curve for panel in panels for curve in panel.curves]
    words = _words(xf, every, replace(options, combine=False), f"{len(labels)} of {xf.n_q} q")
    words += f" · {len(parts)} cumulative parts of the run"
    drawing = _draw(panels, seen, options, legend=True)
    return View(drawing, dict.fromkeys(labels, tokens(seen.theme).accent), words, grid(len(panels))[0])


def partial_curve(xf: XpcsFile, k: int, label: int, colour: str) -> Curve:
    """The g2 of the first part of the run; its coincidences are those of the whole run times its share."""
    assert xf.partial_g2 is not None
    assert xf.partial_labels is not None
    frames = np.asarray(xf.partial_labels, dtype=np.float64).ravel()
    g2 = xf.partial_g2[k, :, label - 1]
    total = float(xf.n_frames or frames.max())
    delays = xf.delay_frames if xf.delay_frames.size == g2.size else np.zeros(g2.size)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.maximum(frames[k] - delays, 0.0) / np.maximum(total - delays, 1.0)
        expected = xf.coincidences[:, label - 1] * share
        own = np.zeros(g2.size) if xf.partial_g2_err is None else xf.partial_g2_err[k, :, label - 1]
        sigma = np.sqrt(own**2 + 1.0 / expected) if xf.photons else np.asarray(own, dtype=np.float64)
    counted = np.isfinite(g2) & (expected >= xf.min_coincidences if xf.photons else sigma > 0)
    sigma = np.where(np.isfinite(sigma), sigma, np.nan)
    name = f"first {fmt.count(int(frames[k]))} frames"
    return Curve(name, xf.t_el, g2, sigma, expected, counted, colour)


def map_view(_services: Services, seen: Looked, options: Options) -> View:
    """g2 as an image over delay and q-bin."""
    xf = seen.xf
    names = [f"{label}: {name_of_bin(xf, label)}" for label in range(1, xf.n_q + 1)]
    drawing = figure_map(
        xf.t_el, xf.q, xf.g2, xf.trusted, names, seen.theme, log_t=options.log_t, y_range=options.y_range
    )
    words = f"{xf.n_q} q-bins × {xf.n_delay} delays"
    starved = 1.0 - float(xf.trusted.mean())
    if xf.photons and starved:
        words += f" · empty: fewer than {xf.min_coincidences:g} coincidences, {fmt.percent(starved)}"
    return View(drawing, {}, words, 1)


_VIEWS = {"panels": panels_view, "overlay": overlay_view, "partial": partial_view, "map": map_view}
