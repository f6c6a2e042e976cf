"""What can be exported: for each view its tables of numbers and its figure for paper."""

from __future__ import annotations

from importlib import import_module

from xpcs_dash.errors import UsageError
from xpcs_dash.export import VIEWS
from xpcs_dash.export.views.base import View, ViewOptions

__all__ = ["VIEWS", "View", "ViewOptions", "find_view"]


def find_view(name: str) -> View:
    """The view of that name.

    Raises
    ------
    UsageError
        Where there is none.
    """
    if name not in VIEWS:
        raise UsageError(f"there is no figure {name!r}; choose one of {', '.join(VIEWS)}.")
    view: View = import_module(f"xpcs_dash.export.views.{name}").VIEW
    return view
