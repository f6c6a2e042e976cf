"""Partition files (group ``/qmap``): what mask tools write and the correlator reads. Lengths in metres."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import FileError, IncompleteFile, SchemaError
from xpcs_dash.hdf5.carried import Carried, carry, gather_group
from xpcs_dash.hdf5.handle import Group
from xpcs_dash.hdf5.pool import HDF5ConnectionPool, default_pool
from xpcs_dash.hdf5.records import BinTable
from xpcs_dash.hdf5.schemas import GeometryMetadata
from xpcs_dash.hdf5.writer import atomic_hdf5, put

__all__ = ["NoPartition", "PartitionRecord", "read_partition", "write_partition"]

Kind = Literal["dynamic", "static"]
GROUPS = ("/qmap", "/xpcs/qmap")
_KNOWN = (
    *("mask", "blemish", "beam_center_x", "beam_center_y", "pixel_size", "detector_distance", "energy"),
    *("map_names", "map_units", "source_file"),
    *(
        f"{kind}_{name}"
        for kind in ("dynamic", "static")
        for name in ("roi_map", "num_pts", "v_list_dim0", "v_list_dim1", "index_mapping")
    ),
)


@dataclass(frozen=True, eq=False)
class PartitionRecord:
    """One partition file.

    Attributes
    ----------
    dynamic, static : bins of the two maps.
    dynamic_map, static_map : (H, W) int32 labels, 0 masked.
    mask : (H, W) bool, True for pixels in a bin.
    blemish : (H, W) bool, True for pixels that the detector itself does not spoil.
    geometry : None where the file has none.
    source_file : file that the map was made from.
    hash, version : attributes of the group; written when empty.
    warnings : sentences on what had to be guessed when reading.
    content : digest of what was read, by which a record that was not changed keeps the hash of its maker.
    rest : what else the file held, carried along when it is written.
    """

    dynamic: BinTable
    static: BinTable
    dynamic_map: NDArray[np.int32]
    static_map: NDArray[np.int32]
    mask: NDArray[np.bool_]
    blemish: NDArray[np.bool_]
    geometry: GeometryMetadata | None
    source_file: str = ""
    hash: str = ""
    version: str = ""
    warnings: tuple[str, ...] = field(default=())
    content: str = ""
    rest: tuple[Carried, ...] = field(default=())


def write_partition(
    path: str | Path,
    record: PartitionRecord,
    *,
    version: str = "",
    overwrite: bool = True,
) -> Path:
    """Write a partition file, atomically.

    The group ``/qmap`` holds what boost_corr correlates with and pySimpleMask opens, with the attributes
    ``hash`` and ``version``. A record that was read and not changed keeps its hash, which every tool computes
    in its own way; any other gets the SHA-256 of maps, bins and geometry. Where it was made from does not
    count: the same partition made from another file is the same.

    Parameters
    ----------
    path : file to make.
    record : its content; the geometry is required.
    version : text of the attribute.
    overwrite : False refuses to replace a file.

    Raises
    ------
    SchemaError
        Where the record has no geometry, or a label lies outside its table.
    WriteError
        Where the file cannot be written.
    """
    members = _members(record)
    digest = content_digest(record)
    kept = record.hash if record.hash and record.content == digest else digest
    with atomic_hdf5(path, overwrite=overwrite) as h5:
        group = h5.create_group("qmap")
        for name, value in members.items():
            dataset = put(group, name, value)
            if "_v_list_dim" in name:
                axis = int(name[-1])
                dataset.attrs["name"] = record.dynamic.names[axis]
                dataset.attrs["unit"] = record.dynamic.units[axis]
                dataset.attrs["size"] = np.int64(np.size(value))
        group.attrs["hash"] = kept
        group.attrs["version"] = version or record.version or "xpcs-dash"
        carry(h5, record.rest)
    return Path(path)


def _members(record: PartitionRecord) -> dict[str, Any]:
    geometry = record.geometry
    if geometry is None:
        raise SchemaError("PartitionRecord", "geometry", "the geometry that the map was made with", "none")
    members: dict[str, Any] = {
        "mask": np.asarray(record.mask, dtype=bool),
        "blemish": np.asarray(record.blemish, dtype=bool),
        "beam_center_x": float(geometry.bcx),
        "beam_center_y": float(geometry.bcy),
        "pixel_size": float(geometry.pixel_m),
        "detector_distance": float(geometry.distance_m),
        "energy": float(geometry.energy_kev),
        "map_names": list(record.dynamic.names),
        "map_units": list(record.dynamic.units),
        "source_file": record.source_file,
    }
    kinds: tuple[tuple[str, BinTable, NDArray[np.int32]], ...] = (
        ("dynamic", record.dynamic, record.dynamic_map),
        ("static", record.static, record.static_map),
    )
    for kind, table, labels in kinds:
        if labels.shape != geometry.shape:
            expected, found = f"shape {geometry.shape}", f"shape {labels.shape}"
            raise SchemaError("PartitionRecord", f"{kind}_map", expected, found)
        if int(labels.max(initial=0)) > table.n:
            found = f"the label {labels.max()}"
            raise SchemaError("PartitionRecord", f"{kind}_map", f"labels up to {table.n}", found)
        members[f"{kind}_roi_map"] = _smallest(labels)
        members[f"{kind}_num_pts"] = np.asarray(table.num_pts, dtype=np.int64)
        members[f"{kind}_v_list_dim0"] = np.asarray(table.axis0, dtype=np.float64)
        members[f"{kind}_v_list_dim1"] = np.asarray(table.axis1, dtype=np.float64)
        members[f"{kind}_index_mapping"] = _smallest(table.index_mapping)
    return members


def _smallest(values: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers from 0 in the smallest unsigned type that holds them."""
    return np.asarray(values).astype(np.min_scalar_type(int(np.max(values, initial=0))))


