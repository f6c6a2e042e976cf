from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import E0173, LLPS_STRONG
from xpcs_dash import open_result
from xpcs_dash.analysis import saxs
from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.records import BinTable


def table(n0, n1, cells):
    return BinTable((n0, n1), np.arange(1.0, n0 + 1), np.arange(n1) * 10.0, np.array(cells))


def geometry(shape=(201, 301), bcx=150.0, bcy=100.0):
    return SimpleNamespace(bcx=bcx, bcy=bcy, pixel_m=75e-6, distance_m=5.0, k0=5.0, shape=shape)


def test_empty_cells_stay_empty_and_the_average_is_that_of_the_pixels():
    bins = table(3, 2, [0, 1, 2, 5])
    found = saxs.profile(np.array([1.0, 3.0, 5.0, 7.0]), bins, np.array([1, 3, 10, 10]))
    assert found.average.tolist() == [2.5, 5.0, 7.0]  # (1·1 + 3·3)/4
    assert saxs.profile(np.array([1.0, 3.0, 5.0, 7.0]), bins).average[0] == 2.0
    assert np.isnan(found.sectors[1, 1])
    assert found.sectors.shape == (2, 3)


def test_one_sector_with_an_empty_bin_is_expanded_too():
    found = saxs.profile(np.array([4.0, 2.0]), table(3, 1, [0, 2]), None)
    assert found.q.shape == found.average.shape == (3,)
    assert np.isnan(found.average[1])


def test_division_by_the_first_value_is_done_for_each_line_and_keeps_its_shape():
    # the desktop viewers divide by the whole average line, so that it becomes 1 everywhere
    lines = np.array([[4.0, 2.0, 1.0], [10.0, 1.0, 5.0], [np.nan, 8.0, 4.0]])
    found = saxs.normalise(np.array([1.0, 2.0, 3.0]), lines, "i0")
    np.testing.assert_allclose(found[0], [1.0, 0.5, 0.25])
    np.testing.assert_allclose(found[1], [1.0, 0.1, 0.5])
    assert np.isnan(found[2, 0])
    np.testing.assert_allclose(found[2, 1:], [1.0, 0.5])


def test_division_by_the_first_value_leaves_a_curve_in_a_real_file(sample):
    xf = open_result(sample(LLPS_STRONG))
    found = saxs.profile(xf.saxs_1d, xf.static)
    shape = saxs.normalise(found.q, found.average, "i0")
    assert np.nanmin(shape) < 0.05


@pytest.mark.parametrize(("how", "power"), [("q2", 2), ("q4", 4), ("none", 0)])
def test_powers_of_q(how, power):
    q = np.array([0.1, 0.2])
    np.testing.assert_allclose(saxs.normalise(q, np.ones((3, 2)), how), np.tile(q**power, (3, 1)))


def test_an_unknown_normalisation_is_refused():
    with pytest.raises(UsageError, match="q3"):
        saxs.normalise(np.ones(2), np.ones(2), "q3")


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 40))
def test_sampling_thins_q_and_keeps_every_line(step, n_lines, n_q):
    # a viewer that samples the first axis drops lines instead: q (90,) against I (3, 270)
    q, lines = saxs.sample(
        np.arange(n_q) * 1.0, np.arange(n_lines * n_q, dtype=float).reshape(n_lines, n_q), step
    )
    assert lines.shape == (n_lines, q.size)
    np.testing.assert_array_equal(lines[0], q)


def test_background_on_another_grid_is_refused_in_words():
    q = np.linspace(0.01, 0.1, 10)
    with pytest.raises(UsageError, match="10"):
        saxs.subtract_background(q, np.ones(10), q[:8], np.ones(8), 1.0)
    with pytest.raises(UsageError, match="differs by up to"):
        saxs.subtract_background(q, np.ones(10), q * 1.01, np.ones(10), 1.0)


def test_background_is_weighted_and_what_falls_below_zero_is_not_drawn():
    q = np.array([0.1, 0.2, 0.3])
    found = saxs.subtract_background(q, np.array([[3.0, 2.0, 1.0]]), q, np.array([1.0, 1.0, 3.0]), 0.5)
    np.testing.assert_allclose(found[0, :2], [2.5, 1.5])
    assert np.isnan(found[0, 2])


def radial(shape, beam):
    y, x = np.mgrid[: shape[0], : shape[1]]
    r = np.hypot(x - beam.bcx, y - beam.bcy)
    return saxs.q_of_radius(r, beam), -np.degrees(np.arctan2(y - beam.bcy, x - beam.bcx))


