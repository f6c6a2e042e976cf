"""Combining neighbouring delays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import BES, E0173
from xpcs_dash import open_result
from xpcs_dash.analysis.g2 import combine_delays, level_means
from xpcs_dash.errors import UsageError

counts = st.lists(st.floats(0, 100), min_size=1, max_size=60)


@given(counts)
def test_each_point_holds_enough_and_no_photon_is_lost(c):
    c = np.array(c)
    t = np.arange(1.0, c.size + 1)
    g2 = np.linspace(0, 2, c.size)
    out = combine_delays(t, g2, np.ones(c.size), c, 10)
    assert out.coincidences.sum() == pytest.approx(c.sum())
    assert out.n_points.sum() == c.size
    assert np.array_equal(out.enough, out.coincidences >= 10)
    if out.t.size > 1:
        assert out.enough.all()
        assert np.all(np.diff(out.t) > 0)
    # coincidences found, summed, over those expected
    if c.sum() > 1e-6:
        assert (out.g2 * out.coincidences).sum() == pytest.approx((g2 * c).sum(), rel=1e-9, abs=1e-9)


def test_points_that_hold_enough_stay_as_they_are():
    t, g2, sigma = np.array([1.0, 2, 3]), np.array([1.1, 1.2, 1.3]), np.array([0.1, 0.2, 0.3])
    out = combine_delays(t, g2, sigma, np.array([10.0, 50, 1000]), 10)
    assert np.array_equal(out.t, t)
    assert out.g2 == pytest.approx(g2)
    assert out.sigma == pytest.approx(sigma)
    assert out.n_points.tolist() == [1, 1, 1]


def test_weights_and_errors_by_hand():
    c = np.array([2.0, 8.0])
    out = combine_delays([1.0, 2.0], [0.0, 1.25], np.sqrt(1 / c), c, 10)
    assert out.g2 == pytest.approx([1.0])
    assert out.t == pytest.approx([1.8])
    assert out.sigma == pytest.approx([np.sqrt(1 / 10)])


def test_a_rest_joins_the_group_before_it():
    out = combine_delays([1.0, 2, 3, 4], [1, 1, 1, 1], [1] * 4, [12, 12, 3, 3], 10)
    assert out.n_points.tolist() == [1, 3]
    assert out.enough.all()


def test_too_few_altogether_is_said():
    out = combine_delays([1.0, 2], [0, 0], [np.inf, np.inf], [0.0, 0.0], 10)
    assert out.enough.tolist() == [False]
    assert out.g2.tolist() == [0]
    assert np.isfinite(out.t).all()


def test_delays_without_a_number_are_left_out():
    out = combine_delays([1.0, 2, 3], [1, np.nan, 1], [1] * 3, [20, 20, 20], 10)
    assert out.t.tolist() == [1, 3]


def test_nothing_is_combined_without_photon_counts(sample):
    xf = open_result(sample(BES))
    out = combine_delays(xf.t_el, xf.g2[:, 0], xf.g2_sigma[:, 0], xf.coincidences[:, 0])
    assert np.array_equal(out.g2, xf.g2[:, 0])
    assert out.enough.all()


def test_starved_bins_of_the_large_file_come_back_to_one(sample):
    """Zeros take part: without them the same region would lie far above 1."""
    xf = open_result(sample(E0173))
    heights, without = [], []
    for k in range(20, xf.n_q):
        few = xf.coincidences[:, k] < 3
        out = combine_delays(xf.t_el[few], xf.g2[few, k], xf.g2_sigma[few, k], xf.coincidences[few, k], 10)
        heights += list(out.g2[out.enough])
        without += list(xf.g2[few, k][xf.g2[few, k] > 0])
    assert np.mean(heights) == pytest.approx(1, abs=0.15)
    assert np.mean(without) > 1.5


@pytest.mark.parametrize("bad", [0, -1, float("nan")])
def test_bad_minimum(bad):
    with pytest.raises(UsageError, match="minimum"):
        combine_delays([1.0], [1.0], [1.0], [1.0], bad)


def test_unequal_lengths():
    with pytest.raises(UsageError, match="equally long"):
        combine_delays([1.0, 2.0], [1.0], [1.0], [1.0])


def test_ends_of_the_curves():
    g2 = np.array([[1.2, 1.4], [1.2, 1.4], [1.2, 1.4], [1.0, 1.0], [0.0, 1.0]])
    trusted = np.ones(g2.shape, bool)
    trusted[4, 0] = False
    trusted[:, 1] = [True, True, True, False, False]
    start, end = level_means(g2, trusted, np.full(g2.shape, np.nan), first=3, last=2)
    assert start == pytest.approx([1.2, 1.4])
    assert end[0] == pytest.approx(1.0)
    assert np.isnan(end[1])
