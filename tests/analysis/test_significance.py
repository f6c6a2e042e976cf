"""What may be noise is not called a change, and errors are as wide as the scatter: against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from tests.small_result import DIFFUSION, write_small
from xpcs_dash import open_result
from xpcs_dash.analysis import diffusion, stability
from xpcs_dash.analysis.quality import fit_summary


def beam(seed, relative=0.0, scatter=0.0, n=20_000, blocks=100):
    """I(t) with a straight drift and a flicker that lasts one of the judged blocks."""
    rng = np.random.default_rng(seed)
    flicker = np.repeat(1 + scatter * rng.standard_normal(blocks), n // blocks)
    return 100 * (1 + relative * (np.arange(n) / n - 0.5)) * flicker


def slope_by_lstsq(values, blocks=100):
    """Drift over the run and its standard error from a straight line through block means, by matrices."""
    means = np.array([part.mean() for part in np.split(values, blocks)])
    x = (np.arange(blocks) + 0.5) / blocks - 0.5
    design = np.stack([np.ones(blocks), x], axis=1)
    (_, slope), square, *_ = np.linalg.lstsq(design, means, rcond=None)
    covariance = square[0] / (blocks - 2) * np.linalg.inv(design.T @ design)
    return slope / values.mean(), np.sqrt(covariance[1, 1]) / values.mean()


def test_drift_and_its_error_are_those_of_a_straight_line():
    for seed in range(4):
        values = beam(seed, 0.1, 0.05)
        found = stability.drift(values, 1.0)
        relative, error = slope_by_lstsq(values)
        assert found.relative == pytest.approx(relative, rel=1e-9)
        assert found.relative_err == pytest.approx(error, rel=1e-9)


def test_a_drift_within_the_flicker_of_the_beam_is_not_called_one():
    """A flicker of 20 % makes fitted drifts of 7 % by chance alone: beyond the limit of 5 %, and nothing."""
    verdicts, large = [], 0
    for seed in range(60):
        values = beam(seed, scatter=0.2)
        relative, error = slope_by_lstsq(values)
        assert abs(relative) < 4 * error
        large += abs(relative) > 0.05
        verdicts.append(stability.judge(stability.drift(values, 1.0), None).state)
    assert large > 20
    assert set(verdicts) == {"stable"}


@pytest.mark.parametrize(("ratio", "state"), [(3.4, "stable"), (4.6, "drifting")])
def test_a_drift_counts_from_four_standard_errors(ratio, state):
    flicker = beam(1, scatter=0.1)
    _, error = slope_by_lstsq(flicker)
    by_chance, _ = slope_by_lstsq(flicker)
    values = flicker * (1 + (ratio * error - by_chance) * (np.arange(flicker.size) / flicker.size - 0.5))
    relative, error = slope_by_lstsq(values)
    assert relative / error == pytest.approx(ratio, rel=0.03)
    assert relative > stability.RULES.drift
    assert stability.judge(stability.drift(values, 1.0), None).state == state


def shape_noise(seed, n_q, counts):
    """Ten segments of a flat I(q) with ``counts`` photons a value."""
    photons = np.random.default_rng(seed).poisson(counts, (10, n_q)).astype(float)
    return stability.shapes(photons / counts * 0.1, photons)


def test_noise_in_few_bins_is_no_change_of_shape():
    """With five bins the RMS itself scatters widely; only what is beyond that scatter counts."""
    excess = np.array([shape_noise(seed, 5, 400).excess[1:] for seed in range(200)])
    assert np.mean(excess > stability.RULES.shape) < 0.01
    # without the allowance for its own scatter a good part would
    rms = np.array([shape_noise(seed, 5, 400).rms[1:] for seed in range(200)])
    noise = np.sqrt(2 / 400)
    assert np.mean(np.sqrt(np.maximum(rms**2 - noise**2, 0)) > stability.RULES.shape) > 0.2


def test_a_change_of_shape_as_large_as_it_is_noted_beyond_noise():
    q = np.linspace(-0.5, 0.5, 80)
    rng = np.random.default_rng(3)
    ideal = np.array([1 + 0.4 * k / 9 * q for k in range(10)]) * 2000
    photons = rng.poisson(ideal).astype(float)
    found = stability.shapes(photons / 20_000, photons).excess[-1]
    assert found == pytest.approx(0.4 * np.sqrt(np.mean(q**2)), rel=0.1)


def points(q, tau, error):
    return diffusion.Points(np.arange(1, q.size + 1), q, tau, error, ("ok",) * q.size)


@pytest.mark.parametrize("understated", [1.0, 5.0, 50.0])
def test_errors_of_the_power_law_cover_the_truth_however_small_the_bars(understated):
    """Relaxation times scatter by 10 %; their bars may say so or be far too small."""
    rng = np.random.default_rng(7)
    q, d = np.geomspace(1e-3, 1e-2, 14), 3e6
    pulls, pulls_d, pulls_a = [], [], []
    for _ in range(400):
        tau = np.exp(rng.normal(0, 0.1, q.size)) / (d * q**2)
        law = diffusion.power_law(points(q, tau, 0.1 / understated * tau))
        pulls.append((law.b + 2) / law.b_err)
        pulls_a.append((law.log_a + np.log(d)) / law.log_a_err)
        if law.d is not None:
            pulls_d.append((law.d - d) / law.d_err)
    assert len(pulls_d) > 350
    for found in (pulls, pulls_a, pulls_d):
        assert np.std(found) == pytest.approx(1.05, abs=0.17)


def test_the_band_covers_the_line_where_bars_are_too_small():
    rng = np.random.default_rng(8)
    q, inside = np.geomspace(1e-3, 1e-2, 14), []
    at = np.array([2e-3, 8e-3])
    for _ in range(300):
        tau = np.exp(rng.normal(0, 0.1, q.size)) / (3e6 * q**2)
        low, high = diffusion.power_law(points(q, tau, 0.01 * tau)).band(at)
        true = 1 / (3e6 * at**2)
        inside.append((low < true) & (true < high))
    assert np.mean(inside) == pytest.approx(0.68, abs=0.08)


def test_errors_of_a_weighted_line_by_matrices():
    """Standard errors of log a and b, and their covariance, from the normal equations, χ² folded in."""
    rng = np.random.default_rng(9)
    q = np.geomspace(1e-3, 1e-2, 9)
    tau = np.exp(rng.normal(0, 0.2, q.size)) / (1e6 * q**1.7)
    error = tau * rng.uniform(0.01, 0.1, q.size)
    design = np.stack([np.ones(q.size), np.log(q)], axis=1)
    weight = np.diag((tau / error) ** 2)
    inverse = np.linalg.inv(design.T @ weight @ design)
    best = inverse @ design.T @ weight @ np.log(tau)
    rest = np.log(tau) - design @ best
    chi2 = rest @ weight @ rest / (q.size - 2)
    assert chi2 > 3
    law = diffusion.power_law(points(q, tau, error))
    np.testing.assert_allclose([law.log_a, law.b], best, rtol=1e-9)
    assert law.chi2 == pytest.approx(chi2)
    np.testing.assert_allclose(law.covariance, inverse * chi2, rtol=1e-6)
    np.testing.assert_allclose([law.log_a_err, law.b_err], np.sqrt(np.diag(inverse * chi2)), rtol=1e-6)


def test_the_error_of_a_files_diffusion_coefficient_covers_the_truth(tmp_path):
    """D of a file is the median over its q; its error must hold the truth as often as an error does."""
    pulls = []
    for seed in range(40):
        path = write_small(tmp_path / f"{seed}_results.hdf", seed=seed, photons=2.0, n_q=12)
        found = fit_summary(open_result(path))["summary"]
        pulls.append((found["diffusion"] - DIFFUSION) / found["diffusion_err"])
    assert np.std(pulls) == pytest.approx(1.0, abs=0.2)
