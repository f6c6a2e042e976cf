from __future__ import annotations

import numpy as np
import pytest

from xpcs_dash.correlate.dense import correlate_dense
from xpcs_dash.correlate.rings import Partition, to_bins
from xpcs_dash.errors import UsageError


def test_rings_come_first_then_bins() -> None:
    """A slope of I(q) within a bin must not raise the baseline, which it does where rings are mixed."""
    rng = np.random.default_rng(1)
    bright = np.repeat([1.0, 10.0], 300)
    found = correlate_dense(rng.poisson(bright, (400, 600)))
    rings = Partition.from_maps(np.repeat([1, 2], 300), np.ones(600, int))
    mixed = Partition.from_maps(np.ones(600, int), np.ones(600, int))
    assert to_bins(found, rings).g2[0, 0] == pytest.approx(1, abs=0.005)
    assert to_bins(found, mixed).g2[0, 0] == pytest.approx(
        np.mean(bright**2) / np.mean(bright) ** 2, abs=0.02
    )


def test_by_hand() -> None:
    """Two rings of unequal size in a bin count the same; errors are the spread of the pixels' own g2."""
    frames = np.random.default_rng(2).poisson(3.0, (9, 5)).astype(float)
    static = np.array([1, 1, 1, 2, 2])
    found = to_bins(correlate_dense(frames), Partition.from_maps(static, np.ones(5, int)))
    late, early = frames[1:], frames[:-1]

    def ring(pixels: slice) -> float:
        product = np.mean(late[:, pixels] * early[:, pixels])
        return float(product / (late[:, pixels].mean() * early[:, pixels].mean()))

    own = (late * early).mean(axis=0) / (late.mean(axis=0) * early.mean(axis=0))
    assert found.g2[0, 0] == pytest.approx((ring(slice(0, 3)) + ring(slice(3, 5))) / 2, rel=1e-12)
    assert found.g2_err[0, 0] == pytest.approx(own.std(ddof=1) / np.sqrt(5), rel=1e-12)


def test_a_ring_without_photons_and_a_bin_without_pixels_are_zero_as_in_files() -> None:
    frames = np.zeros((20, 4))
    frames[:, :2] = 1
    found = to_bins(
        correlate_dense(frames), Partition.from_maps(np.array([1, 1, 2, 2]), np.array([1, 1, 3, 3]))
    )
    np.testing.assert_array_equal(found.g2[0], [1, 0, 0])
    np.testing.assert_array_equal(found.g2_err[0], [0, 0, 0])


def test_a_ring_in_two_bins_is_refused() -> None:
    with pytest.raises(UsageError, match="more than one dynamic bin"):
        Partition.from_maps(np.array([1, 1]), np.array([1, 2]))


def test_maps_of_unequal_shape_are_refused() -> None:
    with pytest.raises(UsageError, match="the dynamic map "):
        Partition.from_maps(np.ones((2, 2), int), np.ones(4, int))
