"""Counting statistics of g2, as the reader applies them, and what follows from them for a file.

The formulas live with the reader, because every user of a file gets them with it; this module is where
numerics find them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.hdf5.counting import (
    PhotonCheck,
    RingTable,
    check_photons,
    coincidence_rate,
    delay_levels,
    expected_coincidences,
    g2_sigma,
    ring_means,
    ring_table,
)
from xpcs_dash.hdf5.xpcs_file import XpcsFile

__all__ = [
    "PhotonCheck",
    "RingTable",
    "Starvation",
    "check_photons",
    "coincidence_rate",
    "delay_levels",
    "expected_coincidences",
    "g2_sigma",
    "ring_means",
    "ring_table",
    "starvation",
]


@dataclass(frozen=True)
class Starvation:
    """How far a file's g2 suffers from too few photons.

    Parameters
    ----------
    points : points of g2 with a number.
    starved : of them, those below the minimum of coincidences; None where counting does not apply.
    fraction : starved / points; NaN where unknown.
    zeros_found, zeros_predicted : points without any coincidence, and how many counting predicts.
    per_q : (n_q,) fraction of starved points of each bin; NaN where unknown.
    """

    points: int
    starved: int | None
    fraction: float
    zeros_found: int
    zeros_predicted: float
    per_q: NDArray[np.float64]


def starvation(file: XpcsFile) -> Starvation:
    """Count the starved points of a file."""
    usable = np.isfinite(file.g2)
    points = int(np.count_nonzero(usable))
    check = file.photon_check
    if not file.photons:
        unknown = np.full(file.n_q, np.nan)
        return Starvation(points, None, float("nan"), file.zero_points, check.zeros_predicted, unknown)
    low = usable & (file.coincidences < file.min_coincidences)
    counted = np.maximum(usable.sum(axis=0), 1)
    return Starvation(
        points=points,
        starved=int(np.count_nonzero(low)),
        fraction=float(low.sum() / points) if points else float("nan"),
        zeros_found=check.zeros_found,
        zeros_predicted=check.zeros_predicted,
        per_q=np.asarray(low.sum(axis=0) / counted, dtype=np.float64),
    )
