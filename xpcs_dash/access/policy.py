"""From what is known of a request to the role of the one who asks."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from xpcs_dash.errors import UsageError

if TYPE_CHECKING:
    from xpcs_dash.settings import Settings

#: Where a proxy on this machine connects from.
LOOPBACK = ("127.0.0.0/8", "::1/128")
#: Header in which a proxy shows the secret that it shares with the dashboard.
SECRET_HEADER = "X-Xpcs-Dash-Proxy"  # noqa: S105 - the name of a header
#: Headers by which proxies say for whom they ask; and everything that begins like `FORWARDED`.
FORWARDING = frozenset(
    ("forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip",
     "cf-connecting-ip", "x-original-host", "x-original-forwarded-for")
)  # fmt: skip
FORWARDED = "x-forwarded"


class Role(IntEnum):
    """What somebody may do; a higher one includes the lower."""

    VIEWER = 0
    OPERATOR = 1
    ADMIN = 2

    @property
    def word(self) -> str:
        """The role's name."""
        return self.name.lower()


@dataclass(frozen=True)
class Asked:
    """What is known of a request.

    Attributes
    ----------
    peer : address of the other end of the connection itself, which may be a proxy.
    host : the Host that the connection's other end named, port and all.
    forwarded : whether it carries a header by which proxies say for whom they ask.
    token : the token that it shows, or an empty text.
    secret : what it shows as the proxy's secret.
    user : the name that it gives as the proxy's word; worth something from a trusted proxy alone.
    """

    peer: str = ""
    host: str = ""
    forwarded: bool = False
    token: str = ""
    secret: str = ""
    user: str = ""


@dataclass(frozen=True)
class Who:
    """Who asks, as far as it is known, and what they may do."""

    role: Role = Role.VIEWER
    name: str = ""


@dataclass(frozen=True)
class Policy:
    """Who may do what, by the settings; see `of`."""

    read_only: bool = False
    operators: frozenset[str] = frozenset()
    admins: frozenset[str] = frozenset()
    trust_proxy: bool = False
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    secret: str = ""
    user_header: str = ""
    open_on_loopback: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        """The policy that the settings describe.

        Raises
        ------
        UsageError
            For a proxy that is trusted on a public address without a list of addresses or a secret, and for
            an entry of the list that is no address.
        """
        given = settings.proxies
        secret = settings.proxy_secret.get_secret_value() if settings.proxy_secret else ""
        if settings.trust_proxy and not given and not secret and not names_loopback(settings.host):
            raise UsageError(
                f"trust_proxy on {settings.host}: everybody who reaches this address could call themselves "
                "an operator. Give the addresses of the proxy as 'proxies', or a shared 'proxy_secret', or "
                "listen on 127.0.0.1."
            )
        if secret and len(secret) < 16:
            raise UsageError("proxy_secret is shorter than 16 characters: take a longer one, not a word.")
        return cls(
            read_only=settings.read_only,
            operators=frozenset(settings.operators),
            admins=frozenset(settings.admins),
            trust_proxy=settings.trust_proxy,
            proxies=_networks(given or (() if secret else LOOPBACK)),
            secret=secret,
            user_header=settings.user_header,
            open_on_loopback=settings.open_on_loopback,
        )

    def trusts(self, peer: str, secret: str) -> bool:
        """Whether a request that comes from ``peer`` was handed on by the trusted proxy.

        Where both a list and a secret are set, both must fit.
        """
        if not self.trust_proxy:
            return False
        if self.secret and not hmac.compare_digest(secret.encode(), self.secret.encode()):
            return False
        address = _address(peer)
        listed = address is not None and any(address in network for network in self.proxies)
        return listed or not self.proxies

    def who(self, asked: Asked, holder: Who | None = None) -> Who:
        """Who asks, and what they may do.

        Parameters
        ----------
        asked : what is known of the request.
        holder : to whom the token that it shows belongs; None without one that is known.
        """
        named = asked.user if self.trusts(asked.peer, asked.secret) else ""
        role = Role.VIEWER if holder is None else holder.role
        if named and named in self.admins:
            role = max(role, Role.ADMIN)
        elif (named and named in self.operators) or self._is_open_to(asked):
            role = max(role, Role.OPERATOR)
        name = named or (holder.name if holder is not None else "")
        return Who(Role.VIEWER if self.read_only else role, name)

    def _is_open_to(self, asked: Asked) -> bool:
        return self.open_on_loopback and not self.trust_proxy and self.is_local(asked)

    @staticmethod
    def is_local(asked: Asked) -> bool:
        """Whether somebody at this machine asks, as far as that can be told: nothing was forwarded, and the
        name in the address means this machine, so that no other site's name was made to point here.
        """
        address = _address(asked.peer)
        here = address is not None and address.is_loopback
        return here and not asked.forwarded and names_loopback(asked.host)


def is_forwarding(names: Iterable[str]) -> bool:
    """Whether one of the names of headers is one by which proxies say for whom they ask."""
    lowered = (name.lower() for name in names)
    return any(name in FORWARDING or name.startswith(FORWARDED) for name in lowered)


def names_loopback(host: str) -> bool:
    """Whether a host, with or without a port, means this machine."""
    name = host.rsplit(":", 1)[0] if host.count(":") == 1 or (host.startswith("[") and "]:" in host) else host
    name = name.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name.strip("[]"))
    return address is not None and address.is_loopback


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _networks(given: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    found = []
    for text in given:
        try:
            found.append(ip_network(text, strict=False))
        except ValueError:
            raise UsageError(
                f"proxies: {text!r} is no address; give some such as 10.0.0.5 or 10.0.0.0/24."
            ) from None
    return tuple(found)
