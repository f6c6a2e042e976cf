"""xpcs-dash: a live dashboard for X-ray photon correlation spectroscopy beamlines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"
__all__ = ["__version__", "fit_bins", "open_result", "statement_of"]

#: Name -> module that has it.
_LAZY = {
    "fit_bins": "xpcs_dash.analysis.notebook",
    "open_result": "xpcs_dash.results.opening",
    "statement_of": "xpcs_dash.analysis.notebook",
}

if TYPE_CHECKING:
    from xpcs_dash.analysis.notebook import fit_bins, statement_of
    from xpcs_dash.results.opening import open_result


def __getattr__(name: str) -> Any:
    # Lazy, so that ``import xpcs_dash`` costs nothing before a file is opened.
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
