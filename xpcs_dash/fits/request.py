"""What is asked of a fit, and the data of a file that it concerns: the same for the live fit and for jobs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.errors import UsageError
from xpcs_dash.results.verdict import verdict

if TYPE_CHECKING:
    from xpcs_dash.fitting.batch import BatchFit
    from xpcs_dash.results.xpcs_file import XpcsFile

LIVE_STEPS = 80
"""Most steps of the live fit. Only two decays where there is one need more; they are then flagged."""

DEFAULT_BINS = 6
"""Bins that are shown until somebody chooses."""


@dataclass(frozen=True)
class FitRequest:
    """One fit of one file.

    Attributes
    ----------
    model : name of a model of g2.
    labels : 1-based labels of the dynamic map.
    sigma : "counting" or "file".
    delay : (first, last) delay in s, or None for all.
    fixed, start, bounds : by parameter name; what is missing follows the data.
    priors : name -> (kind, loc or None, scale), only those that differ from the model's own.
    chains, draws, warmup, seed : of the sampler.
    """

    model: str = "single"
    labels: tuple[int, ...] = ()
    sigma: str = "counting"
    delay: tuple[float, float] | None = None
    fixed: Mapping[str, float] = field(default_factory=dict)
    start: Mapping[str, float] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    priors: Mapping[str, tuple[str, float | None, float]] = field(default_factory=dict)
    chains: int = 4
    draws: int = 1000
    warmup: int = 500
    seed: int = 0

    def to_params(self) -> dict[str, Any]:
        """JSON-able parameters of a job."""
        return {
            "model": self.model,
            "labels": list(self.labels),
            "sigma": self.sigma,
            "delay": None if self.delay is None else list(self.delay),
            "fixed": dict(self.fixed),
            "start": dict(self.start),
            "bounds": {name: list(pair) for name, pair in self.bounds.items()},
            "priors": {name: list(prior) for name, prior in self.priors.items()},
            "chains": self.chains,
            "draws": self.draws,
            "warmup": self.warmup,
            "seed": self.seed,
        }

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> FitRequest:
        """Inverse of `to_params`; what is missing takes its default."""
        known = {name: params[name] for name in cls.__dataclass_fields__ if params.get(name) is not None}
        for name in ("labels", "delay"):
            if name in known:
                known[name] = tuple(known[name])
        if "bounds" in known:
            known["bounds"] = {name: (float(lo), float(hi)) for name, (lo, hi) in known["bounds"].items()}
        if "priors" in known:
            known["priors"] = {name: (k, loc, scale) for name, (k, loc, scale) in known["priors"].items()}
        return cls(**known)


def spread_bins(n: int, many: int = DEFAULT_BINS) -> tuple[int, ...]:
    """``many`` labels spread evenly from the first to the last of ``n``."""
    if n <= many:
        return tuple(range(1, n + 1))
    return tuple(dict.fromkeys(round(1 + k * (n - 1) / (many - 1)) for k in range(many)))


@dataclass(frozen=True)
class Selected:
    """The data of the chosen bins, as they are fitted.

    Attributes
    ----------
    t : (n_delay,) s.
    g2, sigma, coincidences : (n_delay, n).
    used : (n_delay, n) bool, points that are fitted.
    labels : (n,) of the bins; q, phi : (n,) Å⁻¹, degrees.
    split : True where the bins differ in φ as well.
    """

    t: np.ndarray
    g2: np.ndarray
    sigma: np.ndarray
    coincidences: np.ndarray
    used: np.ndarray
    labels: tuple[int, ...]
    q: np.ndarray
    phi: np.ndarray
    split: bool


def chosen(xf: XpcsFile, labels: Sequence[int] | None) -> tuple[int, ...]:
    """The labels asked for that the file has; six spread over its bins where nobody asked."""
    n = xf.g2.shape[1] if xf.g2 is not None else 0
    known = tuple(label for label in labels or () if 1 <= label <= n)
    return known or spread_bins(n)


def select(xf: XpcsFile, request: FitRequest) -> Selected:
    """Data of the bins and delays of a request.

    With ``counting`` the errors hold file and photon counting together, and points below the limit of
    coincidences are left out. With ``file`` the file's errors are taken as they are; what has none is out.

    Raises
    ------
    UsageError
        Where the file holds no g2.
    """
    if xf.g2 is None or xf.t_el is None or not xf.g2.size:
        raise UsageError(f"{xf.path.name} holds no multi-tau g2; choose another file to fit.")
    labels = chosen(xf, request.labels)
    columns = [label - 1 for label in labels]
    sigma = xf.g2_err if request.sigma == "file" else xf.g2_sigma
    g2 = np.asarray(xf.g2)[:, columns]
    if sigma is None:
        sigma = np.full(xf.g2.shape, np.nan)
    sigma = np.asarray(sigma, dtype=float)[:, columns]
    used = np.isfinite(g2) & np.isfinite(sigma) & (sigma > 0)
    if request.sigma == "file":
        used &= g2 != 0  # points without any photon, which files mark so
    else:
        used &= np.asarray(xf.trusted)[:, columns]
    t = np.asarray(xf.t_el, dtype=float)
    if request.delay is not None:
        used &= ((t >= request.delay[0]) & (t <= request.delay[1]))[:, None]
    coincidences = np.asarray(xf.coincidences, dtype=float)[:, columns]
    split = xf.dynamic is not None and xf.dynamic.num_pts[1] > 1
    q, phi = (np.asarray(values, dtype=float)[columns] for values in (xf.q, xf.phi))
    return Selected(t, g2, sigma, coincidences, used, labels, q, phi, split)


def chosen_delays(t: np.ndarray, request: FitRequest) -> np.ndarray:
    """(n_delay,) bool, the delays in the range of a request.

    Raises
    ------
    UsageError
        Where there is none.
    """
    if request.delay is None:
        return np.ones(t.size, dtype=bool)
    low, high = request.delay
    rows = np.asarray((t >= low) & (t <= high))
    if not rows.any():
        raise UsageError(
            f"no delay between {low:g} and {high:g} s; the file has {t.min():g} to {t.max():g} s."
        )
    return rows


def clip_bounds(request: FitRequest, t: np.ndarray) -> dict[str, tuple[float, float]]:
    """Bounds of a request with its open ends filled by the defaults of the model for the chosen delays."""
    from xpcs_dash.fitting.models import Window, get_model

    if not request.bounds:
        return {}
    window = Window.of(t[chosen_delays(t, request)])
    spec = get_model(request.model)
    filled = {}
    for name, (low, high) in request.bounds.items():
        auto = spec[name].bounds(window)
        filled[name] = (low if math.isfinite(low) else auto[0], high if math.isfinite(high) else auto[1])
    return filled


def fit_selected(data: Selected, request: FitRequest, steps: int = LIVE_STEPS) -> BatchFit:
    """Fit all chosen bins at once, in NumPy; bounds and starts are scaled to the chosen delays.

    Raises
    ------
    UsageError
        For bounds, starts or fixed values that make no sense.
    """
    from xpcs_dash.fitting.batch import fit_all_q

    rows = chosen_delays(data.t, request)
    sigma: Any = data.sigma[rows] if np.isfinite(data.sigma).any() else None
    return fit_all_q(
        data.t[rows],
        data.g2[rows],
        sigma,
        data.used[rows],
        model=request.model,
        fixed=request.fixed,
        bounds=clip_bounds(request, data.t),
        start=request.start,
        backend="numpy",
        steps=steps,
    )


def state_of(flags: Sequence[str]) -> str:
    """State of a bin's numbers by its flags: ok, warning (use with care) or alarm (do not use)."""
    return verdict(flags).state