def content_digest(record: PartitionRecord) -> str:
    """SHA-256 of what a partition is: maps, masks, bins, and the geometry to twelve digits."""
    digest = hashlib.sha256()
    geometry = record.geometry
    if geometry is not None:
        # lengths and energies go through changes of unit, which cost the last digits
        numbers = [geometry.bcx, geometry.bcy, geometry.det_dist, geometry.lambda_, geometry.pix_dim]
        digest.update(json.dumps([f"{number:.12g}" for number in numbers]).encode())
    for labels in (record.dynamic_map, record.static_map):
        digest.update(repr(labels.shape).encode() + np.ascontiguousarray(labels, dtype="<i4").tobytes())
    for pixels in (record.mask, record.blemish):
        digest.update(np.packbits(np.asarray(pixels, dtype=bool)).tobytes())
    for table in (record.dynamic, record.static):
        digest.update(json.dumps([*table.num_pts, *table.names, *table.units]).encode())
        digest.update(table.axis0.tobytes() + table.axis1.tobytes() + table.index_mapping.tobytes())
    return digest.hexdigest()


class NoPartition(IncompleteFile):
    """A sound file that carries no partition."""


def read_partition(path: str | Path, pool: HDF5ConnectionPool | None = None) -> PartitionRecord:
    """Read a partition file, or the partition that a result file carries.

    Files that give lengths in millimetres (pixels of 0.075 and distances of 5000) are understood, with a
    warning.

    Raises
    ------
    NoPartition
        Where the file holds none.
    FileError
        Where the file, or its partition, cannot be read.
    """
    with (pool or default_pool()).open(path) as h5:
        group = next((h5[name] for name in GROUPS if isinstance(h5.get(name), Group)), None)
        if group is None:
            raise NoPartition(path, "it holds no partition (no group /qmap)", "give a partition file")
        try:
            return _record(Path(path), group)
        except FileError:
            raise
        except (KeyError, OSError, ValueError, TypeError, RuntimeError) as err:
            reason = " ".join(str(err).split())[:200]
            raise IncompleteFile(path, f"its partition cannot be used ({reason})", "make it again") from None


