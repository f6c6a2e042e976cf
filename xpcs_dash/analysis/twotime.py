"""Two-time correlation: a stored upper triangle turned into pictures, cuts, g2 by age, and scores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Slab = tuple[int, Singles]
#: Bytes of a matrix that stay in memory. A triangle that needs more is kept block-averaged.
BUDGET = 64_000_000
SCREEN = 1000


@dataclass(frozen=True, eq=False)
class Triangle:
    """A two-time matrix as horizontal slabs from its diagonal to the right, ready for pictures and cuts.

    Built by `build`. The diagonal is corrected: it holds shot noise in the file.

    Attributes
    ----------
    n : frames along each axis.
    factor : frames that one stored value averages along each axis; 1 where the matrix fits into the budget.
    slabs : (first row, values (rows, m - first row)) in stored units, rising; the leading square is
        symmetric.
    overview : (m, m) float32, symmetric, at most `SCREEN` wide.
    overview_factor : frames that one value of the overview averages.
    diagonals : (n,) mean of C2 over |i − j| = k; element 0 from the corrected diagonal.
    shot : mean of the uncorrected diagonal.
    """

    n: int
    factor: int
    slabs: tuple[Slab, ...]
    overview: Singles
    overview_factor: int
    diagonals: Floats
    shot: float

    @property
    def nbytes(self) -> int:
        """Bytes held, for caches that count them."""
        return sum(part.nbytes for _, part in self.slabs) + self.overview.nbytes + self.diagonals.nbytes

    @property
    def stored(self) -> int:
        """Values along each axis as kept."""
        return -(-self.n // self.factor)


@dataclass(frozen=True)
class Picture:
    """Part of a matrix, block-averaged.

    Attributes
    ----------
    values : (h, w) float32.
    rows, columns : half-open frame ranges that it covers.
    factor : frames averaged along each axis.
    """

    values: Singles
    rows: tuple[int, int]
    columns: tuple[int, int]
    factor: int


def slab_rows(n: int) -> int:
    """Rows to read at once: about 8 MB, a multiple of 64."""
    return int(max(64, min(n, 8_000_000 // (4 * max(n, 1)) // 64 * 64)))


def build(slabs: Iterable[Slab], n: int, budget: int = BUDGET, screen: int = SCREEN) -> Triangle:
    """Read a matrix once, slab by slab, and keep what pictures, cuts and diagonals need.

    Parameters
    ----------
    slabs : (first row r0, values (rows, n − r0) float32) in rising order without gaps: columns r0 … n of the
        rows, with zeros below the diagonal. All but the last hold the same number of rows, a multiple of 64.
    n : size of the matrix.
    budget : bytes that the kept triangle may take; above it, values are averaged in blocks.
    screen : largest width of the overview.
    """
    full_bytes = 2 * n * (n + slab_rows(n))
    factor = 1
    while full_bytes // factor**2 > budget and factor < n:
        factor *= 2
    wide = max(1, -(-n // screen))
    wide = -(-wide // factor) * factor
    sums, shot = np.zeros(n), 0.0
    kept: list[Slab] = []
    m = -(-n // wide)
    overview = np.zeros((m, m), dtype=np.float32)
    weights = np.zeros((m, m), dtype=np.float32)
    before = float("nan")
    for r0, given in slabs:
        slab = np.array(given, dtype=np.float32)
        shot += float(np.trace(slab))
        before = _correct_diagonal(slab, before)
        _add_diagonals(sums, slab)
        _symmetrise(slab)
        kept.append((r0 // factor, block_mean(slab, factor)))
        _add_overview(overview, weights, slab, r0, wide)
    np.divide(overview, weights, out=overview, where=weights > 0)
    overview = np.triu(overview) + np.triu(overview, 1).T
    means = sums / np.arange(n, 0, -1)
    return Triangle(n, factor, tuple(kept), overview, wide, means, shot / n)


def _correct_diagonal(slab: Singles, before: float) -> float:
    """Replace C_ii by the mean of C_{i−1,i} and C_{i,i+1}; returns the last C_{i,i+1} for the next slab."""
    rows = min(slab.shape)
    after = np.diagonal(slab, 1)[:rows].astype(np.float64)
    if after.size == 0:
        if np.isfinite(before):
            slab[0, 0] = before
        return before
    right = np.append(after, np.nan) if after.size < rows else after
    left = np.concatenate([[before], after[: rows - 1]])
    both = np.stack([left, right])
    count = np.isfinite(both).sum(axis=0)
    mean = np.where(np.isfinite(both), both, 0.0).sum(axis=0) / np.maximum(count, 1)
    index = np.arange(rows)
    slab[index, index] = np.where(count > 0, mean, slab[index, index])
    return float(right[rows - 1])


def _add_diagonals(sums: Floats, slab: Singles) -> None:
    for i in range(slab.shape[0]):
        row = slab[i, i:]
        sums[: row.size] += row


def _symmetrise(slab: Singles) -> None:
    """Mirror the leading square of a slab onto its zero lower half, in place."""
    rows = slab.shape[0]
    square = slab[:, :rows]
    upper = np.triu(square, 1)
    square[:] = np.triu(square) + upper.T


def block_mean(values: Singles, factor: int) -> Singles:
    """Mean of ``factor`` × ``factor`` blocks; the last blocks may hold fewer values."""
    if factor == 1:
        return values
    total, count = _block_sum(values, factor)
    return np.asarray(total / count, dtype=np.float32)


def _block_sum(values: Singles, factor: int) -> tuple[Singles, Singles]:
    rows, columns = values.shape
    r = np.arange(0, rows, factor)
    c = np.arange(0, columns, factor)
    total = np.add.reduceat(np.add.reduceat(values, r, axis=0), c, axis=1)
    high = np.diff(np.append(r, rows)).astype(np.float32)
    broad = np.diff(np.append(c, columns)).astype(np.float32)
    return total, np.outer(high, broad).astype(np.float32)


def _add_overview(overview: Singles, weights: Singles, slab: Singles, r0: int, wide: int) -> None:
    """Add a slab's blocks; slabs need not start on a block border, so the borders are cut to the grid."""
    row = 0
    while row < slab.shape[0]:
        at = (r0 + row) // wide
        stop = min(slab.shape[0], (at + 1) * wide - r0)
        if (r0 + row) % wide == 0:  # whole blocks in one go
            stop = row + max((slab.shape[0] - row) // wide * wide, stop - row)
        part = slab[row:stop]
        lead = r0 % wide
        if lead:  # pad the columns to the grid with nothing
            head = part[:, : wide - lead]
            overview_head, weight_head = _block_sum(head, wide)
            part = part[:, wide - lead :]
            h = overview_head.shape[0]
            overview[at : at + h, r0 // wide] += overview_head[:, 0]
            weights[at : at + h, r0 // wide] += weight_head[:, 0]
        first = -(-r0 // wide)
        if part.shape[1]:
            total, count = _block_sum(part, wide)
            h, w = total.shape
            overview[at : at + h, first : first + w] += total
            weights[at : at + h, first : first + w] += count
        row = stop


@dataclass(frozen=True)
class Plan:
    """What a picture will cover: frame ranges, frames averaged, and where its values come from."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    factor: int
    source: Literal["overview", "kept", "file"]


def plan(
    data: Triangle,
    rows: tuple[float, float] | None = None,
    columns: tuple[float, float] | None = None,
    pixels: int = SCREEN,
    *,
    from_file: bool = False,
) -> Plan:
    """Ranges and resolution of a picture, on the grid of its blocks.

    Parameters
    ----------
    rows, columns : frame ranges; clipped to the matrix, None for all of it.
    pixels : what the screen shows along each axis.
    from_file : whether full resolution may be read from the file where the kept triangle is too coarse.
    """
    (i0, i1), (j0, j1) = (_clip(part, data.n) for part in (rows, columns))
    wanted = max(1, -(-max(i1 - i0, j1 - j0) // pixels))
    if wanted >= data.overview_factor:
        return Plan(
            *_on_grid(data, (i0, i1), (j0, j1), data.overview_factor), data.overview_factor, "overview"
        )
    if wanted < data.factor and from_file:
        return Plan((i0, i1), (j0, j1), wanted, "file")
    step = -(-max(wanted, data.factor) // data.factor) * data.factor
    return Plan(*_on_grid(data, (i0, i1), (j0, j1), step), step, "kept")


def picture(
    data: Triangle,
    rows: tuple[float, float] | None = None,
    columns: tuple[float, float] | None = None,
    pixels: int = SCREEN,
    read: Callable[[slice, slice], Singles] | None = None,
) -> Picture:
    """A part of the matrix with at most ``pixels`` values along each axis.

    Parameters
    ----------
    rows, columns, pixels : as in `plan`.
    read : reads a block (rows, columns) of full resolution from the file, both halves; used where the kept
        triangle is too coarse for what was asked. None: the kept one is used.
    """
    p = plan(data, rows, columns, pixels, from_file=read is not None)
    (i0, i1), (j0, j1), f = p.rows, p.columns, p.factor
    if p.source == "overview":
        values = data.overview[i0 // f : -(-i1 // f), j0 // f : -(-j1 // f)]
    elif p.source == "file" and read is not None:
        # a column more on either side: the neighbours of a diagonal element at the rim
        left, right = max(j0 - 1, 0), min(j1 + 1, data.n)
        block = np.array(read(slice(i0, i1), slice(left, right)), np.float32)
        values = block_mean(correct_block(block, i0, left)[:, j0 - left : j1 - left], f)
    else:
        step = f // data.factor
        a, b = i0 // data.factor, -(-i1 // data.factor)
        c, d = j0 // data.factor, -(-j1 // data.factor)
        tall = max(step, 512 // step * step)
        strips = [block_mean(_piece(data, top, min(b, top + tall), c, d), step) for top in range(a, b, tall)]
        values = np.concatenate(strips)
    return Picture(values, p.rows, p.columns, f)


def correct_block(block: Singles, i0: int, j0: int) -> Singles:
    """Replace the diagonal elements inside a block by the mean of their neighbours in the row, in place."""
    first, last = max(i0, j0), min(i0 + block.shape[0], j0 + block.shape[1])
    k = np.arange(first, last)
    row, column = k - i0, k - j0
    left = block[row, np.maximum(column - 1, 0)]
    right = block[row, np.minimum(column + 1, block.shape[1] - 1)]
    left, right = np.where(column > 0, left, right), np.where(column < block.shape[1] - 1, right, left)
    block[row, column] = 0.5 * (left + right)
    return block


def colour_limits(data: Triangle, low: float, high: float) -> tuple[float, float]:
    """Percentiles of the overview above its diagonal blocks; (0.9, 1.1) for a matrix without values."""
    m = data.overview.shape[0]
    values = data.overview[np.triu_indices(m, 1 if m > 1 else 0)]
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.9, 1.1
    a, b = (float(v) for v in np.percentile(values, [low, high]))
    return (a, b) if b > a else (a - 0.01, a + 0.01)


def _on_grid(
    data: Triangle, rows: tuple[int, int], columns: tuple[int, int], step: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    (a, b), (c, d) = rows, columns
    return (
        (a // step * step, min(data.n, -(-b // step) * step)),
        (c // step * step, min(data.n, -(-d // step) * step)),
    )


def _clip(part: tuple[float, float] | None, n: int) -> tuple[int, int]:
    if part is None:
        return 0, n
    low, high = sorted(part)
    first = int(min(max(np.floor(low), 0), n - 1))
    return first, int(min(max(np.ceil(high), first + 1), n))


def _piece(data: Triangle, a: int, b: int, c: int, d: int) -> Singles:
    """Values [a, b) × [c, d) in stored units, from the slabs and their mirror images."""
    out = np.empty((b - a, d - c), dtype=np.float32)
    spans = [(r0, r0 + part.shape[0], part) for r0, part in data.slabs]
    for r0, r1, part in spans:
        # rows of this slab, columns right of its first row
        i, j = max(a, r0), min(b, r1)
        left = max(c, r0)
        if i < j and left < d:
            out[i - a : j - a, left - c :] = part[i - r0 : j - r0, left - r0 : d - r0]
        # mirrored: columns of this slab, rows below it
        i, j = max(c, r0), min(d, r1)
        top = max(a, r0)
        if i < j and top < b:
            out[top - a :, i - c : j - c] = part[i - r0 : j - r0, top - r0 : b - r0].T
    return out


def compare_diagonals(data: Triangle, stored: NDArray[np.floating] | None) -> float | None:
    """Largest difference of the diagonal means from the stored g2, lag 0 left out; None without one.

    Only lags with 10 pairs or more count: the last ones are single values.
    """
    if stored is None or np.size(stored) != data.n or data.n < 12:
        return None
    return float(
        np.nanmax(np.abs(data.diagonals[1 : data.n - 9] - np.asarray(stored, float)[1 : data.n - 9]))
    )


def position_of(label: int, bins: tuple[int, ...]) -> int:
    """Position of a dynamic label among the stored matrices (which are numbered by position, not by label).

    Raises
    ------
    UsageError
        Where no matrix was computed for the label.
    """
    if label not in bins:
        known = ", ".join(map(str, bins[:12])) + ("…" if len(bins) > 12 else "")
        raise UsageError(
            f"No two-time matrix was computed for q-bin {label}: this file has them for {known}."
        )
    return bins.index(label)
