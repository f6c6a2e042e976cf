"""The whole HDF5 tree of a file: lazily, searchable, and compared with another file's."""

from __future__ import annotations

from xpcs_dash.pages.metadata.callbacks import register
from xpcs_dash.pages.metadata.layout import layout
from xpcs_dash.shell.page import Page

PAGE = Page(
    path="/metadata",
    name="Metadata",
    icon="bi-braces",
    layout=layout,
    register=register,
    params={
        "view": ("metadata-view", "value"),
        "search": ("metadata-search", "value"),
        "open": ("metadata-open", "data"),
    },
)
