"""What happens while a page is on its way: its query is completed, and slow answers are begun."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xpcs_dash.services import Services
    from xpcs_dash.shell.page import Page


def with_view(route: Mapping[str, Any] | None, view: Any) -> Mapping[str, Any] | None:
    """The route with the files and q-bins on the screen in its query, as the address will name them."""
    if not route:
        return route
    chosen = {name: (view or {}).get(name) for name in ("file", "q")}
    seen = {name: ",".join(map(str, ids)) for name, ids in chosen.items() if isinstance(ids, list) and ids}
    return {**route, "query": {**seen, **(route.get("query") or {})}}


def prepare_page(
    services: Services, by_path: Mapping[str, Page], route: Mapping[str, Any] | None, view: Any
) -> threading.Thread | None:
    """Start what the page's callbacks will ask for while its layout is on the way to the browser.

    Returns
    -------
    The thread that does it, or None where there is nothing to do.
    """
    page = by_path.get(str((route or {}).get("path")))
    if page is None or page.prepare is None:
        return None
    chosen, prepare = (view or {}).get("file"), page.prepare
    query = {str(name): str(value) for name, value in ((route or {}).get("query") or {}).items()}

    def run() -> None:
        with suppress(Exception):  # the callbacks meet the same error, and say it
            if isinstance(chosen, list) and chosen:
                prepare(services, services.catalogue.find(str(chosen[0])).ref, query)
            elif (newest := services.catalogue.newest()) is not None:
                prepare(services, newest.ref, query)

    thread = threading.Thread(target=run, name=f"prepare {page.path}")
    thread.start()
    return thread
