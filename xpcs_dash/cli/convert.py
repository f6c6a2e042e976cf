"""``xpcs-dash convert``: a file of any layout, written in another."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from xpcs_dash.cli.in_force import Config, Given


class Target(StrEnum):
    """Layouts that we write."""

    own = "own"
    aps = "aps"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("convert", help="Write a result file in our own layout or in the present APS layout.")(
        convert
    )


def convert(
    file: Annotated[Path, typer.Argument(help="result file of any layout that we read")],
    to: Annotated[Target, typer.Option(help="layout to write")],
    out: Annotated[Path, typer.Option(help="file to make")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the file if it exists")] = False,
    config: Config = None,
    given: Given = None,
) -> None:
    """Convert one file; what the layout cannot hold is said on stderr, one sentence each."""
    from xpcs_dash.cli.files import open_given
    from xpcs_dash.cli.in_force import settings_in_force
    from xpcs_dash.results.convert import convert as write

    settings = settings_in_force(config, given)
    made = write(open_given(file, settings), to.value, out, overwrite=overwrite)
    for loss in made.losses:
        print(f"xpcs-dash: {loss.sentence}", file=sys.stderr)
    print(made.path)
