"""Building bin tables from the lists of older layouts, which have no index mapping."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.hdf5.records import BinTable

__all__ = ["centres", "table_from_cells", "table_from_labels", "whole_frames"]


def centres(edges: NDArray[np.float64] | None, n: int) -> NDArray[np.float64] | None:
    """Mid-points of n + 1 edges; None where there are no such edges."""
    if edges is None or edges.size != n + 1 or not np.all(np.isfinite(edges)):
        return None
    return np.asarray((edges[1:] + edges[:-1]) / 2, dtype=np.float64)


def table_from_labels(
    q: NDArray[np.float64],
    phi: NDArray[np.float64] | None = None,
    names: tuple[str, str] = ("q", "phi"),
    units: tuple[str, str] = ("Å⁻¹", "deg"),
) -> BinTable:
    """Bins listed one by one, label 1 first: q and, where given, φ of each.

    The grid is made of the values that occur; where two bins share both, each bin gets a row of its own.
    """
    n = q.size
    if phi is None or phi.size != n or not np.all(np.isfinite(phi)):
        return BinTable((n, 1), q, np.zeros(1), np.arange(n), names, units)
    axis0, i0 = np.unique(q, return_inverse=True)
    axis1, i1 = np.unique(phi, return_inverse=True)
    cells = i0 * axis1.size + i1
    if np.unique(cells).size != n:
        return BinTable((n, 1), q, np.zeros(1), np.arange(n), names, units)
    return BinTable((axis0.size, axis1.size), axis0, axis1, cells, names, units)


def whole_frames(delays_s: NDArray[np.float64], frame_time_s: float | None) -> NDArray[np.float64] | None:
    """Delays in frames, where they are whole numbers of them; None where not, or where nothing says it."""
    if frame_time_s is None:
        return None
    frames = np.rint(delays_s / frame_time_s)
    whole = np.allclose(frames * frame_time_s, delays_s, rtol=1e-3) and np.all(np.diff(frames) > 0)
    return frames if whole else None


def table_from_cells(
    q: NDArray[np.float64],
    phi: NDArray[np.float64] | None,
    shape: tuple[int, int],
    columns: int | None,
    axes: tuple[NDArray[np.float64] | None, NDArray[np.float64] | None] = (None, None),
) -> BinTable | None:
    """Bins of a grid that is listed cell by cell, NaN marking the cells without pixels.

    Parameters
    ----------
    q, phi : value of each cell, flat, the second axis running fastest.
    shape : (n0, n1) of the grid.
    columns : how many bins the data have; None takes what the lists say.
    axes : centres along the two axes where the file gives edges.

    Returns
    -------
    The table, or None where lists, grid and columns do not fit together.
    """
    n0, n1 = shape
    empty = np.isnan(q) if phi is None or phi.size != q.size else np.isnan(q) | np.isnan(phi)
    if n0 * n1 != q.size:
        # a list of the populated bins alone, or a grid that the file does not describe
        values = q[~empty]
        angles = phi[~empty] if phi is not None and phi.size == q.size else None
        if values.size == 0 or (columns is not None and values.size != columns):
            return None
        return table_from_labels(values, angles)
    cells = np.arange(q.size) if columns == q.size and not empty.any() else np.flatnonzero(~empty)
    if cells.size == 0 or (columns is not None and cells.size != columns):
        return None
    axis0 = axes[0] if axes[0] is not None else _along(q.reshape(n0, n1), 0)
    axis1 = axes[1] if axes[1] is not None else np.zeros(1)
    if axes[1] is None and phi is not None and phi.size == q.size and n1 > 1:
        axis1 = _along(phi.reshape(n0, n1), 1)
    elif axes[1] is None and n1 > 1:
        axis1 = np.full(n1, np.nan)
    return BinTable((n0, n1), axis0, axis1, cells)


def _along(grid: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Mean of the cells that have a value, along one axis of the grid; NaN where none has."""
    known = np.isfinite(grid)
    count = known.sum(axis=1 - axis)
    total = np.where(known, grid, 0.0).sum(axis=1 - axis)
    return np.asarray(
        np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0), dtype=np.float64
    )
