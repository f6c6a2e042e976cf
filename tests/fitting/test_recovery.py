"""Least squares on simulated photon-starved data, from microseconds to minutes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fitting.simulated import starved
from xpcs_dash.fitting.batch import fit_all_q

SCALES = ((1e-6, 1), (1e-3, 2), (1.0, 3), (100.0, 4))


@pytest.mark.parametrize("engine", ["numpy", "jax"])
def test_intervals_cover_the_truth_and_chi2_is_one(engine: str) -> None:
    hits, chi2 = [], []
    for scale, seed in SCALES:
        data, truth = starved(scale, 50, seed)
        fit = fit_all_q(data.t, data.g2, data.sigma, data.trusted, "stretched", backend=engine)
        for j, name in enumerate(fit.names):
            low, high = fit.interval(name, 0.9)
            hits.append((low <= truth[:, j]) & (truth[:, j] <= high))
        chi2.append(fit.chi2_red)
    assert 0.85 <= np.mean(hits) <= 0.95
    assert 0.8 <= np.median(chi2) <= 1.2
