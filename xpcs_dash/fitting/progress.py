"""What a running sampler says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from xpcs_dash.fitting.diagnostics import ess_bulk, ess_tail, r_hat

__all__ = ["BinProgress", "ChainProgress", "NutsProgress", "bin_state", "chain_state"]


@dataclass(frozen=True)
class BinProgress:
    """State of one bin while sampling: worst R-hat and smallest effective sample size over its parameters."""

    label: int
    r_hat: float
    ess: float
    divergences: int


@dataclass(frozen=True)
class ChainProgress:
    """State of one chain over all bins.

    Attributes
    ----------
    chain : number from 0.
    draws, divergences : since the end of the warm-up.
    accept, steps : mean acceptance and leapfrog steps of a transition since the end of the warm-up; of the
        last chunk while it lasts.
    """

    chain: int
    draws: int
    divergences: int
    accept: float
    steps: float


@dataclass(frozen=True)
class NutsProgress:
    """A report: phase (compiling, warm-up, sampling, done), fraction 0 to 1, draws per chain so far."""

    phase: str
    fraction: float
    draws: int
    bins: tuple[BinProgress, ...] = ()
    chains: tuple[ChainProgress, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "phase": self.phase,
            "fraction": self.fraction,
            "draws": self.draws,
            "bins": [asdict(b) for b in self.bins],
            "chains": [asdict(c) for c in self.chains],
        }


def bin_state(label: int, samples: Mapping[str, Any], divergences: int) -> BinProgress:
    """State of a bin with draws (chain, draw) of each parameter; NaN where a number could not be computed."""
    # NumPy's extremes keep NaN; Python's drop it, and a bin that cannot be judged would end the sampling
    worst = np.max([r_hat(x) for x in samples.values()])
    least = np.min([size(x) for x in samples.values() for size in (ess_bulk, ess_tail)])
    return BinProgress(label, float(worst), float(least), divergences)


def chain_state(draws: Mapping[str, Any], drawn: int) -> tuple[ChainProgress, ...]:
    """One line a chain of statistics (n_q, chain, draw); of the warm-up where nothing is drawn yet."""
    return tuple(
        ChainProgress(
            chain,
            drawn,
            int(draws["diverging"][:, chain].sum()) if drawn else 0,
            float(draws["accept"][:, chain].mean()),
            float(draws["steps"][:, chain].mean()),
        )
        for chain in range(draws["steps"].shape[1])
    )
