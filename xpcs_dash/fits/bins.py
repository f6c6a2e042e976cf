"""What the list of stored fits and the plots keep of each bin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.fits.request import state_of

if TYPE_CHECKING:
    from xpcs_dash.fitting.data import FitData
    from xpcs_dash.fitting.diagnostics import FitDiagnostics
    from xpcs_dash.fitting.nlsq import NLSQResult
    from xpcs_dash.fitting.results import FitResult

BAND = 0.94
"""Probability of the intervals and bands, as in `FitResult.summary`."""


def of_nlsq(data: FitData, k: int, result: NLSQResult) -> dict[str, Any]:
    """One bin of a least-squares fit."""
    return _place(data, k) | {
        "state": state_of(result.flags),
        "reasons": list(result.reasons),
        "flags": list(result.flags),
        "chi2": _plain(result.chi2_red),
        "n_points": result.n_points,
        "r2": _plain(result.r2),
        "aic": _plain(result.aic),
        "bic": _plain(result.bic),
        "values": {
            name: [_plain(result.values[name]), None, None, _plain(result.errors[name])]
            for name in result.names
        },
    }


def of_sampled(result: FitResult, k: int) -> dict[str, Any]:
    """One bin of a sampled fit: medians and intervals, the checks, and why it failed."""
    fit, found, summary = result.warm_start, result.diagnostics[k], result.summary[k]
    values: dict[str, list[float | None]] = {}
    for j, name in enumerate(fit.names):
        if name in summary:
            numbers = summary[name]
            values[name] = [_plain(numbers[key]) for key in ("median", "hdi_lo", "hdi_hi", "sd")]
        else:
            values[name] = [_plain(fit.values[k, j]), None, None, 0.0]
    said = result.verdict(k)
    left_out = result.loo(k)
    points: list[float | None] = [None] * result.data.t.size
    for i, value in zip(np.flatnonzero(result.data.used[:, k]), left_out.elpd, strict=True):
        points[int(i)] = _plain(round(float(value), 4))
    return _place(result.data, k) | {
        "state": said.state,
        "converged": found.passed,
        "reasons": list(said.reasons),
        "flags": list(said.flags),
        "chi2": _plain(fit.chi2_red[k]),
        "n_points": int(fit.n_points[k]),
        "values": values,
        "checks": checks(found),
        "elpd_loo": _plain(left_out.total),
        "elpd_loo_se": _plain(left_out.se),
        "elpd_points": points,
        "p_loo": _plain(left_out.p),
        "pareto_k": _plain(left_out.pareto_k.max(initial=-math.inf)),
        "pareto_bad": left_out.bad,
    }


def checks(found: FitDiagnostics) -> dict[str, list[Any]]:
    """Check -> [value, passed]; the worst parameter counts, and what is not a number has failed."""
    from xpcs_dash.fitting.diagnostics import THRESHOLDS

    worst = {
        "r_hat": max(found.r_hat.values(), key=_nan_last, default=math.nan),
        "ess_bulk": min(found.ess_bulk.values(), key=_nan_first, default=math.nan),
        "ess_tail": min(found.ess_tail.values(), key=_nan_first, default=math.nan),
    }
    return {
        "r_hat": [_plain(worst["r_hat"]), bool(worst["r_hat"] < THRESHOLDS.r_hat)],
        "ess_bulk": [_plain(worst["ess_bulk"]), bool(worst["ess_bulk"] > THRESHOLDS.ess)],
        "ess_tail": [_plain(worst["ess_tail"]), bool(worst["ess_tail"] > THRESHOLDS.ess)],
        "divergences": [found.divergences, found.divergences <= THRESHOLDS.divergences],
        "bfmi": [_plain(found.bfmi), bool(found.bfmi >= THRESHOLDS.bfmi)],
        "misfit": [_plain(found.predictive_p), not found.misfit],
    }


def plot_arrays(result: FitResult, points: int = 160, most: int = 400) -> dict[str, np.ndarray]:
    """What the plots need: draws, divergences, energies, and the bands of curve and data.

    Returns
    -------
    ``draws/<name>`` (n_q, chain, draw) float32, ``diverging`` bool, ``energy`` float32; ``x`` (points,) and
    ``curve`` (n_q, 2, points) for the band of the curve; ``predictive`` (n_q, 2, n_delay) of the data, NaN
    without sigma; ``bfmi`` (n_q, chain).
    """
    from xpcs_dash.fitting.diagnostics import bfmi

    data, t = result.data, result.data.t
    good = t[t > 0]
    x = np.geomspace(good.min(), good.max(), points)
    curve = np.empty((data.n_q, 2, points))
    predictive = np.full((data.n_q, 2, t.size), np.nan)
    rng = np.random.default_rng(result.seed)
    for k in range(data.n_q):
        curve[k, 0], _, curve[k, 1] = result.bands(k, x, BAND)
        if data.sigma is None:
            continue
        draws = result.draws(k)
        draws = draws[np.linspace(0, len(draws) - 1, min(most, len(draws))).astype(int)]
        sigma = np.where(data.trusted[:, k], data.sigma[:, k], np.nan)
        made = np.asarray(result.spec.evaluate(np.maximum(t, 1e-30), draws))
        made = made + sigma * rng.standard_normal(made.shape)
        predictive[k] = np.quantile(made, [0.5 - BAND / 2, 0.5 + BAND / 2], axis=0)
    arrays = {f"draws/{name}": np.asarray(a, dtype=np.float32) for name, a in result.samples.items()}
    return arrays | {
        "diverging": np.asarray(result.stats["diverging"], dtype=bool),
        "energy": np.asarray(result.stats["energy"], dtype=np.float32),
        "bfmi": np.stack([bfmi(energy) for energy in result.stats["energy"]]),
        "x": x,
        "t": t,
        "curve": curve,
        "predictive": predictive,
    }


def _place(data: FitData, k: int) -> dict[str, Any]:
    return {"label": int(data.labels[k]), "q": _plain(data.q[k]), "phi": _plain(data.phi[k])}


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _nan_last(value: float) -> float:
    return math.inf if math.isnan(value) else value


def _nan_first(value: float) -> float:
    return -math.inf if math.isnan(value) else value
