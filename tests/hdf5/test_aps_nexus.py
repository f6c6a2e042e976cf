"""The present APS layout: figures of the real files, and every rule of reading on small written ones."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import A001, A002, A003, E0173, LLPS_MIDDLE, LLPS_STRONG, LLPS_WEAK
from tests.hdf5 import synthetic
from xpcs_dash.errors import IncompleteFile, UsageError
from xpcs_dash.results.opening import open_result

AVERAGED = (LLPS_WEAK, LLPS_MIDDLE, LLPS_STRONG)


# -- figures of the real files ---------------------------------------------------------


@pytest.mark.parametrize("name", [A001, A002, A003])
def test_simulated_files(sample, name):
    xf = open_result(sample(name))
    assert xf.layout == "aps_nexus"
    assert xf.kinds == (("multitau", "twotime") if name == A002 else ("multitau",))
    assert xf.n_q == {A001: 12, A002: 5, A003: 12}[name]
    assert xf.g2.shape == (xf.n_delay, xf.n_q) == xf.g2_sigma.shape == xf.trusted.shape
    assert xf.geometry_mismatch == ()
    assert xf.warnings == ()
    assert xf.photons
    assert xf.zero_points == 0


def test_a001_numbers(sample):
    xf = open_result(sample(A001))
    assert xf.t_el[0] == pytest.approx(1e-3)
    assert xf.t_el[-1] == pytest.approx(1.536)
    assert xf.q[[0, -1]] == pytest.approx([0.0015459392959611645, 0.0091541], rel=2e-6)
    assert xf.q_unit == "Å⁻¹"
    assert xf.saxs_2d.shape == xf.dqmap.shape == xf.sqmap.shape == xf.mask.shape == (192, 256)
    assert xf.saxs_2d.dtype == np.float32
    assert xf.dqmap.dtype == xf.sqmap.dtype == np.int32
    assert xf.mask.dtype == bool
    assert xf.partial_g2.shape == (4, 38, 12)
    assert xf.int_t.shape == (2, 2000)
    assert xf.int_t[0, :2] == pytest.approx([0, 1e-3])
    assert xf.temperature_k == pytest.approx(298.15)


def test_momentum_transfer_a_hundred_pixels_off_the_beam(sample):
    geometry = open_result(sample(A001)).geometry
    assert geometry.q_at(geometry.bcx + 100, geometry.bcy) == pytest.approx(7.60158752e-3, rel=1e-9)
    assert geometry.q_at(geometry.bcx, geometry.bcy - 100) == pytest.approx(7.60158752e-3, rel=1e-9)
    # the exact elastic form differs by cos(α/2)
    assert geometry.q_at(geometry.bcx + 100, geometry.bcy, elastic=True) == pytest.approx(
        7.60158966e-3, rel=1e-9
    )


@pytest.mark.parametrize("name", AVERAGED)
def test_averaged_files(sample, name):
    xf = open_result(sample(name))
    assert xf.t_el[0] == pytest.approx(2e-5, rel=1e-12)
    assert xf.t_el[-1] == pytest.approx(1.6384, rel=1e-12)
    known = sample.known(name)
    assert (xf.q[0], xf.q[-1]) == known.q
    assert xf.static.n == known.statics
    assert xf.static.num_pts == (270, 8)
    assert xf.detector_shape == (512, 1024)
    assert len(xf.averaged_from) == {LLPS_WEAK: 43, LLPS_MIDDLE: 131, LLPS_STRONG: 54}[name] == known.files
    assert xf.zero_points == known.zeros > 10
    assert {"energy", "distance", "beam_center_x", "beam_center_y"} <= set(xf.geometry_mismatch)
    assert xf.geometry.energy_kev == pytest.approx(10.945)
    assert xf.geometry.distance_m == pytest.approx(7.8)
    assert (xf.geometry.bcx, xf.geometry.bcy) == (581.5, 235.5)
    assert any("12.339" in text and "10.945" in text for text in xf.warnings)
    assert any("first file" in text for text in xf.warnings)
    assert any("2.6 times the detector image" in text for text in xf.warnings) == (name == LLPS_MIDDLE)


def test_large_file(sample):
    xf, known = open_result(sample(E0173)), sample.known(E0173)
    assert (xf.q[0], xf.q[-1]) == known.q
    assert (xf.g2[0, 0], xf.g2_err[0, 0]) == tuple(np.float32(known.first))
    assert xf.zero_points == known.zeros > 200
    assert xf.geometry_mismatch == ("distance",)
    assert xf.sample == "H06-c6c5-4"
    assert xf.scan == "E0173"
    total = xf.segments.sum(axis=0) / xf.saxs_1d
    assert np.median(total) == pytest.approx(known.segments, abs=1e-3)
    assert known.segments == pytest.approx(0.982, abs=1e-3)
    assert xf.int_t[1].mean() == pytest.approx(xf.saxs_2d[xf.mask].mean(), rel=1e-4)


def test_first_point_of_the_strong_file(sample):
    xf = open_result(sample(LLPS_STRONG))
    assert (xf.g2[0, 0], xf.g2_err[0, 0]) == tuple(np.float32(sample.known(LLPS_STRONG).first))


@pytest.mark.parametrize("name", [E0173, LLPS_WEAK, LLPS_STRONG])
def test_predicted_zeros(sample, name):
    """Σ exp(−C) over all points: as many zeros as there are, within counting noise."""
    xf, known = open_result(sample(name)), sample.known(name)
    assert xf.photon_check.zeros_predicted == pytest.approx(known.predicted, abs=0.5)
    assert abs(known.predicted - xf.zero_points) < 3 * np.sqrt(known.predicted)
    assert xf.photons
    assert xf.starved_points == known.starved > 100


def test_labels_of_the_real_map(sample):
    xf, known = open_result(sample(LLPS_STRONG)), sample.known(LLPS_STRONG)
    for label, cell in known.cells.items():
        assert xf.static.cell(label) == cell
    for label, (centre, angle, mean) in known.ring.items():
        assert xf.static.q[label - 1] == pytest.approx(centre, abs=1e-7)
        assert xf.static.phi[label - 1] == pytest.approx(angle, abs=0.01)
        pixels = np.argwhere(xf.sqmap == label)
        q = xf.geometry.q_at(pixels[:, 1], pixels[:, 0])
        assert q.mean() == pytest.approx(mean, abs=1e-7)


@pytest.mark.parametrize("name", [A001, A003, LLPS_STRONG, E0173])
def test_map_identities(sample, name):
    xf = open_result(sample(name))
    assert np.array_equal(xf.mask, xf.dqmap > 0)
    assert np.array_equal(xf.mask, xf.sqmap > 0)
    assert np.array_equal(np.unique(xf.dqmap), np.arange(xf.n_q + 1))
    assert xf.ring_table.crossing() == 0
    assert xf.ring_table.static_pixels().sum() == np.count_nonzero(xf.mask)


@pytest.mark.parametrize("name", [A001, LLPS_STRONG, E0173])
def test_q_of_the_pixels_matches_the_list(sample, name):
    """With the q-map's energy the pixels agree with the bins; with the nominal energy they are 12.7 % off."""
    xf = open_result(sample(name))
    rows, cols = np.nonzero(xf.dqmap)
    labels = xf.dqmap[rows, cols]
    q = xf.geometry.q_at(cols, rows)
    mean = np.bincount(labels, q)[1:] / np.bincount(labels)[1:]
    middle = slice(2, -2)
    assert np.abs(mean / xf.q - 1)[middle].max() < 0.01
    if name == LLPS_STRONG:
        wrong = mean * 12.339 / xf.geometry.energy_kev
        assert np.median(wrong / xf.q) == pytest.approx(1.127, abs=0.005)


