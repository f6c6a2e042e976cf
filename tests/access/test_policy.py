"""From what is known of a request to the role of the one who asks."""

from __future__ import annotations

from typing import Any

import pytest

from xpcs_dash.access.policy import Asked, Policy, Role, Who, is_forwarding, names_loopback
from xpcs_dash.errors import UsageError
from xpcs_dash.settings import load_settings

SECRET = "a secret of the proxy"


def policy(tmp_path: Any, **given: Any) -> Policy:
    return Policy.of(load_settings(state_dir=tmp_path, **given))


def asked(peer: str = "127.0.0.1", host: str = "localhost:8050", **more: Any) -> Asked:
    return Asked(peer=peer, host=host, **more)


def role(policy: Policy, holder: Who | None = None, **given: Any) -> Role:
    return policy.who(asked(**given), holder).role


def test_roles_are_ordered() -> None:
    assert Role.VIEWER < Role.OPERATOR < Role.ADMIN
    assert [r.word for r in Role] == ["viewer", "operator", "admin"]


def test_a_token_makes_its_holder_what_it_says_wherever_he_sits(tmp_path: Any) -> None:
    rules = policy(tmp_path, open_on_loopback=False)
    for held in Role:
        who = rules.who(asked("10.0.0.7", "beamline:8050"), Who(held, "ada"))
        assert who == Who(held, "ada")
    assert role(rules, peer="10.0.0.7") is Role.VIEWER


def test_being_at_the_machine_makes_nobody_an_operator_unless_it_is_opened(tmp_path: Any) -> None:
    assert role(policy(tmp_path, open_on_loopback=False)) is Role.VIEWER
    opened = policy(tmp_path, open_on_loopback=True)
    assert role(opened) is Role.OPERATOR
    assert role(opened, peer="::1", host="[::1]:8050") is Role.OPERATOR
    assert role(opened, peer="::ffff:127.0.0.1") is Role.OPERATOR
    assert role(opened, peer="10.0.0.7") is Role.VIEWER
    assert role(opened, peer="") is Role.VIEWER


def test_an_open_machine_is_open_to_nobody_whom_something_stands_for(tmp_path: Any) -> None:
    opened = policy(tmp_path, open_on_loopback=True)
    assert role(opened, forwarded=True) is Role.VIEWER
    for host in ("evil.example", "evil.example:8050", "localhost.evil.example", "10.0.0.5:8050", ""):
        assert role(opened, host=host) is Role.VIEWER, host
    assert role(policy(tmp_path, open_on_loopback=True, trust_proxy=True)) is Role.VIEWER


@pytest.mark.parametrize(
    ("given", "peer", "secret", "trusted"),
    [
        ({"proxies": ("10.0.0.5",)}, "10.0.0.5", "", True),
        ({"proxies": ("10.0.0.5",)}, "10.0.0.6", "", False),
        ({"proxies": ("10.0.0.5",)}, "127.0.0.1", "", False),
        ({"proxies": ("10.0.0.0/24", "fd00::/8")}, "fd00::1", "", True),
        ({"proxies": ("10.0.0.0/24",)}, "::ffff:10.0.0.9", "", True),
        ({"proxy_secret": SECRET}, "10.9.9.9", SECRET, True),
        ({"proxy_secret": SECRET}, "127.0.0.1", "", False),
        ({"proxy_secret": SECRET}, "127.0.0.1", SECRET[:-1], False),
        ({"proxy_secret": SECRET}, "127.0.0.1", "sécret", False),
        ({"proxy_secret": SECRET, "proxies": ("10.0.0.5",)}, "10.0.0.5", SECRET, True),
        ({"proxy_secret": SECRET, "proxies": ("10.0.0.5",)}, "10.0.0.5", "", False),
        ({"proxy_secret": SECRET, "proxies": ("10.0.0.5",)}, "10.0.0.6", SECRET, False),
        ({}, "127.0.0.1", "", True),  # on a loopback address alone
        ({}, "10.0.0.5", "", False),
        ({"trust_proxy": False}, "127.0.0.1", "", False),
    ],
)
def test_a_proxy_is_known_by_address_or_secret(
    tmp_path: Any, given: Any, peer: str, secret: str, trusted: bool
) -> None:
    rules = policy(tmp_path, **{"trust_proxy": True, "operators": ("ada",), "admins": ("eve",), **given})
    assert rules.trusts(peer, secret) is trusted
    for name, wanted in (
        ("ada", Role.OPERATOR),
        ("eve", Role.ADMIN),
        ("bert", Role.VIEWER),
        ("", Role.VIEWER),
    ):
        who = rules.who(asked(peer, secret=secret, user=name, forwarded=True))
        assert who == (Who(wanted, name) if trusted else Who()), name


def test_trust_without_a_way_to_know_the_proxy_is_refused_on_a_public_address(tmp_path: Any) -> None:
    for host in ("0.0.0.0", "::", "10.0.0.5", "beamline", ""):
        with pytest.raises(UsageError, match=r"trust_proxy on .*proxies.*proxy_secret"):
            policy(tmp_path, trust_proxy=True, host=host)
        policy(tmp_path, trust_proxy=True, host=host, proxies=("10.0.0.5",))
        policy(tmp_path, trust_proxy=True, host=host, proxy_secret=SECRET)
        policy(tmp_path, host=host)
    for host in ("127.0.0.1", "::1", "localhost"):
        policy(tmp_path, trust_proxy=True, host=host)
    with pytest.raises(UsageError, match="'nginx' is no address"):
        policy(tmp_path, trust_proxy=True, proxies=("nginx",))
    with pytest.raises(UsageError, match="16 characters"):
        policy(tmp_path, trust_proxy=True, proxy_secret="short")


def test_read_only__nobody_writes_but_everybody_keeps_the_name(tmp_path: Any) -> None:
    rules = policy(tmp_path, read_only=True, open_on_loopback=True)
    assert role(rules) is Role.VIEWER
    assert rules.who(asked(), Who(Role.ADMIN, "eve")) == Who(Role.VIEWER, "eve")


def test_an_empty_name_is_nobodys(tmp_path: Any) -> None:
    rules = policy(tmp_path, trust_proxy=True, operators=("",), admins=("",))
    assert role(rules, forwarded=True) is Role.VIEWER


def test_headers_of_proxies() -> None:
    for name in ("X-Forwarded-For", "x-forwarded-host", "Forwarded", "Via", "X-Real-Ip", "CF-Connecting-IP"):
        assert is_forwarding(["Host", name]), name
    assert not is_forwarding(["Host", "Accept", "Cookie", "Origin", "X-Requested-With"])


def test_names_of_this_machine() -> None:
    for host in (
        "localhost",
        "LOCALHOST:8050",
        "a.localhost:1",
        "127.0.0.1",
        "127.9.9.9:80",
        "[::1]",
        "[::1]:8050",
        "::1",
    ):
        assert names_loopback(host), host
    for host in (
        "",
        "evil.example",
        "localhost.evil.example",
        "10.0.0.1:8050",
        "[fe80::1]:8050",
        "0.0.0.0",
        "::",
    ):
        assert not names_loopback(host), host
