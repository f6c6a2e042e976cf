from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.fitting.simulated import clean, fit_data_of, starved
from xpcs_dash.errors import UsageError
from xpcs_dash.fits.store import content_hash, delete_fit, load_fit, save_fit
from xpcs_dash.fitting.coordinates import Coordinates
from xpcs_dash.fitting.models import MODELS, PriorSpec
from xpcs_dash.fitting.probabilistic import g2_model, resolve_priors
from xpcs_dash.fitting.results import FitConfig, FitResult
from xpcs_dash.fitting.sampling import (
    REPORT_S,
    FitCancelled,
    NutsProgress,
    _Run,
    compile_usual,
    fit_g2,
    next_report,
    sample_g2,
)

pytestmark = pytest.mark.slow

SHORT = FitConfig(model="single", warmup=200, samples=400, seed=7, early_stop=False)


@cache
def two_good_and_a_flat_one() -> FitResult:
    data = clean("single", [[0.2, 1.0, 1e-2], [0.3, 1.0, 1e-3], [0.0, 1.0, 1e-2]], 3e-3)
    return sample_g2(data, SHORT)


def test_the_posterior_holds_the_truth_and_passes() -> None:
    result = two_good_and_a_flat_one()
    for k, truth in enumerate(([0.2, 1.0, 1e-2], [0.3, 1.0, 1e-3])):
        assert result.diagnostics[k].passed, result.diagnostics[k].reasons
        for name, value in zip(result.spec.names, truth, strict=True):
            found = result.summary[k][name]
            assert abs(found["mean"] - value) < 4 * found["sd"]


def test_a_hopeless_bin_is_named_and_does_not_spoil_the_others() -> None:
    result = two_good_and_a_flat_one()
    assert not result.passed(2)
    assert any("no decay in the window" in r for r in result.reasons(2))
    assert result.passed(0)


def test_posterior_and_least_squares_agree_where_data_are_good() -> None:
    result = two_good_and_a_flat_one()
    for k in range(2):
        for j, name in enumerate(result.spec.names):
            assert result.summary[k][name]["sd"] == pytest.approx(result.warm_start.errors[k, j], rel=0.25)


def test_the_same_seed_gives_the_same_draws_whatever_else_is_sampled() -> None:
    result = two_good_and_a_flat_one()
    again = sample_g2(result.data, replace(SHORT, seed=result.seed))
    for name, x in result.samples.items():
        np.testing.assert_array_equal(again.samples[name], x)
    other = sample_g2(result.data, replace(SHORT, seed=8))
    assert not np.array_equal(other.samples["tau"], result.samples["tau"])


def test_a_seed_is_drawn_and_recorded() -> None:
    first = sample_g2(two_good_and_a_flat_one().data, replace(SHORT, seed=None))
    again = sample_g2(first.data, replace(SHORT, seed=first.seed))
    np.testing.assert_array_equal(first.samples["tau"], again.samples["tau"])


def test_progress_grows_and_the_configuration_is_untouched() -> None:
    seen: list[NutsProgress] = []
    config = replace(SHORT)
    sample_g2(two_good_and_a_flat_one().data, config, seen.append)
    assert seen[0].phase == "compiling"
    assert seen[-1].fraction == 1.0
    assert [s.fraction for s in seen] == sorted(s.fraction for s in seen)
    assert config == SHORT


def test_reports_take_no_more_time_than_the_draws_between_them() -> None:
    assert next_report(10.0, 10.1) == pytest.approx(10.1 + REPORT_S)
    assert next_report(10.0, 13.0) == pytest.approx(16.0)


def test_each_chain_has_a_line_of_its_own() -> None:
    seen: list[NutsProgress] = []
    result = sample_g2(two_good_and_a_flat_one().data, SHORT, seen.append)
    warming = [s for s in seen if s.phase == "warm-up"]
    assert warming
    assert all(c.draws == 0 and c.steps >= 1 and 0 < c.accept <= 1 for s in warming for c in s.chains)
    last = seen[-1].to_dict()["chains"]
    assert [row["chain"] for row in last] == [0, 1, 2, 3]
    for row in last:
        stats = {name: a[:, row["chain"]] for name, a in result.stats.items()}
        assert row["draws"] == SHORT.samples
        assert row["divergences"] == stats["diverging"].sum()
        assert row["accept"] == pytest.approx(stats["acceptance_rate"].mean())
        assert row["steps"] == pytest.approx(stats["n_steps"].mean())


