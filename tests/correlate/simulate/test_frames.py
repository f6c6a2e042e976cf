"""Each event does what it says, seen in the photons; the rest of the run stays as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from xpcs_dash.correlate.dense import correlate_dense
from xpcs_dash.correlate.rings import Partition, to_bins
from xpcs_dash.correlate.simulate import (
    Afterpulse,
    BeamDump,
    Damage,
    Dips,
    Event,
    Gelation,
    HotPixel,
    IntensityDrift,
    MovedCentre,
    Pulsing,
    Scene,
    ring_scene,
    simulate,
)
from xpcs_dash.errors import UsageError

N = 400


def scene(*events: Event, **more) -> Scene:
    given = {"shape": (24, 30), "bins": 2, "photons": 4.0, "tau_s": 0.003, "n_frames": N, "contrast": 0.5}
    return ring_scene(**{**given, "events": events, **more})


def in_time(frames: np.ndarray) -> np.ndarray:
    """Mean of each frame over the mean of a steady run."""
    return frames.mean(axis=(1, 2)) / 4.0


def g2_of(made: Scene, frames: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Delays in frames and g2."""
    frames = simulate(made) if frames is None else frames
    found = correlate_dense(frames.reshape(len(frames), -1))
    return found.delays.frames, to_bins(found, Partition.from_maps(made.static, made.dynamic)).g2


def contrast_after(made: Scene, frames: np.ndarray, lag: int) -> float:
    """Mean of g2 − 1 between frames ``lag`` apart, of all bins."""
    late, early = frames[lag:].astype(float), frames[:-lag].astype(float)
    own = (late * early).mean(axis=0) / 16.0 - 1
    return float(own[made.dynamic > 0].mean())


def test_photons_are_counted_as_poisson_says() -> None:
    made = scene(contrast=0.0)
    frames = simulate(made)
    assert frames.dtype == np.uint16
    assert frames.mean() == pytest.approx(4, abs=0.02)
    assert frames.var() == pytest.approx(4, rel=0.02)


def test_counting_and_speckle_add_up() -> None:
    frames = simulate(scene(tau_s=1e-4))
    assert frames.var() == pytest.approx(4 + 0.5 * 16, rel=0.03)


def test_rings_scatter_as_they_should() -> None:
    made = scene(photons=lambda q: 3e-2 / q, contrast=0.0)
    frames = simulate(made)
    for ring in range(made.q_static.size):
        assert frames[:, made.static == ring + 1].mean() == pytest.approx(
            3e-2 / made.q_static[ring], rel=0.02
        )


def test_rings_decay_at_their_own_pace() -> None:
    made = scene(tau_s=np.array([0.002, 0.02]), n_frames=2000)
    lags, g2 = g2_of(made)
    at = int(np.flatnonzero(lags == 4)[0])
    assert g2[at] - 1 == pytest.approx([0.5 * np.exp(-4), 0.5 * np.exp(-0.4)], abs=0.03)


def test_the_same_seed_gives_the_same_photons_and_another_flux_the_same_speckle() -> None:
    np.testing.assert_array_equal(simulate(scene()), simulate(scene()))
    slow = {"tau_s": 50.0, "n_frames": 64}
    dim, bright = (simulate(scene(photons=p, **slow)).mean(axis=0).ravel() for p in (2.0, 20.0))
    other = simulate(scene(photons=20.0, seed=1, **slow)).mean(axis=0).ravel()
    assert np.corrcoef(dim, bright)[0, 1] > 0.95
    assert abs(np.corrcoef(other, bright)[0, 1]) < 0.2


def test_dump() -> None:
    seen = in_time(simulate(scene(BeamDump(0.5, 0.75, 0.02))))
    assert seen[:200].mean() == pytest.approx(1, abs=0.03)
    assert seen[200:300].mean() == pytest.approx(0.02, abs=0.01)
    assert seen[300:].mean() == pytest.approx(1, abs=0.03)


def test_dips() -> None:
    seen = in_time(simulate(scene(Dips(0.2, 0.3, 2))))
    low = seen < 0.6
    assert low.mean() == pytest.approx(0.3, abs=0.01)
    assert np.count_nonzero(np.diff(low.astype(int)) == 1) == 2
    assert seen[low].mean() == pytest.approx(0.2, abs=0.02)
    assert seen[~low].mean() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("square", [False, True])
def test_pulsing(square: bool) -> None:
    seen = in_time(simulate(scene(Pulsing(0.4, 10, square))))
    power = np.abs(np.fft.rfft(seen - seen.mean()))
    assert power.argmax() == 10
    amplitude = 0.4 * (4 / np.pi if square else 1)
    assert 2 * power[10] / N == pytest.approx(amplitude, rel=0.06)


def test_a_pulsing_beam_multiplies_g2_by_its_own_correlation() -> None:
    lags, g2 = g2_of(scene(Pulsing(0.5, 20), contrast=0.0, photons=20.0))
    # the sine of the beam has 20 frames a period: ⟨m m'⟩ = 1 + ½·depth²·cos
    first = lags <= 8
    np.testing.assert_allclose(
        g2[first].mean(axis=1), 1 + 0.125 * np.cos(2 * np.pi * lags[first] / 20), atol=0.01
    )


