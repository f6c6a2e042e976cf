"""Links: the same in every installation, honest about names that no file has and files that were replaced."""

import re
import time
from pathlib import Path

import pytest

from tests.browser.conftest import start_dashboard, stop_dashboard
from tests.browser.waiting import until
from xpcs_dash.results.identity import FileRef

DATA = Path(__file__).parents[1] / "data"
A001, A003 = DATA / "A001_silica_multitau_results.hdf", DATA / "A003_silica_diluted_results.hdf"

#: Whether an element says a sentence; figures break their lines where it suits them.
SAID = """([where, sentence]) => {
  const bare = (text) => text.replace(/\\s+/g, "");
  return bare(document.querySelector(where).innerText).includes(bare(sentence));
}"""
#: Names and lengths of the traces of the g2 page.
TRACES = """() => document.querySelector("#g2-graph .js-plotly-plot").data
  .map((t) => [t.name, t.y && t.y.length])"""

pytestmark = pytest.mark.browser


def test_a_stem_that_is_typed_becomes_the_public_name_in_the_address(filled_dashboard, open_page):
    page = open_page(f"{filled_dashboard.url}g2?file=A001_silica_multitau&q=2")
    ref = str(FileRef("data", A001.name))
    until(page, "(ref) => location.search.includes('file=' + encodeURIComponent(ref))", ref)
    assert re.search(r"[?&]v=[0-9a-f]{8}(&|$)", page.url)
    page.wait_for_selector("#g2-graph .main-svg")
    assert "A001_silica_multitau" in page.title()


@pytest.mark.parametrize("path", ["", "g2", "qmap", "saxs", "stability", "twotime", "fit", "metadata"])
def test_an_unknown_name_is_said_with_the_nearest_ones(filled_dashboard, open_page, path):
    page = open_page(f"{filled_dashboard.url}{path}?file=A001_silica_multitua~0123456789")
    until(page, SAID, ["#shell-page", "no file of this name here"])
    shown = page.inner_text("#shell-page")
    assert "A001_silica_multitau~" in shown, "the nearest name is offered"
    assert "No result" not in shown
    assert page.evaluate("() => xd.state.current.files") == []
    assert "latest" not in page.url


def test_one_unknown_name_among_others_is_said_and_the_others_are_shown(filled_dashboard, open_page):
    page = open_page(f"{filled_dashboard.url}g2?file=A001_silica_multitau,nothing_like_it")
    until(page, SAID, ["body", "nothing_like_it: no file of this name here"])
    assert page.evaluate("() => xd.state.current.files.length") == 1


def test_a_link_to_a_version_that_was_replaced_says_so(dashboard, open_page):
    ref = dashboard.add(A001, "run_results.hdf")
    page = open_page(f"{dashboard.url}g2?file={ref}")
    until(page, "() => /[?&]v=[0-9a-f]{8}/.test(location.search)")
    link = page.url
    assert page.is_hidden("#shell-notice")
    dashboard.put(A001, "run_results.hdf")  # the same contents under a new time: nothing was replaced
    before = dashboard.get(f"/api/files/{ref}")["version"]
    page.wait_for_timeout(1500)
    assert dashboard.get(f"/api/files/{ref}")["version"] == before
    assert page.is_hidden("#shell-notice")
    dashboard.put(A003, "run_results.hdf")
    page.wait_for_selector("#shell-notice:not([hidden])")
    assert "run has been replaced since" in page.inner_text("#shell-notice")
    other = open_page(link)
    other.wait_for_selector("#shell-notice:not([hidden])")
    other.click("#shell-notice-accept")
    until(other, "() => document.querySelector('#shell-notice').hidden")
    assert other.url != link
    other.reload()
    other.wait_for_selector("#g2-graph .main-svg")
    assert other.is_hidden("#shell-notice")


def listed(dashboard):
    """Name and version of the three results, once all of them have been read."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        rows = dashboard.get("/api/files")["files"]
        found = {r["file"]: (r["ref"], r.get("version")) for r in rows if r["file"].startswith("A00")}
        read = {name for name, (_, version) in found.items() if version}
        if len([name for name in read if name.endswith("_results.hdf")]) == 3:
            return {name: found[name] for name in sorted(read) if name.endswith("_results.hdf")}
        time.sleep(0.2)
    raise AssertionError(found)


def test_two_installations_and_a_rebuilt_one_give_the_same_links(dashboard, open_page, tmp_path):
    for path in DATA.glob("A00*_results.hdf"):
        dashboard.put(path, f"night/{path.name}")
    first = listed(dashboard)
    page = open_page(f"{dashboard.url}g2?file={first[A001.name][0]}&q=3")
    page.wait_for_selector("#g2-graph .main-svg")
    until(page, "() => /[?&]v=/.test(location.search)")
    query = page.url.partition("?")[2]
    page.watched.expect_failures = True
    second = start_dashboard(dashboard.root, tmp_path / "another-state")
    try:
        assert listed(second) == first
        again = open_page(f"{second.url}g2?{query}")
        again.wait_for_selector("#g2-graph .main-svg")
        assert again.evaluate(TRACES) == page.evaluate(TRACES)
        assert again.url.partition("?")[2] == query
        assert again.is_hidden("#shell-notice")
    finally:
        stop_dashboard(second)
    # the index of the first one is thrown away and built again
    stop_dashboard(dashboard)
    for path in dashboard.state.glob("catalogue.sqlite*"):
        path.unlink()
    rebuilt = start_dashboard(dashboard.root, dashboard.state)
    try:
        assert listed(rebuilt) == first
    finally:
        stop_dashboard(rebuilt)
