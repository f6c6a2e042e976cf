from __future__ import annotations

import numpy as np
import pytest

from xpcs_dash.correlate.simulate.fields import (
    Speckle,
    first_order,
    mode_weights,
    other_orders,
    speckle_taps,
    taps_area,
)
from xpcs_dash.errors import UsageError


def intensity(
    tau: float, gamma: float, n: int, *, seed: int = 1, shape=(12, 12), contrast=1.0, area=1.0, arrested=0.0
):
    """(n, H, W) of unit mean."""
    weights, flat = mode_weights(contrast)
    speckle = Speckle(np.full(shape, tau), gamma, weights, arrested, speckle_taps(area))
    make = first_order if gamma == 1 else other_orders
    return np.concatenate(list(make(speckle, np.ones(n), seed))) + flat


def covariance(x: np.ndarray, lag: int) -> tuple[float, float]:
    """Of two frames with the known mean 1, and its standard error over pixels."""
    products = ((x[: len(x) - lag] - 1) * (x[lag:] - 1)).mean(axis=0).ravel()
    return float(products.mean()), float(products.std(ddof=1) / np.sqrt(products.size))


@pytest.mark.parametrize("contrast", [0.01, 0.02, 0.07, 0.1, 0.19, 0.2, 0.35, 0.5, 0.7, 1.0])
def test_modes_give_the_contrast_exactly(contrast: float) -> None:
    weights, flat = mode_weights(contrast)
    assert np.sum(weights**2) == pytest.approx(contrast, rel=1e-12)
    assert weights.sum() + flat == pytest.approx(1, rel=1e-12)
    assert np.all(weights > 0)
    assert flat >= 0


def test_no_contrast_is_flat_light_and_more_than_1_is_refused() -> None:
    assert mode_weights(0)[1] == 1
    with pytest.raises(UsageError, match="impossible"):
        mode_weights(1.2)


@pytest.mark.parametrize("area", [1.0, 1.5, 3.0, 8.0])
def test_taps_make_speckle_of_this_many_pixels(area: float) -> None:
    assert taps_area(speckle_taps(area)) == pytest.approx(area, rel=1e-6)


def test_less_than_a_pixel_a_speckle_is_refused() -> None:
    with pytest.raises(UsageError, match="give 1 or more"):
        speckle_taps(0.5)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 1.5, 2.0])
def test_intensity_is_exponential_and_decays_as_g1_squared(gamma: float) -> None:
    """The field's law seen directly: 1 + |g1|², and the 3rd moment that only a Gaussian field has."""
    x = intensity(6.0, gamma, 3000)
    assert x.mean() == pytest.approx(1, abs=0.02)
    assert np.mean(x**3) == pytest.approx(6, rel=0.06)
    for lag in (0, 2, 5, 9):
        found, error = covariance(x, lag)
        assert found == pytest.approx(np.exp(-2 * (lag / 6.0) ** gamma), abs=4 * error)


def test_slow_fields_with_a_steep_decay_keep_their_law() -> None:
    """Slower than the run and γ > 1: no circulant matrix holds it; the covariance itself is diagonalised."""
    x = np.concatenate([intensity(300.0, 1.6, 128, seed=s, shape=(20, 20)) for s in range(6)], axis=1)
    for lag in (0, 40, 120):
        found, error = covariance(x, lag)
        assert found == pytest.approx(np.exp(-2 * (lag / 300) ** 1.6), abs=4 * error)
    change = np.mean((x[1:] - x[:-1]) ** 2)
    assert change == pytest.approx(2 * -np.expm1(-2 * (1 / 300) ** 1.6), rel=0.1)


def test_what_cannot_be_simulated_is_refused() -> None:
    with pytest.raises(UsageError, match="as slow as the run"):
        intensity(9000.0, 1.5, 3000, shape=(2, 2))


@pytest.mark.parametrize("gamma", [1.0, 1.5])
@pytest.mark.parametrize("area", [1.0, 3.0, 8.0])
def test_speckle_covers_this_many_pixels_and_keeps_its_contrast(gamma: float, area: float) -> None:
    x = intensity(0.7, gamma, 1500, shape=(30, 30), area=area)
    contrast, error = covariance(x, 0)
    assert contrast == pytest.approx(1, abs=6 * error * np.sqrt(area))
    # the mean over an area scatters as the number of its speckles says
    scatter = x.mean(axis=(1, 2)).var() * 900
    rim = 1 - 2 * 0.6 * np.sqrt(area) / 30  # those at the rim have fewer neighbours
    assert scatter == pytest.approx(area * (rim if area > 1 else 1), rel=0.17)


@pytest.mark.parametrize("gamma", [1.0, 0.7])
def test_an_arrested_part_never_decays(gamma: float) -> None:
    x = intensity(3.0, gamma, 400, shape=(40, 40), arrested=0.6)
    for lag, g1 in ((0, 1.0), (200, 0.6)):
        found, error = covariance(x, lag)
        assert found == pytest.approx(g1**2, abs=4 * error)


@pytest.mark.parametrize("gamma", [1.0, 0.7])
def test_neighbours_and_modes_are_independent(gamma: float) -> None:
    x = intensity(0.5, gamma, 2000, shape=(6, 6), contrast=0.5) - 1
    across = np.mean(x[:, :, 1:] * x[:, :, :-1]) / 0.5
    assert across == pytest.approx(0, abs=4 / np.sqrt(2000 * 30))
    assert np.mean(x**2) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("gamma", [1.0, 0.7])
def test_a_field_that_slows_down(gamma: float) -> None:
    """Four times slower in the second half: the same decay over four times the lag."""
    slowing = np.repeat([1.0, 4.0], 400)
    speckle = Speckle(np.full((40, 40), 5.0), gamma, np.ones(1), 0.0, np.ones(1))
    make = first_order if gamma == 1 else other_orders
    x = np.concatenate(list(make(speckle, slowing, 3)))
    for part, lag in ((x[:400], 3), (x[400:], 12)):
        found, error = covariance(part, lag)
        assert found == pytest.approx(np.exp(-2 * (3 / 5) ** gamma), abs=5 * error)


@pytest.mark.parametrize("gamma", [1.0, 1.5])
def test_seeds(gamma: float) -> None:
    first, again, other = (intensity(4.0, gamma, 70, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_nothing_moves_where_time_is_infinite() -> None:
    x = intensity(np.inf, 1.0, 130)
    np.testing.assert_array_equal(x[0], x[-1])
