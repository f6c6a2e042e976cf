"""The pages in the order of the navigation rail."""

from __future__ import annotations

from importlib import import_module

from xpcs_dash.shell.page import Page

#: Packages with a ``PAGE``, in the order of the rail.
MODULES: tuple[str, ...] = (
    "xpcs_dash.pages.live",
    "xpcs_dash.pages.files",
    "xpcs_dash.pages.g2",
    "xpcs_dash.pages.qmap",
    "xpcs_dash.pages.saxs",
    "xpcs_dash.pages.stability",
    "xpcs_dash.pages.twotime",
    "xpcs_dash.pages.diffusion",
    "xpcs_dash.pages.mask",
    "xpcs_dash.pages.fit",
    "xpcs_dash.pages.fits",
    "xpcs_dash.pages.average",
    "xpcs_dash.pages.metadata",
    "xpcs_dash.pages.jobs",
)


def all_pages() -> tuple[Page, ...]:
    """Every page of the dashboard, in the order of the navigation rail."""
    return tuple(import_module(name).PAGE for name in MODULES)