def test_a_default_request_needs_nothing_compiled_but_the_usual_sampler() -> None:
    data = clean("single", [[0.2, 1.0, 1e-2]] * 12, 5e-3, n_t=50)
    config = FitConfig(seed=3)
    fit = fit_g2(data, config, backend="numpy").warm_start
    run = _Run(data, config, fit, resolve_priors(MODELS["single"], fit, data.window))
    compile_usual()
    before = run.sampler.advance._cache_size()
    sample_g2(data, config)
    assert before == run.sampler.advance._cache_size() == 1


def test_cancel_stops_between_chunks() -> None:
    calls = []

    def stop() -> bool:
        calls.append(1)
        return len(calls) > 5

    with pytest.raises(FitCancelled):
        sample_g2(two_good_and_a_flat_one().data, SHORT, cancelled=stop)
    assert len(calls) < 12


def test_early_stop_keeps_equal_draws_of_all_bins() -> None:
    data = clean("single", [[0.2, 1.0, 1e-2]] * 2, 2e-3)
    result = sample_g2(data, replace(SHORT, samples=4000, early_stop=True))
    assert result.stopped_early
    draws = {x.shape for x in result.samples.values()} | {x.shape for x in result.stats.values()}
    assert len(draws) == 1
    assert 2000 <= next(iter(draws))[2] < 4000
    assert all(d.passed for d in result.diagnostics)


def test_compressed_data_fitted_single_is_a_misfit() -> None:
    data = clean("stretched", [[0.2, 1.0, 1e-2, 1.5]] * 3, 2e-3)
    result = sample_g2(data, SHORT)
    assert result.diagnostics[0].misfit
    assert any("misfit" in r for r in result.reasons(0))
    assert not result.passed(0)


def test_without_errors_a_noise_scale_is_sampled() -> None:
    data = clean("single", [[0.2, 1.0, 1e-2]] * 3, 5e-3, known=False)
    result = sample_g2(data, SHORT)
    noise = result.samples["noise"][0]
    assert noise.mean() == pytest.approx(5e-3, rel=0.3)
    assert result.passed(0), result.reasons(0)


def test_priors_bounds_and_fixed_values_are_used() -> None:
    data = two_good_and_a_flat_one().data
    config = replace(
        SHORT,
        priors={"tau": PriorSpec("lognormal", 1e-2, 0.001)},
        fixed={"baseline": 1.0},
        bounds={"contrast": (0, 0.5)},
    )
    result = sample_g2(data, config)
    assert "baseline" not in result.samples
    assert result.samples["tau"][1].mean() == pytest.approx(1e-2, rel=0.05)
    assert result.samples["contrast"].max() < 0.5
    assert result.priors[0]["tau"] == PriorSpec("lognormal", 1e-2, 0.001)


def test_default_prior_of_tau_lies_about_the_data() -> None:
    result = two_good_and_a_flat_one()
    assert result.priors[1]["tau"].loc == pytest.approx(1e-3, rel=0.2)
    # no decay: the middle of the window on a log axis
    assert result.priors[2]["tau"].loc == pytest.approx(np.sqrt(1e-5 * 1.0))


def test_an_unidentifiable_double_fails_the_gate() -> None:
    data = clean("single", [[0.2, 1.0, 1e-2]], 2e-2, n_t=14)
    result = sample_g2(data, replace(SHORT, model="double"))
    assert not result.diagnostics[0].converged
    assert result.reasons(0)


@pytest.mark.parametrize("model", ["single", "stretched", "double"])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("held", [{}, {"baseline": 1.0}])
def test_numpy_coordinates_are_those_of_numpyro(model: str, known: bool, held: dict) -> None:
    import jax
    import jax.numpy as jnp
    from numpyro.infer.util import constrain_fn, potential_energy

    data = clean("single", [[0.2, 1.0, 1e-2], [0.01, 1.0, 1.0]], 5e-3, known=known)
    fit = fit_g2(data, FitConfig(model=model, fixed=held), backend="numpy").warm_start
    spec = MODELS[model]
    priors = resolve_priors(spec, fit, data.window)
    run = _Run(data, replace(SHORT, model=model, fixed=held), fit, priors)
    c: Coordinates = run.coordinates
    inner = g2_model(spec, c.structure)
    v = c.start(fit.values, run.numbers) + np.linspace(-0.3, 0.4, c.dim)
    u, volume = c.straighten(v, run.curves, run.numbers)

    for k in range(2):
        one = (type(run.curves)(*(a[k] for a in run.curves)), type(run.numbers)(*(a[k] for a in run.numbers)))

        def there(v, one=one):
            return c.straighten(v, *one, jnp)

        def potential(v, one=one, there=there):
            u, volume = there(v)
            return potential_energy(inner, one, {}, {n: u[i] for i, n in enumerate(c.sites)}) - volume

        # the volume is that of the map
        np.testing.assert_allclose(u[k], there(v[k])[0], rtol=1e-9)
        _, size = np.linalg.slogdet(jax.jacfwd(lambda v: there(v)[0])(v[k]))
        assert volume[k] == pytest.approx(size, abs=1e-9)
        np.testing.assert_allclose(
            jax.grad(lambda v, one=one: c.potential(v, *one, jnp))(v[k]), jax.grad(potential)(v[k]), rtol=1e-7
        )
        ours = c.gradient(v, run.curves, run.numbers)[k]
        np.testing.assert_allclose(ours, jax.grad(potential)(v[k]), rtol=1e-7, atol=1e-7)
        values = constrain_fn(
            inner, one, {}, {n: u[k, i] for i, n in enumerate(c.sites)}, return_deterministic=True
        )
        params = c.values(v, run.curves, run.numbers)[0][k]
        free = [n for n in spec.names if n not in held]
        np.testing.assert_allclose(
            [values[n] for n in free], params[[spec.index(n) for n in free]], rtol=1e-9
        )


