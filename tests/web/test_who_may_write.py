"""Viewers look and operators write: every callback and every route of the whole dashboard, one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dash import Dash, Input, Output, html
from flask import Blueprint, Flask
from werkzeug.routing import BuildError

from tests.web.plain_browser import ELSEWHERE, HERE, Callback, PlainBrowser, refusal
from tests.web.world import World, changes, snapshot
from xpcs_dash.routes.security import protect
from xpcs_dash.services import Services
from xpcs_dash.shell.allow import Role, declared
from xpcs_dash.shell.page import Page
from xpcs_dash.web import create_app

#: What whoever looks may press: it changes nothing but what is on the own screen. Everything else that is
#: pressed, dropped or drawn needs an operator.
READERS = {
    *(f"mask-get-{kind}.n_clicks" for kind in ("partition", "own", "hdf", "tif", "npy")),  # downloads
    "mask-compare-own.n_clicks", "mask-compare-stop.n_clicks",  # what is compared with what
    "fit-all.n_clicks", "fit-six.n_clicks",  # which q are chosen
    "average-grid.cellValueChanged",  # which files would be taken
}  # fmt: skip
#: What a person presses, drops or changes in a table; and the stores in which scripts bring what was drawn.
DEEDS = ("n_clicks", "contents", "cellValueChanged")
DRAWN = ("mask-action.data",)


#: What Dash itself answers: layout, scripts, the one address of all callbacks.
DASHS_OWN = {
    "static", "_dash_assets.static",
    "/_dash-component-suites/<string:package_name>/<path:fingerprinted_path>",
    "/_dash-layout", "/_dash-dependencies", "/_dash-update-component", "/_reload-hash", "/_favicon.ico", "/",
    "/<path:path>",
}  # fmt: skip

#: Headers of a request that a page of another site makes in somebody's browser.
FOREIGN = (
    {"Origin": "http://evil.example"},
    {"Origin": "https://localhost.evil.example"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "null"},
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"))
    yield made
    made.services.close()


def test_every_callback_and_every_route_declares_who_may_call_it(world: World) -> None:
    app = world.app
    # the callbacks that the browser carries out have no function here
    callbacks = {
        output: entry["callback"] for output, entry in app.callback_map.items() if "callback" in entry
    }
    assert len(callbacks) > 60
    assert [name for name, function in callbacks.items() if declared(function) is None] == []
    routes = world.server.view_functions
    assert {name for name, function in routes.items() if declared(function) is None} == DASHS_OWN
    with_body = {
        rule.endpoint
        for rule in world.server.url_map.iter_rules()
        if (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
    }
    for name in with_body - DASHS_OWN:
        assert declared(routes[name]) is Role.OPERATOR, name


def test_nothing_is_served_of_which_nobody_said_who_may_call_it(world: World) -> None:
    def register(app: Dash, services: Services) -> None:
        app.callback(Output("shell-toast", "data"), Input("shell-theme", "data"))(lambda theme: theme)

    def routes(services: Services) -> Blueprint:
        made = Blueprint("forgotten", __name__)
        made.get("/forgotten")(lambda: "")
        return made

    def nothing(*_: Any) -> Any:
        return html.Div()

    for page in (Page("/x", "x", "bi-x", nothing, register),
                 Page("/x", "x", "bi-x", nothing, nothing, routes=routes)):  # fmt: skip
        with pytest.raises(RuntimeError, match=r"open_to who may call: (callback of shell-|route forg)"):
            create_app(world.services, [page])


def is_deed(trigger: tuple[str, str]) -> bool:
    return trigger[1] in DEEDS or ".".join(trigger) in DRAWN


def every(browser: PlainBrowser, wanted: bool) -> list[tuple[Callback, tuple[str, str]]]:
    """All callbacks with each of their inputs: deeds, or everything else."""
    return [(c, t) for c in browser.callbacks for t in c.inputs if is_deed(t) is wanted]


def test_every_deed_is_refused_to_a_viewer_or_known_to_change_nothing(world: World) -> None:
    viewer = world.browser(ELSEWHERE)
    world.prepare(viewer)
    before = snapshot(world.state)
    deeds = every(viewer, True)
    assert len(deeds) > 30
    for callback, trigger in deeds:
        answer = viewer.fire(callback, trigger)
        role = declared(world.app.callback_map[callback.output]["callback"])
        assert role is Role.OPERATOR or ".".join(trigger) in READERS, f"{trigger}: declare an operator"
        if ".".join(trigger) in READERS:
            assert answer.status_code in (200, 204), trigger
            assert not refusal(answer), f"{trigger} is refused to viewers: take it out of the list of readers"
        else:
            said = refusal(answer)
            assert said, f"{'.'.join(trigger)} answers a viewer: declare who may, or list it as a reader"
            assert "response" not in answer.json or not answer.json["response"], trigger
    assert changes(before, snapshot(world.state)) == []
    named = {".".join(trigger) for _, trigger in deeds}
    assert named >= READERS, "a reader that is listed and no longer there"


def test_readers_change_nothing_whoever_presses_them(world: World) -> None:
    operator = world.browser(HERE)
    world.prepare(operator)
    before = snapshot(world.state)
    for callback, trigger in every(operator, True):
        if ".".join(trigger) in READERS:
            operator.fire(callback, trigger)
            assert changes(before, snapshot(world.state)) == [], trigger


def test_nothing_else_that_a_viewers_screen_sends_changes_anything(world: World) -> None:
    """Timers, choices, stores: what pages send by themselves and what controls send."""
    viewer = world.browser(ELSEWHERE)
    world.prepare(viewer)
    before = snapshot(world.state)
    asked = every(viewer, False)
    for callback, trigger in asked:
        for foreign in FOREIGN[:2]:
            assert viewer.fire(callback, trigger, headers=foreign).status_code == 403, (trigger, foreign)
        answer = viewer.fire(callback, trigger)
        assert answer.status_code in (200, 204), (callback.name, trigger, answer.text[:300])
    assert changes(before, snapshot(world.state)) == []
    assert len(asked) > 100


#: A deed, and how one sees that it was done.
DONE: dict[str, Callable[[World], Any]] = {
    "mask-action.data": lambda w: snapshot(w.state / "mask" / "drafts"),
    "fits-accept.n_clicks": lambda w: len(w.fits.list(review="accepted")),
    "fits-again.n_clicks": lambda w: len([j for j in w.services.jobs.list(500) if j.kind == "nlsq"]),
    "average-run.n_clicks": lambda w: len([j for j in w.services.jobs.list(500) if j.kind == "average"]),
    "mask-save.n_clicks": lambda w: len(list((w.state / "mask" / "versions").glob("*"))),
}


@pytest.mark.parametrize("deed", DONE)
def test_an_operator_may_and_another_site_in_the_operators_browser_may_not(world: World, deed: str) -> None:
    operator = world.browser(HERE)
    world.prepare(operator)
    callback, trigger = next((c, t) for c, t in every(operator, True) if ".".join(t) == deed)
    before = DONE[deed](world)
    for foreign in FOREIGN:
        assert operator.fire(callback, trigger, headers=foreign).status_code == 403, foreign
    assert DONE[deed](world) == before
    answer = operator.fire(callback, trigger, headers={"Origin": "http://localhost"})
    assert answer.status_code in (200, 204)
    assert not refusal(answer)
    assert DONE[deed](world) != before


#: Values for the parts of addresses; the first with which an address can be built is taken.
PARTS: dict[str, tuple[Any, ...]] = {
    "view": ("g2",), "suffix": ("csv",), "kind": ("dynamic", "hdf"), "which": ("dynamic",), "token": ("x",),
    "name": ("dynamic", "none_results.hdf"), "label": (1,), "key": ("k" * 20,), "path": ("g2",),
    "filename": ("tokens.css",), "package_name": ("dash",),
    "fingerprinted_path": ("dash-renderer/build/dash_renderer.min.js",),
}  # fmt: skip


def addresses(world: World, method: str) -> Iterator[str]:
    """One address for each route that takes ``method``."""
    adapter = world.server.url_map.bind("localhost")
    for rule in world.server.url_map.iter_rules():
        if method not in (rule.methods or ()):
            continue
        options = [{}]
        for part in rule.arguments:
            values = (world.refs[0],) if part == "ref" else PARTS[part]
            options = [{**given, part: value} for given in options for value in values]
        for given in options:
            try:
                yield adapter.build(rule.endpoint, given, method=method)
            except (BuildError, ValueError):
                continue
            break
        else:
            raise AssertionError(f"{rule.rule}: say in PARTS what its address may look like")


@pytest.mark.parametrize("address", [ELSEWHERE, HERE])
def test_looking_at_any_address_changes_nothing(world: World, address: str) -> None:
    browser = world.browser(address)
    before = snapshot(world.state)
    found = list(addresses(world, "GET"))
    assert len(found) > 25
    for path in found:
        with browser.get(path) as answer:
            assert answer.status_code != 500, path
    assert changes(before, snapshot(world.state)) == []


def test_every_address_that_takes_something_asks_who_it_is(world: World) -> None:
    """All methods but GET, of all routes: a viewer is refused; another site is, in whoever's browser."""
    server, before = world.server, snapshot(world.state)
    count = 0
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for path in addresses(world, method):
            count += 1
            for foreign in FOREIGN:
                client = server.test_client()
                answer = client.open(path, method=method, json={}, headers=foreign,
                                     environ_base={"REMOTE_ADDR": HERE})  # fmt: skip
                assert answer.status_code == 403, (path, foreign)
            if path != "/_dash-update-component":  # callbacks, which are walked one by one above
                answer = client.open(path, method=method, environ_base={"REMOTE_ADDR": ELSEWHERE})
                assert answer.status_code == 403, path
                assert "operator" in answer.json["error"]
    assert count >= 2
    assert changes(before, snapshot(world.state)) == []


