from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import A001, A003
from xpcs_dash import open_result
from xpcs_dash.errors import UsageError
from xpcs_dash.fitting.batch import fit_all_q
from xpcs_dash.fitting.data import fit_data
from xpcs_dash.fitting.joint import fit_power_law, power_law_of

Q = np.geomspace(2e-3, 2e-2, 20)


def test_the_law_is_recovered_where_priors_on_seconds_would_fail() -> None:
    rng = np.random.default_rng(0)
    tau = 1 / (1e8 * Q**1.6) * np.exp(0.05 * rng.standard_normal(Q.size))
    law = fit_power_law(Q, tau, 0.05 * tau).summary()
    assert law["n"]["hdi_lo"] < 1.6 < law["n"]["hdi_hi"]
    assert law["D"]["hdi_lo"] < 1e8 < law["D"]["hdi_hi"]
    assert law["scatter"]["median"] < 0.06


def test_intervals_cover_the_truth() -> None:
    rng = np.random.default_rng(1)
    hits = []
    for _ in range(150):
        tau = 1 / (1e6 * Q**2) * np.exp(np.hypot(0.03, 0.1) * rng.standard_normal(Q.size))
        law = fit_power_law(Q, tau, 0.03 * tau, draws=1500).summary(0.9)
        hits.append(
            [law["n"]["hdi_lo"] < 2 < law["n"]["hdi_hi"], law["D"]["hdi_lo"] < 1e6 < law["D"]["hdi_hi"]]
        )
    assert 0.83 <= np.mean(hits) <= 0.97


def test_scatter_between_bins_widens_the_interval() -> None:
    rng = np.random.default_rng(2)
    tau = 1 / (1e6 * Q**2)
    calm = fit_power_law(Q, tau * np.exp(0.01 * rng.standard_normal(Q.size)), 0.01 * tau)
    wild = fit_power_law(Q, tau * np.exp(0.3 * rng.standard_normal(Q.size)), 0.01 * tau)
    assert wild.n.std() > 5 * calm.n.std()
    assert 0.2 < np.median(wild.scatter) < 0.45
    assert wild.chi2_red > 100 > calm.chi2_red


def test_a_fixed_exponent_is_held() -> None:
    tau = 1 / (1e6 * Q**2)
    law = fit_power_law(Q, tau, 0.02 * tau, fixed_n=2.0)
    assert (law.n == 2.0).all()
    assert np.median(law.D) == pytest.approx(1e6, rel=0.02)


def test_too_few_bins_are_refused() -> None:
    with pytest.raises(UsageError, match="needs 3 q-bins"):
        fit_power_law(Q[:2], Q[:2], Q[:2])


@pytest.mark.parametrize(("name", "stem"), [(A001, "A001_silica_multitau"), (A003, "A003_silica_diluted")])
def test_known_diffusion_lies_in_the_interval(sample: Callable[[str], Path], name: str, stem: str) -> None:
    truth = json.loads(sample(f"{stem}_truth.json").read_text())["D_A2_per_s"]
    data = fit_data(open_result(sample(name)))
    fit = fit_all_q(data.t, data.g2, data.sigma, data.trusted, backend="numpy")
    held = np.median(power_law_of(fit, data.q, fixed_n=2.0).D)
    assert held == pytest.approx(truth, rel=0.03)
    free = power_law_of(fit, data.q).summary(0.99)
    assert free["D"]["hdi_lo"] < truth < free["D"]["hdi_hi"]
    assert free["n"]["hdi_lo"] < 2 < free["n"]["hdi_hi"]
