"""Choosing a backend, and leaving it."""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.backend.interface import Backend
from xpcs_dash.errors import UsageError

__all__ = ["ensure_numpy", "get_backend", "use_backend"]

ENVIRONMENT = "XPCS_DASH_BACKEND"
#: Device nodes of NVIDIA and AMD compute devices and of other accelerators.
_ACCELERATORS = ("nvidia0", "kfd", "accel")


def get_backend(name: str = "auto") -> Backend:
    """The backend of this name.

    Parameters
    ----------
    name : ``numpy``, ``jax``, or ``auto``: what `use_backend` was told, else what the environment variable
        ``XPCS_DASH_BACKEND`` says, else JAX where this process has imported it already or the machine has an
        accelerator, else NumPy, so that a web process on an ordinary machine stays small.

    Raises
    ------
    UsageError
        For another name, or for ``jax`` where it is not installed.
    """
    wanted = _chosen.get("backend", name) if name == "auto" else name
    if wanted == "auto":
        wanted = os.environ.get(ENVIRONMENT, "").strip().lower() or "auto"
    if wanted == "auto":
        wanted = "jax" if "jax" in sys.modules or (_has_accelerator() and find_spec("jax")) else "numpy"
    if wanted == "numpy":
        return _numpy()
    if wanted == "jax":
        return _jax()
    raise UsageError(f"there is no backend {wanted!r}: choose auto, jax or numpy.")


def use_backend(name: str) -> None:
    """Let ``auto`` mean this backend in this process, as the setting ``backend`` asks.

    Raises
    ------
    UsageError
        For a name that is none, or for ``jax`` where it is not installed.
    """
    if name not in ("auto", "jax", "numpy"):
        raise UsageError(f"there is no backend {name!r}: choose auto, jax or numpy.")
    if name == "jax" and not find_spec("jax"):  # it is imported when something is computed with it
        raise UsageError("the backend jax cannot be used: it is not installed; choose numpy.")
    _chosen["backend"] = name


#: What the settings of this process ask for.
_chosen: dict[str, str] = {}


@cache
def _numpy() -> Backend:
    from xpcs_dash.backend.numpy_backend import NumpyBackend

    return NumpyBackend()


@cache
def _jax() -> Backend:
    try:
        from xpcs_dash.backend.jax_backend import JaxBackend
    except ImportError as err:
        raise UsageError(f"the backend jax cannot be used: {err}; choose numpy.") from None
    return JaxBackend()


@cache
def _has_accelerator() -> bool:
    return any(Path(f"/dev/{node}").exists() for node in _ACCELERATORS)


def ensure_numpy(values: Any) -> Any:
    """Turn arrays of any backend into NumPy arrays, also inside tuples, lists and dictionaries.

    Arrays that are NumPy already are handed through, as is everything that is no array.
    """
    if isinstance(values, np.ndarray | str | bytes | int | float | complex | bool | None):
        return values
    if isinstance(values, dict):
        return {key: ensure_numpy(value) for key, value in values.items()}
    if isinstance(values, tuple):
        items = [ensure_numpy(value) for value in values]
        return type(values)(*items) if hasattr(values, "_fields") else tuple(items)
    if isinstance(values, list):
        return [ensure_numpy(value) for value in values]
    if isinstance(values, np.generic):
        return values
    if hasattr(values, "__array__"):
        array: NDArray[Any] = np.array(values)
        return array
    return values
