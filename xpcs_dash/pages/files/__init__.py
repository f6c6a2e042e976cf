"""The run table: every file with its state, flags and reasons."""

from __future__ import annotations

from xpcs_dash.pages.files.callbacks import register
from xpcs_dash.pages.files.layout import layout
from xpcs_dash.shell.page import Page

PAGE = Page(
    path="/files",
    name="Files",
    icon="bi-list-ul",
    layout=layout,
    register=register,
    params={"search": ("files-search", "value"), "show": ("files-show", "value")},
)
