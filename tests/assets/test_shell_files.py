"""shell-files.js: the tables of files."""

from __future__ import annotations

import pytest

from tests.assets.conftest import CONFIG

HTML = """<input id="shell-search"><select id="shell-filter-sample"><option value="">samples</option></select>
<select id="shell-filter-kind"><option value=""></option><option value="twotime">t</option></select>
<select id="shell-sort"><option value="newest">n</option><option value="oldest">o</option><option value="sample">s</option></select>
<div id="shell-grid"><div class="ag-body-viewport"></div></div>
<div id="files-grid"></div><span id="files-count"></span><p id="shell-files-empty"></p>"""
#: The shell, React and AG Grid as far as the tables need them.
READY = """
window.said = []; window.chosen = []; window.posted = []; window.heard = {};
window.xd = { state: { current: null }, config: %s, url: (path) => "/beam" + path, now: () => Date.now(), title: () => {},
    on: (name, fn) => { heard[name] = fn; }, toast: (text, kind) => said.push([text, kind]), poll: () => posted.push("poll"),
    select: (wanted) => chosen.push(wanted), href: (path, query) => path + "?open=" + query.open,
    post: async (path) => { posted.push(path); } };
window.React = { createElement: (tag, props, ...children) => ({ tag, props, children }) };
window.Grid = class {
  constructor() { this.events = {}; this.rows = []; this.done = []; }
  addEventListener(name, fn) { this.events[name] = fn; }
  setGridOption(name, rows) { this.rows = rows.map((data) => ({ data, rowTop: 0, displayed: true })); this.done.push("all"); }
  applyTransaction(change) { this.done.push(Object.fromEntries(Object.entries(change).map(([k, v]) => [k, v.map((r) => r.ref)])));
    const pushed = 40 * change.add.length; this.rows.forEach((node) => { node.rowTop += pushed; }); }
  getFirstDisplayedRowIndex() { return this.top || 0; }
  getDisplayedRowAtIndex(i) { return this.rows[i]; }
  getDisplayedRowCount() { return this.rows.filter(({ data }) => this.passes(data)).length; }
  passes(data) { const f = window.dashAgGridFunctions; return !f.xdFilterPresent() || f.xdFilterPass(data); }
  forEachNodeAfterFilterAndSort(fn) { this.rows.filter(({ data }) => this.passes(data)).forEach(fn); }
  getRowNode(ref) { return this.rows.find(({ data }) => data.ref === ref); }
  redrawRows({ rowNodes }) { this.done.push(["redrawn", rowNodes.map(({ data }) => data.ref)]); }
  ensureNodeVisible(node) { this.done.push(["seen", node.data.ref]); }
  onFilterChanged() { this.done.push("filtered"); }
  applyColumnState({ state }) { this.done.push(state.map(({ colId, sort }) => [colId, sort])); }
};
window.grids = { "shell-grid": new Grid(), "files-grid": new Grid() };
window.dash_ag_grid = { getApiAsync: async (id) => grids[id] };
"""


def row(name, t, **more):
    """A file as /api/files names it."""
    return {
        "ref": f"{name}~0a",
        "name": name,
        "file": f"{name}.hdf",
        "t": t,
        "state": "ready",
        "result": True,
        "kinds": ["multitau"],
        "layout": "aps",
        "sample": "",
        **more,
    }


ROWS = [
    row("c", 3, sample="gel", kinds=["twotime"], flags=["beam-lost"]),
    row("b", 2, sample="silica"),
    row("a", 1, sample="silica", warnings=["no geometry"]),
    row("bad", 0, state="failed", reason="not an HDF5 file", result=False),
]


@pytest.fixture
def files(stage):
    """The tables with four files."""
    import json

    stage.open("shell-files.js", html=HTML, before=READY % json.dumps(CONFIG))
    stage.answers["/beam/api/files"] = {"files": ROWS, "all": True, "revision": 4}
    stage.run("() => { xd.startFiles(); return xd.syncRows(); }")
    stage.until("() => grids['shell-grid'].rows.length === 4")
    return stage