def test_a_sector_gives_i_of_q_and_a_ring_i_of_phi():
    # both desktop viewers crash here
    beam = geometry()
    q, phi = radial(beam.shape, beam)
    edges = np.linspace(q.min(), saxs.q_of_radius(95.0, beam), 41)
    centres = 0.5 * (edges[1:] + edges[:-1])
    image = (1.0 / (0.001 + q)) * (1.0 + 0.5 * np.cos(np.radians(phi)))
    region = saxs.Region(20.0, 90.0, -20.0, 20.0)
    line = saxs.sector(image, None, beam, region, centres)
    r = saxs.radius_of_q(line.x, beam)
    assert r.min() > 17
    assert r.max() < 93
    expected = (1.0 / (0.001 + line.x)) * (1 + 0.5 * np.sinc(20 / 180))
    np.testing.assert_allclose(line.y[3:-3], expected[3:-3], rtol=0.02)
    around = saxs.ring(np.cos(np.radians(phi)) + 2.0, None, beam, saxs.Region(40.0, 90.0), n_phi=36)
    np.testing.assert_allclose(around.y, 2 + np.cos(np.radians(around.x)), atol=0.01)
    assert around.pixels.sum() == np.count_nonzero(
        (np.hypot(*np.mgrid[-100:101, -150:151]) <= 90) & (np.hypot(*np.mgrid[-100:101, -150:151]) >= 40)
    )


def test_up_on_the_screen_is_plus_ninety_degrees():
    beam = geometry()
    image = np.zeros(beam.shape)
    image[:90] = 1.0  # above the centre: small rows
    line = saxs.ring(image, None, beam, saxs.Region(60.0, 90.0), n_phi=4)
    assert line.x[line.y.argmax()] in (45.0, 135.0)
    assert line.y[line.x == 135.0] > 10 * line.y[line.x == -45.0]


def test_a_sector_may_run_through_the_cut_at_180_degrees():
    beam = geometry()
    line = saxs.ring(np.ones(beam.shape), None, beam, saxs.Region(30.0, 80.0, 150.0, -150.0), n_phi=12)
    assert line.pixels.sum() > 0
    assert np.all((line.x > 150) & (line.x < 210))


def test_masked_pixels_do_not_count_and_an_empty_region_says_so():
    beam = geometry()
    mask = np.ones(beam.shape, bool)
    mask[:, 150:] = False
    image = np.where(mask, 1.0, 1e6)
    line = saxs.ring(image, mask, beam, saxs.Region(20.0, 90.0), n_phi=8)
    np.testing.assert_allclose(line.y, 1.0)
    with pytest.raises(UsageError, match="unmasked"):
        saxs.ring(image, mask, beam, saxs.Region(20.0, 90.0, -30.0, 30.0))
    with pytest.raises(UsageError, match="empty"):
        saxs.ring(image, mask, beam, saxs.Region(20.0, 20.0))
    with pytest.raises(UsageError, match="outside"):
        saxs.ring(image, mask, geometry(bcx=-500.0, bcy=-500.0), saxs.Region(1.0, 20.0))


def test_the_whole_detector_as_a_sector_agrees_with_the_stored_curve(sample):
    xf = open_result(sample(E0173))
    line = saxs.sector(xf.saxs_2d, xf.mask, xf.geometry, saxs.Region(0.0, 3000.0), xf.static.axis0)
    stored = np.interp(line.x, xf.static.axis0, xf.saxs_1d)
    # edges half-way between centres are not those of the partition to the last pixel
    assert np.median(np.abs(line.y / stored - 1)) < 0.01


@pytest.mark.parametrize("name", [E0173, LLPS_STRONG])
def test_q_of_the_pixels_agrees_with_the_list_of_the_file(sample, name):
    """With energy and distance of /entry instead of the q-map's, the averaged file is 12.7 % off."""
    xf = open_result(sample(name))
    g, labels = xf.geometry, xf.sqmap
    y, x = np.mgrid[: g.shape[0], : g.shape[1]]
    q = saxs.q_of_radius(np.hypot(x - g.bcx, y - g.bcy), g)
    pixels = saxs.pixel_counts(labels, xf.static.n)
    mean = np.bincount(labels.ravel(), q.ravel(), xf.static.n + 1)[1:] / pixels
    assert np.median(np.abs(mean / xf.static.q - 1)) < 1e-3
    used = q[labels > 0]
    n0 = xf.static.num_pts[0]
    edges = np.linspace(used.min(), used.max(), n0 + 1)
    np.testing.assert_allclose(0.5 * (edges[1:] + edges[:-1]), xf.static.axis0, atol=1e-5)  # Å⁻¹


def test_pixel_counts_leave_masked_pixels_out():
    assert saxs.pixel_counts(np.array([[0, 1, 1], [3, 0, 1]]), 4).tolist() == [3, 0, 1, 0]


def test_counting_error_of_a_mean():
    sigma = saxs.counting_sigma(np.array([1e-3, 0.0, 1.0]), np.array([100, 10, 0]), 1000)
    assert sigma[0] == pytest.approx(1e-3 / np.sqrt(1e-3 * 100 * 1000))
    assert sigma[1] == 0
    assert np.isnan(sigma[2])
