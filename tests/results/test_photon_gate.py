"""Where the check of the counting model ends: from both sides of each limit, with photons drawn."""

from __future__ import annotations

import numpy as np
import pytest

from tests.small_result import small, write_small
from xpcs_dash import open_result
from xpcs_dash.results.counting import check_photons

ONES = np.ones(50)


def counted(expected, n=1000, seed=0):
    """g2 of uncorrelated light with so many coincidences expected behind each of 20 × n/20 points.

    The norm that a correlator divides by is measured too, here to a few parts in a hundred.
    """
    rng = np.random.default_rng(seed)
    shape = (n // 20, 20)
    norm = 1 + 0.1 / np.sqrt(expected) * rng.standard_normal(shape)
    return rng.poisson(expected, shape) / expected * norm, shape


@pytest.mark.parametrize(
    ("true", "claimed", "good"),
    [
        # 1000 points of which exp(-true) hold nothing: 135 at 2, 368 at 1, 607 at 0.5, 18 at 4
        (2.0, 2.0, True),
        (2.0, 1.0, True),  # within a factor of three: real files are not better known
        (2.0, 0.5, False),
        (2.0, 4.0, False),
        (1.0, 3.0, False),
        (3.0, 1.0, False),
    ],
)
def test_points_without_a_coincidence_are_as_many_as_counting_says(true, claimed, good):
    g2, shape = counted(true)
    check = check_photons(g2, np.full(shape, claimed), ONES, np.full(shape, 0.1))
    assert check.zeros_found == np.count_nonzero(g2 == 0)
    assert check.zeros_predicted == pytest.approx(g2.size * np.exp(-claimed))
    assert check.photons is good, check.reason
    if not good:
        assert "coincidence" in check.reason


@pytest.mark.parametrize(("factor", "good"), [(1.0, True), (25.0, True), (400.0, False), (1500.0, False)])
def test_scatter_far_below_counting_is_noticed(factor, good):
    """An intensity √factor times too small claims as many times fewer coincidences than there were."""
    g2, shape = counted(20_000.0)
    check = check_photons(g2, np.full(shape, 20_000.0 / factor), ONES, np.full(shape, 1e-3))
    assert check.scatter == pytest.approx(factor**-0.5, rel=0.1)
    assert check.photons is good, check.reason
    if not good:
        assert "scatters" in check.reason


@pytest.mark.parametrize(("negative", "good"), [(0, True), (2, True), (10, False), (40, False)])
def test_an_intensity_with_more_than_one_ring_in_a_hundred_below_zero_is_no_count(negative, good):
    g2, shape = counted(100.0)
    rings = np.where(np.arange(400) < negative, -0.1, 1.0)
    check = check_photons(g2, np.full(shape, 100.0), rings, np.full(shape, 0.1))
    assert check.photons is good
    assert ("negative" in check.reason) is not good


@pytest.mark.parametrize(("unit", "photons"), [(1.0, True), (1 / 3, False), (3.0, False)])
def test_a_file_in_another_unit_says_so_and_keeps_its_own_errors(tmp_path, unit, photons):
    made = small(photons=0.0015, n_q=12)
    scaled = {"saxs_2d": made.saxs_2d * unit, "saxs_1d": made.saxs_1d * unit}
    path = write_small(tmp_path / "a_results.hdf", photons=0.0015, n_q=12, **scaled)
    file = open_result(path)
    assert file.photons is photons
    if photons:
        assert file.starved_points > 20
        assert np.all(file.g2_sigma >= file.g2_err)
    else:
        assert file.starved_points is None
        np.testing.assert_array_equal(file.g2_sigma, file.g2_err)
        assert any("statistics cannot be used" in text for text in file.warnings)


def test_points_count_from_the_smallest_number_of_coincidences_that_was_asked_for(tmp_path):
    path = write_small(tmp_path / "a_results.hdf", photons=0.0015)
    for least in (10.0, 100.0):
        file = open_result(path, min_coincidences=least)
        np.testing.assert_array_equal(file.trusted, file.coincidences >= least)
        assert 0 < file.trusted.sum() < file.trusted.size
