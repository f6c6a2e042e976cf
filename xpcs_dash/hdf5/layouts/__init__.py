"""The file layouts, one module each.

A layout is a module with ``NAME``, ``TITLE``, ``recognise(h5) -> bool`` (cheap, and true for its own files
only) and ``read(source) -> RawResult``. To add one, write the module and name it in `NAMES`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from xpcs_dash.hdf5.handle import Handle
from xpcs_dash.hdf5.layouts import refusals
from xpcs_dash.hdf5.records import OpenFile, RawResult

__all__ = ["LAYOUTS", "NAMES", "Layout", "find_layout"]

#: The modules of this package that are layouts, in the order in which they are asked.
NAMES: tuple[str, ...] = (
    "aps_nexus",
    "own",
    "simplemask",
    "nxxpcs",
    "bes_pilot",
    "chx",
    "xana_export",
    "aps_2025",
    "aps_2023",
    "aps_legacy",
)


class Layout(Protocol):
    """What a layout module offers."""

    @property
    def NAME(self) -> str: ...  # noqa: D102, N802
    @property
    def TITLE(self) -> str: ...  # noqa: D102, N802

    def recognise(self, h5: Handle) -> bool: ...  # noqa: D102

    def read(self, source: OpenFile) -> RawResult: ...  # noqa: D102


LAYOUTS: tuple[Layout, ...] = tuple(cast("Layout", import_module(f"{__name__}.{name}")) for name in NAMES)


def find_layout(source: OpenFile) -> Layout:
    """The layout of an open file.

    Raises
    ------
    UnknownLayout
        With what the file seems to be instead.
    """
    for layout in LAYOUTS:
        if layout.recognise(source.h5):
            return layout
    raise refusals.explain(source)
