"""What is worth knowing about a result file at a glance: numbers for trends, flags with their reasons.

Pure functions of an open file; ingest stores their results with the file's row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.analysis import stability
from xpcs_dash.analysis.diffusion import fit_every_bin
from xpcs_dash.fitting.statements import Place, of_batch
from xpcs_dash.results.said import Said, bins_from, table_of
from xpcs_dash.results.statement import FITTED, BinResult, FileStatement
from xpcs_dash.results.xpcs_file import XpcsFile
from xpcs_dash.rules.steadiness import Verdict
from xpcs_dash.rules.table import HIGH_CHI2, file_flags, fit_flags, shown, with_fit_flags

__all__ = [
    "Level",
    "fit_summary",
    "level",
    "state",
    "summarise",
]

Floats = NDArray[np.float64]

#: Delays that make the short and the long end of a curve.
N_FIRST, N_LAST = 3, 10
#: Coincidences that the short end gathers where it can, from at most this share of the delays.
END_COINCIDENCES, END_SHARE = 400.0, 0.25
#: Coincidences from which a point counts as well measured.
MANY_COINCIDENCES = 100.0


@dataclass(frozen=True)
class Level:
    """Means and their standard errors; NaN where there is nothing to average."""

    value: Floats
    error: Floats


def level(values: Floats, sigma: Floats, weights: Floats) -> Level:
    """Weighted means of independent values along the first axis, and their standard errors.

    Parameters
    ----------
    values, sigma, weights : (n, ...); weights need no norm. Values that are not finite are left out.

    Notes
    -----
    The error is √Σw²σ² / Σw.
    """
    good = np.isfinite(values) & np.isfinite(sigma) & np.isfinite(weights) & (weights > 0)
    w = np.where(good, weights, 0.0)
    total = w.sum(axis=0)
    w = w / np.where(total > 0, total, 1.0)
    value = (w * np.where(good, values, 0.0)).sum(axis=0)
    error = np.sqrt(((w * np.where(good, sigma, 0.0)) ** 2).sum(axis=0))
    known = total > 0
    return Level(np.where(known, value, np.nan), np.where(known, error, np.nan))


def _ends(xf: XpcsFile) -> tuple[Level, Level]:
    """Short and long end of every curve, from points that are trusted, weighted by coincidences."""
    use, sigma = xf.trusted, xf.g2_sigma
    weights = xf.coincidences if xf.photons else 1.0 / np.maximum(sigma, 1e-12) ** 2
    # the delays of each end of the window, not just the trusted ones: a short curve must not be both ends
    n_first: Any = N_FIRST
    if xf.photons:
        # photon-starved curves need more than three delays before their height means anything
        held = np.cumsum(np.nan_to_num(xf.coincidences), axis=0)
        enough = (held < END_COINCIDENCES).sum(axis=0) + 1
        n_first = np.minimum(np.maximum(N_FIRST, enough), max(N_FIRST, int(END_SHARE * xf.n_delay)))
    delay = np.arange(xf.n_delay)[:, None]
    rank = np.cumsum(use, axis=0)  # of the trusted points of a curve, from 1
    count = rank[-1]
    first, last = use & (delay < n_first), use & (delay >= xf.n_delay - N_LAST)
    first = np.where(first.any(axis=0), first, use & (rank <= N_FIRST))
    skipped = np.where(count > N_FIRST + N_LAST, count - N_LAST, N_FIRST)
    last = np.where(last.any(axis=0), last, use & (rank > skipped))
    return (
        level(xf.g2, sigma, np.where(first, weights, np.nan)),
        level(xf.g2, sigma, np.where(last, weights, np.nan)),
    )


def chosen_bin(xf: XpcsFile) -> int | None:
    """Position (0-based) of the bin whose contrast stands for the file: in the middle of the q range.

    The same bin for every file with the same map, so that trends compare like with like; where it has no
    points to trust, the nearest bin that has.
    """
    if xf.n_q == 0 or xf.g2.size == 0:
        return None
    order = np.argsort(xf.q, kind="stable")
    middle = int(order[xf.n_q // 2])
    if np.count_nonzero(xf.trusted[:, middle]) >= N_FIRST + 1:
        return middle
    rank = np.empty(xf.n_q, dtype=np.int64)
    rank[order] = np.arange(xf.n_q)
    enough = np.flatnonzero(xf.trusted.sum(axis=0) >= N_FIRST + 1)
    if enough.size == 0:
        return None
    return int(enough[np.argmin(np.abs(rank[enough] - xf.n_q // 2))])


def _intensity(xf: XpcsFile) -> tuple[float | None, str | None]:
    """Mean over the pixels of the map, from the rings where the file has them."""
    table, rings = xf.ring_table, xf.ring_intensity
    if table is not None and rings is not None:
        pixels = table.static_pixels()
        if pixels.shape == np.shape(rings):
            good = np.isfinite(rings) & (pixels > 0)
            if good.any():
                source = "scattering_2d" if xf.averaged_from or xf.saxs_1d is None else "scattering_1d"
                return float((rings * pixels)[good].sum() / pixels[good].sum()), source
    if xf.int_t is not None and xf.int_t.shape[1]:
        source = "intensity_vs_time" + (" (first file)" if xf.averaged_from else "")
        return float(np.nanmean(xf.int_t[1])), source
    if xf.saxs_1d is not None and np.isfinite(xf.saxs_1d).any():
        return float(np.nanmean(xf.saxs_1d)), "scattering_1d (mean over bins)"
    return None, None


def _decaying_share(first: Level, last: Level) -> float | None:
    known = np.isfinite(first.value) & np.isfinite(last.value)
    if not known.any():
        return None
    clear = first.value - last.value > 3.0 * np.hypot(first.error, last.error)
    return int(np.count_nonzero(clear & known)) / int(np.count_nonzero(known))


def summarise(xf: XpcsFile) -> FileStatement:
    """Numbers and flags of one open file, without its fits; those come from `fit_summary`.

    Parameters
    ----------
    xf : the file; its big arrays are read only where a number needs them.
    """
    intensity, source = _intensity(xf)
    has_g2 = xf.g2.size > 0
    k = chosen_bin(xf)
    contrast = contrast_err = baseline = baseline_err = math.nan
    decays = None
    if has_g2:
        start, end = _ends(xf)
        decays = _decaying_share(start, end)
        if k is not None:
            contrast, baseline = float(start.value[k] - end.value[k]), float(end.value[k])
            contrast_err, baseline_err = math.hypot(start.error[k], end.error[k]), float(end.error[k])
    moved, verdict = _stability(xf)
    points = int(np.isfinite(xf.g2).sum())
    starved = xf.starved_points if has_g2 else None
    fraction = starved / points if starved is not None and points else None
    frame_time = xf.g2_frame_time_s
    found = FileStatement(
        intensity=intensity,
        intensity_source=source,
        intensity_unit=xf.intensity_unit,
        q_label=None if k is None else k + 1,
        q=None if k is None else float(xf.q[k]),
        q_unit=xf.q_unit or None,
        contrast=contrast,
        contrast_err=contrast_err,
        baseline=baseline,
        baseline_err=baseline_err,
        decays=decays,
        points=points,
        trusted_points=int(xf.trusted.sum()) if has_g2 else 0,
        zero_points=xf.zero_points,
        starved_points=starved,
        starved_fraction=fraction,
        min_coincidences=xf.min_coincidences,
        n_q=xf.n_q,
        n_delay=xf.n_delay,
        n_twotime=len(xf.twotime_bins),
        drift=None if moved is None else moved.relative,
        drift_err=None if moved is None else moved.relative_err,
        drift_per_s=None if moved is None else moved.slope_per_s,
        lost_share=None if moved is None else moved.lost_share,
        stability=verdict.state,
        stability_rule=verdict.rule,
        duration_s=None if frame_time is None or xf.n_frames is None else frame_time * xf.n_frames,
        map_hash=xf.map_hash,
        averaged_from=len(xf.averaged_from),
        geometry_mismatch=tuple(xf.geometry_mismatch),
        sample=xf.sample,
        temperature_k=xf.temperature_k,
    )
    numbers = {**found.__dict__, "photons": xf.photons, "has_g2": has_g2}
    return replace(found, flags=tuple(file_flags(numbers)))


def _stability(xf: XpcsFile) -> tuple[stability.Drift | None, Verdict]:
    report = stability.report(xf, parts=False)
    return report.drift, report.verdict


def fit_summary(xf: XpcsFile, backend: str = "numpy") -> dict[str, Any]:
    """Fit every q of a file with a single exponential, and a stretched one as a test of the data.

    Parameters
    ----------
    xf : a file with multi-tau g2.
    backend : "numpy", "jax" or "auto"; both engines give the same numbers.

    Returns
    -------
    dict
        ``fit``: the statement of every bin, as `results.said.table_of` writes it. ``summary``: what it adds
        to the `FileStatement`: tau, tau_err, tau_flags of the chosen bin, diffusion (Å²/s, median of 1/(τ q²)
        over the good bins) with diffusion_err, chi2_red (median), n_good. ``flags``: "scatter-high" where the
        counts are high and even the flexible model is far off at every q.
    """
    single = fit_every_bin(xf, "single", backend)
    bins = of_batch(single, Place.of(xf))
    chi2 = single.chi2_red[np.isfinite(single.chi2_red)]
    median = float(np.median(chi2)) if chi2.size else math.nan
    flat = single.no_decay.sum() / max(1, int((~single.too_few_points).sum()))
    judged: dict[str, Any] = {"photons": xf.photons, "sigma_known": single.sigma_known}
    judged |= {"flat_share": flat, "chi2_red": median}
    if median > HIGH_CHI2 and xf.photons and single.sigma_known:
        judged |= _flexible(xf, backend)
    # a beam that comes and goes bends every curve: what that hides is not said
    told = file_flags({"stability": stability.verdict(xf).state})
    flags = [flag for flag in shown([*told, *fit_flags(judged)]) if flag not in told]
    return {"fit": table_of(bins), "summary": _fitted(xf, bins), "flags": flags}


def state(xf: XpcsFile, ref: str = "", version: str = "") -> Said:
    """All that is said of one open file and of its bins, as ingest stores it, but for its neighbours.

    Parameters
    ----------
    ref, version : the file, where it lies in an index.
    """
    own = summarise(xf)
    if not xf.g2.size:
        return Said(replace(own, ref=ref, version=version))
    found = fit_summary(xf)
    flags, _ = with_fit_flags(own.flags, found["flags"])
    told = {**own.to_json(), **found["summary"]}
    said = FileStatement.from_json(told, ref=ref, version=version, flags=flags)
    return Said(said, bins_from(found["fit"], ref, version))


def _fitted(xf: XpcsFile, bins: Sequence[BinResult]) -> dict[str, Any]:
    """What the fits of the bins add to the statement about the file."""
    k = chosen_bin(xf)
    usable = [b for b in bins if b.good and b.q > 0 and _is_per_angstrom(xf)]
    diffusion = np.array([1.0 / (b["tau"].value * b.q**2) for b in usable])
    scaled = 1.4826 * np.median(np.abs(diffusion - np.median(diffusion))) if diffusion.size else math.nan
    chi2 = np.array([b.chi2_red for b in bins if math.isfinite(b.chi2_red)])
    said = FileStatement(
        tau=None if k is None else bins[k]["tau"].value,
        tau_err=None if k is None else bins[k]["tau"].sigma,
        tau_flags=() if k is None else bins[k].verdict.flags,
        diffusion=float(np.median(diffusion)) if diffusion.size else None,
        # the median of n values scatters by √(π/2) more than their mean
        diffusion_err=float(1.2533 * scaled / np.sqrt(diffusion.size)) if diffusion.size > 2 else None,
        chi2_red=float(np.median(chi2)) if chi2.size else None,
        n_good=sum(b.good for b in bins),
    )
    made = said.to_json()
    return {name: made[name] for name in FITTED}


def _is_per_angstrom(xf: XpcsFile) -> bool:
    return xf.q_unit in ("Å⁻¹", "1/Å", "A^-1", "1/angstrom")


def _flexible(xf: XpcsFile, backend: str) -> dict[str, float]:
    """Median and smallest reduced χ² of a flexible model over the well measured bins, where most are."""
    from xpcs_dash.fitting.batch import fit_all_q

    well = np.nanmedian(np.where(xf.trusted, xf.coincidences, np.nan), axis=0) if xf.trusted.any() else None
    if well is None:
        return {}
    bins = np.flatnonzero(well >= MANY_COINCIDENCES)
    if bins.size < max(2, xf.n_q // 2):
        return {}
    fit = fit_all_q(
        xf.t_el, xf.g2[:, bins], xf.g2_sigma[:, bins], xf.trusted[:, bins], model="stretched", backend=backend
    )
    chi2 = fit.chi2_red[np.isfinite(fit.chi2_red)]
    if not chi2.size:
        return {}
    return {"flexible_chi2": float(np.median(chi2)), "flexible_chi2_min": float(chi2.min())}
