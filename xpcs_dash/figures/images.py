"""Detector images as palette PNG: one byte a pixel, masked pixels transparent, encoded without Pillow."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from xpcs_dash.figures.theme import colormap

Scale = Literal["log", "linear"]
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def palette_png(
    index: np.ndarray, palette: np.ndarray | str, alpha: Sequence[int] = (0,), *, flat: bool | None = False
) -> bytes:
    """Encode an indexed image.

    Parameters
    ----------
    index : (H, W) uint8. Index 0 is what is masked: transparent unless ``alpha`` says otherwise.
    palette : (n, 3) uint8 with n <= 256, or the name of a colour map (255 colours behind the masked one).
    alpha : opacities 0 … 255 of the first entries of the palette; the rest is opaque.
    flat : the image is made of even areas, as a partition is: run lengths then take a twentieth of the room.
        None looks: where half of the neighbours are equal, as with few photons, they halve time and size.

    Returns
    -------
    bytes of a PNG. Huffman coding alone: as small as the full search for noisy counts, and 15 times faster.
    """
    height, width = index.shape
    table = full_palette(palette) if isinstance(palette, str) else np.asarray(palette, dtype=np.uint8)
    raw = np.zeros((height, width + 1), dtype=np.uint8)  # one leading filter byte (0: none) a row
    raw[:, 1:] = index
    if flat is None:
        some = index[:: max(1, height // 64)]
        flat = bool(width > 1 and np.mean(some[:, 1:] == some[:, :-1]) > 0.5)
    strategy = zlib.Z_RLE if flat else zlib.Z_HUFFMAN_ONLY
    coder = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, strategy)
    body = coder.compress(raw.tobytes()) + coder.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = [SIGNATURE, _chunk(b"IHDR", header), _chunk(b"PLTE", table.tobytes())]
    if len(alpha):
        parts.append(_chunk(b"tRNS", bytes(alpha)))
    return b"".join([*parts, _chunk(b"IDAT", body), _chunk(b"IEND", b"")])


def full_palette(name: str) -> np.ndarray:
    """(256, 3) uint8: entry 0 for masked pixels (never seen), then 255 colours of the named map."""
    return np.concatenate([np.zeros((1, 3), np.uint8), colormap(name, 255)])


def percentile_limits(
    values: np.ndarray,
    mask: np.ndarray | None = None,
    scale: Scale = "log",
    low: float = 1.0,
    high: float = 99.7,
) -> tuple[float, float]:
    """Colour limits that one hot pixel cannot spoil.

    Parameters
    ----------
    values : (H, W) float.
    mask : (H, W) bool, True = used; None uses all.
    scale : on "log" only positive values count.
    low, high : percentiles.

    Returns
    -------
    (low, high), low < high; (0.1, 1) or (0, 1) where there is nothing to measure.
    """
    seen, used = np.asarray(values).ravel(), None if mask is None else np.asarray(mask, dtype=bool).ravel()
    if seen.size > 800_000:  # percentiles of a regular sample are the same to a colour step
        step = seen.size // 400_000
        while math.gcd(step, np.shape(values)[-1]) > 1:  # else it would look at a few columns alone
            step += 1
        seen, used = seen[::step], None if used is None else used[::step]
    seen = seen if used is None else seen[used]
    seen = seen[np.isfinite(seen) & (seen > 0)] if scale == "log" else seen[np.isfinite(seen)]
    if not seen.size:
        return (0.1, 1.0) if scale == "log" else (0.0, 1.0)
    first, last = (float(v) for v in np.percentile(seen, [low, high]))
    if last <= first:
        first, last = (first / 2, first * 2) if scale == "log" else (first - 0.5, first + 0.5)
    return first, last


def to_index(
    values: np.ndarray,
    mask: np.ndarray | None = None,
    scale: Scale = "log",
    limits: tuple[float, float] | None = None,
) -> np.ndarray:
    """Values to palette indices: 0 masked or not a number, 1 … 255 from the lower to the upper limit.

    Parameters
    ----------
    values : (H, W) float.
    mask : (H, W) bool, True = used.
    scale : "log" (values at or below zero get the lowest colour: no photon is a measurement) or "linear".
    limits : (low, high); None takes `percentile_limits`.

    Returns
    -------
    (H, W) uint8.
    """
    values = np.asarray(values, dtype=np.float32)
    low, high = limits if limits is not None else percentile_limits(values, mask, scale)
    if scale == "log":
        floor = max(float(low), float(np.finfo(np.float32).tiny))
        high = max(float(high), floor * (1 + 1e-6))
        if values.size > 500_000 and high > 4 * floor:
            return _hide(_log_index(values, floor, high), values, mask)
        scaled = np.log(np.maximum(values, floor))
        low, high = float(np.log(floor)), float(np.log(high))
    else:
        scaled = values
    with np.errstate(invalid="ignore"):
        index = np.clip((scaled - low) * (254.0 / max(high - low, 1e-30)) + 1.5, 1.0, 255.0)
        index = np.nan_to_num(index, nan=0.0).astype(np.uint8)
    return _hide(index, values, mask)


def _log_index(values: np.ndarray, floor: float, high: float) -> np.ndarray:
    """Palette indices 1 … 255 on a logarithmic scale, by a table over the leading bits of float32 numbers.

    The bits of positive floats, read as whole numbers, rise with their value. 11 of the 23 bits of the
    mantissa place a value to 0.05 %: less than a tenth of a colour step where the
    scale spans a factor of four or more, in a third of the time that a logarithm of every pixel takes.
    """
    keys = np.ascontiguousarray(values).view(np.int32) >> 12  # negative numbers stay negative: lowest colour
    first, last = (int(v) for v in np.array([floor, high], np.float32).view(np.int32) >> 12)
    middles = ((np.arange(first, last + 1, dtype=np.int32) << 12) + 2048).view(np.float32).astype(np.float64)
    place = (np.log(middles) - np.log(floor)) * (254.0 / (np.log(high) - np.log(floor))) + 1.5
    table = np.clip(place, 1.0, 255.0).astype(np.uint8)
    np.clip(keys, first, last, out=keys)
    keys -= first
    return table[keys]


def _hide(index: np.ndarray, values: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """Give masked pixels and those without a number the index 0."""
    shown = np.isfinite(values)
    if mask is not None:
        shown &= np.asarray(mask, dtype=bool)
    index *= shown
    return index


def detector_png(
    values: np.ndarray,
    mask: np.ndarray | None = None,
    scale: Scale = "log",
    limits: tuple[float, float] | None = None,
    colours: str = "inferno",
) -> bytes:
    """A detector image ready to be served: `to_index`, then `palette_png`."""
    return palette_png(to_index(values, mask, scale, limits), colours, flat=None)


def label_png(labels: np.ndarray, colours: str = "turbo", selected: Sequence[int] = ()) -> bytes:
    """A partition as an image: neighbouring labels differ in colour, masked pixels (label 0) are transparent.

    Parameters
    ----------
    labels : (H, W) int, 0 masked, 1 … K.
    colours : name of a colour map.
    selected : labels to keep; the others become transparent. Empty keeps all.
    """
    table = full_palette(colours)
    kept = labels if not len(selected) else np.where(np.isin(labels, selected), labels, 0)
    top = max(int(labels.max(initial=0)), 1)
    index = np.where(kept > 0, 1 + (kept.astype(np.int64) - 1) * 254 // max(top - 1, 1), 0)
    return palette_png(index.astype(np.uint8), table, flat=True)


def outline_png(labels: np.ndarray, colour: str, selected: Sequence[int] = ()) -> bytes:
    """The borders of a partition's bins as a transparent overlay.

    Parameters
    ----------
    labels : (H, W) int, 0 masked.
    colour : ``#rrggbb``.
    selected : labels whose borders are drawn, as thick as a reduced picture needs to keep them whole; empty
        draws those of all bins, one pixel wide.
    """
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.uint8)
    table = np.stack([rgb * 0, rgb, rgb])
    edge = np.zeros(labels.shape, dtype=bool)
    if not len(selected):
        edge[:, 1:] |= (labels[:, 1:] != labels[:, :-1]) & (labels[:, 1:] > 0) & (labels[:, :-1] > 0)
        edge[1:, :] |= (labels[1:, :] != labels[:-1, :]) & (labels[1:, :] > 0) & (labels[:-1, :] > 0)
        return palette_png(edge.astype(np.uint8), table, alpha=(0, 110, 255), flat=True)
    chosen = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.uint8)
    chosen[[label for label in selected if 0 < label < chosen.size]] = 1
    inside = chosen[labels]
    own = np.where(inside > 0, labels, 0)  # neighbouring bins that are both chosen keep the line between them
    edge[:, 1:] |= own[:, 1:] != own[:, :-1]
    edge[1:, :] |= own[1:, :] != own[:-1, :]
    for _ in range(max(labels.shape) // 512):
        thick = edge.copy()
        thick[:, 1:] |= edge[:, :-1]
        thick[1:, :] |= edge[:-1, :]
        edge = thick
    return palette_png(edge.astype(np.uint8) * 2, table, alpha=(0, 110, 255), flat=True)


def layout_image(
    source: str, shape: tuple[int, int], opacity: float = 1.0, layer: str = "below"
) -> dict[str, Any]:
    """A detector image as an entry of ``layout.images``.

    Pixel centres lie on integers, so the image spans from -0.5 to n - 0.5 on both axes.

    Parameters
    ----------
    source : URL of the PNG.
    shape : (H, W) of the detector, in pixels.
    opacity : 0 … 1.
    layer : "below" or "above" the traces.
    """
    height, width = shape
    return {
        "source": source,
        "xref": "x",
        "yref": "y",
        "x": -0.5,
        "y": -0.5,
        "xanchor": "left",
        "yanchor": "top",  # on a reversed y axis the top of the picture is its smallest y
        "sizex": width,
        "sizey": height,
        "sizing": "stretch",
        "layer": layer,
        "opacity": opacity,
    }
