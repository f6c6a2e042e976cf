"""Bin numbers of pixels: compiled on JAX, and the same in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

# values are compared after rounding to 12 decimals, as the maps of other programs are: a value that is an
# edge up to its last bits must not depend on them
_DECIMALS = 1e12


def bin_numbers(values: Float, edges: Float, scale: str, covers: bool) -> NDArray[np.int32]:
    """Bin of each value: i where edges[i] <= value < edges[i + 1]; the last edge belongs to the last bin.

    Parameters
    ----------
    values : (n,) float64.
    edges : (N + 1,) rising.
    scale : "linear" or "log": how evenly spaced edges are spaced; used to guess the bin, never to decide it.
    covers : True where the edges span all values, so that values beyond them by rounding belong to the end
    bins;
        False marks values outside with -1. With "log", values that are not positive are marked in either
        case.

    Returns
    -------
    (n,) int32 from 0.
    """
    from xpcs_dash.backend import get_backend

    count = len(edges) - 1
    rounded = np.rint(edges * _DECIMALS)
    even = _spaced_evenly(edges, scale)
    if not even or edges[-1] <= edges[0]:
        number = (np.searchsorted(rounded, np.rint(values * _DECIMALS), side="right") - 1).astype(np.int32)
        number[np.rint(values * _DECIMALS) == rounded[-1]] = count - 1
        number[number >= count] = count - 1 if covers else -1
        if covers:
            number = np.maximum(number, 0)
    elif get_backend("auto").name == "jax":
        number = np.asarray(_compiled(scale, covers)(values, rounded))
    else:
        number = _number(np, scale, covers, values, rounded)
    if scale == "log":
        low = values <= 0
        if low.any():
            number = np.where(low, np.int32(-1), number)
    return number


def fold_angle(angle: Float, offset: float, fold: int) -> Float:
    """The angle in degrees turned by ``offset``, wrapped to ±180 and, for fold > 1, laid into 0 … 360 /
    fold.
    """
    turned = np.mod(angle + offset + 180.0, 360.0) - 180.0 if offset else angle
    return np.mod(turned + 180.0, 360.0 / fold) if fold > 1 else turned


def _spaced_evenly(edges: Float, scale: str) -> bool:
    if scale == "log" and edges[0] <= 0:
        return False
    steps = np.diff(np.log(edges) if scale == "log" else edges)
    return bool(np.allclose(steps, steps.mean(), rtol=1e-6, atol=0))


def _number(xp: Any, scale: str, covers: bool, values: Any, edges: Any) -> Any:
    """Guess the bin from the spacing, then move by one where the guess is on the wrong side of an edge."""
    count = edges.shape[0] - 1
    v = xp.rint(values * _DECIMALS)
    if scale == "log":
        step = (xp.log(edges[-1]) - xp.log(edges[0])) / count
        guess = (xp.log(xp.maximum(v, 1.0)) - xp.log(edges[0])) / step
    else:
        guess = (v - edges[0]) * (count / (edges[-1] - edges[0]))
    number = xp.clip(guess, 0, count - 1).astype(xp.int32)
    number = number - (v < edges[number]).astype(xp.int32)
    number = number + (v >= edges[number + 1]).astype(xp.int32)
    if covers:
        return xp.clip(number, 0, count - 1)
    number = xp.where(v == edges[-1], count - 1, number)
    outside = (v < edges[0]) | (v > edges[-1])
    return xp.where(outside, -1, number).astype(xp.int32)


@lru_cache(maxsize=8)
def _compiled(scale: str, covers: bool) -> Callable[..., Any]:
    from xpcs_dash.backend import get_backend

    get_backend("jax")
    import jax
    import jax.numpy as jnp

    return jax.jit(lambda values, edges: _number(jnp, scale, covers, values, edges))
