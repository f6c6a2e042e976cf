"""The job list: what runs, what waits, what failed and why, and the workers."""

from __future__ import annotations

from xpcs_dash.pages.jobs.callbacks import register
from xpcs_dash.pages.jobs.layout import layout
from xpcs_dash.shell.page import Page

PAGE = Page(
    path="/jobs",
    name="Jobs",
    icon="bi-cpu",
    layout=layout,
    register=register,
    params={"show": ("jobs-show", "value")},
)
