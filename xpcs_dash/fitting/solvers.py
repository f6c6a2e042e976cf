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

__all__ = ["Problem", "Solution", "model_jacobian", "solve"]

FloatArray = NDArray[np.float64]

#: Relative and absolute change of cost and coordinates at which the fit stands still.
RTOL, ATOL = 1e-7, 1e-6
#: Most curves need a dozen steps. The rest lie in flat valleys, where the Gauss-Newton matrix misleads; they
#: are picked out and finished by damped Newton steps with the exact Hessian.
FIRST_STEPS, MAX_STEPS = 16, 400
#: Newton decrement (possible gain in half χ², relative to 1 + half χ²) at which a curve is at rest.
REST = 1e-10
#: Curves per compiled program, delays per curve: a handful of programs serves all files.
CURVES, DELAYS = (8, 16, 32, 64), (16, 32, 64, 96, 128, 256)


class Solution(NamedTuple):
    """What a solver returns, per curve."""

    params: FloatArray  # (n_c, n_par)
    chi2: FloatArray  # (n_c,)
    normal: FloatArray  # (n_c, n_par, n_par): JᵀJ with respect to the parameters, weights included
    steps: NDArray[np.int64]  # (n_c,)
    converged: NDArray[np.bool_]  # (n_c,)


def to_angle(z: FloatArray, lo: FloatArray, width: FloatArray) -> FloatArray:
    """Angle v with z = lo + width·(1 + sin v)/2: unlike the sigmoid it reaches the bounds."""
    inside = np.where(width > 0, (z - lo) / np.where(width > 0, width, 1.0), 0.5)
    return np.asarray(np.arcsin(2.0 * np.clip(inside, 1e-7, 1.0 - 1e-7) - 1.0))


def newton_step(xp: Any, g: Any, values: Any, vectors: Any, damping: Any) -> tuple[Any, Any, Any, Any]:
    """A damped Newton step from the eigen-decomposition (..., p), (..., p, p) of the Hessian and the
    gradient.

    Negative curvature is turned round, so that the step always leads downhill; it is no longer than one
    radian.

    Returns
    -------
    step (..., p), Newton decrement, predicted gain, smallest useful damping (all (...)).
    """
    size = xp.abs(values)
    largest = xp.max(size, axis=-1)
    size = xp.maximum(size, 1e-13 * largest[..., None] + 1e-300)
    along = xp.einsum("...pk,...p->...k", vectors, g)
    decrement = 0.5 * xp.sum(along * along / size, axis=-1)
    parts = -along / (size + damping[..., None])
    length = xp.sqrt(xp.sum(parts * parts, axis=-1))
    parts = parts * xp.minimum(1.0, 1.0 / xp.maximum(length, 1e-300))[..., None]
    predicted = -xp.sum(along * parts + 0.5 * size * parts * parts, axis=-1)
    return xp.einsum("...pk,...k->...p", vectors, parts), decrement, predicted, 0.3 * xp.min(size, axis=-1)


def next_damping(xp: Any, damping: Any, better: Any, gain: Any, predicted: Any, floor: Any) -> Any:
    """Less damping where the quadratic model held; after a step that failed more, at least ``floor``."""
    less = xp.where(damping > 1e-2 * floor, damping / 4.0, 0.0)
    kept = xp.where(gain > 0.3 * predicted, less, xp.where(gain > 0.1 * predicted, damping, damping * 2.0))
    return xp.where(better, kept, xp.maximum(damping * 6.0, floor))


def to_u(z: FloatArray, lo: FloatArray, hi: FloatArray) -> FloatArray:
    """Unbounded coordinate of ``z``, kept a hundredth of the range away from the bounds."""
    width = hi - lo
    inside = np.where(width > 0, (z - lo) / np.where(width > 0, width, 1.0), 0.5)
    inside = np.clip(inside, 0.01, 0.99)
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
    if not len(problem.y):
        p = problem.lower.shape[1]
        none = np.zeros(0, dtype=np.int64)
        return Solution(problem.lower, np.zeros(0), np.zeros((0, p, p)), none, none.astype(bool))
    zlo, zhi = spec.coordinates(problem.lower), spec.coordinates(problem.upper)
    u = to_u(spec.coordinates(problem.start), zlo, zhi)
    arrays = (problem.t, problem.y, problem.weight, zlo, zhi - zlo, u)
    return _solve_jax(spec, *arrays) if engine == "jax" else _solve_numpy(spec, *arrays)


# --- JAX -----------------------------------------------------------------------------------------------


@cache
def _program(name: str) -> Callable[..., Any]:
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
            residual, solver, u, args=(t, y, w, zlo, width), max_steps=FIRST_STEPS, throw=False
        )
        params = spec.natural(at(sol.value, zlo, width), jnp)
        rest = (y - spec.evaluate(t, params, jnp)) * w
        jac = jax.jacfwd(lambda p: spec.evaluate(t, p, jnp) * w)(params)
        ok = sol.result == optx.RESULTS.successful
        return params, jnp.sum(rest * rest), jac.T @ jac, sol.stats["num_steps"], ok

    return jax.jit(jax.vmap(one))  # type: ignore[no-any-return]


