"""Where two result files differ in what they hold, quantity by quantity, and how a person would say it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xpcs_dash.hdf5.records import RawResult
from xpcs_dash.results.xpcs_file import XpcsFile

__all__ = ["Change", "Loss", "changes", "losses"]

#: Relative difference up to which two numbers are the same; lengths and energies go through changes of unit.
SAME = 1e-12
#: Relative difference up to which a number was rounded to single precision.
ROUNDED = 1.2e-7
#: Fields of the record that say how it is kept, not what it holds.
_KEPT = frozenset({"layout", "metadata_groups", "carried_group", "restated", "int_t_in_seconds", "delay_s"})
#: Fields that a file may hold itself or leave to be computed from others.
_COMPUTED = frozenset({"coincidences"})
_WORDS = {
    "dynamic": "the bins of g2", "static": "the bins of I(q)", "geometry": "the geometry",
    "energy_kev": "the photon energy", "distance_m": "the detector distance",
    "detector_shape": "the shape of the detector", "map_hash": "the hash of the q-map",
    "delay_frames": "the delays in frames", "t_el": "the delays", "g2_err": "the errors of g2",
    "partial_g2": "the partial g2", "partial_g2_err": "the errors of the partial g2",
    "partial_labels": "the labels of the partial g2", "saxs_1d": "I(q)", "segments": "I(q) of the segments",
    "saxs_2d": "the detector image", "mask": "the mask", "blemish": "the blemishes of the detector",
    "dqmap": "the map of the dynamic bins", "sqmap": "the map of the static bins",
    "int_t": "the intensity over time", "unnormalized_g2": "the per-pixel G2",
    "twotime": "the two-time correlation", "frame_time_s": "the frame time", "exposure_s": "the exposure",
    "stride_frame": "the stride", "avg_frame": "the averaging of frames", "n_frames": "the number of frames",
    "averaged_from": "the list of averaged files", "start_time": "the start", "end_time": "the end",
    "sample": "the name of the sample", "scan": "the scan", "temperature_k": "the temperature",
    "raw_path": "the place of the raw data", "geometry_mismatch": "the disagreement of two geometries",
    "intensity_unit": "the unit of the intensity", "warnings": "the warnings of the file",
    "kinds": "its kinds",
}  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One quantity that is not the same in two files.

    Attributes
    ----------
    quantity : field of the record, ``t_el`` or ``metadata``.
    kind : "gone", "new", "rounded" or "changed".
    size : largest relative change of a number; NaN where it has none.
    """

    quantity: str
    kind: str
    size: float = float("nan")


@dataclass(frozen=True)
class Loss:
    """What a conversion could not keep: the quantities, and a sentence for a person."""

    quantities: tuple[str, ...]
    sentence: str


_READ: Mapping[str, Callable[[XpcsFile], Any]] = {
    "energy_kev": lambda file: file.energy_kev,
    "distance_m": lambda file: file.distance_m,
    "saxs_2d": lambda file: file.saxs_2d,
    "mask": lambda file: file.mask,
    "blemish": lambda file: file.blemish,
    "dqmap": lambda file: file.dqmap,
    "sqmap": lambda file: file.sqmap,
    "int_t": lambda file: file.int_t,
    "metadata": lambda file: file.metadata,
}


def changes(before: XpcsFile, after: XpcsFile) -> tuple[Change, ...]:
    """Every quantity that differs; a field that is added to the record is compared without further ado."""
    found = [
        _change("t_el", before.t_el, after.t_el),
        *_two_time(before, after),
        _planes(before, after),
    ]
    special = {"twotime", "unnormalized_g2"}
    for field in dataclasses.fields(RawResult):
        name = field.name
        if name in _KEPT or name in special or name in _COMPUTED:
            continue
        read = _READ.get(name, lambda file, name=name: getattr(file._raw, name))
        found.append(_change(name, read(before), read(after)))
    return tuple(change for change in found if change is not None)


def _change(name: str, before: Any, after: Any) -> Change | None:
    if name == "metadata":
        return None if not _lost(before, after) else Change(name, "changed")
    if _is_empty(before) or _is_empty(after):
        if _is_empty(before) and _is_empty(after):
            return None
        return Change(name, "new" if _is_empty(before) else "gone")
    size = difference(before, after)
    if size <= SAME:
        return None
    return Change(name, "rounded" if size <= ROUNDED else "changed", size)


