"""Start values from the data: the best of a grid of decays, with contrast and baseline solved for exactly.

Every model here is linear in contrast and baseline once the shape parameters are given, so a coarse grid of
shapes costs two matrix products per file and replaces a multi-start of the non-linear fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.fitting.models import ModelSpec
from xpcs_dash.fitting.projection import Moments, project

__all__ = ["grid_start"]

FloatArray = NDArray[np.float64]

_ROWS = 2048


def _shapes(spec: ModelSpec, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """(n_grid, n_par) parameter sets with contrast 1 and baseline 0."""
    names = [p.name for p in spec.shape_parameters]
    axes = [
        p.grid.values(lower[k], upper[k], log=p.log)
        for k, p in zip(spec.shape_index, spec.shape_parameters, strict=True)
    ]
    mesh = np.meshgrid(*axes, indexing="ij")
    out = np.zeros((mesh[0].size, len(spec.names)))
    out[:, spec.index("contrast")] = 1.0
    for name, values in zip(names, mesh, strict=True):
        out[:, spec.index(name)] = values.ravel()
    if spec.ordered and spec.orders(lower, upper):
        first, second = (out[:, spec.index(n)] for n in spec.ordered)
        keep = first < second
        if keep.any():
            out = out[keep]
    return out


def grid_start(
    spec: ModelSpec,
    t: FloatArray,
    y: FloatArray,
    weight: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    start: Mapping[str, Any],
) -> FloatArray:
    """Best grid point of each curve.

    Parameters
    ----------
    t : (n_t,) delays in s, common to all curves.
    y, weight : (n_c, n_t) data and 1/σ; weight 0 leaves a point out.
    lower, upper : (n_c, n_par) bounds; equal where a parameter is fixed.
    start : values asked for, each a number or (n_c,).

    Returns
    -------
    (n_c, n_par) parameter values inside the bounds.
    """
    lo, hi = lower.copy(), upper.copy()
    for name, value in start.items():
        k = spec.index(name)
        lo[:, k] = hi[:, k] = np.clip(value, lower[:, k], upper[:, k])
    if not len(y):
        return np.empty_like(lower)
    # one grid for all curves; bounds that differ from curve to curve are respected by the final clip
    shapes = _shapes(spec, lo.min(axis=0), hi.max(axis=0))
    basis = spec.evaluate(t, shapes).T  # (n_t, n_grid)
    square = basis * basis
    ic, ib = spec.index("contrast"), spec.index("baseline")
    out = np.empty_like(lower)
    for first in range(0, len(y), _ROWS):
        rows = slice(first, first + _ROWS)
        w2 = weight[rows] ** 2
        ym = y[rows] - 1.0  # numbers near zero: the sums below subtract
        total = w2.sum(1)[:, None]
        safe = np.where(total > 0, total, 1.0)
        mean_e, mean_y = (w2 @ basis) / safe, (w2 * ym).sum(1)[:, None] / safe
        ee = np.maximum(w2 @ square - total * mean_e * mean_e, 0.0)
        ee[ee < 1e-12 * total] = 0.0  # rounding
        ey = np.where(ee > 0, (w2 * ym) @ basis - total * mean_e * mean_y, 0.0)
        box = (lo[rows, ic, None], hi[rows, ic, None], lo[rows, ib, None] - 1.0, hi[rows, ib, None] - 1.0)
        contrast, base, cost = project(np, Moments(total, mean_e, mean_y, ee, ey), box)
        best = np.argmin(cost, axis=1)
        take = np.arange(len(best))
        out[rows] = shapes[best]
        out[rows, ic], out[rows, ib] = contrast[take, best], base[take, best] + 1.0
    return np.clip(out, lo, hi)
