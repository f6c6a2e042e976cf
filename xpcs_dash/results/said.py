"""Statements in the index: a row of the table of files holds both, the one of its bins as columns over q.

The columns are also what ``summary.fit`` of the JSON interface has always been; `bins_from` reads them back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from xpcs_dash.errors import SchemaError
from xpcs_dash.logs import get_logger
from xpcs_dash.results import plain
from xpcs_dash.results.statement import (
    LEVEL,
    SCHEMA,
    SIGMA_MODELS,
    BinResult,
    Estimate,
    FileStatement,
    Origin,
    Review,
    SigmaModel,
    check_schema,
)
from xpcs_dash.results.verdict import verdict

if TYPE_CHECKING:
    from xpcs_dash.database.files import FileRow

__all__ = ["Said", "bins_from", "said_of", "table_of"]

log = get_logger(__name__)

#: Column of a parameter -> the part of its `Estimate`.
_PARTS = {"": "value", "_err": "sigma", "_low": "low", "_high": "high"}


def table_of(bins: Sequence[BinResult]) -> dict[str, Any]:
    """Bins of one fit as columns over q, with what they share said once; numbers at seven digits.

    File and version are not in it: the row of the file says them.

    Raises
    ------
    ValueError
        Where there is none, or they are not of one fit.
    """
    if not bins:
        raise ValueError("there is no bin")
    first = bins[0]
    if any((b.model, b.names, b.sigma_model) != (first.model, first.names, first.sigma_model) for b in bins):
        raise ValueError("bins of several fits")
    made: dict[str, Any] = {
        "schema": SCHEMA,
        "model": first.model,
        "sigma_model": first.sigma_model,
        "level": LEVEL,
        "q_unit": first.q_unit,
        "units": {name: estimate.unit for name, estimate in first.values.items()},
        "held": [name for name, estimate in first.values.items() if estimate.held],
        "provenance": first.origin.to_json(),
        # what scripts of before ask for
        "engine": first.origin.engine,
        "sigma_known": first.sigma_model != "scatter",
        "min_coincidences": first.origin.settings.get("min_coincidences"),
        "label": [b.label for b in bins],
        "q": [_digits(b.q) for b in bins],
        "phi": [_digits(b.phi) for b in bins],
    }
    for name in first.names:
        for tail, part in _PARTS.items():
            made[f"{name}{tail}"] = [_digits(getattr(b.values[name], part)) for b in bins]
    made["covariance"] = [
        [_digits(value) for k, row in enumerate(b.covariance) for value in row[: k + 1]] for b in bins
    ]
    made["chi2_red"] = [_digits(b.chi2_red) for b in bins]
    made["n_points"] = [b.n_points for b in bins]
    made["good"] = [b.good for b in bins]
    made["flags"] = [list(b.verdict.flags) for b in bins]
    if any(b.verdict != verdict(b.verdict.flags) for b in bins):
        made["reasons"] = [list(b.verdict.reasons) for b in bins]
    if first.review != Review():
        made["review"] = first.review.to_json()
    return made


def bins_from(given: Any, ref: str = "", version: str | None = "") -> tuple[BinResult, ...]:
    """Inverse of `table_of`; an empty object holds no bin.

    Raises
    ------
    SchemaError
        Where it is none of ours: names the column, what was expected there and what was found.
    """
    at = plain.At("fit")
    values = at.mapping(given, extra=True)
    if not values:
        return ()
    check_schema(at, values)
    units = at.table(values, "units")
    found = values.get("label")
    n = len(found) if isinstance(found, list) else 0
    columns = {
        name: {part: at.numbers(values, f"{name}{tail}", n) for tail, part in _PARTS.items()}
        for name in units
    }
    labels, q, phi, chi2, points = (
        at.numbers(values, name, n) for name in ("label", "q", "phi", "chi2_red", "n_points")
    )
    flags = _each(at, values, "flags", n)
    reasons = _each(at, values, "reasons", n) if "reasons" in values else None
    verdicts = [verdict(flags[k], None if reasons is None else reasons[k]) for k in range(n)]
    good = values.get("good")
    if good != [found.good for found in verdicts]:
        raise at.refuse("good", "what follows from the flags", good)
    triangles = values.get("covariance")
    size = len(units)
    if not isinstance(triangles, list) or any(
        not isinstance(row, list) or len(row) != size * (size + 1) // 2 for row in triangles
    ):
        raise at.refuse("covariance", f"{n} lists of {size * (size + 1) // 2} numbers", triangles)
    shared: dict[str, Any] = {
        "model": at.text(values, "model"),
        "sigma_model": cast("SigmaModel", at.one_of(values, "sigma_model", SIGMA_MODELS)),
        "q_unit": at.text(values, "q_unit"),
        "origin": Origin.from_json(values.get("provenance"), at.inside("provenance")),
        "review": Review.from_json(values["review"], at.inside("review")) if "review" in values else Review(),
        "ref": ref,
        "version": version or "",
    }
    held = set(at.texts(values, "held"))
    return tuple(
        BinResult(
            label=int(labels[k]),
            q=q[k],
            phi=phi[k],
            values={
                name: Estimate(
                    **{part: column[k] for part, column in parts.items()},
                    unit=str(units[name]),
                    held=name in held,
                )
                for name, parts in columns.items()
            },
            covariance=_square(at, triangles[k], size),
            n_points=int(points[k]),
            chi2_red=chi2[k],
            verdict=verdicts[k],
            **shared,
        )
        for k in range(n)
    )


def _digits(value: float) -> float | str | None:
    made = plain.number(value)
    return float(f"{made:.7g}") if isinstance(made, float) else made


def _each(at: plain.At, values: Mapping[str, Any], name: str, n: int) -> list[tuple[str, ...]]:
    found = values.get(name)
    if not isinstance(found, list) or len(found) != n:
        raise at.refuse(name, f"{n} lists of texts", found)
    return [at.texts({name: item}, name) for item in found]


def _square(at: plain.At, triangle: Sequence[Any], size: int) -> tuple[tuple[float, ...], ...]:
    """A symmetric matrix from its lower triangle, row by row."""
    numbers = at.numbers({"covariance": list(triangle)}, "covariance", len(triangle))
    place = {}
    k = 0
    for i in range(size):
        for j in range(i + 1):
            place[i, j] = place[j, i] = numbers[k]
            k += 1
    return tuple(tuple(place[i, j] for j in range(size)) for i in range(size))


@dataclass(frozen=True)
class Said:
    """What the index says about one file.

    Attributes
    ----------
    file : its scalars; None while it is not read.
    bins : the fit of its bins made on arrival; empty while there is none.
    problem : why one of them cannot be used, as a sentence; empty where all is well.
    """

    file: FileStatement | None
    bins: tuple[BinResult, ...] = ()
    problem: str = ""

    def bin(self, label: int) -> BinResult | None:
        """What is said about one bin."""
        if 0 < label <= len(self.bins) and self.bins[label - 1].label == label:
            return self.bins[label - 1]
        return next((found for found in self.bins if found.label == label), None)


def said_of(row: FileRow) -> Said:
    """Read the statements out of a row; the bins are in rows of `Catalogue.get` and `get_many` alone."""
    if row.summary is None:
        return Said(None)
    problem, statement = "", None
    bins: tuple[BinResult, ...] = ()
    try:
        statement = FileStatement.from_json(row.summary, ref=row.ref, version=row.version, flags=row.flags)
        bins = bins_from(row.summary.get("fit") or {}, row.ref, row.version)
    except SchemaError as err:
        problem = f"what the index says about {row.name} cannot be used ({err}); ask for it to be read again."
        log.warning(problem)
    return Said(statement, bins, problem)
