"""Summaries of the sample files, and the rules of the flags."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import A001, A002, A003, E0173, LLPS_STRONG, LLPS_WEAK
from xpcs_dash import open_result
from xpcs_dash.acquisition import beamline
from xpcs_dash.analysis import quality
from xpcs_dash.correlate.delays import multitau_delays
from xpcs_dash.hdf5.aps_writer import write_aps


@pytest.mark.parametrize(
    ("name", "contrast", "diffusion"), [(A001, 0.2, 1.0e6), (A003, 0.2, 2.2e6)], ids=["A001", "A003"]
)
def test_a_good_file_has_no_flags_and_the_numbers_that_made_it(sample, name, contrast, diffusion):
    xf = open_result(sample(name))
    found = quality.summarise(xf)
    assert found.flags == ()
    assert found.baseline == pytest.approx(1.0, abs=0.005)
    assert found.intensity == pytest.approx(xf.int_t[1].mean(), rel=0.02)
    assert found.intensity_source == "scattering_1d"
    assert (found.n_q, found.n_delay, found.q_label, found.averaged_from) == (12, xf.n_delay, 7, 0)
    assert found.trusted_points == found.points == xf.g2.size
    fit = quality.fit_summary(xf)
    assert fit["flags"] == []
    assert fit["summary"]["diffusion"] == pytest.approx(diffusion, rel=0.02)
    assert np.median([c for c, g in zip(fit["fit"]["contrast"], fit["fit"]["good"], strict=True) if g]) == (
        pytest.approx(contrast, rel=0.03)
    )


def test_a_two_time_file_is_counted(sample):
    found = quality.summarise(open_result(sample(A002)))
    assert found.n_twotime == 5
    assert found.duration_s == pytest.approx(4.0)


@pytest.mark.parametrize("name", [LLPS_WEAK, LLPS_STRONG, E0173])
def test_real_files_tell_their_weak_points(sample, name):
    found, known = quality.summarise(open_result(sample(name))), sample.known(name)
    assert found.zero_points == known.zeros > 10
    assert found.averaged_from == known.files
    assert "geometry-mismatch" in found.flags
    assert 0.05 < found.starved_fraction < 0.5
    assert found.starved_points + found.trusted_points == found.points


def test_summaries_are_json_without_nan(sample):
    for name in (A001, A002):
        xf = open_result(sample(name))
        for value in (quality.summarise(xf).to_json(), quality.fit_summary(xf)):
            json.dumps(value, allow_nan=False)


def write(tmp_path, **changes):
    """A simulated file with parts replaced."""
    run = next(r for r in (beamline.plan_run(n, 1) for n in range(99)) if not r.event)
    result = beamline.make_result(run, 1, datetime(2026, 1, 1))
    return open_result(write_aps(tmp_path / "a_results.hdf", replace(result, **changes)))


def test_a_curve_that_does_not_decay_is_flagged(tmp_path):
    n_delays = multitau_delays(beamline.N_FRAMES).n
    noise = np.random.default_rng(1).normal(0, 1e-3, (n_delays, beamline.N_DYNAMIC))
    xf = write(tmp_path, g2=1.1 + noise, g2_err=np.full(noise.shape, 1e-3))
    assert "no-decay" in quality.summarise(xf).flags
    assert "no-decay" in quality.fit_summary(xf)["flags"]


def test_scatter_far_above_counting_is_flagged(tmp_path):
    base = write(tmp_path)
    noisy = base.g2 * np.random.default_rng(1).normal(1.0, 0.02, base.g2.shape)
    xf = write(tmp_path, g2=noisy)
    assert "scatter-high" in quality.fit_summary(xf)["flags"]
    assert "scatter-high" not in quality.fit_summary(write(tmp_path, g2=base.g2))["flags"]


def test_a_decayed_curve_that_ends_below_one_is_flagged(tmp_path):
    base = write(tmp_path)
    assert "baseline-off" not in quality.summarise(base).flags
    assert "baseline-off" in quality.summarise(write(tmp_path, g2=base.g2 - 0.1)).flags


def test_files_without_g2_or_intensity_have_what_they_have(tmp_path, sample):
    xf = write(tmp_path, saxs_1d=None, saxs_2d=None, segments=None, int_t=None)
    found = quality.summarise(xf)
    assert (found.intensity, found.drift, found.stability) == (None, None, "unknown")
    assert "not-photons" in found.flags
    assert found.contrast is not None


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(1e-3, 2), st.floats(0, 10)), max_size=20))
def test_levels_lie_between_their_values(rows):
    values, sigma, weights = (
        (np.array(column) for column in zip(*rows, strict=True)) if rows else [np.empty(0)] * 3
    )
    found = quality.level(values, sigma, weights)
    used = values[weights > 0]
    if used.size == 0:
        assert np.isnan(found.value)
        return
    assert used.min() - 1e-9 <= found.value <= used.max() + 1e-9
    assert 0 < found.error <= sigma[weights > 0].max() + 1e-9
