"""Curves of g2: neighbouring delays combined, baselines, contrasts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpcs_dash.errors import UsageError

__all__ = ["Combined", "combine_delays", "level_means"]


@dataclass(frozen=True, eq=False)
class Combined:
    """One curve after neighbouring delays were combined.

    Parameters
    ----------
    t : (m,) s, mean delay of each group, weighted by coincidences.
    g2 : (m,) mean of g2, weighted by coincidences.
    sigma : (m,) its standard error.
    coincidences : (m,) coincidences behind each point.
    n_points : (m,) delays that went into it.
    enough : (m,) bool, True where the point holds the minimum; at most the last one does not.
    """

    t: NDArray[np.float64]
    g2: NDArray[np.float64]
    sigma: NDArray[np.float64]
    coincidences: NDArray[np.float64]
    n_points: NDArray[np.int64]
    enough: NDArray[np.bool_]


def combine_delays(
    t: ArrayLike, g2: ArrayLike, sigma: ArrayLike, coincidences: ArrayLike, minimum: float = 10.0
) -> Combined:
    """Combine neighbouring delays of one curve until each point holds ``minimum`` expected coincidences.

    Points that hold enough by themselves stay as they are. Zeros take part: leaving them out would bias the
    mean upwards. A rest at the end that does not reach the minimum joins the group before it, unless there is
    none.

    The weights are the coincidences, so the mean is (coincidences found)/(coincidences expected) of the
    group. Its variance is Σ w²·σ² with the normalised weights w, where each σ² is 1/C and the file's own part
    together.

    Parameters
    ----------
    t : (n_delay,) s, rising.
    g2, sigma, coincidences : (n_delay,); delays whose g2 is not finite are left out. Where coincidences are
        not finite (a file that does not count photons) nothing is combined.
    minimum : coincidences that a point must hold.

    Raises
    ------
    UsageError
        For arrays of different lengths or a minimum that is not positive.
    """
    times, values, errors, counts = (np.asarray(a, dtype=np.float64) for a in (t, g2, sigma, coincidences))
    if not (times.ndim == 1 and times.shape == values.shape == errors.shape == counts.shape):
        raise UsageError(f"delays, g2, errors and coincidences must be equally long, found {times.shape}, "
                         f"{values.shape}, {errors.shape}, {counts.shape}.")  # fmt: skip
    if not minimum > 0:
        raise UsageError(f"the minimum of coincidences must be positive, found {minimum}.")
    use = np.isfinite(values)
    times, values, errors, counts = times[use], values[use], errors[use], counts[use]
    known = np.isfinite(counts)
    if not known.all():
        ones = np.ones(times.size, dtype=np.int64)
        return Combined(times, values, errors, counts, ones, np.ones(times.size, dtype=bool))
    group = _groups(counts, minimum)
    n = int(group[-1]) + 1 if group.size else 0
    weight = np.maximum(counts, 1e-300)  # delays without any expected coincidence still need a weight
    total = np.bincount(group, weight, minlength=n)
    share = weight / total[group] if n else weight
    # a delay with next to no weight may have an infinite σ; its part of the variance is w²·(1/C) = w/ΣC,
    # finite
    own = np.where(np.isfinite(errors), errors**2, 1.0 / weight)
    combined = np.bincount(group, counts, minlength=n)
    return Combined(
        t=np.bincount(group, share * times, minlength=n),
        g2=np.bincount(group, share * values, minlength=n),
        sigma=np.sqrt(np.bincount(group, share**2 * own, minlength=n)),
        coincidences=combined,
        n_points=np.bincount(group, minlength=n).astype(np.int64),
        enough=combined >= minimum,
    )


def _groups(counts: NDArray[np.float64], minimum: float) -> NDArray[np.int64]:
    """Number of the group of each delay, rising from 0."""
    group = np.zeros(counts.size, dtype=np.int64)
    current, held = 0, 0.0
    for i, count in enumerate(counts):
        if held >= minimum:
            current, held = current + 1, 0.0
        group[i] = current
        held += float(count)
    if counts.size and held < minimum and current > 0:
        group[group == current] = current - 1
    return group


def level_means(
    g2: ArrayLike, trusted: ArrayLike, coincidences: ArrayLike, first: int = 3, last: int = 10
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Height of each curve at its short and at its long end.

    Parameters
    ----------
    g2, trusted, coincidences : (n_delay, n_q).
    first, last : how many delays each end takes.

    Returns
    -------
    (start, end), each (n_q,): mean over the trusted points, weighted by coincidences where they are known;
    NaN where an end has no trusted point.
    """
    values = np.asarray(g2, dtype=np.float64)
    good = np.asarray(trusted, dtype=bool) & np.isfinite(values)
    counts = np.asarray(coincidences, dtype=np.float64)
    weight = np.where(good, np.where(np.isfinite(counts), counts, 1.0), 0.0)

    def mean(part: slice) -> NDArray[np.float64]:
        total = weight[part].sum(axis=0)
        height = np.where(good[part], values[part], 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((weight[part] * height).sum(axis=0) / total, dtype=np.float64)

    return mean(slice(0, first)), mean(slice(max(0, values.shape[0] - last), None))
