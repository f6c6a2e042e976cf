from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import A001, A003, BES, E0173
from tests.fitting.simulated import clean
from xpcs_dash import open_result
from xpcs_dash.errors import UsageError
from xpcs_dash.fitting.batch import Curves, fit_all_q, fit_files
from xpcs_dash.fitting.data import fit_data
from xpcs_dash.fitting.models import MODELS

Sample = Callable[[str], Path]
ENGINES = ("jax", "numpy")


def fitted(path: Path, model: str = "single", backend: str = "numpy", sigma: str = "counting"):
    data = fit_data(open_result(path), sigma)  # type: ignore[arg-type]
    return data, fit_all_q(data.t, data.g2, data.sigma, data.trusted, model, backend=backend)


@pytest.mark.parametrize("engine", ENGINES)
def test_noiseless_curves_are_recovered_exactly(engine: str) -> None:
    truth = np.array([[0.2, 1.01, 3e-3, 0.7], [0.4, 0.98, 5e-2, 1.8]])
    t = np.geomspace(1e-5, 1, 50)
    g2 = MODELS["stretched"].evaluate(t, truth).T
    fit = fit_all_q(t, g2, np.full_like(g2, 1e-3), model="stretched", backend=engine)
    np.testing.assert_allclose(fit.values, truth, rtol=1e-5)
    assert all(fit.flags(k) == () for k in range(2))


@pytest.mark.parametrize(("name", "stem"), [(A001, "A001_silica_multitau"), (A003, "A003_silica_diluted")])
def test_diffusion_and_contrast_of_known_samples(sample: Sample, name: str, stem: str) -> None:
    truth = json.loads(sample(f"{stem}_truth.json").read_text())
    data, fit = fitted(sample(name))
    diffusion = np.median(1 / (fit["tau"] * data.q**2))
    assert diffusion == pytest.approx(truth["D_A2_per_s"], rel=0.03)
    assert np.median(fit["contrast"]) == pytest.approx(truth["contrast"], rel=0.03)


def test_counting_errors_make_chi2_one_in_starved_data(sample: Sample) -> None:
    _, fit = fitted(sample(E0173), "stretched")
    assert np.median(fit.chi2_red) == pytest.approx(0.88, abs=0.2)


def test_errors_of_the_file_give_a_warning(sample: Sample) -> None:
    data = fit_data(open_result(sample(E0173)), "file")
    assert any("smaller than photon counting" in w for w in data.warnings)
    assert any("fewer than 10" in w for w in data.warnings)
    # a point without a single coincidence is not a measurement of zero
    assert not data.trusted[data.g2 == 0].any()


def test_a_flat_curve_says_no_decay(sample: Sample) -> None:
    data, fit = fitted(sample(BES))
    assert data.n_q == 27
    assert fit.no_decay.all()
    assert "no decay in the window" in fit.reasons(0)[0]


@pytest.mark.parametrize("engine", ENGINES)
def test_constant_with_noise_has_no_decay(engine: str) -> None:
    rng = np.random.default_rng(5)
    g2 = 1 + 0.02 * rng.standard_normal((60, 40))
    fit = fit_all_q(np.geomspace(1e-5, 1, 60), g2, np.full_like(g2, 0.02), backend=engine)
    assert fit.no_decay.mean() >= 0.95
    assert not fit.good[fit.no_decay].any()


def test_a_decay_beyond_the_window_is_not_called_good() -> None:
    data = clean("single", [[0.2, 1.0, 3.0], [0.2, 1.0, 1e-2]], 1e-3)
    fit = fit_all_q(data.t, data.g2, data.sigma, backend="numpy")
    assert fit.good.tolist() == [False, True]
    assert set(fit.flags(0)) & {"no_decay", "incomplete_decay"}


def test_a_compressed_decay_is_a_poor_fit_of_a_single_exponential() -> None:
    data = clean("stretched", [[0.2, 1.0, 1e-2, 1.5]], 2e-3)
    assert "poor_fit" in fit_all_q(data.t, data.g2, data.sigma, backend="numpy").flags(0)
    assert fit_all_q(data.t, data.g2, data.sigma, model="stretched", backend="numpy").flags(0) == ()


@pytest.mark.parametrize("engine", ENGINES)
def test_fixed_parameters_keep_their_value(engine: str) -> None:
    data = clean("stretched", [[0.2, 1.0, 1e-2, 1.0]] * 2, 1e-3)
    fit = fit_all_q(
        data.t, data.g2, data.sigma, model="stretched", fixed={"baseline": 1.05, "gamma": 0.8}, backend=engine
    )
    assert (fit["baseline"] == 1.05).all()
    np.testing.assert_allclose(fit["gamma"], 0.8, rtol=1e-12)
    assert (fit.error("baseline") == 0).all()
    assert fit.dof.tolist() == [58, 58]


def test_the_order_in_which_parameters_are_fixed_does_not_matter() -> None:
    data = clean("stretched", [[0.2, 1.0, 1e-2, 1.3]], 1e-3)
    held = {"baseline": 1.0, "gamma": 1.2}
    a = fit_all_q(data.t, data.g2, data.sigma, model="stretched", fixed=held, backend="numpy")
    b = fit_all_q(
        data.t, data.g2, data.sigma, model="stretched", fixed=dict(reversed(held.items())), backend="numpy"
    )
    c = fit_all_q(data.t, data.g2, data.sigma, model="stretched", fixed={"gamma": 1.2}, backend="numpy")
    np.testing.assert_array_equal(a.values, b.values)
    assert c["baseline"] != a["baseline"]


