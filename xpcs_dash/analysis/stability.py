"""Did beam and sample stay the same during a run: numbers a beamline can act on, and a verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.rules import steadiness
from xpcs_dash.rules.steadiness import RULES, Rules, Verdict

if TYPE_CHECKING:
    from xpcs_dash.results.xpcs_file import XpcsFile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Drift:
    """How I(t) moved.

    Attributes
    ----------
    mean : photons/pixel/frame.
    relative : fitted change from the first to the last frame, divided by the mean.
    relative_err : its standard error, from the scatter of the blocks.
    slope_per_s : fitted relative change per second, or None without a time axis.
    scatter : standard deviation of the blocks about the line, relative.
    lost_share : share of the run below the level at which the beam counts as lost.
    """

    mean: float
    relative: float
    relative_err: float
    slope_per_s: float | None
    scatter: float
    lost_share: float


@dataclass(frozen=True)
class Shapes:
    """Time segments of I(q), each divided by its own mean.

    Attributes
    ----------
    curves : (n_seg, n_static), mean 1 each; NaN for an empty segment.
    total : (n_seg,) mean of each segment relative to the first.
    rms : (n_seg,) RMS relative change of shape against the first segment, weighted with counts.
    noise : (n_seg,) RMS that noise alone gives: the larger of counting statistics (where the counts are
        known) and the median change between neighbouring segments, to which a slow change hardly adds.
    chi2 : (n_seg,) reduced χ² against the first segment from counting statistics, or NaN.
    n_eff : number of bins that the weights amount to, for the scatter of ``rms`` itself.
    chi2_why : why χ² is missing, or "".
    """

    curves: Floats
    total: Floats
    rms: Floats
    noise: Floats
    chi2: Floats
    n_eff: float
    chi2_why: str = ""

    @property
    def excess(self) -> Floats:
        """(n_seg,) change of shape beyond noise: √(rms² − noise²), 0 where rms² is within 4 σ of noise².

        A sum of n squares of noise scatters by √(2/n) of itself.
        """
        noise2 = np.nan_to_num(self.noise) ** 2
        clear = self.rms**2 > noise2 * (1.0 + 4.0 * np.sqrt(2.0 / max(self.n_eff, 1.0)))
        return np.asarray(np.where(clear, np.sqrt(np.maximum(self.rms**2 - noise2, 0.0)), 0.0))


@dataclass(frozen=True)
class PartialLevels:
    """Baseline and contrast of every cumulative partial g2.

    Attributes
    ----------
    frames : (n_part,) frames that each one covers; NaN where the file does not say.
    baseline, contrast : (n_part, n_q); NaN where too few points can be trusted.
    """

    frames: Floats
    baseline: Floats
    contrast: Floats


@dataclass(frozen=True)
class Report:
    """Everything the stability page shows in numbers."""

    drift: Drift | None
    shapes: Shapes | None
    partials: PartialLevels | None
    verdict: Verdict
    first_file_only: tuple[str, ...] = field(default=())


def blocks_of(values: NDArray[np.floating], n: int) -> Floats:
    """Means of at most ``n`` equal stretches (the rest at the end joins the last one)."""
    y = np.asarray(values, dtype=np.float64)
    n = max(1, min(n, y.size))
    starts = (np.arange(n) * (y.size // n)).astype(np.int64)
    counts = np.diff(np.append(starts, y.size))
    return np.asarray(np.add.reduceat(y, starts) / counts)


def drift(values: NDArray[np.floating], duration_s: float | None, rules: Rules = RULES) -> Drift:
    """Straight-line drift and lost beam of I(t) (n_frames,).

    Parameters
    ----------
    values : photons/pixel/frame, at least one.
    duration_s : length of the run in seconds, or None.
    """
    y = np.asarray(values, dtype=np.float64)
    mean = float(y.mean())
    block = blocks_of(y, rules.blocks)
    middle = float(np.median(block))
    if not mean > 0:
        return Drift(mean, 0.0, float("nan"), None, 0.0, 1.0)
    lost = float(np.mean(block < rules.lost_level * middle)) if middle > 0 else 1.0
    if block.size < 3:
        return Drift(mean, 0.0, float("nan"), None, 0.0, lost)
    x = (np.arange(block.size) + 0.5) / block.size - 0.5
    slope = float((x * (block - block.mean())).sum() / (x * x).sum())
    rest = block - block.mean() - slope * x
    scatter = float(np.sqrt((rest**2).sum() / (block.size - 2)))
    error = scatter / float(np.sqrt((x * x).sum()))
    per_s = slope / mean / duration_s if duration_s else None
    return Drift(mean, slope / mean, error / mean, per_s, scatter / mean, lost)


def shapes(
    segments: NDArray[np.floating], counts: NDArray[np.floating] | None = None, why: str = ""
) -> Shapes:
    """Compare the shape of I(q) in time segments.

    Each segment is divided by its own mean first: the files scale them by the share of frames that a segment
    holds, so that their absolute values mean nothing.

    Parameters
    ----------
    segments : (n_seg, n_static) as stored.
    counts : (n_seg, n_static) photons behind each value, or None where they are not known.
    why : reason for ``counts`` being None.
    """
    raw = np.asarray(segments, dtype=np.float64)
    means = np.nanmean(np.where(np.isfinite(raw), raw, 0.0), axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        curves = np.where(means[:, None] > 0, raw / means[:, None], np.nan)
        total = means / means[0] if means[0] > 0 else np.full(means.size, np.nan)
    first = curves[0]
    weight_of = np.asarray(counts.sum(axis=0) if counts is not None else first, dtype=np.float64)
    good = np.isfinite(curves) & (np.isfinite(first) & (first > 0) & (weight_of > 0))
    if counts is not None:
        good &= (counts[0] >= 20) & (counts >= 20)  # Gaussian enough
    used = good.sum(axis=1)
    weight = _shares(weight_of, good)
    change2 = np.where(good, np.where(good, curves, 0.0) / np.where(first > 0, first, 1.0) - 1.0, 0.0) ** 2
    rms = np.where(used >= 2, np.sqrt((weight * change2).sum(axis=1)), np.nan)
    noise, chi2 = np.full(len(raw), np.nan), np.full(len(raw), np.nan)
    if counts is not None:
        variance = 1.0 / np.where(good, counts[0], 1.0) + 1.0 / np.where(good, counts, 1.0)
        noise = np.where(used >= 2, np.sqrt((weight * variance).sum(axis=1)), np.nan)
        chi2 = np.where(used >= 2, (change2 / variance).sum(axis=1) / np.maximum(used - 1, 1), np.nan)
        noise[0], chi2[0] = 0.0 if used[0] >= 2 else np.nan, np.nan
    neighbours = _neighbour_rms(curves, weight_of)
    if neighbours is not None:
        noise = np.fmax(noise, neighbours)
        noise[0] = 0.0
    known = np.where(np.isfinite(weight_of) & (weight_of > 0), weight_of, 0.0)
    n_eff = float(known.sum() ** 2 / max((known**2).sum(), 1e-300))
    return Shapes(curves, total, rms, noise, chi2, n_eff, why)


def _neighbour_rms(curves: Floats, weight_of: Floats) -> float | None:
    """Median RMS relative change between neighbouring segments, or None for fewer than four segments."""
    before, after = curves[:-1], curves[1:]
    good = np.isfinite(before) & np.isfinite(after) & (before > 0) & (weight_of > 0)
    change = np.where(good, after, 1.0) / np.where(good, before, 1.0) - 1.0
    changes = np.sqrt((_shares(weight_of, good) * change**2).sum(axis=1))[good.sum(axis=1) >= 2]
    return float(np.median(changes)) if len(changes) >= 3 else None


def _shares(weight_of: Floats, good: NDArray[np.bool_]) -> Floats:
    """(n, n_static) weights of the good values of each row, with the sum 1; 0 for the others."""
    weight = np.where(good, weight_of, 0.0)
    total = weight.sum(axis=1, keepdims=True)
    return np.asarray(weight / np.where(total > 0, total, 1.0))


def segment_counts(
    segments: NDArray[np.floating],
    saxs_1d: NDArray[np.floating],
    pixels: NDArray[np.integer],
    n_frames: int,
) -> Floats | None:
    """Photons behind each segment value (n_seg, n_static), or None where the scaling is not a known one.

    Multi-tau writers divide the sum over a segment's frames by all frames, so the segments add up to at most
    I(q); two-time writers give true means. Any other ratio means that the fields do not belong together.
    """
    raw = np.asarray(segments, dtype=np.float64)
    reference = float(np.nansum(saxs_1d * pixels))
    if not reference > 0 or len(raw) == 0:
        return None
    ratio = np.nansum(raw * pixels, axis=1) / reference
    if 0.5 < ratio.sum() <= 1.1:
        frames = float(n_frames)
    elif len(raw) > 1 and np.all((ratio > 0.5) & (ratio < 2.0)):
        frames = n_frames / len(raw)
    else:
        return None
    return np.asarray(np.nan_to_num(raw) * pixels * frames)


def partial_levels(
    partial_g2: NDArray[np.floating],
    trusted: NDArray[np.bool_] | None,
    labels: NDArray[np.floating] | None = None,
    window: int = 3,
) -> PartialLevels:
    """Baseline (mean of the last ``window`` usable delays) and contrast (first ``window`` above it).

    Parameters
    ----------
    partial_g2 : (n_part, n_delay, n_q); NaN and exact zeros at untrusted points do not count.
    trusted : (n_delay, n_q) points that hold enough coincidences over the whole run, or None.
    labels : (n_part,) frames of each partial; zeros mean "not recorded".
    """
    data = np.asarray(partial_g2, dtype=np.float64)
    n_part = len(data)
    good = np.isfinite(data) & (data != 0)
    if trusted is not None:
        good &= trusted[None]
    rank = np.cumsum(good, axis=1)
    count = rank[:, -1:] if data.shape[1] else np.zeros((n_part, 1, data.shape[2]), dtype=np.int64)
    enough = count[:, 0] >= 2 * window

    def mean(chosen: NDArray[np.bool_]) -> Floats:
        return np.asarray(np.where(chosen & good, data, 0.0).sum(axis=1) / window)

    baseline = np.where(enough, mean(rank > count - window), np.nan)
    contrast = np.where(enough, mean(rank <= window) - baseline, np.nan)
    frames = np.full(n_part, np.nan)
    if labels is not None and np.size(labels) == n_part:
        given = np.asarray(labels, dtype=np.float64)
        frames = np.where(given > 0, given, np.nan)
    return PartialLevels(frames, baseline, contrast)


def judge(found: Drift | None, compared: Shapes | None, rules: Rules = RULES) -> Verdict:
    """The verdict from the numbers; see `rules.steadiness.judge`."""
    change, growth = _shape_change(compared)
    segments = compared is not None and len(compared.rms) >= 2
    return steadiness.judge(found, change, growth, segments=segments, rules=rules)


def _shape_change(compared: Shapes | None) -> tuple[float | None, float | None]:
    """Largest excess change of shape, and how well it follows time."""
    if compared is None or len(compared.rms) < 2:
        return None, None
    excess = compared.excess[1:]
    usable = np.isfinite(compared.rms[1:])
    if not usable.any():
        return None, None
    worst = float(np.max(excess[usable]))
    y = excess[usable]
    if y.size < 3 or float(y.std()) == 0.0:
        return worst, None
    return worst, float(np.corrcoef(np.flatnonzero(usable), y)[0, 1])


def report(
    xf: XpcsFile, pixels: NDArray[np.integer] | None = None, rules: Rules = RULES, *, parts: bool = True
) -> Report:
    """All numbers and the verdict of one file.

    Parameters
    ----------
    xf : the open result.
    pixels : (n_static,) pixels of each static bin, or None to count them on the stored map.
    parts : whether to look at the partial g2, which the verdict does not rest on.
    """
    first_only: list[str] = []
    moved = None
    if xf.int_t is not None and xf.int_t.shape[1] > 0:
        seconds = xf.int_t[0]
        span = float(seconds[-1] - seconds[0]) if seconds.size > 1 else 0.0
        moved = drift(xf.int_t[1], span if np.isfinite(span) and span > 0 else None, rules)
    compared = _compare(xf, pixels)
    partials = None
    cumulative = xf.partial_g2
    has_parts = cumulative is not None and len(cumulative) > 0
    if parts and cumulative is not None and has_parts:
        partials = partial_levels(cumulative, xf.trusted, xf.partial_labels)
    decided = judge(moved, compared, rules)
    if xf.averaged_from:
        if moved is not None:
            first_only.append("I(t)")
        if compared is not None:
            first_only.append("segments of I(q)")
        if has_parts:
            first_only.append("partial g2")
        if first_only and decided.state != "unknown":
            note = (
                f"average of {len(xf.averaged_from)} files: {_and(first_only)} come from the first file "
                "only, so the verdict speaks for that file"
            )
            decided = Verdict(decided.state, decided.rule, (note,))
    return Report(moved, compared, partials, decided, tuple(first_only))


def verdict(xf: XpcsFile) -> Verdict:
    """The verdict alone, for pages that show one word."""
    return report(xf, parts=False).verdict


def _compare(xf: XpcsFile, pixels: NDArray[np.integer] | None) -> Shapes | None:
    if xf.segments is None or len(xf.segments) < 2:
        return None
    if xf.averaged_from:
        return shapes(xf.segments, None, "the segments come from the first file of the average only")
    if not xf.photons:
        return shapes(xf.segments, None, "the intensity is not in photons")
    if pixels is None:
        pixels = xf.per_map(("static-pixels", xf.segments.shape[1]), lambda: _static_pixels(xf))
    if pixels is None or xf.saxs_1d is None or not xf.n_frames:
        return shapes(xf.segments, None, "the number of photons is not known")
    counts = segment_counts(xf.segments, xf.saxs_1d, pixels, xf.n_frames)
    if counts is None:
        return shapes(xf.segments, None, "the scaling of the segments is not a known one")
    return shapes(xf.segments, counts)


def _static_pixels(xf: XpcsFile) -> NDArray[np.integer] | None:
    """(n_static,) pixels of each static bin on the stored map; None where there is none."""
    if xf.sqmap is None or xf.segments is None:
        return None
    return np.bincount(xf.sqmap.ravel(), minlength=xf.segments.shape[1] + 1)[1:]


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
