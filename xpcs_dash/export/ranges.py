"""What an export covers: the range of every axis along which something was chosen or cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from xpcs_dash.export.views.base import ViewOptions, chosen_bins

if TYPE_CHECKING:
    from xpcs_dash.results.xpcs_file import XpcsFile

OVER_DELAYS = ("g2", "fit", "diffusion")
FITTED = ("fit", "diffusion")


def described(xf: XpcsFile, view: str, options: ViewOptions) -> dict[str, Any]:
    """Everything that changes the numbers of ``view``, for the provenance.

    Returns
    -------
    q-bins; ranges as ``[first, last]`` under a name with the unit; for fits the model, σ, what was held, and
    the bounds and starts that differ from the model's own.
    """
    bins = list(options.q_bins) if options.q_bins is not None else "all"
    found: dict[str, Any] = {"q_bins": bins}
    if view in OVER_DELAYS:
        columns = chosen_bins(xf, options)
        found[f"q_range ({xf.q_unit})"] = span(xf.q[columns])
        t = np.asarray(xf.t_el)
        low, high = options.delay if view in FITTED and options.delay is not None else (-np.inf, np.inf)
        found["delay_range (s)"] = span(t[(t >= low) & (t <= high)])
        found["g2_sigma"] = (
            "the file's error and photon counting together"
            if xf.photons
            else "the file's error alone: counting statistics cannot be used"
        )
    elif view in ("saxs", "stability") and xf.static is not None:
        found[f"q_range ({xf.q_unit})"] = span(xf.static.q)
    elif view == "qmap" and xf.dynamic is not None:
        found[f"q_range ({xf.q_unit})"] = span(xf.dynamic.q)
    elif view == "detector" and xf.detector_shape is not None:
        found["rows (px)"], found["columns (px)"] = ([0, n - 1] for n in xf.detector_shape)
    elif view == "twotime" and xf.twotime_shape is not None:
        step = xf.c2_frame_time_s
        found[f"age_range ({'s' if step else 'frames'})"] = [0.0, xf.twotime_shape[0] * (step or 1.0)]
    if view in ("intensity", "stability") and xf.int_t is not None:
        found["time_range (s)"] = span(xf.int_t[0])
    if view in FITTED:
        found |= {
            "model": options.model,
            "sigma": options.sigma,
            "fixed": dict(options.fixed) or "nothing",
            "bounds": {name: list(pair) for name, pair in options.bounds.items()} or "the model's own",
            "start": dict(options.start) or "from the data",
        }
    if view == "diffusion":
        limits = options.law_range
        found[f"power_law_q_range ({xf.q_unit})"] = list(limits) if limits is not None else "all"
    return found


def span(values: ArrayLike) -> list[float] | None:
    """Smallest and largest finite value, or None where there is none."""
    given = np.asarray(values, dtype=np.float64)
    given = given[np.isfinite(given)]
    return [float(given.min()), float(given.max())] if given.size else None
