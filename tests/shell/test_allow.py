"""Who may call what is declared where a callback or a route is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from xpcs_dash.access import open_access, tokens
from xpcs_dash.settings import load_settings
from xpcs_dash.shell import allow
from xpcs_dash.shell.allow import NotAllowedError, Role, open_to


def server_of(tmp_path: Path, **given: Any) -> Flask:
    server = Flask("test")
    server.config[allow.CONFIG_KEY] = open_access(load_settings(state_dir=tmp_path, **given))
    return server


def asking(server: Flask, remote: str = "127.0.0.1", host: str = "localhost", **headers: str) -> Any:
    """A request of somebody; underscores in names of headers stand for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.test_request_context(
        "/", headers=named, base_url=f"http://{host}/", environ_base={"REMOTE_ADDR": remote}
    )


def test_who_has_less_is_refused_with_a_sentence(tmp_path: Path) -> None:
    @open_to(Role.OPERATOR)
    def deed() -> str:
        return "done"

    @open_to(Role.ADMIN)
    def great_deed() -> str:
        return "done"

    server, token = server_of(tmp_path, open_on_loopback=False), tokens.create(tmp_path, "ada")
    with asking(server), pytest.raises(NotAllowedError, match="This needs an operator: open the link"):
        deed()
    with asking(server, Authorization=f"Bearer {token}"):
        assert deed() == "done"
        assert allow.user_name() == "ada"
        with pytest.raises(NotAllowedError, match="needs an admin"):
            great_deed()
    read_only = server_of(tmp_path, read_only=True)
    with (
        asking(read_only, Authorization=f"Bearer {token}"),
        pytest.raises(NotAllowedError, match="read-only"),
    ):
        deed()
    with pytest.raises(NotAllowedError):
        deed()  # outside a request
    assert allow.user_name() == ""


def test_a_declaration_stays_on_the_function_through_other_wraps() -> None:
    from functools import wraps

    def inner() -> None: ...

    @wraps(open_to(Role.OPERATOR)(inner))
    def outer() -> None: ...

    assert allow.declared(outer) is Role.OPERATOR
    assert allow.declared(open_to(Role.VIEWER)(lambda: None)) is Role.VIEWER
    assert allow.declared(inner) is None


def test_a_browser_shows_its_token_in_a_cookie_of_this_host_and_port(tmp_path: Path) -> None:
    server, token = server_of(tmp_path, open_on_loopback=False), tokens.create(tmp_path, "ada")
    with asking(server, host="beamline:8050"):
        name = allow.cookie_name()
    for host, may in (
        ("beamline:8050", True),
        ("BEAMLINE:8050", True),
        ("beamline:8051", False),
        ("evil.example", False),
    ):
        with asking(server, host=host, Cookie=f"{name}={token}"):
            assert allow.may_write() is may, host


@pytest.mark.parametrize("header", ["Basic YWRhOnB3", "Bearer", "Bearer ", "Bearer wrong", ""])
def test_another_authorization_is_no_token(tmp_path: Path, header: str) -> None:
    server = server_of(tmp_path, open_on_loopback=False)
    tokens.create(tmp_path, "ada")
    with asking(server, Authorization=header):
        assert not allow.may_write()


def test_a_name_counts_from_the_trusted_proxy_alone(tmp_path: Path) -> None:
    server = server_of(tmp_path, trust_proxy=True, proxies=("10.0.0.5",), operators=("ada",))
    with asking(server, "10.0.0.5", X_Remote_User="ada"):
        assert allow.may_write()
        assert allow.user_name() == "ada"
    for remote in ("10.0.0.7", "127.0.0.1"):
        with asking(server, remote, X_Remote_User="ada"):
            assert not allow.may_write()
            assert allow.user_name() == ""
