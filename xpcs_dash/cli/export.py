"""``xpcs-dash export``: a figure for paper or its numbers, without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xpcs_dash.cli.in_force import Config, Given
from xpcs_dash.export import VIEWS


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "export", help="Write a figure (pdf, svg, png) or its numbers (csv, h5), with their provenance."
    )(export)


def export(
    file: Annotated[Path, typer.Argument(help="result file")],
    figure: Annotated[str, typer.Option(help=", ".join(VIEWS))],
    out: Annotated[Path, typer.Option(help="file to write; its suffix decides the form")],
    q_bins: Annotated[str | None, typer.Option(help="labels of the dynamic map, such as 1,4,7")] = None,
    model: Annotated[str, typer.Option(help="of fits, by its name; a wrong one lists all")] = "single",
    sigma: Annotated[str, typer.Option(help="of fits: counting or file")] = "counting",
    tmin: Annotated[float | None, typer.Option(help="of fits: first delay, in s")] = None,
    tmax: Annotated[float | None, typer.Option(help="of fits: last delay, in s")] = None,
    par: Annotated[
        str, typer.Option(help="of fits, as in the Fit page's address: tau.lower:1e-4,gamma.fixed:1")
    ] = "",
    q0: Annotated[float | None, typer.Option(help="of the power law: first q")] = None,
    q1: Annotated[float | None, typer.Option(help="of the power law: last q")] = None,
    column: Annotated[str, typer.Option(help="single (85 mm) or double (178 mm)")] = "single",
    width_mm: Annotated[float | None, typer.Option(help="width in place of the column's")] = None,
    height_mm: Annotated[
        float | None, typer.Option(help="height; default: the view's own proportion")
    ] = None,
    title: Annotated[bool, typer.Option(help="write the file's name above the figure")] = False,
    url: Annotated[str, typer.Option(help="address to record as the page that shows the same")] = "",
    config: Config = None,
    given: Given = None,
) -> None:
    """Write one view of one file."""
    from xpcs_dash.cli.export_request import ExportRequest
    from xpcs_dash.cli.files import open_given
    from xpcs_dash.cli.in_force import settings_in_force
    from xpcs_dash.cli.values import labels
    from xpcs_dash.export.write import export as write

    labels(q_bins)  # a mistake in it is one of usage
    settings = settings_in_force(config, given)
    request = ExportRequest(
        q_bins or "", model, sigma, tmin, tmax, par, q0, q1, column, width_mm, height_mm, title
    )
    options = request.options(figure)
    print(write(open_given(file, settings), figure, out, options, settings, url))
