"""The first values of the controls: from a stored fit or a job of the address, or the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xpcs_dash.database.record.fits import FitIndex
from xpcs_dash.errors import XpcsDashError
from xpcs_dash.fits.request import FitRequest
from xpcs_dash.pages.fit.request import read_controls, read_given

if TYPE_CHECKING:
    from xpcs_dash.services import Services


def request_of(services: Services, query: Mapping[str, str]) -> FitRequest:
    """The request that an address stands for: of a stored fit, of a job, or what it spells out."""
    try:
        if query.get("fit", "").isdigit():
            return FitRequest.from_params(FitIndex(services.record).get(query["fit"]).request)
        if query.get("job", "").isdigit():
            return FitRequest.from_params(services.jobs.get(int(query["job"])).params)
        low, high = (_float(query.get(name)) for name in ("tmin", "tmax"))
        model, sigma = query.get("model", "single"), query.get("sigma", "counting")
        return read_controls(model, sigma, (low, high), read_given(query.get("par")))
    except XpcsDashError:
        return FitRequest()


def _float(text: str | None) -> float | None:
    try:
        return None if not text else float(text)
    except ValueError:
        return None
