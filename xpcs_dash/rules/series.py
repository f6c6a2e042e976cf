"""Does a number drift from file to file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: A number that moved by more than this, and by more than three of its errors, is called drifting.
DRIFT = 0.25
#: Files at each end that a drift is judged by.
ENDS = 3


def drift(values: NDArray[np.float64], sigmas: NDArray[np.float64]) -> float | None:
    """Relative change from the first to the last files where it is large and beyond the errors, else None."""
    good = np.isfinite(values)
    values, sigmas = values[good], np.nan_to_num(sigmas[good])
    if values.size < 2 * ENDS:
        return None
    start, end = float(np.median(values[:ENDS])), float(np.median(values[-ENDS:]))
    if start == 0:
        return None
    change = end / start - 1
    error = float(np.median(np.concatenate([sigmas[:ENDS], sigmas[-ENDS:]])))
    scatter = float(np.median(np.abs(np.diff(values))))
    beyond = abs(end - start) > 3 * max(error, scatter)
    return change if abs(change) > DRIFT and beyond else None