@pytest.mark.parametrize("name", [LLPS_STRONG, E0173, A001])
def test_recomputed_bin_centres(sample, name):
    """Centres of a linear partition between the smallest and the largest q of the used pixels."""
    xf = open_result(sample(name))
    rows, cols = np.nonzero(xf.mask)
    q = xf.geometry.q_at(cols, rows)
    edges = np.linspace(q.min(), q.max(), xf.static.num_pts[0] + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    assert np.abs(centres - xf.static.axis0).max() < 1e-5
    assert np.abs(centres / xf.static.axis0 - 1).max() < 5e-5


def test_two_time_of_a002(sample):
    xf = open_result(sample(A002))
    assert xf.twotime_bins == (1, 2, 3, 4, 5)
    assert xf.twotime_shape == (400, 400)
    assert xf.c2_frame_time_s == pytest.approx(0.01)
    two = xf.twotime(2)
    full = two.full()
    assert np.array_equal(full, full.T)
    for lag in (1, 5, 100):
        assert np.diagonal(full, lag).mean() == pytest.approx(two.g2[lag], rel=1e-5)


# -- rules, on small files -------------------------------------------------------------


def test_plain_file(tmp_path):
    written = synthetic.aps(tmp_path / "a_results.hdf")
    xf = open_result(tmp_path / "a_results.hdf")
    assert np.array_equal(xf.g2, written["/xpcs/multitau/normalized_g2"])
    assert xf.t_el == pytest.approx(written["/xpcs/multitau/delay_list"] * synthetic.FRAME_TIME)
    assert xf.sample == "latex"
    assert xf.warnings == ()


def test_viewers_wrap_scalars_and_lists(tmp_path):
    """Files that a viewer rewrote hold (1, N) lists and (1, 1) scalars."""
    t = synthetic.delays()
    synthetic.aps(
        tmp_path / "a.hdf",
        multitau__delay_list=t[None],
        entry__instrument__detector_1__frame_time=np.array([[2e-5]], np.float32),
        qmap__dynamic_v_list_dim0=np.array([[0.004, 0.006, 0.008]]),
        multitau__normalized_g2=synthetic.g2_model(t * 1e-3, np.array([0.004, 0.006, 0.008]))[None],
    )
    xf = open_result(tmp_path / "a.hdf")
    assert xf.t_el == pytest.approx(t * 2e-5, rel=1e-12)
    assert xf.g2.shape == (t.size, 3)


def test_scattering_2d_loses_its_leading_axis(tmp_path):
    synthetic.aps(tmp_path / "a.hdf")
    assert open_result(tmp_path / "a.hdf").saxs_2d.shape == (synthetic.H, synthetic.W)


def test_empty_cells_and_phi_bins(tmp_path):
    """Columns belong to the cells that hold pixels, not to the first cells of the grid."""
    labels = synthetic.rings(3)
    synthetic.aps(
        tmp_path / "a.hdf",
        qmap__dynamic_roi_map=labels,
        qmap__dynamic_v_list_dim0=np.array([0.001, 0.002, 0.003, 0.004]),
        qmap__dynamic_v_list_dim1=np.array([-90.0, 90.0]),
        qmap__dynamic_num_pts=np.array([4, 2]),
        qmap__dynamic_index_mapping=np.array([1, 4, 7], dtype=np.uint8),
    )
    xf = open_result(tmp_path / "a.hdf")
    assert xf.q == pytest.approx([0.001, 0.003, 0.004])
    assert xf.phi == pytest.approx([90, -90, 90])
    assert len(xf.q) == len(xf.phi) == len(xf.q_labels) == xf.g2.shape[1] == 3
    assert xf.q_labels[1] == "q=0.00300 Å⁻¹, φ=-90.0 deg"
    assert [xf.dynamic.cell(k) for k in (1, 2, 3)] == [(0, 1), (2, 0), (3, 1)]
    full = xf.dynamic.expand(xf.g2)
    assert full.shape == (xf.n_delay, 4, 2)
    assert np.array_equal(full[:, 2, 0], xf.g2[:, 1])
    assert np.isnan(full[:, 0, 0]).all()


def test_empty_static_rings_with_one_phi(tmp_path):
    labels = synthetic.rings(3)
    synthetic.aps(
        tmp_path / "a.hdf",
        qmap__static_roi_map=labels,
        qmap__static_v_list_dim0=np.array([0.001, 0.002, 0.003, 0.004, 0.005]),
        qmap__static_v_list_dim1=np.array([0.0]),
        qmap__static_num_pts=np.array([5, 1]),
        qmap__static_index_mapping=np.array([0, 2, 4]),
        temporal_mean__scattering_1d=np.array([[1.0, 2.0, 3.0]]),
        temporal_mean__scattering_1d_segments=np.ones((8, 3)),
    )
    xf = open_result(tmp_path / "a.hdf")
    full = xf.static.expand(xf.saxs_1d)
    assert full.shape == (5, 1)
    assert full[[0, 2, 4], 0] == pytest.approx([1, 2, 3])
    assert np.isnan(full[[1, 3], 0]).all()


def test_stride_and_average_of_each_kind_of_correlation(tmp_path):
    """g2 and C2 each follow their own settings; the raw frame time stays what it is."""
    synthetic.aps(
        tmp_path / "a.hdf",
        multitau__config__stride_frame=2,
        multitau__config__avg_frame=2,
        **{name[6:].replace("/", "__"): value for name, value in synthetic.twotime(bins=(3, 1)).items()},
    )
    xf = open_result(tmp_path / "a.hdf")
    assert xf.kinds == ("multitau", "twotime")
    assert xf.frame_time_s == pytest.approx(1e-3)
    assert xf.g2_frame_time_s == pytest.approx(4e-3)
    assert xf.t_el[0] == pytest.approx(4e-3)
    assert xf.c2_frame_time_s == pytest.approx(6e-3)
    assert xf.twotime(3).dt_s == pytest.approx(6e-3)
    assert xf.int_t[0, 1] == pytest.approx(4e-3)


def test_c2_numbers_are_positions_not_labels(tmp_path):
    two = synthetic.twotime(bins=(3, 1))
    synthetic.aps(tmp_path / "a.hdf", **{name[6:].replace("/", "__"): value for name, value in two.items()})
    xf = open_result(tmp_path / "a.hdf")
    assert xf.twotime_bins == (3, 1)
    assert np.array_equal(xf.twotime(3).c2_upper, two["/xpcs/twotime/correlation_map/c2_00001"])
    assert np.array_equal(xf.twotime(1).c2_upper, two["/xpcs/twotime/correlation_map/c2_00002"])
    assert np.array_equal(xf.twotime(1).g2, two["/xpcs/twotime/normalized_g2"][:, 1])
    assert np.array_equal(xf.twotime(3).g2_segments, two["/xpcs/twotime/normalized_g2_segments"][:, :, 0])
    with pytest.raises(UsageError, match="q-bin 2"):
        xf.twotime(2)


def test_many_c2_are_in_numerical_order(tmp_path):
    """Names of more than five digits sort after the others, and every digit counts."""
    two = synthetic.twotime(n=5, bins=(1,))
    matrix = two.pop("/xpcs/twotime/correlation_map/c2_00001")
    two.pop("/xpcs/twotime/normalized_g2")
    two.pop("/xpcs/twotime/normalized_g2_segments")
    two["/xpcs/twotime/processed_bins"] = np.resize([1, 2, 3], 100_000)
    two["/xpcs/twotime/processed_bins"][[1, 99_999]] = [2, 3]
    two["/xpcs/twotime/correlation_map/c2_00002"] = matrix
    two["/xpcs/twotime/correlation_map/c2_100000"] = matrix * 2
    synthetic.aps(tmp_path / "a.hdf", **{name[6:].replace("/", "__"): value for name, value in two.items()})
    xf = open_result(tmp_path / "a.hdf")
    assert xf.twotime_bins == (2, 3)
    assert np.array_equal(xf.twotime(3).c2_upper, matrix * 2)


def test_blocks_of_c2_read_only_what_they_need(tmp_path):
    two = synthetic.twotime(n=40, bins=(2,))
    synthetic.aps(tmp_path / "a.hdf", **{name[6:].replace("/", "__"): value for name, value in two.items()})
    xf = open_result(tmp_path / "a.hdf")
    full = xf.twotime(2).full()
    for rows, cols in [((0, 10), (20, 40)), ((20, 40), (0, 10)), ((5, 30), (10, 25)), ((0, 40), (0, 40))]:
        block = xf.twotime_block(2, slice(*rows), slice(*cols))
        assert np.array_equal(block, full[slice(*rows), slice(*cols)])


@pytest.mark.parametrize("name", ["partial", "segments"])
def test_both_names_of_partial_g2(tmp_path, name):
    t = synthetic.delays()
    partial = np.ones((4, t.size, 3), np.float32)
    partial[0, -1] = np.nan
    synthetic.aps(
        tmp_path / "a.hdf",
        **{
            f"multitau__normalized_g2_{name}": partial,
            f"multitau__normalized_g2_{name}_err": partial * 0.1,
            f"multitau__normalized_g2_{name}_labels": np.array([64, 128, 192, 255]),
        },
    )
    xf = open_result(tmp_path / "a.hdf")
    assert np.array_equal(xf.partial_g2, partial, equal_nan=True)
    assert xf.partial_labels == pytest.approx([64, 128, 192, 255])


def test_two_time_only(tmp_path):
    two = {name[6:].replace("/", "__"): value for name, value in synthetic.twotime().items()}
    gone = dict.fromkeys(
        ("multitau__delay_list", "multitau__normalized_g2", "multitau__normalized_g2_err",
         "multitau__config__stride_frame", "multitau__config__avg_frame")
    )  # fmt: skip
    synthetic.aps(tmp_path / "a.hdf", **two, **gone)
    xf = open_result(tmp_path / "a.hdf")
    assert xf.kinds == ("twotime",)
    assert xf.n_delay == 0
    assert xf.g2.shape == (0, 3)
    assert xf.t_el.size == 0
    assert xf.g2_sigma.shape == (0, 3)
    assert xf.warnings == ()
    assert xf.int_t[0, 1] == pytest.approx(6e-3)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("energy", {"entry__instrument__incident_beam__incident_energy": 10.06}),
        ("distance", {"entry__instrument__detector_1__distance": 4.9}),
        ("beam_center_x", {"entry__instrument__detector_1__beam_center_x": 20.0}),
        ("pixel_size", {"entry__instrument__detector_1__x_pixel_size": 5.5e-5}),
    ],
)
def test_disagreeing_geometry_is_said_and_the_map_wins(tmp_path, field, change):
    synthetic.aps(tmp_path / "a.hdf", **change)
    xf = open_result(tmp_path / "a.hdf")
    assert xf.geometry_mismatch == (field,)
    assert len(xf.warnings) == 1
    assert xf.geometry.energy_kev == pytest.approx(10.0)
    assert xf.geometry.distance_m == pytest.approx(5.0)