def _lost(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Names of metadata that are missing or changed."""
    return [n for n, value in before.items() if n not in after or difference(value, after[n]) > SAME]


def _is_empty(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.size == 0
    return value is None or (isinstance(value, tuple | str | dict) and len(value) == 0)


def difference(before: Any, after: Any) -> float:
    """Largest relative difference of two values; infinity where they are not of one kind."""
    if dataclasses.is_dataclass(before) and type(before) is type(after):
        names = [field.name for field in dataclasses.fields(before)]
        return max((difference(getattr(before, n), getattr(after, n)) for n in names), default=0.0)
    if isinstance(before, list | tuple) and isinstance(after, list | tuple):
        if len(before) != len(after):
            return float("inf")
        return max((difference(a, b) for a, b in zip(before, after, strict=True)), default=0.0)
    numbers = isinstance(before, np.ndarray) or _is_number(before)
    if not numbers or not (isinstance(after, np.ndarray) or _is_number(after)):
        return 0.0 if type(before) is type(after) and before == after else float("inf")
    return _numbers(np.asarray(before), np.asarray(after))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _numbers(before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> float:
    if before.shape != after.shape:
        return float("inf")
    if before.dtype.kind not in "iuf" or after.dtype.kind not in "iuf":
        return 0.0 if np.array_equal(before, after) else float("inf")
    if np.array_equal(before, after, equal_nan=True):
        return 0.0
    a, b = before.astype(np.float64), after.astype(np.float64)
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return float("inf")
    finite = np.isfinite(a)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return float("inf")
    moved = np.abs(a[finite] - b[finite])
    # single precision ends near 1e-38: what is smaller is nothing
    scale = np.maximum(np.maximum(np.abs(a[finite]), np.abs(b[finite])), 1e-30)
    return float(np.max(moved / scale, initial=0.0))


def _two_time(before: XpcsFile, after: XpcsFile) -> list[Change | None]:
    a, b = before._raw.twotime, after._raw.twotime
    if a is None or b is None:
        return [_change("twotime", a, b)]
    names = ("bins", "shape", "dt_s", "g2", "g2_segments", "stride_frame", "avg_frame")
    size = max(difference(getattr(a, n), getattr(b, n)) for n in names)
    if a.bins == b.bins and a.shape == b.shape:
        for label in a.bins:
            size = max(size, difference(before.twotime(label).c2_upper, after.twotime(label).c2_upper))
    if size <= SAME:
        return []
    return [Change("twotime", "rounded" if size <= ROUNDED else "changed", size)]


def _planes(before: XpcsFile, after: XpcsFile) -> Change | None:
    name = "unnormalized_g2"
    if not before.has_unnormalized or not after.has_unnormalized:
        return _change(name, before.has_unnormalized or None, after.has_unnormalized or None)
    if before.n_delay != after.n_delay:
        return Change(name, "changed")
    size = max(
        (difference(before.unnormalized_g2(k), after.unnormalized_g2(k)) for k in range(before.n_delay)),
        default=0.0,
    )
    return None if size <= SAME else Change(name, "rounded" if size <= ROUNDED else "changed", size)


def losses(before: XpcsFile, after: XpcsFile, layout: str) -> tuple[Loss, ...]:
    """What ``after`` did not keep, one sentence for each kind of change.

    Parameters
    ----------
    layout : what ``after`` is written in, as a person would call it.
    """
    found = list(changes(before, after))
    out = []
    delays = next(
        (change for change in found if change.quantity == "t_el" and np.isfinite(change.size)), None
    )
    if delays is not None:
        found.remove(delays)
        text = (
            f"{layout} counts delays in whole frames: they change by up to {delays.size:.1g} of their value."
        )
        out.append(Loss(("t_el",), text[:1].upper() + text[1:]))
    for kind, text in _SENTENCES.items():
        of_kind = [change for change in found if change.kind == kind and change.quantity != "metadata"]
        if of_kind:
            names = tuple(change.quantity for change in of_kind)
            largest = max(
                (change.size for change in of_kind if np.isfinite(change.size)), default=float("nan")
            )
            sentence = text.format(names=_listed(names), layout=layout, size=largest)
            out.append(Loss(names, sentence[:1].upper() + sentence[1:]))
    missing = _lost(before.metadata, after.metadata)
    if missing:
        more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
        out.append(
            Loss(("metadata",), f"The metadata {', '.join(missing[:8])}{more} could not be kept in {layout}.")
        )
    return tuple(out)


_SENTENCES = {
    "gone": "{layout} has no place for {names}.",
    "new": "The source did not hold {names}: this was worked out, because {layout} needs it.",
    "rounded": "{layout} keeps {names} in single precision: the numbers are rounded by up to {size:.1g}.",
    "changed": "{layout} could not keep {names} as in the source.",
}


def _listed(names: tuple[str, ...]) -> str:
    words = [_WORDS.get(name, name) for name in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
