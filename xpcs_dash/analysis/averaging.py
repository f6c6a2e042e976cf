"""Averaging result files: which to accept, running means, and the errors of the mean.

Memory is bounded by a few files whatever their number: every sum is updated as a file passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.aps_writer import ApsResult
from xpcs_dash.results.convert import aps_result
from xpcs_dash.results.xpcs_file import XpcsFile

Array = NDArray[np.float64]
NONE_ACCEPTED = "No file was accepted: widen the accept band or choose other files."


@dataclass(frozen=True)
class AcceptRule:
    """Accept a file where the mean of its last delays lies in a band.

    Attributes
    ----------
    label : 1-based q-bin.
    window : number of last delays.
    low, high : the band of the baseline.
    """

    label: int = 1
    window: int = 10
    low: float = 0.95
    high: float = 1.05

    def __post_init__(self) -> None:
        if self.label < 1 or self.window < 1:
            raise UsageError("the q-bin and the number of delays of the accept rule start at 1.")
        if not self.low < self.high:
            raise UsageError(
                f"accept band {self.low:g} to {self.high:g}: the lower limit must be below the upper one."
            )


@dataclass(frozen=True)
class Levels:
    """What the accept rule needs to know of one file; ``problem`` says why it could not be read.

    Attributes
    ----------
    baseline, baseline_err : weighted mean of the last delays of one q-bin, and its error.
    contrast : the same of the first delays, minus 1.
    intensity : mean of I(q), photons/pixel/frame.
    """

    name: str
    baseline: float = float("nan")
    baseline_err: float = float("nan")
    contrast: float = float("nan")
    intensity: float = float("nan")
    problem: str = ""


def baseline_of(xf: XpcsFile, label: int, window: int) -> tuple[float, float]:
    """Weighted mean of g2 over the last delays of one q-bin and its error; NaN where nothing is trusted.

    Points with too few expected coincidences are left out: their mean is noise, not a baseline.
    """
    column = _column(xf, label)
    last = slice(max(xf.t_el.size - window, 0), None)
    use = xf.trusted[last, column]
    values, sigma = xf.g2[last, column][use], xf.g2_sigma[last, column][use]
    if not values.size:
        return float("nan"), float("nan")
    weight = 1.0 / np.square(sigma)
    return float(np.sum(weight * values) / np.sum(weight)), float(1.0 / np.sqrt(np.sum(weight)))


def contrast_of(xf: XpcsFile, label: int, window: int = 5) -> float:
    """Mean of the first trusted delays of one q-bin, weighted, minus 1."""
    column = _column(xf, label)
    first = np.flatnonzero(xf.trusted[:, column])[:window]
    if not first.size:
        return float("nan")
    weight = 1.0 / np.square(xf.g2_sigma[first, column])
    return float(np.sum(weight * xf.g2[first, column]) / np.sum(weight) - 1.0)


def _column(xf: XpcsFile, label: int) -> int:
    n_q = xf.g2.shape[1] if xf.g2 is not None else 0
    if not 1 <= label <= n_q:
        raise UsageError(f"{xf.path.name}: there is no q-bin {label}; choose 1 to {n_q}.")
    return label - 1


def measure(xf: XpcsFile, label: int, window: int) -> Levels:
    """Read off one file what the accept rule needs.

    Raises
    ------
    UsageError
        Where the file has no such q-bin.
    """
    baseline, error = baseline_of(xf, label, window)
    intensity = float(np.nanmean(xf.saxs_1d)) if xf.saxs_1d is not None and xf.saxs_1d.size else float("nan")
    return Levels(xf.path.name, baseline, error, contrast_of(xf, label), intensity)


def refusal(levels: Levels, rule: AcceptRule) -> str:
    """Why the rule refuses a file, as a clause; empty where it accepts it."""
    if levels.problem:
        return levels.problem
    if not np.isfinite(levels.baseline):
        return f"no trusted point among the last {rule.window} delays of q-bin {rule.label}"
    if not rule.low <= levels.baseline <= rule.high:
        return f"baseline {levels.baseline:.4f} outside {rule.low:g} to {rule.high:g}"
    return ""


@dataclass(frozen=True)
class Averaged:
    """The mean of several result files; arrays as in `XpcsFile`, ``coincidences`` added up."""

    paths: tuple[Path, ...]
    g2: Array
    g2_err: Array
    coincidences: Array
    saxs_1d: Array | None
    saxs_2d: Array | None
    segments: Array | None
    int_t: Array | None


class RunningAverage:
    """Running means over files of one measurement.

    The mean of g2 is the plain mean over files, its error sqrt(sum sigma_i^2) / N (error propagation for
    independent files), coincidences add up. Each point counts the files in which it is finite.

    Raises
    ------
    UsageError
        From `add`, where a file's delays, q-bins, detector or q-map differ from the first one's.
    """

    def __init__(self) -> None:
        self._first: XpcsFile | None = None
        self._paths: list[Path] = []
        self._sources: list[str] = []
        self._means: dict[str, Array] = {}
        self._counts: dict[str, NDArray[np.int64]] = {}
        self._sums: dict[str, Array] = {}

    @property
    def first(self) -> XpcsFile:
        """The first file added, whose metadata the average carries."""
        if self._first is None:
            raise UsageError(NONE_ACCEPTED)
        return self._first

    @property
    def sources(self) -> tuple[str, ...]:
        """Every file behind the average, those of averaged inputs included."""
        return tuple(self._sources)

    def add(self, xf: XpcsFile) -> None:
        """Take one more file into the means."""
        if "multitau" not in xf.kinds:
            raise UsageError(f"{xf.path.name}: has no multi-tau g2 to average.")
        if self._first is None:
            self._first = xf
        self._check(xf)
        for name in ("g2", "saxs_1d", "saxs_2d", "segments", "int_t"):
            values = getattr(xf, name)
            if values is not None:
                self._update(name, np.asarray(values, dtype=np.float64))
        self._add("variance", np.square(xf.g2_err))
        self._add("coincidences", xf.coincidences)
        self._paths.append(xf.path)
        self._sources += xf.averaged_from or (xf.path.name,)

    def _check(self, xf: XpcsFile) -> None:
        first = self.first
        same_delays = xf.t_el.shape == first.t_el.shape and np.allclose(xf.t_el, first.t_el, rtol=1e-6)
        same_q = xf.g2.shape == first.g2.shape and np.allclose(xf.q, first.q, rtol=1e-6)
        for same, what in ((same_delays, "delays"), (same_q, "q-bins")):
            if not same:
                raise UsageError(
                    f"{xf.path.name}: its {what} differ from those of {first.path.name}; average them apart."
                )
        if not _same_map(xf, first):
            raise UsageError(
                f"{xf.path.name}: made with another q-map than {first.path.name}; average them apart."
            )

    def _add(self, name: str, values: Array) -> None:
        finite = np.nan_to_num(np.asarray(values, dtype=np.float64))
        self._sums[name] = self._sums[name] + finite if name in self._sums else finite

    def _update(self, name: str, values: Array) -> None:
        if name not in self._means:
            self._means[name] = np.zeros_like(values)
            self._counts[name] = np.zeros(values.shape, dtype=np.int64)
        mean, count = self._means[name], self._counts[name]
        if values.shape != mean.shape:
            raise UsageError(
                f"{name} has shape {values.shape}, in the first file {mean.shape}; average them apart."
            )
        finite = np.isfinite(values)
        count += finite
        # Welford's update of the mean: no loss of digits however many files pass
        mean += np.where(finite, (np.where(finite, values, 0.0) - mean) / np.maximum(count, 1), 0.0)

    def result(self) -> Averaged:
        """The averages so far."""
        number = len(self._paths)
        if not number:
            raise UsageError(NONE_ACCEPTED)
        means = {name: np.where(self._counts[name] > 0, mean, np.nan) for name, mean in self._means.items()}
        return Averaged(
            paths=tuple(self._paths),
            g2=means["g2"],
            g2_err=np.sqrt(self._sums["variance"]) / number,
            coincidences=self._sums["coincidences"],
            saxs_1d=means.get("saxs_1d"),
            saxs_2d=means.get("saxs_2d"),
            segments=means.get("segments"),
            int_t=means.get("int_t"),
        )


def _same_map(one: XpcsFile, other: XpcsFile) -> bool:
    # The hash covers more than the labels, so maps with different hashes may still be equal.
    if one.map_hash is not None and one.map_hash == other.map_hash:
        return True
    return all(
        a is not None and b is not None and np.array_equal(a, b)
        for a, b in ((one.dqmap, other.dqmap), (one.sqmap, other.sqmap))
    )


def average(
    paths: Iterable[Path],
    open_file: Callable[[Path], XpcsFile],
    on_file: Callable[[int], None] = lambda _: None,
) -> RunningAverage:
    """Average the files one after the other; ``on_file`` is called after each with their number so far."""
    running = RunningAverage()
    for number, path in enumerate(paths, start=1):
        running.add(open_file(path))
        on_file(number)
    return running


def to_result(running: RunningAverage) -> ApsResult:
    """The average as a result file of the present layout, with the metadata of the first file.

    The file list names every file behind it, because readers multiply expected coincidences by their number;
    an input that is an average itself stands with all of its own files.

    Raises
    ------
    UsageError
        Where the first file lacks what such a file must hold.
    """
    mean = running.result()
    first = aps_result(running.first)
    return replace(
        first,
        g2=mean.g2,
        g2_err=mean.g2_err,
        saxs_1d=mean.saxs_1d,
        saxs_2d=mean.saxs_2d,
        segments=mean.segments,
        int_t=None if mean.int_t is None else mean.int_t[1],
        # these belong to one file; an average of them was not asked for
        partial_g2=None,
        partial_g2_err=None,
        partial_labels=None,
        twotime=None,
        averaged_from=running.sources,
        extra={**first.extra, "/xpcs/average/coincidences": (mean.coincidences, "")},
    )
