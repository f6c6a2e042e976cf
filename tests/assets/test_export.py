"""export.js: names of downloads, pictures as shown, exports that the server makes."""

import pytest

PANEL = """<div id="g2-graph"><div class="js-plotly-plot" style="width:400.4px;height:300px"></div></div>
<a class="xd-export-entry" data-kind="shown" data-graph="g2-graph" data-view="g2" data-format="png">as shown</a>
<a class="xd-export-entry" data-kind="paper" data-graph="g2-graph" data-view="fit" data-format="pdf">for paper</a>"""
READY = """
window.xd = { state: { current: { files: [{ ref: "run~0a", key: "k" }], q: [2, 5] } },
    rows: new Map([["run~0a", { name: "run" }]]), url: (path) => "/beam" + path,
    toast: (text, kind) => said.push([text, kind]) };
window.said = []; window.saved = [];
window.Plotly = { downloadImage: (gd, options) => saved.push(options) };
HTMLAnchorElement.prototype.click = function () { saved.push(this.download); };
"""


@pytest.fixture
def panel(stage):
    return stage.open("export.js", html=PANEL, before=READY, at="/beam/fit?model=double&par=tau&view=2&q0=1")


def choose(panel, kind):
    panel.run(
        f"document.querySelector('[data-kind={kind}]').dispatchEvent(new MouseEvent('click', {{bubbles: true}}))"
    )


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename=\"a.csv\"; filename*=UTF-8''%E8%AF%95%20%CE%B1.csv", "试 α.csv"),
        ("attachment; filename=\"plain.csv\"; filename*=UTF-8''%E8%AF", "plain.csv"),
        ('attachment; filename="plain.csv"', "plain.csv"),
        ("attachment; filename*=utf-8''x%3By.csv; size=3", "x;y.csv"),
        ("attachment", "otherwise"),
        (None, "otherwise"),
    ],
)
def test_the_name_of_a_download(panel, header, name):
    assert panel.run("(text) => xd.savedAs(text, 'otherwise')", header) == name


@pytest.mark.parametrize(("kind", "scale"), [("png", 2), ("svg", 1)])
def test_a_picture_is_saved_as_it_stands_under_file_view_and_bins(panel, kind, scale):
    panel.run(f"document.querySelector('[data-kind=shown]').dataset.format = '{kind}'")
    choose(panel, "shown")
    assert panel.run("saved") == [
        {"format": kind, "filename": "run_g2_q2-5", "width": 400, "height": 300, "scale": scale}
    ]


def test_an_export_asks_for_the_view_the_bins_and_the_fit_of_the_page(panel):
    panel.answers["/beam/export/run~0a/fit.pdf"] = (b"%PDF", {"Content-Disposition": 'a; filename="x.pdf"'})
    choose(panel, "paper")
    panel.until("saved.length === 1")
    (_, path, query), *rest = panel.asked
    assert rest == []
    assert path == "/beam/export/run~0a/fit.pdf"
    assert query == {"url": panel.page.url, "q": "2,5", "model": "double", "par": "tau"}
    assert panel.run("saved") == ["x.pdf"]
    assert panel.run("said") == [["Writing for paper …", "info"]]


def test_settings_of_a_fit_go_with_no_other_view(panel):
    panel.run("document.querySelector('[data-kind=paper]').dataset.view = 'g2'")
    panel.answers["/beam/export/run~0a/g2.pdf"] = (b"%PDF", {})
    choose(panel, "paper")
    panel.until("saved.length === 1")
    assert set(panel.asked[0][2]) == {"url", "q"}
    assert panel.run("saved") == ["export.pdf"]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((422, {"error": "there is no q-bin 9."}), "there is no q-bin 9."),
        ((500, b"oops"), "The export did not arrive."),
    ],
)
def test_an_export_that_cannot_be_made_says_why(panel, answer, sentence):
    panel.answers["/beam/export/run~0a/fit.pdf"] = answer
    choose(panel, "paper")
    panel.until("said.length === 2")
    assert panel.run("said[1]") == [sentence, "alarm"]
    panel.errors.clear()  # the browser says that the request failed


def test_without_a_file_nothing_is_asked_for(panel):
    panel.run("() => { xd.state.current.files = []; }")
    choose(panel, "paper")
    assert panel.run("said") == [["There is no file to export yet.", "warning"]]
    assert panel.asked == []
