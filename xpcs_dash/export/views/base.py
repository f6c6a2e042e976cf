"""What a view for export is, and what may be chosen about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from xpcs_dash.errors import IncompleteFile, UsageError, shown
from xpcs_dash.export.tables import Table
from xpcs_dash.figures.publication import PageSize, PaperFigure

if TYPE_CHECKING:
    from xpcs_dash.results.statement import BinResult
    from xpcs_dash.results.xpcs_file import XpcsFile


@dataclass(frozen=True)
class ViewOptions:
    """What a person chooses about an export.

    Attributes
    ----------
    q_bins : 1-based labels of the dynamic map; None takes what is legible in a figure, and all in a table.
    model : of fits, by its name.
    sigma : of fits: "counting" or "file".
    size : on paper; None takes a single column.
    title : whether the figure says which file it shows.
    delay : of fits: first and last delay in s; None takes all.
    fixed, start, bounds : of fits, by parameter name; what is missing follows the data.
    law_range : of the power law: first and last q; None takes all.
    """

    q_bins: tuple[int, ...] | None = None
    model: str = "single"
    sigma: str = "counting"
    size: PageSize | None = None
    title: bool = False
    delay: tuple[float, float] | None = None
    fixed: Mapping[str, float] = field(default_factory=dict)
    start: Mapping[str, float] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    law_range: tuple[float, float] | None = None


def _nothing(xf: XpcsFile, options: ViewOptions) -> dict[str, Any]:  # noqa: ARG001 - every view has the same form
    return {}


@dataclass(frozen=True)
class View:
    """One exportable view.

    Attributes
    ----------
    name : as the command line calls it.
    aspect : height of the figure over its width, where the person does not say.
    tables : numbers behind the view.
    draw : the figure, with the size in the options.
    covers : for the provenance, the ranges and choices on which the numbers depend besides the q-bins;
        `xpcs_dash.export.views.ranges` has the pieces.
    statements : what it says of each bin, which travels with it; a view without fits says nothing.
    """

    name: str
    aspect: float
    tables: Callable[[XpcsFile, ViewOptions], list[Table]]
    draw: Callable[[XpcsFile, ViewOptions, PageSize], PaperFigure]
    covers: Callable[[XpcsFile, ViewOptions], dict[str, Any]] = _nothing
    statements: Callable[[XpcsFile, ViewOptions], Sequence[BinResult]] = lambda _xf, _options: ()


def need(xf: XpcsFile, value: Any, what: str) -> Any:
    """Return ``value``, or say that the file does not hold it."""
    if value is None or (hasattr(value, "size") and value.size == 0):
        raise IncompleteFile(xf.path, f"holds no {what}", "choose another figure or another file")
    return value


def chosen_bins(xf: XpcsFile, options: ViewOptions, at_most: int | None = None) -> list[int]:
    """0-based columns of the chosen q-bins; without a choice all, or ``at_most`` spread over them.

    Raises
    ------
    UsageError
        For a label that the file does not have.
    """
    n_q = int(np.shape(need(xf, xf.g2, "multi-tau g2"))[1])
    if options.q_bins is None:
        if at_most is None or n_q <= at_most:
            return list(range(n_q))
        return sorted({round(k) for k in np.linspace(0, n_q - 1, at_most)})
    wrong = [label for label in options.q_bins if not 1 <= label <= n_q]
    if wrong:
        raise UsageError(f"{xf.path.name}: there is no q-bin {wrong[0]}; choose from 1 to {n_q}.")
    return [label - 1 for label in options.q_bins]


def title_of(xf: XpcsFile, options: ViewOptions) -> str:
    """File name where the person asked for a title."""
    return literal(xf.path.stem) if options.title else ""


def literal(text: str) -> str:
    """A text out of a file, or its name, for a figure: drawn as it stands, with no formula read into it."""
    return shown(text).replace("$", r"\$")
