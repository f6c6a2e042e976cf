"""A result file for other q-bins, made from the per-pixel G2 that a file holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.analysis.rebin import bin_intensity, regroup_g2
from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.aps_writer import ApsResult
from xpcs_dash.hdf5.partition_file import PartitionRecord
from xpcs_dash.results.convert import aps_result
from xpcs_dash.results.xpcs_file import XpcsFile

__all__ = ["regroup_result", "why_not"]


def why_not(file: XpcsFile) -> str:
    """Why g2 of this file cannot be recomputed for other bins, as a sentence; empty where it can."""
    if file.has_unnormalized:
        return ""
    return (
        f"{file.path.name} was processed without the per-pixel G2 (save_G2), so g2 of other bins cannot be "
        "computed from it: process it again with save_G2, or give the partition file to the correlator."
    )


def regroup_result(
    file: XpcsFile, record: PartitionRecord, progress: Callable[[float], None] | None = None
) -> ApsResult:
    """The result that the correlator would have written with another partition.

    g2 and its error come from `regroup_g2`, I(q) from the time-averaged image. What cannot be had from the
    per-pixel G2 (partial g2, I(q) of segments, two-time matrices) is left out.

    Parameters
    ----------
    file : holds G2, IP and IF of each pixel; one delay is in memory at a time.
    record : the new partition, on the same detector.
    progress : called with the share that is done; may raise to stop.

    Raises
    ------
    UsageError
        Where the file has no per-pixel G2, or the partition belongs to another detector.
    """
    reason = why_not(file)
    if reason:
        raise UsageError(reason)
    own = file.dqmap.shape if file.dqmap is not None else record.dynamic_map.shape
    theirs = record.dynamic_map.shape
    if own != theirs:
        raise UsageError(
            f"the partition is for a detector of {theirs[0]} × {theirs[1]} pixels, "
            f"{file.path.name} has {own[0]} × {own[1]}."
        )
    made = regroup_g2(file.unnormalized_g2, file.n_delay, record.dynamic_map, record.static_map, progress)
    profile = None
    if file.saxs_2d is not None:
        profile = bin_intensity(file.saxs_2d, record.static_map, record.static.n).mean
    return replace(
        aps_result(file),
        dynamic=record.dynamic,
        static=record.static,
        dqmap=record.dynamic_map,
        sqmap=record.static_map,
        mask=record.mask,
        blemish=record.blemish,
        geometry=record.geometry or file.geometry,
        g2=_columns(made.g2, record.dynamic.n),
        g2_err=_columns(made.g2_err, record.dynamic.n),
        saxs_1d=profile,
        partial_g2=None,
        partial_g2_err=None,
        partial_labels=None,
        segments=None,
        twotime=None,
        map_hash=record.hash or None,
    )


def _columns(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """One column for each bin of the table; bins without a pixel get NaN."""
    missing = count - values.shape[1]
    return values if missing <= 0 else np.pad(values, ((0, 0), (0, missing)), constant_values=np.nan)
