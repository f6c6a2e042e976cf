"""What happens in a run: to the beam, to the sample, to the detector. Times are shares of the run, 0 to 1.

Each event says in one method what it changes; what it leaves alone, the base class answers. The order of
events does not matter: intensities and relaxation times are multiplied, photons added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Afterpulse",
    "Ageing",
    "BeamDump",
    "Damage",
    "Dips",
    "Event",
    "Gelation",
    "HotPixel",
    "IntensityDrift",
    "MovedCentre",
    "Pulsing",
    "beam_curve",
    "slowing_curve",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Event:
    """Something that happens in a run; this one changes nothing."""

    def beam(self, t: Floats) -> Floats:
        """(n,) factor of the beam's intensity at the times ``t``."""
        return np.ones_like(t)

    def slowing(self, t: Floats, dose: Floats) -> Floats:
        """(n,) factor of all relaxation times; ``dose`` is the share of the whole run's photons so far."""
        return np.ones_like(t + dose)

    def scattering(self, q: Floats, dose: Floats) -> Floats:
        """(n, n_ring) factor of I(q)."""
        return np.ones((dose.size, q.size))

    def to_dict(self) -> dict[str, Any]:
        """Name and parameters."""
        return {"event": type(self).__name__, **asdict(self)}


@dataclass(frozen=True)
class BeamDump(Event):
    """The beam goes away at ``start``, down to ``level``, and comes back at ``end``."""

    start: float = 0.6
    end: float = 1.0
    level: float = 0.0

    def beam(self, t: Floats) -> Floats:
        """A step down, and up again where it comes back."""
        return np.where((t >= self.start) & (t < self.end), self.level, 1.0)


@dataclass(frozen=True)
class Dips(Event):
    """The beam falls to ``level`` ``number`` times, for ``share`` of the run together."""

    level: float = 0.5
    share: float = 0.3
    number: int = 1

    def beam(self, t: Floats) -> Floats:
        """Equal dips, each in the middle of an equal part of the run."""
        phase = t * self.number % 1.0
        return np.where(np.abs(phase - 0.5) < 0.5 * self.share, self.level, 1.0)


@dataclass(frozen=True)
class Pulsing(Event):
    """The beam goes up and down ``cycles`` times by ``depth`` of its mean; many cycles are a vibration."""

    depth: float = 0.3
    cycles: float = 20.0
    square: bool = False

    def beam(self, t: Floats) -> Floats:
        """A sine or a square wave about 1."""
        wave = np.sin(2 * np.pi * self.cycles * t)
        return np.asarray(1 + self.depth * (np.where(wave >= 0, 1.0, -1.0) if self.square else wave))


@dataclass(frozen=True)
class IntensityDrift(Event):
    """The beam grows by ``change`` of its first intensity until the end, steadily; below 0 it fades."""

    change: float = -0.3

    def beam(self, t: Floats) -> Floats:
        """A straight line."""
        return np.asarray(1 + self.change * t)


@dataclass(frozen=True)
class Damage(Event):
    """The beam changes the sample as its dose grows.

    Attributes
    ----------
    growth, below_q : I(q) grows by up to ``growth`` at small q, less above ``below_q`` in Å⁻¹; 0 leaves the
        structure alone.
    slowing_by : relaxation times are this many times what they were at the end; below 1 the beam fluidises.
    """

    growth: float = 0.5
    below_q: float = 0.01
    slowing_by: float = 1.0

    def slowing(self, t: Floats, dose: Floats) -> Floats:
        """Exponential in the dose."""
        return np.asarray(self.slowing_by ** (dose + 0 * t))

    def scattering(self, q: Floats, dose: Floats) -> Floats:
        """Aggregates scatter at small q, in proportion to the dose."""
        return np.asarray(1 + self.growth * dose[:, None] * np.exp(-((q / self.below_q) ** 2)))


@dataclass(frozen=True)
class Gelation(Event):
    """The sample arrests by itself: relaxation times grow ``slowing_by`` times from ``start`` to ``end``."""

    slowing_by: float = 20.0
    start: float = 0.2
    end: float = 0.9

    def slowing(self, t: Floats, dose: Floats) -> Floats:
        """Exponential in time."""
        done = np.clip((t - self.start) / (self.end - self.start), 0, 1)
        return np.asarray(self.slowing_by ** (done + 0 * dose))


@dataclass(frozen=True)
class Ageing(Event):
    """The sample slows down steadily: at the end relaxation times are ``slowing_by`` times the first."""

    slowing_by: float = 3.0

    def slowing(self, t: Floats, dose: Floats) -> Floats:
        """A straight line."""
        return np.asarray(1 + (self.slowing_by - 1) * (t + 0 * dose))


@dataclass(frozen=True)
class HotPixel(Event):
    """One pixel counts ``rate`` photons a frame more than it sees."""

    row: int = 10
    column: int = 10
    rate: float = 20.0


@dataclass(frozen=True)
class MovedCentre(Event):
    """From ``start`` on the scattering lies ``rows`` and ``columns`` pixels away; the partition stays."""

    rows: int = 3
    columns: int = 0
    start: float = 0.5


@dataclass(frozen=True)
class Afterpulse(Event):
    """A photon is counted once more in the next frame, with this ``probability``."""

    probability: float = 0.02


def times(n_frames: int) -> Floats:
    """(n_frames,) time of each frame as a share of the run."""
    return np.arange(n_frames) / n_frames


def beam_curve(events: Sequence[Event], n_frames: int) -> Floats:
    """(n_frames,) intensity of the beam over what it is without events."""
    t, curve = times(n_frames), np.ones(n_frames)
    for event in events:
        curve = curve * event.beam(t)
    return curve


def dose_curve(beam: Floats) -> Floats:
    """(n_frames,) share of a steady run's photons that came before each frame."""
    return np.asarray((np.cumsum(beam) - beam) / beam.size)


def slowing_curve(events: Sequence[Event], beam: Floats) -> Floats:
    """(n_frames,) factor of the relaxation times."""
    t, dose, curve = times(beam.size), dose_curve(beam), np.ones(beam.size)
    for event in events:
        curve = curve * event.slowing(t, dose)
    return curve
