"""The numbers behind the convergence plots, and the plots themselves."""

from __future__ import annotations

from base64 import b64decode

import numpy as np
import pytest

from xpcs_dash.figures import diagnostics as d


@pytest.fixture
def draws():
    rng = np.random.default_rng(3)
    return {"β": rng.normal(0.2, 0.01, (4, 500)), "τ (s)": np.exp(rng.normal(-7, 0.1, (4, 500)))}


def test_ranks_of_agreeing_chains_are_flat_and_of_a_stuck_chain_are_not(draws):
    counts = d.rank_counts(draws["β"], 10)
    assert counts.mean() == pytest.approx(1)
    assert np.abs(counts - 1).max() < 0.6
    stuck = draws["β"].copy()
    stuck[0] += 1
    assert d.rank_counts(stuck, 10)[0].max() > 3


def test_autocorrelation_of_a_known_process():
    rng = np.random.default_rng(1)
    x = np.zeros((2, 20000))
    for k in range(1, x.shape[1]):
        x[:, k] = 0.9 * x[:, k - 1] + rng.normal(size=2)
    rho = d.autocorrelation(x, 20)
    assert rho.shape == (2, 21)
    assert rho[:, 0] == pytest.approx(1)
    assert rho[:, 5] == pytest.approx(0.9**5, abs=0.06)
    assert d.autocorrelation(np.ones((2, 10)), 20).shape == (2, 10)
    assert not d.autocorrelation(np.ones((2, 10)), 20)[:, 1:].any()


@pytest.mark.parametrize("log", [False, True])
def test_density_integrates_to_one(draws, log):
    values = draws["τ (s)" if log else "β"].ravel()
    x, y = d.density(values, log=log)
    assert np.trapezoid(y, np.log(x) if log else x) == pytest.approx(1, abs=0.02)
    assert x[np.argmax(y)] == pytest.approx(np.median(values), rel=0.05)


def test_density_of_draws_that_never_move_is_no_error():
    x, y = d.density(np.full(50, 3.0))
    assert x.tolist() == [3, 3]
    assert y.tolist() == [0, 0]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_all_plots_are_valid_figures(draws, theme):
    divergent = np.zeros((4, 500), bool)
    divergent[1, 7] = True
    prior = {"β": (np.linspace(0, 1, 5), np.ones(5))}
    made = {
        "trace": d.figure_trace(draws, theme, divergent=divergent, log=["τ (s)"]),
        "rank": d.figure_rank(draws, theme),
        "autocorrelation": d.figure_autocorrelation(draws, theme),
        "pair": d.figure_pair(draws, theme, divergent=divergent, log=["τ (s)"]),
        "energy": d.figure_energy(draws["β"] * 100, [0.9, 1.0], theme),
        "prior": d.figure_prior(draws, prior, theme, log=["τ (s)"]),
    }
    assert set(made) | {"forest"} == set(d.KINDS) == set(d.WHAT_TO_SEE)
    figures = {name: drawing.to_figure() for name, drawing in made.items()}
    assert len(figures["trace"].data) == 2 * (4 + 1)
    where = np.frombuffer(b64decode(figures["pair"].data[1].x["bdata"]))
    assert where.tolist() == [pytest.approx(draws["β"][1, 7])]
    assert "0.90, 1.00" in figures["energy"].layout.annotations[0].text
    assert figures["prior"].data[1].name == "prior"


def test_numbers_agree_with_arviz(draws):
    import arviz_stats as stats

    values = draws["β"]
    theirs = stats.base.array_stats.autocorr(values, axis=-1)[:, :21]
    assert d.autocorrelation(values, 20) == pytest.approx(theirs, abs=1e-9)
    ranks = stats.base.array_stats.compute_ranks(values.ravel(), relative=False).reshape(values.shape)
    counts = [np.histogram(row, bins=10, range=(0.5, values.size + 0.5))[0] for row in ranks]
    assert d.rank_counts(values, 10) == pytest.approx(np.array(counts) * 10 / values.shape[1])
    x, y = d.density(values.ravel())
    grid, kde, _ = stats.base.array_stats.kde(values.ravel())
    assert np.trapezoid(np.abs(np.interp(x, grid, kde) - y), x) < 0.1


def test_every_axis_says_what_it_shows(draws):
    for name, drawing in {
        "rank": d.figure_rank(draws),
        "autocorrelation": d.figure_autocorrelation(draws),
    }.items():
        beside = [a.text for a in drawing.to_figure().layout.annotations if a.textangle == -90]
        assert len(beside) == 1, name
    for drawing in (d.figure_energy(draws["β"]), d.figure_prior(draws, {})):
        assert drawing.to_figure().layout.yaxis.title.text == "density"
