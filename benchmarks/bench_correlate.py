"""How long it takes to simulate and to correlate full frames, on one core and in processor time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.result import Result

SHAPE, FRAMES = (100, 120), 4096


def spent(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of this process, all threads together: what else the machine does is not counted."""
    begun = time.process_time()
    answer = call()
    return time.process_time() - begun, answer


def yardstick(n: int) -> float:
    """Seconds that NumPy takes to draw as many normal numbers as the fields hold, from a part of them."""
    rng = np.random.default_rng(0)
    part = n // 50
    rng.standard_normal(part, dtype=np.float32)
    return 50 * spent(lambda: rng.standard_normal(part, dtype=np.float32))[0]


def run(quick: bool = False) -> list[Result]:
    """Simulated and correlated, for contrast 0.2."""
    from xpcs_dash.correlate.dense import correlate_dense
    from xpcs_dash.correlate.rings import Partition, to_bins
    from xpcs_dash.correlate.simulate import ring_scene, simulate

    frames = FRAMES // 8 if quick else FRAMES
    scale = FRAMES / frames
    simulate(ring_scene((10, 10), bins=2, n_frames=8))
    out = []
    for area, gamma in ((1.0, 1.0), (3.0, 1.0), (8.0, 1.0), (1.0, 0.7)):
        scene = ring_scene(
            SHAPE, bins=6, photons=0.3, tau_s=0.05, pixels_per_speckle=area, gamma=gamma, n_frames=frames
        )
        making, counts = spent(lambda scene=scene: simulate(scene))
        flat = counts.reshape(frames, -1)
        partition = Partition.from_maps(scene.static, scene.dynamic)
        correlating, _ = spent(lambda flat=flat, p=partition: to_bins(correlate_dense(flat), p))
        total = scale * (making + correlating)
        drawn = yardstick(2 * 5 * SHAPE[0] * SHAPE[1] * FRAMES)
        bar = gamma == 1
        out.append(
            Result(
                f"12,000 pixels x 4,096 frames, {area:g} px a speckle, exponent {gamma:g}",
                total,
                "s",
                "<= 15" if bar else "",
                total <= 15 if bar else None,
                f"correlating {scale * correlating:.1f} s; drawing the normal numbers alone {drawn:.1f} s",
            )
        )
    return out