def test_small_differences_of_geometry_are_not_said(tmp_path):
    synthetic.aps(
        tmp_path / "a.hdf",
        entry__instrument__incident_beam__incident_energy=(10_040.0, {"units": "eV"}),
        entry__instrument__detector_1__distance=(5010.0, {"units": "mm"}),
    )
    assert open_result(tmp_path / "a.hdf").geometry_mismatch == ()


def test_nominal_geometry_is_a_visible_fall_back(tmp_path):
    synthetic.aps(tmp_path / "a.hdf", qmap__energy=None)
    xf = open_result(tmp_path / "a.hdf")
    assert xf.geometry.energy_kev == pytest.approx(10.0)
    assert any("energy" in text and "nominal" in text for text in xf.warnings)


def test_no_geometry_is_said_not_invented(tmp_path):
    synthetic.aps(
        tmp_path / "a.hdf", qmap__detector_distance=None, entry__instrument__detector_1__distance=None
    )
    xf = open_result(tmp_path / "a.hdf")
    assert xf.geometry is None
    assert any("distance" in text for text in xf.warnings)


def test_a_missing_map_is_refused_not_invented(tmp_path):
    data = synthetic.aps(tmp_path / "b.hdf")
    gone = {name[1:].replace("/", "__"): None for name in data if name.startswith("/xpcs/qmap/")}
    synthetic.aps(tmp_path / "a.hdf", **gone)
    with pytest.raises(IncompleteFile, match="q-map"):
        open_result(tmp_path / "a.hdf")