def test_bounds_are_kept_and_reported() -> None:
    data = clean("single", [[0.2, 1.0, 1e-2]], 1e-3)
    fit = fit_all_q(data.t, data.g2, data.sigma, bounds={"tau": (2e-2, 1.0)}, backend="numpy")
    assert fit["tau"][0] == pytest.approx(2e-2)
    assert "at_bound:tau" in fit.flags(0)
    assert not fit.good[0]


def test_untrusted_points_do_not_enter() -> None:
    data = clean("single", [[0.2, 1.0, 1e-2]], 1e-3)
    g2, trusted = data.g2.copy(), data.trusted.copy()
    g2[:5], trusted[:5] = 0.0, False
    fit = fit_all_q(data.t, g2, data.sigma, trusted, backend="numpy")
    assert fit.n_points.tolist() == [55]
    assert fit["contrast"][0] == pytest.approx(0.2, abs=0.01)


def test_too_few_points_give_no_numbers_to_trust() -> None:
    data = clean("single", [[0.2, 1.0, 1e-2]], 1e-3, n_t=3)
    fit = fit_all_q(data.t, data.g2, data.sigma, backend="numpy")
    assert fit.flags(0) == ("too_few_points",)
    assert np.isnan(fit.errors).all()


def test_without_errors_the_scatter_gives_them() -> None:
    data = clean("single", [[0.2, 1.0, 1e-2]] * 20, 5e-3)
    known = fit_all_q(data.t, data.g2, data.sigma, backend="numpy")
    unknown = fit_all_q(data.t, data.g2, None, backend="numpy")
    np.testing.assert_allclose(unknown.values, known.values, rtol=1e-5)
    assert np.median(unknown.errors / known.errors) == pytest.approx(1.0, abs=0.1)


def test_scale_is_a_health_check_of_the_errors() -> None:
    data = clean("single", [[0.2, 1.0, 1e-2]] * 10, 5e-3)
    assert data.sigma is not None
    fit = fit_all_q(data.t, data.g2, data.sigma / 10, backend="numpy")
    assert np.median(fit.scale) == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("engine", ENGINES)
def test_many_files_give_what_one_by_one_gives(engine: str) -> None:
    data = [
        clean("stretched", [[0.2, 1.0, 1e-2, 1.2]] * n, 5e-3, seed=n, n_t=20 + 11 * n) for n in (1, 3, 70)
    ]
    files = [Curves(d.t, d.g2, d.sigma, d.trusted) for d in data]
    together = fit_files(files, "stretched", backend=engine)
    for one, fit in zip(files, together, strict=True):
        alone = fit_all_q(*one, "stretched", backend=engine)
        np.testing.assert_allclose(fit.values, alone.values, rtol=1e-4)


def test_the_double_model_finds_two_decays() -> None:
    truth = [0.3, 1.0, 3e-4, 1.0, 3e-2, 1.2, 0.4]
    data = clean("double", [truth], 2e-4, n_t=120)
    fit = fit_all_q(data.t, data.g2, data.sigma, model="double", backend="jax")
    np.testing.assert_allclose(fit.values[0], truth, rtol=0.1)
    assert fit["tau1"][0] < fit["tau2"][0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"bounds": {"tau": (1.0, 1e-3)}},
        {"bounds": {"tau": (-1.0, 1.0)}},
        {"fixed": {"tau": 0.0}},
        {"fixed": {"nothing": 1.0}},
        {"start": {"gamma1": 1.0}},
        {"bounds": {"contrast": (0.0, float("nan"))}},
        {"backend": "abacus"},
    ],
)
def test_impossible_requests_are_usage_errors(wrong: dict) -> None:
    data = clean("single", [[0.2, 1.0, 1e-2]], 1e-3)
    with pytest.raises(UsageError):
        fit_all_q(data.t, data.g2, data.sigma, **({"backend": "numpy"} | wrong))


def test_no_bins_are_no_error() -> None:
    fit = fit_all_q([1e-3, 1e-2], np.empty((2, 0)), np.empty((2, 0)), backend="numpy")
    assert fit.n_q == 0


def test_importing_the_batch_imports_no_jax() -> None:
    import subprocess
    import sys

    modules = ("batch", "data", "results", "sampling", "joint")
    code = f"import sys, {', '.join(f'xpcs_dash.fitting.{m}' for m in modules)}"
    code += ", xpcs_dash.cli.fit, xpcs_dash.fits.store"
    code += "; assert not {'jax', 'numpyro', 'nlsq', 'arviz', 'arviz_stats', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_error_wider_than_the_bounds_determines_nothing() -> None:
    # two equal decays: which part belongs to which is anybody's guess
    data = clean("double", [[0.3, 1.0, 1e-2, 1.0, 1e-2, 1.0, 0.5]], 1e-3)
    fit = fit_all_q(data.t, data.g2, data.sigma, model="double", backend="numpy")
    assert not fit.determined[0].all()
    one = clean("single", [[0.3, 1.0, 1e-2]], 1e-3)
    held = fit_all_q(one.t, one.g2, one.sigma, fixed={"baseline": 1.0}, backend="numpy")
    assert held.determined[0].tolist() == [True, False, True]
    assert held.good[0]
