"""How g2 of the simulated beamline scatters: by speckle, as simulated frames do it, and by counting.

What speckle does is looked up in a table that `scripts/learn_speckle.py` made of simulated fields, so
neighbouring delays err together, for slow samples all of them. Coincidences are then drawn of that g2. The
errors in the file are those of the facility: the spread over pixels, which knows neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.correlate.delays import Delays

__all__ = ["file_errors", "pairs_of_frames", "speckle_error", "speckle_table"]

Floats = NDArray[np.float64]

#: Pixels that are drawn to see how far pixels spread.
DRAWN = 96


@dataclass(frozen=True, eq=False)
class SpeckleTable:
    """Scatter of g2 for one speckle.

    Attributes
    ----------
    log_tau : (n_tau,) logarithm of the relaxation times in runs.
    root : (n_tau, n_delay, n_delay) square roots of the covariance.
    own : (n_tau, n_delay) spread of the pixels' own g2.
    contrast : for which it holds; the scatter is proportional to it.
    """

    log_tau: Floats
    root: Floats
    own: Floats
    contrast: float


@cache
def speckle_table() -> SpeckleTable:
    """The table that comes with the program."""
    with np.load(Path(__file__).with_name("speckle.npz")) as stored:
        return SpeckleTable(
            np.log(stored["tau"] / float(stored["frames"])),
            stored["root"].astype(np.float64),
            stored["own"].astype(np.float64),
            float(stored["contrast"]),
        )


def _place(table: SpeckleTable, tau_runs: float) -> tuple[int, float]:
    """Entry below a relaxation time, and how far it is on the way to the next."""
    last = table.log_tau.size - 1
    at = float(np.interp(np.log(tau_runs), table.log_tau, np.arange(last + 1)))
    below = min(int(at), last - 1)
    return below, at - below


def speckle_error(tau_runs: Floats, contrast: float, speckles: Floats, rng: np.random.Generator) -> Floats:
    """(n_delay, n_q) error of g2 by speckle alone, drawn.

    Parameters
    ----------
    tau_runs : (n_q,) relaxation times over the length of the run.
    contrast : of the speckle.
    speckles : (n_q,) number of them in each bin.
    """
    table = speckle_table()
    drawn = rng.standard_normal((2, table.root.shape[1], tau_runs.size))
    out = np.empty(drawn.shape[1:])
    for k, tau in enumerate(tau_runs):
        below, part = _place(table, float(tau))
        out[:, k] = np.sqrt(1 - part) * (table.root[below] @ drawn[0, :, k])
        out[:, k] += np.sqrt(part) * (table.root[below + 1] @ drawn[1, :, k])
    return np.asarray(out * contrast / table.contrast / np.sqrt(speckles))


def pairs_of_frames(delays: Delays) -> Floats:
    """(n_delay,) pairs of frames behind each delay: N·4^level."""
    return np.asarray(delays.pairs * 4.0**delays.level)


def file_errors(
    model: Floats,
    delays: Delays,
    photons: Floats,
    pixels: Floats,
    tau_runs: Floats,
    contrast: float,
    rng: np.random.Generator,
) -> Floats:
    """(n_delay, n_q) errors as the facility writes them: the spread of the pixels' own g2 over √pixels.

    Some pixels are drawn: their photons, and the coincidences of these. Where photons are few, most pixels
    have none and the spread is far too small; a last delay with one product is 1 in every pixel that has any.

    Parameters
    ----------
    model : (n_delay, n_q) g2.
    photons : (n_q,) per pixel and frame.
    pixels : (n_q,) of each bin.
    tau_runs, contrast : as in `speckle_error`.
    """
    n = delays.n_frames
    counts = rng.poisson(photons * n, (DRAWN, photons.size))[:, None, :].astype(np.float64)
    pairs = pairs_of_frames(delays)[:, None]
    found = rng.poisson(model * pairs * counts * np.maximum(counts - 1, 0) / n**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(counts > 0, found / (pairs * (counts / n) ** 2), 0.0)
    spread = np.hypot(own.std(axis=0, ddof=1), _own(tau_runs, contrast, delays))
    once = delays.pairs == 1
    seen = (1 - np.exp(-photons * 2.0 ** delays.level[once, None])) ** 2
    spread[once] = np.sqrt(seen * (1 - seen))
    return np.asarray(spread / np.sqrt(pixels))


def _own(tau_runs: Floats, contrast: float, delays: Delays) -> Floats:
    table = speckle_table()
    places = [_place(table, float(tau)) for tau in tau_runs]
    rows = [(1 - part) * table.own[below] + part * table.own[below + 1] for below, part in places]
    return np.asarray(np.array(rows).T[: delays.n] * contrast / table.contrast)
