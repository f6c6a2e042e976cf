"""From where on a curve counts as a decay: the limits from both sides, against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.small_result import write_small
from xpcs_dash import open_result
from xpcs_dash.analysis.quality import fit_summary, summarise
from xpcs_dash.fitting.batch import fit_all_q

T = np.geomspace(1e-5, 1.0, 60)


def gain(decay, sigma):
    """χ² that the best constant loses against the decay itself, per squared contrast."""
    mean = sum(decay) / len(decay)
    return sum((value - mean) ** 2 for value in decay) / sigma**2


@pytest.mark.parametrize(("delta", "seen"), [(12.0, False), (13.5, False), (14.1, True), (16.0, True)])
@pytest.mark.parametrize("tau", [1e-3, 1e-2])
def test_a_constant_is_given_up_at_one_chance_in_a_thousand(delta, seen, tau):
    """Two more parameters, so the chance of a gain Δχ² is exp(-Δχ²/2): 0.001 at 13.8."""
    assert (math.exp(-delta / 2) < 1e-3) == seen
    decay, sigma = np.exp(-2 * T / tau), 0.01
    contrast = math.sqrt(delta / gain(decay, sigma))
    fit = fit_all_q(T, 1 + contrast * decay[:, None], np.full((60, 1), sigma), backend="numpy")
    assert fit.no_decay[0] == (not seen)


@pytest.mark.parametrize(("change", "seen"), [(0.2, False), (0.24, False), (0.26, True), (0.3, True)])
def test_a_slope_at_the_end_of_the_window_is_no_decay(change, seen):
    """Between the first and the last delay |g1|² must fall by a quarter, however well that is measured."""
    tau = -2.0 / math.log(1 - change)
    g2 = 1 + 0.3 * np.exp(-2 * T / tau)
    fit = fit_all_q(T, g2[:, None], np.full((60, 1), 1e-6), fixed={"baseline": 1.0}, backend="numpy")
    assert fit["tau"][0] == pytest.approx(tau, rel=1e-3)
    assert fit.no_decay[0] == (not seen)
    assert fit.incomplete_decay[0] == seen  # more than a third is left at the end


@pytest.mark.parametrize(("rest", "whole"), [(0.3, True), (0.34, True), (0.36, False), (0.5, False)])
def test_a_decay_of_which_a_third_is_left_is_not_whole(rest, whole):
    tau = -2.0 / math.log(rest)
    g2 = 1 + 0.3 * np.exp(-2 * T / tau)
    fit = fit_all_q(T, g2[:, None], np.full((60, 1), 1e-6), fixed={"baseline": 1.0}, backend="numpy")
    assert fit.incomplete_decay[0] == (not whole)
    assert fit.good[0] == whole


@pytest.mark.parametrize("known", [True, False])
def test_noise_is_seldom_called_a_decay_and_a_decay_seldom_noise(known):
    """A thousand curves each; tau is searched for, which multiplies the chance by a few."""
    rng = np.random.default_rng(11)
    noise = 0.02 * rng.standard_normal((60, 1000))
    sigma = np.full(noise.shape, 0.02) if known else None
    flat = fit_all_q(T, 1 + noise, sigma, backend="numpy")
    assert 1 - flat.no_decay.mean() <= 0.012
    decay = np.exp(-2 * T / 3e-3)
    contrast = math.sqrt(36.0 / gain(decay, 0.02))  # six standard errors
    found = fit_all_q(T, 1 + contrast * decay[:, None] + noise, sigma, backend="numpy")
    assert 1 - found.no_decay.mean() >= 0.95


@pytest.mark.parametrize(("flat", "flagged"), [(15, False), (16, False), (17, True), (20, True)])
def test_a_file_has_no_decay_when_four_of_five_bins_have_none(tmp_path, flat, flagged):
    contrast = np.where(np.arange(20) < flat, 0.0, 0.3)
    path = write_small(tmp_path / "a_results.hdf", seed=3, photons=5.0, n_q=20, contrast=contrast)
    found = fit_summary(open_result(path))
    assert sum("no_decay" in flags for flags in found["fit"]["flags"]) == flat
    assert ("no-decay" in found["flags"]) == flagged


@pytest.mark.parametrize(("decaying", "flagged"), [(0, True), (3, True), (4, False), (8, False)])
def test_the_summary_of_a_file_asks_a_fifth_of_its_bins_to_decay(tmp_path, decaying, flagged):
    contrast = np.where(np.arange(20) < decaying, 0.3, 0.0)
    file = open_result(
        write_small(tmp_path / "a_results.hdf", seed=3, photons=5.0, n_q=20, contrast=contrast)
    )
    found = summarise(file)
    assert found.decays == pytest.approx(decaying / 20)
    assert ("no-decay" in found.flags) == flagged
