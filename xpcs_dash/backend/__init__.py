"""The array backends: NumPy always, JAX where it pays.

Numerics that may run on either take a `Backend` and use only what it offers; what leaves them goes through
`ensure_numpy`, so nothing beyond them ever sees a JAX array.
"""

from __future__ import annotations

from xpcs_dash.backend.interface import Backend, BackendName
from xpcs_dash.backend.select import ensure_numpy, get_backend, use_backend

__all__ = ["Backend", "BackendName", "ensure_numpy", "get_backend", "use_backend"]
