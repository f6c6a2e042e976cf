"""WSGI entry point: ``gunicorn app:server``. Settings come from the environment (``XPCS_DASH_…``)."""

from __future__ import annotations

from xpcs_dash.services import build_services
from xpcs_dash.settings import load_settings
from xpcs_dash.web import create_app

app = create_app(build_services(load_settings()))
server = app.server
