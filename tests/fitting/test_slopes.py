"""Derivatives written by hand against complex steps; eigenvalues by formula against the library."""

from __future__ import annotations

import numpy as np
import pytest

from xpcs_dash.fitting.models import MODELS, Window
from xpcs_dash.fitting.newton import eigen
from xpcs_dash.fitting.slopes import complex_slopes, decay_and_slopes, model_jacobian


def shapes(model: str) -> np.ndarray:
    """(2, n_shape) two sets of shape parameters well inside the bounds of any model."""
    spec = MODELS[model]
    lower, upper = (spec.coordinates(a)[spec.shape_index] for a in spec.default_bounds(Window(1e-4, 1.0)))
    rng = np.random.default_rng(7)
    z = lower + (upper - lower) * rng.uniform(0.1, 0.9, (2, len(lower)))
    return np.where([p.log for p in spec.shape_parameters], np.exp(z), z)


@pytest.mark.parametrize("model", MODELS)
def test_slopes_are_those_of_the_model(model: str) -> None:
    spec, shape = MODELS[model], shapes(model)
    t = np.broadcast_to(np.geomspace(1e-7, 1e3, 50), (2, 50))
    value, slopes = decay_and_slopes(spec, t, shape)
    expected, by_complex_step = complex_slopes(spec, t, shape)
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(slopes, by_complex_step, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("model", MODELS)
def test_jacobian_is_that_of_jax(model: str) -> None:
    import jax
    import jax.numpy as jnp

    spec = MODELS[model]
    params = spec.whole(0.3, 1.02, shapes(model))
    t = np.geomspace(1e-4, 1.0, 20)
    ours = model_jacobian(spec, np.broadcast_to(t, (2, 20)), params)
    theirs = jax.vmap(jax.jacfwd(lambda p: spec.evaluate(t, p, jnp)))(params)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_eigenvectors_by_formula(size: int) -> None:
    a = np.random.default_rng(size).standard_normal((100, size, size))
    a = a + a.transpose(0, 2, 1)
    a[0] = np.eye(size)
    values, vectors = eigen(np, a)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(a), atol=1e-12)
    np.testing.assert_allclose(np.einsum("cik,ck,cjk->cij", vectors, values, vectors), a, atol=1e-12)
    unit = np.broadcast_to(np.eye(size), a.shape)
    np.testing.assert_allclose(vectors.transpose(0, 2, 1) @ vectors, unit, atol=1e-12)
