"""Headers of every answer, and requests that are refused before anything looks at them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from urllib.parse import SplitResult, urlsplit

from flask import Flask, Response, jsonify, request

#: Largest request body, bytes: a 4-megapixel float image as base64 fits.
MAX_BODY = 64 * 1024 * 1024

_YEAR = "public, max-age=31536000, immutable"


def content_policy(script_hashes: Sequence[str]) -> str:
    """Content-Security-Policy: everything from here, scripts also by hash (Dash writes some inline).

    Plotly and the grid set styles on elements, hence ``unsafe-inline`` for styles alone; ``data:`` and
    ``blob:`` images are how a browser saves a plot as a picture.
    """
    return "; ".join(
        [
            "default-src 'self'",
            "script-src " + " ".join(["'self'", *script_hashes]),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        ]
    )


def _is_foreign(site: str | None, origin: str | None, hosts: Iterable[str], *, any_port: bool) -> bool:
    """True for a request that a page of another site made, by what browsers say of it.

    Browsers name the relation of the sites on encrypted and on local pages only, but the origin always.

    Parameters
    ----------
    site, origin : the headers Sec-Fetch-Site and Origin.
    hosts : names of this server; another site cannot choose any of them, nor send a header of its own.
    any_port : a host without a port stands for all of its ports.
    """
    if site in ("cross-site", "same-site"):
        return True
    if origin is None:
        return False
    try:
        theirs, ours = urlsplit(origin), [urlsplit(f"{origin.partition(':')[0]}://{host}") for host in hosts]
        pairs = [(_port(theirs), _port(own), own) for own in ours]
    except ValueError:
        return True
    return not any(
        theirs.hostname and theirs.hostname == own.hostname and (a == b or (any_port and own.port is None))
        for a, b, own in pairs
    )


def _port(address: SplitResult) -> int | None:
    return address.port or {"http": 80, "https": 443}.get(address.scheme)


def protect(
    server: Flask, prefix: str, script_hashes: Callable[[], Sequence[str]], *, behind_proxy: bool = False
) -> None:
    """Install the checks and headers on a server.

    Parameters
    ----------
    prefix : URL prefix with slashes at both ends.
    script_hashes : hashes of the inline scripts; asked for once, at the first page.
    behind_proxy : a proxy that is trusted stands before it, which may hand on the host without its port.
    """
    server.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    policy: list[str] = []

    @server.before_request
    def refuse_other_sites() -> tuple[Response, int] | None:
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return None
        headers = request.headers
        hosts = filter(None, (request.host, headers.get("X-Forwarded-Host")))
        if _is_foreign(headers.get("Sec-Fetch-Site"), headers.get("Origin"), hosts, any_port=behind_proxy):
            return jsonify(error="Requests from another site are refused."), 403
        return None

    @server.after_request
    def add_headers(answer: Response) -> Response:
        if not policy:
            policy.append(content_policy(script_hashes()))
        headers = answer.headers
        headers.setdefault("Content-Security-Policy", policy[0])
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("X-Frame-Options", "SAMEORIGIN")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        if request.path.startswith(f"{prefix}assets/") and answer.status_code == 200:
            fixed = "m" in request.args or "v" in request.args
            headers["Cache-Control"] = _YEAR if fixed else "public, max-age=3600"
        return answer
