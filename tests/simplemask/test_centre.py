"""Finding the beam centre and calibrating on a standard, with honest uncertainties."""

from __future__ import annotations

import numpy as np
import pytest

import xpcs_dash
from tests.conftest import A001, LLPS_STRONG
from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.schemas import GeometryMetadata
from xpcs_dash.simplemask.centre import SILVER_BEHENATE, calibrate, centre_by_rings, centre_by_symmetry


@pytest.mark.parametrize(("name", "within"), [(A001, 0.3), (LLPS_STRONG, 1.0)])
def test_centre_of_diffuse_scattering(sample, name, within):
    xf = xpcs_dash.open_result(sample(name))
    found = centre_by_symmetry(xf.saxs_2d, xf.mask)
    assert found.x == pytest.approx(xf.geometry.bcx, abs=within)
    assert found.y == pytest.approx(xf.geometry.bcy, abs=within)
    assert 0 < found.sigma_x < within
    assert 0 < found.sigma_y < within


def test_centre_by_rings_needs_only_a_guess(sample):
    xf = xpcs_dash.open_result(sample(A001))
    found = centre_by_rings(xf.saxs_2d, xf.mask, (xf.geometry.bcx + 3, xf.geometry.bcy - 2))
    assert found.x == pytest.approx(xf.geometry.bcx, abs=0.6)
    assert found.y == pytest.approx(xf.geometry.bcy, abs=0.6)


def test_too_little_to_find_a_centre():
    with pytest.raises(UsageError, match="too few"):
        centre_by_symmetry(np.ones((10, 10)), np.ones((10, 10)))


def test_silver_behenate_gives_centre_and_distance():
    def geometry(distance, x, y):
        return GeometryMetadata.from_metres(
            energy_kev=10, distance_m=distance, pixel_m=75e-6, bcx=x, bcy=y, shape=(300, 360)
        )

    true = geometry(0.3, 161.3, 140.8)
    y, x = np.mgrid[:300, :360]
    q = true.q_at(x, y, elastic=True)
    first = 2 * np.pi / SILVER_BEHENATE
    rings = sum(60 / n * np.exp(-0.5 * ((q - n * first) / 0.0025) ** 2) for n in range(1, 8))
    image = np.random.default_rng(1).poisson(20 * np.exp(-q / 0.1) + rings).astype(float)
    found = calibrate(image, np.ones(image.shape), geometry(0.312, 165, 137))
    assert found.geometry.distance_m == pytest.approx(0.3, rel=2e-3)
    assert found.geometry.bcx == pytest.approx(161.3, abs=0.15)
    assert found.geometry.bcy == pytest.approx(140.8, abs=0.15)
    assert found.sigma_distance < 1.0
    assert len(found.rings) >= 2
    with pytest.raises(UsageError, match="points on rings"):
        calibrate(np.ones(image.shape), np.ones(image.shape), true)


def uneven_rings(true, spread, seed=2):
    """Rings of silver behenate whose every ten degrees lie off by a normal deviate of ``spread`` pixels."""
    y, x = np.mgrid[: true.shape[0], : true.shape[1]]
    radius, angle = np.hypot(x - true.bcx, y - true.bcy), np.arctan2(y - true.bcy, x - true.bcx)
    sector = ((angle + np.pi) / (2 * np.pi) * 36).astype(int) % 36
    sine = np.arange(1, 8) * true.lambda_ / (2 * SILVER_BEHENATE)
    rings = true.det_dist * np.tan(2 * np.arcsin(sine)) / true.pix_dim
    rings = rings[rings < true.bcx - 4]
    off = np.random.default_rng(seed).normal(0, spread, (rings.size, 36))
    image = sum(100 * np.exp(-0.5 * (radius - r - d[sector]) ** 2) for r, d in zip(rings, off, strict=True))
    return 5.0 + image, off


def test_points_within_normal_scatter_are_all_kept():
    def geometry(distance, x, y):
        return GeometryMetadata.from_metres(
            energy_kev=10, distance_m=distance, pixel_m=75e-6, bcx=x, bcy=y, shape=(400, 400)
        )

    image, off = uneven_rings(geometry(0.2, 200.0, 200.0), 0.6)
    found = calibrate(image, np.ones(image.shape), geometry(0.201, 200.4, 199.7))
    # three standard deviations of a normal distribution are 3 · 1.4826 median deviations: nothing is cut off,
    # and what is said of the scatter is the scatter
    assert found.points == off.size
    assert found.residual == pytest.approx(off.std(), rel=0.05)
