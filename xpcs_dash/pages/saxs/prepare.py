"""The scattering image is computed while the page itself is still on its way to the browser."""

from __future__ import annotations

from collections.abc import Mapping

from xpcs_dash.figures.images import Scale, detector_png
from xpcs_dash.pages.saxs.layout import picture_of
from xpcs_dash.pages.saxs.views import colour_limits
from xpcs_dash.services import Services


def prepare(services: Services, ref: str, query: Mapping[str, str]) -> None:
    """Leave the limits and the PNG that the page will ask for in the kernel's cache."""
    scale_name, cmap, percentiles = picture_of(query)
    scale: Scale = "linear" if scale_name == "linear" else "log"
    low, high = colour_limits(services, ref, scale, percentiles)
    services.kernel.derived(
        ref,
        "img.scattering",
        (scale, cmap, low, high),
        lambda xf: detector_png(xf.saxs_2d, xf.mask, scale, (low, high), cmap),
    )
