"""SimpleMaskKernel: an image, its geometry, a mask and a partition, as one thing that can be worked with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.schemas import GeometryMetadata, QMapSchema
from xpcs_dash.simplemask.area_mask import AreaMask
from xpcs_dash.simplemask.files import DetectorImage
from xpcs_dash.simplemask.geometry import Setting
from xpcs_dash.simplemask.operations import Context
from xpcs_dash.simplemask.partition import Axis, Partition, generate_partition
from xpcs_dash.simplemask.qmap import LazyMaps, compute_qmap
from xpcs_dash.simplemask.signals import mask_exported, qmap_exported


@dataclass(frozen=True, eq=False)
class SimpleMaskKernel:
    """Immutable; every change gives a new kernel that shares what did not change.

    Attributes
    ----------
    image : what is drawn on.
    area : the mask's operations.
    geometry, setting : what the q-map is computed from; without a geometry there are no maps.
    arrays : imported masks by name.
    """

    image: DetectorImage
    area: AreaMask
    geometry: GeometryMetadata | None = None
    setting: Setting = field(default_factory=Setting)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    @classmethod
    def start(cls, image: DetectorImage) -> SimpleMaskKernel:
        """An image with the geometry that its file gives, and nothing masked."""
        return cls(image, AreaMask(image.shape), image.geometry)

    def changed(self, **fields: Any) -> SimpleMaskKernel:
        """A kernel with other fields."""
        new = replace(self, **fields)
        if new.image is self.image and new.geometry == self.geometry and new.setting == self.setting:
            if "maps" in self.__dict__:
                new.__dict__["maps"] = self.__dict__["maps"]
            if "context" in self.__dict__ and new.arrays is self.arrays:
                new.__dict__["context"] = self.__dict__["context"]
        return new

    @cached_property
    def maps(self) -> Mapping[str, NDArray[np.float64]]:
        """The maps of the geometry, computed when one is asked for; empty without a geometry."""
        return LazyMaps(self.geometry, self.setting) if self.geometry is not None else {}

    @cached_property
    def context(self) -> Context:
        """What the operations look at."""
        return Context(self.image.shape, self.image.image, self.maps, self.arrays, self.image.frames)

    def mask(self) -> NDArray[np.int32]:
        """The mask (H, W) int32, 0 masked, 1 valid; see `AreaMask.product`."""
        return self.area.product(self.context)

    def qmap(self) -> QMapSchema:
        """The q-map with the mask."""
        return compute_qmap(self._geometry(), self.setting, self.mask())

    def partition(self, axis0: Axis, axis1: Axis) -> Partition:
        """The valid pixels cut into bins; see `generate_partition`."""
        self._geometry()
        return generate_partition(self.maps, self.mask(), axis0, axis1)

    def export_mask(self, scope: str = "", sender: Any = None) -> NDArray[np.int32]:
        """Send ``mask_exported`` and return what was sent."""
        mask = self.mask()
        mask_exported.send(self if sender is None else sender, mask=mask, scope=scope)
        return mask

    def export_qmap(self, partition: Partition, scope: str = "", sender: Any = None) -> dict[str, Any]:
        """Send ``qmap_exported`` and return what was sent, without the static map."""
        payload = partition.payload()
        extra = {
            "static_map": partition.static.roi_map,
            "static_list": list(partition.static_schema().val_list),
        }
        qmap_exported.send(self if sender is None else sender, result={**payload, **extra}, scope=scope)
        return payload

    def _geometry(self) -> GeometryMetadata:
        if self.geometry is None:
            raise UsageError("there is no geometry: give energy, distance, pixel and beam centre first.")
        return self.geometry
