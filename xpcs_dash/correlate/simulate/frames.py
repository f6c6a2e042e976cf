"""From a scene to counted photons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.correlate.simulate.events import (
    Afterpulse,
    HotPixel,
    MovedCentre,
    beam_curve,
    dose_curve,
    slowing_curve,
)
from xpcs_dash.correlate.simulate.fields import (
    BLOCK,
    Speckle,
    first_order,
    mode_weights,
    other_orders,
    speckle_taps,
)
from xpcs_dash.correlate.simulate.scene import Scene
from xpcs_dash.errors import UsageError

__all__ = ["intensities", "simulate"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


def simulate(scene: Scene) -> NDArray[np.uint16]:
    """(n_frames, H, W) photons counted.

    A frame sees the speckle of one instant: the blur within an exposure is not simulated. For it, simulate
    shorter frames and average them when correlating.

    Raises
    ------
    UsageError
        Where a pixel would count more than 65,535 photons in a frame.
    """
    rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence([scene.seed, 4])))
    counts = np.empty((scene.n_frames, *scene.shape), dtype=np.uint16)
    start = 0
    for expected in intensities(scene):
        drawn = rng.poisson(expected)
        if drawn.max(initial=0) > np.iinfo(np.uint16).max:
            raise UsageError("more than 65535 photons in a pixel and frame: lower the intensity.")
        counts[start : start + len(drawn)] = drawn
        start += len(drawn)
    for event in scene.events:
        if isinstance(event, HotPixel):
            counts[:, event.row, event.column] += rng.poisson(event.rate, scene.n_frames).astype(np.uint16)
    for event in scene.events:
        if isinstance(event, Afterpulse):
            counts[1:] += rng.binomial(counts[:-1], event.probability).astype(np.uint16)
    return counts


def intensities(scene: Scene) -> Iterator[Singles]:
    """Photons to be expected in each pixel, in blocks of (frames, H, W)."""
    beam = beam_curve(scene.events, scene.n_frames)
    dose = dose_curve(beam)
    scattering = np.ones((1, scene.q_static.size))
    for event in scene.events:
        factor = event.scattering(scene.q_static, dose)
        if np.any(factor != 1):
            scattering = scattering * factor
    places = _places(scene)
    frame = 0
    for fields in _speckle(scene, slowing_curve(scene.events, beam)):
        span = slice(frame, frame + len(fields))
        shape = scattering[span] if len(scattering) > 1 else scattering
        per_ring = scene.photons * shape * beam[span, None]
        yield _moved(places, fields, per_ring.astype(np.float32), frame)
        frame += len(fields)


def _speckle(scene: Scene, slowing: Floats) -> Iterator[Singles]:
    """Speckle of mean 1, with the light that has none."""
    weights, flat = mode_weights(scene.contrast)
    if weights.size == 0:
        for start in range(0, scene.n_frames, BLOCK):
            yield np.ones((min(BLOCK, scene.n_frames - start), *scene.shape), dtype=np.float32)
        return
    tau = (scene.tau_s / scene.frame_time_s)[scene.rings_at()]
    taps = speckle_taps(scene.pixels_per_speckle)
    speckle = Speckle(tau, scene.gamma, weights, scene.arrested, taps)
    make = first_order if scene.gamma == 1 else other_orders
    for block in make(speckle, slowing, scene.seed):
        block += np.float32(flat)
        yield block


@dataclass(frozen=True, eq=False)
class _Place:
    """Where the scattering lies from frame ``start`` on."""

    start: int
    rows: int
    columns: int
    rings: NDArray[np.int64]


def _places(scene: Scene) -> list[_Place]:
    """Where the scattering lies, in the order of time."""
    moves = sorted((e for e in scene.events if isinstance(e, MovedCentre)), key=lambda e: e.start)
    found, rows, columns = [_Place(0, 0, 0, scene.rings_at())], 0, 0
    for move in moves:
        rows, columns = rows + move.rows, columns + move.columns
        start = int(np.ceil(move.start * scene.n_frames))
        found.append(_Place(start, rows, columns, scene.rings_at(rows, columns)))
    return found


def _moved(places: list[_Place], fields: Singles, per_ring: Singles, first: int) -> Singles:
    """Speckle times I(q) of a block that begins with frame ``first``, each frame where it lies."""
    out = np.empty_like(fields)
    ends = [place.start for place in places[1:]] + [first + len(fields)]
    for place, end in zip(places, ends, strict=True):
        part = slice(max(place.start - first, 0), max(end - first, 0))
        moved = place.rows or place.columns
        pattern = np.roll(fields[part], (place.rows, place.columns), axis=(1, 2)) if moved else fields[part]
        np.multiply(pattern, per_ring[part][:, place.rings], out=out[part])
    return out
