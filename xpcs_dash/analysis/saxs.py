"""I(q) of the static partition, and I(q) or I(φ) of sectors and rings of the detector image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError

Floats = NDArray[np.float64]
Normalisation = Literal["none", "q2", "q4", "i0"]
NORMALISATIONS: dict[str, str] = {"none": "I", "q2": "I·q²", "q4": "I·q⁴", "i0": "I / I(q₀)"}


class Partition(Protocol):
    """What a bin table must offer here: `xpcs_dash.hdf5.records.BinTable` does."""

    @property
    def axis0(self) -> Floats: ...  # noqa: D102
    @property
    def axis1(self) -> Floats: ...  # noqa: D102
    def expand(self, values: NDArray[np.floating]) -> Floats: ...  # noqa: D102


class Beam(Protocol):
    """What a geometry must offer here: `xpcs_dash.hdf5.schemas.GeometryMetadata` does."""

    @property
    def bcx(self) -> float: ...  # noqa: D102
    @property
    def bcy(self) -> float: ...  # noqa: D102
    @property
    def pixel_m(self) -> float: ...  # noqa: D102
    @property
    def distance_m(self) -> float: ...  # noqa: D102
    @property
    def k0(self) -> float: ...  # noqa: D102


@dataclass(frozen=True)
class Profile:
    """I(q) of one file.

    Attributes
    ----------
    q : (n0,) Å⁻¹, every bin of the full grid.
    phi : (n1,) degrees, centre of each sector.
    average : (n0,) over the sectors; NaN where no sector is populated.
    sectors : (n1, n0), one line per sector; NaN where a cell is empty.
    pixels : (n1, n0) pixels behind each value, or None where they were not counted.
    """

    q: Floats
    phi: Floats
    average: Floats
    sectors: Floats
    pixels: Floats | None = None


@dataclass(frozen=True)
class Line:
    """One curve: ``x`` (n,), ``y`` (n,) and, where pixels were counted, ``pixels`` (n,)."""

    x: Floats
    y: Floats
    pixels: NDArray[np.int64] | None = None


def pixel_counts(labels: NDArray[np.integer], n_bins: int) -> NDArray[np.int64]:
    """Pixels of each label 1…n_bins of a label map; (n_bins,) int64."""
    flat = labels.ravel()
    return np.bincount(flat, minlength=n_bins + 1)[1 : n_bins + 1].astype(np.int64)


def profile(
    values: NDArray[np.floating], bins: Partition, counts: NDArray[np.integer] | None = None
) -> Profile:
    """Expand compressed static values onto their grid and average them over the sectors.

    Parameters
    ----------
    values : (n_static,) photons/pixel/frame, one per populated bin.
    bins : the static partition.
    counts : (n_static,) pixels of each bin: the average is then weighted with them, as it would be over the
        pixels themselves; None gives every sector the same weight, as the desktop viewers do.
    """
    grid = bins.expand(np.asarray(values, dtype=np.float64))
    weight = np.isfinite(grid).astype(np.float64)
    pixels = None
    if counts is not None:
        pixels = np.nan_to_num(bins.expand(np.asarray(counts, dtype=np.float64)))
        weight *= pixels
        pixels = weight.T.copy()
    total = weight.sum(axis=1)
    average = np.full(grid.shape[0], np.nan)
    np.divide((np.nan_to_num(grid) * weight).sum(axis=1), total, out=average, where=total > 0)
    axes = np.asarray(bins.axis0, float), np.asarray(bins.axis1, float)
    return Profile(*axes, average, grid.T.copy(), pixels)


def segment_lines(
    segments: NDArray[np.floating], bins: Partition, counts: NDArray[np.integer] | None
) -> Floats:
    """I(q) of every time segment, (n_seg, n0), averaged over the sectors as `profile` does."""
    return np.array([profile(row, bins, counts).average for row in segments]).reshape(len(segments), -1)


def counting_sigma(intensity: Floats, pixels: NDArray[Any], frames: int) -> Floats:
    """Poisson error of a mean of photons/pixel/frame over ``pixels`` (n,) and ``frames``: √(I/(N·F))."""
    exposure = np.asarray(pixels, dtype=np.float64) * frames
    out = np.full(np.shape(intensity), np.nan)
    np.divide(np.maximum(intensity, 0.0), exposure, out=out, where=exposure > 0)
    return np.sqrt(out)


def profile_sigma(found: Profile, frames: int) -> tuple[Floats, Floats] | None:
    """Poisson errors of a profile in photons: of the average (n0,), and of each sector (n1, n0).

    Parameters
    ----------
    found : from `profile` with counts; without them there is no error to give (None).
    frames : frames that were averaged.
    """
    if found.pixels is None or frames < 1:
        return None
    whole = counting_sigma(found.average, found.pixels.sum(axis=0), frames)
    return whole, counting_sigma(found.sectors, found.pixels, frames)


def subtract_background(
    q: Floats, lines: Floats, q_background: Floats, background: Floats, weight: float
) -> Floats:
    """I − w·I_background, with what falls to zero or below set to NaN.

    Parameters
    ----------
    q, lines : (n,) and (…, n).
    q_background, background : (n,) and (n,) or (…, n).
    weight : factor w.

    Raises
    ------
    UsageError
        Where the two q grids differ, because a silent skip or an interpolation would be taken for data.
    """
    if q.shape != q_background.shape:
        raise UsageError(
            f"The background has {q_background.size} q-bins and this file {q.size}: "
            "choose a background made with the same static partition."
        )
    if not np.allclose(q, q_background, rtol=1e-4, atol=0.0):
        worst = float(np.max(np.abs(q_background / q - 1.0)))
        raise UsageError(
            f"The q grid of the background differs by up to {worst:.2%}: "
            "choose a background made with the same static partition and geometry."
        )
    if background.ndim == lines.ndim == 2 and background.shape != lines.shape:
        background = np.nanmean(background, axis=0)
    result = lines - weight * background
    return np.where(result > 0, result, np.nan)


def normalise(q: Floats, lines: Floats, how: str) -> Floats:
    """Scale curves (…, n) by q², q⁴ or each by its own first usable value I(q₀).

    Raises
    ------
    UsageError
        For an unknown ``how``.
    """
    if how == "none":
        return lines
    if how == "q2":
        return lines * q**2
    if how == "q4":
        return lines * q**4
    if how != "i0":
        raise UsageError(f"Unknown normalisation {how!r}: use one of {', '.join(NORMALISATIONS)}.")
    flat = lines.reshape(-1, lines.shape[-1])
    out = np.full(flat.shape, np.nan)
    for row, line in zip(out, flat, strict=True):
        usable = np.flatnonzero(np.isfinite(line) & (line > 0))
        if usable.size:
            row[:] = line / line[usable[0]]
    return out.reshape(lines.shape)


def sample(q: Floats, lines: Floats, step: int) -> tuple[Floats, Floats]:
    """Every ``step``-th q point of all curves: q (m,), lines (…, m); all the lines stay."""
    if step < 1:
        raise UsageError("Sampling must be 1 or more.")
    return q[::step], lines[..., ::step]


def centre_edges(centres: Floats) -> Floats:
    """Edges (n+1,) half-way between ``centres`` (n,), the outer ones mirrored; at least two centres."""
    if centres.size < 2:
        raise UsageError("At least two q-bins are needed to make edges.")
    inner = 0.5 * (centres[1:] + centres[:-1])
    return np.concatenate([[2 * centres[0] - inner[0]], inner, [2 * centres[-1] - inner[-1]]])


def radius_of_q(q: Floats, beam: Beam) -> Floats:
    """Distance from the beam centre in pixels at which transmission q = k0·sin(atan(r/L)) is reached."""
    sine = np.clip(np.asarray(q, float) / beam.k0, 0.0, 1.0 - 1e-12)
    return np.asarray(np.tan(np.arcsin(sine)) * beam.distance_m / beam.pixel_m, dtype=np.float64)


def q_of_radius(radius: Floats, beam: Beam) -> Floats:
    """Transmission q in Å⁻¹ of pixels at ``radius`` pixels from the beam centre."""
    return np.asarray(beam.k0 * np.sin(np.arctan(np.asarray(radius) * beam.pixel_m / beam.distance_m)))


@dataclass(frozen=True)
class Region:
    """A sector or a ring: radii in pixels, angles in degrees counter-clockwise from +x as seen on screen.

    ``phi1 < phi0`` runs through ±180°; a full ring has ``phi0 = -180, phi1 = 180``.
    """

    r0: float
    r1: float
    phi0: float = -180.0
    phi1: float = 180.0

    @property
    def full(self) -> bool:
        """Whether the region goes all the way round."""
        return self.phi1 - self.phi0 >= 360.0

    def widened(self) -> Region:
        """The same region with radii in rising order, refusing an empty one."""
        r0, r1 = sorted((max(self.r0, 0.0), self.r1))
        if r1 <= 0 or r1 == r0:
            raise UsageError("The region is empty: its inner and outer radius are the same.")
        if self.phi0 == self.phi1:
            raise UsageError("The region is empty: it opens and closes at the same angle.")
        return replace(self, r0=r0, r1=r1)


def _pixels(
    image: NDArray[np.floating], mask: NDArray[np.bool_] | None, beam: Beam, region: Region
) -> tuple[Floats, Floats, Floats]:
    """Radius (px), φ (deg) and intensity of a region's unmasked pixels, reading only its bounding box."""
    region = region.widened()
    rows, columns = image.shape
    y0, y1 = max(0, int(beam.bcy - region.r1)), min(rows, int(beam.bcy + region.r1) + 2)
    x0, x1 = max(0, int(beam.bcx - region.r1)), min(columns, int(beam.bcx + region.r1) + 2)
    if y1 <= y0 or x1 <= x0:
        raise UsageError("The region lies outside the detector.")
    v = (np.arange(y0, y1) - beam.bcy)[:, None]
    h = (np.arange(x0, x1) - beam.bcx)[None, :]
    r2 = v * v + h * h
    inside = (r2 >= region.r0**2) & (r2 <= region.r1**2)
    if mask is not None:
        inside &= mask[y0:y1, x0:x1]
    part = image[y0:y1, x0:x1][inside].astype(np.float64)
    radius = np.sqrt(r2[inside])
    vv, hh = np.broadcast_arrays(v, h)
    phi = -np.degrees(np.arctan2(vv[inside], hh[inside]))
    if not region.full:
        keep = _between(phi, region.phi0, region.phi1)
        radius, phi, part = radius[keep], phi[keep], part[keep]
    if part.size == 0:
        raise UsageError("The region holds no unmasked pixel.")
    return radius, phi, part


