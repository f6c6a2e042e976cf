"""Everything the server answers besides Dash's own requests: health, metrics, the JSON API, images."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, request

from xpcs_dash.components.selection import View
from xpcs_dash.database.files import STATES, Revision
from xpcs_dash.errors import UsageError
from xpcs_dash.routes import exports, images, live
from xpcs_dash.routes.answers import guard, send
from xpcs_dash.routes.index import FileIndex
from xpcs_dash.services import Services
from xpcs_dash.shell.allow import Role, open_to

__all__ = ["FileIndex", "api_blueprint", "guard", "register_routes"]


def register_routes(server: Flask, services: Services, index: FileIndex, prefix: str) -> None:
    """Add the routes under ``prefix`` (with slashes at both ends)."""
    at = prefix.rstrip("/") or None
    for made in (api_blueprint(services, index), images.blueprint(services), exports.blueprint(services)):
        server.register_blueprint(guard(made), url_prefix=at)


def api_blueprint(services: Services, index: FileIndex) -> Blueprint:
    """``/health`` and ``/api/…``."""
    routes = Blueprint("xpcs_dash_api", __name__)

    @routes.get("/health")
    @open_to(Role.VIEWER)
    def health() -> Response:
        return send(*live.health(services, index))

    @routes.get("/api/revision")
    @open_to(Role.VIEWER)
    def revision() -> Response:
        names = View.from_query({"file": request.args.get("refs", "")}).files or ()
        return send(live.live_state(services, index, names, _moment("after")))

    @routes.get("/api/templates")
    @open_to(Role.VIEWER)
    def templates() -> Response:
        from xpcs_dash.figures.theme import THEMES, template

        return send({name: template(name).to_plotly_json() for name in THEMES})

    @routes.get("/api/files")
    @open_to(Role.VIEWER)
    def files() -> Response:
        revision = index.refresh()
        given = request.args.get("since")
        since = Revision.parse(given) if given else None
        # after a rebuild what somebody knows is worth nothing: all is sent again
        known = since is not None and since.generation in ("", revision.generation)
        found = index.listing(since.n if since and known else None, _states(), _whole("limit"))
        said = {"revision": str(revision), "all": not known, "counts": index.counts(), "files": found}
        return send(said)

    @routes.get("/api/files/<ref>")
    @open_to(Role.VIEWER)
    def file(ref: str) -> Response:
        from xpcs_dash.routes.index import whole

        root = services.catalogue.root
        return send(whole(services.catalogue.find(ref), str(root) if root else None))

    @routes.post("/api/files/<ref>/retry")
    @open_to(Role.OPERATOR)
    def retry(ref: str) -> Response:
        row = services.catalogue.find(ref)
        services.catalogue.request_retry(row.ref)
        return send({"asked": row.ref}, 202)

    return routes


def _whole(name: str) -> int | None:
    given = request.args.get(name)
    if given is None or given == "":
        return None
    if not given.isdecimal() or len(given) > 15:
        raise UsageError(f"{name}={given[:40]!r} is not a whole number.")
    return int(given)


def _moment(name: str) -> float | None:
    try:
        value = float(request.args.get(name, ""))
    except ValueError:
        return None
    return value if abs(value) < 1e12 else None


def _states() -> frozenset[str] | None:
    given = request.args.get("state")
    if not given:
        return None
    wanted = frozenset(given.split(","))
    if wanted - set(STATES):
        raise UsageError(f"state={given[:60]!r}: the states are {', '.join(STATES[:-1])} and {STATES[-1]}.")
    return wanted