def change(stage, *rows, revision=5, all_=False):
    """Rows that the server has changed."""
    stage.answers["/beam/api/files"] = {"files": list(rows), "all": all_, "revision": revision}
    stage.run("xd.syncRows()")


def current(stage, *names):
    """Show these files."""
    stage.run(
        "(refs) => { xd.state.current = {files: refs.map((ref) => ({ref}))}; heard.current(); }",
        [f"{name}~0a" for name in names],
    )


def test_all_rows_come_once_and_then_those_that_changed(files):
    assert files.asked[-1][2] == {}
    change(files, row("d", 4), row("b", 2, note="more"), {"ref": "a~0a", "state": "gone"})
    assert files.asked[-1][2] == {"since": "4"}
    assert files.run("[...xd.rows.values()].map((r) => r.name).sort()") == ["b", "bad", "c", "d"]
    assert files.run("grids['shell-grid'].done[1]") == {
        "add": ["d~0a"],
        "update": ["b~0a"],
        "remove": ["a~0a"],
    }
    change(files)
    assert files.asked[-1][2] == {"since": "5"}
    assert files.run("grids['shell-grid'].done.length") == 2, "nothing new, nothing drawn"


def test_an_index_that_was_built_anew_begins_again(files):
    change(files, row("z", 9), all_=True)
    assert files.run("[...xd.rows.keys()]") == ["z~0a"]
    assert files.run("grids['shell-grid'].rows.map(({data}) => data.ref)") == ["z~0a"]


def test_calls_at_the_same_time_ask_once_more_when_the_first_is_answered(files):
    script = """async () => {
        let open = 0, most = 0, asked = 0;
        const plain = window.fetch;
        window.fetch = async (...given) => {
            asked += 1; open += 1; most = Math.max(most, open);
            try { return await plain(...given); } finally { open -= 1; }
        };
        await Promise.all([xd.syncRows(), xd.syncRows(), xd.syncRows()]);
        while (asked < 2 || open) await new Promise((done) => setTimeout(done, 1));
        return [asked, most];
    }"""
    assert files.run(script) == [2, 1]


def test_rows_that_come_on_top_do_not_move_what_was_scrolled_to(files):
    files.run("""() => { const box = document.querySelector('.ag-body-viewport');
        box.style.cssText = 'height:50px;overflow:auto'; box.innerHTML = '<div style="height:900px"></div>';
        box.scrollTop = 100; grids['shell-grid'].top = 2; }""")
    change(files, row("d", 4))
    assert files.run("document.querySelector('.ag-body-viewport').scrollTop") == 140
    files.run("() => { grids['shell-grid'].top = 0; }")
    change(files, row("e", 5), revision=6)
    assert files.run("document.querySelector('.ag-body-viewport').scrollTop") == 140, (
        "at the top new ones are seen"
    )


@pytest.mark.parametrize(
    ("at", "forward", "to"),
    [("b", True, "c"), ("b", False, "a"), ("zz", True, "c")],
)
def test_next_and_previous_in_time(files, at, forward, to):
    current(files, at)
    files.run("(forward) => xd.step(forward)", forward)
    assert files.run("chosen") == [{"file": [f"{to}~0a"]}]


def test_next_and_previous_in_the_order_of_the_list(files):
    files.run("() => { document.getElementById('shell-sort').value = 'sample'; }")
    current(files, "b")
    files.run("xd.step(true)")
    assert files.run("chosen") == [{"file": ["a~0a"]}]


@pytest.mark.parametrize(
    ("at", "forward", "sentence"),
    [("c", True, "This is the newest file."), ("a", False, "There is no file beyond this one.")],
)
def test_the_ends_of_the_list_are_said_and_a_failed_file_is_no_result(files, at, forward, sentence):
    current(files, at)
    files.run("(forward) => xd.step(forward)", forward)
    assert files.run("[chosen, said]") == [[], [[sentence, "info"]]]


