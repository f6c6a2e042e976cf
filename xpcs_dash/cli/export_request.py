"""What is asked of an export: the options of the command and the query of the route mean the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from xpcs_dash.errors import UsageError, shown

if TYPE_CHECKING:
    from xpcs_dash.export.views import ViewOptions

__all__ = ["ExportRequest", "asked", "range_of"]


@dataclass(frozen=True)
class ExportRequest:
    """One figure, in the words of the person.

    Attributes
    ----------
    q : labels of the dynamic map, such as ``1,4-6``.
    model, sigma, tmin, tmax, par : of fits, as in the Fit page's address; delays in s.
    q0, q1 : of the power law, first and last q.
    column : "single" (85 mm) or "double" (178 mm).
    width_mm, height_mm : in place of the column's.
    title : write the file's name above the figure.
    """

    q: str = ""
    model: str = "single"
    sigma: str = "counting"
    tmin: float | None = None
    tmax: float | None = None
    par: str = ""
    q0: float | None = None
    q1: float | None = None
    column: str = "single"
    width_mm: float | None = None
    height_mm: float | None = None
    title: bool = False

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> ExportRequest:
        """Read the query of an address; names that mean something else are left alone.

        Raises
        ------
        UsageError
            For a number that is none.
        """
        given: dict[str, Any] = {}
        for field in fields(cls):
            text = query.get(field.name.replace("_", "-"), "")
            if not text:
                continue
            if isinstance(field.default, bool):
                given[field.name] = text == "1"
            else:
                given[field.name] = text if isinstance(field.default, str) else _number(field.name, text)
        return cls(**given)

    def options(self, figure: str) -> ViewOptions:
        """The same for `xpcs_dash.export.write.export`.

        Raises
        ------
        UsageError
            For an unknown figure, an empty range, a size out of reason, a text that names no parameter.
        """
        from xpcs_dash.cli.values import read_labels
        from xpcs_dash.export.views import ViewOptions, find_view
        from xpcs_dash.figures.publication import PageSize

        aspect = find_view(figure).aspect
        size = PageSize.preset(self.column, self.height_mm, aspect)
        if self.width_mm is not None:
            height = self.height_mm if self.height_mm is not None else self.width_mm * aspect
            size = PageSize(self.width_mm, height)
        return ViewOptions(
            read_labels(self.q),
            self.model,
            self.sigma,
            size,
            self.title,
            law_range=range_of("q", self.q0, self.q1),
            **asked(self.tmin, self.tmax, self.par, self.model),
        )


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
                f"--par {shown(sorted(names - read)[0], 80)!r}: write for example "
                "tau.lower:1e-4,gamma.fixed:1."
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


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{name}={shown(text, 40)!r} is not a number.")
    return value
