"""create_app: the Dash application of one set of services. Several may live in one process."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dash
from flask import Flask, request

import xpcs_dash
from xpcs_dash.access import open_access
from xpcs_dash.components.errors import on_error
from xpcs_dash.components.theme import current_theme
from xpcs_dash.components.views import ARRAY
from xpcs_dash.routes import FileIndex, guard, register_routes
from xpcs_dash.routes.entry import believe_proxy, let_in
from xpcs_dash.routes.metrics import measure
from xpcs_dash.routes.security import protect
from xpcs_dash.shell import frame
from xpcs_dash.shell.allow import CONFIG_KEY, undeclared
from xpcs_dash.shell.page import Page
from xpcs_dash.shell.registry import all_pages

if TYPE_CHECKING:
    from xpcs_dash.services import Services

#: Vendored style sheets, in the order of the cascade; ours come after them.
STYLES = (
    "vendor/bootstrap/bootstrap.min.css",
    "vendor/bootstrap-icons/bootstrap-icons.min.css",
    "vendor/inter/inter.css",
    "vendor/jetbrains-mono/jetbrains-mono.css",
)

#: Types that Flask-Compress packs where the browser takes it; pictures and downloads are packed already.
PACKED = (
    "text/html",
    "text/css",
    "text/plain",
    "text/csv",
    "text/javascript",
    "application/javascript",
    "application/json",
    "application/manifest+json",
    "image/svg+xml",
    ARRAY,
)

INDEX = """<!DOCTYPE html>
<html lang="en" data-bs-theme="{theme}" data-kiosk="{kiosk}">
<head>{metas}<title>{title}</title>{favicon}{css}</head>
<body>
<noscript>xpcs-dash needs JavaScript.</noscript>
{app_entry}
<footer>{config}{scripts}{renderer}</footer>
</body>
</html>"""


def assets_folder() -> Path:
    """Where style sheets, scripts, fonts and icons are: beside the checkout, or in the installed package."""
    package = Path(xpcs_dash.__file__).parent
    installed = package / "_assets"
    return installed if installed.is_dir() else package.parent / "assets"


class DashboardApp(dash.Dash):
    """Dash whose page comes in the visitor's theme, and in kiosk mode where the address says so."""

    def interpolate_index(self, **parts: Any) -> str:  # type: ignore[override]
        """Fill the template of the page; the theme is right before anything is drawn."""
        kiosk = "1" if request.args.get("kiosk") == "1" else "0"
        return INDEX.format(theme=html.escape(current_theme()), kiosk=kiosk, **parts)


def _server() -> Flask:
    """The Flask application, configured before Dash adds Flask-Compress, which reads its settings once."""
    server = Flask("xpcs_dash")
    server.config["COMPRESS_ALGORITHM"] = ["zstd", "br", "gzip"]
    server.config["COMPRESS_MIMETYPES"] = list(PACKED)
    return server


def create_app(services: Services, pages: Sequence[Page] | None = None) -> dash.Dash:
    """Build the application.

    Parameters
    ----------
    services : what pages and routes call.
    pages : the pages in the order of the rail; by default all.

    Raises
    ------
    UsageError
        For a proxy that is trusted without a way to know it.
    """
    settings = services.settings
    access = open_access(settings)
    shown = tuple(all_pages() if pages is None else pages)
    prefix = settings.url_prefix
    app = DashboardApp(
        "xpcs_dash",
        title="xpcs-dash",
        update_title="",
        assets_folder=str(assets_folder()),
        assets_path_ignore=["vendor"],
        external_stylesheets=[f"{prefix}assets/{name}?v={xpcs_dash.__version__}" for name in STYLES],
        url_base_pathname=prefix,
        use_pages=False,
        pages_folder="",
        suppress_callback_exceptions=True,
        compress=True,
        server=_server(),  # type: ignore[arg-type]  # Dash takes an instance, its stub does not say so
        on_error=on_error,
        hooks={"request_post": "(payload, response) => window.xd && window.xd.dropStale(response)"},
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
    )
    server = app.server
    not_ours = set(server.view_functions)
    server.config[CONFIG_KEY] = access
    believe_proxy(server, access.policy)
    index = FileIndex(services.catalogue)
    measure(server, services, index, prefix)
    protect(server, prefix, app.csp_hashes, behind_proxy=settings.trust_proxy)
    let_in(server, access, prefix)
    register_routes(server, services, index, prefix)
    for page in shown:
        if page.routes is not None:
            server.register_blueprint(guard(page.routes(services)), url_prefix=prefix.rstrip("/") or None)
    app.layout = lambda: frame.layout(services, shown)
    frame.register(app, services, shown)
    for page in shown:
        page.register(app, services)
    if forgotten := undeclared(app, not_ours):
        raise RuntimeError(f"say with open_to who may call: {', '.join(forgotten)}")
    return app
