"""The draws of a stored fit, read without ArviZ and without JAX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xpcs_dash.fits.files import load_plots
from xpcs_dash.fitting.models import get_model

if TYPE_CHECKING:
    from xpcs_dash.database.record.fits import FitRow
    from xpcs_dash.settings import Settings


@dataclass(frozen=True)
class Draws:
    """Draws of all bins of one fit.

    Attributes
    ----------
    model : name of the model.
    values : parameter -> (n_q, n_chain, n_draw).
    divergent : (n_q, n_chain, n_draw) bool, or None.
    energy : (n_q, n_chain, n_draw), or None.
    bfmi : (n_q, n_chain) of the energies, as the worker found it.
    """

    model: str
    values: Mapping[str, np.ndarray]
    divergent: np.ndarray | None
    energy: np.ndarray | None
    bfmi: np.ndarray | None = None

    def titles(self) -> dict[str, str]:
        """Parameter -> title with symbol and unit."""
        spec = get_model(self.model)
        return {
            p.name: f"{p.symbol} {p.name}" + (f" ({p.unit})" if p.unit else "")
            for p in spec.parameters
            if p.name in self.values
        }

    @property
    def log_titles(self) -> list[str]:
        """Titles of the parameters that live on a log axis."""
        spec = get_model(self.model)
        return [title for name, title in self.titles().items() if spec[name].log]

    def of_bin(self, position: int) -> dict[str, np.ndarray]:
        """Title -> (n_chain, n_draw) of one bin; parameters that were held are left out."""
        return {
            title: self.values[name][position]
            for name, title in self.titles().items()
            if np.ptp(self.values[name][position]) > 0
        }


@dataclass(frozen=True)
class Bands:
    """Bands of all bins: ``curve`` (n_q, 2, n_x) on ``x``, ``predictive`` (n_q, 2, n_delay) on ``t``."""

    x: np.ndarray
    curve: np.ndarray
    t: np.ndarray
    predictive: np.ndarray


def load_draws(settings: Settings, row: FitRow) -> Draws | None:
    """Draws of a stored fit; None where it has none."""
    found = load_plots(settings.state_dir, row.store_id)
    if found is None:
        return None
    values = {
        name.removeprefix("draws/"): array for name, array in found.items() if name.startswith("draws/")
    }
    return Draws(row.model, values, found.get("diverging"), found.get("energy"), found.get("bfmi"))


def load_bands(settings: Settings, row: FitRow) -> Bands | None:
    """Bands of a stored fit; None where it was not sampled."""
    found = load_plots(settings.state_dir, row.store_id)
    if found is None:
        return None
    return Bands(found["x"], found["curve"], found["t"], found["predictive"])


def prior_curves(row: FitRow, draws: Draws, position: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Title -> (x, density) of each prior of one bin; per unit of ln x for parameters on a log axis."""
    priors = row.facts.get("priors") or []
    if position >= len(priors):
        return {}
    spec = get_model(row.model)
    made = {}
    for name, title in draws.titles().items():
        if name in priors[position]:
            values = draws.values[name][position]
            curve = prior_density(
                priors[position][name], float(values.min()), float(values.max()), spec[name].log
            )
            if curve is not None:
                made[title] = curve
    return made


def prior_density(
    prior: Mapping[str, float | str | None], low: float, high: float, log: bool
) -> tuple[np.ndarray, np.ndarray] | None:
    """(x, density) of one prior, where draws between ``low`` and ``high`` can be compared with it."""
    kind, scale = prior["kind"], float(prior["scale"] or 1.0)
    loc = float(prior["loc"] or 0.0)
    if kind == "lognormal" and loc > 0:
        z = np.linspace(-4, 4, 200)
        x = loc * np.exp(scale * z)
        density = np.exp(-0.5 * z * z) / (scale * np.sqrt(2 * np.pi))
        return x, density if log else density / x
    if kind in ("normal", "halfnormal"):
        z = np.linspace(0 if kind == "halfnormal" else -4, 4, 200)
        factor = 2.0 if kind == "halfnormal" else 1.0
        return loc * (kind == "normal") + scale * z, factor * np.exp(-0.5 * z * z) / (
            scale * np.sqrt(2 * np.pi)
        )
    if kind == "uniform" and high > low:
        return np.array([low, high]), np.repeat(
            1.0 / (np.log(high / low) if log and low > 0 else high - low), 2
        )
    return None
