from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from xpcs_dash.fitting.diagnostics import (
    bfmi,
    diagnose,
    ess_bulk,
    ess_tail,
    hdi,
    posterior_predictive_p,
    r_hat,
)
from xpcs_dash.fitting.models import MODELS
from xpcs_dash.fitting.progress import bin_state


def chains(rho: float = 0.0, shift: float = 0.0, seed: int = 0, n: int = 1000) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((4, n))
    for i in range(1, n):
        x[:, i] = rho * x[:, i - 1] + np.sqrt(1 - rho**2) * x[:, i]
    return x + shift * np.arange(4)[:, None]


@pytest.mark.parametrize("rho", [-0.3, 0.0, 0.5, 0.9])
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_numbers_are_those_that_arviz_gives_for_the_tree(rho: float, shift: float) -> None:
    import arviz_stats as az

    x, energy = chains(rho, shift), chains(rho, seed=1)
    group = {"posterior": {"x": x}, "sample_stats": {"energy": energy}}
    axes = ("chain", "draw")
    tree = xr.DataTree.from_dict(
        {g: xr.Dataset({n: (axes, a) for n, a in arrays.items()}) for g, arrays in group.items()}
    )
    assert r_hat(x) == pytest.approx(float(az.rhat(tree)["x"]))
    assert ess_bulk(x) == pytest.approx(float(az.ess(tree, method="bulk")["x"]))
    assert ess_tail(x) == pytest.approx(float(az.ess(tree, method="tail", prob=(0.05, 0.95))["x"]))
    assert hdi(x, 0.94) == pytest.approx(az.hdi(tree, prob=0.94)["x"].values)
    np.testing.assert_allclose(bfmi(energy), az.bfmi(tree)["energy"].values)


def test_draws_of_which_nothing_can_be_said_have_no_numbers() -> None:
    x = chains()
    still, endless, hole = np.full_like(x, 0.3), x.copy(), x.copy()
    endless[1, 7], hole[1, 7] = np.inf, np.nan
    for odd in (still, endless, hole, x[:, :3], x[:, :0], x[0]):
        assert np.isnan([r_hat(odd), ess_bulk(odd), ess_tail(odd)]).all(), odd.shape
    assert np.isnan(r_hat(np.arange(4.0)[:, None] + still)), "chains that each stand still"
    assert np.isnan(hdi(endless)).all()
    assert np.isnan(hdi(hole)).all()
    assert np.isnan(bfmi([[1.0, 2.0, np.inf, 0.0], [1.0, 1.0, 1.0, 1.0]])).all()
    assert np.isnan(bfmi(np.ones((2, 1)))).all()


def test_a_tail_without_draws_fails() -> None:
    x = np.minimum(chains(), 1.0)  # a sixth of the draws lie on the bound
    assert np.isnan(ess_tail(x))
    assert ess_bulk(x) > 400
    verdict = diagnose({"tau": x}, np.zeros_like(x), chains(seed=1), np.full(x.shape, 3), 0.5, 6)
    assert not verdict.converged
    assert any("tail" in r and "could not be computed" in r for r in verdict.reasons)
    assert np.isnan(bin_state(1, {"tau": x}, 0).ess), "or sampling would end early for it"


def test_r_hat_needs_bulk_and_folded() -> None:
    x = np.where(chains() > 0, 1.0, -1.0)
    x[:, ::2] = -x[:, 1::2]  # as many on each side: all are as far from the median, folding leaves nothing
    assert np.isnan(r_hat(x))
    assert np.isnan(bin_state(1, {"a": chains(), "b": x}, 0).r_hat)


def test_bfmi_equals_a_value_by_hand() -> None:
    # differences 1, 2, -4: 21; deviations from the mean 1.75: -0.75, 0.25, 2.25, -1.75 -> 8.75
    np.testing.assert_allclose(bfmi([[1.0, 2.0, 4.0, 0.0]]), [21 / 8.75])


def test_bfmi_that_cannot_be_computed_is_nan_and_fails() -> None:
    assert np.isnan(bfmi(np.ones((2, 10)))).all()
    x = chains()
    verdict = diagnose({"tau": x}, np.zeros_like(x), np.ones_like(x), np.full(x.shape, 3), 0.5, 6)
    assert not verdict.converged
    assert any("BFMI" in r and "could not be computed" in r for r in verdict.reasons)


def test_the_smallest_bfmi_of_the_chains_counts() -> None:
    x, energy = chains(), chains(seed=1)
    energy[2] = np.cumsum(energy[2]) / 10
    verdict = diagnose({"tau": x}, np.zeros_like(x), energy, np.full(x.shape, 3), 0.5, 6)
    assert verdict.bfmi == bfmi(energy)[2] < 0.2
    assert not verdict.converged


def test_good_chains_pass() -> None:
    x = chains()
    verdict = diagnose({"tau": x}, np.zeros_like(x), chains(seed=1), np.full(x.shape, 3), 0.5, 6)
    assert verdict.passed
    assert verdict.reasons == ()


def test_each_threshold_says_no() -> None:
    x, none, energy, steps = chains(), np.zeros((4, 1000)), chains(seed=1), np.full((4, 1000), 3)
    one = none.copy()
    one[0, 0] = 1
    cases = {
        "R-hat": diagnose({"tau": chains(shift=0.3)}, none, energy, steps, 0.5, 6),
        "bulk effective": diagnose({"tau": chains(rho=0.95)}, none, energy, steps, 0.5, 6),
        "1 divergent": diagnose({"tau": x}, one, energy, steps, 0.5, 6),
        "misfit": diagnose({"tau": x}, none, energy, steps, 1e-6, 6),
        "misfit could not be tested": diagnose({"tau": x}, none, energy, steps, float("nan"), 6),
        "no decay": diagnose({"tau": x}, none, energy, steps, 0.5, 6, ("no_decay",)),
        "could not be computed": diagnose({"tau": x * np.nan}, none, energy, steps, 0.5, 6),
        "nothing sampled": diagnose({}, none, energy, steps, 0.5, 6),
    }
    for word, verdict in cases.items():
        assert not verdict.passed, word
        assert any(word in r for r in verdict.reasons), word
    assert cases["misfit"].converged


def test_hdi_is_the_shortest_interval() -> None:
    x = np.random.default_rng(0).exponential(size=200_000)
    low, high = hdi(x, 0.9)
    assert low < 0.01
    assert high == pytest.approx(-np.log(0.1), rel=0.03)


@pytest.mark.parametrize("noise", [False, True])
def test_the_predictive_check_knows_right_from_wrong(noise: bool) -> None:
    rng = np.random.default_rng(3)
    t = np.geomspace(1e-5, 1, 80)
    truth = np.array([0.2, 1.0, 1e-2])
    y = MODELS["single"].evaluate(t, truth) + 2e-3 * rng.standard_normal(80)
    draws = truth + 1e-4 * truth * rng.standard_normal((300, 3))
    scale = np.ones(300) if noise else None
    good = posterior_predictive_p(MODELS["single"], draws, t, y, np.full(80, 2e-3), scale)
    bent = y + 5e-3 * np.sin(np.log(t))
    wide = None if scale is None else 2.3 * scale
    bad = posterior_predictive_p(MODELS["single"], draws, t, bent, np.full(80, 2e-3), wide)
    assert good > 0.05
    assert bad < 0.005
