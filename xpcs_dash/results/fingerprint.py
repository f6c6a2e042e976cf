"""Which version of a result a file holds: a fingerprint of what was correlated, not of how it is stored."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.results.xpcs_file import XpcsFile

__all__ = ["fingerprint"]


def fingerprint(xf: XpcsFile) -> str:
    """Sixteen hexadecimal digits of the values of g2, of the delays and of the label maps.

    A file that was copied, touched or repacked with another compression keeps its fingerprint; one that was
    processed again with other maps, delays or frames has another. Where there is no multi-tau g2 the mean g2
    of the two-time matrices stands for it, and I(q) where there is neither.
    """
    digest = hashlib.blake2b(digest_size=8)
    for values in _correlation(xf):
        _update(digest, values)
    _update(digest, xf.t_el if xf.t_el.size else xf.delay_frames)
    digest.update(xf.per_map("map-values", lambda: _maps(xf)))
    return digest.hexdigest()


def _correlation(xf: XpcsFile) -> list[Any]:
    if xf.g2.size:
        return [xf.g2]
    two = [(label, xf.twotime_curves(label)[0]) for label in xf.twotime_bins]
    if any(curve is not None for _, curve in two):
        return [np.asarray(xf.twotime_bins), xf.c2_frame_time_s, *(curve for _, curve in two)]
    return [np.asarray(xf.twotime_bins), xf.saxs_1d]


def _maps(xf: XpcsFile) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for labels in (xf.dqmap, xf.sqmap):
        _update(digest, labels)
    return digest.digest()


def _update(digest: Any, values: NDArray[Any] | float | None) -> None:
    if values is None:
        digest.update(b"none")
        return
    array = np.asarray(values)
    digest.update(repr(array.shape).encode())
    if array.dtype.kind == "f":
        # one zero and one NaN: a value is the same whatever its sign bit or payload
        array = np.where(np.isnan(array), np.nan, array + 0.0)
    else:
        array = array.astype(np.int64, copy=False) if array.dtype != np.int32 else array
    digest.update(np.ascontiguousarray(array))
