"""What several pages derive from one file, each remembered by the kernel under the file's key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.analysis import saxs, stability, twotime
from xpcs_dash.analysis.aging import AgeSlice, age_slices
from xpcs_dash.errors import UsageError

if TYPE_CHECKING:
    from xpcs_dash.analysis.kernel import ViewerKernel
    from xpcs_dash.results.xpcs_file import XpcsFile

#: Bins with fewer pixels than this, or than a tenth of the median bin, are marked as small.
SMALL_BIN = 100


def _counted(labels: NDArray[np.integer] | None, n: int) -> NDArray[np.int64] | None:
    return None if labels is None else saxs.pixel_counts(labels, n)


def dynamic_pixels(kernel: ViewerKernel, ref: str) -> NDArray[np.int64] | None:
    """(n_q,) pixels of each dynamic bin, or None without a map."""
    return kernel.derived(
        ref, "pixels.dynamic", (), lambda xf: _counted(xf.dqmap, xf.dynamic.n) if xf.dynamic else None
    )


def static_pixels(kernel: ViewerKernel, ref: str) -> NDArray[np.int64] | None:
    """(n_static,) pixels of each static bin, or None without a map."""
    return kernel.derived(
        ref, "pixels.static", (), lambda xf: _counted(xf.sqmap, xf.static.n) if xf.static else None
    )


def small_bins(pixels: NDArray[np.int64]) -> tuple[NDArray[np.bool_], int]:
    """Which bins are small, and the number of pixels below which they are."""
    limit = max(SMALL_BIN, int(np.median(pixels) / 10)) if pixels.size else SMALL_BIN
    return pixels < limit, limit


def profile(kernel: ViewerKernel, ref: str, weighted: bool = True) -> saxs.Profile:
    """I(q) of a file, averaged over the sectors.

    Raises
    ------
    UsageError
        Where the file holds no I(q).
    """
    xf = kernel.open(ref)
    if xf.saxs_1d is None or xf.static is None:
        raise UsageError(f"{xf.path.name} holds no I(q) of a static partition.")
    counts = static_pixels(kernel, ref) if weighted else None
    return saxs.profile(xf.saxs_1d, xf.static, counts)


def profile_errors(
    xf: XpcsFile, found: saxs.Profile
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Counting errors of I(q) and of its sectors; None where the intensity is not in photons."""
    if not xf.photons or not xf.n_frames:
        return None
    return saxs.profile_sigma(found, int(xf.n_frames) * max(1, len(xf.averaged_from)))


def stability_report(kernel: ViewerKernel, ref: str) -> stability.Report:
    """Numbers and verdict of the stability page."""
    pixels = static_pixels(kernel, ref)
    return kernel.derived(ref, "stability", (), lambda xf: stability.report(xf, pixels))


def nested_labels(xf: XpcsFile) -> NDArray[np.int64] | None:
    """Dynamic label of each static label, (n_static + 1,), entry 0 being 0; None where not nested."""
    static, dynamic = xf.sqmap, xf.dqmap
    if static is None or dynamic is None or xf.static is None or xf.dynamic is None:
        return None
    columns = xf.dynamic.n + 1
    table = np.bincount(
        static.ravel().astype(np.int64) * columns + dynamic.ravel(), minlength=(xf.static.n + 1) * columns
    ).reshape(-1, columns)
    if (np.count_nonzero(table, axis=1) > 1).any():
        return None
    return np.asarray(table.argmax(axis=1), dtype=np.int64)


def triangle(kernel: ViewerKernel, ref: str, label: int) -> twotime.Triangle:
    """A two-time matrix made ready for pictures and cuts; at most half of the cache goes into it.

    Raises
    ------
    UsageError
        Where no matrix was computed for the q-bin.
    """
    from xpcs_dash.results.twotime_slabs import read_slabs

    xf = kernel.open(ref)
    twotime.position_of(label, xf.twotime_bins)
    if xf.twotime_shape is None:
        raise UsageError(f"{xf.path.name} holds no two-time matrix.")
    n = xf.twotime_shape[0]
    budget = min(twotime.BUDGET, kernel.cache.max_bytes // 2)
    rows = twotime.slab_rows(n)
    return kernel.cache.get(
        ("twotime", xf.key.token, label), lambda: twotime.build(read_slabs(xf, label, rows), n, budget)
    )


def slices(kernel: ViewerKernel, ref: str, label: int, n: int) -> list[AgeSlice]:
    """g2 in slices of age of one q-bin."""
    data = triangle(kernel, ref, label)
    return kernel.derived(ref, "twotime.slices", (label, n), lambda _: age_slices(data, n))
