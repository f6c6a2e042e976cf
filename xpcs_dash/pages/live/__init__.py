"""The Live page: the newest file at a glance, readable from across the room."""

from xpcs_dash.pages.live.callbacks import register
from xpcs_dash.pages.live.layout import layout
from xpcs_dash.shell.page import Page

PAGE = Page(
    path="/",
    name="Live",
    icon="bi-broadcast",
    layout=layout,
    register=register,
    params={"combine": ("live-combine", "value")},
)
