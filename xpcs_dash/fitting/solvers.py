"""Bounded Levenberg-Marquardt of many small curves at once: optimistix under JAX, and the same steps in
NumPy.

Both work in the coordinate u with ``z = z_lo + (z_hi - z_lo)·sigmoid(u)``, z being the parameter or its
logarithm: bounds hold by construction, and a fixed parameter is one whose bounds are equal, so that fixing
one compiles nothing new.
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
from xpcs_dash.fitting.runtime import Engine, pad_size, require_x64

__all__ = ["Problem", "Solution", "solve"]

FloatArray = NDArray[np.float64]

#: Relative and absolute change of cost and coordinates at which the fit stands still.
RTOL, ATOL = 1e-7, 1e-6
#: Most curves need a dozen steps, a few hundred; compiled blocks step together, so these are picked out and
#: go on alone.
FIRST_STEPS, MAX_STEPS = 20, 400
#: Curves per compiled program, delays per curve: a handful of programs serves all files.
CURVES, DELAYS = (8, 16, 32, 64), (16, 32, 64, 96, 128, 256)


class Solution(NamedTuple):
    """What a solver returns, per curve."""

    params: FloatArray  # (n_c, n_par)
    chi2: FloatArray  # (n_c,)
    normal: FloatArray  # (n_c, n_par, n_par): JᵀJ with respect to the parameters, weights included
    steps: NDArray[np.int64]  # (n_c,)
    converged: NDArray[np.bool_]  # (n_c,)


def to_u(z: FloatArray, lo: FloatArray, hi: FloatArray, edge: float = 0.01) -> FloatArray:
    """Unbounded coordinate of ``z``, kept the part ``edge`` of the range away from the bounds."""
    width = hi - lo
    inside = np.where(width > 0, (z - lo) / np.where(width > 0, width, 1.0), 0.5)
    inside = np.clip(inside, edge, 1.0 - edge)
    return np.asarray(np.log(inside) - np.log1p(-inside))


class Problem(NamedTuple):
    """Curves to fit."""

    t: FloatArray  # (n_c, n_t) delays in s, positive
    y: FloatArray  # (n_c, n_t)
    weight: FloatArray  # (n_c, n_t) 1/σ; 0 leaves a point out
    lower: FloatArray  # (n_c, n_par)
    upper: FloatArray  # (n_c, n_par); equal bounds fix a parameter
    start: FloatArray  # (n_c, n_par)


def solve(spec: ModelSpec, problem: Problem, engine: Engine) -> Solution:
    """Least squares of every curve of ``problem``."""
    zlo, zhi = spec.coordinates(problem.lower), spec.coordinates(problem.upper)
    u = to_u(spec.coordinates(problem.start), zlo, zhi)
    arrays = (problem.t, problem.y, problem.weight, zlo, zhi - zlo, u)
    return _solve_jax(spec, *arrays) if engine == "jax" else _solve_numpy(spec, *arrays)


# --- JAX -----------------------------------------------------------------------------------------------


@cache
def _program(name: str, steps: int) -> Callable[..., Any]:
    """Compiled fit of a block of curves; XLA compiles it once per block shape."""
    jax = require_x64()
    import equinox as eqx
    import jax.numpy as jnp
    import optimistix as optx

    spec = get_model(name)
    solver: Any = optx.LevenbergMarquardt(rtol=RTOL, atol=ATOL)
    # by default the damping falls only where the quadratic model is right to 1 %: three times as many steps
    # here
    search: Any = optx.ClassicalTrustRegion(
        high_cutoff=0.3, low_cutoff=0.05, high_constant=8.0, low_constant=0.25
    )
    solver = eqx.tree_at(lambda s: s.search, solver, search)

    def at(u: Any, zlo: Any, width: Any) -> Any:
        return zlo + width * jax.nn.sigmoid(u)

    def residual(u: Any, args: Any) -> Any:
        t, y, w, zlo, width = args
        model = spec.evaluate(t, spec.natural(at(u, zlo, width), jnp), jnp)
        # the second part pins the coordinate of a fixed parameter, whose column would be empty
        return (y - model) * w, jnp.where(width > 0, 0.0, u)

    def one(t: Any, y: Any, w: Any, zlo: Any, width: Any, u: Any) -> Any:
        sol: Any = optx.least_squares(
            residual, solver, u, args=(t, y, w, zlo, width), max_steps=steps, throw=False
        )
        params = spec.natural(at(sol.value, zlo, width), jnp)
        rest = (y - spec.evaluate(t, params, jnp)) * w
        jac = jax.jacfwd(lambda p: spec.evaluate(t, p, jnp) * w)(params)
        ok = sol.result == optx.RESULTS.successful
        return params, jnp.sum(rest * rest), jac.T @ jac, sol.stats["num_steps"], ok

    return jax.jit(jax.vmap(one))  # type: ignore[no-any-return]


def _solve_jax(spec: ModelSpec, *arrays: FloatArray) -> Solution:
    n = len(arrays[0])
    if n <= CURVES[-1]:
        return _blocks(spec, MAX_STEPS, *arrays)
    first = _blocks(spec, FIRST_STEPS, *arrays)
    late = np.flatnonzero(~first.converged)
    if late.size == 0:
        return first
    t, y, w, zlo, width, _ = (a[late] for a in arrays)
    u = to_u(spec.coordinates(first.params[late]), zlo, zlo + width, edge=1e-9)
    second = _blocks(spec, MAX_STEPS, t, y, w, zlo, width, u)
    for whole, part in zip(first, second, strict=True):
        whole[late] = part
    first.steps[late] += FIRST_STEPS
    return first


def _blocks(spec: ModelSpec, steps: int, *arrays: FloatArray) -> Solution:
    """All curves in padded blocks of at most the largest of `CURVES`, two blocks at a time."""
    t, y, w, zlo, width, u = arrays
    n, n_t = y.shape
    size, delays = pad_size(n, CURVES), pad_size(n_t, DELAYS)
    block = min(size, CURVES[-1])
    t = _padded(t, size, delays, fill=1.0)
    y, w = _padded(y, size, delays), _padded(w, size, delays)
    zlo, width, u = (_padded(a, size, a.shape[1]) for a in (zlo, width, u))
    run = _program(spec.name, steps)

    def part(first: int) -> list[NDArray[Any]]:
        rows = slice(first, first + block)
        return [np.asarray(a) for a in run(t[rows], y[rows], w[rows], zlo[rows], width[rows], u[rows])]

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


# --- NumPy ---------------------------------------------------------------------------------------------

_STEP = 1e-30  # of the complex-step derivative: exact to rounding, no cancellation


def _jacobian(spec: ModelSpec, t: FloatArray, params: FloatArray) -> FloatArray:
    """(n_c, n_t, n_par) derivative of the model with respect to the parameters, by complex steps."""
    columns = []
    for k in range(params.shape[1]):
        moved = params.astype(complex)
        moved[:, k] += 1j * _STEP
        columns.append(np.imag(spec.evaluate(t, moved)) / _STEP)
    return np.stack(columns, axis=-1)


def _solve_numpy(spec: ModelSpec, *arrays: FloatArray) -> Solution:
    t, y, w, zlo, width, u = (a.copy() for a in arrays)
    n, n_par = u.shape
    log = spec.log

    def at(u: FloatArray, rows: Any) -> tuple[FloatArray, FloatArray]:
        s = 1.0 / (1.0 + np.exp(-u))
        p = spec.natural(zlo[rows] + width[rows] * s)
        return p, width[rows] * s * (1.0 - s) * np.where(log, p, 1.0)

    def cost_of(p: FloatArray, rows: Any) -> FloatArray:
        r = (y[rows] - spec.evaluate(t[rows], p)) * w[rows]
        return np.asarray(0.5 * np.sum(r * r, axis=1))

    damping = np.ones(n)
    params, slope = at(u, slice(None))
    cost = cost_of(params, slice(None))
    steps, converged = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool)
    eye = np.eye(n_par)
    for _ in range(MAX_STEPS):
        live = np.flatnonzero(~converged)
        if live.size == 0:
            break
        steps[live] += 1
        jac = _jacobian(spec, t[live], params[live]) * w[live, :, None] * slope[live, None, :]
        rest = (y[live] - spec.evaluate(t[live], params[live])) * w[live]
        gradient = np.einsum("ctp,ct->cp", jac, rest)
        # NumPy lacks a batched QR solve; the damping keeps the normal equations regular
        normal = jac.transpose(0, 2, 1) @ jac + np.maximum(damping[live], 1e-10)[:, None, None] * eye
        move = np.linalg.solve(normal, gradient[..., None])[..., 0]
        trial = u[live] + move
        new_params, new_slope = at(trial, live)
        new_cost = cost_of(new_params, live)
        predicted = 0.5 * np.einsum("cp,cp->c", move, gradient + damping[live, None] * move)
        gain = (cost[live] - new_cost) / np.maximum(predicted, 1e-300)
        better = new_cost <= cost[live]
        still = (np.abs(move) <= ATOL + RTOL * np.abs(u[live])).all(1)
        flat = np.abs(cost[live] - new_cost) <= ATOL + RTOL * cost[live]
        # at rest: neither the cost nor the parameters move; far out on the sigmoid only the cost can tell
        moved = np.abs(new_params - params[live]) <= 1e-9 * np.abs(params[live]) + 1e-12
        converged[live] = (still | (flat & (moved.all(1) | (predicted <= ATOL + RTOL * cost[live])))) & (
            better | still
        )
        take = live[better]
        u[take], params[take], slope[take], cost[take] = (
            trial[better],
            new_params[better],
            new_slope[better],
            new_cost[better],
        )
        damping[live] = np.where(better & (gain > 0.25), damping[live] / 3.5, damping[live] * 4.0)
        damping[live] = np.clip(damping[live], 1e-14, 1e14)
    jac = _jacobian(spec, t, params) * w[:, :, None]
    return Solution(params, 2.0 * cost, jac.transpose(0, 2, 1) @ jac, steps, converged)
