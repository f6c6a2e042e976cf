"""What is fitted: the g2 of a file with its errors, cut to bins and delays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError
from xpcs_dash.fitting.models import Window

if TYPE_CHECKING:
    from xpcs_dash.results.xpcs_file import XpcsFile

__all__ = ["FitData", "SigmaModel", "fit_data"]

FloatArray = NDArray[np.float64]

SigmaModel = Literal["counting", "file"]


@dataclass(frozen=True, eq=False)
class FitData:
    """g2 of some bins.

    Attributes
    ----------
    t : (n_delay,) s. ``g2``: (n_delay, n_q). ``sigma``: (n_delay, n_q) or None where unknown.
    trusted : (n_delay, n_q) bool, the points to use.
    q, phi : (n_q,) Å⁻¹ and degrees (NaN where the file has none).
    labels : (n_q,) 1-based labels of the dynamic map.
    warnings : sentences about the errors.
    """

    t: FloatArray
    g2: FloatArray
    sigma: FloatArray | None
    trusted: NDArray[np.bool_]
    q: FloatArray
    phi: FloatArray
    labels: NDArray[np.int64]
    warnings: tuple[str, ...] = ()

    @property
    def n_q(self) -> int:
        """Number of bins."""
        return int(self.g2.shape[1])

    @property
    def used(self) -> NDArray[np.bool_]:
        """(n_delay, n_q) True where a point enters the fit."""
        use = self.trusted & np.isfinite(self.g2) & (self.t > 0)[:, None]
        if self.sigma is not None:
            use = use & np.isfinite(self.sigma) & (self.sigma > 0)
        return np.asarray(use)

    @property
    def window(self) -> Window:
        """Delays of the data."""
        return Window.of(self.t)


def fit_data(
    xf: XpcsFile,
    sigma: SigmaModel = "counting",
    labels: Sequence[int] | None = None,
    delay_range: tuple[float, float] | None = None,
) -> FitData:
    """Take from a result file what a fit needs.

    Parameters
    ----------
    sigma : ``counting`` combines the errors of the file with photon counting and leaves starved points out;
        ``file`` takes the errors of the file as they are.
    labels : 1-based labels of the dynamic map; None takes all.
    delay_range : lowest and highest delay in s.

    Raises
    ------
    UsageError
        No g2 in the file, unknown labels, an empty delay range.
    """
    if xf.g2 is None or xf.t_el is None:
        raise UsageError(f"{xf.path.name}: the file holds no multi-tau g2 to fit; choose another file.")
    if sigma not in ("counting", "file"):
        raise UsageError(f"unknown error model {sigma!r}; use counting or file.")
    n_q = xf.g2.shape[1]
    wanted = list(range(1, n_q + 1)) if labels is None else [int(k) for k in labels]
    unknown = [k for k in wanted if not 1 <= k <= n_q]
    if unknown or not wanted:
        raise UsageError(
            f"{xf.path.name}: q-bin {unknown[0] if unknown else 'list'} is not there; bins are 1 to {n_q}."
        )
    columns = np.array(wanted) - 1
    t = np.asarray(xf.t_el, dtype=float)
    rows = np.ones(t.size, dtype=bool)
    if delay_range is not None:
        low, high = delay_range
        rows = (t >= low) & (t <= high)
        if not low < high or not rows.any():
            raise UsageError(
                f"no delay between {low:g} and {high:g} s; the file has {t.min():g} to {t.max():g} s."
            )
    pick = np.ix_(rows, columns)
    g2 = np.asarray(xf.g2, dtype=float)[pick]
    warnings: list[str] = []
    errors: FloatArray | None
    if sigma == "file":
        errors = None if xf.g2_err is None else np.asarray(xf.g2_err, dtype=float)[pick]
        trusted = np.isfinite(g2) & (errors > 0 if errors is not None else True) & (g2 != 0)
        warnings += _file_sigma_warnings(xf, pick)
    else:
        errors = None if xf.g2_sigma is None else np.asarray(xf.g2_sigma, dtype=float)[pick]
        trusted = np.asarray(xf.trusted, dtype=bool)[pick] if xf.trusted is not None else np.isfinite(g2)
    if errors is None:
        warnings.append("the file holds no errors of g2: the scale of the noise is taken from the scatter")
    phi = np.full(n_q, np.nan) if xf.phi is None else np.asarray(xf.phi, dtype=float)
    q = np.full(n_q, np.nan) if xf.q is None else np.asarray(xf.q, dtype=float)
    return FitData(
        t[rows],
        g2,
        errors,
        trusted,
        q[columns],
        phi[columns],
        columns.astype(np.int64) + 1,
        tuple(warnings),
    )


def _file_sigma_warnings(xf: XpcsFile, pick: tuple[NDArray[np.intp], ...]) -> list[str]:
    """Say by how much the errors of the file fall short of photon counting."""
    if xf.g2_err is None or xf.coincidences is None:
        return []
    error, count = np.asarray(xf.g2_err)[pick], np.asarray(xf.coincidences)[pick]
    use = (error > 0) & np.isfinite(count) & (count > 0)
    if not use.any():
        return []
    factor = float(np.median(1.0 / np.sqrt(count[use]) / error[use]))
    minimum = xf.min_coincidences
    starved = int(np.sum(count[np.isfinite(count)] < minimum))
    out = []
    if factor > 2:
        out.append(
            f"the errors of the file are {factor:.3g} times smaller than photon counting allows: "
            "χ² and the errors of the parameters are not to be trusted; use the counting errors"
        )
    if starved:
        out.append(
            f"{starved} points with fewer than {minimum:g} expected coincidences are fitted as if certain"
        )
    return out
