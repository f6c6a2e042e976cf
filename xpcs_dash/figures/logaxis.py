"""Logarithmic axes whose ticks fit the decades that they span."""

from __future__ import annotations

from typing import Any

import numpy as np

from xpcs_dash.figures.theme import axis


def log_axis(title: str, *values: np.ndarray, **changes: Any) -> dict[str, Any]:
    """A logarithmic axis: ticks at 1, 2 and 5 below one and a half decades of data, at decades above.

    Parameters
    ----------
    title : of the axis, with its unit.
    *values : arrays that will be drawn; what is not positive and finite does not count.
    **changes : further keys of the axis.
    """
    seen = [v[np.isfinite(v) & (v > 0)] for v in (np.asarray(v, dtype=np.float64).ravel() for v in values)]
    seen = [v for v in seen if v.size]
    wide = not seen or max(v.max() for v in seen) / min(v.min() for v in seen) > 30.0
    return axis(title, log=True, dtick=1 if wide else "D2", **changes)
