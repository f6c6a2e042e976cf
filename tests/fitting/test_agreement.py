"""NLSQ, JAX and NumPy find the same optimum on every sample, bin by bin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import A001, A002, A003, BES, E0173, LLPS_MIDDLE, LLPS_STRONG, LLPS_WEAK
from tests.fitting.simulated import clean
from xpcs_dash import open_result
from xpcs_dash.fitting.batch import BatchFit, fit_all_q
from xpcs_dash.fitting.data import FitData, fit_data
from xpcs_dash.fitting.nlsq import nlsq_all

Sample = Callable[[str], Path]

SAMPLES = (A001, A002, A003, BES, E0173, LLPS_MIDDLE, LLPS_STRONG, LLPS_WEAK)


def both(path: Path, model: str, backend: str = "jax", most: int = 10_000) -> tuple[FitData, BatchFit]:
    """Data of a file, of ``most`` bins all over it, and their fit."""
    data = fit_data(open_result(path))
    if data.n_q > most:
        pick = np.unique(np.linspace(0, data.n_q - 1, most).astype(int))
        assert data.sigma is not None
        data = replace(
            data,
            **{name: getattr(data, name)[:, pick] for name in ("g2", "sigma", "trusted")},
            **{name: getattr(data, name)[pick] for name in ("q", "phi", "labels")},
        )
    return data, fit_all_q(data.t, data.g2, data.sigma, data.trusted, model, backend=backend)


def off_by_sigma(data: FitData, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n_q,) largest distance of two curves (n_delay, n_q) at the points used, in σ."""
    sigma = np.where(data.used, data.sigma, 1.0)
    return np.max(np.where(data.used, np.abs(one - other) / sigma, 0.0), axis=0)


@pytest.mark.parametrize("model", ["single", "stretched"])
@pytest.mark.parametrize("name", SAMPLES)
def test_nlsq_and_batch_agree_in_bins_all_over_the_file(sample: Sample, name: str, model: str) -> None:
    # a curve takes nlsq about a second; all bins of every file stand in the comparison of the two engines
    data, batch = both(sample(name), model, most=8)
    ones = nlsq_all(data.t, data.g2, data.sigma, data.trusted, model)
    fitted = ~batch.too_few_points
    assert fitted.sum() >= 5
    chi2 = np.array([one.chi2 for one in ones])
    np.testing.assert_allclose(chi2[fitted], batch.chi2[fitted], rtol=1e-6, atol=1e-6)
    curves = np.stack([one.curve(data.t) for one in ones], axis=1)
    assert off_by_sigma(data, curves, batch.curve(data.t))[fitted].max() < 1e-3
    # what the data do not determine has no error, and only that may differ
    values = np.array([one.vector for one in ones])
    errors = np.array([[one.errors[n] for n in one.names] for one in ones])
    known = np.isfinite(batch.errors)
    np.testing.assert_array_equal(np.isfinite(errors[fitted]), known[fitted])
    np.testing.assert_allclose(values[known], batch.values[known], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(errors[batch.good], batch.errors[batch.good], rtol=1e-2)


def test_two_decays_agree_where_both_are_seen(sample: Sample) -> None:
    compared = 0
    for name in SAMPLES:
        data, batch = both(sample(name), "double")
        # not only good bins: wherever the errors fit between the bounds, both must end at the same place
        spec, unseen = batch.spec, batch.too_few_points | batch.no_decay | batch.not_converged
        room = spec.coordinates(batch.upper) - spec.coordinates(batch.lower)
        narrow = batch.errors / np.where(spec.log, batch.values, 1.0) <= room
        free = ~batch.at_bound[:, [spec.index("tau1"), spec.index("tau2")]].any(axis=1)
        pick = np.flatnonzero(~unseen & ~batch.incomplete_decay & free & narrow.all(axis=1))
        assert data.sigma is not None
        ones = nlsq_all(data.t, data.g2[:, pick], data.sigma[:, pick], data.trusted[:, pick], "double")
        for k, one in zip(pick, ones, strict=True):
            assert one.chi2 == pytest.approx(batch.chi2[k], rel=1e-6, abs=1e-6)
            np.testing.assert_allclose(one.vector, batch.values[k], rtol=1e-3, atol=1e-6)
        compared += len(pick)
    assert compared >= 5


@pytest.mark.parametrize("model", ["single", "stretched", "double"])
@pytest.mark.parametrize("name", SAMPLES)
def test_engines_agree_in_every_bin(sample: Sample, name: str, model: str) -> None:
    data, jax = both(sample(name), model)
    _, numpy = both(sample(name), model, "numpy")
    done = ~jax.too_few_points & ~jax.not_converged & ~numpy.not_converged
    # two decays where there is none leave a valley without a bottom
    assert (done | jax.too_few_points | (jax.no_decay & (model == "double"))).all()
    close = 1e-5 if model == "double" else 1e-6
    np.testing.assert_allclose(jax.chi2[done], numpy.chi2[done], rtol=close, atol=close)
    assert off_by_sigma(data, jax.curve(data.t), numpy.curve(data.t))[done].max() < 1e-3
    good = jax.good
    np.testing.assert_array_equal(numpy.good, good)
    np.testing.assert_allclose(jax.values[good], numpy.values[good], rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(jax.errors[good], numpy.errors[good], rtol=1e-2)


def rising_curve() -> tuple[np.ndarray, np.ndarray]:
    """A curve that rises with the delay, which no decay describes better than a constant."""
    t = np.geomspace(1e-5, 1, 40)
    return t, (1.0 + 1e-3 * np.linspace(0, 1, 40))[:, None]


@pytest.mark.parametrize("engine", ["jax", "numpy"])
@pytest.mark.parametrize("model", ["single", "stretched", "double"])
def test_a_curve_without_decay_has_one_answer(engine: str, model: str) -> None:
    t, g2 = rising_curve()
    fit = fit_all_q(t, g2, np.full_like(g2, 1e-2), model=model, backend=engine)
    assert fit["contrast"][0] == 0
    assert fit["baseline"][0] == pytest.approx(g2.mean())
    assert fit.chi2[0] == pytest.approx(fit.chi2_flat[0])
    for name in fit.names:
        if name.startswith("tau"):
            assert fit[name][0] == pytest.approx(np.sqrt(1e-5))  # the middle of the window
            assert np.isnan(fit.error(name)[0])
        if name.startswith("gamma"):
            assert fit[name][0] == 1
    assert "no_decay" in fit.flags(0)
    assert not fit.good[0]


def test_nlsq_gives_the_same_answer_without_a_decay() -> None:
    t, g2 = rising_curve()
    one = nlsq_all(t, g2, np.full_like(g2, 1e-2), model="stretched")[0]
    assert one.values["contrast"] == 0
    assert one.values["tau"] == pytest.approx(np.sqrt(1e-5))
    assert np.isnan(one.errors["tau"])


def test_fewer_steps_are_said_not_to_be_enough() -> None:
    truth = [0.3, 1.0, 3e-4, 1.0, 3e-2, 1.2, 0.4]
    data = clean("double", [truth], 2e-4, n_t=120)
    short = fit_all_q(data.t, data.g2, data.sigma, model="double", backend="numpy", steps=1)
    whole = fit_all_q(data.t, data.g2, data.sigma, model="double", backend="numpy")
    assert "not_converged" in short.flags(0)
    assert whole.flags(0) == ()
    assert whole.chi2[0] < short.chi2[0]
