"""What can be exported: for each view its tables of numbers and its figure for paper."""

from __future__ import annotations

from importlib import import_module

from xpcs_dash.errors import UsageError
from xpcs_dash.export.views.base import View, ViewOptions

#: View -> what it holds, as the help text says it. Each has a module of its name with a ``VIEW``.
VIEWS = {
    "g2": "g2(τ) of the chosen q-bins",
    "saxs": "I(q)",
    "detector": "the scattering image",
    "intensity": "I(t)",
    "stability": "I(q) of each time segment",
    "twotime": "C2(t1, t2) of one q-bin",
    "qmap": "the dynamic partition",
    "fit": "g2(τ) with a fit of each chosen q-bin",
    "diffusion": "τ(q) and its power law",
}

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
