import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.conftest import E0173
from xpcs_dash import open_result
from xpcs_dash.analysis import intensity
from xpcs_dash.errors import UsageError


def test_moving_average_of_a_line_is_the_line_and_of_a_spike_its_share():
    y = np.arange(50.0)
    np.testing.assert_allclose(intensity.moving_average(y, 5)[2:-2], y[2:-2])
    spike = np.zeros(21)
    spike[10] = 6.0
    found = intensity.moving_average(spike, 3)
    assert found[9:12].tolist() == [2.0, 2.0, 2.0]
    assert found.sum() == pytest.approx(6.0)


def test_moving_average_at_the_ends_uses_the_samples_that_exist():
    found = intensity.moving_average(np.full(10, 7.0), 100)
    np.testing.assert_allclose(found, 7.0)
    with pytest.raises(UsageError):
        intensity.moving_average(np.ones(3), 0)


@settings(deadline=None)
@given(
    hnp.arrays(np.float64, st.integers(1, 500), elements=st.floats(-1e6, 1e6)),
    st.integers(1, 60),
)
def test_decimation_loses_no_extreme(y, intervals):
    found = intensity.decimate(np.arange(y.size) * 0.5, y, intervals)
    assert found.x.size <= max(intervals, 1)
    assert found.low.min() == y.min()
    assert found.high.max() == y.max()
    assert np.all((found.low <= found.mean + 1e-6) & (found.mean <= found.high + 1e-6))


def test_decimation_of_a_million_frames_keeps_one_spike():
    y = np.ones(1_000_000)
    y[777_777] = 50.0
    found = intensity.decimate(np.arange(y.size) * 2e-5, y, 1000)
    assert found.width == 1000
    assert found.high[777] == 50.0
    assert found.x[777] == pytest.approx(777_499.5 * 2e-5)


@pytest.mark.parametrize("dt", [2e-5, 1e-3])
def test_the_spectrum_is_in_hertz_and_in_parts_of_the_mean(dt):
    # a clock of 1 Hz puts the axis at 0 … 0.5, whatever the detector
    n = 10_000
    f = round(0.1 * n) / (n * dt)
    t = np.arange(n) * dt
    y = 4.0 * (1 + 0.03 * np.sin(2 * np.pi * f * t))
    found = intensity.spectrum(y, dt)
    assert found.frequency[-1] == pytest.approx(0.5 / dt)
    assert found.frequency[0] == pytest.approx(1 / (n * dt))
    top = found.amplitude.argmax()
    assert found.frequency[top] == pytest.approx(f)
    assert found.amplitude[top] == pytest.approx(0.03, rel=1e-6)


def test_a_real_file_of_20_microseconds_reaches_25_kilohertz(sample):
    xf = open_result(sample(E0173))
    found = intensity.spectrum(xf.int_t[1], xf.processed_frame_time_s)
    assert found.frequency[-1] == pytest.approx(25_000)


def test_decimated_spectra_keep_their_peaks():
    rng = np.random.default_rng(1)
    t = np.arange(200_000) * 1e-4
    y = rng.poisson(100, t.size) * (1 + 0.05 * np.sin(2 * np.pi * 50 * t))
    found = intensity.spectrum(y, 1e-4)
    thin = intensity.decimate_spectrum(found, 300)
    assert thin.frequency.size <= 300
    assert thin.amplitude.max() == found.amplitude.max()
    assert thin.frequency[thin.amplitude.argmax()] == pytest.approx(50.0)


def test_lines_of_the_mains_are_found_and_noise_and_drift_are_not():
    rng = np.random.default_rng(2)
    t = np.arange(100_000) * 1e-4
    noise = rng.poisson(50, t.size).astype(float)
    assert intensity.lines(intensity.spectrum(noise, 1e-4)) == []
    drifting = noise * (1 + 0.2 * np.sin(2 * np.pi * 0.1 * t))
    assert intensity.lines(intensity.spectrum(drifting, 1e-4)) == []
    mains = noise * (1 + 0.02 * np.sin(2 * np.pi * 50 * t))
    ((f, a),) = intensity.lines(intensity.spectrum(mains, 1e-4))
    assert f == pytest.approx(50.0)
    assert a == pytest.approx(0.02, rel=0.1)


def test_what_has_no_spectrum_says_why():
    for y, dt, word in (
        (np.ones(3), 1.0, "four"),
        (np.ones(9), 0.0, "frame time"),
        (np.ones(9), float("nan"), "frame time"),
        (np.zeros(9), 1.0, "zero"),
    ):
        with pytest.raises(UsageError, match=word):
            intensity.spectrum(y, dt)
