from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.fitting.simulated import clean
from xpcs_dash.fitting.nlsq import nlsq_optimize


def test_everything_needed_to_judge_a_fit(capfd: pytest.CaptureFixture[str]) -> None:
    data = clean("single", [[0.2, 1.0, 1e-2]], 2e-3)
    assert data.sigma is not None
    one = nlsq_optimize(data.t, data.g2[:, 0], data.sigma[:, 0])
    assert capfd.readouterr().out == ""
    assert one.success
    assert (one.health, one.reasons, one.flags, one.starts) == ("good", (), (), 1)
    assert one.message
    assert one.chi2 == pytest.approx(np.sum(one.residuals**2))
    assert one.chi2_red == pytest.approx(one.chi2 / 57)
    assert one.aic == pytest.approx(one.chi2 + 6)
    assert one.bic == pytest.approx(one.chi2 + 3 * np.log(60))
    assert 0.99 < one.r2 < 1
    assert one.covariance.shape == (3, 3)
    assert abs(one.values["tau"] - 1e-2) < 4 * one.errors["tau"]


def test_fixed_parameters_keep_their_value() -> None:
    data = clean("single", [[0.2, 1.0, 1e-2]], 2e-3)
    assert data.sigma is not None
    for baseline in (1.0, 1.01):
        one = nlsq_optimize(data.t, data.g2[:, 0], data.sigma[:, 0], fixed={"baseline": baseline})
        assert one.values["baseline"] == baseline
        assert one.errors["baseline"] == 0
        assert one.dof == 58


def test_too_few_points_are_a_failed_fit_not_a_number() -> None:
    one = nlsq_optimize([1e-3, 1e-2], [1.1, 1.0], [0.01, 0.01])
    assert one.health == "failed"
    assert "too_few_points" in one.flags
    assert np.isnan(one.errors["tau"])


def test_nlsq_leaves_the_compile_cache_and_the_terminal_alone(compiled: Path, capfd) -> None:
    import jax

    nlsq_optimize([1e-3, 1e-2, 0.1, 1.0, 2.0], [1.2, 1.1, 1.0, 1.0, 1.0], [0.01] * 5)
    assert jax.config.jax_compilation_cache_dir == str(compiled)
    assert capfd.readouterr() == ("", "")
