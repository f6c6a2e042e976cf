"""What the mask part tells the rest of the dashboard. It knows nothing of who listens.

``mask_exported`` carries ``mask``: (H, W) int32, 0 masked, 1 valid. ``qmap_exported`` carries ``result``: a
dict with partition_map int32 (H, W), num_pts, val_list and num_list of the dynamic bins, and the static map
under ``static_map`` for those who want I(q). Both carry ``scope``: for whom, the session's key; empty for
everybody.
"""

from __future__ import annotations

from blinker import Signal

mask_exported = Signal("mask_exported: (H, W) int32, 0 masked, 1 valid")
qmap_exported = Signal("qmap_exported: partition_map, num_pts, val_list, num_list")
