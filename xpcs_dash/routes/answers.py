"""What a route answers in JSON, and how an error becomes an answer: one sentence, never a traceback."""

from __future__ import annotations

import json
from typing import Any

import orjson
from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from xpcs_dash.components.errors import foreseen
from xpcs_dash.errors import NotFoundError, UnavailableError, UsageError, XpcsDashError
from xpcs_dash.hdf5.reach import OutOfReach
from xpcs_dash.logs import get_logger
from xpcs_dash.shell.allow import NotAllowedError

log = get_logger(__name__)

#: Kind of error -> HTTP status, the first that fits; what is left is a file that cannot be used.
STATUS: tuple[tuple[type[XpcsDashError], int], ...] = (
    (NotAllowedError, 403),
    (OutOfReach, 403),
    (NotFoundError, 404),
    (UsageError, 400),
    (UnavailableError, 503),
    (XpcsDashError, 409),
)


def guard(routes: Blueprint) -> Blueprint:
    """Let every route of a blueprint answer an error with its sentence."""
    routes.register_error_handler(XpcsDashError, explain)
    routes.register_error_handler(Exception, broken)
    return routes


def explain(err: XpcsDashError) -> Response:
    """Answer with the error's sentence as JSON: 403 not allowed, 404 not here, 400 a bad request, 409 an
    unusable file, 503 not now. A name that is not here comes with the nearest ones.
    """
    code = next(code for kind, code in STATUS if isinstance(err, kind))
    found: dict[str, Any] = {"error": str(err)}
    if isinstance(err, NotFoundError) and err.nearest:
        found["nearest"] = err.nearest
    answer = send(found, code)
    if code == 503:
        answer.headers["Retry-After"] = "5"
    return answer


def broken(err: Exception) -> Response | HTTPException:
    """Answer to an error that nobody foresaw; the log of the server holds the rest."""
    if isinstance(err, HTTPException):
        return err
    known = foreseen(err)
    if known is not None:
        return explain(known)
    kind = type(err).__name__
    log.error("a request failed", path=request.path, exc_info=err)
    if isinstance(err, MemoryError):
        return send({"error": "There is not enough memory for this now: try again in a moment."}, 503)
    return send({"error": f"Something went wrong in the server ({kind}); its log says more."}, 500)


def send(content: Any, code: int = 200) -> Response:
    """JSON answer that nobody keeps."""
    try:
        body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    except TypeError:  # a name on disk need not be text in any encoding; JSON can carry it all the same
        body = json.dumps(content, default=str).encode()
    return Response(body, code, mimetype="application/json", headers={"Cache-Control": "no-store"})
