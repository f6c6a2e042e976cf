"""The photon-counting error model: its formula by hand, simulated photons, and the real files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import A001, BES, E0173, LLPS_MIDDLE, LLPS_STRONG, LLPS_WEAK
from xpcs_dash import open_result
from xpcs_dash.results.counting import (
    check_photons,
    coincidence_rate,
    delay_levels,
    expected_coincidences,
    g2_sigma,
    ring_means,
    ring_table,
)


def grid(levels: int = 14) -> np.ndarray:
    return np.array([1, 2, 3, 4] + [x * 2**level for level in range(levels) for x in (5, 6, 7, 8)])


def test_levels_of_the_correlator():
    """0 for the first eight delays, then one more for every four."""
    t = grid()
    expected = np.where(np.arange(t.size) < 8, 0, (np.arange(t.size) - 8) // 4 + 1)
    assert np.array_equal(delay_levels(t), expected)


def test_levels_of_other_lists():
    assert delay_levels(np.arange(1, 50)).max() == 0
    assert delay_levels([]).size == 0
    assert delay_levels([7]).tolist() == [0]
    eight = np.array([*range(1, 9), *(x * 2**level for level in range(4) for x in range(9, 17))])
    assert delay_levels(eight)[[0, 15, 16, 24]].tolist() == [0, 0, 1, 2]


def test_the_formula_by_hand():
    static = np.array([[1, 1, 2], [3, 3, 0]])
    dynamic = np.array([[1, 1, 1], [2, 2, 0]])
    table = ring_table(static, dynamic, 3, 2)
    intensity = np.array([0.1, 0.2, 0.3])
    rate = coincidence_rate(table, intensity)
    assert rate == pytest.approx([2 * 0.01 + 1 * 0.04, 2 * 0.09])
    t = grid(3)
    found = expected_coincidences(t, 100, rate, n_files=5)
    k = 13  # delay 24, level 2
    assert t[k] == 24
    assert found[k] == pytest.approx(5 * (100 - 24) * 4 * rate)
    assert found.shape == (t.size, 2)


def test_a_ring_in_two_bins_counts_where_its_pixels_are():
    static = np.array([[1, 1, 1, 1]])
    dynamic = np.array([[1, 1, 1, 2]])
    table = ring_table(static, dynamic, 1, 2)
    assert table.crossing() == 1
    assert coincidence_rate(table, [2.0]) == pytest.approx([12, 4])


def test_rings_without_a_number_count_nothing():
    table = ring_table(np.array([[1, 2]]), np.array([[1, 1]]), 2, 1)
    assert coincidence_rate(table, [np.nan, 2.0]) == pytest.approx([4])


def test_ring_means():
    labels = np.array([[0, 1, 1], [2, 2, 0]])
    image = np.array([[9.0, 1.0, 3.0], [5.0, 7.0, 9.0]], np.float32)
    assert ring_means(labels, image, 3) == pytest.approx([2, 6, np.nan], nan_ok=True)


@given(err=st.floats(0, 10), count=st.floats(1e-3, 1e12))
def test_sigma_is_both_errors_together(err, count):
    assert g2_sigma(err, count) == pytest.approx(np.sqrt(err**2 + 1 / count))


def test_sigma_without_coincidences_or_without_a_file_error():
    assert np.isinf(g2_sigma(0.1, 0.0))
    assert g2_sigma(np.nan, 4.0) == pytest.approx(0.5)


def simulate(scale: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """g2 from Poisson coincidences with C from 0.1 to 1e4: (g2, C that a file would claim, errors)."""
    rng = np.random.default_rng(seed)
    t = grid()
    rate = np.geomspace(1e-6, 1e-2, 12)
    true = expected_coincidences(t, 100_000, rate)
    g2 = rng.poisson(true) / true
    return g2, true * scale, np.full(g2.shape, 1e-3)


def test_simulated_photons_pass_their_own_check():
    g2, claimed, err = simulate(1.0)
    check = check_photons(g2, claimed, np.ones(5), err)
    assert check.photons, check.reason
    assert check.zeros_found == pytest.approx(check.zeros_predicted, abs=4 * np.sqrt(check.zeros_predicted))
    assert check.scatter == pytest.approx(1, abs=0.15)


def test_chi_square_of_simulated_photons():
    """Where at least ten coincidences are expected, σ describes the scatter."""
    g2, count, _ = simulate(1.0, seed=3)
    sigma = g2_sigma(np.zeros(g2.shape), count)
    use = count >= 10
    assert np.mean(((g2 - 1) / sigma)[use] ** 2) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("scale", [1e-4, 1e-2, 1e2, 1e4])
def test_an_intensity_on_another_scale_is_noticed(scale):
    g2, claimed, err = simulate(scale)
    assert not check_photons(g2, claimed, np.ones(5), err).photons


@pytest.mark.parametrize("bad", [[np.nan, np.nan], [np.inf, 1], [0, 0], [-1, -2], []])
def test_impossible_intensities_are_noticed(bad):
    g2, claimed, err = simulate(1.0)
    check = check_photons(g2, claimed, np.array(bad, dtype=float), err)
    assert not check.photons
    assert "intensity" in check.reason


def test_a_model_without_noise_is_not_judged_by_its_scatter():
    t = grid()
    g2 = 1 + 0.2 * np.exp(-np.outer(t, [1e-2, 2e-2, 4e-2]))
    claimed = np.full(g2.shape, 50.0)
    assert check_photons(g2, claimed, np.ones(3), np.full(g2.shape, 1e-3)).photons


@pytest.mark.parametrize("name", [E0173, LLPS_WEAK, LLPS_MIDDLE, LLPS_STRONG, A001])
def test_real_files_count_photons(sample, name):
    xf = open_result(sample(name))
    check = xf.photon_check
    assert check.photons
    assert 0.5 < check.scatter < 5


def test_starvation(sample):
    xf, known = open_result(sample(E0173)), sample.known(E0173)
    assert xf.starved_points == known.starved > 500
    assert xf.photon_check.zeros_found == known.zeros > 200
    assert xf.photon_check.zeros_predicted == pytest.approx(known.predicted, abs=0.5)
    assert open_result(sample(A001)).starved_points == 0


def test_starvation_is_unknown_without_frames(sample):
    assert open_result(sample(BES)).starved_points is None
