"""What a script or a notebook asks of an open file: the same statements as the pages show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xpcs_dash.fitting.data import SigmaModel
    from xpcs_dash.results.statement import BinResult, FileStatement
    from xpcs_dash.results.xpcs_file import XpcsFile

__all__ = ["fit_bins", "statement_of"]


def statement_of(xf: XpcsFile) -> FileStatement:
    """The scalars and flags of a file, as lists, trends and the JSON interface give them."""
    from xpcs_dash.analysis.quality import state

    found = state(xf).file
    assert found is not None
    return found


def fit_bins(
    xf: XpcsFile,
    model: str = "single",
    labels: Sequence[int] | None = None,
    sigma: SigmaModel = "counting",
    *,
    delay: tuple[float, float] | None = None,
    fixed: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
) -> tuple[BinResult, ...]:
    """Fit bins by least squares and say of each what the pages and exports say of it.

    Parameters
    ----------
    xf : an open file.
    model : name of the model of g2.
    labels : 1-based labels of the dynamic map; None takes all.
    sigma : "counting" or "file".
    delay : first and last delay in s.
    fixed, bounds : by parameter name.

    Raises
    ------
    UsageError
        Where the file holds no multi-tau g2, or a name or a label is unknown.

    Examples
    --------
    >>> xf = xpcs_dash.open_result("E0173_results.hdf")  # doctest: +SKIP
    >>> [(b.q, b["tau"].value, b["tau"].low, b["tau"].high) for b in fit_bins(xf) if b.good]  # doctest: +SKIP
    """
    from xpcs_dash.fitting.data import fit_data
    from xpcs_dash.fitting.results import FitConfig
    from xpcs_dash.fitting.sampling import fit_g2
    from xpcs_dash.fitting.statements import Place

    config = FitConfig(
        model=model, sigma=sigma, labels=None if labels is None else tuple(labels), delay_range=delay,
        fixed=fixed or {}, bounds=bounds or {},
    )  # fmt: skip
    request = {"delay": delay, "fixed": fixed, "bounds": bounds}
    place = Place.of(xf, labels, sigma, {name: value for name, value in request.items() if value})
    data = fit_data(xf, sigma, config.labels, delay)
    return fit_g2(data, config, backend="numpy").bins(place)
