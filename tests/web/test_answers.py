"""How errors become answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
import pytest
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import ImATeapot

from xpcs_dash.errors import FileError, UnavailableError, UsageError, not_found
from xpcs_dash.routes.answers import guard, send
from xpcs_dash.shell.allow import NotAllowedError


def answer_to(err: Exception) -> Any:
    """What a guarded route answers when ``err`` is raised in it."""
    routes = flask.Blueprint("odd", __name__)

    @routes.get("/")
    def fail() -> None:
        raise err

    app = flask.Flask("answers")
    app.register_blueprint(guard(routes))
    return app.test_client().get("/")


@pytest.mark.parametrize(
    ("err", "code"),
    [
        (UsageError("no."), 400),
        (NotAllowedError("no."), 403),
        (not_found("file", "x"), 404),
        (FileError("x", "it is odd"), 409),
        (UnavailableError("later."), 503),
        (OperationalError("SELECT", {}, Exception("disk")), 503),
        (MemoryError(), 503),
        (ZeroDivisionError("inside"), 500),
    ],
)
def test_every_error_is_one_sentence_of_json(err: Any, code: int) -> None:
    answer = answer_to(err)
    assert answer.status_code == code
    assert answer.json["error"].endswith(".")
    assert "Traceback" not in answer.text
    assert "inside" not in answer.text


def test_what_flask_raises_itself_stays_as_it_is() -> None:
    assert answer_to(ImATeapot()).status_code == 418


def test_the_code_follows_from_the_kind_and_not_from_the_words() -> None:
    assert answer_to(UsageError("there is no file number 7.")).status_code == 400
    found = answer_to(not_found("file", "A0l", ["A01"]))
    assert (found.status_code, found.json["nearest"]) == (404, ["A01"])


def test_a_name_that_is_not_text_is_carried_all_the_same() -> None:
    assert send({"name": "\udcff.hdf"}).json == {"name": "\udcff.hdf"}


@pytest.mark.parametrize("look", [lambda c: c.get(77), lambda c: c.request_retry(77)])
def test_what_is_not_in_the_lists_is_not_found(services: Any, look: Callable[[Any], Any]) -> None:
    from xpcs_dash.database.record.fits import FitIndex
    from xpcs_dash.errors import NotFoundError

    with pytest.raises(NotFoundError):
        look(services.catalogue)
    with pytest.raises(NotFoundError):
        services.jobs.get(77)
    with pytest.raises(NotFoundError):
        FitIndex(services.record).get("77")
