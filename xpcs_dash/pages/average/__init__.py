"""Averaging result files: see what each one is like, leave the odd ones out, average the rest as a job."""

from __future__ import annotations

from xpcs_dash.pages.average.callbacks import register
from xpcs_dash.pages.average.layout import layout
from xpcs_dash.shell.page import Page

PAGE = Page(
    path="/average",
    name="Average",
    icon="bi-layers",
    layout=layout,
    register=register,
    params={
        "bin": ("average-bin", "value"),
        "window": ("average-window", "value"),
        "low": ("average-low", "value"),
        "high": ("average-high", "value"),
        "job": ("average-job", "data"),
    },
)