def _solve_jax(spec: ModelSpec, *arrays: FloatArray) -> Solution:
    first = _blocks(_program(spec.name), *arrays)
    late = np.flatnonzero(~first.converged)
    if late.size == 0:
        return first
    t, y, w, zlo, width, _ = (a[late] for a in arrays)
    v = to_angle(spec.coordinates(first.params[late]), zlo, width)
    second = _blocks(_finisher(spec.name), t, y, w, zlo, width, v)
    for whole, part in zip(first[:3], second[:3], strict=True):
        whole[late] = part
    first.steps[late] += second.steps
    first.converged[late] = second.converged
    return first


@cache
def _finisher(name: str) -> Callable[..., Any]:
    """Compiled damped Newton steps with the exact Hessian, for curves in a flat or curved valley."""
    jax = require_x64()
    import jax.numpy as jnp

    spec = get_model(name)

    def at(v: Any, zlo: Any, width: Any) -> Any:
        return spec.natural(zlo + width * 0.5 * (1.0 + jnp.sin(v)), jnp)

    def one(t: Any, y: Any, w: Any, zlo: Any, width: Any, v: Any) -> Any:
        held = jnp.where(width > 0, 0.0, 1.0)

        def cost(v: Any) -> Any:
            r = (y - spec.evaluate(t, at(v, zlo, width), jnp)) * w
            return 0.5 * jnp.sum(r * r)

        def step(state: Any) -> Any:
            v, f, damping, n, _ = state
            g = jax.grad(cost)(v)
            values, vectors = jnp.linalg.eigh(jax.hessian(cost)(v) + jnp.diag(held))
            move, decrement, predicted, floor = newton_step(jnp, g, values, vectors, damping)
            trial = v + move
            new = cost(trial)
            better = new <= f
            damping = next_damping(jnp, damping, better, f - new, predicted, floor)
            done = decrement <= REST * (1.0 + f)
            return jnp.where(better, trial, v), jnp.where(better, new, f), damping, n + 1, done

        def going(state: Any) -> Any:
            return (state[3] < MAX_STEPS) & ~state[4]

        v, f, _, n, done = jax.lax.while_loop(going, step, (v, cost(v), jnp.zeros(()), 0, False))
        params = at(v, zlo, width)
        jac = jax.jacfwd(lambda p: spec.evaluate(t, p, jnp) * w)(params)
        return params, 2.0 * f, jac.T @ jac, n, done

    return jax.jit(jax.vmap(one))  # type: ignore[no-any-return]


def _blocks(run: Callable[..., Any], *arrays: FloatArray) -> Solution:
    """All curves in padded blocks of at most the largest of `CURVES`, two blocks at a time."""
    t, y, w, zlo, width, u = arrays
    n, n_t = y.shape
    size, delays = pad_size(n, CURVES), pad_size(n_t, DELAYS)
    block = min(size, CURVES[-1])
    t = _padded(t, size, delays, fill=1.0)
    y, w = _padded(y, size, delays), _padded(w, size, delays)
    zlo, width, u = (_padded(a, size, a.shape[1]) for a in (zlo, width, u))

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


def model_jacobian(spec: ModelSpec, t: FloatArray, params: FloatArray) -> FloatArray:
    """(n_c, n_t, n_par) derivative of the model with respect to the parameters, by complex steps."""
    columns = []
    for k in range(params.shape[1]):
        moved = params.astype(complex)
        moved[:, k] += 1j * _STEP
        columns.append(np.imag(spec.evaluate(t, moved)) / _STEP)
    return np.stack(columns, axis=-1)


def _solve_numpy(spec: ModelSpec, *arrays: FloatArray) -> Solution:
    t, y, w, zlo, width, u = arrays
    params, steps, converged = _numpy_marquardt(spec, t, y, w, zlo, width, u)
    late = np.flatnonzero(~converged)
    if late.size:
        v = to_angle(spec.coordinates(params[late]), zlo[late], width[late])
        params[late], extra, converged[late] = _numpy_newton(
            spec, t[late], y[late], w[late], zlo[late], width[late], v
        )
        steps[late] += extra
    rest = (y - spec.evaluate(t, params)) * w
    jac = model_jacobian(spec, t, params) * w[:, :, None]
    return Solution(params, np.sum(rest * rest, axis=1), jac.transpose(0, 2, 1) @ jac, steps, converged)


_Steps = tuple[FloatArray, NDArray[np.int64], NDArray[np.bool_]]