@pytest.mark.parametrize(
    ("typed", "sample", "kind", "left"),
    [
        ("", "", "", "cba bad"),
        ("SILICA", "", "", "ba"),
        ("not hdf5", "", "", " bad"),
        ("beam-lost", "", "", "c"),
        ("", "silica", "", "ba"),
        ("", "gel", "twotime", "c"),
        ("", "", "twotime", "c"),
    ],
)
def test_search_sample_and_kind_leave_the_files_that_have_all_of_it(files, typed, sample, kind, left):
    files.page.fill("#shell-search", typed)
    files.page.select_option("#shell-filter-sample", sample)
    files.page.select_option("#shell-filter-kind", kind)
    wanted = [*left.split(" ")[0], *left.split(" ")[1:]]
    files.page.wait_for_function(
        "(n) => grids['shell-grid'].getDisplayedRowCount() === n", arg=len(wanted), timeout=5000
    )
    shown = files.run(
        "grids['shell-grid'].rows.filter(({data}) => grids['shell-grid'].passes(data)).map(({data}) => data.name)"
    )
    assert shown == wanted


@pytest.mark.parametrize(
    ("search", "show", "left"),
    [
        ("", "all", 4),
        ("", "flagged", 2),
        ("", "failed", 1),
        ("", "ready", 3),
        ("", "multitau", 3),
        ("silica", "flagged", 1),
    ],
)
def test_the_table_of_all_files_has_a_filter_of_its_own(files, search, show, left):
    files.run("([search, show]) => dash_clientside.files.filter(search, show)", [search, show])
    found = files.run("[...xd.rows.values()].filter((r) => dashAgGridFunctions.xdTableFilterPass(r)).length")
    assert found == left
    assert files.run("dashAgGridFunctions.xdTableFilterPresent()") is (left < 4)


def test_counts_and_samples_are_said(files):
    assert files.run("document.getElementById('shell-search').placeholder") == "Search 4 files"
    assert files.run("[...document.querySelectorAll('#shell-filter-sample option')].map((o) => o.value)") == [
        "",
        "gel",
        "silica",
    ]
    files.run("dash_clientside.files.filter('', 'all')")
    files.until("() => document.getElementById('files-count').textContent === '4 files'")
    change(files, all_=True)
    assert files.run("document.getElementById('shell-files-empty').textContent") == "No file yet."


def test_the_order_is_the_tables(files):
    files.page.select_option("#shell-sort", "oldest")
    assert files.run("grids['shell-grid'].done.at(-1)") == [["t", "asc"]]
    files.page.select_option("#shell-sort", "sample")
    assert files.run("grids['shell-grid'].done.at(-1)") == [["sample", "asc"], ["t", "desc"]]


def click(files, name, **keys):
    files.run(
        "([ref, keys]) => { const api = grids['shell-grid']; api.events.rowClicked({data: api.getRowNode(ref).data,"
        " event: {target: document.body, ...keys}}); }",
        [f"{name}~0a", keys],
    )
    return files.run("chosen.at(-1)")


def test_a_click_pins_control_adds_and_takes_away_shift_takes_all_between(files):
    assert click(files, "c") == {"file": ["c~0a"]}
    current(files, "c")
    assert click(files, "a", ctrlKey=True) == {"file": ["c~0a", "a~0a"]}
    current(files, "c", "a")
    assert click(files, "c", metaKey=True) == {"file": ["a~0a"]}
    assert click(files, "a", shiftKey=True) == {"file": ["c~0a", "b~0a", "a~0a"]}


def test_a_click_on_what_is_no_result_says_why(files):
    before = files.run("chosen.length")
    click(files, "bad")
    change(files, row("frames", 5, kinds=["raw data"], layout="raw data", note="this is a raw data file"))
    files.run("() => { const g = grids['shell-grid']; g.setGridOption('rowData', [...xd.rows.values()]); }")
    click(files, "frames")
    assert files.run("said") == [
        ["bad: not an HDF5 file", "alarm"],
        ["frames: this is a raw data file", "info"],
    ]
    assert files.run("chosen.length") == before


