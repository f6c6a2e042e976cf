"""The q-map page: partitions, q, φ, mask and scattering over the detector, and what is under the cursor."""

from xpcs_dash.pages.qmap.callbacks import register
from xpcs_dash.pages.qmap.layout import layout
from xpcs_dash.pages.qmap.routes import blueprint, prepare
from xpcs_dash.shell.page import Page

PAGE = Page(
    path="/qmap",
    name="q-map",
    icon="bi-bullseye",
    layout=layout,
    register=register,
    prepare=prepare,
    params={"map": ("qmap-kind", "value"), "bins": ("qmap-bins", "value"), "cmap": ("qmap-cmap", "value")},
    routes=blueprint,
)