def test_per_pixel_g2_is_read_one_delay_at_a_time(tmp_path):
    t = synthetic.delays()
    big = np.arange(t.size * 3 * synthetic.H * synthetic.W, dtype=np.float32)
    big = big.reshape(t.size, 3, synthetic.H, synthetic.W)
    synthetic.aps(tmp_path / "a.hdf", multitau__unnormalized_G2=big)
    xf = open_result(tmp_path / "a.hdf")
    assert xf.has_unnormalized
    assert np.array_equal(xf.unnormalized_g2(4), big[4])
    with pytest.raises(UsageError, match="delay 99"):
        xf.unnormalized_g2(99)


def test_dead_external_link_to_the_per_pixel_g2(tmp_path):
    import h5py

    synthetic.aps(tmp_path / "a.hdf")
    with h5py.File(tmp_path / "a.hdf", "a") as h5:
        h5["/xpcs/multitau/unnormalized_g2"] = h5py.ExternalLink("gone_G2.hdf", "/G2IPIF")
    assert not open_result(tmp_path / "a.hdf").has_unnormalized


def test_time_axis_does_not_lose_frames_to_float32(tmp_path):
    """Frame numbers are float32 in the file and repeat above 2^24; the time axis must not."""
    n = 2**20
    index = np.arange(n, dtype=np.float32) + np.float32(2**24)
    assert np.any(np.diff(index) == 0)
    synthetic.aps(
        tmp_path / "a.hdf", spatial_mean__intensity_vs_time=np.stack((index, np.ones(n, np.float32)))
    )
    time = open_result(tmp_path / "a.hdf").int_t[0]
    assert np.all(np.diff(time) > 0)


