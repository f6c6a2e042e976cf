"""``xpcs-dash token``: named tokens, with which people and scripts change things."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from xpcs_dash.cli.in_force import Config

Name = Annotated[str, typer.Argument(help="whose token it is, such as ada or scan-script")]
State = Annotated[Path | None, typer.Option(help="the dashboard's state directory")]
Root = Annotated[Path | None, typer.Option(help="the directory that it watches, without a state directory")]
RoleName = Annotated[str, typer.Option(help="operator or admin; viewers need no token")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Make, list and revoke tokens of people and scripts.", no_args_is_help=True)
    group.command("create", help="Make a token and print it; it is shown this once.")(create)
    group.command("list", help="List the names of all tokens.")(list_tokens)
    group.command("revoke", help="Let a token be worth nothing from now on.")(revoke)
    app.add_typer(group, name="token")


def create(
    name: Name, role: RoleName = "operator", state_dir: State = None, root: Root = None, config: Config = None
) -> None:
    """Print a new token."""
    from xpcs_dash.access import tokens

    print(tokens.create(_state(state_dir, root, config), name, role))


def list_tokens(state_dir: State = None, root: Root = None, config: Config = None) -> None:
    """Print name, role and state of every token."""
    from xpcs_dash.access import tokens

    for row in tokens.listed(_state(state_dir, root, config)):
        state = f"revoked {_day(row.revoked)}" if row.revoked else "good"
        print(f"{row.name}\t{row.role}\tmade {_day(row.made)}\t{state}")


def revoke(name: Name, state_dir: State = None, root: Root = None, config: Config = None) -> None:
    """Revoke a token; browsers and scripts that hold it only look from their next request on."""
    from xpcs_dash.access import tokens

    tokens.revoke(_state(state_dir, root, config), name)
    print(f"{name}: revoked.")


def _state(state_dir: Path | None, root: Path | None, config: Path | None) -> Path:
    from xpcs_dash.settings import load_settings

    return load_settings(config, state_dir=state_dir, root=root).state_dir


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
