"""Partitions with given edges, pixel by pixel against the rule: low <= value < high, the last edge in."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from xpcs_dash.simplemask.partition import Axis, generate_partition

RAMP = np.arange(101.0).reshape(1, 101)
ONE = np.zeros_like(RAMP)


def by_the_rule(values, edges):
    """Label of each value by a loop over bins; 0 for those in none."""
    labels = np.zeros(values.shape, int)
    for k, value in np.ndenumerate(values):
        for i in range(len(edges) - 1):
            last = i == len(edges) - 2
            if edges[i] <= value < edges[i + 1] or (last and value == edges[-1]):
                labels[k] = i + 1
    return labels


@pytest.mark.parametrize(
    ("edges", "scale"),
    [
        ((0, 10, 40), "linear"),  # uneven
        ((0, 20, 40, 60, 80), "linear"),  # even: another way to the same rule
        ((10, 100), "linear"),
        ((7, 9, 33, 100), "linear"),
        ((1, 10, 100), "log"),
        ((2, 3, 50), "log"),
    ],
)
def test_the_last_edge_belongs_to_the_last_bin_and_what_follows_to_none(edges, scale):
    made = generate_partition(
        {"x": RAMP, "y": ONE}, np.ones_like(RAMP), Axis("x", edges=edges, scale=scale), Axis("y")
    )
    expected = by_the_rule(RAMP, edges)
    np.testing.assert_array_equal(made.dynamic.roi_map, expected)
    assert made.dynamic.roi_map[0, edges[-1]] == len(edges) - 1
    assert list(made.num_list) == np.bincount(expected.ravel())[1:].tolist()


@pytest.mark.parametrize("edges", [(0, 10, 40), (0, 20, 40), (5, 50, 100)])
def test_static_bins_inside_edges_of_ones_own_end_where_the_dynamic_ones_end(edges):
    made = generate_partition(
        {"x": RAMP, "y": ONE}, np.ones_like(RAMP), Axis("x", static=6, edges=edges), Axis("y")
    )
    fine = np.concatenate([np.linspace(a, b, 4)[:-1] for a, b in pairwise(edges)])
    np.testing.assert_array_equal(made.static.roi_map, by_the_rule(RAMP, [*fine, edges[-1]]))
    np.testing.assert_array_equal(made.static.roi_map > 0, made.dynamic.roi_map > 0)


def test_edges_in_reciprocal_angstrom_at_a_pixel_of_exactly_that_q():
    """Values of a real map differ from a typed edge in their last bits; that must not cost the pixel."""
    q = np.array([[0.1 + 0.2, 0.3, 0.30000000000001, 0.4, 0.7 + 0.2, 0.9, 0.95]])
    made = generate_partition(
        {"q": q, "y": np.zeros_like(q)}, np.ones_like(q), Axis("q", edges=(0.3, 0.4, 0.9)), Axis("y")
    )
    assert made.dynamic.roi_map.tolist() == [[1, 1, 1, 2, 2, 2, 0]]
