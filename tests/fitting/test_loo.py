from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

from xpcs_dash.fitting.loo import difference, loo


def draws_of_a_mean(y: np.ndarray, seed: int = 0) -> np.ndarray:
    """Log likelihood (4, 1000, n) of y ~ Normal(mu, 1) under the posterior of mu with a flat prior."""
    rng = np.random.default_rng(seed)
    mu = y.mean() + rng.standard_normal((4, 1000, 1)) / np.sqrt(y.size)
    return np.asarray(norm.logpdf(y, mu, 1.0))


def exact(y: np.ndarray) -> np.ndarray:
    n = y.size
    others = (y.sum() - y) / (n - 1)
    return np.asarray(norm.logpdf(y, others, np.sqrt(1.0 + 1.0 / (n - 1))))


def test_it_is_the_density_of_each_point_given_the_others() -> None:
    y = np.random.default_rng(1).standard_normal(40)
    found = loo(draws_of_a_mean(y))
    np.testing.assert_allclose(found.elpd, exact(y), atol=0.02)
    assert found.total == pytest.approx(exact(y).sum(), abs=0.05)
    assert found.p == pytest.approx(1.0, abs=0.3)
    assert found.bad == 0


def test_a_point_that_decides_the_fit_alone_is_bad() -> None:
    y = np.append(np.random.default_rng(2).standard_normal(9), 40.0)
    found = loo(draws_of_a_mean(y))
    assert found.pareto_k[-1] > found.limit
    assert found.bad >= 1
    assert found.limit == pytest.approx(0.7)


def test_weights_that_cannot_be_computed_count_as_bad() -> None:
    same = np.zeros((2, 50, 3))  # all draws alike: no tail to fit
    found = loo(same)
    assert found.bad == 3
    assert found.total == pytest.approx(0.0)


def test_one_such_point_leaves_the_others_as_they_are() -> None:
    ll = draws_of_a_mean(np.random.default_rng(5).standard_normal(3))
    ll[..., 1] = -2.0
    found = loo(ll)
    assert found.elpd == pytest.approx([loo(ll[..., :1]).total, -2.0, loo(ll[..., 2:]).total])
    assert np.isfinite(found.pareto_k).tolist() == [True, False, True]
    assert found.bad == 1
    ll[0, 0, 1] = np.nan
    assert loo(ll).bad == 1


@pytest.mark.parametrize("r_eff", [1.0, 0.4])
def test_numbers_are_those_that_arviz_gives_for_the_tree(r_eff: float) -> None:
    import arviz_stats as az

    y = np.append(np.random.default_rng(3).standard_normal(12), [5.0, 12.0])
    ll = draws_of_a_mean(y)
    axes = ("chain", "draw", "point")
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({"mu": (axes[:2], ll[..., 0])}),
            "log_likelihood": xr.Dataset({"y": (axes, ll)}),
        }
    )
    with pytest.warns(UserWarning, match="Pareto"):
        theirs = az.loo(tree, pointwise=True, reff=r_eff)
    found = loo(ll, r_eff)
    np.testing.assert_allclose(found.elpd, theirs.elpd_i)
    np.testing.assert_allclose(found.pareto_k, theirs.pareto_k)
    assert (found.total, found.se, found.p) == pytest.approx((theirs.elpd, theirs.se, theirs.p))
    assert found.limit == pytest.approx(theirs.good_k)


def test_the_error_of_a_difference_is_that_of_the_pairs() -> None:
    rng = np.random.default_rng(4)
    a = rng.normal(0, 50, 100)
    b = a - 0.5 + 0.1 * rng.standard_normal(100)
    b[3] = np.nan  # used by one fit only
    gap, error = difference(a, b)
    assert gap == pytest.approx(0.5 * 99, rel=0.1)
    assert error == pytest.approx(0.1 * np.sqrt(99), rel=0.3)
