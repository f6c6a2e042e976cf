"""shell-ui.js: health strip, messages, keys, theme, dialogs."""

from __future__ import annotations

import json

import pytest

from tests.assets.conftest import CONFIG

TEXTS = ("shell-clock", "live-age", "shell-state-sign", "shell-connection", "shell-banner", "shell-waiting",
         "shell-failed", "shell-jobs", "shell-new", "shell-theme-name")  # fmt: skip
HTML = (
    "".join(f'<p><span id="{id_}"></span></p>' for id_ in TEXTS)
    + """<span id="shell-age"></span><i data-xd-age></i><span id="shell-watch-item"></span><span id="shell-failed-item"></span>
<button id="shell-warning" hidden></button><button id="shell-follow">Follow latest</button><button id="shell-pin">Pin</button>
<button id="shell-jobs-item">jobs</button><button id="shell-theme-switch">theme</button>
<button id="shell-notice-accept">ok</button><button id="shell-problems-open">problems</button>
<div id="shell-toasts"></div><input id="shell-search"><textarea id="notes"></textarea>
<dialog class="xd-dialog" id="shell-help"><button id="shell-help-close">close</button></dialog>
<dialog class="xd-dialog" id="shell-problems"><div id="shell-problems-list"></div></dialog>
<div class="dash-graph" id="g2-graph"><div class="js-plotly-plot"></div></div>"""
)
READY = """
window.heard = {}; window.done = []; window.timers = [];
window.setInterval = (run, ms) => { timers.push([run, ms]); return 1; };
window.xd = { state: { view: { file: "latest", q: null }, live: null, current: null, lost: null, offset: 0, pin: null },
    config: %s, rows: new Map(), url: (path) => "/beam" + path, now: () => Date.now() + xd.state.offset, kiosk: () => window.wall || false,
    on: (name, fn) => { (heard[name] = heard[name] || []).push(fn); }, startFiles: () => done.push("files"),
    MARKS: { alarm: ["alarm", "✕"], warning: ["warning", "▲"], note: ["nodata", "•"] },
    rulesOf: (flags) => (flags || []).map((flag) => ({ severity: { "beam-lost": "alarm", "map-changed": "note" }[flag] || "warning", sentence: flag.replace(/-/g, " ") })),
    SIGNS: { ready: ["ok", "●", "ready"], waiting: ["nodata", "◌", "waiting"], failed: ["alarm", "✕", "failed"] },
    select: (wanted) => done.push(["select", wanted]), step: (forward) => done.push(["step", forward]), go: (path) => done.push(["go", path]),
    acceptReplaced: () => done.push("accepted"), clockOf: (t) => "at " + t, retry: (e, row) => done.push(["retry", row.name]) };
document.querySelector(".js-plotly-plot").layout = { title: "mine", template: "old" };
document.querySelector(".js-plotly-plot").data = [1];
"""


def live(**more):
    return {
        "state": "ok",
        "newest": {"ref": "a~0a", "name": "a", "mtime": 1000.0, "flags": []},
        "watch": {"alive": True, "root": "/data", "mode": "inotify"},
        "counts": {"ready": 1, "waiting": 2, "failed": 0},
        "jobs": {"running": 0, "queued": 0},
        "problems": [],
        "n_new": 0,
        **more,
    }


@pytest.fixture
def ui(stage):
    stage.open("shell-ui.js", html=HTML, before=READY % json.dumps(CONFIG))
    stage.run(
        "() => { Date.now = () => 1_030_000; document.documentElement.dataset.bsTheme = 'dark'; xd.startUi(); }"
    )
    return stage


def tell(ui, name="live", **state):
    """Change the state, and tell those that listen."""
    ui.run(
        "([name, state]) => { Object.assign(xd.state, state); heard[name].forEach((fn) => fn(xd.state)); }",
        [name, state],
    )


