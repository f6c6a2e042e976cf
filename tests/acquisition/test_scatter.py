"""The scatter that is put into the demo's files is that of simulated frames."""

from __future__ import annotations

import numpy as np
import pytest

from scripts import learn_speckle
from xpcs_dash.acquisition import scatter
from xpcs_dash.correlate.delays import multitau_delays
from xpcs_dash.correlate.dense import correlate_dense
from xpcs_dash.correlate.rings import Partition, to_bins
from xpcs_dash.correlate.simulate import ring_scene, simulate
from xpcs_dash.correlate.simulate.learn import speckle_scatter


def deviation(covariance: np.ndarray) -> np.ndarray:
    return np.sqrt(np.diag(covariance))


def correlation(covariance: np.ndarray) -> np.ndarray:
    sd = deviation(covariance)
    return covariance / sd[:, None] / sd


@pytest.mark.parametrize("tau", [3.0, 30.0, 1000.0])
def test_what_is_learned_of_pixels_is_how_runs_scatter(tau: float) -> None:
    """By another way: the scatter of g2 over many short runs."""

    def scene(shape: tuple[int, int], seed: int):
        return ring_scene(
            shape,
            bins=1,
            rings=1,
            tau_s=tau,
            frame_time_s=1.0,
            contrast=0.3,
            photons=400.0,
            n_frames=128,
            seed=seed,
        )

    learned = speckle_scatter(scene((40, 40), 0)).covariance / 400
    runs = []
    for seed in range(1, 101):
        made = scene((20, 20), seed)
        found = to_bins(
            correlate_dense(simulate(made).reshape(128, -1)), Partition.from_maps(made.static, made.dynamic)
        )
        runs.append(found.g2[:, 0])
    seen = np.cov(np.array(runs).T)
    np.testing.assert_allclose(deviation(learned)[:20], deviation(seen)[:20], rtol=0.3)
    np.testing.assert_allclose(correlation(learned)[0, :12], correlation(seen)[0, :12], atol=0.25)


@pytest.mark.parametrize("entry", [1, 3, 6])
def test_the_table_is_what_the_script_makes(entry: int) -> None:
    table = scatter.speckle_table()
    assert np.exp(table.log_tau) * learn_speckle.FRAMES == pytest.approx(learn_speckle.TAU)
    root, own = learn_speckle.learn(learn_speckle.TAU[entry], shape=(24, 30), seed=5)
    stored = table.root[entry] @ table.root[entry].T
    np.testing.assert_allclose(deviation(root @ root.T)[:-4], deviation(stored)[:-4], rtol=0.3)
    np.testing.assert_allclose(own[:-4], table.own[entry][:-4], rtol=0.3)


def test_the_table_covers_the_delays_of_the_demo() -> None:
    assert scatter.speckle_table().root.shape[1] == multitau_delays(learn_speckle.FRAMES).n


def test_frozen_speckle_scatters_as_its_number_says() -> None:
    """By hand: var of <I²>/<I>² over N independent gamma intensities is 2β²(1 + β)/N; all delays alike."""
    rng = np.random.default_rng(0)
    tau = np.full(4000, 200.0)
    drawn = scatter.speckle_error(tau, 0.2, np.full(4000, 500.0), rng)
    assert drawn[0].std() == pytest.approx(np.sqrt(2 * 0.2**2 * 1.2 / 500), rel=0.12)
    assert np.corrcoef(drawn[0], drawn[20])[0, 1] > 0.99


def test_fast_speckle_scatters_less_and_distant_delays_err_apart() -> None:
    drawn = scatter.speckle_error(np.full(2000, 0.004), 0.2, np.full(2000, 500.0), np.random.default_rng(0))
    assert np.corrcoef(drawn[0], drawn[1])[0, 1] > 0.9
    assert abs(np.corrcoef(drawn[0], drawn[24])[0, 1]) < 0.15


@pytest.mark.parametrize("photons", [0.02, 0.1, 1.0])
def test_errors_are_those_that_the_facility_would_write(photons: float) -> None:
    """Against frames simulated and correlated: too small where photons are few, degenerate at the end."""
    made = ring_scene(
        (40, 50), bins=1, rings=1, tau_s=0.1, photons=photons, contrast=0.18, n_frames=1024, frame_time_s=4e-3
    )
    found = correlate_dense(simulate(made).reshape(1024, -1))
    wanted = to_bins(found, Partition.from_maps(made.static, made.dynamic)).g2_err[:, 0]
    model = 1 + 0.18 * np.exp(-2 * found.delays.frames[:, None] * 4e-3 / 0.1)
    given = scatter.file_errors(
        model,
        found.delays,
        np.array([photons]),
        np.array([2000.0]),
        np.array([0.1 / 4.096]),
        0.18,
        np.random.default_rng(1),
    )[:, 0]
    enough = found.delays.pairs >= 8
    ratio = given[enough] / wanted[enough]
    assert np.median(ratio) == pytest.approx(1, abs=0.2)
    assert np.all((ratio > 0.3) & (ratio < 3))
    assert found.delays.pairs[-1] == 1
    assert given[-1] == pytest.approx(wanted[-1], abs=0.5 * given[-2])
