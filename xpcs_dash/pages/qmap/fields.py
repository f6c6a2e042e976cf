"""Label maps and fields of a file, or one sentence where it has none."""

from __future__ import annotations

from typing import Any

import numpy as np

from xpcs_dash.errors import UsageError
from xpcs_dash.results.xpcs_file import XpcsFile


def labels_of(xf: XpcsFile, which: str) -> Any:
    """The dynamic or static label map.

    Raises
    ------
    UsageError
        Where the file has none.
    """
    found = xf.dqmap if which == "dynamic" else xf.sqmap
    if found is None:
        raise UsageError(f"{xf.path.name} holds no {which} partition.")
    return found


def field_of(xf: XpcsFile, which: str) -> tuple[Any, tuple[float, float]]:
    """Per-pixel q or φ and the limits of its colours over the unmasked pixels.

    Raises
    ------
    UsageError
        Where the file holds no geometry.
    """
    if xf.geometry is None:
        raise UsageError(f"{xf.path.name} holds no geometry, so q and φ of its pixels are not known.")
    rows, columns = xf.geometry.shape
    y, x = np.arange(rows)[:, None], np.arange(columns)[None, :]
    if which == "phi":
        return xf.geometry.phi_at(x, y), (-180.0, 180.0)
    values = xf.geometry.q_at(x, y)
    seen = values[xf.mask] if xf.mask is not None and xf.mask.any() else values
    return values, (float(seen.min()), float(seen.max()))
