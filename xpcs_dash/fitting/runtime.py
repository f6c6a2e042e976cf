"""Which implementation fits, how JAX is set up, and ArviZ. Importing this module imports neither."""

from __future__ import annotations

import os
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

__all__ = ["Engine", "array_stats", "choose_engine", "configure_jax", "pad_size", "require_x64"]

Engine = Literal["jax", "numpy"]

_lock = threading.Lock()


def choose_engine(name: str = "auto") -> Engine:
    """``jax`` or ``numpy``; ``auto`` takes JAX where this process has imported it already or has an
    accelerator.
    """
    if name == "auto":
        from xpcs_dash.backend import get_backend

        name = get_backend("auto").name
    if name not in ("jax", "numpy"):
        from xpcs_dash.errors import UsageError

        raise UsageError(f"unknown backend {name!r}; use auto, jax or numpy.")
    return "jax" if name == "jax" else "numpy"


def array_stats() -> Any:
    """ArviZ's statistics of arrays. Their import takes more than a second: only what judges draws asks."""
    return import_module("arviz_stats.base").array_stats


def require_x64() -> Any:
    """Import JAX with 64-bit numbers switched on, and return the module."""
    jax: Any = import_module("jax")
    if not jax.config.jax_enable_x64:
        jax.config.update("jax_enable_x64", True)
    return jax


def configure_jax(state_dir: Path) -> Path:
    """Set up JAX for fitting: float64, and compiled programs kept between processes, in
    ``state_dir/jax-cache`` or where ``JAX_COMPILATION_CACHE_DIR`` says.

    Call it once in a process that fits (ingest, job worker, command line), before the first fit.

    Returns
    -------
    The cache directory. Where it cannot be made, JAX works without it.
    """
    cache = Path(os.environ.get("JAX_COMPILATION_CACHE_DIR") or Path(state_dir) / "jax-cache")
    with _lock:
        jax = require_x64()
        try:
            cache.mkdir(parents=True, exist_ok=True)
        except OSError:
            return cache
        jax.config.update("jax_compilation_cache_dir", str(cache))
        # every program of ours is worth keeping: the smallest takes a second to compile and kilobytes to
        # store
        least = min(0.1, jax.config.jax_persistent_cache_min_compile_time_secs)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", least)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return cache


def jax_is_loaded() -> bool:
    """True where this process has imported JAX already."""
    return "jax" in sys.modules


def pad_size(n: int, sizes: tuple[int, ...]) -> int:
    """Smallest of ``sizes`` that holds ``n``, or the next multiple of the largest: one compiled program
    each.
    """
    for size in sizes:
        if n <= size:
            return size
    return -(-n // sizes[-1]) * sizes[-1]
