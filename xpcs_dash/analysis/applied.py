"""Masks and partitions that somebody applied to the viewer, kept on disk so that every web process sees
them.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.analysis.rebin import bin_intensity
from xpcs_dash.errors import SchemaError, UsageError

if TYPE_CHECKING:
    from xpcs_dash.results.xpcs_file import XpcsFile

__all__ = ["Applied", "AppliedStore", "intensity_with"]


@dataclass(frozen=True, eq=False)
class Applied:
    """What is applied in one scope.

    Attributes
    ----------
    mask : (H, W) int32, 0 masked, 1 valid, or None.
    dynamic_map, static_map : (H, W) int32 labels, or None.
    dynamic_values, static_values : (K,) centre of each label along the first axis.
    token : short text that changes when any of it does.
    """

    mask: NDArray[np.int32] | None = None
    dynamic_map: NDArray[np.int32] | None = None
    static_map: NDArray[np.int32] | None = None
    dynamic_values: NDArray[np.float64] | None = None
    static_values: NDArray[np.float64] | None = None
    token: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the detector."""
        array = self.mask if self.mask is not None else self.dynamic_map
        return (0, 0) if array is None else (array.shape[0], array.shape[1])


class AppliedStore:
    """One file a scope below ``directory``; the last one read stays in memory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = Lock()
        self._last: Applied | None = None

    def put_mask(self, mask: NDArray[Any], scope: str) -> None:
        """Apply a mask; a partition that was applied before is taken away, for it lacks the mask.

        Raises
        ------
        SchemaError
            For anything but a 2-D array of 0 and 1.
        """
        array = np.asarray(mask)
        if array.ndim != 2 or not np.isin(array, (0, 1)).all():
            raise SchemaError("mask_exported", "mask", "an array (H, W) of 0 and 1", f"shape {array.shape}")
        self._write(scope, {"mask": array.astype(np.int32)})

    def put_partition(self, result: Mapping[str, Any], scope: str) -> None:
        """Apply a partition: the payload of ``qmap_exported``.

        Raises
        ------
        SchemaError
            Where the payload lacks something or does not fit together.
        """
        labels = np.asarray(result["partition_map"], dtype=np.int32)
        values = np.asarray(result["val_list"], dtype=np.float64)
        if (
            labels.ndim != 2
            or labels.max(initial=0) > int(result["num_pts"])
            or values.size != result["num_pts"]
        ):
            raise SchemaError("qmap_exported", "partition_map", f"labels up to {result['num_pts']}", "others")
        arrays = {"mask": (labels > 0).astype(np.int32), "dynamic_map": labels, "dynamic_values": values}
        if result.get("static_map") is not None:
            arrays["static_map"] = np.asarray(result["static_map"], dtype=np.int32)
            arrays["static_values"] = np.asarray(result["static_list"], dtype=np.float64)
        self._write(scope, arrays)

    def clear(self, scope: str) -> None:
        """Apply nothing any more."""
        self._path(scope).unlink(missing_ok=True)

    def get(self, scope: str) -> Applied | None:
        """What is applied in a scope, or None."""
        path = self._path(scope)
        try:
            with self._lock, np.load(path, allow_pickle=False) as data:
                # time stamps have steps of milliseconds, so the file itself says whether it is another one
                token = path.stem + (
                    str(data["token"]) if "token" in data else f"{path.stat().st_mtime_ns:x}"
                )
                if self._last is None or self._last.token != token:
                    self._last = Applied(**{n: data[n] for n in data.files if n != "token"}, token=token)
                return self._last
        except FileNotFoundError:
            return None

    def _write(self, scope: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        path = self._path(scope)
        path.parent.mkdir(parents=True, exist_ok=True)
        temp = path.with_name(f".{path.name}.{secrets.token_hex(4)}.temp")
        with temp.open("wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, token=np.array(secrets.token_hex(8)), **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        temp.replace(path)

    def _path(self, scope: str) -> Path:
        name = hashlib.blake2b(scope.encode(), digest_size=12).hexdigest()
        return self.directory / f"{name}.npz"


def intensity_with(xf: XpcsFile, applied: Applied) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """I(q) of a result with an applied mask or partition; see `ViewerKernel.intensity_with`."""
    image = xf.saxs_2d
    if image is None:
        raise UsageError(f"{xf.path.name} holds no scattering image.")
    if image.shape != applied.shape:
        raise UsageError(
            f"the mask in use is for {applied.shape[0]} × {applied.shape[1]} px, {xf.path.name} has "
            f"{image.shape[0]} × {image.shape[1]}."
        )
    if applied.static_map is not None and applied.static_values is not None:
        labels, values, kind = applied.static_map, applied.static_values, "partition"
    elif xf.sqmap is not None and xf.static is not None and applied.mask is not None:
        labels, values, kind = np.where(applied.mask > 0, xf.sqmap, 0), xf.static.q, "mask"
    else:
        raise UsageError(f"{xf.path.name} holds no static partition for the mask to be laid over.")
    binned = bin_intensity(image, labels, len(values))
    # bins at the same q and different angles become one point, weighted by their pixels
    q, place = np.unique(values, return_inverse=True)
    pixels = np.bincount(place, binned.pixels, q.size)
    total = np.bincount(place, np.nan_to_num(binned.mean) * binned.pixels, q.size)
    seen = pixels > 0
    return q[seen], total[seen] / pixels[seen], kind
