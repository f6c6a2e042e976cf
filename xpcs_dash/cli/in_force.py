"""The settings of a command that is not ``serve``: the same file, environment and names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from xpcs_dash.settings import Settings

__all__ = ["Config", "Given", "log_as_command", "settings_in_force"]

Config = Annotated[Path | None, typer.Option(help="TOML file with settings, as for serve")]
Given = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="a setting, such as min_coincidences=20; repeatable"),
]


def settings_in_force(config: Path | None, given: list[str] | None, **more: Any) -> Settings:
    """The settings that ``serve`` would have here: TOML file < environment ``XPCS_DASH_*`` < ``--set``.

    Parameters
    ----------
    **more : values of a command's own options; None means "not given".

    Raises
    ------
    UsageError
        For a setting that does not exist or a value that it cannot take.
    """
    from xpcs_dash.backend import use_backend
    from xpcs_dash.cli.values import texts
    from xpcs_dash.settings import load_settings

    settings = load_settings(config, texts("--set", given), **more)
    log_as_command(settings)
    use_backend(settings.backend)
    return settings


def log_as_command(settings: Settings) -> None:
    """Log like every process, but of a command that answers only what goes wrong."""
    from xpcs_dash.logs import configure_logging

    level = "warning" if settings.log_level == "info" else settings.log_level
    configure_logging(level, "command", settings.log_format)
