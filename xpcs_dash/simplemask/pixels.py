"""Finding pixels that should be masked from what they measured or from where they lie."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import FileError, UsageError
from xpcs_dash.simplemask.geometry import UNITS

Bool = NDArray[np.bool_]

#: Module and gap sizes in pixels, (rows, columns) each, of detectors made of equal modules.
GAPS = {
    "Pilatus": ((195, 487), (17, 7)),
    "Eiger": ((514, 1030), (37, 10)),
    "Eiger2": ((512, 1028), (38, 12)),
}


def hot_or_dead(
    image: NDArray[Any], hot: float | None = 8.0, dead: float | None = 8.0, frames: int = 0
) -> Bool:
    """Pixels far above or below the median of their 5 x 5 neighbourhood.

    Parameters
    ----------
    image : (H, W) counts per pixel and frame.
    hot, dead : how many standard deviations above and below count as such; None looks for none.
    frames : with it the deviation expected is that of photon counting, sqrt(median counts); 0 (unknown)
    takes the
        spread of the whole image relative to its neighbourhood medians.

    Returns
    -------
    (H, W) bool, True for bad pixels.
    """
    from scipy.ndimage import median_filter, uniform_filter

    counts = np.nan_to_num(np.asarray(image, dtype=np.float32)) * np.float32(frames or 1)
    expected = median_filter(counts, size=5, mode="nearest")
    # where most pixels have no count at all a median says nothing; the mean of the neighbours does
    starved = expected <= 0
    if starved.any():
        neighbours = (uniform_filter(counts, size=5, mode="nearest") * 25 - counts) / 24
        expected = np.where(starved, np.maximum(neighbours, 0), expected)
    residual = counts - expected
    scale = np.sqrt(expected + 1.0)
    if not frames:
        scale = np.sqrt(np.maximum(expected, np.float32(1e-30)))
        typical = 1.4826 * float(np.median(np.abs(residual / scale)))
        scale = scale * max(typical, 1e-30)
    z = residual / scale
    bad = np.zeros(image.shape, dtype=bool)
    if hot is not None:
        bad |= z > hot
    if dead is not None:
        bad |= z < -abs(dead)
    return bad


def ring_outliers(
    image: NDArray[Any],
    mask: Bool,
    values: NDArray[Any],
    rings: int,
    *,
    method: str = "mad",
    cutoff: float = 3.0,
    low: float = 5.0,
    high: float = 95.0,
) -> Bool:
    """Valid pixels that differ from the others at the same value of a map.

    Parameters
    ----------
    image, mask, values : (H, W); ``values`` is cut into ``rings`` equal steps over the valid pixels.
    method : "mad": further than ``cutoff`` times 1.4826 · MAD from the ring's median; "percentile": outside
    the
        ring's ``low`` … ``high`` percentiles.

    Returns
    -------
    (H, W) bool, True for outliers.
    """
    if method not in ("mad", "percentile"):
        raise UsageError(f"outlier method {method!r} is unknown; use mad or percentile.")
    if rings < 1 or cutoff <= 0 or not 0 <= low < high <= 100:
        raise UsageError("outliers: needs at least one ring, a positive cut-off and percentiles that rise.")
    where = np.flatnonzero(mask)
    bad = np.zeros(mask.size, dtype=bool)
    if where.size == 0:
        return bad.reshape(mask.shape)
    v = np.asarray(values, dtype=np.float64).ravel()[where]
    intensity = np.asarray(image, dtype=np.float64).ravel()[where]
    span = float(np.ptp(v)) or 1.0
    ring = np.minimum(((v - v.min()) * (rings / span)).astype(np.int64), rings - 1)
    count = np.bincount(ring, minlength=rings)
    if method == "percentile":
        bounds = _quantiles(intensity, ring, count, (low / 100, high / 100))
        lower, upper = bounds[:, 0], bounds[:, 1]
    else:
        median = _quantiles(intensity, ring, count, (0.5,))[:, 0]
        mad = _quantiles(np.abs(intensity - median[ring]), ring, count, (0.5,))[:, 0]
        # half of a starved ring may be exactly equal: then the mean deviation takes the MAD's place
        deviation = np.bincount(ring, weights=np.abs(intensity - median[ring]), minlength=rings)
        spread = np.where(mad > 0, 1.4826 * mad, 1.2533 * deviation / np.maximum(count, 1))
        lower, upper = median - cutoff * spread, median + cutoff * spread
    bad[where] = (intensity < lower[ring]) | (intensity > upper[ring])
    return bad.reshape(mask.shape)


def _quantiles(
    values: NDArray[np.float64], group: NDArray[np.int64], count: NDArray[np.int64], levels: tuple[float, ...]
) -> NDArray[np.float64]:
    """Quantiles (groups, levels) of the values of each group, linear between neighbours; 0 for empty
    groups.
    """
    order = np.argsort(values)
    order = order[np.argsort(group[order], kind="stable")]
    ordered = values[order]
    start = np.cumsum(count) - count
    out = np.zeros((len(count), len(levels)))
    full = count > 0
    for k, level in enumerate(levels):
        position = start[full] + level * (count[full] - 1)
        below = np.floor(position).astype(np.int64)
        above = np.minimum(below + 1, start[full] + count[full] - 1)
        part = position - below
        out[full, k] = ordered[below] * (1 - part) + ordered[above] * part
    return out


def morphology(pixels: Bool, how: str, size: int = 1) -> Bool:
    """Grow (dilate), shrink (erode), open or close a set of pixels with a disc of radius ``size``."""
    from scipy import ndimage

    if how == "none" or size < 1:
        return pixels
    y, x = np.ogrid[-size : size + 1, -size : size + 1]
    disc = x * x + y * y <= size * size
    actions: dict[str, Callable[..., Bool]] = {
        "dilate": ndimage.binary_dilation,
        "erode": ndimage.binary_erosion,
        "open": ndimage.binary_opening,
        "close": ndimage.binary_closing,
    }
    if how not in actions:
        raise UsageError(f"morphology {how!r} is unknown; use none, {', '.join(actions)}.")
    return actions[how](pixels, structure=disc)


def conditions(
    listed: Iterable[Mapping[str, Any]], find: Callable[[str], NDArray[Any]], shape: tuple[int, int]
) -> Bool:
    """Pixels that fulfil a list of conditions, read from the first to the last.

    Parameters
    ----------
    listed : each ``map`` in [``low``, ``high``] (either may be None), ``negate`` turns it round, ``join``
        ("and" or "or") says how it goes with the ones before. For angles low > high goes through ±180.
    find : name of a map -> (H, W).

    Returns
    -------
    (H, W) bool; all True for an empty list.
    """
    result: Bool | None = None
    for condition in listed:
        name = str(condition.get("map", "q"))
        here = _inside(find(name), condition.get("low"), condition.get("high"), UNITS.get(name) == "deg")
        if condition.get("negate"):
            here = ~here
        if result is None:
            result = here
        elif condition.get("join", "and") == "or":
            result = result | here
        else:
            result = result & here
    return np.ones(shape, dtype=bool) if result is None else result


def _inside(values: NDArray[Any], low: Any, high: Any, angle: bool) -> Bool:
    lower = -np.inf if low is None else float(low)
    upper = np.inf if high is None else float(high)
    if lower > upper:
        if not angle:
            raise UsageError(f"a range must rise: found {low} to {high}.")
        return np.asarray((values >= lower) | (values <= upper))
    return np.asarray((values >= lower) & (values <= upper), dtype=bool)


def automatic_gaps(image: NDArray[Any]) -> Bool:
    """Pixels that no module covers: marker values, and rows or columns that are zero from end to end.

    Markers are negative values, NaN, and the greatest value of an unsigned integer type.
    """
    data = np.asarray(image)
    if data.dtype.kind == "u":
        marked = data == np.iinfo(data.dtype).max
    elif data.dtype.kind == "f":
        marked = ~(data >= 0) | (data >= 4294967295.0)
    else:
        marked = data < 0
    silent = marked | (data == 0)
    if not silent.all():
        marked = marked | silent.all(axis=1)[:, None] | silent.all(axis=0)[None, :]
    return np.asarray(marked, dtype=bool)


def named_gaps(detector: str, shape: tuple[int, int]) -> Bool:
    """Gaps between the modules of a detector of `GAPS`, from the upper left corner on."""
    if detector not in GAPS:
        raise UsageError(f"detector {detector!r} is unknown; use auto or one of {', '.join(GAPS)}.")
    module, gap = GAPS[detector]
    row, column = (np.arange(n) % (m + g) >= m for n, m, g in zip(shape, module, gap, strict=True))
    return np.asarray(row[:, None] | column[None, :])


def read_pixel_list(text: str, name: str = "list.txt") -> list[list[int]]:
    """Pixels [x, y] from text: two columns (commas or blanks), or JSON.

    JSON is a list of pairs, or ``{"Bad pixels": [{"Pixel": [x, y]}, …]}``.

    Raises
    ------
    FileError
        Where a line does not hold two whole numbers.
    """
    remedy = "expected two whole numbers a line, column and row"
    try:
        if Path(name).suffix.lower() == ".json":
            data = json.loads(text)
            entries = data["Bad pixels"] if isinstance(data, Mapping) else data
            pairs = [e["Pixel"] if isinstance(e, Mapping) else e for e in entries]
        else:
            lines = (
                line.split("#")[0].replace(",", " ").replace(";", " ").split() for line in text.splitlines()
            )
            pairs = [line for line in lines if line]
            if pairs and not _is_number(pairs[0][0]):
                pairs = pairs[1:]  # a line of column names
        listed = [[float(v) for v in pair] for pair in pairs]
    except (ValueError, TypeError, KeyError) as err:
        raise FileError(name, f"not a pixel list ({err})", remedy) from None
    if any(len(pair) != 2 or not all(v == int(v) for v in pair) for pair in listed):
        raise FileError(name, "a line does not hold two whole numbers", remedy)
    return [[int(v) for v in pair] for pair in listed]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
