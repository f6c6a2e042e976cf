"""WSGI entry point: ``gunicorn app:server``. Settings come from the environment (``XPCS_DASH_…``)."""

from __future__ import annotations

from xpcs_dash.logs import configure_logging
from xpcs_dash.services import build_services
from xpcs_dash.settings import load_settings
from xpcs_dash.web import create_app

settings = load_settings()
configure_logging(settings.log_level, "web", settings.log_format)
app = create_app(build_services(settings))
server = app.server
