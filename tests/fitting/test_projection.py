"""The exact solution for contrast and baseline, against a general solver."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from xpcs_dash.fitting.projection import moments, project


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    contrast=st.floats(-0.5, 1.5),
    baseline=st.floats(-0.8, 0.8),
    tau=st.floats(1e-3, 10.0),
)
def test_contrast_and_baseline_are_the_best_inside_their_bounds(
    seed: int, contrast: float, baseline: float, tau: float
) -> None:
    rng = np.random.default_rng(seed)
    t = np.geomspace(1e-3, 1.0, 30)
    e = np.exp(-2 * t / tau)
    y = baseline + contrast * e + 0.05 * rng.standard_normal(t.size)
    w = rng.uniform(0.5, 2.0, t.size) * (rng.random(t.size) < 0.9)
    box = np.array([0.0, 1.0, -0.5, 0.5])
    c, b, part = project(np, moments(np, e[None], y[None], w[None] ** 2), box[:, None])
    assert 0 <= c[0] <= 1
    assert -0.5 <= b[0] <= 0.5
    best = lsq_linear(np.stack([e * w, w], axis=1), y * w, bounds=(box[::2], box[1::2]), tol=1e-14)
    cost = np.sum((w * (y - c[0] * e - b[0])) ** 2)
    assert cost <= 2 * best.cost + 1e-9
    mean = np.sum(w**2 * y) / np.sum(w**2)
    np.testing.assert_allclose(part[0] + np.sum((w * (y - mean)) ** 2), cost, rtol=1e-9, atol=1e-12)


def test_a_decay_that_is_constant_is_a_baseline() -> None:
    y = np.array([[0.1, 0.2, 0.3]])
    c, b, _ = project(
        np, moments(np, np.full((1, 3), 0.7), y, np.ones((1, 3))), np.array([[0.0], [1.0], [-0.5], [0.5]])
    )
    assert c[0] == 0
    assert np.isclose(b[0], 0.2)


def test_equal_bounds_hold_a_value() -> None:
    t = np.linspace(0.1, 2, 20)
    e = np.exp(-t)[None]
    box = np.array([[0.3], [0.3], [-0.5], [0.5]])
    c, b, _ = project(np, moments(np, e, 0.2 + 0.5 * e, np.ones_like(e)), box)
    assert c[0] == 0.3
    assert np.isclose(b[0], np.mean(0.2 + 0.2 * e))
