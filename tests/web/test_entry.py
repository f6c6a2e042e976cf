"""Who gets in how: the link with a token, tokens of scripts, proxies that are and are not believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from tests.web.filling import add_file
from xpcs_dash.access import tokens
from xpcs_dash.services import Services
from xpcs_dash.web import create_app

HERE, ELSEWHERE, PROXY = "127.0.0.1", "10.0.0.7", "10.0.0.5"
TRUST = {"trust_proxy": True, "operators": ("ada",)}
MakeServices = Callable[..., Services]


def client_of(services: Services) -> tuple[FlaskClient, str]:
    """A client, and the address of something that changes something."""
    ref = add_file(services.catalogue, next(iter(services.settings.roots.values())) / "a_results.hdf")
    path = f"{services.settings.url_prefix}api/files/{quote(ref)}/retry"
    return create_app(services).server.test_client(), path


def retry(client: FlaskClient, path: str, remote: str = HERE, host: str = "localhost", **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = client.post(
        path, headers=named, base_url=f"http://{host}/", environ_base={"REMOTE_ADDR": remote}
    )
    return answer.status_code


def test_the_link_makes_a_browser_an_operator_and_leaves_no_token(make_services: MakeServices) -> None:
    services = make_services(open_on_loopback=False, url_prefix="/xpcs/")
    token = tokens.ensure_own(services.settings.state_dir)
    client, path = client_of(services)
    assert retry(client, path) == 403
    answer = client.get(f"/xpcs/g2?file=a&token={token}&q=1,2")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/xpcs/g2?file=a&q=1%2C2"
    assert token not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    cookie = answer.headers["Set-Cookie"]
    for part in ("HttpOnly", "SameSite=Strict", "Path=/xpcs/", "Max-Age="):
        assert part in cookie
    assert retry(client, path) == 202
    assert retry(client, path, Origin="http://evil.example") == 403
    assert retry(client, path, host="evil.example", Origin="http://evil.example") == 403
    (services.settings.state_dir / "token").unlink()
    assert retry(client, path) == 403


def test_a_token_that_is_not_known_lets_nobody_in_and_leads_nowhere_else(make_services: MakeServices) -> None:
    services = make_services(open_on_loopback=False)
    token = tokens.ensure_own(services.settings.state_dir)
    client, path = client_of(services)
    answer = client.get("/?token=wrong")
    assert answer.status_code == 403
    assert "no longer good" in answer.text
    assert "Set-Cookie" not in answer.headers
    assert retry(client, path) == 403
    for odd in ("//evil.example/", "/\\evil.example"):
        to = client.get(f"{odd}?token={token}").headers.get("Location", "/")
        assert not to.startswith(("//", "/\\")), to


def test_scripts_write_with_a_token_until_it_is_revoked(make_services: MakeServices) -> None:
    services = make_services(open_on_loopback=False)
    state = services.settings.state_dir
    own, ada = tokens.ensure_own(state), tokens.create(state, "ada")
    client, path = client_of(services)
    for token in (own, ada):
        assert retry(client, path, ELSEWHERE, "beamline:8050", Authorization=f"Bearer {token}") == 202
    tokens.revoke(state, "ada")
    assert retry(client, path, ELSEWHERE, Authorization=f"Bearer {ada}") == 403
    assert retry(client, path, ELSEWHERE, Authorization=f"Bearer {own}") == 202


@pytest.mark.parametrize(
    ("settings", "remote", "headers"),
    [
        ({}, HERE, {}),  # a bare proxy on this machine: nothing tells it from a person
        ({}, HERE, {"X_Remote_User": "ada"}),
        ({"operators": ("ada",)}, HERE, {"X_Remote_User": "ada"}),
        ({"trust_proxy": True}, HERE, {"X_Forwarded_For": "127.0.0.1"}),
        ({**TRUST, "proxies": (PROXY,)}, ELSEWHERE, {"X_Remote_User": "ada"}),
        ({**TRUST, "proxies": (PROXY,)}, ELSEWHERE, {"X_Remote_User": "ada", "X_Forwarded_For": PROXY}),
        ({**TRUST, "proxy_secret": "s" * 20}, HERE, {"X_Remote_User": "ada"}),
        ({"open_on_loopback": True}, HERE, {"X_Forwarded_For": "127.0.0.1"}),
        ({"open_on_loopback": True}, HERE, {"Via": "1.1 proxy"}),
        ({"open_on_loopback": True}, ELSEWHERE, {"X_Forwarded_For": "127.0.0.1"}),
    ],
)  # fmt: skip
def test_nobody_becomes_an_operator_behind_a_proxy_that_is_not_believed(
    make_services: MakeServices, settings: dict[str, Any], remote: str, headers: dict[str, str]
) -> None:
    client, path = client_of(make_services(**{"open_on_loopback": False, **settings}))
    assert retry(client, path, remote, **headers) == 403


def test_whom_the_believed_proxy_names_may_write(make_services: MakeServices) -> None:
    known = {"open_on_loopback": False, "trust_proxy": True, "operators": ("ada",)}
    client, path = client_of(make_services(**known, proxies=(PROXY,)))
    assert retry(client, path, PROXY, X_Remote_User="ada", X_Forwarded_For=ELSEWHERE) == 202
    assert retry(client, path, PROXY, X_Remote_User="bert", X_Forwarded_For=ELSEWHERE) == 403
    assert retry(client, path, PROXY, X_Forwarded_For=ELSEWHERE) == 403
    settings = make_services(**known, proxy_secret="s" * 20)
    client, path = client_of(settings)
    named = {"X_Remote_User": "ada", "X_Xpcs_Dash_Proxy": "s" * 20}
    assert retry(client, path, "10.9.9.9", **named) == 202


def test_looking_needs_no_token(make_services: MakeServices) -> None:
    client, _ = client_of(make_services(open_on_loopback=False))
    for path in ("/?kiosk=1", "/_dash-layout", "/api/revision", "/api/files"):
        assert client.get(path, environ_base={"REMOTE_ADDR": ELSEWHERE}).status_code == 200, path
