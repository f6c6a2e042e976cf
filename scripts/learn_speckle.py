"""Make xpcs_dash/acquisition/speckle.npz: how g2 of the simulated beamline scatters by speckle.

    python scripts/learn_speckle.py xpcs_dash/acquisition/speckle.npz

For relaxation times from a frame to hundreds of runs: a square root of the covariance of g2 between delays,
and the spread of the pixels' own g2, each for one speckle. A minute on one core.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from xpcs_dash.correlate.simulate.learn import speckle_scatter
from xpcs_dash.correlate.simulate.scene import ring_scene

#: Relaxation times in frames, run and contrast that are learned.
TAU = 4.0 ** np.arange(0, 11)
FRAMES, CONTRAST = 4096, 0.18
SHAPE = (50, 60)


def learn(tau: float, shape: tuple[int, int] = SHAPE, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Square root of the covariance, and the spread of the pixels' own g2."""
    scene = ring_scene(
        shape,
        bins=1,
        rings=1,
        tau_s=float(tau),
        frame_time_s=1.0,
        contrast=CONTRAST,
        n_frames=FRAMES,
        seed=seed,
    )
    found = speckle_scatter(scene)
    values, vectors = np.linalg.eigh(found.covariance)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T, found.own


def main() -> None:
    roots, own = zip(*(learn(tau) for tau in TAU), strict=True)
    np.savez_compressed(
        Path(sys.argv[1]),
        tau=TAU,
        frames=FRAMES,
        contrast=CONTRAST,
        root=np.array(roots, dtype=np.float32),
        own=np.array(own, dtype=np.float32),
    )


if __name__ == "__main__":
    main()
