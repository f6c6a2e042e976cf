"""Damped Newton steps downhill, written once for NumPy and JAX."""

from __future__ import annotations

from typing import Any

__all__ = ["eigen", "newton_step", "next_damping"]


def eigen(xp: Any, matrix: Any) -> tuple[Any, Any]:
    """Eigenvalues (..., p) and vectors (..., p, p) of symmetric matrices, by formula for p <= 2: a library
    call per matrix costs more than the rest of a step.
    """
    size = matrix.shape[-1]
    if size == 1:
        return matrix[..., 0], xp.ones_like(matrix)
    if size > 2:
        values, vectors = xp.linalg.eigh(matrix)
        return values, vectors
    a, b, d = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 1, 1]
    middle, half = 0.5 * (a + d), xp.hypot(0.5 * (a - d), b)
    turn = 0.5 * xp.arctan2(2.0 * b, a - d)
    c, s = xp.cos(turn), xp.sin(turn)
    vectors = xp.stack([xp.stack([-s, c], axis=-1), xp.stack([c, s], axis=-1)], axis=-2)
    return xp.stack([middle - half, middle + half], axis=-1), vectors


def newton_step(
    xp: Any, g: Any, values: Any, vectors: Any, damping: Any, limit: float = 1.0
) -> tuple[Any, Any, Any, Any]:
    """A damped Newton step from the eigen-decomposition (..., p), (..., p, p) of the Hessian and the
    gradient.

    Negative curvature is turned round, so that the step always leads downhill; it is no longer than
    ``limit``.

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
    parts = parts * xp.minimum(1.0, limit / xp.maximum(length, 1e-300))[..., None]
    predicted = -xp.sum(along * parts + 0.5 * size * parts * parts, axis=-1)
    return xp.einsum("...pk,...k->...p", vectors, parts), decrement, predicted, 0.3 * xp.min(size, axis=-1)


def next_damping(xp: Any, damping: Any, better: Any, gain: Any, predicted: Any, floor: Any) -> Any:
    """Less damping where the quadratic model held; after a step that failed more, at least ``floor``."""
    less = xp.where(damping > 1e-2 * floor, damping / 4.0, 0.0)
    kept = xp.where(gain > 0.3 * predicted, less, xp.where(gain > 0.1 * predicted, damping, damping * 2.0))
    return xp.where(better, kept, xp.maximum(damping * 6.0, floor))
