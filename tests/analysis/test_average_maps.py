"""Files are averaged only where they were made with the same q-map, pixel for pixel."""

from __future__ import annotations

import numpy as np
import pytest

from tests.small_result import maps, write_small
from xpcs_dash import open_result
from xpcs_dash.analysis.averaging import RunningAverage, average
from xpcs_dash.errors import UsageError


def moved(which):
    """One pixel of a map in the neighbouring bin of the same number of bins; q of the bins stays."""
    _, static, dynamic = maps()
    labels = {"sqmap": static, "dqmap": dynamic}[which].copy()
    row, column = np.argwhere(labels == 2)[0]
    labels[row, column] = 1
    return {which: labels}


@pytest.mark.parametrize("which", ["dqmap", "sqmap"])
def test_another_map_is_refused_though_delays_and_q_are_the_same(tmp_path, which):
    first = open_result(write_small(tmp_path / "a_results.hdf", seed=1))
    other = open_result(write_small(tmp_path / "b_results.hdf", seed=2, **moved(which)))
    np.testing.assert_array_equal(first.q, other.q)
    np.testing.assert_array_equal(first.t_el, other.t_el)
    running = RunningAverage()
    running.add(first)
    with pytest.raises(UsageError, match=r"b_results.hdf: made with another q-map than a_results.hdf"):
        running.add(other)
    # what was refused left no trace: the average of the one file is that file
    np.testing.assert_allclose(running.result().g2, first.g2, rtol=1e-14)


def test_the_same_map_under_another_hash_is_the_same_map(tmp_path):
    paths = [
        write_small(tmp_path / "a_results.hdf", seed=1),
        write_small(tmp_path / "b_results.hdf", seed=2, map_hash="made elsewhere"),
    ]
    files = [open_result(path) for path in paths]
    assert files[0].map_hash != files[1].map_hash
    mean = average(paths, open_result).result()
    np.testing.assert_allclose(mean.g2, (files[0].g2 + files[1].g2) / 2, rtol=1e-14)
