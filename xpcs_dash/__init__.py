"""xpcs-dash: a live dashboard for X-ray photon correlation spectroscopy beamlines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"
__all__ = ["__version__", "open_result"]

if TYPE_CHECKING:
    from xpcs_dash.results.opening import open_result


def __getattr__(name: str) -> Any:
    # Lazy, so that ``import xpcs_dash`` costs nothing before a file is opened.
    if name == "open_result":
        from xpcs_dash.results.opening import open_result

        return open_result
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
