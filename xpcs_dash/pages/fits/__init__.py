"""The review desk: all stored fits, compared, accepted, rejected, flagged, opened again."""

from __future__ import annotations

from xpcs_dash.pages.fits.callbacks import register
from xpcs_dash.pages.fits.layout import layout
from xpcs_dash.shell.page import Page

PAGE = Page(
    path="/fits",
    name="Fits",
    icon="bi-check2-square",
    layout=layout,
    register=register,
    params={
        "search": ("fits-search", "value"),
        "kind": ("fits-kind", "value"),
        "model": ("fits-model", "value"),
        "review": ("fits-review-filter", "value"),
        "fits": ("fits-chosen", "data"),
    },
)
