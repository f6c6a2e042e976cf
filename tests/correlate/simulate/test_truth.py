"""Fits of simulated frames find the truth: contrast, τ and γ over replicates, within their scatter."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.optimize import curve_fit

from xpcs_dash import open_result
from xpcs_dash.correlate.simulate import BeamDump, Gelation, HotPixel, Truth, ring_scene, truth_of
from xpcs_dash.correlate.simulate.result import result_of
from xpcs_dash.hdf5.aps_writer import write_aps

REPLICATES = 10


def stretched(t, contrast, tau, gamma, baseline):
    return baseline + contrast * np.exp(-2 * (t / tau) ** gamma)


@pytest.mark.parametrize(
    ("contrast", "gamma", "area"),
    [(0.3, 1.0, 1.0), (0.3, 1.0, 3.0), (0.3, 1.0, 8.0), (0.3, 0.7, 1.0), (0.3, 1.5, 3.0), (0.1, 1.0, 1.0)],
)
def test_fits_recover_the_truth(contrast: float, gamma: float, area: float) -> None:
    tau = np.array([0.004, 0.010])
    found = []
    for seed in range(REPLICATES):
        made = ring_scene(
            (18, 24), bins=2, rings=1, photons=5.0, tau_s=tau, contrast=contrast, gamma=gamma,
            pixels_per_speckle=area, n_frames=600, seed=seed,
        )  # fmt: skip
        result = result_of(made)
        t = result.delay_frames * made.frame_time_s
        use = t < 0.1
        for k in range(2):
            start = [contrast, tau[k], gamma, 1.0]
            values, _ = curve_fit(
                stretched, t[use], result.g2[use, k], p0=start, bounds=([0, 1e-4, 0.2, 0.8], [1, 1, 2.5, 1.2])
            )
            found.append(values / [contrast, tau[k], gamma, 1.0])
    ratio = np.array(found)
    mean, error = ratio.mean(axis=0), ratio.std(axis=0, ddof=1) / np.sqrt(len(ratio))
    # ratios of noisy numbers are biased by their variance: half of it is a generous bound for these
    allowed = 3.5 * error + 0.5 * ratio.var(axis=0) + 0.004
    assert np.all(np.abs(mean - 1) < allowed), (mean, error)
    assert np.all(error < 0.06)


def test_truth_is_json_and_comes_back() -> None:
    made = ring_scene(
        (12, 12), bins=2, tau_s=np.array([0.1, np.inf]), events=(BeamDump(0.5), HotPixel()), seed=7
    )
    truth = truth_of(made)
    text = truth.to_json()
    assert json.loads(text)["tau_s"] == [pytest.approx(0.1), None]
    assert Truth.from_json(text) == truth
    assert truth.events[0] == {"event": "BeamDump", "start": 0.5, "end": 1.0, "level": 0.0}
    assert truth.beam[0] == 1
    assert truth.beam[-1] == 0


def test_truth_of_a_diffusing_sample() -> None:
    truth = truth_of(ring_scene(diffusion=3e6, events=(Gelation(8.0, 0.0, 0.5),)))
    np.testing.assert_allclose(truth.tau_s, 1 / (3e6 * np.array(truth.q) ** 2))
    assert truth.slowing[-1] == pytest.approx(8)
    assert truth.g2([0.0])[0] == pytest.approx([1.2] * 6)


def test_frozen_fields_cannot_be_changed() -> None:
    truth = truth_of(ring_scene((12, 12), bins=2))
    with pytest.raises(AttributeError):
        truth.contrast = 0.5  # type: ignore[misc]


@pytest.mark.parametrize(("stride", "average"), [(1, 1), (2, 4)])
def test_a_result_file_is_read_as_the_facilitys_are(tmp_path, stride: int, average: int) -> None:
    made = ring_scene((30, 40), bins=3, photons=2.0, tau_s=0.02, n_frames=1600, contrast=0.4)
    result = result_of(made, stride=stride, average=average, keep_pixels=True)
    read = open_result(write_aps(tmp_path / "simulated_results.hdf", result))
    assert read.t_el[0] == pytest.approx(stride * average * 1e-3)
    expected = truth_of(made).g2(read.t_el)
    # averaged frames blur the decay by their length: then only what is slow is compared
    late = read.t_el > (0.02 if average > 1 else 0)
    assert np.abs(read.g2 - expected)[late].max() < 0.06
    assert read.saxs_1d.mean() == pytest.approx(2.0, rel=0.02)
    np.testing.assert_allclose(read.q, made.q_dynamic)
    assert read.int_t.shape[1] == 1600 // (stride * average)
