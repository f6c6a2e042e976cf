"""Fit g2: live, with NLSQ, and with NUTS behind convergence checks."""

from __future__ import annotations

from xpcs_dash.pages.fit.callbacks import register
from xpcs_dash.pages.fit.layout import layout
from xpcs_dash.shell.page import Page

PAGE = Page(
    path="/fit",
    name="Fit",
    icon="bi-bezier2",
    layout=layout,
    register=register,
    params={
        "model": ("fit-model", "value"),
        "sigma": ("fit-sigma", "value"),
        "tmin": ("fit-tmin", "value"),
        "tmax": ("fit-tmax", "value"),
        "par": ("fit-given", "data"),
        "job": ("fit-job", "data"),
        "fit": ("fit-shown", "data"),
    },
)