def test_retry_by_an_operator_from_the_pages_own_address(world: World) -> None:
    path = f"/api/files/{world.refs[0]}/retry"
    client = world.server.test_client()
    own = {"Origin": "http://localhost"}
    for headers in ({}, own, {**own, "Sec-Fetch-Site": "same-origin"}):
        assert client.post(path, headers=headers, environ_base={"REMOTE_ADDR": HERE}).status_code == 202


@pytest.mark.parametrize(
    ("headers", "host", "proxy", "code"),
    [
        ({"Origin": "http://beamline:8050"}, "beamline:8050", False, 204),
        ({"Origin": "https://beamline"}, "beamline", False, 204),
        ({"Origin": "https://beamline:443"}, "beamline", False, 204),
        ({"Origin": "https://[fe80::1]:8050"}, "[fe80::1]:8050", False, 204),
        ({"Origin": "http://beamline:8051"}, "beamline:8050", False, 403),
        ({"Origin": "http://beamline"}, "beamline:8050", False, 403),
        ({"Origin": "http://beamline:x"}, "beamline:8050", False, 403),
        # a proxy that hands on the host without the port by which people reach it
        ({"Origin": "https://beamline:8443"}, "beamline", True, 204),
        ({"Origin": "https://beamline:8443"}, "beamline", False, 403),
        ({"Origin": "https://other:8443"}, "beamline", True, 403),
        # one that hands on its own address and says so
        ({"Origin": "https://beamline", "X-Forwarded-Host": "beamline"}, "127.0.0.1:8050", False, 204),
        ({"Origin": "https://other", "X-Forwarded-Host": "beamline"}, "127.0.0.1:8050", False, 403),
    ],
)
def test_own_origin_by_name_port_and_proxy(headers: Any, host: str, proxy: bool, code: int) -> None:
    server = Flask("test")
    protect(server, "/", lambda: (), behind_proxy=proxy)
    server.post("/deed")(lambda: ("", 204))
    assert server.test_client().post("/deed", headers=headers, base_url=f"http://{host}/").status_code == code
