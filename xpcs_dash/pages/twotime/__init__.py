"""The two-time page: C2(t1, t2), g2 by age, τ against age, and how stationary the dynamics are."""

from xpcs_dash.pages.twotime.callbacks import register
from xpcs_dash.pages.twotime.layout import layout
from xpcs_dash.pages.twotime.routes import blueprint
from xpcs_dash.shell.page import Page

PAGE = Page(
    path="/twotime",
    name="Two-time",
    icon="bi-border-style",
    layout=layout,
    register=register,
    params={
        "cmap": ("twotime-cmap", "value"),
        "lo": ("twotime-low", "value"),
        "hi": ("twotime-high", "value"),
        "slices": ("twotime-slices", "value"),
        "age": ("twotime-age", "value"),
        "base": ("twotime-baseline", "value"),
    },
    routes=blueprint,
)
