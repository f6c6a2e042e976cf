"""The stability page: time segments, I(t), its spectrum, cumulative partial g2, and a verdict."""

from xpcs_dash.pages.stability.callbacks import register
from xpcs_dash.pages.stability.layout import layout
from xpcs_dash.shell.page import Page

PAGE = Page(
    path="/stability",
    name="Stability",
    icon="bi-activity",
    layout=layout,
    register=register,
    params={
        "curves": ("stability-relative", "value"),
        "window": ("stability-window", "value"),
        "axes": ("stability-axes", "value"),
    },
)
