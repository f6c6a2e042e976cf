"""``xpcs-dash export``: a figure for paper or its numbers, without a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xpcs_dash.errors import UsageError


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "export", help="Write a figure (pdf, svg, png) or its numbers (csv, h5), with their provenance."
    )(export)


def export(
    file: Annotated[Path, typer.Argument(help="result file")],
    figure: Annotated[
        str, typer.Option(help="g2, saxs, detector, intensity, stability, twotime, qmap, fit, diffusion")
    ],
    out: Annotated[Path, typer.Option(help="file to write; its suffix decides the form")],
    q_bins: Annotated[str | None, typer.Option(help="labels of the dynamic map, such as 1,4,7")] = None,
    model: Annotated[str, typer.Option(help="of fits: single, stretched or double")] = "single",
    sigma: Annotated[str, typer.Option(help="of fits: counting or file")] = "counting",
    column: Annotated[str, typer.Option(help="single (85 mm) or double (178 mm)")] = "single",
    width_mm: Annotated[float | None, typer.Option(help="width in place of the column's")] = None,
    height_mm: Annotated[
        float | None, typer.Option(help="height; default: the view's own proportion")
    ] = None,
    title: Annotated[bool, typer.Option(help="write the file's name above the figure")] = False,
    url: Annotated[str, typer.Option(help="address to record as the page that shows the same")] = "",
) -> None:
    """Write one view of one file."""
    from xpcs_dash import open_result
    from xpcs_dash.export.views import ViewOptions, find_view
    from xpcs_dash.export.write import export as write
    from xpcs_dash.figures.publication import PageSize

    aspect = find_view(figure).aspect
    size = PageSize.preset(column, height_mm, aspect)
    if width_mm is not None:
        size = PageSize(width_mm, height_mm if height_mm is not None else width_mm * aspect)
    options = ViewOptions(parse_bins(q_bins), model, sigma, size, title)
    print(write(open_result(file), figure, out, options, url))


def parse_bins(text: str | None) -> tuple[int, ...] | None:
    """``1,4-6`` -> (1, 4, 5, 6).

    Raises
    ------
    UsageError
        For anything else.
    """
    if text is None or not text.strip():
        return None
    labels: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise UsageError(f"q-bins {text!r}: give labels such as 1,4,7 or 1-5.")
        labels += range(int(first), int(last or first) + 1)
    return tuple(dict.fromkeys(labels))
