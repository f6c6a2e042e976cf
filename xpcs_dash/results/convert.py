"""Conversion of any layout that we read into the present APS layout or our own.

What is written is read back and compared with the source, quantity by quantity, so that nothing is lost
without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.aps_writer import ApsResult, ApsTwoTime, write_aps
from xpcs_dash.hdf5.carried import CARRIED, Carried
from xpcs_dash.hdf5.records import BinTable
from xpcs_dash.hdf5.schemas import G2Data, MaskSchema, PartitionSchema, QMapSchema
from xpcs_dash.hdf5.writer import write_own
from xpcs_dash.results.compare import Loss, losses
from xpcs_dash.results.opening import open_result
from xpcs_dash.results.xpcs_file import XpcsFile

__all__ = ["Conversion", "aps_result", "convert", "g2_data", "to_aps", "to_own"]

#: Arrays of more bytes are streamed to the disk one by one.
STREAM_ABOVE = 128 * 2**20
#: Layouts that are written: what a person calls them, and their names.
TARGETS = {"own": ("the layout of xpcs-dash", "xpcs_dash"), "aps": ("the APS layout", "aps_nexus")}
#: Places of metadata that the APS layout has itself.
_APS_PLACES = ("/entry", "/xpcs/multitau/config", "/xpcs/twotime/config")


@dataclass(frozen=True)
class Conversion:
    """A file that was converted, and what it did not keep."""

    path: Path
    losses: tuple[Loss, ...] = ()


def convert(file: XpcsFile, to: str, out: str | Path, *, overwrite: bool = False) -> Conversion:
    """Write ``file`` in another layout, and compare what was written with it.

    Parameters
    ----------
    to : ``"own"`` or ``"aps"``.
    out : file to make, atomically.
    overwrite : False refuses to replace an existing file.

    Raises
    ------
    UsageError
        For another layout, or where the file lacks what the layout cannot do without.
    WriteError
        Where the file cannot be written.
    """
    if to not in TARGETS:
        raise UsageError(f"there is no layout {to!r} to convert to: choose own or aps.")
    if Path(out).exists() and Path(out).resolve() == file.path.resolve():
        raise UsageError(f"{file.path.name}: choose another name; a file is not converted in place.")
    words = TARGETS[to][0]
    path, left = (to_own if to == "own" else to_aps)(file, out, overwrite=overwrite)
    after = open_result(path, min_coincidences=file.min_coincidences)
    behind = [Loss((), f"{name} is not carried along, because it {reason}.") for name, reason in left]
    return Conversion(path, (*losses(file, after, words), *behind))


class _Matrices(Sequence[NDArray[np.float32]]):
    """The two-time matrices of a file, each read when its turn comes."""

    def __init__(self, file: XpcsFile) -> None:
        self._file = file

    def __len__(self) -> int:
        return len(self._file.twotime_bins)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.float32]: ...
    @overload
    def __getitem__(self, index: slice) -> list[NDArray[np.float32]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.float32] | list[NDArray[np.float32]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._file.twotime(self._file.twotime_bins[index]).c2_upper

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return (self[i] for i in range(len(self)))


class _PerPixel:
    """The per-pixel G2 of a file, one delay at a time."""

    def __init__(self, file: XpcsFile) -> None:
        self._file = file
        self.shape: tuple[int, ...] = (file.n_delay, *file.unnormalized_g2(0).shape)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        return self._file.unnormalized_g2(index)


def _is_big(file: XpcsFile) -> bool:
    shape = file.twotime_shape
    matrices = 0 if shape is None else 4 * shape[0] * shape[1] * len(file.twotime_bins)
    planes = 4 * int(np.prod(_PerPixel(file).shape)) if file.has_unnormalized else 0
    return matrices + planes > STREAM_ABOVE


def _whole_delays(file: XpcsFile) -> NDArray[np.float64] | None:
    """Delays in frames, from seconds where the file holds only those."""
    if file.n_delay == 0:
        return None
    if file.delay_frames.size:
        frames = file.delay_frames
    elif file.g2_frame_time_s is not None:
        frames = file.t_el / file.g2_frame_time_s
    else:
        raise UsageError(f"{file.path.name}: without a frame time its delays cannot be written in frames.")
    whole = np.rint(frames)
    if not np.allclose(whole, frames, rtol=1e-3) or np.any(np.diff(whole) <= 0):
        raise UsageError(f"{file.path.name}: its delays are not whole frames, as the APS layout needs them.")
    return whole


def aps_result(file: XpcsFile) -> ApsResult:
    """What the APS layout can hold of ``file``, its per-pixel G2 excepted, with its metadata.

    Raises
    ------
    UsageError
        Where it lacks a correlation, a label map, or a frame time.
    """
    name = file.path.name
    if not file.kinds:
        raise UsageError(f"{name}: it holds no correlation, so there is no result to write.")
    dynamic, dqmap = file.dynamic, file.dqmap
    if dynamic is None or dqmap is None:
        raise UsageError(
            f"{name}: without its map of q-bins it cannot be written in the APS layout; try own."
        )
    if file.frame_time_s is None:
        raise UsageError(f"{name}: without a frame time it cannot be written in the APS layout; try own.")
    has_g2 = file.n_delay > 0
    int_t = file.int_t
    return ApsResult(
        dynamic=dynamic,
        static=file.static,
        geometry=file.geometry,
        dqmap=dqmap,
        sqmap=file.sqmap,
        mask=file.mask,
        blemish=file.blemish,
        frame_time_s=file.frame_time_s,
        exposure_s=file.exposure_s,
        delay_frames=_whole_delays(file),
        g2=file.g2 if has_g2 else None,
        g2_err=file.g2_err if has_g2 and not np.all(np.isnan(file.g2_err)) else None,
        partial_g2=file.partial_g2,
        partial_g2_err=file.partial_g2_err,
        partial_labels=file.partial_labels,
        stride_frame=file.stride,
        avg_frame=file.avg,
        saxs_2d=file.saxs_2d,
        saxs_1d=file.saxs_1d,
        segments=file.segments,
        int_t=None if int_t is None else int_t[1],
        int_t_index=None if int_t is None else _frame_numbers(int_t[0], file.processed_frame_time_s),
        twotime=_aps_twotime(file) if file.twotime_bins else None,
        start_time=file.start_time,
        end_time=file.end_time,
        sample=file.sample,
        scan=file.scan,
        temperature_c=None if file.temperature_k is None else file.temperature_k - 273.15,
        raw_path=file.raw_path,
        averaged_from=file.averaged_from,
        map_hash=file.map_hash,
        carried=tuple(_placed(item) for item in file.carried().items),
        as_read=_as_read(file),
    )


def _placed(item: Carried) -> Carried:
    """Metadata to the place that the APS layout has for it, or to that for what it has none for."""
    if any(item.path == place or item.path.startswith(f"{place}/") for place in _APS_PLACES):
        return item
    return replace(item, path=f"{CARRIED}{item.path}")


def _frame_numbers(times: NDArray[np.float64], step_s: float | None) -> NDArray[np.float64]:
    frames = times if step_s is None else times / step_s
    whole = np.rint(frames)
    return whole if np.allclose(frames, whole, rtol=1e-9, atol=1e-6) else frames


def _aps_twotime(file: XpcsFile) -> ApsTwoTime:
    curves = [file.twotime_curves(label) for label in file.twotime_bins]
    g2 = [curve for curve, _ in curves if curve is not None]
    segments = [part for _, part in curves if part is not None]
    return ApsTwoTime(
        bins=file.twotime_bins,
        matrices=_Matrices(file),
        g2=np.stack(g2, axis=1) if len(g2) == len(curves) else None,
        g2_segments=np.stack(segments, axis=2) if len(segments) == len(curves) else None,
        stride_frame=file.c2_stride,
        avg_frame=file.c2_avg,
        compute=False,
    )


def _as_read(file: XpcsFile) -> dict[str, Any]:
    """What a reader of the APS layout would not find in its places as this file says it."""
    stated: dict[str, Any] = {"scan": file.scan, "sample": file.sample}
    if file.stored_coincidences is not None:
        stated["coincidences"] = file.stored_coincidences
    if file.layout == TARGETS["aps"][1] and not file.restated:
        return stated
    return stated | {
        "frame_time_s": file.frame_time_s,
        "start_time": file.start_time,
        "end_time": file.end_time,
        "exposure_s": file.exposure_s,
        "temperature_k": file.temperature_k,
        "n_frames": file.n_frames,
        "energy_kev": file.energy_kev,
        "distance_m": file.distance_m,
        "intensity_unit": file.intensity_unit,
        "geometry_mismatch": file.geometry_mismatch,
        "warnings": file.reading_warnings,
        "c2_frame_time_s": file.c2_frame_time_s,
    }


Left = tuple[tuple[str, str], ...]


def to_aps(file: XpcsFile, out: str | Path, *, overwrite: bool = False) -> tuple[Path, Left]:
    """Write ``file`` in the present APS layout; see `convert`.

    Returns
    -------
    The path, and what was left behind: paths in the source with reasons.
    """
    made = aps_result(file)
    everything = file.carried(rest=file.layout == TARGETS["aps"][1])
    result = replace(
        made,
        unnormalized_g2=_PerPixel(file) if file.has_unnormalized else None,
        rest=everything.items[len(made.carried) :],
    )
    return write_aps(out, result, overwrite=overwrite, in_memory=not _is_big(file)), everything.left


def to_own(file: XpcsFile, out: str | Path, *, overwrite: bool = False) -> tuple[Path, Left]:
    """Write ``file`` in our own layout; see `convert`.

    Returns
    -------
    The path, and what was left behind: paths in the source with reasons.
    """
    qmap, mask, partition = _maps(file)
    texts = {
        "start_time": None if file.start_time is None else file.start_time.isoformat(),
        "end_time": None if file.end_time is None else file.end_time.isoformat(),
        "sample": file.sample,
        "scan": file.scan,
        "raw_path": file.raw_path,
        "map_hash": file.map_hash,
    }
    same = file.layout == TARGETS["own"][1]
    metadata, everything = file.carried(), file.carried(rest=same)
    path = write_own(
        out,
        g2=g2_data(file),
        qmap=qmap,
        geometry=file.geometry,
        mask=mask,
        partition=partition,
        extra=dict(_extra(file)),
        provenance={name: text for name, text in texts.items() if text is not None},
        source={"source_layout": file.layout, "source_file": file.path.name},
        carried=metadata.items,
        rest=everything.items[len(metadata.items) :],
        planes={"/xpcs/g2/unnormalized_g2": _PerPixel(file)} if file.has_unnormalized else None,
        leave_out=_absent(file),
        overwrite=overwrite,
        in_memory=not _is_big(file),
    )
    return path, everything.left


def _absent(file: XpcsFile) -> tuple[str, ...]:
    """Parts of our layout that this file does not have."""
    return tuple(
        path
        for path, there in (
            ("/xpcs/qmap/mask", file.mask is not None),
            ("/xpcs/g2/g2_err", file.n_delay > 0 and not np.all(np.isnan(file.g2_err))),
        )
        if not there
    )


def g2_data(file: XpcsFile) -> G2Data | None:
    """The multi-tau g2 of ``file`` as our own layout holds it; None where there is none."""
    if not file.n_delay:
        return None
    return G2Data(_finite(file.g2), np.abs(_finite(file.g2_err)), file.t_el, file.q)


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isinf(values), np.nan, values)


def _maps(file: XpcsFile) -> tuple[QMapSchema | None, MaskSchema | None, PartitionSchema | None]:
    """The q-map where the geometry is known; else mask and partition without q of each pixel."""
    labels, mask = file.dqmap, file.mask
    if labels is not None and file.geometry is not None and labels.shape == file.geometry.shape:
        rows, columns = np.ogrid[: labels.shape[0], : labels.shape[1]]
        q = file.geometry.q_at(columns, rows)
        used = labels > 0 if mask is None else mask
        return (
            QMapSchema(q, q, file.geometry.phi_at(columns, rows), used.astype(np.int32), labels),
            None,
            None,
        )
    partition = None
    if labels is not None and file.dynamic is not None:
        n = file.dynamic.n
        pixels = np.bincount(labels.ravel(), minlength=n + 1)[1 : n + 1]
        partition = PartitionSchema(np.where(labels <= n, labels, 0), n, tuple(file.q), tuple(pixels))
    return None, None if mask is None else MaskSchema(mask.astype(np.int32)), partition


def _bins(which: str, table: BinTable) -> Iterator[tuple[str, tuple[Any, str]]]:
    group = f"/xpcs/bins/{which}"
    yield f"{group}/axis0", (table.axis0, "")
    yield f"{group}/axis1", (table.axis1, "")
    yield f"{group}/index_mapping", (table.index_mapping, "")
    yield f"{group}/names", (list(table.names), "")
    yield f"{group}/units", (list(table.units), "")


def _extra(file: XpcsFile) -> Iterator[tuple[str, tuple[Any, str]]]:
    """What our layout keeps beyond its core."""
    for which, table in (("dynamic", file.dynamic), ("static", file.static)):
        if table is not None:
            yield from _bins(which, table)
    arrays: dict[str, tuple[Any, str]] = {
        "/xpcs/g2/delay_frames": (file.delay_frames if file.delay_frames.size else None, "frames"),
        "/xpcs/g2/coincidences": (_coincidences(file), ""),
        "/xpcs/g2/partial_g2": (file.partial_g2, ""),
        "/xpcs/g2/partial_g2_err": (file.partial_g2_err, ""),
        "/xpcs/g2/partial_labels": (file.partial_labels, "frames"),
        "/xpcs/qmap/static_partition_map": (file.sqmap, ""),
        "/xpcs/qmap/blemish": (file.blemish, ""),
        "/xpcs/saxs/saxs_1d": (file.saxs_1d, file.intensity_unit),
        "/xpcs/saxs/saxs_2d": (file.saxs_2d, file.intensity_unit),
        "/xpcs/saxs/segments": (file.segments, ""),
        "/xpcs/saxs/int_t": (file.int_t, ""),
        "/xpcs/acquisition/frame_time_s": (file.frame_time_s, "s"),
        "/xpcs/acquisition/exposure_s": (file.exposure_s, "s"),
        "/xpcs/acquisition/stride_frame": (np.int64(file.stride), ""),
        "/xpcs/acquisition/avg_frame": (np.int64(file.avg), ""),
        "/xpcs/acquisition/n_frames": (file.n_frames, ""),
        "/xpcs/acquisition/energy_kev": (file.energy_kev, "keV"),
        "/xpcs/acquisition/distance_m": (file.distance_m, "m"),
        "/xpcs/acquisition/temperature_k": (file.temperature_k, "K"),
        "/xpcs/acquisition/intensity_unit": (file.intensity_unit, ""),
        "/xpcs/acquisition/averaged_from": (list(file.averaged_from) or None, ""),
        "/xpcs/acquisition/geometry_mismatch": (list(file.geometry_mismatch) or None, ""),
        "/xpcs/acquisition/warnings": (list(file.reading_warnings) or None, ""),
    }
    yield from ((name, item) for name, item in arrays.items() if item[0] is not None)
    if file.twotime_bins:
        yield from _own_twotime(file)


def _coincidences(file: XpcsFile) -> NDArray[np.float64] | None:
    if file.stored_coincidences is not None:
        return file.stored_coincidences
    return file.coincidences if file.n_delay and file.photons else None


def _own_twotime(file: XpcsFile) -> Iterator[tuple[str, tuple[Any, str]]]:
    group = "/xpcs/two_time"
    yield f"{group}/bins", (np.asarray(file.twotime_bins, dtype=np.int32), "")
    yield f"{group}/stride_frame", (np.int64(file.c2_stride), "")
    yield f"{group}/avg_frame", (np.int64(file.c2_avg), "")
    if file.c2_frame_time_s is not None:
        yield f"{group}/dt_s", (file.c2_frame_time_s, "s")
    curves = [file.twotime_curves(label) for label in file.twotime_bins]
    if all(curve is not None for curve, _ in curves):
        yield f"{group}/g2", (np.stack([curve for curve, _ in curves if curve is not None], axis=1), "")
    if all(part is not None for _, part in curves):
        yield f"{group}/g2_segments", (np.stack([p for _, p in curves if p is not None], axis=2), "")
    for label in file.twotime_bins:
        yield f"{group}/c2_{label:05d}", (partial(_upper, file, label), "")


def _upper(file: XpcsFile, label: int) -> NDArray[np.float32]:
    return file.twotime(label).c2_upper
