"""The NumPy backend."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.backend.interface import F

__all__ = ["NumpyBackend"]


class NumpyBackend:
    """See `xpcs_dash.backend.interface.Backend`."""

    name = "numpy"

    @property
    def xp(self) -> Any:
        """``numpy``."""
        return np

    def asarray(self, values: Any, dtype: Any = None) -> NDArray[Any]:
        """An array."""
        return np.asarray(values, dtype=dtype)

    def jit(self, function: F, static: tuple[str, ...] = ()) -> F:  # noqa: ARG002
        """Nothing is compiled."""
        return function

    def bincount(self, labels: Any, weights: Any = None, length: int = 0) -> NDArray[np.float64]:
        """Sum of weights for each label."""
        flat = np.asarray(labels).ravel()
        scale = None if weights is None else np.asarray(weights, dtype=np.float64).ravel()
        inside = (flat >= 0) & (flat < length)
        if not inside.all():
            flat = flat[inside]
            scale = None if scale is None else scale[inside]
        return np.bincount(flat, scale, minlength=length).astype(np.float64)

    def segment_mean(self, values: Any, labels: Any, length: int) -> NDArray[np.float64]:
        """Mean for each label."""
        total = self.bincount(labels, values, length)
        count = self.bincount(labels, None, length)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(total / count)

    def digitize(self, values: Any, edges: Any) -> NDArray[np.int64]:
        """Bin of each value."""
        values = np.asarray(values, dtype=np.float64)
        bins = np.searchsorted(np.asarray(edges, dtype=np.float64), values, side="right")
        return np.asarray(bins, dtype=np.int64)

    def to_numpy(self, values: Any) -> NDArray[Any]:
        """The values themselves."""
        return np.asarray(values)
