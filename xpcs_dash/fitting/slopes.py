"""Derivatives of the decays for the NumPy engine; JAX derives its own.

Written out by hand in the files of the models that we know, because a derivative by complex steps costs ten
times as much; tests compare the two.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.fitting.models import ModelSpec

__all__ = ["complex_slopes", "decay", "decay_and_slopes", "model_jacobian"]

FloatArray = NDArray[np.float64]
Slopes = tuple[FloatArray, FloatArray]

_STEP = 1e-30  # of the complex-step derivative: exact to rounding, no cancellation


def decay(spec: ModelSpec, t: FloatArray, shape: FloatArray) -> FloatArray:
    """(..., n_t) |g1|² at the delays ``t`` (..., n_t) for shape parameters (..., n_shape)."""
    return np.asarray(spec.evaluate(t, spec.whole(1.0, 0.0, shape, np)))


def decay_and_slopes(spec: ModelSpec, t: FloatArray, shape: FloatArray) -> Slopes:
    """|g1|² (n_c, n_t) and its derivatives (n_shape, n_c, n_t) by the coordinates of the shape parameters:
    the logarithm of a relaxation time, other parameters themselves.
    """
    if spec.slopes is None:
        return complex_slopes(spec, t, shape)
    return spec.slopes(t, *(shape[:, k, None] for k in range(shape.shape[1])))


def complex_slopes(spec: ModelSpec, t: FloatArray, shape: FloatArray) -> Slopes:
    """`decay_and_slopes` of any model, by complex steps."""
    slopes = []
    for k, p in enumerate(spec.shape_parameters):
        moved = shape.astype(complex)
        moved[:, k] += 1j * _STEP * (shape[:, k] if p.log else 1.0)
        slopes.append(np.imag(decay(spec, t, moved)) / _STEP)
    return decay(spec, t, shape), np.stack(slopes)


def model_jacobian(spec: ModelSpec, t: FloatArray, params: FloatArray) -> FloatArray:
    """(n_c, n_t, n_par) derivative of the model with respect to its parameters."""
    e, slopes = decay_and_slopes(spec, t, params[:, spec.shape_index])
    out = np.ones((*e.shape, params.shape[1]))
    contrast = params[:, spec.index("contrast"), None]
    out[..., spec.index("contrast")] = e
    for k, p, slope in zip(spec.shape_index, spec.shape_parameters, slopes, strict=True):
        out[..., k] = contrast * slope / (params[:, k, None] if p.log else 1.0)
    return out