def text(ui, id_):
    return ui.run("(id) => document.getElementById(id).textContent", id_)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (59.9, "59 s"),
        (60, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (86399, "23 h 59 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_an_age_in_words(ui, seconds, words):
    assert ui.run("(s) => xd.age(s)", seconds) == words


@pytest.mark.parametrize(
    ("mtime", "state", "shown", "whole"),
    [
        (1000.0, "ok", "ok", "ok"),
        (960.0, "ok", "stale", "stale"),
        (960.0, "warning", "stale", "stale"),
        (960.0, "alarm", "stale", "alarm"),
        (1000.0, "nodata", "ok", "nodata"),
    ],
)
def test_data_that_are_old_are_stale_and_hide_no_alarm(ui, mtime, state, shown, whole):
    tell(ui, live=live(state=state, newest={"ref": "a", "name": "a", "mtime": mtime}))
    assert ui.run(
        "[document.getElementById('shell-age').dataset.state, document.documentElement.dataset.state]"
    ) == [shown, whole]


def test_the_age_ticks_everywhere_and_without_a_file_there_is_none(ui):
    assert text(ui, "live-age") == "…"
    tell(ui, live=live())
    assert (text(ui, "live-age"), text(ui, "shell-clock")) == ("30 s", "00:17:10")
    assert ui.run("document.querySelector('[data-xd-age]').textContent") == "30 s"
    ui.run("() => { Date.now = () => 1_100_000; timers[0][0](); }")
    assert text(ui, "live-age") == "1 min 40 s"
    tell(ui, live=live(newest=None))
    assert text(ui, "live-age") == "none yet"


@pytest.mark.parametrize(
    ("offset", "words"), [(1500, ""), (65000, " · your clock −1 min 05 s"), (-3000, " · your clock +3 s")]
)
def test_a_clock_that_goes_wrong_is_said(ui, offset, words):
    tell(ui, live=live(), offset=offset)
    assert (
        ui.run("document.getElementById('shell-clock').parentElement.title") == "time at the server" + words
    )


def test_a_lost_server_is_said_and_is_an_alarm(ui):
    tell(ui, live=live())
    tell(ui, "lost", lost=1_000_000)
    assert text(ui, "shell-connection") == "✕ connection lost 30 s"
    assert text(ui, "shell-banner").startswith("The server has not answered for 30 s.")
    assert ui.run("[document.documentElement.dataset.lost, document.documentElement.dataset.state]") == [
        "1",
        "alarm",
    ]
    tell(ui, "lost", lost=None)
    assert ui.run("document.documentElement.dataset.lost") == "0"
    assert ui.run("document.getElementById('shell-banner').hidden") is True


def test_the_watcher_counts_and_jobs_are_said(ui):
    tell(ui, live=live(counts={"waiting": 2, "failed": 3}, jobs={"running": 1, "queued": 4}))
    assert text(ui, "shell-watch-item") == "watching /data · inotify"
    assert (text(ui, "shell-waiting"), text(ui, "shell-failed")) == ("2", "3")
    assert ui.run("document.getElementById('shell-failed-item').dataset.state") == "warning"
    assert text(ui, "shell-jobs") == "1 + 4 queued"
    tell(
        ui,
        live=live(watch={"alive": False, "root": "/data", "mode_reason": "no inotify"}, jobs={"running": 2}),
    )
    assert text(ui, "shell-watch-item") == "✕ not watching /data"
    assert ui.run("document.getElementById('shell-watch-item').title") == "no inotify"
    assert text(ui, "shell-jobs") == "2"


def test_warnings_are_counted_and_the_first_is_shown(ui):
    tell(ui, live=live())
    assert ui.run("document.getElementById('shell-warning').hidden") is True
    newest = {"ref": "a", "name": "a", "mtime": 1000.0, "flags": ["beam-lost"]}
    tell(ui, live=live(problems=[{"state": "alarm", "text": "the disk is full"}], newest=newest))
    assert text(ui, "shell-warning") == "✕ 2 warnings the disk is full"
    assert "xd-alarm" in ui.run("document.getElementById('shell-warning').className")
    assert ui.run("document.getElementById('shell-warning').title") == "the disk is full\nbeam lost"
    tell(ui, live=live(newest=newest))
    assert text(ui, "shell-warning") == "✕ beam lost"
    assert "xd-alarm" in ui.run("document.getElementById('shell-warning').className")
    tell(ui, live=live(newest={**newest, "flags": ["not-photons"]}))
    assert text(ui, "shell-warning") == "▲ not photons"
    tell(ui, live=live(newest={**newest, "flags": ["map-changed"]}))
    assert ui.run("document.getElementById('shell-warning').hidden") is True, "a note is no warning"


def test_what_is_pinned_and_what_is_new(ui):
    tell(ui, live=live(n_new=3))
    assert (text(ui, "shell-follow"), text(ui, "shell-pin")) == ("Following latest", "Pin")
    assert ui.run("document.getElementById('shell-new').hidden") is True
    tell(ui, "view", view={"file": ["a", "b"], "q": None})
    assert (text(ui, "shell-follow"), text(ui, "shell-pin"), text(ui, "shell-new")) == (
        "Follow latest",
        "Pinned 2",
        "3 new",
    )
    pressed = (
        "['shell-follow', 'shell-pin'].map((id) => document.getElementById(id).getAttribute('aria-pressed'))"
    )
    assert ui.run(pressed) == ["false", "true"]


def test_messages_have_a_sign_and_a_role_go_by_a_click_and_are_four_at_most(ui):
    for n, kind in enumerate(("ok", "warning", "alarm", "info", None)):
        ui.run("([n, kind]) => xd.toast('m' + n, kind)", [n, kind])
    ui.run("xd.toast('')")
    shown = ui.run(
        "[...document.querySelectorAll('.xd-toast')].map((e) => [e.textContent, e.getAttribute('role')])"
    )
    assert shown == [["▲ m1", "status"], ["✕ m2", "alert"], ["m3", "status"], ["m4", "status"]]
    ui.run("document.querySelector('.xd-toast').click()")
    assert ui.run("document.querySelectorAll('.xd-toast').length") == 3


@pytest.mark.parametrize(
    ("key", "done"),
    [
        ("n", ["step", True]),
        ("p", ["step", False]),
        ("l", ["select", {"file": "latest"}]),
    ],
)
def test_keys_act_except_while_somebody_types(ui, key, done):
    ui.page.keyboard.press(key)
    assert ui.run("done.at(-1)") == done
    before = ui.run("done.length")
    for field in ("#shell-search", "#notes"):
        ui.page.focus(field)
        ui.page.keyboard.press(key)
    ui.page.keyboard.press("Escape")
    ui.page.keyboard.press(f"Control+{key}") if key == "l" else None
    ui.run("() => { window.wall = true; }")
    ui.page.keyboard.press(key)
    assert ui.run("done.length") == before, "nor on a screen on the wall"


def test_help_opens_and_closes_and_search_takes_the_focus(ui):
    ui.page.keyboard.press("?")
    assert ui.run("document.getElementById('shell-help').open") is True
    ui.page.keyboard.press("?")
    assert ui.run("document.getElementById('shell-help').open") is False
    ui.page.keyboard.press("?")
    ui.run("document.getElementById('shell-help').click()")
    assert ui.run("document.getElementById('shell-help').open") is False, "a click beside it closes it"
    ui.page.keyboard.press("/")
    assert ui.run("document.activeElement.id") == "shell-search"


def click(ui, id_):
    ui.run("(id) => document.getElementById(id).click()", id_)


def test_buttons_follow_pin_and_accept(ui):
    click(ui, "shell-pin")
    assert ui.run("document.querySelector('.xd-toast').textContent") == "There is no file to pin yet."
    ui.run("() => { xd.state.current = {files: [{ref: 'a~0a'}]}; }")
    click(ui, "shell-pin")
    click(ui, "shell-follow")
    click(ui, "shell-notice-accept")
    assert ui.run("done.slice(1)") == [
        ["select", {"file": ["a~0a"]}],
        ["select", {"file": "latest"}],
        "accepted",
    ]
    ui.run("() => { xd.state.view.file = ['a~0a']; }")
    click(ui, "shell-pin")
    assert ui.run("done.length") == 4, "what is pinned is not pinned again"


def test_jobs_lead_to_the_first_page_of_them_that_there_is(ui):
    click(ui, "shell-jobs-item")
    assert ui.run("done") == ["files"]
    ui.run("() => { xd.config.pages['/fits'] = {}; }")
    click(ui, "shell-jobs-item")
    assert ui.run("done.at(-1)") == ["go", "/fits"]


def test_problems_are_listed_failed_first_with_their_reason_and_a_retry(ui):
    tell(ui, live=live(problems=[{"state": "warning", "text": "the clock drifts"}]))
    ui.run("""() => [["w", "waiting", 5], ["f", "failed", 1], ["g", "failed", 3], ["r", "ready", 9]].forEach(
        ([name, state, t]) => xd.rows.set(name, {name, state, t, reason: state === 'failed' ? 'not HDF5' : ''}))""")
    click(ui, "shell-problems-open")
    shown = ui.run(
        "[...document.querySelectorAll('.xd-problem')].map((e) => e.innerText.split(/\\s*\\n+\\s*/).join('|'))"
    )
    assert [line.split("|")[0:2] for line in shown] == [
        ["▲ warning", "The dashboard"],
        ["✕ failed", "g"],
        ["✕ failed", "f"],
        ["◌ waiting", "w"],
    ]
    assert "not HDF5 · since at 3" in shown[1]
    assert "being written or read · since at 5" in shown[3]
    assert ui.run("document.querySelectorAll('.xd-problem button').length") == 2
    ui.run("document.querySelector('.xd-problem button').click()")
    assert ui.run("done.at(-1)") == ["retry", "g"]
    ui.run("() => { xd.config.may_write = false; xd.fillProblems(); }")
    assert ui.run("document.querySelectorAll('.xd-problem button').length") == 0, (
        "a viewer is offered nothing"
    )
    ui.run("() => { xd.rows.clear(); xd.state.live.problems = []; xd.fillProblems(); }")
    assert text(ui, "shell-problems-list") == "No file waits and none has failed."


def test_a_theme_reaches_every_graph_through_dash_and_is_remembered(ui):
    ui.answers["/beam/api/templates"] = {"light": "bright", "dark": "dim"}
    ui.run("() => { xd.state.current = {files: []}; }")
    ui.run("xd.toggleTheme()")
    assert ui.last("g2-graph") == {"figure": {"data": [1], "layout": {"title": "mine", "template": "bright"}}}
    assert ui.last("shell-theme") == {"data": "light"}
    assert ui.last("shell-current") == {"data": {"files": [], "theme": "light"}}
    assert "xd-theme=light" in ui.run("document.cookie")
    assert text(ui, "shell-theme-name") == "light"
    ui.run("xd.toggleTheme()")
    assert ui.last("shell-theme") == {"data": "dark"}
    assert [path for _, path, _ in ui.asked].count("/beam/api/templates") == 1, "asked for once"


@pytest.mark.parametrize(
    ("wall", "lost", "hours", "reloads"),
    [(1, 0, 25, True), (0, 0, 25, False), (1, 1, 25, False), (1, 0, 23, False)],
)
def test_a_screen_on_the_wall_starts_afresh_once_a_day(ui, wall, lost, hours, reloads):
    ui.run(
        "([wall, lost, hours]) => { window.before = true; window.wall = !!wall; xd.state.lost = lost ? 1 : null; performance.now = () => hours * 3.6e6; }",
        [wall, lost, hours],
    )
    if reloads:
        with ui.page.expect_navigation():
            ui.run("timers.at(-1)[0]()")
    else:
        ui.run("timers.at(-1)[0]()")
    assert ui.run("window.before || false") is (not reloads)
