"""What was simulated, as a record that lies beside a file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xpcs_dash.correlate.simulate.events import beam_curve, slowing_curve
from xpcs_dash.correlate.simulate.fields import mode_weights
from xpcs_dash.correlate.simulate.scene import Scene

__all__ = ["Truth", "truth_of"]

#: Points of the curves over time.
POINTS = 64


@dataclass(frozen=True)
class Truth:
    """The numbers behind a simulated file.

    Attributes
    ----------
    seed : that gives the same file again.
    n_frames, frame_time_s : of the run.
    q : Å⁻¹ of the dynamic bins.
    tau_s : relaxation time of each bin at the beginning; infinite where nothing moves.
    photons : per pixel and frame in each bin, in a steady beam.
    contrast, gamma, arrested : of g2 = 1 + contrast·g1², g1 = arrested + (1 − arrested)·exp[-(t/τ)^γ].
    diffusion : Å²/s where the relaxation times are 1/(D·q²).
    pixels_per_speckle, modes : of the speckle; shares of the modes, which add up to 1 less the light without
        speckle.
    events : what happened, with its parameters.
    beam, slowing : intensity of the beam, and factor of the relaxation times, in equal stretches of the run.
    """

    seed: int
    n_frames: int
    frame_time_s: float
    q: tuple[float, ...]
    tau_s: tuple[float, ...]
    photons: tuple[float, ...]
    contrast: float
    gamma: float = 1.0
    arrested: float = 0.0
    diffusion: float | None = None
    pixels_per_speckle: float = 1.0
    modes: tuple[float, ...] = ()
    events: tuple[dict[str, Any], ...] = ()
    beam: tuple[float, ...] = field(default=(1.0,))
    slowing: tuple[float, ...] = field(default=(1.0,))

    def g2(self, delay_s: ArrayLike) -> NDArray[np.float64]:
        """(n_delay, n_bins) g2 of a run in which nothing happens."""
        t = np.asarray(delay_s, dtype=np.float64)[:, None]
        moving = np.exp(-((t / np.asarray(self.tau_s)) ** self.gamma))
        return np.asarray(1 + self.contrast * (self.arrested + (1 - self.arrested) * moving) ** 2)

    def to_json(self) -> str:
        """As a JSON object; a time that is infinite is null."""
        values = asdict(self)
        values["tau_s"] = [value if np.isfinite(value) else None for value in self.tau_s]
        return json.dumps(values, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Truth:
        """Read what `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        values["tau_s"] = [float("inf") if value is None else value for value in values["tau_s"]]
        given: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
        return cls(**given)


def truth_of(scene: Scene) -> Truth:
    """The truth of a scene; numbers of a bin are means over its pixels."""
    beam = beam_curve(scene.events, scene.n_frames)
    used = (scene.static > 0) & (scene.dynamic > 0)
    ring, label = scene.static[used] - 1, scene.dynamic[used] - 1
    n = scene.q_dynamic.size
    pixels = np.maximum(np.bincount(label, minlength=n), 1)

    def of_bins(values: NDArray[np.float64]) -> tuple[float, ...]:
        return tuple(float(v) for v in np.bincount(label, values[ring], minlength=n) / pixels)

    if scene.diffusion is None:
        tau = of_bins(scene.tau_s)
    else:
        tau = tuple(float(v) for v in 1 / (scene.diffusion * scene.q_dynamic**2))
    return Truth(
        seed=scene.seed,
        n_frames=scene.n_frames,
        frame_time_s=scene.frame_time_s,
        q=tuple(float(v) for v in scene.q_dynamic),
        tau_s=tau,
        photons=of_bins(scene.photons),
        contrast=scene.contrast,
        gamma=scene.gamma,
        arrested=scene.arrested,
        diffusion=scene.diffusion,
        pixels_per_speckle=scene.pixels_per_speckle,
        modes=tuple(float(w) for w in mode_weights(scene.contrast)[0]),
        events=tuple(event.to_dict() for event in scene.events),
        beam=_means(beam),
        slowing=_means(slowing_curve(scene.events, beam)),
    )


def _means(curve: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(part.mean()) for part in np.array_split(curve, min(POINTS, curve.size)))
