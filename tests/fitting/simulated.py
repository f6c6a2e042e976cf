"""Simulated g2 with known truth."""

from __future__ import annotations

import numpy as np

from xpcs_dash.fitting.data import FitData
from xpcs_dash.fitting.models import MODELS


def starved(
    scale: float, n: int, seed: int, gamma: tuple[float, float] = (0.5, 1.8), n_t: int = 62
) -> tuple[FitData, np.ndarray]:
    """Photon-starved stretched decays near ``scale`` seconds, and their parameters (n, 4).

    Coincidences grow along the delays from 0.1 to 1e4, as in multi-tau; each point is a Poisson count over
    its expectation, and those with fewer than 10 expected are not trusted.
    """
    rng = np.random.default_rng(seed)
    truth = np.stack(
        [
            rng.uniform(0.2, 0.6, n),
            rng.uniform(0.97, 1.03, n),
            scale * 10 ** rng.uniform(-0.5, 0.5, n),
            rng.uniform(*gamma, n),
        ],
        axis=-1,
    )
    t = scale * np.geomspace(1e-4, 1e2, n_t)
    count = np.geomspace(0.1, 1e4, n_t)[:, None]
    model = MODELS["stretched"].evaluate(t, truth).T
    g2 = rng.poisson(count * model) / count
    sigma = np.broadcast_to(1 / np.sqrt(count), g2.shape).copy()
    return fit_data_of(t, g2, sigma, np.broadcast_to(count >= 10, g2.shape).copy()), truth


def clean(
    model: str, truth: list[list[float]], sigma: float, seed: int = 0, n_t: int = 60, known: bool = True
) -> FitData:
    """Curves of ``model`` from 10 µs to 1 s with Gaussian noise."""
    rng = np.random.default_rng(seed)
    t = np.geomspace(1e-5, 1.0, n_t)
    g2 = MODELS[model].evaluate(t, np.array(truth)).T
    g2 = g2 + sigma * rng.standard_normal(g2.shape)
    return fit_data_of(t, g2, np.full_like(g2, sigma) if known else None)


def fit_data_of(
    t: np.ndarray, g2: np.ndarray, sigma: np.ndarray | None, trusted: np.ndarray | None = None
) -> FitData:
    n_q = g2.shape[1]
    return FitData(
        t=t,
        g2=g2,
        sigma=sigma,
        trusted=np.ones(g2.shape, dtype=bool) if trusted is None else trusted,
        q=np.geomspace(1e-3, 1e-2, n_q),
        phi=np.zeros(n_q),
        labels=np.arange(1, n_q + 1),
    )
