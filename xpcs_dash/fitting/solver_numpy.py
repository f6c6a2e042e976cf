"""The search for the shape of each decay in NumPy: damped Newton steps on χ² with contrast and baseline
solved for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.fitting.models import ModelSpec
from xpcs_dash.fitting.newton import eigen, newton_step, next_damping
from xpcs_dash.fitting.projection import moments, project
from xpcs_dash.fitting.slopes import decay, decay_and_slopes

__all__ = ["descend"]

FloatArray = NDArray[np.float64]

#: Difference step of the Hessian. The gradient is exact, so this costs convergence, not accuracy.
_SHIFT = 1e-6


class _Curves(NamedTuple):
    t: FloatArray
    y: FloatArray
    w2: FloatArray
    zlo: FloatArray
    width: FloatArray
    box: FloatArray  # (n_c, 4)

    def take(self, rows: NDArray[Any]) -> _Curves:
        return _Curves(*(a[rows] for a in self))


def descend(
    spec: ModelSpec,
    t: FloatArray,
    y: FloatArray,
    weight: FloatArray,
    zlo: FloatArray,
    width: FloatArray,
    box: FloatArray,
    v: FloatArray,
    steps: int,
    rest: float,
    limit: float,
    stall: float,
    patience: int,
) -> tuple[FloatArray, FloatArray, NDArray[np.int64], NDArray[np.bool_]]:
    """Newton steps from the angles ``v`` (n_c, n_shape).

    Parameters
    ----------
    t, y, weight : (n_c, n_t) delays, data on the axis of the box's baseline, 1/σ.
    zlo, width : (n_c, n_shape) lower bounds and ranges of the shape coordinates.
    box : (n_c, 4) bounds of contrast and baseline, see `projection.project`.
    steps, limit : most steps, and the longest.
    rest, stall, patience : a curve is at rest when half χ² cannot fall by more than ``rest``, or in so many
        steps fell by less than ``stall`` each; both relative to 1 + half χ².

    Returns
    -------
    shape parameters (n_c, n_shape), contrast and baseline (n_c, 2), steps taken, who is at rest.
    """
    v, n_shape = v.copy(), v.shape[1]
    everything = _Curves(t, y, weight * weight, zlo, width, box)
    log = np.array([p.log for p in spec.shape_parameters])
    all_log, units = bool(log.all()), np.eye(n_shape)

    def shape_of(v: FloatArray, c: _Curves) -> FloatArray:
        z = c.zlo + c.width * 0.5 * (1.0 + np.sin(v))
        return np.exp(z) if all_log else np.where(log, np.exp(np.where(log, z, 0.0)), z)

    def look(v: FloatArray, c: _Curves) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Half χ², its gradient and its Hessian, in one evaluation: a call costs more than a few curves."""
        n = len(v)
        beside = np.concatenate([v, *(v + _SHIFT * unit for unit in units)])
        c = _Curves(*(np.concatenate([a] * (n_shape + 1)) for a in c))
        e, slopes = decay_and_slopes(spec, c.t, shape_of(beside, c))
        contrast, baseline, _ = project(np, moments(np, e, c.y, c.w2), c.box.T)
        off = c.y - contrast[:, None] * e - baseline[:, None]
        pull = c.w2 * off
        by_z = -contrast[:, None] * np.einsum("pct,ct->cp", slopes, pull)
        g, *shifted = (by_z * c.width * 0.5 * np.cos(beside)).reshape(n_shape + 1, n, n_shape)
        hessian = np.stack([(s - g) / _SHIFT for s in shifted], axis=-1)
        hessian = 0.5 * (hessian + hessian.transpose(0, 2, 1))
        # the coordinate of a fixed parameter, whose column would be empty, is pinned
        hessian += np.where(c.width[:n] > 0, 0.0, 1.0)[:, :, None] * units
        return 0.5 * np.einsum("ct,ct->c", off[:n], pull[:n]), g, hessian

    (cost, g, hessian), damping = look(v, everything), np.zeros(len(v))
    idle = np.zeros(len(v), dtype=np.int64)
    taken, done = np.zeros(len(v), dtype=np.int64), np.zeros(len(v), dtype=bool)
    for _ in range(steps):
        live = np.flatnonzero(~done)
        if live.size == 0:
            break
        c = everything if live.size == len(v) else everything.take(live)
        taken[live] += 1
        move, decrement, predicted, floor = newton_step(
            np, g[live], *eigen(np, hessian[live]), damping[live], limit
        )
        trial = v[live] + move
        new, new_g, new_hessian = look(trial, c)
        better = new <= cost[live]
        gain = cost[live] - new
        damping[live] = next_damping(np, damping[live], better, gain, predicted, floor)
        idle[live] = np.where(better & (gain > stall * (1.0 + cost[live])), 0, idle[live] + better)
        done[live] = (decrement <= rest * (1.0 + cost[live])) | (idle[live] >= patience)
        take = live[better]
        v[take], cost[take], g[take] = trial[better], new[better], new_g[better]
        hessian[take] = new_hessian[better]
    shape = shape_of(v, everything)
    contrast, baseline, _ = project(np, moments(np, decay(spec, t, shape), y, weight * weight), box.T)
    return shape, np.stack([contrast, baseline], axis=-1), taken, done