@pytest.mark.parametrize(
    "wrong", [{"chains": 1}, {"samples": 10}, {"fixed": {"tau": 1, "contrast": 0.1, "baseline": 1}}]
)
def test_impossible_sampling_is_a_usage_error(wrong: dict) -> None:
    with pytest.raises(UsageError):
        sample_g2(clean("single", [[0.2, 1.0, 1e-2]], 1e-3), replace(SHORT, **wrong))


def test_a_stored_fit_comes_back_equal(tmp_path: Path) -> None:
    result = two_good_and_a_flat_one()
    save_fit(tmp_path, "a-fit", result)
    assert load_fit(tmp_path, "a-fit") == result
    assert load_fit(tmp_path, "a-fit") != replace(result, seed=result.seed + 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-fit.h5", "a-fit.nc"]
    delete_fit(tmp_path, "a-fit")
    assert list(tmp_path.iterdir()) == []


def test_the_netcdf_file_is_a_datatree(tmp_path: Path) -> None:
    import xarray as xr

    result = two_good_and_a_flat_one()
    save_fit(tmp_path, "a-fit", result)
    with xr.open_datatree(tmp_path / "a-fit.nc", engine="h5netcdf") as tree:
        assert {"posterior", "sample_stats", "observed_data", "constant_data"} <= set(tree.children)
        assert tree["posterior"]["tau"].dims == ("chain", "draw", "q_bin")
        assert tree["sample_stats"]["diverging"].sum() == sum(d.divergences for d in result.diagnostics)
        # the draws alone still say which bins may not be used
        passed, reasons = tree["constant_data"]["passed"].values, tree["constant_data"]["reasons"].values
        assert passed.tolist() == [result.passed(k) for k in range(3)] == [True, True, False]
        assert reasons[0] == ""
        assert "no decay" in reasons[2]


def test_the_hash_of_the_data_follows_the_data() -> None:
    data = two_good_and_a_flat_one().data
    changed = fit_data_of(data.t, data.g2 + 1e-12, data.sigma)
    assert content_hash(data) != content_hash(changed)


def test_rows_are_json_and_name_every_verdict() -> None:
    import json

    row = json.loads(json.dumps(two_good_and_a_flat_one().rows()[0], allow_nan=False))
    wanted = "q phi params errors chi2_red n_points flags hdi r_hat ess_bulk ess_tail divergences bfmi"
    assert {*wanted.split(), "converged", "reasons", "seconds"} <= set(row)
    low, high = row["hdi"]["tau"]
    assert low < 1e-2 < high


def test_log_likelihood_is_that_of_the_normal_distribution() -> None:
    from scipy.stats import norm

    result = two_good_and_a_flat_one()
    found, use = result.log_likelihood(0)
    assert result.data.sigma is not None
    draw = {n: result.samples[n][0, 1, 5] for n in result.spec.names}
    mean = result.spec.evaluate(result.data.t, list(draw.values()))
    expected = norm.logpdf(result.data.g2[use, 0], mean, result.data.sigma[use, 0])
    np.testing.assert_allclose(found[1, 5], expected, rtol=1e-9)


def test_intervals_cover_the_truth_of_starved_data() -> None:
    hits = []
    for scale, seed in ((1e-6, 1), (1e-3, 2), (1.0, 3), (100.0, 4)):
        data, truth = starved(scale, 50, seed)
        result = sample_g2(data, FitConfig("stretched", warmup=150, samples=250, seed=1, early_stop=False))
        for j, name in enumerate(result.spec.names):
            low, high = np.quantile(result.samples[name], [0.05, 0.95], axis=(1, 2))
            hits.append((low <= truth[:, j]) & (truth[:, j] <= high))
    assert 0.85 <= np.mean(hits) <= 0.95
