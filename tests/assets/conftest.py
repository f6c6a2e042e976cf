"""The scripts of the dashboard, each alone in a page of a real Chromium, with a stand-in for Dash and the server.

``stage(...)`` gives a page below the prefix ``/beam``. What a script says to Dash is in ``stage.props``, what it
asks the server for in ``stage.asked``; ``stage.answers`` holds what the server says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

ASSETS = Path(__file__).parents[2] / "assets"
HOST = "http://dashboard.test"
PAGES = {"/": {"name": "Live", "params": {}}, "/g2": {"name": "g2", "params": {"view": ["g2-view", "value"]}}}
CONFIG = {"prefix": "/beam/", "pages": PAGES, "may_write": True, "stale_s": 60}
#: Dash as scripts see it: what they set is noted, and so is what they say in the console.
DASH = """
window.sent = [];
window.dash_clientside = { no_update: "nothing",
    set_props: (id, props) => window.sent.push([id, JSON.parse(JSON.stringify(props))]) };
"""


class Stage:
    """One page with some scripts."""

    def __init__(self, page: Any) -> None:
        self.page = page
        #: Path below the host -> JSON, bytes, or a status and JSON.
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[str | None] = []
        self.pictures: list[str] = []
        self.errors: list[str] = []
        self.html = ""
        page.on("pageerror", self.note_error)
        page.on("console", self.note_console)
        page.route(f"{HOST}/**", self.answer)

    def note_error(self, error: Any) -> None:
        self.errors.append(str(error))

    def note_console(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def answer(self, route: Any) -> None:
        parts, resource = urlsplit(route.request.url), route.request.resource_type
        if resource == "document":
            route.fulfill(
                body=f"<!doctype html><html><body>{self.html}</body></html>", content_type="text/html"
            )
            return
        if resource == "image" or parts.path == "/favicon.ico":
            self.pictures.append(parts.path)
            route.fulfill(body=b"", content_type="image/png")
            return
        self.asked.append((route.request.method, parts.path, dict(parse_qsl(parts.query))))
        self.bodies.append(route.request.post_data)
        given = self.answers.get(parts.path, (404, {}))
        headers: dict[str, str] = {}
        if isinstance(given, tuple) and isinstance(given[0], bytes):
            given, headers = given
        status, body = given if isinstance(given, tuple) else (200, given)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        route.fulfill(status=status, body=raw, headers=headers)

    def open(self, *scripts: str, html: str = "", at: str = "/beam/", before: str = "") -> Stage:
        """Open the page at an address, and load scripts after ``before``, which may prepare more stand-ins."""
        self.html = html
        self.page.goto(HOST + at)
        self.page.add_script_tag(content=DASH + before)
        for script in scripts:
            self.page.add_script_tag(path=ASSETS / script)
        return self

    def run(self, expression: str, *arguments: Any) -> Any:
        """Value of a JavaScript expression; ``arguments`` are given to it where it is a function."""
        return self.page.evaluate(expression, *arguments)

    def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        self.page.wait_for_function(expression, timeout=10_000)

    @property
    def props(self) -> list[Any]:
        """What was said to Dash: pairs of an id and its properties."""
        return list(self.page.evaluate("window.sent"))

    def last(self, id_: str) -> Any:
        """The newest properties of one id, or None."""
        return next((props for name, props in reversed(self.props) if name == id_), None)

    def where(self) -> str:
        """Path and query of the page."""
        parts = urlsplit(self.page.url)
        return f"{parts.path}?{parts.query}"


@pytest.fixture(scope="session")
def sheet(playwright_browser: Any) -> Iterator[Any]:
    """One page that the tests use one after the other: to make one takes longer than most tests."""
    context = playwright_browser.new_context(viewport={"width": 1000, "height": 700}, timezone_id="UTC")
    yield context.new_page()
    context.close()


@pytest.fixture
def stage(sheet: Any) -> Iterator[Stage]:
    """The page, as if nobody had used it."""
    found = Stage(sheet)
    yield found
    sheet.evaluate("sessionStorage.clear()")
    sheet.remove_listener("pageerror", found.note_error)
    sheet.remove_listener("console", found.note_console)
    sheet.goto("about:blank")  # its scripts ask on, and find nobody once the routes are gone
    sheet.unroute_all(behavior="wait")
    sheet.context.clear_cookies()
    assert found.errors == []