def _record(path: Path, group: Group) -> PartitionRecord:
    names = _texts(group, "map_names", ("q", "phi"))
    units = _texts(group, "map_units", ("Å⁻¹", "deg"))
    maps = {kind: np.squeeze(group[f"{kind}_roi_map"][()]).astype(np.int32) for kind in ("dynamic", "static")}
    tables = {kind: _table(group, kind, names, units) for kind in ("dynamic", "static")}
    mask = np.squeeze(group["mask"][()]) > 0 if "mask" in group else maps["dynamic"] > 0
    blemish = np.squeeze(group["blemish"][()]) > 0 if "blemish" in group else mask
    for name, array in (("static_roi_map", maps["static"]), ("mask", mask), ("blemish", blemish)):
        if array.shape != maps["dynamic"].shape or array.ndim != 2:
            wanted = f"{name} has shape {array.shape}, dynamic_roi_map {maps['dynamic'].shape}"
            raise IncompleteFile(path, wanted, "make the partition again")
    geometry, warnings = _geometry(group, maps["dynamic"].shape)
    record = PartitionRecord(
        dynamic=tables["dynamic"],
        static=tables["static"],
        dynamic_map=maps["dynamic"],
        static_map=maps["static"],
        mask=mask,
        blemish=blemish,
        geometry=geometry,
        source_file=_text(group["source_file"][()]) if "source_file" in group else "",
        hash=_text(group.attrs.get("hash", "")),
        version=_text(group.attrs.get("version", "")),
        warnings=warnings,
        rest=_rest(group),
    )
    return replace(record, content=content_digest(record))


def _rest(group: Group) -> tuple[Carried, ...]:
    """Members of the group that this module does not know, with attributes, under ``/qmap``."""
    known = {f"{group.name}/{name}" for name in _KNOWN}
    found = gather_group(group, group.name, below=group.name, skip=known).items
    return tuple(replace(item, path=f"/qmap{item.path if item.path != '/' else ''}") for item in found)


def _table(group: Group, kind: str, names: tuple[str, str], units: tuple[str, str]) -> BinTable:
    sizes = np.ravel(group[f"{kind}_num_pts"][()]).astype(int)
    axes = [np.ravel(group[f"{kind}_v_list_dim{i}"][()]).astype(np.float64) for i in (0, 1)]
    num_pts = (int(sizes[0]), int(sizes[1]) if sizes.size > 1 else axes[1].size)
    mapping = np.ravel(group[f"{kind}_index_mapping"][()]).astype(np.int64)
    return BinTable(num_pts, axes[0], axes[1], mapping, names, units)


def _geometry(group: Group, shape: tuple[int, ...]) -> tuple[GeometryMetadata | None, tuple[str, ...]]:
    wanted = ("energy", "detector_distance", "pixel_size", "beam_center_x", "beam_center_y")
    missing = [name for name in wanted if name not in group]
    if missing:
        return None, (f"The partition gives no {', '.join(missing)}, so its geometry is not known.",)
    energy, distance, pixel, x, y = (float(np.ravel(group[name][()])[0]) for name in wanted)
    warnings: list[str] = []
    # no detector has pixels of a centimetre, so such a number is millimetres; the two may even be mixed
    if pixel > 1e-2:
        warnings.append(f"The partition gives the pixel as {pixel:g}, which was taken for millimetres.")
        pixel /= 1e3
    if distance > 200:
        warnings.append(f"The partition gives the distance as {distance:g}, which was taken for millimetres.")
        distance /= 1e3
    geometry = GeometryMetadata.from_metres(
        energy_kev=energy,
        distance_m=distance,
        pixel_m=pixel,
        bcx=x,
        bcy=y,
        shape=(int(shape[0]), int(shape[1])),
    )
    return geometry, tuple(warnings)


def _texts(group: Group, name: str, default: tuple[str, str]) -> tuple[str, str]:
    if name not in group:
        return default
    values = [_text(v) for v in np.ravel(group[name][()])]
    return (values[0], values[1]) if len(values) == 2 else default


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
