"""Frames of a simulated detector whose truth is known: speckle, photons, and what goes wrong in a run."""

from xpcs_dash.correlate.simulate.events import (
    Afterpulse,
    Ageing,
    BeamDump,
    Damage,
    Dips,
    Event,
    Gelation,
    HotPixel,
    IntensityDrift,
    MovedCentre,
    Pulsing,
)
from xpcs_dash.correlate.simulate.frames import simulate
from xpcs_dash.correlate.simulate.scene import Scene, ring_scene
from xpcs_dash.correlate.simulate.truth import Truth, truth_of

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
    "Scene",
    "Truth",
    "ring_scene",
    "simulate",
    "truth_of",
]