def test_intensity_not_in_photons_falls_back_and_says_so(tmp_path):
    """Zeros of g2 that the intensity cannot explain: the intensity is not in photons."""
    t = synthetic.delays()
    g2 = synthetic.g2_model(t * 1e-3, np.array([0.004, 0.006, 0.008]))
    g2[-12:] = 0
    synthetic.aps(tmp_path / "a.hdf", multitau__normalized_g2=g2)
    xf = open_result(tmp_path / "a.hdf")
    assert not xf.photons
    assert np.array_equal(xf.g2_sigma, xf.g2_err)
    assert np.isnan(xf.coincidences).all()
    assert xf.starved_points is None
    assert xf.trusted[0].all()
    assert any("errors of g2 are those of the file" in text for text in xf.warnings)


@pytest.mark.parametrize("scale", [1e-3, 1e-5])
def test_intensity_that_is_far_too_small_is_noticed(sample, tmp_path, scale):
    """An intensity scaled down makes counting expect more scatter, or more zeros, than there are."""
    import shutil

    import h5py

    shutil.copy(sample(A001), tmp_path / "a.hdf")
    with h5py.File(tmp_path / "a.hdf", "a") as h5:
        h5["/xpcs/temporal_mean/scattering_1d"][...] *= scale
    xf = open_result(tmp_path / "a.hdf")
    assert not xf.photons
    assert any("counting" in text for text in xf.warnings)


