"""Exports: a view of a file as a figure for paper or as numbers, with where it comes from."""

from __future__ import annotations

__all__ = ["VIEWS"]

#: What can be exported. Each has a module of its name in `xpcs_dash.export.views`, with a ``VIEW``.
VIEWS: tuple[str, ...] = (
    "g2",
    "saxs",
    "detector",
    "intensity",
    "stability",
    "twotime",
    "qmap",
    "fit",
    "diffusion",
)
