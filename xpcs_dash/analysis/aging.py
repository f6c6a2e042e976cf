"""Dynamics that change during a run: g2 at constant age from a two-time matrix, and how τ depends on age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.analysis.twotime import Triangle
from xpcs_dash.errors import UsageError
from xpcs_dash.results.verdict import verdict

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AgeSlice:
    """g2 of one slice of age.

    Attributes
    ----------
    age : middle of the slice, in frames; t = (t1 + t2)/2.
    lag : (m,) frames.
    g2 : (m,) mean of C2 over the pairs of the slice.
    sigma : (m,) standard error from the scatter of the pairs; NaN for a single pair.
    pairs : (m,) pairs averaged.
    """

    age: float
    lag: Floats
    g2: Floats
    sigma: Floats
    pairs: NDArray[np.int64]


def age_slices(data: Triangle, n_slices: int = 8, per_decade: int = 12) -> list[AgeSlice]:
    """g2(lag) in equal slices of age t = (t1 + t2)/2, on a logarithmic grid of lags.

    The diagonal is left out: it holds no correlation between different frames.

    Parameters
    ----------
    data : from `build`. Where it keeps block averages, lags and ages come in steps of its factor.
    n_slices : slices over the whole run.
    per_decade : lags per decade above the first few, which stay single.
    """
    m, f = data.stored, data.factor
    if not 1 <= n_slices <= max(1, m // 4):
        raise UsageError(f"Between 1 and {max(1, m // 4)} slices of age fit into this run.")
    sums, squares = np.zeros((n_slices, m)), np.zeros((n_slices, m))
    counts = np.zeros((n_slices, m), dtype=np.int64)
    edges = np.linspace(0, m, n_slices + 1) * 2.0  # in units of i + j
    for r0, part in data.slabs:
        for k in range(part.shape[0]):
            i = r0 + k
            row = part[k, k:].astype(np.float64)  # columns i … m
            first = np.clip(np.ceil(edges - 2 * i - 1e-9), 0, row.size).astype(np.int64)
            for s in range(n_slices):
                lo, hi = first[s], first[s + 1]
                if hi > lo:
                    sums[s, lo:hi] += row[lo:hi]
                    squares[s, lo:hi] += row[lo:hi] ** 2
                    counts[s, lo:hi] += 1
    edges_lag = lag_edges(m, per_decade)
    result = []
    for s in range(n_slices):
        age = (edges[s] + edges[s + 1]) / 4 * f
        result.append(_combined(age, edges_lag, sums[s], squares[s], counts[s], f))
    return result


def lag_edges(n: int, per_decade: int) -> NDArray[np.int64]:
    """Borders of lag groups: 1, 2, 3, … single while they are denser than ``per_decade`` a decade."""
    edges = [1]
    while edges[-1] < n:
        edges.append(max(edges[-1] + 1, round(edges[-1] * 10 ** (1 / per_decade))))
    return np.array(edges, dtype=np.int64)


def _combined(
    age: float, edges: NDArray[np.int64], sums: Floats, squares: Floats, counts: NDArray[np.int64], f: int
) -> AgeSlice:
    lag, g2, sigma, pairs = [], [], [], []
    for lo, hi in zip(edges[:-1], np.minimum(edges[1:], sums.size), strict=True):
        n = int(counts[lo:hi].sum())
        if n == 0:
            continue
        mean = sums[lo:hi].sum() / n
        spread = max(squares[lo:hi].sum() / n - mean**2, 0.0)
        lag.append(float((np.arange(lo, hi) * counts[lo:hi]).sum() / n * f))
        g2.append(mean)
        sigma.append(np.sqrt(spread / (n - 1)) if n > 1 else np.nan)
        pairs.append(n)
    return AgeSlice(float(age), np.array(lag), np.array(g2), np.array(sigma), np.array(pairs, dtype=np.int64))


def age_cut(data: Triangle, age: float, width: int = 1) -> AgeSlice:
    """C2 along the line of constant age (t1 + t2)/2 = ``age``, averaged over ``width`` frames of age.

    Parameters
    ----------
    age : frames, inside the run.
    width : frames of age averaged; 1 gives the lags that meet the age exactly (or half a frame beside it).
    """
    if not 0 <= age <= data.n - 1:
        raise UsageError(f"The age must lie between 0 and {data.n - 1} frames.")
    f, m = data.factor, data.stored
    low, high = 2 * (age - width / 2) / f, 2 * (age + width / 2) / f
    sums, squares, counts = np.zeros(m), np.zeros(m), np.zeros(m, dtype=np.int64)
    for r0, part in data.slabs:
        for k in range(part.shape[0]):
            i = r0 + k
            lo = int(np.clip(np.ceil(low - 2 * i), 0, m - i))
            hi = int(np.clip(np.floor(high - 2 * i) + 1, 0, m - i))
            if hi > lo:
                row = part[k, k + lo : k + hi].astype(np.float64)
                sums[lo:hi] += row
                squares[lo:hi] += row**2
                counts[lo:hi] += 1
    edges = np.arange(1, m + 1, dtype=np.int64)
    return _combined(float(age), edges, sums, squares, counts, f)


@dataclass(frozen=True)
class AgeFit:
    """Single exponential of one slice: g2 = baseline + contrast·exp[−2(τ/τc)^γ], baseline and γ given.

    Attributes
    ----------
    age_s, tau_s, tau_err_s, contrast : values; seconds.
    chi2 : reduced χ² against the scatter of the pairs.
    flags : why it is not good, as of a bin of g2; see `results.verdict`.
    """

    age_s: float
    tau_s: float
    tau_err_s: float
    contrast: float
    chi2: float
    flags: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """One of "ok", "failed" where its τ says nothing, "window" where the lags do not hold the decay."""
        found = verdict(self.flags)
        return "ok" if found.good else "window" if found.has_numbers else "failed"


def fit_slices(slices: list[AgeSlice], dt_s: float, baseline: float = 1.0) -> list[AgeFit]:
    """τ of each slice of age by weighted least squares with the baseline fixed.

    The lags of a slice end where the run ends, often before the decay does, so a free baseline would trade
    against τ; two-time matrices are normalised frame by frame, for which it is 1.

    Parameters
    ----------
    dt_s : seconds per frame.
    """
    return [_fit_one(s, dt_s, baseline) for s in slices]


def _fit_one(s: AgeSlice, dt_s: float, baseline: float) -> AgeFit:
    from scipy.optimize import least_squares  # 40 ms of import that most pages do not need

    age = s.age * dt_s
    good = np.isfinite(s.g2) & np.isfinite(s.sigma) & (s.sigma > 0) & (s.pairs >= 4)
    nan = float("nan")
    failed = AgeFit(age, nan, nan, nan, nan, ("too_few_points",))
    if good.sum() < 5:
        return failed
    t, y = s.lag[good] * dt_s, s.g2[good] - baseline
    # neighbouring pairs share frames: the scatter alone is too sure of long averages
    sigma = np.maximum(s.sigma[good], 0.002 * max(float(np.abs(y).max()), 1e-6))
    start = np.array([max(float(y[:3].mean()), 1e-4), np.log(t[len(t) // 2])])

    def residual(p: Floats) -> Floats:
        return np.asarray((p[0] * np.exp(-2.0 * t / np.exp(p[1])) - y) / sigma)

    low, high = np.log(t[0] / 20), np.log(t[-1] * 200)
    best = least_squares(residual, start, bounds=([-2.0, low], [10.0, high]), method="trf")
    contrast, log_tau = (float(v) for v in best.x)
    dof = max(t.size - 2, 1)
    chi2 = float(2 * best.cost / dof)
    try:
        covariance = np.linalg.inv(best.jac.T @ best.jac) * max(chi2, 1.0)
    except np.linalg.LinAlgError:
        return replace(failed, flags=("undetermined:tau",))
    tau = float(np.exp(log_tau))
    error = tau * float(np.sqrt(max(covariance[1, 1], 0.0)))
    flags = ["no_decay"] if contrast <= 0 else []
    if not error <= tau:
        flags.append("undetermined:tau")
    # less than a third of the decay inside the lags, or most of it before the first one
    if tau > 5.0 * t[-1] or tau < t[0]:
        flags.append("incomplete_decay")
    return AgeFit(age, tau, error, contrast, chi2, tuple(flags))


@dataclass(frozen=True)
class Stationarity:
    """How far g2 depends on age.

    Attributes
    ----------
    score : 1 where the dynamics stay as they are. With a τ for three ages or more it is the ratio of the
        shortest to the longest τ of a steady drift with the same spread: 0.25 for a four-fold change. Else
        it is 1 − ``change``.
    change : RMS difference of g2 between ages beyond scatter, divided by the contrast.
    ages : fitted τ behind the score; 0 where it rests on ``change``.
    """

    score: float
    change: float
    ages: int = 0


def stationarity(
    slices: list[AgeSlice], baseline: float = 1.0, fits: Sequence[AgeFit] = ()
) -> Stationarity | None:
    """How far the dynamics stay as they are over the run.

    From ``fits`` with at least three good τ: the variance of ln τ over the ages, less what their errors
    explain, as the drift L of ln τ from the first to the last age that would spread the same; the score is
    exp(−L). Over n equidistant ages a drift L has the variance L²·n(n + 1)/(12·(n − 1)²). Otherwise the
    slices are compared lag by lag: the lags lie on a logarithmic grid and count alike, and the variance
    expected from the scatter is taken off. None where there are neither three τ nor two slices that share
    three lags.
    """
    good = [f for f in fits if f.status == "ok" and f.tau_s > 0]
    change = _change(slices, baseline)
    if len(good) >= 3:
        n = len(good)
        log_tau = np.log([f.tau_s for f in good])
        noise = np.mean([(f.tau_err_s / f.tau_s) ** 2 for f in good])
        beyond = max(float(log_tau.var(ddof=1) - noise), 0.0)
        drift = np.sqrt(12.0 * beyond / (n * (n + 1))) * (n - 1)
        return Stationarity(float(np.exp(-drift)), float("nan") if change is None else change, n)
    return None if change is None else Stationarity(max(0.0, 1.0 - change), change)


def _change(slices: list[AgeSlice], baseline: float) -> float | None:
    """RMS difference of g2 between ages over the contrast; None where too few slices share lags."""
    usable = [s for s in slices if s.lag.size >= 3]
    if len(usable) < 2:
        return None
    table: dict[int, list[tuple[float, float]]] = {}
    for s in usable:
        for lag, g2, sigma, n in zip(s.lag, s.g2, s.sigma, s.pairs, strict=True):
            if np.isfinite(sigma) and n >= 4:
                table.setdefault(round(lag * 4), []).append((g2, sigma**2))
    between, weight, top = 0.0, 0.0, 0.0
    shared = 0
    for values in table.values():
        if len(values) < max(2, len(usable) // 2):
            continue
        g2, variance = (np.array(v) for v in zip(*values, strict=True))
        between += max(float(g2.var(ddof=1)) - float(variance.mean()), 0.0)
        weight += 1.0
        top = max(top, float(g2.mean()) - baseline)
        shared += 1
    if shared < 3 or top <= 0:
        return None
    return float(np.sqrt(between / weight)) / top
