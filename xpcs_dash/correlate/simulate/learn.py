"""How speckle makes g2 scatter, and what of it neighbouring delays share: learned from simulated fields."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.correlate.dense import PixelCorrelation, correlate_dense
from xpcs_dash.correlate.simulate.frames import intensities
from xpcs_dash.correlate.simulate.scene import Scene

__all__ = ["Scatter", "influence", "speckle_scatter"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scatter:
    """What speckle does to g2, for one pixel.

    Attributes
    ----------
    covariance : (n_delay, n_delay) of the errors of g2; divide it by the number of speckles.
    own : (n_delay,) spread of the pixels' own g2, from which the facility takes its errors.
    """

    covariance: Floats
    own: Floats


def influence(pixels: PixelCorrelation) -> Floats:
    """(n_delay, n_pixels) what each pixel of a ring adds to the error of the ring's g2.

    g2 = G/(P·F) with means over the ring; a pixel moves it by u = g/(P·F) − g2·(p/P + f/F), less the mean.
    The covariance of u over pixels, divided by their number, is that of g2 as long as pixels are independent.
    """
    G, P, F = (np.mean(values, axis=1, keepdims=True) for values in (pixels.G2, pixels.IP, pixels.IF))
    g2 = G / (P * F)
    return np.asarray(pixels.G2 / (P * F) - g2 * (pixels.IP / P + pixels.IF / F))


def speckle_scatter(scene: Scene) -> Scatter:
    """Of a scene with one ring and one pixel a speckle, from its intensities, before photons are counted."""
    bright = replace(scene, photons=np.ones_like(scene.photons))
    fields = np.concatenate(list(intensities(bright))).reshape(scene.n_frames, -1)
    found = correlate_dense(fields[:, scene.dynamic.ravel() > 0])
    own = found.G2 / (found.IP * found.IF)
    return Scatter(np.atleast_2d(np.cov(influence(found))), own.std(axis=1, ddof=1))
