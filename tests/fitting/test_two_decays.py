"""Which of two decays is which: what a fit reports is a curve through the data, whatever the solver found."""

from __future__ import annotations

import math
from contextlib import nullcontext

import numpy as np
import pytest

from xpcs_dash.fitting.batch import fit_all_q
from xpcs_dash.fitting.coordinates import Coordinates
from xpcs_dash.fitting.models import MODELS
from xpcs_dash.fitting.nlsq import nlsq_optimize
from xpcs_dash.fitting.probabilistic import (
    CurveData,
    Window,
    g2_model,
    prior_numbers,
    resolve_priors,
    structure_of,
)

T = np.geomspace(1e-5, 1, 80)
SIGMA = 1e-3
#: 30 % of the field decays fast, 70 % slowly.
FAST_FIRST = {
    "contrast": 0.3,
    "baseline": 1.0,
    "tau1": 3e-4,
    "gamma1": 1.0,
    "tau2": 3e-2,
    "gamma2": 1.2,
    "f": 0.3,
}
SLOW_FIRST = {**FAST_FIRST, "tau1": 3e-2, "gamma1": 1.2, "tau2": 3e-4, "gamma2": 1.0, "f": 0.7}


def curve(p):
    """g2 written out: the squared field of two stretched decays."""
    fast = np.array([math.exp(-((t / p["tau1"]) ** p["gamma1"])) for t in T])
    slow = np.array([math.exp(-((t / p["tau2"]) ** p["gamma2"])) for t in T])
    return p["baseline"] + p["contrast"] * (p["f"] * fast + (1 - p["f"]) * slow) ** 2


Y = curve(FAST_FIRST)


def fitted(backend="numpy", **given):
    """Values and errors of a fit, by name, and the χ² that it states."""
    found = fit_all_q(T, Y[:, None], np.full((T.size, 1), SIGMA), model="double", backend=backend, **given)
    values = {name: float(found[name][0]) for name in found.names}
    return values, {name: float(found.error(name)[0]) for name in found.names}, float(found.chi2[0]), found


def chi2_of(values):
    return float(np.sum(((curve(values) - Y) / SIGMA) ** 2))


def test_both_orders_are_one_curve():
    np.testing.assert_allclose(curve(SLOW_FIRST), Y, rtol=1e-14)


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_a_solution_in_the_other_order_is_reported_faster_first_with_its_own_share(backend):
    start = {name: SLOW_FIRST[name] for name in ("tau1", "tau2", "gamma1", "gamma2", "f")}
    values, errors, chi2, _ = fitted(backend, start=start)
    for name, expected in FAST_FIRST.items():
        assert values[name] == pytest.approx(expected, rel=1e-4), name
    assert chi2 < 1e-6
    assert chi2_of(values) < 1e-4
    # the errors belong to the parameters under their new names
    _, straight, _, _ = fitted(backend, start={name: FAST_FIRST[name] for name in start})
    for name, error in errors.items():
        assert error == pytest.approx(straight[name], rel=1e-3), name


@pytest.mark.parametrize("backend", ["numpy", "jax"])
@pytest.mark.parametrize(
    "given",
    [
        {"fixed": {"f": 0.7}},
        {"fixed": {"tau1": 3e-2}},
        {"fixed": {"gamma1": 1.2, "f": 0.7}},
        {"bounds": {"tau1": (1e-2, 1.0), "tau2": (1e-5, 1e-3)}},
        {"bounds": {"f": (0.5, 1.0)}},
    ],
)
def test_what_was_asked_of_one_decay_is_kept_by_that_decay(backend, given):
    values, errors, chi2, found = fitted(backend, **given)
    assert chi2_of(values) == pytest.approx(chi2, abs=1e-4)
    for name, expected in SLOW_FIRST.items():
        assert values[name] == pytest.approx(expected, rel=1e-3), name
    for name, value in given.get("fixed", {}).items():
        assert (values[name], errors[name]) == (value, 0.0)
    for name, (low, high) in given.get("bounds", {}).items():
        assert low < values[name] < high
    assert found.flags(0) == ()


def test_bounds_that_both_decays_could_share_do_not_hinder_the_order():
    start = {"tau1": 3e-2, "tau2": 3e-4}
    values, _, _, _ = fitted(start=start, bounds={"tau1": (1e-5, 5e-2), "tau2": (1e-4, 1.0)})
    assert values["tau1"] == pytest.approx(3e-4, rel=1e-3)
    assert values["f"] == pytest.approx(0.3, rel=1e-3)


def test_the_fit_on_request_says_the_same():
    one = nlsq_optimize(T, Y, np.full(T.size, SIGMA), model="double", fixed={"f": 0.7})
    assert one.success
    assert chi2_of(one.values) == pytest.approx(one.chi2, abs=1e-3)
    assert one.values["tau1"] == pytest.approx(3e-2, rel=1e-3)
    assert one.values["f"] == 0.7


@pytest.mark.parametrize(("fixed", "allowed"), [({"f": 0.7}, True), ({}, False)])
def test_sampling_may_visit_the_slow_decay_first_only_where_it_was_asked_for(fixed, allowed):
    """Without a wish the two orders are one solution, and only one of them is visited."""
    from numpyro.infer.util import log_density

    spec = MODELS["double"]
    _, _, _, fit = fitted(fixed=fixed)
    priors = resolve_priors(spec, fit, Window.of(T))[0]
    numbers = prior_numbers(spec, fit, 0, priors)
    data = CurveData(T, Y, np.full(T.size, SIGMA), np.ones(T.size, bool))
    structure = structure_of(spec, fit, priors)
    coordinates = Coordinates(spec, structure)
    sites = {name: SLOW_FIRST[name.removeprefix("log_")] for name in coordinates.sites}
    sites = {n: math.log(v) if n.startswith("log_") else v for n, v in sites.items()}
    with nullcontext() if allowed else pytest.warns(UserWarning, match="Out-of-support"):
        density, _ = log_density(g2_model(spec, structure), (data, numbers), {}, sites)
    assert bool(np.isfinite(density)) == allowed
    # nor does the sampler's own form of the posterior reach it
    places = np.random.default_rng(0).normal(0, 3, (500, coordinates.dim))
    many = [type(a)(*(np.repeat(np.asarray(x)[None], 500, axis=0) for x in a)) for a in (data, numbers)]
    params, _ = coordinates.values(places, *many)
    turned = params[:, spec.index("tau1")] > params[:, spec.index("tau2")]
    assert turned.any() == allowed
