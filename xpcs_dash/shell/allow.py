"""Who may call what: declared by `open_to` where a callback or a route is made, and asked nowhere else."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Collection
from typing import Any

from dash import Dash, ctx
from dash.exceptions import MissingCallbackContextException, PreventUpdate
from flask import current_app, has_request_context, request

from xpcs_dash.access import Access, Asked, Role, Who
from xpcs_dash.access.policy import SECRET_HEADER, is_forwarding
from xpcs_dash.errors import UsageError

#: Where `xpcs_dash.web.create_app` leaves the access rules for requests.
CONFIG_KEY = "XPCS_DASH_ACCESS"
#: Where `open_to` leaves the role on a function, for those who look whether it was declared.
DECLARED = "xpcs_dash_open_to"
#: Properties that are empty until a person does something: as inputs, they say that nothing was done yet.
UNTOUCHED = {"n_clicks", "contents", "data", ""}


class NotAllowedError(UsageError):
    """A request to change something by somebody who may only look."""


def open_to[**P, R](role: Role, *, look: Collection[str] = ()) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare from which role on a callback or a route may be called; whoever has less is refused.

    It stands under the line that makes the callback or the route; `create_app` takes none without it.

    Parameters
    ----------
    role : the lowest role that may call it.
    look : ids of inputs of this callback that change nothing, which everybody may use.
    """

    def declare(inner: Callable[P, R]) -> Callable[P, R]:
        if role is Role.VIEWER:
            setattr(inner, DECLARED, role)
            return inner

        @functools.wraps(inner)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if _asks(look):
                require(role)
            return inner(*args, **kwargs)

        setattr(call, DECLARED, role)
        return call

    return declare


def declared(function: Any) -> Role | None:
    """The role that `open_to` declared for a callback or a route; None where somebody forgot it."""
    found = getattr(function, DECLARED, None)
    return found if isinstance(found, Role) else None


def undeclared(app: Dash, beside: Collection[str] = ()) -> list[str]:
    """Callbacks and routes of an app of which nobody said who may call them.

    Parameters
    ----------
    beside : endpoints that are not ours, such as those of Dash.
    """
    listed = [
        f"callback of {output}"
        for output, entry in app.callback_map.items()
        if "callback" in entry and declared(entry["callback"]) is None
    ]
    return listed + [
        f"route {endpoint}"
        for endpoint, function in app.server.view_functions.items()
        if endpoint not in beside and declared(function) is None
    ]


def require(role: Role) -> None:
    """Raise `NotAllowedError` unless the one who asks has at least this role."""
    if who_asks().role >= role:
        return
    access = _access()
    if access is not None and access.policy.read_only:
        raise NotAllowedError(f"This needs an {role.word}, and here nobody is: the dashboard is read-only.")
    raise NotAllowedError(
        f"This needs an {role.word}: open the link that xpcs-dash printed at its start, or ask for a token."
    )


def may_write() -> bool:
    """True where the one who asks may change something."""
    return who_asks().role >= Role.OPERATOR


def user_name() -> str:
    """Name of the one who asks, by a trusted proxy or a token; an empty text where nobody vouches for one."""
    return who_asks().name


def who_asks() -> Who:
    """Who asks, and what they may do; outside a request, nobody who may do anything."""
    access = _access()
    return Who() if access is None else access.who(asked(access.policy.user_header))


def asked(user_header: str) -> Asked:
    """What is known of the present request; a proxy names the user in ``user_header``."""
    # where the proxy was believed, these are of the connection itself
    kept = request.environ.get("werkzeug.proxy_fix.orig", {})
    return Asked(
        peer=kept.get("REMOTE_ADDR") or request.environ.get("REMOTE_ADDR", ""),
        host=kept.get("HTTP_HOST") or request.host,
        forwarded=is_forwarding(name for name, _ in request.headers),
        token=_bearer() or request.cookies.get(cookie_name(), ""),
        secret=request.headers.get(SECRET_HEADER, ""),
        user=request.headers.get(user_header, "").strip()[:200],
    )


def cookie_name() -> str:
    """Name of the cookie in which a browser keeps its token.

    It is of this host and port: dashboards on other ports do not overwrite it, and under another name that
    somebody makes point here, no browser shows it and none would count.
    """
    return "xd-operator-" + hashlib.sha256(request.host.lower().encode()).hexdigest()[:12]


def _asks(look: Collection[str]) -> bool:
    """Whether the present call wants what is declared; without an act of a person there is no callback."""
    try:
        triggered = ctx.triggered
        trigger = ctx.triggered_id
    except (
        MissingCallbackContextException,
        LookupError,
    ):  # a route; LookupError where no callback ran before
        return True
    if isinstance(trigger, str) and trigger in look:
        return False
    properties = {str(entry["prop_id"]).rpartition(".")[2] for entry in triggered}
    if properties <= UNTOUCHED and not any(entry["value"] for entry in triggered):
        raise PreventUpdate
    return True


def _bearer() -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _access() -> Access | None:
    if not has_request_context():
        return None
    found = current_app.config.get(CONFIG_KEY)
    return found if isinstance(found, Access) else None
