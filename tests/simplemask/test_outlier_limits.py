"""Cut-offs in standard deviations are standard deviations: shares of drawn noise against the normal law."""

from __future__ import annotations

import math

import numpy as np
import pytest

from xpcs_dash.simplemask.area_mask import AreaMask
from xpcs_dash.simplemask.operations import Context, Operation
from xpcs_dash.simplemask.pixels import hot_or_dead, ring_outliers


def beyond(cutoff: float) -> float:
    """Part of normal noise further than ``cutoff`` standard deviations from the middle, on both sides."""
    return math.erfc(cutoff / math.sqrt(2))


@pytest.mark.parametrize("cutoff", [1.5, 2.0, 3.0])
def test_ring_outliers_are_as_many_as_the_cutoff_says(cutoff):
    rng = np.random.default_rng(4)
    shape = (240, 250)
    rings = np.broadcast_to(np.arange(250) // 50, shape)  # each of another height and width of noise
    image = 100.0 * (rings + 1) + rng.standard_normal(shape) * (rings + 1)
    bad = ring_outliers(image, np.ones(shape, bool), rings.astype(float), 5, cutoff=cutoff)
    expected = beyond(cutoff)
    for ring in range(5):
        share = bad[rings == ring].mean()
        assert share == pytest.approx(expected, abs=5 * math.sqrt(expected / 12_000))


def test_ring_outliers_as_a_step_of_a_mask():
    rng = np.random.default_rng(5)
    image = (50 + rng.standard_normal((200, 200))).astype(np.float32)
    context = Context(image.shape, image, {"q": np.ones(image.shape)})
    params = {"method": "mad", "cutoff": 2.0, "map": "q", "rings": 1}
    mask = AreaMask(image.shape).add(Operation("outliers", params)).product(context)
    assert 1 - mask.mean() == pytest.approx(beyond(2.0), abs=0.006)


@pytest.mark.parametrize("unit", [1.0, 0.37, 2500.0])
def test_hot_pixels_of_an_image_in_any_unit(unit):
    """Without a number of frames the image's own scatter is the scale, whatever it was multiplied by."""
    rng = np.random.default_rng(6)
    image = unit * rng.poisson(4000.0, (300, 300))
    for shares in (hot_or_dead(image, 2.0, None).mean(), hot_or_dead(image, None, 2.0).mean()):
        assert shares == pytest.approx(beyond(2.0) / 2, rel=0.25)