def test_rows_of_the_selection_look_selected(files):
    current(files, "a", "b")
    assert files.run("grids['shell-grid'].done.at(-1)") == ["redrawn", ["a~0a", "b~0a"]]
    assert files.run("[...xd.rows.values()].filter(dashAgGridFunctions.xdSelected).map((r) => r.name)") == [
        "b",
        "a",
    ]
    current(files, "b")
    assert files.run("grids['shell-grid'].done.at(-1)") == ["redrawn", ["a~0a"]]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("xdMoment(0)", "1970-01-01 00:00:00"),
        ("xdMoment('2024-03-09T07:05:01Z')", "2024-03-09 07:05:01"),
        ("xdMoment(null)", ""),
        ("xdMoment('no time')", ""),
        ("xdKinds(['multitau', 'twotime', 'mask'])", "multi-tau, two-time, mask"),
        ("xdKinds(null)", ""),
        ("xdWhole(1234567)", "1,234,567"),
        ("xdWhole(null)", ""),
        ("xdCelsius(298.15)", "25.0"),
        ("xdCelsius(null)", ""),
        ("xdBytes(0)", "0 B"),
        ("xdBytes(999)", "999 B"),
        ("xdBytes(1000)", "1.0 kB"),
        ("xdBytes(12345678)", "12 MB"),
        ("xdBytes(5e15)", "5000 TB"),
        ("xdBytes(null)", ""),
    ],
)
def test_what_stands_in_cells(files, call, text):
    assert files.run(f"dashAgGridFunctions.{call}") == text


def said(element):
    """All text of what React would draw."""
    if element is None or element is False:
        return ""
    if isinstance(element, str):
        return element
    if isinstance(element, list):
        return "".join(map(said, element))
    return said(element["children"])


def test_a_file_says_its_state_and_what_it_holds(files):
    cell = "(name) => dashAgGridComponentFunctions.XdFileCell({data: xd.rows.get(name + '~0a')})"
    flagged, bad = files.run(cell, "c"), files.run(cell, "bad")
    assert said(flagged) == "c" + "01.01. 00:00:03 · two-time · beam lost" + "▲"
    assert flagged["props"]["title"] == "c.hdf\nbeam lost"
    assert said(bad) == "bad" + "failed: not an HDF5 file" + "retry" + "✕"
    assert said(files.run(cell, "b")) == "b01.01. 00:00:02●"
    files.run("() => { xd.config.may_write = false; }")
    assert "retry" not in said(files.run(cell, "bad")), "a viewer is offered nothing"


def test_long_names_are_cut_in_their_middle(files):
    drawn = files.run("dashAgGridComponentFunctions.XdNameCell({value: 'run_0001_results'})")
    assert [said(part) for part in drawn["children"]] == ["run_000", "1_results"]


def test_states_and_reasons_have_a_sign_and_a_word(files):
    state = "(value) => dashAgGridComponentFunctions.XdStateCell({value})"
    assert [said(files.run(state, s)) for s in ("ready", "waiting", "failed", "?")] == [
        "●ready",
        "◌waiting",
        "✕failed",
        "◌waiting",
    ]
    reason = "(name) => dashAgGridComponentFunctions.XdReasonCell({data: xd.rows.get(name + '~0a')})"
    assert said(files.run(reason, "c")) == "▲ beam lost"
    assert said(files.run(reason, "bad")) == "not an HDF5 file" + "retry"
    change(files, row("mask", 5, kinds=["mask"], layout="mask", note="a mask"))
    assert said(files.run(reason, "mask")) == "a maskopen on the Mask page"


def test_a_failed_file_is_read_again(files):
    files.run("xd.retry({stopPropagation: () => {}}, xd.rows.get('bad~0a'))")
    assert files.run("[posted, said]") == [
        ["/api/files/bad~0a/retry", "poll"],
        [["bad is read again.", "ok"]],
    ]
    files.run("() => { xd.post = async () => { throw new Error('a viewer may not.'); }; }")
    files.run("xd.retry({stopPropagation: () => {}}, xd.rows.get('bad~0a'))")
    assert files.run("said.at(-1)") == ["a viewer may not.", "alarm"]
