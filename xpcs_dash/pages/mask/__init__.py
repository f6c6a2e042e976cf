"""The mask page: masks, q-maps and partitions drawn in the browser and used at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from xpcs_dash.pages.mask.callbacks import register as register_callbacks
from xpcs_dash.pages.mask.layout import page_layout
from xpcs_dash.pages.mask.routes import blueprint
from xpcs_dash.pages.mask.session import Workbench
from xpcs_dash.shell.page import Page
from xpcs_dash.simplemask.signals import mask_exported, qmap_exported

if TYPE_CHECKING:
    from dash import Dash
    from dash.development.base_component import Component
    from flask import Blueprint

    from xpcs_dash.services import Services

#: Workbench of each application's kernel, made once.
_BENCHES: WeakKeyDictionary[Any, Workbench] = WeakKeyDictionary()


def bench_of(services: Services) -> Workbench:
    """The workbench of these services, whose exports reach their viewer."""
    viewer = services.kernel
    if viewer not in _BENCHES:
        bench = _BENCHES[viewer] = Workbench(services)
        mask_exported.connect(lambda _, mask, scope: viewer.apply_mask(mask, scope), sender=bench, weak=False)
        qmap_exported.connect(
            lambda _, result, scope: viewer.apply_qmap_result(result, scope), sender=bench, weak=False
        )
    return _BENCHES[viewer]


def layout(services: Services, query: Mapping[str, str]) -> Component:
    """The page, for one visit."""
    return page_layout(bench_of(services), query)


def register(app: Dash, services: Services) -> None:
    """Add the page's callbacks."""
    register_callbacks(app, bench_of(services))


def routes(services: Services) -> Blueprint:
    """The page's data routes."""
    return blueprint(bench_of(services))


PAGE = Page(path="/mask", name="Mask", icon="bi-vector-pen", layout=layout, register=register, routes=routes)
