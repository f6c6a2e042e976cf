"""How requests come in: through a proxy that is believed, and with a token that a link brings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, urlencode

from flask import Flask, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

from xpcs_dash.access import Access
from xpcs_dash.access.policy import SECRET_HEADER, Policy
from xpcs_dash.shell.allow import cookie_name

#: Name in a link's query of the token that it brings.
TOKEN = "token"  # noqa: S105 - the name of a parameter
#: How long a browser keeps the token, s.
KEPT_S = 365 * 86400

_REFUSED = """<!DOCTYPE html><html lang="en"><title>xpcs-dash</title>
<p>This link is no longer good: its token was revoked, or belongs to another dashboard. Take the one that
xpcs-dash printed when it started last, or <a href="{home}">go on without</a>: whoever looks needs none."""


def believe_proxy(server: Flask, policy: Policy) -> None:
    """Take scheme, host and address from a proxy's headers, in requests that the trusted proxy handed on."""
    if not policy.trust_proxy:
        return
    plain = server.wsgi_app
    fixed = ProxyFix(plain, x_for=1, x_proto=1, x_host=1)
    header = "HTTP_" + SECRET_HEADER.upper().replace("-", "_")

    def chosen(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        trusted = policy.trusts(environ.get("REMOTE_ADDR", ""), environ.get(header, ""))
        return fixed(environ, start) if trusted else plain(environ, start)

    server.wsgi_app = chosen  # type: ignore[method-assign,assignment]  # Flask's own way


def let_in(server: Flask, access: Access, prefix: str) -> None:
    """Take the token out of the address that brings one: the browser keeps it where no script reads it."""

    @server.before_request
    def take_token() -> Response | None:
        if request.method != "GET" or TOKEN not in request.args:
            return None
        if access.tokens.find(request.args[TOKEN]) is None:
            answer = Response(_REFUSED.format(home=prefix), 403, mimetype="text/html")
        else:
            rest = [(name, value) for name, value in request.args.items(multi=True) if name != TOKEN]
            # one slash: with two, the rest would be read as the name of another host
            path = "/" + quote(request.path.lstrip("/\\")) + (f"?{urlencode(rest)}" if rest else "")
            answer = Response("", 303, {"Location": path})
            answer.set_cookie(
                cookie_name(),
                request.args[TOKEN],
                max_age=KEPT_S,
                path=prefix,
                httponly=True,
                samesite="Strict",
                secure=request.is_secure,
            )
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["Referrer-Policy"] = "no-referrer"
        return answer
