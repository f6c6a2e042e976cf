"""The fit on the screen: the stored one that was asked for, or the live one of the controls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xpcs_dash.fits.request import FitRequest, chosen, fit_selected, select
from xpcs_dash.pages.fit import preview
from xpcs_dash.pages.fit.controls import request_from
from xpcs_dash.pages.fit.shown import shown_fit

if TYPE_CHECKING:
    from xpcs_dash.components.views import Looked
    from xpcs_dash.services import Services


def live_fit(services: Services, looked: Looked, request: FitRequest) -> Any:
    """(data, fit) of a request, remembered for as long as the file stays as it is."""
    key = json.dumps(request.to_params(), sort_keys=True)

    def compute(xf: Any) -> Any:
        data = select(xf, request)
        return data, fit_selected(data, request)

    return services.kernel.derived(looked.ref, "fit.preview", (key,), compute)


def view_on_screen(services: Services, looked: Looked, shown: Any, given: Mapping[str, Any]) -> preview.View:
    """What the page shows now."""
    view = shown_fit(services, looked, shown)
    if view is not None:
        return view
    request = request_from(given, chosen(looked.xf, looked.selection.q))
    data, fit = live_fit(services, looked, request)
    return preview.view_of(looked.xf, data, fit, request, looked.theme)
