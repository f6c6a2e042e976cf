"""The diffusion page: relaxation times and the other parameters against q, with a power law."""

from xpcs_dash.pages.diffusion.callbacks import register
from xpcs_dash.pages.diffusion.layout import layout
from xpcs_dash.shell.page import Page

PAGE = Page(
    path="/diffusion",
    name="Diffusion",
    icon="bi-graph-down",
    layout=layout,
    register=register,
    params={
        "model": ("diffusion-model", "value"),
        "q0": ("diffusion-q-low", "value"),
        "q1": ("diffusion-q-high", "value"),
        "eta": ("diffusion-viscosity", "value"),
        "temp": ("diffusion-temperature", "value"),
        "show": ("diffusion-parameter", "value"),
        "axes": ("diffusion-axes", "value"),
    },
)