def _numpy_marquardt(
    spec: ModelSpec,
    t: FloatArray,
    y: FloatArray,
    w: FloatArray,
    zlo: FloatArray,
    width: FloatArray,
    u: FloatArray,
) -> _Steps:
    """Parameters, steps and who is at rest after `FIRST_STEPS` of Levenberg-Marquardt."""
    u = u.copy()
    n, n_par = u.shape
    log, eye = spec.log, np.eye(n_par)

    def at(u: FloatArray, rows: Any) -> tuple[FloatArray, FloatArray]:
        s = 1.0 / (1.0 + np.exp(-np.clip(u, -500.0, 500.0)))
        p = np.asarray(spec.natural(zlo[rows] + width[rows] * s))
        return p, width[rows] * s * (1.0 - s) * np.where(log, p, 1.0)

    def rest_of(p: FloatArray, rows: Any) -> FloatArray:
        return np.asarray((y[rows] - spec.evaluate(t[rows], p)) * w[rows])

    everything = np.arange(n)
    damping = np.ones(n)
    params, slope = at(u, everything)
    rest = rest_of(params, everything)
    cost = 0.5 * np.sum(rest * rest, axis=1)
    steps, converged = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool)
    for _ in range(FIRST_STEPS):
        live = np.flatnonzero(~converged)
        if live.size == 0:
            break
        steps[live] += 1
        jac = model_jacobian(spec, t[live], params[live]) * w[live, :, None] * slope[live, None, :]
        gradient = np.einsum("ctp,ct->cp", jac, rest[live])
        # NumPy lacks a batched QR solve; the damping keeps the normal equations regular
        normal = jac.transpose(0, 2, 1) @ jac + np.maximum(damping[live], 1e-10)[:, None, None] * eye
        move = np.linalg.solve(normal, gradient[..., None])[..., 0]
        trial = u[live] + move
        new_params, new_slope = at(trial, live)
        new_rest = rest_of(new_params, live)
        new_cost = 0.5 * np.sum(new_rest * new_rest, axis=1)
        predicted = 0.5 * np.einsum("cp,cp->c", move, gradient + damping[live, None] * move)
        gain = cost[live] - new_cost
        better = gain >= 0
        still = (np.abs(move) <= ATOL + RTOL * np.abs(u[live])).all(axis=1)
        converged[live] = still & (np.abs(gain) <= ATOL + RTOL * cost[live])
        take = live[better]
        u[take], params[take], slope[take] = trial[better], new_params[better], new_slope[better]
        rest[take], cost[take] = new_rest[better], new_cost[better]
        good = better & (gain > 0.3 * predicted)
        damping[live] *= np.where(good, 1 / 8.0, np.where(better, 1.0, 4.0))
    return params, steps, converged


def _numpy_newton(
    spec: ModelSpec,
    t: FloatArray,
    y: FloatArray,
    w: FloatArray,
    zlo: FloatArray,
    width: FloatArray,
    v: FloatArray,
) -> _Steps:
    """Parameters, steps and who is at rest after damped Newton steps with the exact Hessian."""
    v = v.copy()
    n, n_par = v.shape
    held = np.where(width > 0, 0.0, 1.0)[:, :, None] * np.eye(n_par)

    def at(v: FloatArray, rows: Any) -> Any:
        return spec.natural(zlo[rows] + width[rows] * 0.5 * (1.0 + np.sin(v)))

    def cost_of(v: FloatArray, rows: Any) -> FloatArray:
        r = (y[rows] - spec.evaluate(t[rows], at(v, rows))) * w[rows]
        return np.asarray(0.5 * np.sum(r * r, axis=1))

    def gradient(v: FloatArray, rows: Any) -> FloatArray:
        params = at(v, rows)
        slope = width[rows] * 0.5 * np.cos(v) * np.where(spec.log, params, 1.0)
        rest = (y[rows] - spec.evaluate(t[rows], params)) * w[rows]
        jac = model_jacobian(spec, t[rows], params) * w[rows, :, None]
        return np.asarray(-np.einsum("ctp,ct->cp", jac, rest) * slope)

    everything = np.arange(n)
    cost, damping = cost_of(v, everything), np.zeros(n)
    steps, done = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool)
    for _ in range(MAX_STEPS):
        live = np.flatnonzero(~done)
        if live.size == 0:
            break
        steps[live] += 1
        columns = []
        for k in range(n_par):
            shift = np.zeros(n_par)
            shift[k] = 1e-5
            columns.append((gradient(v[live] + shift, live) - gradient(v[live] - shift, live)) / 2e-5)
        hessian = np.stack(columns, axis=-1)
        hessian = 0.5 * (hessian + hessian.transpose(0, 2, 1)) + held[live]
        values, vectors = np.linalg.eigh(hessian)
        move, decrement, predicted, floor = newton_step(
            np, gradient(v[live], live), values, vectors, damping[live]
        )
        trial = v[live] + move
        new = cost_of(trial, live)
        better = new <= cost[live]
        damping[live] = next_damping(np, damping[live], better, cost[live] - new, predicted, floor)
        done[live] = decrement <= REST * (1.0 + cost[live])
        take = live[better]
        v[take], cost[take] = trial[better], new[better]
    return at(v, everything), steps, done
