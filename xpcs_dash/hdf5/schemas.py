"""Validated, frozen records of the product's own vocabulary.

Every error names the schema and the field, says what was expected and what was found. Lengths inside
`GeometryMetadata` are millimetres, because its users and the mask tools speak millimetres; every boundary
that speaks metres goes through `GeometryMetadata.from_metres`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpcs_dash.errors import SchemaError

__all__ = [
    "HC_KEV_ANGSTROM",
    "G2Data",
    "GeometryMetadata",
    "MaskSchema",
    "PartitionSchema",
    "QMapSchema",
    "frozen_array",
]

#: Planck constant times speed of light, keV Å.
HC_KEV_ANGSTROM = 12.39841984


def frozen_array(values: ArrayLike, dtype: Any) -> NDArray[Any]:
    """Return ``values`` as a read-only array; copies only where the caller could still write to it."""
    array: NDArray[Any] = np.asarray(values, dtype=dtype)
    if array.flags.writeable:
        array = array.copy() if array is values or array.base is not None else array
        array.flags.writeable = False
    return array


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and type {value.dtype}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _array(
    schema: str, name: str, value: Any, kind: str, ndim: int, shape: tuple[int, ...] | None = None
) -> Any:
    """Check and freeze one array field: ``kind`` is "float" or "integer"."""
    expected = (
        f"{kind} numbers of shape {shape}" if shape is not None else f"a {ndim}-D array of {kind} numbers"
    )
    try:
        array = np.asarray(value)
    except ValueError:
        raise SchemaError(schema, name, expected, "rows of unequal length") from None
    if array.dtype.kind not in "biuf":
        raise SchemaError(schema, name, expected, _describe(value))
    if array.ndim != ndim or (shape is not None and array.shape != shape):
        raise SchemaError(schema, name, expected, _describe(array))
    if kind == "float":
        return frozen_array(array, np.float64)
    if array.dtype.kind == "f":
        if not np.all(np.isfinite(array)):
            raise SchemaError(schema, name, expected, "values that are not finite")
        if np.any(array != np.rint(array)):
            raise SchemaError(schema, name, expected, "fractions")
    if array.size and (int(array.max()) > 2**31 - 1 or int(array.min()) < -(2**31)):
        raise SchemaError(schema, name, expected, "values beyond 32 bits")
    return frozen_array(array, np.int32)


def _number(schema: str, name: str, value: Any, expected: str, *, positive: bool = False) -> float:
    if isinstance(value, bool | str | bytes) or np.ndim(value) != 0:
        raise SchemaError(schema, name, expected, _describe(value))
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise SchemaError(schema, name, expected, _describe(value)) from None
    if not math.isfinite(number) or (positive and number <= 0):
        raise SchemaError(schema, name, expected, repr(number))
    return number


def _zero_or_one(schema: str, name: str, array: NDArray[np.int32]) -> None:
    bad = (array != 0) & (array != 1)
    if bad.any():
        raise SchemaError(schema, name, "only 0 (masked) and 1 (valid)", f"the value {array[bad].flat[0]}")


@dataclass(frozen=True)
class GeometryMetadata:
    """Transmission geometry of one detector.

    Parameters
    ----------
    bcx, bcy : beam centre in pixels, column and row (pixel centres on integers).
    det_dist : sample to detector, mm.
    lambda_ : wavelength, Å.
    pix_dim : edge of a square pixel, mm.
    shape : (rows, columns) of the detector.

    Raises
    ------
    SchemaError
        For values that are not positive and finite, or a shape that is not two positive whole numbers.
    """

    bcx: float
    bcy: float
    det_dist: float
    lambda_: float
    pix_dim: float
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        name = type(self).__name__
        for axis in ("bcx", "bcy"):
            value = _number(name, axis, getattr(self, axis), "a finite number of pixels")
            object.__setattr__(self, axis, value)
        for length, unit in (("det_dist", "mm"), ("lambda_", "Å"), ("pix_dim", "mm")):
            value = _number(
                name, length, getattr(self, length), f"a positive length in {unit}", positive=True
            )
            object.__setattr__(self, length, value)
        try:
            rows, columns = (int(n) for n in self.shape)
            good = rows > 0 and columns > 0 and (rows, columns) == tuple(self.shape)
        except (TypeError, ValueError):
            good = False
        if not good:
            raise SchemaError(
                name, "shape", "two positive whole numbers (rows, columns)", _describe(self.shape)
            )
        object.__setattr__(self, "shape", (rows, columns))

    @classmethod
    def from_metres(
        cls,
        *,
        energy_kev: float,
        distance_m: float,
        pixel_m: float,
        bcx: float,
        bcy: float,
        shape: tuple[int, int],
    ) -> GeometryMetadata:
        """Build from the units of result and partition files: keV and metres."""
        name = cls.__name__
        energy = _number(name, "energy_kev", energy_kev, "a positive energy in keV", positive=True)
        distance = _number(name, "distance_m", distance_m, "a positive length in m", positive=True)
        pixel = _number(name, "pixel_m", pixel_m, "a positive length in m", positive=True)
        return cls(bcx, bcy, distance * 1e3, HC_KEV_ANGSTROM / energy, pixel * 1e3, shape)

    @property
    def energy_kev(self) -> float:
        """Photon energy in keV."""
        return HC_KEV_ANGSTROM / self.lambda_

    @property
    def distance_m(self) -> float:
        """Sample to detector in metres."""
        return self.det_dist / 1e3

    @property
    def pixel_m(self) -> float:
        """Pixel edge in metres."""
        return self.pix_dim / 1e3

    @property
    def k0(self) -> float:
        """Wave number 2π/λ in Å⁻¹."""
        return 2 * math.pi / self.lambda_

    def q_at(self, x: ArrayLike, y: ArrayLike, *, elastic: bool = False) -> NDArray[np.float64]:
        """Momentum transfer at detector positions.

        Parameters
        ----------
        x, y : column and row in pixels, broadcast against each other.
        elastic : False gives k0·sin α, the form in which result files quote q; True gives 2·k0·sin(α/2), the
            exact elastic value. They differ by cos(α/2): 4e-5 at 1°.

        Returns
        -------
        q in Å⁻¹, float64.
        """
        across = np.asarray(x, dtype=np.float64) - self.bcx
        down = np.asarray(y, dtype=np.float64) - self.bcy
        alpha = np.arctan2(np.hypot(across, down) * self.pix_dim, self.det_dist)
        q = 2 * np.sin(alpha / 2) if elastic else np.sin(alpha)
        return np.asarray(self.k0 * q, dtype=np.float64)

    def phi_at(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Azimuth in degrees at detector positions: 0 to the right, +90 up on the screen (towards row 0)."""
        across = np.asarray(x, dtype=np.float64) - self.bcx
        down = np.asarray(y, dtype=np.float64) - self.bcy
        return np.asarray(np.degrees(-np.arctan2(down, across)), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class QMapSchema:
    """A q-map as the mask tools make it.

    Parameters
    ----------
    sqmap, dqmap, phis : (H, W) float64; q in Å⁻¹ for the static and the dynamic map, azimuth in degrees.
    mask : (H, W) int32, 0 masked, 1 valid.
    partition_map : (H, W) int32 labels, 0 masked.
    """

    sqmap: NDArray[np.float64]
    dqmap: NDArray[np.float64]
    phis: NDArray[np.float64]
    mask: NDArray[np.int32]
    partition_map: NDArray[np.int32]

    def __post_init__(self) -> None:
        name = type(self).__name__
        sqmap = _array(name, "sqmap", self.sqmap, "float", 2)
        object.__setattr__(self, "sqmap", sqmap)
        for other, kind in (
            ("dqmap", "float"),
            ("phis", "float"),
            ("mask", "integer"),
            ("partition_map", "integer"),
        ):
            object.__setattr__(self, other, _array(name, other, getattr(self, other), kind, 2, sqmap.shape))
        for other in ("sqmap", "dqmap", "phis"):
            if not np.all(np.isfinite(getattr(self, other))):
                raise SchemaError(name, other, "finite numbers", "NaN or infinity")
        _zero_or_one(name, "mask", self.mask)
        _no_negative_labels(name, self.partition_map)


def _no_negative_labels(schema: str, labels: NDArray[np.int32]) -> None:
    if labels.size and int(labels.min()) < 0:
        raise SchemaError(schema, "partition_map", "labels from 0 (masked)", f"the label {int(labels.min())}")


@dataclass(frozen=True, eq=False)
class PartitionSchema:
    """A detector divided into bins.

    Parameters
    ----------
    partition_map : (H, W) int32; 0 masked, 1 … num_pts.
    num_pts : number of bins.
    val_list : centre of each bin.
    num_list : pixels in each bin.
    """

    partition_map: NDArray[np.int32]
    num_pts: int
    val_list: tuple[float, ...]
    num_list: tuple[int, ...]

    def __post_init__(self) -> None:
        name = type(self).__name__
        labels = _array(name, "partition_map", self.partition_map, "integer", 2)
        object.__setattr__(self, "partition_map", labels)
        if (
            isinstance(self.num_pts, bool)
            or not isinstance(self.num_pts, int | np.integer)
            or self.num_pts < 1
        ):
            raise SchemaError(name, "num_pts", "a whole number of at least 1", _describe(self.num_pts))
        object.__setattr__(self, "num_pts", int(self.num_pts))
        for listed in ("val_list", "num_list"):
            values: Sequence[Any] = getattr(self, listed)
            if np.ndim(values) != 1 or len(values) != self.num_pts:
                found = f"{len(values)} values" if np.ndim(values) == 1 else _describe(values)
                raise SchemaError(name, listed, f"{self.num_pts} values, one for each bin", found)
        vals = tuple(_number(name, "val_list", v, "finite numbers") for v in self.val_list)
        nums = tuple(_number(name, "num_list", v, "whole numbers from 0") for v in self.num_list)
        if any(n < 0 or n != int(n) for n in nums):
            raise SchemaError(name, "num_list", "whole numbers from 0", _describe(list(nums)))
        object.__setattr__(self, "val_list", vals)
        object.__setattr__(self, "num_list", tuple(int(n) for n in nums))
        _no_negative_labels(name, labels)
        if labels.size and int(labels.max()) > self.num_pts:
            raise SchemaError(
                name, "partition_map", f"labels up to {self.num_pts}", f"the label {int(labels.max())}"
            )


@dataclass(frozen=True, eq=False)
class MaskSchema:
    """A pixel mask: (H, W) int32, 0 masked, 1 valid."""

    mask: NDArray[np.int32]
    description: str = ""
    version: str = "1"

    def __post_init__(self) -> None:
        name = type(self).__name__
        object.__setattr__(self, "mask", _array(name, "mask", self.mask, "integer", 2))
        _zero_or_one(name, "mask", self.mask)


@dataclass(frozen=True, eq=False)
class G2Data:
    """g2 curves.

    Parameters
    ----------
    g2, g2_err : (n_delay, n_q) float64; NaN marks "no data".
    delay_times : (n_delay,) s, not negative, rising.
    q_values : n_q numbers in Å⁻¹.
    """

    g2: NDArray[np.float64]
    g2_err: NDArray[np.float64]
    delay_times: NDArray[np.float64]
    q_values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        name = type(self).__name__
        delays = _array(name, "delay_times", self.delay_times, "float", 1)
        q_values = _array(name, "q_values", self.q_values, "float", 1)
        for which in ("g2", "g2_err"):
            value = _array(name, which, getattr(self, which), "float", 2, (delays.size, q_values.size))
            if np.any(np.isinf(value)):
                raise SchemaError(name, which, "numbers or NaN", "infinity")
            object.__setattr__(self, which, value)
        if not np.all(np.isfinite(delays)) or np.any(delays < 0) or np.any(np.diff(delays) <= 0):
            raise SchemaError(
                name, "delay_times", "rising times from 0 s", "times that repeat, fall or are not finite"
            )
        if not np.all(np.isfinite(q_values)):
            raise SchemaError(name, "q_values", "finite numbers in Å⁻¹", "NaN or infinity")
        if np.any(self.g2_err < 0):
            raise SchemaError(name, "g2_err", "errors from 0", f"the value {float(np.nanmin(self.g2_err))!r}")
        object.__setattr__(self, "delay_times", delays)
        object.__setattr__(self, "q_values", q_values)
