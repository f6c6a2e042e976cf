"""The draws of a stored fit, read without ArviZ and without JAX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xpcs_dash.fitting.models import get_model

if TYPE_CHECKING:
    from xpcs_dash.jobs.fit_index import FitRow
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
    """

    model: str
    values: Mapping[str, np.ndarray]
    divergent: np.ndarray | None
    energy: np.ndarray | None

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

    def bfmi(self, position: int) -> list[float]:
        """BFMI of each chain of one bin (Betancourt 2016, arXiv:1604.00695)."""
        if self.energy is None:
            return []
        energy = self.energy[position]
        spread = ((energy - energy.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
        steps = (np.diff(energy, axis=1) ** 2).sum(axis=1)
        return [float(a / b) if b > 0 else np.nan for a, b in zip(steps, spread, strict=True)]


def load_draws(settings: Settings, row: FitRow) -> Draws | None:
    """Draws of a stored fit; None where it has none."""
    return None


def prior_curves(row: FitRow, draws: Draws, position: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Title -> (x, density) of each prior of one bin."""
    return {}
