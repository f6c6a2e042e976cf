"""Contrast and baseline, in which every model of g2 is linear, solved for exactly inside their bounds.

What is left to search for is the shape of the decay (tau; tau and gamma; ...). That problem is smaller, has
no valley along which contrast and relaxation time trade places, and every point of it can be judged.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Moments", "moments", "project"]


class Moments(NamedTuple):
    """Weighted sums over the points of a curve y, given a decay e; all (...)."""

    weight: Any  # Σw²
    e: Any  # mean of e
    y: Any  # mean of y
    ee: Any  # Σw²(e - mean)²
    ey: Any  # Σw²(e - mean)(y - mean)


def moments(xp: Any, e: Any, y: Any, w2: Any) -> Moments:
    """Sums over the last axis of the decay ``e``, the data ``y`` and the squared weights ``w2``."""
    weight = xp.sum(w2, axis=-1)
    safe = xp.where(weight > 0, weight, 1.0)
    mean_e, mean_y = xp.sum(w2 * e, axis=-1) / safe, xp.sum(w2 * y, axis=-1) / safe
    off = e - mean_e[..., None]
    pull = w2 * off
    return Moments(
        weight, mean_e, mean_y, xp.sum(pull * off, axis=-1), xp.sum(pull * (y - mean_y[..., None]), axis=-1)
    )


def project(xp: Any, m: Moments, box: Any) -> tuple[Any, Any, Any]:
    """Best contrast and baseline inside their bounds, for a given decay.

    Parameters
    ----------
    m : `moments` of the curve.
    box : four arrays (...): lower and upper bound of the contrast, of the baseline, the latter on the axis of
        the data from which the moments were formed.

    Returns
    -------
    contrast, baseline, and the part of χ² that depends on them (all (...)).
    """
    c_lo, c_hi, b_lo, b_hi = box
    raw = m.ee + m.weight * m.e * m.e  # Σw²e²
    varies = m.ee > 1e-20 * raw + 1e-290

    def cost(c: Any, b: Any) -> Any:
        off = m.y - c * m.e - b
        return c * (c * m.ee - 2.0 * m.ey) + m.weight * off * off

    def edge_c(c: Any) -> tuple[Any, Any]:
        return c, xp.clip(m.y - c * m.e, b_lo, b_hi)

    def edge_b(b: Any) -> tuple[Any, Any]:
        along = (m.ey + m.weight * m.e * (m.y - b)) / xp.where(raw > 0, raw, 1.0)
        return xp.clip(along, c_lo, c_hi), b

    # a decay that is constant over the points is a baseline
    contrast = xp.where(varies, m.ey / xp.where(varies, m.ee, 1.0), 0.0)
    baseline = m.y - contrast * m.e
    inside = (contrast >= c_lo) & (contrast <= c_hi) & (baseline >= b_lo) & (baseline <= b_hi)
    best = xp.where(inside, cost(contrast, baseline), xp.inf)
    if xp is np and inside.all():
        return contrast, baseline, best
    # a convex function whose minimum lies outside a rectangle is smallest on one of its edges
    for c, b in (edge_c(c_lo), edge_c(c_hi), edge_b(b_lo), edge_b(b_hi)):
        c, b = xp.broadcast_to(c, best.shape), xp.broadcast_to(b, best.shape)
        here = cost(c, b)
        better = ~inside & (here < best)
        best = xp.where(better, here, best)
        contrast, baseline = xp.where(better, c, contrast), xp.where(better, b, baseline)
    return contrast, baseline, best
