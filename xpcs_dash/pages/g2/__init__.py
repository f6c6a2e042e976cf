"""The g2 page: every q-bin of one file or of several, their stability over the run, and the map of g2."""

from xpcs_dash.pages.g2.callbacks import register
from xpcs_dash.pages.g2.layout import layout
from xpcs_dash.shell.page import Page

PAGE = Page(
    path="/g2",
    name="g2",
    icon="bi-graph-down",
    layout=layout,
    register=register,
    params={
        "view": ("g2-view", "value"),
        "combine": ("g2-combine", "value"),
        "tau": ("g2-delay", "value"),
        "common": ("g2-common", "value"),
        "fit": ("g2-fit", "value"),
        "tmin": ("g2-tmin", "value"),
        "tmax": ("g2-tmax", "value"),
        "ymin": ("g2-ymin", "value"),
        "ymax": ("g2-ymax", "value"),
        "offset": ("g2-offset", "value"),
    },
)
