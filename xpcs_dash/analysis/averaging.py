"""Averaging result files: which to accept, running means, and the errors of the mean.

Memory is bounded by a few files whatever their number: every sum is updated as a file passes. Other processes
help where there are many files, see `analysis.crew`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.analysis.crew import Crew
from xpcs_dash.analysis.sums import Sums
from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.aps_writer import ApsResult
from xpcs_dash.results.convert import aps_result
from xpcs_dash.results.numbers import Siblings, numbers_of
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
        self._siblings: Siblings | None = None
        self._sums = Sums()

    @property
    def first(self) -> XpcsFile:
        """The first file added, whose metadata the average carries."""
        if self._first is None:
            raise UsageError(NONE_ACCEPTED)
        return self._first

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files added."""
        return tuple(path for path, _ in self._sums.sources)

    @property
    def sources(self) -> tuple[str, ...]:
        """Every file behind the average, those of averaged inputs included."""
        return tuple(name for _, names in self._sums.sources for name in names)

    def add(self, xf: XpcsFile) -> None:
        """Take one more file into the means."""
        if "multitau" not in xf.kinds:
            raise UsageError(f"{xf.path.name}: has no multi-tau g2 to average.")
        if self._first is None:
            self._first = xf
        self._check(xf)
        self._sums.add(numbers_of(xf))

    def add_path(self, path: Path, open_file: Callable[[Path], XpcsFile]) -> None:
        """Take one more file into the means, read no more of it than they need."""
        if self._first is not None and self._siblings is None:
            self._siblings = Siblings(self._first)
        found = None if self._siblings is None else self._siblings.read(path)
        if found is None:
            self.add(open_file(path))
        else:
            self._sums.add(found)

    def merge(self, other: Sums) -> None:
        """Take in files of the same measurement that somebody else has added up."""
        self._sums.merge(other)

    def in_order(self, paths: Iterable[Path]) -> None:
        """Name the files in the order of ``paths``, whatever the order in which they were added."""
        place = {path.absolute(): k for k, path in enumerate(paths)}
        self._sums.sources.sort(key=lambda item: place.get(item[0], len(place)))

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

    def result(self) -> Averaged:
        """The averages so far."""
        sums, number = self._sums, len(self._sums.sources)
        if not number:
            raise UsageError(NONE_ACCEPTED)
        g2 = sums.mean("g2")
        assert g2 is not None  # every file that was added has one
        return Averaged(
            paths=self.paths,
            g2=g2,
            g2_err=np.sqrt(sums.total("variance")) / number,
            coincidences=sums.total("coincidences"),
            saxs_1d=sums.mean("saxs_1d"),
            saxs_2d=sums.mean("saxs_2d"),
            segments=sums.mean("segments"),
            int_t=sums.mean("int_t"),
        )


def _same_map(one: XpcsFile, other: XpcsFile) -> bool:
    # the same maps may be stored in different ways
    if one.map_key == other.map_key:
        return one.dqmap is not None and one.sqmap is not None
    return all(
        a is not None and b is not None and np.array_equal(a, b)
        for a, b in ((one.dqmap, other.dqmap), (one.sqmap, other.sqmap))
    )


def average(
    paths: Iterable[Path],
    open_file: Callable[[Path], XpcsFile],
    on_file: Callable[[int], None] = lambda _: None,
    *,
    alone: bool = False,
) -> RunningAverage:
    """Average files.

    Parameters
    ----------
    paths : the files; the average carries the metadata of the first one.
    open_file : opens one; further files that differ in their numbers alone are read without it, through the
        handles of the first one.
    on_file : called now and then with the number of files so far; what it raises ends the work.
    alone : never let other processes help.

    Raises
    ------
    UsageError
        Where a file's delays, q-bins, detector or q-map differ from the first one's.
    """
    order = list(paths)
    running, todo, number = RunningAverage(), deque(order), 0
    crew: Crew | None = None
    try:
        while todo or (crew is not None and crew.busy):
            if crew is not None:
                crew.feed(todo)
                taken, left, lost = crew.collect(0.0 if todo else 0.2)
                todo.extend(lost)
                for path in left:
                    running.add(open_file(path))
                number += taken + len(left)
            if todo:
                begin = time.perf_counter()
                running.add_path(todo.popleft(), open_file)
                number += 1
                # the first file is opened as a whole, the second one tells how long the others take
                if number == 2 and not alone:
                    crew = Crew(running.first, len(todo) * (time.perf_counter() - begin))
            on_file(number)
            if crew is not None and not todo and not crew.busy:
                sums, lost = crew.sums()
                todo.extend(lost)
                number -= len(lost)
                for part in sums:
                    running.merge(part)
    finally:
        if crew is not None:
            crew.close()
    running.in_order(order)
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
