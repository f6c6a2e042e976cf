"""What a page is: a path, a name, a layout and its callbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dash import Dash
    from dash.development.base_component import Component
    from flask import Blueprint

    from xpcs_dash.services import Services


@dataclass(frozen=True)
class Page:
    """One page of the dashboard.

    Attributes
    ----------
    path : path below the URL prefix, such as ``/g2``.
    name : the word in the navigation rail.
    icon : Bootstrap icon class, such as ``bi-activity``.
    layout : builds the page from the services and the query of its URL; called once a visit.
    register : adds the page's callbacks to an app; called once an app.
    params : query name -> (component id, property) of the controls that the URL keeps.
    in_rail : False for pages that are reached from another page only.
    prepare : starts what the callbacks of the page are about to ask for, given the public name of the
        file on the screen and the query: called on a thread of its own while the browser receives the layout.
    routes : builds a Flask blueprint of the page's own data routes, which is served under the URL prefix.
    """

    path: str
    name: str
    icon: str
    layout: Callable[[Services, Mapping[str, str]], Component]
    register: Callable[[Dash, Services], None]
    params: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    in_rail: bool = True
    routes: Callable[[Services], Blueprint] | None = None
    prepare: Callable[[Services, str, Mapping[str, str]], object] | None = None