def test_drift() -> None:
    seen = in_time(simulate(scene(IntensityDrift(-0.5))))
    slope, start = np.polyfit(np.arange(N) / N, seen, 1)
    assert start == pytest.approx(1, abs=0.04)
    assert slope == pytest.approx(-0.5, abs=0.06)


def test_damage_raises_small_q_with_the_dose() -> None:
    event = Damage(growth=1.0, below_q=0.0015)
    made = scene(event)
    frames = simulate(made)
    late, early = frames[300:].mean(axis=0), frames[:100].mean(axis=0)
    inner, outer = (late[made.dynamic == k].mean() / early[made.dynamic == k].mean() for k in (1, 2))
    expected = (1 + 0.875 * np.exp(-((made.q_static / 0.0015) ** 2))) / (
        1 + 0.125 * np.exp(-((made.q_static / 0.0015) ** 2))
    )
    assert inner == pytest.approx(expected[:2].mean(), rel=0.04)
    assert outer == pytest.approx(expected[2:].mean(), rel=0.04)
    assert inner > outer + 0.1


def test_damage_needs_a_beam() -> None:
    """No dose, no change: behind a dump the sample stays as it was."""
    kept = scene(BeamDump(0.0, 0.5), Damage(growth=0.0, slowing_by=100.0), n_frames=800)
    frames = simulate(kept)[400:560]
    assert contrast_after(kept, frames, 2) == pytest.approx(0.5 * np.exp(-4 / 3), abs=0.07)


def test_damage_can_speed_the_sample_up() -> None:
    made = scene(Damage(growth=0.0, slowing_by=0.02), tau_s=0.02, n_frames=800)
    frames = simulate(made)
    assert contrast_after(made, frames[-100:], 4) < 0.05
    assert contrast_after(made, frames[:100], 4) > 0.25
    assert frames[-100:].mean() == pytest.approx(frames[:100].mean(), rel=0.03)


@pytest.mark.parametrize("gamma", [1.0, 1.4])
def test_gelation_slows_the_sample_down_and_leaves_its_brightness(gamma: float) -> None:
    made = scene(Gelation(20.0, 0.4, 0.6), gamma=gamma, n_frames=1000)
    frames = simulate(made)
    assert contrast_after(made, frames[:400], 4) == pytest.approx(
        0.5 * np.exp(-2 * (4 / 3) ** gamma), abs=0.04
    )
    assert contrast_after(made, frames[600:], 20) == pytest.approx(
        0.5 * np.exp(-2 * (20 / 60) ** gamma), abs=0.07
    )
    assert frames[600:].mean() == pytest.approx(frames[:400].mean(), rel=0.03)


def test_hot_pixel() -> None:
    plain, hot = simulate(scene()), simulate(scene(HotPixel(3, 7, 50.0)))
    assert hot[:, 3, 7].mean() - plain[:, 3, 7].mean() == pytest.approx(50, abs=1.5)
    others = np.ones((24, 30), bool)
    others[3, 7] = False
    np.testing.assert_array_equal(hot[:, others], plain[:, others])


def test_moved_centre_carries_the_scattering_with_it() -> None:
    steep = {"photons": lambda q: 2e-4 / q**2, "bins": 6, "contrast": 0.0, "n_frames": 1500}
    moved = scene(MovedCentre(rows=0, columns=4, start=0.5), **steep)
    frames = simulate(moved)
    before, after = frames[:750].mean(axis=0), frames[750:].mean(axis=0)
    np.testing.assert_allclose(after[:, 4:], before[:, :-4], rtol=0.2)
    assert after.mean() > 1.2 * before.mean()
    np.testing.assert_allclose(before, simulate(replace(moved, events=()))[:750].mean(axis=0), rtol=0.2)


def test_speckle_moves_with_the_centre() -> None:
    made = scene(MovedCentre(rows=2, columns=3, start=0.5), tau_s=np.inf, n_frames=600, photons=20.0)
    frames = simulate(made)
    before, after = frames[:300].mean(axis=0), frames[300:].mean(axis=0)
    assert np.corrcoef(after[2:, 3:].ravel(), before[:-2, :-3].ravel())[0, 1] > 0.99
    assert abs(np.corrcoef(after.ravel(), before.ravel())[0, 1]) < 0.2


def test_afterpulse_raises_the_first_delay_alone() -> None:
    g2 = g2_of(scene(Afterpulse(0.1), contrast=0.0, photons=0.5, n_frames=3000))[1]
    mean = g2.mean(axis=1)
    # each photon is followed by 0.1 in the same pixel: ⟨n n'⟩ gains 0.1·n over (1.1·n)²
    assert mean[0] - 1 == pytest.approx(0.1 / 1.1**2 / 0.5, rel=0.08)
    assert np.abs(mean[1:6] - 1).max() < 0.02


def test_events_add_up_in_any_order() -> None:
    a, b = BeamDump(0.7), IntensityDrift(0.2)
    np.testing.assert_array_equal(simulate(scene(a, b)), simulate(scene(b, a)))


def test_too_bright_is_refused() -> None:
    with pytest.raises(UsageError, match="lower the intensity"):
        simulate(scene(photons=1e5, n_frames=8))


@pytest.mark.parametrize("wrong", [{"tau_s": 0.0}, {"gamma": 2.5}, {"arrested": 1.5}, {"photons": -1.0}])
def test_scenes_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        scene(**wrong)