def _between(phi: Floats, low: float, high: float) -> NDArray[np.bool_]:
    span = (high - low) % 360.0
    return np.asarray((phi - low) % 360.0 <= span)


def sector(
    image: NDArray[np.floating],
    mask: NDArray[np.bool_] | None,
    beam: Beam,
    region: Region,
    q_centres: Floats,
) -> Line:
    """I(q) of a sector of the detector image, in the bins of the static partition.

    Parameters
    ----------
    image : (H, W) photons/pixel/frame.
    mask : (H, W), True where a pixel counts, or None.
    region : where; q is cut at its radii.
    q_centres : (n,) Å⁻¹, rising.

    Returns
    -------
    Line
        q of the bins that hold at least one pixel, mean intensity, pixels.

    Raises
    ------
    UsageError
        Where the region holds no unmasked pixel.
    """
    radius, _, part = _pixels(image, mask, beam, region)
    edges = radius_of_q(np.maximum(centre_edges(q_centres), 0.0), beam)
    index = np.searchsorted(edges, radius, side="right") - 1
    inside = (index >= 0) & (index < q_centres.size)
    return _binned(q_centres, index[inside], part[inside])


def ring(
    image: NDArray[np.floating],
    mask: NDArray[np.bool_] | None,
    beam: Beam,
    region: Region,
    n_phi: int = 180,
) -> Line:
    """I(φ) of a ring (or of a sector) in ``n_phi`` equal steps of φ; x in degrees, as `sector` otherwise."""
    _, phi, part = _pixels(image, mask, beam, region)
    low, span = (-180.0, 360.0) if region.full else (region.phi0, (region.phi1 - region.phi0) % 360.0)
    index = np.minimum(((phi - low) % 360.0) * (n_phi / span), n_phi - 1).astype(np.int64)
    centres = low + (np.arange(n_phi) + 0.5) * span / n_phi
    return _binned(centres, index, part)


def _binned(centres: Floats, index: NDArray[np.int64], part: Floats) -> Line:
    pixels = np.bincount(index, minlength=centres.size)
    total = np.bincount(index, weights=part, minlength=centres.size)
    some = pixels > 0
    if not some.any():
        raise UsageError("The region holds no pixel inside the q range of the partition.")
    return Line(centres[some], total[some] / pixels[some], pixels[some].astype(np.int64))
