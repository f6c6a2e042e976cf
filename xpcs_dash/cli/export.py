"""``xpcs-dash export``: a figure for paper or its numbers, without a browser."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

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
    options = ViewOptions(
        parse_bins(q_bins),
        model,
        sigma,
        size,
        title,
        law_range=range_of("q", q0, q1),
        **asked(tmin, tmax, par, model),
    )
    print(write(open_result(file), figure, out, options, url))


def asked(tmin: float | None, tmax: float | None, par: str, model: str) -> dict[str, Any]:
    """What the Fit page would make of the same address.

    Raises
    ------
    UsageError
        An empty range of delays, bounds in the wrong order, a text that names no parameter of the model.
    """
    made: dict[str, Any] = {"delay": range_of("delay", tmin, tmax)}
    if par.strip():
        from xpcs_dash.pages.fit.request import read_controls, read_given

        given = read_given(par)
        names = {part.partition(":")[0].strip() for part in par.split(",")}
        read = {f"{name}.{what}" for name, what, _ in given}
        if names - read:
            raise UsageError(
                f"--par {sorted(names - read)[0]!r}: write for example tau.lower:1e-4,gamma.fixed:1."
            )
        request = read_controls(model, "counting", (None, None), given)
        made |= {"fixed": request.fixed, "start": request.start, "bounds": request.bounds}
        kept = {*request.fixed, *request.start, *request.bounds, *request.priors}
        unknown = {name for name, _, _ in given} - kept
        if unknown:
            raise UsageError(f"--par: the model {model} has no parameter {sorted(unknown)[0]}.")
    return made


def range_of(name: str, low: float | None, high: float | None) -> tuple[float, float] | None:
    """A range with its open end filled; None where neither end is given.

    Raises
    ------
    UsageError
        Where it is empty.
    """
    if low is None and high is None:
        return None
    found = (0.0 if low is None else low, math.inf if high is None else high)
    if not found[0] < found[1]:
        raise UsageError(f"{name} range: the first value must be below the last one.")
    return found


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
