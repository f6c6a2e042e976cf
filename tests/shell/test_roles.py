"""Viewers read, operators write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from xpcs_dash.settings import load_settings
from xpcs_dash.shell import roles


def allowed(
    tmp_path: Path, remote: str, headers: dict[str, str] | None = None, host: str = "localhost", **given: Any
) -> bool:
    """Answer of `may_write` for a request."""
    server = Flask("test")
    server.config[roles.CONFIG_KEY] = load_settings(state_dir=tmp_path, **given)
    with server.test_request_context(
        "/", headers=headers or {}, base_url=f"http://{host}/", environ_base={"REMOTE_ADDR": remote}
    ):
        return roles.may_write()


def test_loopback__writes_by_default(tmp_path: Path) -> None:
    assert allowed(tmp_path, "127.0.0.1")
    assert allowed(tmp_path, "::1", host="[::1]:8050")
    assert not allowed(tmp_path, "10.0.0.7")
    assert not allowed(tmp_path, "")


def test_loopback__not_through_a_proxy_that_nobody_trusts(tmp_path: Path) -> None:
    assert not allowed(tmp_path, "127.0.0.1", {"X-Forwarded-For": "10.0.0.7"})


def test_loopback__not_under_another_sites_name(tmp_path: Path) -> None:
    assert not allowed(tmp_path, "127.0.0.1", host="evil.example:8050")


def test_read_only__nobody_writes(tmp_path: Path) -> None:
    assert not allowed(tmp_path, "127.0.0.1", read_only=True)


def test_operators__by_the_trusted_header_alone(tmp_path: Path) -> None:
    named = {"X-Remote-User": "anna"}
    assert allowed(tmp_path, "10.0.0.7", named, operators=("anna",), trust_proxy=True)
    assert not allowed(tmp_path, "10.0.0.7", {"X-Remote-User": "bert"}, operators=("anna",), trust_proxy=True)
    assert not allowed(tmp_path, "10.0.0.7", named, operators=("anna",), trust_proxy=False)
    assert not allowed(tmp_path, "127.0.0.1", operators=("anna",), trust_proxy=True)


def test_require_write__is_a_sentence(tmp_path: Path) -> None:
    server = Flask("test")
    server.config[roles.CONFIG_KEY] = load_settings(state_dir=tmp_path, read_only=True)
    with server.test_request_context("/"), pytest.raises(roles.NotAllowedError, match="operator"):
        roles.require_write()


def test_outside_a_request__nobody_writes() -> None:
    assert not roles.may_write()
    assert roles.user_name() == ""
