"""Who may change something: roles, trust in proxies, tokens. Plain values in, a role out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xpcs_dash.access.policy import Asked, Policy, Role, Who
from xpcs_dash.access.tokens import Tokens

if TYPE_CHECKING:
    from xpcs_dash.settings import Settings

__all__ = ["Access", "Asked", "Role", "Who", "open_access"]


@dataclass(frozen=True)
class Access:
    """The policy of one dashboard, and the tokens that it knows."""

    policy: Policy
    tokens: Tokens

    def who(self, asked: Asked) -> Who:
        """Who asks, and what they may do."""
        return self.policy.who(asked, self.tokens.find(asked.token) if asked.token else None)


def open_access(settings: Settings) -> Access:
    """The access rules that the settings describe.

    Raises
    ------
    UsageError
        For a proxy that is trusted without a way to know it.
    """
    return Access(Policy.of(settings), Tokens(settings.state_dir))
