"""Derivatives of the decays for the NumPy engine; JAX derives its own.

Written out by hand where a model is known, because a derivative by complex steps costs ten times as much;
tests compare the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.fitting.models import ModelSpec

__all__ = ["complex_slopes", "decay", "decay_and_slopes", "model_jacobian"]

FloatArray = NDArray[np.float64]
Slopes = tuple[FloatArray, FloatArray]

_STEP = 1e-30  # of the complex-step derivative: exact to rounding, no cancellation
_LARGEST = 30.0  # as in `models`: exp(-2·exp(30)) is zero


def decay(spec: ModelSpec, t: FloatArray, shape: FloatArray) -> FloatArray:
    """(..., n_t) |g1|² at the delays ``t`` (..., n_t) for shape parameters (..., n_shape)."""
    return np.asarray(spec.evaluate(t, spec.whole(1.0, 0.0, shape, np)))


def decay_and_slopes(spec: ModelSpec, t: FloatArray, shape: FloatArray) -> Slopes:
    """|g1|² (n_c, n_t) and its derivatives (n_shape, n_c, n_t) by the coordinates of the shape parameters:
    the logarithm of a relaxation time, other parameters themselves.
    """
    by_hand = _BY_HAND.get(spec.name)
    if by_hand is None:
        return complex_slopes(spec, t, shape)
    return by_hand(t, *(shape[:, k, None] for k in range(shape.shape[1])))


def complex_slopes(spec: ModelSpec, t: FloatArray, shape: FloatArray) -> Slopes:
    """`decay_and_slopes` of any model, by complex steps."""
    slopes = []
    for k, p in enumerate(spec.shape_parameters):
        moved = shape.astype(complex)
        moved[:, k] += 1j * _STEP * (shape[:, k] if p.log else 1.0)
        slopes.append(np.imag(decay(spec, t, moved)) / _STEP)
    return decay(spec, t, shape), np.stack(slopes)


def _single(t: FloatArray, tau: FloatArray) -> Slopes:
    x = 2.0 * t / tau
    e = np.exp(-x)
    return e, (x * e)[None]


def _power(t: FloatArray, tau: FloatArray, gamma: FloatArray) -> tuple[Any, Any, Any]:
    """(t/tau)^gamma and its derivatives by ln tau and gamma."""
    log = np.log(t) - np.log(tau)
    exponent = gamma * log
    small = exponent < _LARGEST
    d = np.exp(np.minimum(exponent, _LARGEST))
    return d, np.where(small, -gamma * d, 0.0), np.where(small, log * d, 0.0)


def _stretched(t: FloatArray, tau: FloatArray, gamma: FloatArray) -> Slopes:
    d, by_tau, by_gamma = _power(t, tau, gamma)
    e = np.exp(-2.0 * d)
    return e, -2.0 * e * np.stack([by_tau, by_gamma])


def _double(
    t: FloatArray, tau1: FloatArray, gamma1: FloatArray, tau2: FloatArray, gamma2: FloatArray, f: FloatArray
) -> Slopes:
    d1, by_tau1, by_gamma1 = _power(t, tau1, gamma1)
    d2, by_tau2, by_gamma2 = _power(t, tau2, gamma2)
    one, two = np.exp(-d1), np.exp(-d2)
    first, second = f * one, (1.0 - f) * two
    g1 = first + second
    slopes = np.stack(
        [-first * by_tau1, -first * by_gamma1, -second * by_tau2, -second * by_gamma2, one - two]
    )
    return g1 * g1, 2.0 * g1 * slopes


_BY_HAND: dict[str, Callable[..., Slopes]] = {"single": _single, "stretched": _stretched, "double": _double}


def model_jacobian(spec: ModelSpec, t: FloatArray, params: FloatArray) -> FloatArray:
    """(n_c, n_t, n_par) derivative of the model with respect to its parameters."""
    e, slopes = decay_and_slopes(spec, t, params[:, spec.shape_index])
    out = np.ones((*e.shape, params.shape[1]))
    contrast = params[:, spec.index("contrast"), None]
    out[..., spec.index("contrast")] = e
    for k, p, slope in zip(spec.shape_index, spec.shape_parameters, slopes, strict=True):
        out[..., k] = contrast * slope / (params[:, k, None] if p.log else 1.0)
    return out
