"""From a file's g2 to what is drawn: which q, which name, which points, which fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xpcs_dash.figures.format import format_bin
from xpcs_dash.figures.g2 import Curve

if TYPE_CHECKING:
    from xpcs_dash.analysis.g2 import Combined
    from xpcs_dash.results.statement import BinResult
    from xpcs_dash.results.xpcs_file import XpcsFile
    from xpcs_dash.services import Services

#: Points of a drawn fit.
FIT_POINTS = 80
#: An error of g2 that three quarters of the points stay below in a curve worth showing unasked.
VISIBLE_SIGMA = 0.05
#: How far q (relative) and φ (degrees) of two bins may be apart to be the same bin.
SAME_Q, SAME_PHI = 0.03, 5.0


def name_of_bin(xf: XpcsFile, label: int) -> str:
    """Name of a q-bin for people: ``q = 3.76·10⁻³ Å⁻¹, φ = 22.5°``; other maps keep their own names."""
    table = xf.dynamic
    if table is None:
        return f"bin {label}"
    if table.names[0] != "q":
        return xf.q_labels[label - 1]
    phi = float(xf.phi[label - 1]) if table.num_pts[1] > 1 else None
    return format_bin(float(xf.q[label - 1]), phi, xf.q_unit)


def usable(xf: XpcsFile) -> tuple[int, ...]:
    """Labels of the bins whose curve can be seen: precise enough, with enough points that count.

    Where that leaves fewer than three bins, the best third.
    """
    if not xf.n_delay:
        return ()
    trusted = xf.trusted
    share = trusted.mean(axis=0)
    typical = np.full(xf.n_q, np.inf)
    for k in np.flatnonzero(share > 0):
        typical[k] = float(np.quantile(xf.g2_sigma[trusted[:, k], k], 0.75))
    good = np.flatnonzero((share >= 0.4) & (typical <= VISIBLE_SIGMA))
    if good.size < 3:
        good = np.sort(np.argsort(typical - share, kind="stable")[: max(3, xf.n_q // 3)])
    return tuple(int(k) + 1 for k in good)


def choose_q(xf: XpcsFile, wanted: Sequence[int] | None, n: int = 5) -> tuple[int, ...]:
    """Labels to show: the wanted ones that the file has, else ``n`` spread over those that carry signal."""
    have = range(1, xf.n_q + 1) if xf.n_delay else range(0)
    chosen = tuple(sorted({label for label in wanted or () if label in have}))
    if chosen:
        return chosen
    good = usable(xf)
    places = np.unique(np.linspace(0, len(good) - 1, min(n, len(good))).round().astype(int)) if good else ()
    return tuple(good[int(i)] for i in places)


@dataclass(frozen=True)
class Source:
    """One file, open, with what its curves need: asked for once, not once for each q.

    Attributes
    ----------
    xf : the file.
    combined : curves with neighbouring delays combined, by bin; None for the points as they are.
    fit : what the index says of the bins, as they were fitted on arrival; empty draws no line.
    """

    xf: XpcsFile
    combined: tuple[Combined, ...] | None = None
    fit: Sequence[BinResult] = ()


def source_of(
    services: Services,
    ref: str,
    *,
    combine: bool = False,
    minimum: float | None = None,
    fit: Sequence[BinResult] = (),
) -> Source:
    """Open a file for its curves.

    Parameters
    ----------
    services : for the kernel.
    ref : public name of the file.
    combine : neighbouring delays combined until each point holds enough coincidences.
    minimum : how many are enough; by default what the settings say.
    fit : see `Source`.
    """
    xf = services.kernel.open(ref)
    return Source(xf, services.kernel.combined(ref, minimum) if combine else None, fit)


def curve_of(
    source: Source,
    label: int,
    *,
    name: str | None = None,
    colour: str = "#54b8ff",
    opacity: float = 1.0,
    line_only: bool = False,
) -> Curve:
    """One q-bin of one file as a curve.

    Parameters
    ----------
    source : the file.
    label : 1-based label of the bin.
    name : text of the legend; by default the bin's.
    colour, opacity, line_only : see `Curve`.
    """
    xf, k = source.xf, label - 1
    if source.combined is not None:
        c = source.combined[k]
        curve = Curve("", c.t, c.g2, c.sigma, c.coincidences, c.enough)
    else:
        columns = (xf.g2, xf.g2_sigma, xf.coincidences, xf.trusted)
        curve = Curve("", xf.t_el, *(table[:, k] for table in columns))
    said = next((found for found in source.fit if found.label == label), None)
    fitted = fit_curve(said, curve.t[curve.counted])
    return replace(
        curve,
        name=name or name_of_bin(xf, label),
        colour=colour,
        opacity=opacity,
        line_only=line_only,
        fit_t=None if fitted is None else fitted[0],
        fit_g2=None if fitted is None else fitted[1],
        fit_sure=said is None or said.good,
    )


def fit_curve(said: BinResult | None, t: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Delays and values of the fitted curve of one bin, or None where there is none to draw.

    Parameters
    ----------
    said : of the bin.
    t : delays of the points that count: a fit is drawn where it was made, and not beyond.
    """
    positive = t[t > 0]
    if said is None or not positive.size or not said.verdict.has_curve:
        return None
    from xpcs_dash.fitting.models import get_model

    spec = get_model(said.model)
    row = np.array([said[name].value for name in spec.names])
    if not np.isfinite(row).all():
        return None
    delays = np.geomspace(positive.min(), positive.max(), FIT_POINTS)
    return delays, np.asarray(spec.evaluate(delays, row), dtype=np.float64)


def same_bin(here: XpcsFile, label: int, there: XpcsFile) -> int | None:
    """Label in ``there`` of the bin nearest to ``label`` of ``here``, or None where none is close."""
    if not there.n_q or not there.n_delay or there.q_unit != here.q_unit:
        return None
    q, phi = float(here.q[label - 1]), float(here.phi[label - 1])
    off = np.abs(there.q / q - 1) if q else np.abs(there.q)
    turned = np.abs((there.phi - phi + 180) % 360 - 180)
    k = int(np.argmin(off + turned / 360))
    return k + 1 if off[k] <= SAME_Q and turned[k] <= SAME_PHI else None


def share_starved(curves: Sequence[Curve]) -> float:
    """Part of the drawn points that do not count, 0 … 1."""
    total = sum(int(np.isfinite(curve.g2).sum()) for curve in curves)
    weak = sum(int((np.isfinite(curve.g2) & ~curve.counted).sum()) for curve in curves)
    return weak / total if total else 0.0
