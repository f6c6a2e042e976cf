"""shell-core.js: address, selection and the poll."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.assets.conftest import CONFIG


def known(name, t=1, version="11111111ffff", **more):
    """A file as /api/revision names it."""
    return {"ref": f"{name}~0a", "key": f"key of {name}", "name": name, "t": t, "version": version, **more}


NEWEST = known("b", 2)
HTML = """<nav class="xd-rail"><a data-path="/" href="/beam/">live</a><a data-path="/g2" href="/beam/g2">g2</a></nav>
<a id="same" href="/beam/g2?file=b~0a&q=3&view=map">link</a> <a id="other" href="/elsewhere">other</a>
<a id="unknown" href="/beam/no-page">unknown</a> <a id="saved" href="/beam/g2" download>saved</a>
<div id="shell-notice" hidden><span id="shell-notice-text"></span></div>"""
#: Timers run when the test lets them.
QUIET = """
window.said = []; window.timers = []; window.passed = [];
window.setTimeout = (run, ms) => { timers.push([run, ms]); return timers.length; };
window.xd = { toast: (text, kind) => said.push([text, kind]) };
document.addEventListener("click", (event) => { passed.push(event.target.id); event.preventDefault(); });
"""


class Shell:
    """A shell that was started at an address and has not asked yet."""

    def __init__(self, stage, at="/beam/", config=CONFIG, before=""):
        self.stage, self.run = stage.open("shell-core.js", html=HTML, at=at, before=QUIET + before), stage.run
        stage.run("(config) => { window.route = dash_clientside.shell.boot(config); }", config)

    def poll(self, answer=None, **more):
        """Ask once; the server answers with what ``more`` changes in a usual answer."""
        usual = {"revision": 5, "server_time": 1000.0, "newest": NEWEST, "n_new": 0, "pinned": [], **more}
        self.stage.answers["/beam/api/revision"] = usual if answer is None else answer
        self.run("() => { xd.poll(); return timers.pop()[0](); }")
        self.stage.errors.clear()  # the browser's own word on an answer that failed
        return self.stage.asked[-1][2]

    def pause(self):
        """Milliseconds until the next poll."""
        return self.run("timers[timers.length - 1][1]")

    def query(self):
        return dict(parse_qsl(urlsplit(self.stage.page.url).query))

    def click(self, id_, **keys):
        self.run(
            "([id, keys]) => document.getElementById(id).dispatchEvent("
            "new MouseEvent('click', {bubbles: true, cancelable: true, ...keys}))",
            [id_, keys],
        )


@pytest.fixture
def shell(stage):
    return lambda *given, **named: Shell(stage, *given, **named)


def test_the_start_takes_the_address_and_starts_once(shell):
    found = shell("/beam/g2/?file=a~0a&q=4,2&view=map")
    assert found.run("route") == {"path": "/g2", "query": {"file": "a~0a", "q": "4,2", "view": "map"}}
    assert found.run("xd.state.view") == {"file": ["a~0a"], "q": [4, 2]}
    assert found.stage.last("shell-view") == {"data": {"file": ["a~0a"], "q": [4, 2]}}
    assert found.stage.where() == "/beam/g2?file=a~0a&q=4,2&view=map"
    assert found.run("document.documentElement.dataset.page") == "/g2"
    assert found.run("[...document.querySelectorAll('[aria-current]')].map((a) => a.dataset.path)") == ["/g2"]
    assert found.run("(config) => dash_clientside.shell.boot(config)", CONFIG) == "nothing"


@pytest.mark.parametrize(
    ("query", "view"),
    [
        ({}, {"file": "latest", "q": None}),
        ({"file": "latest"}, {"file": "latest", "q": None}),
        ({"file": " a , b,a, latest", "q": "4, x, 2,4, 0,-1,1e3,²"}, {"file": ["a", "b"], "q": [4, 2]}),
        ({"file": "", "q": "9999999999999999"}, {"file": "latest", "q": None}),
        ({"file": "n" * 300}, {"file": ["n" * 200], "q": None}),
    ],
)
def test_what_an_address_means(shell, query, view):
    assert shell().run("(query) => xd.parseView(query)", query) == view


def test_two_hundred_files_are_the_most(shell):
    many = ",".join(f"f{k}" for k in range(300))
    assert len(shell().run("(file) => xd.parseView({file})", many)["file"]) == 200


@pytest.mark.parametrize(
    ("view", "query"),
    [
        ({"file": "latest", "q": None}, {"file": "latest"}),
        ({"file": ["a", "b"], "q": [4, 2]}, {"file": "a,b", "q": "4,2"}),
        ({"file": ["a"], "q": []}, {"file": "a"}),
    ],
)
def test_what_a_view_is_in_an_address(shell, view, query):
    assert shell().run("(view) => xd.viewQuery(view)", view) == query


def test_an_address_is_encoded_and_keeps_its_commas(shell):
    assert shell().run("xd.encode({file: 'a,b', note: 'x&y=é'})") == "file=a,b&note=x%26y%3D%C3%A9"


@pytest.mark.parametrize(("prefix", "at"), [("/", "/"), ("/beam/", "/beam/"), ("/a/b/", "/a/b/")])
def test_addresses_lie_below_the_prefix(shell, prefix, at):
    found = shell(at, config={**CONFIG, "prefix": prefix})
    assert found.run("xd.url('/api/files')") == prefix + "api/files"
    assert found.run("xd.href('/g2', {view: 'map'})") == prefix + "g2?file=latest&view=map"


def test_a_screen_on_the_wall_stays_one_in_its_addresses(shell):
    found = shell("/beam/")
    found.run("() => { document.documentElement.dataset.kiosk = '1'; }")
    assert found.run("xd.href('/g2')") == "/beam/g2?file=latest&kiosk=1"


def test_the_newest_file_is_followed(shell):
    found = shell()
    assert found.poll() == {}
    assert found.stage.last("shell-current") == {
        "data": {
            "files": [{"ref": "b~0a", "key": "key of b"}],
            "follow": True,
            "q": None,
            "n_new": 0,
            "missing": [],
        }
    }
    assert found.stage.last("shell-live")["data"]["server_time"] == 1000.0
    assert found.run("document.title") == "b · Live · xpcs-dash"
    found.poll(newest=known("c", 3), revision=6)
    assert found.stage.last("shell-current")["data"]["files"] == [{"ref": "c~0a", "key": "key of c"}]


def test_an_answer_without_news_says_nothing_to_the_pages(shell):
    found = shell()
    found.poll()
    before = len(found.stage.props)
    found.poll(server_time=1001.0)
    assert len(found.stage.props) == before
    assert found.pause() == 1000


def test_before_the_first_file_there_is_none(shell):
    found = shell()
    found.poll(newest=None)
    assert found.stage.last("shell-current")["data"]["files"] == []


def test_pinned_files_are_asked_for_and_stay(shell):
    found = shell("/beam/?file=a~0a")
    asked = known("a", asked="a~0a")
    assert found.poll(pinned=[asked]) == {"refs": "a~0a"}
    current = found.stage.last("shell-current")["data"]
    assert (current["files"], current["follow"]) == ([{"ref": "a~0a", "key": "key of a"}], False)
    # what is newer than the moment of the pin is counted by the server from then on
    assert found.poll(pinned=[asked], newest=known("c", 3), revision=6) == {"refs": "a~0a", "after": "2"}
    assert found.stage.last("shell-current")["data"]["files"] == [{"ref": "a~0a", "key": "key of a"}]
    assert found.query() == {"file": "a~0a", "v": "11111111"}


def test_since_when_something_is_pinned_survives_a_reload(shell):
    found = shell("/beam/?file=a~0a")
    found.poll(pinned=[known("a", asked="a~0a")])
    again = shell("/beam/?file=a~0a")
    assert again.poll(pinned=[known("a", asked="a~0a")], newest=known("c", 9))["after"] == "2"
    other = shell("/beam/?file=b~0a")
    assert "after" not in other.poll(pinned=[known("b", asked="b~0a")])


def test_a_typed_name_becomes_the_public_one(shell):
    found = shell("/beam/?file=a")
    found.poll(pinned=[known("a", asked="a")])
    assert found.run("xd.state.view.file") == ["a~0a"]
    found.poll(pinned=[known("a", asked="a~0a")])
    assert found.query()["file"] == "a~0a"


def test_a_name_that_no_file_has_is_said_once_beside_the_others(shell):
    found = shell("/beam/?file=a~0a,zz")
    pinned = [known("a", asked="a~0a"), {"asked": "zz", "error": "zz: no file of this name here."}]
    found.poll(pinned=pinned)
    current = found.stage.last("shell-current")["data"]
    assert current["missing"] == ["zz: no file of this name here."]
    assert [f["ref"] for f in current["files"]] == ["a~0a"]
    found.poll(pinned=pinned, revision=6)
    assert found.run("said") == [["zz: no file of this name here.", "alarm"]]


def test_a_file_that_was_replaced_is_said_until_it_is_accepted(shell):
    found = shell("/beam/?file=a~0a&v=22222222")
    found.poll(pinned=[known("a", asked="a~0a")])
    notice = "({text: document.getElementById('shell-notice-text').textContent, hidden: document.getElementById('shell-notice').hidden})"
    shown = found.run(notice)
    assert shown["text"].startswith("a has been replaced since")
    assert shown["hidden"] is False
    assert found.query()["v"] == "22222222"
    found.run("xd.acceptReplaced()")
    assert found.run(notice) == {"text": "", "hidden": True}
    assert found.query()["v"] == "11111111"


def test_a_selection_goes_to_address_and_stores_and_only_when_it_changed(shell):
    found = shell()
    found.poll()
    found.run("dash_clientside.shell.select({q: [5, 2]})")
    assert found.query() == {"file": "latest", "q": "5,2"}
    assert found.stage.last("shell-current")["data"]["q"] == [5, 2]
    before = len(found.stage.props)
    for nothing in ("{q: [5, 2]}", "{file: null}", "null"):
        found.run(f"dash_clientside.shell.select({nothing})")
    assert len(found.stage.props) == before
    found.run("xd.select({q: null})")
    assert found.query() == {"file": "latest"}


def test_a_file_that_is_chosen_is_pinned_since_now_and_given_back(shell):
    found = shell()
    found.poll()
    found.run("xd.select({file: ['a~0a']})")
    assert found.run("xd.state.pin") == {"files": ["a~0a"], "since": 2}
    found.poll(pinned=[known("a", asked="a~0a")], newest=known("c", 3), revision=6)
    found.run("xd.select({file: ['a~0a', 'b~0a']})")
    assert found.run("xd.state.pin.since") == 2, "the count goes on when one more is pinned"
    found.run("xd.select({file: 'latest'})")
    assert found.run("[xd.state.pin, sessionStorage.getItem('xd-pin')]") == [None, None]


def test_a_lost_server_is_said_after_the_second_failure_and_when_it_is_found(shell):
    found = shell(before="window.lost = [];")
    found.run("() => { xd.on('lost', (state) => lost.push(state.lost !== null)); }")
    found.poll()
    found.poll((500, {}))
    assert found.run("lost") == []
    found.poll((500, {}))
    assert found.run("lost") == [True]
    for _ in range(8):
        found.poll((500, {}))
    assert found.pause() == 5000, "it asks less often, and never less than every five seconds"
    found.poll()
    assert found.run("lost") == [True, False]
    assert found.run("said[0][0]").startswith("Connection found again after ")
    assert found.pause() == 1000


def test_the_clock_is_that_of_the_server(shell):
    found = shell()
    found.run("() => { Date.now = () => 5000; }")
    found.poll(server_time=12.0)
    assert found.run("xd.now()") == 12000


def test_one_listener_that_fails_leaves_the_others(shell):
    found = shell(before="window.heard = []; console.error = (err) => heard.push(err.message);")
    found.run(
        "() => { xd.on('live', () => { throw new Error('mine'); }); xd.on('live', () => heard.push('yours')); }"
    )
    found.poll()
    assert found.run("heard") == ["mine", "yours"]


def test_links_of_the_dashboard_change_the_page_and_others_are_left(shell):
    found = shell("/beam/g2?view=overlay")
    found.click("same")
    assert found.run("passed") == []
    assert found.stage.last("shell-route") == {"data": {"path": "/g2", "query": {"view": "map"}}}
    assert found.run("xd.state.view") == {"file": ["b~0a"], "q": [3]}
    assert found.query() == {"file": "b~0a", "q": "3", "view": "map"}
    for id_ in ("other", "unknown", "saved"):
        found.click(id_)
    found.click("same", ctrlKey=True)
    assert found.run("passed") == ["other", "unknown", "saved", "same"]


def test_a_page_that_is_left_is_found_as_it_was(shell):
    found = shell("/beam/g2?view=map")
    found.run("xd.go('/')")
    assert found.query() == {"file": "latest"}
    found.run("xd.go('/g2')")
    assert found.query() == {"file": "latest", "view": "map"}
    found.run("xd.go('/g2', {view: 'overlay'})")
    assert found.query() == {"file": "latest", "view": "overlay"}
    found.run(
        "() => new Promise((done) => { addEventListener('popstate', done, {once: true}); history.back(); })"
    )
    assert found.stage.last("shell-route")["data"]["query"]["view"] == "map"


@pytest.mark.parametrize(
    ("value", "written"),
    [("map", "map"), ("", None), (None, None), (True, "1"), (False, "0"), ([1, 2], "1,2"), (0.5, "0.5")],
)
def test_a_control_that_a_person_changed_is_written_into_the_address(shell, value, written):
    found = shell("/beam/g2?view=grid")
    found.run(
        "(value) => { dash_clientside.callback_context = {triggered: "
        "[{prop_id: 'g2-view.value', value}, {prop_id: 'unknown.value', value: 1}]}; dash_clientside.shell.params(); }",
        value,
    )
    assert found.query().get("view") == written


def test_changes_of_a_figure_that_is_gone_are_taken_out_of_an_answer(shell):
    found = shell(
        before="dash_component_api = window.dash_component_api = {getLayout: (id) => (id === 'here' ? {props: {figure: {}}} : null)};"
    )
    patch = lambda: {"figure": {"__dash_patch_update": "1"}, "className": "on"}  # noqa: E731
    left = found.run(
        "(response) => { xd.dropStale(response); return response; }",
        {"here": patch(), "gone": patch(), "whole": {"figure": {"data": []}}, "none": None},
    )
    assert left == {
        "here": patch(),
        "gone": {"className": "on"},
        "whole": {"figure": {"data": []}},
        "none": None,
    }


def test_what_is_sent_is_json_and_a_refusal_is_its_sentence(shell):
    found = shell()
    found.stage.answers["/beam/api/act"] = {"done": True}
    assert found.run("xd.post('/api/act', {note: 'é'})") == {"done": True}
    assert found.stage.asked[-1][0] == "POST"
    assert found.stage.bodies[-1] == '{"note":"é"}'
    for answer, sentence in (
        ((403, {"error": "a viewer may not."}), "a viewer may not."),
        ((502, b"<html>"), "The server answered 502."),
    ):
        found.stage.answers["/beam/api/act"] = answer
        assert found.run("xd.post('/api/act').catch((err) => err.message)") == sentence
    found.stage.errors.clear()


def test_a_toast_of_a_callback_is_shown(shell):
    found = shell()
    found.run("dash_clientside.shell.toast({text: 'saved', kind: 'ok'})")
    found.run("dash_clientside.shell.toast(null)")
    assert found.run("said") == [["saved", "ok"]]