def test_everything_is_read_only(sample):
    xf = open_result(sample(A001))
    with pytest.raises(AttributeError):
        xf.g2 = 1
    names = (
        "g2 g2_err g2_sigma t_el q saxs_2d dqmap mask int_t trusted saxs_1d segments partial_g2 coincidences"
    )
    for name in names.split():
        array = getattr(xf, name)
        with pytest.raises(ValueError, match="read-only"):
            array.flat[0] = 0


def test_metadata_has_values_and_units(sample):
    metadata = open_result(sample(A001)).metadata
    assert metadata["/entry/instrument/detector_1/frame_time"] == (0.001, "s")
    assert metadata["/entry/sample/name"] == ("A001_silica_multitau", "")


def test_replaced_file_is_not_mixed_with_the_old_one(tmp_path):
    """Big arrays come from the file that was opened, or not at all."""
    from xpcs_dash.errors import UnreadableFile

    synthetic.aps(tmp_path / "a.hdf")
    xf = open_result(tmp_path / "a.hdf")
    synthetic.aps(tmp_path / "b.hdf", temporal_mean__scattering_2d=np.zeros((1, synthetic.H, synthetic.W)))
    (tmp_path / "b.hdf").replace(tmp_path / "a.hdf")
    with pytest.raises(UnreadableFile, match="replaced"):
        _ = xf.saxs_2d
    assert open_result(tmp_path / "a.hdf").saxs_2d.max() == 0
