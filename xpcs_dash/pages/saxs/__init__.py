"""The SAXS page: the scattering image, I(q), and I(q) and I(φ) of sectors and rings."""

from xpcs_dash.pages.saxs.callbacks import register
from xpcs_dash.pages.saxs.layout import layout
from xpcs_dash.pages.saxs.prepare import prepare
from xpcs_dash.shell.page import Page

PAGE = Page(
    path="/saxs",
    name="SAXS",
    icon="bi-grid-3x3",
    layout=layout,
    register=register,
    prepare=prepare,
    params={
        "scale": ("saxs-scale", "value"),
        "cmap": ("saxs-cmap", "value"),
        "lo": ("saxs-low", "value"),
        "hi": ("saxs-high", "value"),
        "lines": ("saxs-lines", "value"),
        "norm": ("saxs-norm", "value"),
        "bg": ("saxs-background", "value"),
        "w": ("saxs-weight", "value"),
        "step": ("saxs-step", "value"),
        "axes": ("saxs-axes", "value"),
        "region": ("saxs-region", "value"),
    },
)
