"""Which browser asks: the key under which its mask draft and what it applied to the viewer are kept."""

from __future__ import annotations

import re

from flask import has_request_context, request

COOKIE = "xd-mask"
_KEY = re.compile(r"^[A-Za-z0-9_-]{16,64}$")


def browser_scope() -> str:
    """The browser's key, or an empty text before it has one."""
    given = request.cookies.get(COOKIE, "") if has_request_context() else ""
    return given if _KEY.match(given) else ""
