"""Numbers of the convergence plots, from the draws of one parameter: ranks, autocorrelation, density."""

from __future__ import annotations

import math

import numpy as np

Draws = np.ndarray


def rank_counts(values: Draws, bins: int = 20) -> np.ndarray:
    """How often each chain takes each fraction of the ranks of all draws together.

    Parameters
    ----------
    values : (n_chain, n_draw).
    bins : number of equal parts of the ranks.

    Returns
    -------
    (n_chain, bins) counts divided by what is expected of chains that agree, so 1 everywhere is perfect.
    """
    chains, n = values.shape
    ranks = np.empty(values.size)
    ranks[np.argsort(values, axis=None, kind="stable")] = np.arange(values.size)
    bin_of = (ranks.reshape(chains, n) * bins / values.size).astype(int)
    counts = np.stack([np.bincount(row, minlength=bins)[:bins] for row in bin_of])
    return counts * bins / n


def autocorrelation(values: Draws, lags: int = 100) -> np.ndarray:
    """Autocorrelation of each chain up to ``lags``.

    Parameters
    ----------
    values : (n_chain, n_draw).

    Returns
    -------
    (n_chain, min(lags, n_draw - 1) + 1), 1 at lag 0; 0 beyond it for a chain that never moves.
    """
    n = values.shape[1]
    lags = max(0, min(lags, n - 1))
    centred = values - values.mean(axis=1, keepdims=True)
    size = 1 << (2 * n - 1).bit_length()
    power = np.abs(np.fft.rfft(centred, size, axis=1)) ** 2
    sums = np.fft.irfft(power, size, axis=1)[:, : lags + 1]
    zero = sums[:, :1]
    made = np.divide(sums, zero, out=np.zeros_like(sums), where=zero > 0)
    made[:, 0] = 1.0
    return made


def density(values: np.ndarray, points: int = 120, log: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Smoothed distribution of draws (Gaussian kernel, Silverman's width, on a fine grid).

    Parameters
    ----------
    values : (n,) draws.
    points : number of places.
    log : smooth the logarithm; the density is then per unit of ln x.

    Returns
    -------
    (points,), (points,) places and density; two zeros where nothing varies.
    """
    x = np.log(values[values > 0]) if log else values[np.isfinite(values)]
    if x.size < 2 or np.ptp(x) == 0:
        where = np.exp(x[:1]) if log else x[:1]
        return np.repeat(where, 2), np.zeros(2 if x.size else 0)
    quartiles = np.percentile(x, [25, 75])
    wide = min(float(x.std()), float(np.ptp(quartiles)) / 1.349) or float(x.std())
    width = 0.9 * wide * x.size**-0.2
    grid = np.linspace(x.min() - 3 * width, x.max() + 3 * width, 1024)
    counts, _ = np.histogram(x, bins=np.append(grid, grid[-1] + grid[1] - grid[0]))
    half = min(511, max(1, math.ceil(4 * width / (grid[1] - grid[0]))))
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) * (grid[1] - grid[0]) / width) ** 2)
    smooth = np.convolve(counts, kernel / kernel.sum(), mode="same") / (x.size * (grid[1] - grid[0]))
    places = np.linspace(grid[0], grid[-1], points)
    made = np.interp(places, grid, smooth)
    return (np.exp(places) if log else places), made
