"""The stand-ins are read as what they stand in for, and their truth is found."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from tests import standins
from tests.conftest import BES, E0173, LLPS_MIDDLE, LLPS_STRONG, LLPS_WEAK, Samples
from xpcs_dash import open_result
from xpcs_dash.analysis import diffusion, stability
from xpcs_dash.fitting.batch import fit_all_q
from xpcs_dash.fitting.statements import Place, of_batch

AVERAGED = (LLPS_STRONG, LLPS_MIDDLE, LLPS_WEAK)
COUNTED = (*AVERAGED, E0173)


@pytest.mark.parametrize("name", COUNTED)
def test_points_are_counted_as_they_were_drawn(sample: Samples, name: str) -> None:
    path, known = sample.stand_in(name)
    xf = open_result(path)
    assert xf.photons, xf.photon_check.reason
    assert xf.zero_points == known.zeros
    assert xf.starved_points == known.starved
    assert xf.photon_check.zeros_predicted == pytest.approx(known.predicted, abs=1e-3)
    assert abs(known.zeros - known.predicted) < 4 * np.sqrt(known.predicted)
    assert len(xf.averaged_from) == known.files
    assert (xf.g2[0, 0], xf.g2_err[0, 0]) == tuple(np.float32(known.first))
    # a point without a coincidence has no error in the file, and one of counting
    assert np.all(xf.g2_err[xf.g2 == 0] == 0)
    assert np.all(xf.g2_sigma[xf.g2 == 0] > 0)


@pytest.mark.parametrize("name", COUNTED)
def test_starvation_is_like_that_of_the_real_file(sample: Samples, name: str) -> None:
    """As a share of the points, to a factor of two: else the stand-in would test something else."""
    known, real = sample.stand_in(name)[1], standins.REAL[name]
    for ours, theirs in ((known.starved, real.starved), (known.zeros, real.zeros)):
        assert 0.4 < ours / theirs < 2.5


@pytest.mark.parametrize("name", COUNTED)
def test_the_error_model_fits_the_scatter_about_the_truth(sample: Samples, name: str) -> None:
    xf = open_result(sample.stand_in(name)[0])
    plan = standins.plans()[name]
    truth = 1 + standins.CONTRAST * np.exp(-2 * xf.t_el[:, None] * plan.diffusion * xf.q**2)
    pulls = ((xf.g2 - truth) / xf.g2_sigma)[xf.trusted]
    assert pulls.size > 700
    assert np.std(pulls) == pytest.approx(0.95, abs=0.15)
    own = np.abs((xf.g2 - truth)[xf.trusted] / xf.g2_err[xf.trusted])
    assert np.median(own) > 1  # the file's own errors are too small


@pytest.mark.parametrize("name", [LLPS_STRONG, E0173])
def test_what_was_put_in_is_found_by_the_fit(sample: Samples, name: str) -> None:
    xf, plan = open_result(sample.stand_in(name)[0]), standins.plans()[name]
    fit = fit_all_q(xf.t_el, xf.g2, xf.g2_sigma, xf.trusted, model="single", backend="numpy")
    law = diffusion.power_law(diffusion.points_of(of_batch(fit, Place.of(xf)), "tau"))
    assert law.n >= 5
    assert law.b == pytest.approx(-2, abs=max(0.1, 4 * law.b_err))
    assert law.d == pytest.approx(plan.diffusion, rel=0.1)
    contrast = fit["contrast"][fit.good]
    weight = fit.error("contrast")[fit.good] ** -2
    assert np.sum(weight * contrast) / np.sum(weight) == pytest.approx(standins.CONTRAST, rel=0.03)


@pytest.mark.parametrize("name", COUNTED)
def test_maps_and_the_two_geometries(sample: Samples, name: str) -> None:
    path, known = sample.stand_in(name)
    xf = open_result(path)
    assert (xf.q[0], xf.q[-1]) == known.q
    assert xf.detector_shape == known.shape
    assert xf.static.n == known.statics
    assert xf.mask.mean() == pytest.approx(known.used)
    assert xf.map_hash == known.map_hash
    for label, cell in known.cells.items():
        assert xf.static.cell(label) == cell
        assert (xf.static.q[label - 1], xf.static.phi[label - 1]) == pytest.approx(known.ring[label][:2])
    expected = ("distance",) if name == E0173 else ("energy", "distance", "pixel_size", "beam_center_x")
    assert xf.geometry_mismatch[: len(expected)] == expected
    plan = standins.plans()[name]
    assert xf.geometry.energy_kev == pytest.approx(plan.energy_kev)
    assert (xf.geometry.bcx, xf.geometry.bcy) == plan.centre


def test_averages_say_which_fields_do_not_belong_together(sample: Samples) -> None:
    for name in AVERAGED:
        path, known = sample.stand_in(name)
        xf = open_result(path)
        assert any("first file" in text for text in xf.warnings)
        assert any("2.6 times the detector image" in text for text in xf.warnings) == (known.scale != 1)
        assert stability.report(xf).first_file_only == ("I(t)", "segments of I(q)")
        assert np.isnan(stability.report(xf).shapes.chi2).all()


def test_the_single_file_drifts_as_it_was_told(sample: Samples) -> None:
    path, known = sample.stand_in(E0173)
    xf = open_result(path)
    report = stability.report(xf)
    assert report.verdict.state == "drifting"
    assert report.drift.relative == pytest.approx(0.117, abs=0.005)
    assert np.nanmedian(report.shapes.chi2) == pytest.approx(1, abs=0.2)
    assert known.segments == pytest.approx(0.982, abs=1e-3)


def test_the_pilot_has_no_frames_and_no_decay(sample: Samples) -> None:
    path, known = sample.stand_in(BES)
    xf = open_result(path)
    assert (xf.layout, xf.starved_points, xf.photons) == ("bes_pilot", None, False)
    assert (xf.q[0], xf.q[-1]) == pytest.approx(known.q)
    assert xf.mask.mean() == pytest.approx(known.used)  # 1 stands for masked in the file
    fit = fit_all_q(xf.t_el, xf.g2, xf.g2_sigma, xf.trusted, backend="numpy")
    assert fit.no_decay.all()


def test_they_are_made_once_and_always_the_same(sample: Samples, tmp_path) -> None:
    path, known = sample.stand_in(E0173)
    assert sample.stand_in(E0173)[0] == path
    again, same = Samples(tmp_path).stand_in(E0173)
    assert same == known
    with h5py.File(path, locking=False) as one, h5py.File(again, locking=False) as other:
        names: list[str] = []
        one.visit(names.append)
        assert len(names) > 60
        for name in names:
            if isinstance(one[name], h5py.Dataset):
                assert np.array_equal(one[name][()], other[name][()]), name
