"""The JAX backend, in 64 bits. Imported only when JAX is wanted."""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from xpcs_dash.backend.interface import F

__all__ = ["JaxBackend"]

jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]


class JaxBackend:
    """See `xpcs_dash.backend.interface.Backend`."""

    name = "jax"

    @property
    def xp(self) -> Any:
        """``jax.numpy``."""
        return jnp

    def asarray(self, values: Any, dtype: Any = None) -> Any:
        """An array on the default device."""
        return jnp.asarray(values, dtype=dtype)

    def jit(self, function: F, static: tuple[str, ...] = ()) -> F:
        """Compile with XLA."""
        return cast("F", jax.jit(function, static_argnames=static))

    def bincount(self, labels: Any, weights: Any = None, length: int = 0) -> Any:
        """Sum of weights for each label."""
        flat = jnp.asarray(labels).ravel()
        scale = jnp.ones(flat.shape) if weights is None else jnp.asarray(weights, dtype=jnp.float64).ravel()
        inside = (flat >= 0) & (flat < length)
        # XLA clips indices that lie outside: send those to the first label with no weight
        where = jnp.where(inside, flat, 0)
        return jnp.zeros(length).at[where].add(jnp.where(inside, scale, 0.0))

    def segment_mean(self, values: Any, labels: Any, length: int) -> Any:
        """Mean for each label."""
        return self.bincount(labels, values, length) / self.bincount(labels, None, length)

    def digitize(self, values: Any, edges: Any) -> Any:
        """Bin of each value."""
        values = jnp.asarray(values, dtype=jnp.float64)
        found = jnp.searchsorted(jnp.asarray(edges, dtype=jnp.float64), values, side="right")
        return found.astype(jnp.int64)

    def to_numpy(self, values: Any) -> NDArray[Any]:
        """A copy in host memory."""
        return np.array(values)
