"""Dark or light: read from the request's cookie, so that the first paint is right already."""

from __future__ import annotations

from flask import has_request_context, request

COOKIE = "xd-theme"
DEFAULT = "dark"


def current_theme() -> str:
    """Theme of the browser that asks ("dark" or "light"); "dark" outside a request."""
    chosen = request.cookies.get(COOKIE, DEFAULT) if has_request_context() else DEFAULT
    return chosen if chosen in ("dark", "light") else DEFAULT
