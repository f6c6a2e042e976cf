import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import A001, A003, DATA
from xpcs_dash import open_result
from xpcs_dash.analysis import diffusion
from xpcs_dash.errors import UsageError
from xpcs_dash.fitting.batch import fit_all_q
from xpcs_dash.fitting.statements import Place, of_batch


def made(q, tau, error=None, status=None):
    q = np.asarray(q, float)
    return diffusion.Points(
        np.arange(1, q.size + 1),
        q,
        np.asarray(tau, float),
        np.full(q.size, 0.02) * tau if error is None else np.asarray(error, float),
        tuple(status or ["ok"] * q.size),
    )


@settings(deadline=None)
@given(st.floats(-3.0, -0.5), st.floats(-25.0, -5.0))
def test_an_exact_power_law_is_found(b, log_a):
    q = np.geomspace(1e-3, 5e-2, 12)
    law = diffusion.power_law(made(q, np.exp(log_a) * q**b))
    assert law.b == pytest.approx(b, abs=1e-6)
    assert law.log_a == pytest.approx(log_a, abs=1e-5)
    np.testing.assert_allclose(law.tau(q), np.exp(log_a) * q**b, rtol=1e-5)


def test_prefactors_far_below_a_millionth_are_not_clamped():
    # a bound of 1e-6 on the prefactor bends the exponent from 2 to 0.8
    q = np.geomspace(0.003, 0.05, 20)
    law = diffusion.power_law(made(q, 1e-8 * q**-2.0))
    assert law.b == pytest.approx(-2.0)
    assert law.a == pytest.approx(1e-8)


def test_d_is_given_for_diffusion_and_only_for_diffusion():
    q = np.geomspace(1e-3, 1e-2, 10)
    law = diffusion.power_law(made(q, 1.0 / (2.5e6 * q**2)))
    assert law.d == pytest.approx(2.5e6)
    assert law.d_err < 0.02 * law.d
    assert diffusion.power_law(made(q, q**-1.0)).d is None


def test_errors_weigh_the_points():
    q = np.geomspace(1e-3, 1e-2, 8)
    tau = 1.0 / (1e6 * q**2)
    tau[-1] *= 10
    error = 0.01 * tau
    error[-1] = 100 * tau[-1]
    assert diffusion.power_law(made(q, tau, error)).b == pytest.approx(-2.0, abs=0.01)


def test_points_at_a_bound_or_without_a_fit_are_left_out():
    q = np.geomspace(1e-3, 1e-2, 8)
    tau = 1.0 / (1e6 * q**2)
    tau[0], tau[1] = 1e9, np.nan
    found = made(q, tau, 0.01 * np.nan_to_num(tau, nan=1.0), ["bound", "failed", *["ok"] * 6])
    assert found.usable.tolist() == [False, False, *[True] * 6]
    law = diffusion.power_law(found)
    assert law.n == 6
    assert law.d == pytest.approx(1e6)
    with pytest.raises(UsageError, match="0 of 8"):
        diffusion.power_law(made(q, tau, status=["failed"] * 8))
    with pytest.raises(UsageError, match="two"):
        diffusion.power_law(found, (q[4] * 0.99, q[4] * 1.01))


def test_coverage_of_the_errors():
    rng = np.random.default_rng(3)
    q = np.geomspace(1e-3, 1e-2, 15)
    pulls = []
    for _ in range(200):
        tau = np.exp(rng.normal(0, 0.05, 15)) / (1e6 * q**2)
        law = diffusion.power_law(made(q, tau, 0.05 * tau))
        pulls.append((law.b + 2.0) / law.b_err)
    assert np.std(pulls) == pytest.approx(0.95, abs=0.15)


def test_the_band_is_narrowest_where_the_points_are():
    q = np.geomspace(1e-3, 1e-2, 10)
    law = diffusion.power_law(made(q, 1.0 / (1e6 * q**2)))
    low, high = law.band(np.array([1e-4, np.exp(law.log_q0), 1e-1]))
    width = high / low
    assert width[1] < width[0]
    assert width[1] < width[2]


@pytest.mark.parametrize("name", [A001, A003])
def test_samples_diffuse_as_their_truth_says(sample, name):
    truth = json.loads((DATA / name.replace("_results.hdf", "_truth.json")).read_text())
    xf = open_result(sample(name))
    fit = fit_all_q(xf.t_el, xf.g2, xf.g2_sigma, xf.trusted, model="single", backend="numpy")
    law = diffusion.power_law(diffusion.points_of(of_batch(fit, Place.of(xf)), "tau"))
    assert law.b == pytest.approx(-2.0, abs=0.06)
    assert law.d == pytest.approx(truth["D_A2_per_s"], rel=0.03)


def test_radius_of_a_sphere_in_water():
    # a 100 nm sphere in water at 25 °C has D = 2.45e-12 m²/s
    assert diffusion.hydrodynamic_radius(2.45e8, 298.15, 0.89e-3) == pytest.approx(100.0, rel=0.01)
    with pytest.raises(UsageError):
        diffusion.hydrodynamic_radius(0.0, 300.0, 1e-3)
