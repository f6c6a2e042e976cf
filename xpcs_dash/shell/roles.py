"""Who may change something: viewers read, operators write."""

from __future__ import annotations

from ipaddress import ip_address

from flask import current_app, has_request_context, request

from xpcs_dash.errors import UsageError
from xpcs_dash.settings import Settings

#: Where `xpcs_dash.web.create_app` leaves the settings for requests.
CONFIG_KEY = "XPCS_DASH_SETTINGS"


class NotAllowedError(UsageError):
    """A request to change something by somebody who may only look."""


def user_name() -> str:
    """Name that a trusted proxy gives, or an empty text."""
    settings = _settings()
    if settings is None or not settings.trust_proxy:
        return ""
    return request.headers.get(settings.user_header, "").strip()[:200]


def may_write() -> bool:
    """True where the one who asks may change something.

    Nobody may in read-only mode. With ``operators`` set, those whom the trusted proxy names and nobody else.
    Without, everybody at the machine itself (loopback), which is how the dashboard runs by default.
    """
    settings = _settings()
    if settings is None or settings.read_only:
        return False
    if settings.operators:
        return user_name() in settings.operators
    return _on_loopback()


def require_write() -> None:
    """Raise `NotAllowedError` unless the one who asks may change something."""
    if not may_write():
        raise NotAllowedError(
            "This needs an operator: ask one, or have your name added to the setting 'operators'."
        )


def _settings() -> Settings | None:
    if not has_request_context():
        return None
    found = current_app.config.get(CONFIG_KEY)
    return found if isinstance(found, Settings) else None


def _on_loopback() -> bool:
    settings = _settings()
    if settings is not None and not settings.trust_proxy and "X-Forwarded-For" in request.headers:
        return False  # a proxy on this machine that nobody told us to trust: everybody would be local
    if not (settings is not None and settings.trust_proxy) and not _names_loopback(request.host):
        return (
            False  # another site's name that points here (DNS rebinding), or such a proxy without the header
        )
    try:
        return ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


def _names_loopback(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
