"""The sums behind an average: what is added up as a file passes, and how two sums become one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError
from xpcs_dash.results.numbers import Numbers

__all__ = ["Mean", "Sums"]

Array = NDArray[np.float64]

#: What is averaged, point by point.
MEANS = ("g2", "saxs_1d", "saxs_2d", "segments", "int_t")


class Mean:
    """Mean of arrays of one shape; each point counts the arrays in which it is finite."""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self._name = name
        self._sum = np.zeros(shape)
        self._whole = 0  # arrays that were finite everywhere
        self._some: NDArray[np.int64] | None = None  # of the others, how many were finite at each point

    def _check(self, shape: tuple[int, ...]) -> None:
        if shape != self._sum.shape:
            raise UsageError(
                f"{self._name} has shape {shape}, in the first file {self._sum.shape}; average them apart."
            )

    def add(self, values: NDArray[np.floating]) -> None:
        """Take in one more array.

        Raises
        ------
        UsageError
            Where its shape differs from that of the others.
        """
        self._check(values.shape)
        # a sum is finite only where all of its terms are
        if np.isfinite(values.sum()):
            self._sum += values
            self._whole += 1
            return
        finite = np.isfinite(values)
        self._sum += np.where(finite, values, 0.0)
        self._some = finite.astype(np.int64) if self._some is None else self._some + finite

    def merge(self, other: Mean) -> None:
        """Take in everything that ``other`` has taken in."""
        self._check(other._sum.shape)
        self._sum += other._sum
        self._whole += other._whole
        if other._some is not None:
            self._some = other._some if self._some is None else self._some + other._some

    def mean(self) -> Array:
        """The mean so far; NaN where no array was finite."""
        if self._some is None:
            return self._sum / max(self._whole, 1)
        count = self._some + self._whole
        return np.where(count > 0, self._sum / np.maximum(count, 1), np.nan)


class Sums:
    """Sums over files of one measurement.

    Attributes
    ----------
    sources : path of each file -> names of the files behind it.
    """

    def __init__(self) -> None:
        self.sources: list[tuple[Path, tuple[str, ...]]] = []
        self._means: dict[str, Mean] = {}
        self._totals: dict[str, Array] = {}

    def add(self, found: Numbers) -> None:
        """Take in one file."""
        for name in MEANS:
            values = getattr(found, name)
            if values is None:
                continue
            if name not in self._means:
                self._means[name] = Mean(name, values.shape)
            self._means[name].add(values)
        self._add("variance", np.square(found.g2_err))
        self._add("coincidences", found.coincidences)
        self.sources.append((found.path, found.sources))

    def _add(self, name: str, values: Array) -> None:
        if not np.isfinite(values.sum()):
            values = np.nan_to_num(values)
        if name in self._totals:
            self._totals[name] += values
        else:
            self._totals[name] = np.array(values, dtype=np.float64)

    def merge(self, other: Sums) -> None:
        """Take in all files of ``other``."""
        for name, mean in other._means.items():
            if name in self._means:
                self._means[name].merge(mean)
            else:
                self._means[name] = mean
        for name, total in other._totals.items():
            self._add(name, total)
        self.sources += other.sources

    def mean(self, name: str) -> Array | None:
        """Mean of one of `MEANS`; None where no file has it."""
        found = self._means.get(name)
        return None if found is None else found.mean()

    def total(self, name: str) -> Array:
        """Sum of ``variance`` (of g2) or ``coincidences``; points that are not finite count as 0."""
        return self._totals[name]
