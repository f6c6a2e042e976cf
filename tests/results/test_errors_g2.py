"""Do the bars hold the truth? On frames simulated and correlated, whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from xpcs_dash.correlate.dense import correlate_dense
from xpcs_dash.correlate.rings import Partition, ring_means, to_bins
from xpcs_dash.correlate.simulate import ring_scene, simulate, truth_of
from xpcs_dash.correlate.simulate.fields import speckle_taps
from xpcs_dash.errors import UsageError
from xpcs_dash.results.errors_g2 import G2Errors, correlated_pixels, g2_errors, sums_of_delays

#: Half width of an interval of 90 %.
NINETY = 1.6449
REPLICATES, FRAMES = 24, 256


def run(seed: int, photons: float, tau_runs: float, *, area: float = 1.0, average: int = 1):
    """Deviation of g2 from its truth, the error, and where there are coincidences enough."""
    scene = ring_scene(
        (20, 40), bins=2, rings=1, photons=photons, tau_s=tau_runs * FRAMES, frame_time_s=1.0,
        pixels_per_speckle=area, n_frames=FRAMES, seed=seed,
    )  # fmt: skip
    found = correlate_dense(simulate(scene).reshape(FRAMES, -1), average=average)
    partition = Partition.from_maps(scene.static, scene.dynamic)
    bins, delays, pixels = to_bins(found, partition), found.delays, partition.pixels()
    rate = pixels * ring_means(found.mean[None], partition)[0] ** 2
    sums = sums_of_delays(delays.n_frames, delays.frames, delays.level)
    errors = g2_errors(
        bins.g2, bins.g2_err, sums, delays.level, rate,
        np.full(2, tau_runs), pixels=pixels, pixels_per_speckle=area, average=average,
    )  # fmt: skip
    expected = (delays.pairs * 4.0**delays.level)[:, None] * rate * average**2
    return bins.g2 - truth_of(scene).g2(delays.frames * average), errors, expected > 10, delays


def pulls(**given: float) -> np.ndarray:
    found = [run(seed, **given) for seed in range(REPLICATES)]
    return np.concatenate([(deviation / errors.sigma)[enough] for deviation, errors, enough, _ in found])


@pytest.mark.parametrize(
    "given",
    [
        {"photons": 0.15, "tau_runs": 0.03},
        {"photons": 1.0, "tau_runs": 0.03},
        {"photons": 20.0, "tau_runs": 0.01},
        {"photons": 20.0, "tau_runs": 0.05},
        {"photons": 20.0, "tau_runs": 1.0},
        {"photons": 20.0, "tau_runs": 30.0},
        {"photons": 20.0, "tau_runs": 0.03, "area": 3.0},
        {"photons": 20.0, "tau_runs": 0.03, "area": 8.0},
        {"photons": 0.4, "tau_runs": 0.05, "average": 4},
    ],
    ids=lambda given: " ".join(f"{name} {value:g}" for name, value in given.items()),
)
def test_ninety_per_cent_intervals_hold_the_truth(given: dict[str, float]) -> None:
    share = float(np.mean(np.abs(pulls(**given)) < NINETY))
    assert 0.83 <= share <= 0.97


def test_neighbouring_delays_err_together_as_the_covariance_says() -> None:
    found = [run(seed, 20.0, 0.05) for seed in range(60)]
    first, second = (np.array([d[k] / e.sigma[k] for d, e, _, _ in found]).ravel() for k in (3, 4))
    _, errors, _, delays = found[0]
    told = errors.covariance(delays.frames, 0)
    given = told[3, 4] / np.sqrt(told[3, 3] * told[4, 4])
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(given, abs=0.25)
    assert np.all(np.linalg.eigvalsh(told) > 0)


def test_what_limits_a_bin_is_said() -> None:
    assert run(0, 0.1, 0.03)[1].limited_by() == ("counting", "counting")
    assert run(0, 20.0, 0.05)[1].limited_by() == ("speckle", "speckle")
    assert run(0, 20.0, 5.0)[1].frozen.all()
    assert not run(0, 20.0, 0.05)[1].frozen.any()


def test_delays_of_a_frozen_bin_err_as_one() -> None:
    errors = G2Errors(np.full((4, 1), 1e-3), np.full((4, 1), 0.1), np.array([True]))
    told = errors.covariance([1.0, 10.0, 100.0, 1000.0], 0)
    assert told[0, 3] == pytest.approx(0.01)
    assert told[0, 0] == pytest.approx(0.01 + 1e-6)


@pytest.mark.parametrize("area", [1.0, 2.0, 3.0, 8.0])
def test_pixels_that_err_together_are_those_of_the_simulated_speckle(area: float) -> None:
    taps = speckle_taps(area)
    mu = np.correlate(taps, taps, mode="full")
    assert correlated_pixels(area) == pytest.approx(np.sum(mu**4) ** 2, rel=0.05)


def test_less_than_a_pixel_a_speckle_is_refused() -> None:
    with pytest.raises(UsageError, match="give 1 or more"):
        correlated_pixels(0.4)
