"""The fit of all q that ingest made, read back from the catalogue in the form of a fit made now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.fitting.models import get_model

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
NAMES = ("too_few_points", "no_decay", "incomplete_decay", "not_converged", "poor_fit")


@dataclass(frozen=True)
class StoredFit:
    """A fit out of the catalogue; the fields are those of `fitting.batch_result.BatchFit`."""

    names: tuple[str, ...]
    values: Floats
    errors: Floats
    chi2_red: Floats
    at_bound: Flags
    too_few_points: Flags
    no_decay: Flags
    incomplete_decay: Flags
    not_converged: Flags
    poor_fit: Flags
    good: Flags
    flags: tuple[tuple[str, ...], ...]

    @property
    def n_q(self) -> int:
        """Number of bins."""
        return len(self.values)

    def reasons(self, k: int) -> tuple[str, ...]:
        """The flags of bin ``k`` as sentences."""
        from xpcs_dash.fitting.batch_result import flag_sentence

        return tuple(flag_sentence(flag) for flag in self.flags[k])


def stored_fit(
    columns: Mapping[str, Any] | None, model: str, n_q: int, min_coincidences: float
) -> StoredFit | None:
    """Read what `quality.fit_summary` wrote under ``fit``.

    Parameters
    ----------
    columns : the mapping, or None.
    model : the model that is wanted; ingest keeps the single exponential, with counting σ.
    n_q : bins of the file.
    min_coincidences : in force now; a fit that was made with another is none.

    Returns
    -------
    None where the catalogue holds no such fit of all these bins with this setting.
    """
    names = get_model(model).names
    if not columns or columns.get("model") != model or len(columns.get("label") or ()) != n_q:
        return None
    if columns.get("min_coincidences") != min_coincidences:
        return None
    if not all(f"{name}{tail}" in columns for name in names for tail in ("", "_err")):
        return None
    flags = tuple(tuple(str(flag) for flag in found) for found in columns["flags"])

    def table(tail: str) -> Floats:
        return np.array([columns[f"{name}{tail}"] for name in names], dtype=np.float64).T.reshape(n_q, -1)

    def has(flag: str) -> Flags:
        return np.array([flag in found for found in flags], dtype=bool)

    return StoredFit(
        names=names,
        values=table(""),
        errors=table("_err"),
        chi2_red=np.array(columns["chi2_red"], dtype=np.float64),
        at_bound=np.array([has(f"at_bound:{name}") for name in names]).T.reshape(n_q, -1),
        good=np.array(columns["good"], dtype=bool),
        flags=flags,
        **{name: has(name) for name in NAMES},
    )
