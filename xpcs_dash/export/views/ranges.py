"""What an export covers: the range of every axis along which something was chosen or cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from xpcs_dash.export.views.base import ViewOptions, chosen_bins

if TYPE_CHECKING:
    from xpcs_dash.hdf5.records import BinTable
    from xpcs_dash.results.xpcs_file import XpcsFile

__all__ = ["of_bins", "of_delays", "of_fit", "of_frames", "q_of", "span"]


def of_delays(xf: XpcsFile, options: ViewOptions) -> dict[str, Any]:
    """Range of q and of delays of g2(τ), and which error it has."""
    return _delays(xf, options, None)


def of_fit(xf: XpcsFile, options: ViewOptions) -> dict[str, Any]:
    """The same of a fit, with the delays that it kept to; its model, σ, what was held, and the bounds and
    starts that differ from the model's own.
    """
    return _delays(xf, options, options.delay) | {
        "model": options.model,
        "sigma": options.sigma,
        "fixed": dict(options.fixed) or "nothing",
        "bounds": {name: list(pair) for name, pair in options.bounds.items()} or "the model's own",
        "start": dict(options.start) or "from the data",
    }


def of_bins(xf: XpcsFile, bins: BinTable | None) -> dict[str, Any]:
    """Range of q of a partition."""
    return {} if bins is None else {q_of(xf): span(bins.q)}


def of_frames(xf: XpcsFile, options: ViewOptions) -> dict[str, Any]:  # noqa: ARG001 - every view has the same form
    """Range of times of I(t)."""
    return {} if xf.int_t is None else {"time_range (s)": span(xf.int_t[0])}


def q_of(xf: XpcsFile, of: str = "") -> str:
    """Name of a range of q, with the unit of the file."""
    return f"{of}q_range ({xf.q_unit})"


def span(values: ArrayLike) -> list[float] | None:
    """Smallest and largest finite value, or None where there is none."""
    given = np.asarray(values, dtype=np.float64)
    given = given[np.isfinite(given)]
    return [float(given.min()), float(given.max())] if given.size else None


def _delays(xf: XpcsFile, options: ViewOptions, limits: tuple[float, float] | None) -> dict[str, Any]:
    t = np.asarray(xf.t_el)
    low, high = limits or (-np.inf, np.inf)
    return {
        q_of(xf): span(xf.q[chosen_bins(xf, options)]),
        "delay_range (s)": span(t[(t >= low) & (t <= high)]),
        "g2_sigma": "the file's error and photon counting together"
        if xf.photons
        else "the file's error alone: counting statistics cannot be used",
    }
