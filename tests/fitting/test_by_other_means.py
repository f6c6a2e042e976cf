"""Models, fits and posteriors, written once for both backends, against loops and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from xpcs_dash.backend import ensure_numpy, get_backend
from xpcs_dash.fitting.batch import fit_all_q
from xpcs_dash.fitting.models import MODELS, POWER_LAW, Window
from xpcs_dash.fitting.probabilistic import CurveData, g2_model, prior_numbers, resolve_priors, structure_of
from xpcs_dash.fitting.projection import moments, project

T = np.geomspace(1e-5, 1.0, 40)
PARAMETERS = {
    "single": {"contrast": 0.2, "baseline": 1.01, "tau": 2e-3},
    "stretched": {"contrast": 0.3, "baseline": 0.99, "tau": 5e-3, "gamma": 1.4},
    "double": {
        "contrast": 0.25, "baseline": 1.0, "tau1": 2e-4, "gamma1": 0.9, "tau2": 3e-2, "gamma2": 1.3, "f": 0.4,
    },
}  # fmt: skip


@pytest.fixture(params=["numpy", "jax"])
def backend(request):
    return get_backend(request.param)


def g2(model, t, p):
    """One value of g2, written out as the page prints it."""
    if model == "double":
        one = math.exp(-((t / p["tau1"]) ** p["gamma1"]))
        two = math.exp(-((t / p["tau2"]) ** p["gamma2"]))
        return p["baseline"] + p["contrast"] * (p["f"] * one + (1 - p["f"]) * two) ** 2
    return p["baseline"] + p["contrast"] * math.exp(-2 * (t / p["tau"]) ** p.get("gamma", 1.0))


def curve(model, p):
    return np.array([g2(model, t, p) for t in T])


@pytest.mark.parametrize("model", PARAMETERS)
def test_models(backend, model):
    spec, p = MODELS[model], PARAMETERS[model]
    found = ensure_numpy(spec.evaluate(T, np.array([p[name] for name in spec.names]), backend.xp))
    np.testing.assert_allclose(found, curve(model, p), rtol=1e-12)


def test_the_power_law(backend):
    q = np.geomspace(1e-3, 1e-2, 5)
    found = ensure_numpy(POWER_LAW.evaluate(q, np.array([3e6, 1.7]), backend.xp))
    np.testing.assert_allclose(found, [1 / (3e6 * x**1.7) for x in q], rtol=1e-12)


@pytest.mark.parametrize(
    ("model", "engine"),
    [("single", "numpy"), ("stretched", "numpy"), ("double", "numpy"), ("stretched", "jax")],
)
def test_fits_and_their_errors(model, engine):
    """Least squares by SciPy on the formula written out; errors from its numerical derivatives."""
    spec, p, sigma = MODELS[model], PARAMETERS[model], 2e-3
    y = curve(model, p) + sigma * np.random.default_rng(3).standard_normal(T.size)

    def rest(v):
        return (curve(model, dict(zip(spec.names, v, strict=True))) - y) / sigma

    start = np.array([p[name] for name in spec.names])
    theirs = optimize.least_squares(
        rest, start, x_scale=start, xtol=1e-14, ftol=1e-14, gtol=1e-14, jac="3-point"
    )
    errors = np.sqrt(np.diag(np.linalg.inv(theirs.jac.T @ theirs.jac)))
    ours = fit_all_q(T, y[:, None], np.full((T.size, 1), sigma), model=model, backend=engine)
    assert ours.chi2[0] == pytest.approx(2 * theirs.cost, rel=1e-6)
    np.testing.assert_allclose(ours.values[0], theirs.x, atol=0.02 * errors.min(), rtol=1e-3)
    np.testing.assert_allclose(ours.errors[0], errors, rtol=5e-3)


@pytest.mark.parametrize("truth", [(0.4, 0.1), (1.3, 0.1), (-0.2, 0.1), (0.4, 0.8), (0.4, -0.9), (1.3, 0.9)])
def test_contrast_and_baseline_inside_their_bounds(backend, truth):
    rng = np.random.default_rng(5)
    e = np.exp(-2 * T / 1e-2)
    y = truth[1] + truth[0] * e + 0.02 * rng.standard_normal(T.size)
    w = rng.uniform(0.5, 2, T.size)
    box = [0.0, 1.0, -0.5, 0.5]
    xp = backend.xp
    sums = moments(xp, xp.asarray(e[None]), xp.asarray(y[None]), xp.asarray(w[None] ** 2))
    found = [float(ensure_numpy(v)[0]) for v in project(xp, sums, [xp.asarray([b]) for b in box])]
    best = optimize.lsq_linear(
        np.stack([e * w, w], axis=1), y * w, bounds=(box[::2], box[1::2]), tol=1e-15, max_iter=1000
    )
    np.testing.assert_allclose(found[:2], best.x, atol=1e-6)


@pytest.mark.parametrize("model", PARAMETERS)
def test_the_posterior_is_likelihood_times_priors(model):
    """What NumPyro samples, term by term with SciPy's truncated normal laws."""
    from numpyro.infer.util import log_density

    spec, p, sigma = MODELS[model], PARAMETERS[model], 5e-3
    y = curve(model, p) + sigma * np.random.default_rng(4).standard_normal(T.size)
    fit = fit_all_q(T, y[:, None], np.full((T.size, 1), sigma), model=model, backend="numpy")
    priors = resolve_priors(spec, fit, Window.of(T))[0]
    structure, numbers = structure_of(spec, fit, priors), prior_numbers(spec, fit, 0, priors)
    data = CurveData(T, y, np.full(T.size, sigma), np.ones(T.size, bool))

    expected = float(np.sum(stats.norm.logpdf(y, curve(model, p), sigma)))
    sites = {}
    for k, name in enumerate(spec.names):
        low, high = float(fit.lower[0, k]), float(fit.upper[0, k])
        if name == "tau1":
            high = min(high, p["tau2"])  # the faster decay comes first
        prior, value = priors[name], p[name]
        if prior.kind == "lognormal":
            low, high, value = math.log(low), math.log(high), math.log(value)
            sites[f"log_{name}"] = value
        else:
            sites[name] = value
        if prior.kind == "uniform":
            expected += stats.uniform.logpdf(value, low, high - low)
            continue
        centre = {"halfnormal": 0.0, "normal": prior.loc}.get(prior.kind)
        centre = math.log(prior.loc) if centre is None else centre
        a, b = (low - centre) / prior.scale, (high - centre) / prior.scale
        expected += stats.truncnorm.logpdf(value, a, b, centre, prior.scale)
    found, _ = log_density(g2_model(spec, structure), (data, numbers), {}, sites)
    assert float(found) == pytest.approx(float(expected), rel=1e-9)
