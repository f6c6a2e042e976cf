"""A browser without JavaScript: opens pages of the dashboard and fires callbacks as Dash's script would."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

#: The address of somebody who may only look, and of somebody at the machine itself.
ELSEWHERE, HERE = "10.0.0.7", "127.0.0.1"


@dataclass(frozen=True)
class Callback:
    """One callback that the server answers, as Dash tells browsers of it."""

    output: str
    inputs: tuple[tuple[str, str], ...]
    states: tuple[tuple[str, str], ...]
    silent: bool

    @property
    def name(self) -> str:
        """What people would call it: the inputs that it listens to."""
        return " ".join(f"{id_}.{prop}" for id_, prop in self.inputs)


class PlainBrowser:
    """One browser: a client, and the components of the page it shows with their properties.

    Parameters
    ----------
    client : of the server under test.
    address : where its requests come from.
    """

    def __init__(self, client: FlaskClient, address: str = HERE) -> None:
        self.client, self.address = client, address
        self.shown: dict[str, dict[str, Any]] = {}
        found = self.get("/_dash-dependencies").json
        self.callbacks = [
            Callback(
                entry["output"],
                tuple((i["id"], i["property"]) for i in entry["inputs"]),
                tuple((i["id"], i["property"]) for i in entry["state"]),
                bool(entry.get("no_output")),
            )
            for entry in found
            if entry.get("clientside_function") is None
        ]
        self._show(self.get("/_dash-layout").json)

    def get(self, path: str, **more: Any) -> TestResponse:
        """GET from this browser's address."""
        return self.client.get(path, environ_base={"REMOTE_ADDR": self.address}, **more)

    def post(self, path: str, **more: Any) -> TestResponse:
        """POST from this browser's address."""
        return self.client.post(path, environ_base={"REMOTE_ADDR": self.address}, **more)

    def open(self, path: str, query: Mapping[str, str] | None = None) -> None:
        """Show a page."""
        self.put("shell-route", "data", {"path": path, "query": dict(query or {})})
        page = self.callback("shell-page.children")
        self.take(self.fire(page, page.inputs[0]))

    def callback(self, output: str) -> Callback:
        """The callback that writes to ``output``."""
        return next(c for c in self.callbacks if output in c.output)

    def put(self, id_: str, prop: str, value: Any) -> None:
        """Give a component a value, as a person or a script of the page does."""
        self.shown.setdefault(id_, {})[prop] = value

    def take(self, answer: TestResponse) -> None:
        """Show what a callback answered."""
        if answer.status_code != 200:
            return
        for id_, props in (answer.json.get("response") or {}).items():
            for prop, value in props.items():
                self.put(id_, prop, value)
                self._show(value)

    def fire(self, callback: Callback, trigger: tuple[str, str], **more: Any) -> TestResponse:
        """Send what a browser sends when ``trigger`` changes."""
        outputs = [_output(part) for part in _parts(callback)]
        changed = [f"{id_}.{trigger[1]}" for id_ in self._matching(trigger[0])]
        body = {
            "output": callback.output,
            "outputs": None if callback.silent else outputs if ".." in callback.output else outputs[0],
            "inputs": [self._entry(*i) for i in callback.inputs],
            "state": [self._entry(*i) for i in callback.states],
            "changedPropIds": changed[:1],
        }
        return self.post("/_dash-update-component", json=body, **more)

    def _matching(self, id_: str) -> list[str]:
        """Identifiers of the components on the page that a pattern means; the identifier itself otherwise."""
        if not id_.startswith("{"):
            return [id_]
        pattern = {k: v for k, v in json.loads(id_).items() if v not in (["ALL"], ["MATCH"])}
        return [
            other
            for other in self.shown
            if other.startswith("{") and pattern.items() <= json.loads(other).items()
        ]

    def _entry(self, id_: str, prop: str) -> Any:
        if not id_.startswith("{"):
            return {"id": id_, "property": prop, "value": self.shown.get(id_, {}).get(prop)}
        found = [(other, json.loads(other)) for other in self._matching(id_)]
        return [
            {"id": key, "property": prop, "value": key if prop == "id" else self.shown[other].get(prop)}
            for other, key in found
        ]

    def _show(self, part: Any) -> None:
        for component in _components(part):
            props = component.get("props", {})
            if "id" in props:
                id_ = props["id"]
                text = id_ if isinstance(id_, str) else json.dumps(id_, sort_keys=True, separators=(",", ":"))
                self.shown[text] = {**self.shown.get(text, {}), **props}


def _components(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        if "props" in part and "type" in part:
            yield part
        for value in part.values():
            yield from _components(value)
    elif isinstance(part, list):
        for value in part:
            yield from _components(value)


def _parts(callback: Callback) -> list[str]:
    if callback.silent:
        return []
    text = callback.output
    return text[2:-2].split("...") if text.startswith("..") else [text]


def _output(part: str) -> dict[str, Any]:
    id_, _, prop = part.rpartition(".")
    return {"id": json.loads(id_) if id_.startswith("{") else id_, "property": prop}


def refusal(answer: TestResponse) -> str:
    """The sentence with which the server refuses, or an empty text."""
    if answer.status_code == 403:
        return str(answer.json["error"])
    said = (answer.json or {}).get("sideUpdate", {}) if answer.status_code == 200 else {}
    text = str(said.get("shell-toast", {}).get("data", {}).get("text", ""))
    return text if "needs an operator" in text else ""
