"""Least squares of many small curves at once: Levenberg-Marquardt (optimistix) and Newton steps under JAX,
Newton steps alone in NumPy.

Contrast and baseline are solved for exactly at every step (`fitting.projection`), so only the shape of the
decay is searched. The search runs on angles v with ``z = z_lo + (z_hi - z_lo)·(1 + sin v)/2``, z being the
parameter or its logarithm: bounds hold by construction and can be reached, and a fixed parameter is one whose
bounds are equal, so that fixing one compiles nothing new.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from os import cpu_count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.fitting.models import ModelSpec, get_model
from xpcs_dash.fitting.newton import eigen, newton_step, next_damping
from xpcs_dash.fitting.projection import moments, project
from xpcs_dash.fitting.runtime import Engine, pad_size, require_x64
from xpcs_dash.fitting.slopes import model_jacobian
from xpcs_dash.fitting.solver_numpy import descend

__all__ = ["Problem", "Solution", "polish", "solve"]

FloatArray = NDArray[np.float64]

#: Relative and absolute change of cost and coordinates at which Levenberg-Marquardt stands still.
RTOL, ATOL = 1e-7, 1e-6
#: Steps of Levenberg-Marquardt under JAX, where one or two shape parameters are sought. It is good at a
#: distance; near the minimum, and in flat valleys, where the Gauss-Newton matrix misleads, Newton steps with
#: the exact Hessian take over. With more parameters the valleys bend, and Newton steps alone keep JAX and
#: NumPy in the same one.
FIRST_STEPS, MAX_STEPS = 4, 400
#: Newton decrement (possible gain in half χ², relative to 1 + half χ²) at which a curve is at rest.
REST = 1e-10
#: Gain of one step, relative to 1 + half χ², below which it is idle, and number of idle steps after which a
#: curve is at rest too: in a valley without end the fit gets no better, though its parameters still move.
STALL, PATIENCE = 1e-8, 8
#: Longest step in radians. A third of it is the distance between two starts of the grid, so that a curve
#: stays in the valley in which it was put.
LONGEST = 0.3
#: Curves per compiled program, delays per curve: a handful of programs serves all files.
CURVES, DELAYS = (8, 16, 32, 64), (16, 32, 64, 96, 128, 256)


class Solution(NamedTuple):
    """What a solver returns, per curve."""

    params: FloatArray  # (n_c, n_par)
    chi2: FloatArray  # (n_c,)
    normal: FloatArray  # (n_c, n_par, n_par): JᵀJ with respect to the parameters, weights included
    steps: NDArray[np.int64]  # (n_c,)
    converged: NDArray[np.bool_]  # (n_c,)


class Problem(NamedTuple):
    """Curves to fit."""

    t: FloatArray  # (n_c, n_t) delays in s, positive
    y: FloatArray  # (n_c, n_t)
    weight: FloatArray  # (n_c, n_t) 1/σ; 0 leaves a point out
    lower: FloatArray  # (n_c, n_par)
    upper: FloatArray  # (n_c, n_par); equal bounds fix a parameter
    start: FloatArray  # (n_c, n_par)


def to_angle(z: FloatArray, lo: FloatArray, width: FloatArray, room: float) -> FloatArray:
    """Angle v with z = lo + width·(1 + sin v)/2, kept the part ``room`` of the range away from the bounds,
    at which every slope vanishes.
    """
    inside = np.where(width > 0, (z - lo) / np.where(width > 0, width, 1.0), 0.5)
    return np.asarray(np.arcsin(2.0 * np.clip(inside, room, 1.0 - room) - 1.0))


def solve(
    spec: ModelSpec, problem: Problem, engine: Engine, steps: int = MAX_STEPS, room: float = 0.01
) -> Solution:
    """Least squares of every curve of ``problem``, in at most so many steps, from starts moved the part
    ``room`` of the range away from the bounds.
    """
    n, n_par = problem.lower.shape
    if not n:
        none = np.zeros(0, dtype=np.int64)
        return Solution(problem.lower, np.zeros(0), np.zeros((0, n_par, n_par)), none, none.astype(bool))
    shape, c, b = spec.shape_index, spec.index("contrast"), spec.index("baseline")
    zlo, zhi = spec.coordinates(problem.lower)[:, shape], spec.coordinates(problem.upper)[:, shape]
    v = to_angle(spec.coordinates(problem.start)[:, shape], zlo, zhi - zlo, room)
    edges = [problem.lower[:, c], problem.upper[:, c], problem.lower[:, b] - 1.0, problem.upper[:, b] - 1.0]
    # the data as numbers near zero: the sums subtract
    arrays = (problem.t, problem.y - 1.0, problem.weight, zlo, zhi - zlo, np.stack(edges, axis=-1), v)
    return _solve_jax(spec, steps, *arrays) if engine == "jax" else _solve_numpy(spec, steps, *arrays)


def polish(spec: ModelSpec, problem: Problem) -> Solution:
    """The bottom of the valley in which the start of each curve lies, to the last digits."""
    return solve(spec, problem, "numpy", room=1e-9)


def _solve_numpy(spec: ModelSpec, most: int, *arrays: FloatArray) -> Solution:
    t, y, w, zlo, width, box, v = arrays
    shape, linear, steps, done = descend(
        spec, t, y, w, zlo, width, box, v, most, REST, LONGEST, STALL, PATIENCE
    )
    params = spec.whole(linear[:, 0], linear[:, 1] + 1.0, shape)
    rest = (y + 1.0 - spec.evaluate(t, params)) * w
    jac = model_jacobian(spec, t, params) * w[:, :, None]
    return Solution(params, np.sum(rest * rest, axis=1), jac.transpose(0, 2, 1) @ jac, steps, done)


@cache
def _program(name: str) -> Callable[..., Any]:
    """Compiled fit of a block of curves; XLA compiles it once per block shape."""
    jax = require_x64()
    import equinox as eqx
    import jax.numpy as jnp
    import optimistix as optx

    spec = get_model(name)
    log = [p.log for p in spec.shape_parameters]
    solver: Any = optx.LevenbergMarquardt(rtol=RTOL, atol=ATOL)
    # by default the damping falls only where the quadratic model is right to 1 %: three times as many steps
    # here
    search: Any = optx.ClassicalTrustRegion(
        high_cutoff=0.3, low_cutoff=0.05, high_constant=8.0, low_constant=0.25
    )
    solver = eqx.tree_at(lambda s: s.search, solver, search)

    def params_at(v: Any, args: Any) -> Any:
        t, y, w, zlo, width, box = args
        z = zlo + width * 0.5 * (1.0 + jnp.sin(v))
        shape = jnp.stack([jnp.exp(z[k]) if is_log else z[k] for k, is_log in enumerate(log)])
        decay = spec.evaluate(t, spec.whole(1.0, 0.0, shape, jnp), jnp)
        contrast, baseline, _ = project(jnp, moments(jnp, decay, y, w * w), box)
        return contrast, baseline, shape, (y - contrast * decay - baseline) * w

    def residual(v: Any, args: Any) -> Any:
        # the second part pins the coordinate of a fixed parameter, whose column would be empty
        return params_at(v, args)[3], jnp.where(args[4] > 0, 0.0, v)

    def one(*given: Any) -> Any:
        *args, v, most = given
        held = jnp.diag(jnp.where(args[4] > 0, 0.0, 1.0))

        def cost(v: Any) -> Any:
            r = params_at(v, args)[3]
            return 0.5 * jnp.sum(r * r)

        def step(state: Any) -> Any:
            v, f, damping, n, _, idle = state
            g = jax.jacfwd(cost)(v)
            hessian = jax.jacfwd(jax.jacfwd(cost))(v) + held
            move, decrement, predicted, floor = newton_step(jnp, g, *eigen(jnp, hessian), damping, LONGEST)
            trial = v + move
            new = cost(trial)
            better = new <= f
            damping = next_damping(jnp, damping, better, f - new, predicted, floor)
            idle = jnp.where(better & (f - new > STALL * (1.0 + f)), 0, idle + better)
            done = (decrement <= REST * (1.0 + f)) | (idle >= PATIENCE)
            return jnp.where(better, trial, v), jnp.where(better, new, f), damping, n + 1, done, idle

        def going(state: Any) -> Any:
            return (state[3] < most) & ~state[4]

        first: Any = 0
        if len(log) <= 2:
            sol: Any = optx.least_squares(residual, solver, v, args=args, max_steps=FIRST_STEPS, throw=False)
            v, first = sol.value, sol.stats["num_steps"]
        begin = (v, cost(v), jnp.zeros(()), first, False, 0)
        v, _, _, n, done, _ = jax.lax.while_loop(going, step, begin)
        contrast, baseline, shape, rest = params_at(v, args)
        params = spec.whole(contrast, baseline + 1.0, shape, jnp)
        jac = jax.jacfwd(lambda p: spec.evaluate(args[0], p, jnp) * args[2])(params)
        return params, jnp.sum(rest * rest), jac.T @ jac, n, done

    return jax.jit(jax.vmap(one, in_axes=(*[0] * 7, None)))  # type: ignore[no-any-return]


def _solve_jax(spec: ModelSpec, most: int, *arrays: FloatArray) -> Solution:
    """All curves in padded blocks of at most the largest of `CURVES`, two blocks at a time."""
    run = _program(spec.name)
    n, n_t = arrays[1].shape
    size, delays = pad_size(n, CURVES), pad_size(n_t, DELAYS)
    block = min(size, CURVES[-1])
    t, y, w = (_padded(a, size, delays, fill) for a, fill in zip(arrays[:3], (1.0, 0.0, 0.0), strict=True))
    whole = (t, y, w, *(_padded(a, size, a.shape[1]) for a in arrays[3:]))

    def part(first: int) -> list[NDArray[Any]]:
        rows = slice(first, first + block)
        t, y, w, zlo, width, box, v = (a[rows] for a in whole)
        return [np.array(a) for a in run(t, y, w, zlo, width, tuple(box.T), v, most)]

    firsts = range(0, size, block)
    parts = [part(0)]  # compiles before any thread starts
    if len(firsts) > 1:
        with ThreadPoolExecutor(min(len(firsts), cpu_count() or 1)) as pool:
            parts += list(pool.map(part, firsts[1:]))
    return Solution(*(np.concatenate(column)[:n] for column in zip(*parts, strict=True)))


def _padded(a: FloatArray, rows: int, columns: int, fill: float = 0.0) -> FloatArray:
    out = np.full((rows, columns), fill)
    out[: a.shape[0], : a.shape[1]] = a
    return out
