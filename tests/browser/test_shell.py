"""The frame of all pages in a real browser: selection, URL, tables, keys, theme, kiosk, a lost server."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.conftest import Dashboard, start_dashboard, stop_dashboard
from tests.browser.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

DATA = Path(__file__).parents[1] / "data"
A001 = DATA / "A001_silica_multitau_results.hdf"
A002 = DATA / "A002_gel_aging_both_results.hdf"
A003 = DATA / "A003_silica_diluted_results.hdf"

OpenPage = Callable[..., Any]


def current(page: Any) -> dict[str, Any]:
    """What the shell says is on the screen."""
    until(page, "() => window.xd && xd.state.current")
    return dict(page.evaluate("() => xd.state.current"))


def query(page: Any) -> dict[str, str]:
    """Query of the page's address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def rows(page: Any, grid: str = "shell-grid") -> list[str]:
    """Ids of the rows of a table as displayed, top first."""
    script = """(id) => { const api = xd.grid(id), n = api.getDisplayedRowCount();
        return [...Array(n).keys()].map((i) => api.getDisplayedRowAtIndex(i).data.name); }"""
    return list(page.evaluate(script, grid))


def wait_rows(page: Any, n: int, grid: str = "shell-grid") -> None:
    """Wait until a table displays ``n`` rows."""
    until(page, f"() => xd.grid('{grid}') && xd.grid('{grid}').getDisplayedRowCount() === {n}")


def test_empty_directory__says_what_it_waits_for_then_files_arrive(
    dashboard: Dashboard, open_page: OpenPage
) -> None:
    follower = open_page(dashboard.url)
    until(follower, "() => document.getElementById('live-age').textContent === 'none yet'")
    until(follower, "() => document.getElementById('shell-files-empty').textContent === 'No file yet.'")
    assert str(dashboard.root) in follower.text_content("#shell-watch-item")
    first = dashboard.add(A001)
    until(follower, f"() => xd.state.current && xd.state.current.files.some((f) => f.ref === '{first}')")
    pinned = open_page(f"{dashboard.url}?file={first}")
    assert current(pinned)["follow"] is False
    second = dashboard.add(A002)
    until(follower, f"() => xd.state.current.files[0].ref === '{second}'")
    until(pinned, "() => document.getElementById('shell-new').textContent === '1 new'")
    assert current(pinned)["files"][0]["ref"] == first
    assert re.fullmatch(r"\d+ s", follower.text_content("#live-age"))
    assert "A002" in follower.title()
    pinned.click("#shell-follow")
    until(pinned, f"() => xd.state.current.files[0].ref === '{second}'")
    assert query(pinned)["file"] == "latest"
    assert pinned.is_hidden("#shell-new")


def test_damaged_file__shows_its_reason_and_does_not_hold_up_the_next(
    make_dashboard: Callable[..., Dashboard], open_page: OpenPage, tmp_path: Path
) -> None:
    dashboard = make_dashboard()
    page = open_page(f"{dashboard.url}files")
    damaged = tmp_path / "damaged_results.hdf"
    damaged.write_bytes(b"this is no HDF5 file at all" * 50)
    dashboard.put(damaged)
    good = dashboard.add(A001)
    until(page, f"() => xd.state.current && xd.state.current.files.some((f) => f.ref === '{good}')")
    until(page, "() => document.getElementById('shell-failed').textContent === '1'", 90_000)
    page.click("#shell-problems-open")
    page.wait_for_selector("#shell-problems[open]")
    shown = page.text_content("#shell-problems-list")
    assert "damaged" in shown
    assert "HDF5" in shown
    page.click("#shell-problems-list .xd-btn")  # retry
    page.wait_for_selector(".xd-toast")
    assert "read again" in page.text_content(".xd-toast")


def test_tables__pin_several_filter_sort_and_reproduce_by_address(
    filled_dashboard: Dashboard, open_page: OpenPage
) -> None:
    page = open_page(f"{filled_dashboard.url}files")
    wait_rows(page, 3, "files-grid")
    assert rows(page, "files-grid") == ["A003_silica_diluted", "A002_gel_aging_both", "A001_silica_multitau"]
    page.click("#files-grid .ag-row >> text=A001")
    until(page, "() => xd.state.view.file !== 'latest'")
    page.click("#files-grid .ag-row >> text=A003", modifiers=["Control"])
    until(page, "() => xd.state.view.file.length === 2")
    page.fill("#files-search", "silica")
    page.press("#files-search", "Enter")
    wait_rows(page, 2, "files-grid")
    until(page, "() => location.search.includes('search=silica')")
    again = open_page(page.url)
    wait_rows(again, 2, "files-grid")
    assert current(again) == current(page)
    assert again.input_value("#files-search") == "silica"
    until(
        again,
        "() => document.querySelectorAll('#files-grid .ag-center-cols-container .xd-row-on').length === 2",
    )


def test_panel__search_kind_order_and_keys(filled_dashboard: Dashboard, open_page: OpenPage) -> None:
    page = open_page(filled_dashboard.url)
    wait_rows(page, 3)
    newest = current(page)["files"][0]["ref"]
    page.select_option("#shell-filter-kind", "twotime")
    wait_rows(page, 1)
    page.select_option("#shell-filter-kind", "")
    page.fill("#shell-search", "diluted")
    wait_rows(page, 1)
    page.fill("#shell-search", "")
    wait_rows(page, 3)
    page.select_option("#shell-sort", "name")
    until(page, "() => xd.grid('shell-grid').getDisplayedRowAtIndex(0).data.name.startsWith('A001')")
    page.select_option("#shell-sort", "newest")
    page.locator("body").click(position={"x": 900, "y": 20})
    page.keyboard.press("p")
    until(page, f"() => xd.state.current.files[0].ref !== '{newest}'")
    assert current(page)["follow"] is False
    page.keyboard.press("n")
    until(page, f"() => xd.state.current.files[0].ref === '{newest}'")
    page.keyboard.press("l")
    until(page, "() => xd.state.current.follow")
    page.keyboard.press("?")
    page.wait_for_selector("#shell-help[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#shell-help:not([open])", state="attached")
    page.fill("#shell-search", "np?l")
    assert current(page)["follow"] is True, "keys typed into a field are text"


def test_address__is_written_as_one_goes_and_back_works(
    filled_dashboard: Dashboard, open_page: OpenPage
) -> None:
    page = open_page(filled_dashboard.url)
    wait_rows(page, 3)
    page.click("#shell-grid .ag-row >> text=A001")
    until(page, "() => location.search.includes('file=') && !location.search.includes('latest')")
    pinned = query(page)["file"]
    page.click(".xd-rail a[data-path='/files']")
    page.wait_for_selector("#files-grid")
    assert urlsplit(page.url).path == "/files"
    assert query(page)["file"] == pinned
    page.click("#files-show >> text=flagged")
    until(page, "() => location.search.includes('show=flagged')")
    page.click(".xd-rail a[data-path='/']")
    page.wait_for_selector("#files-grid", state="detached")
    assert "show" not in query(page)
    page.go_back()
    page.wait_for_selector("#files-grid")
    assert query(page)["show"] == "flagged"
    assert page.is_checked("#files-show input[value=flagged]")
    page.go_back()
    page.wait_for_selector("#files-grid", state="detached")
    assert query(page)["file"] == pinned
    page.go_forward()
    page.wait_for_selector("#files-grid")


def test_q__chosen_by_a_page_reaches_the_address_and_every_page(
    filled_dashboard: Dashboard, open_page: OpenPage
) -> None:
    page = open_page(filled_dashboard.url)
    current(page)
    page.evaluate("() => dash_clientside.set_props('shell-select', {data: {q: [2, 5]}})")
    until(page, "() => xd.state.current.q && xd.state.current.q.length === 2")
    assert query(page)["q"] == "2,5"
    page.click(".xd-rail a[data-path='/files']")
    page.wait_for_selector("#files-grid")
    assert query(page)["q"] == "2,5"
    assert current(page)["q"] == [2, 5]
    other = open_page(page.url)
    assert current(other)["q"] == [2, 5]


def test_theme__is_remembered_and_switches_every_graph(
    filled_dashboard: Dashboard, open_page: OpenPage
) -> None:
    page = open_page(filled_dashboard.url)
    until(page, "() => document.querySelectorAll('.js-plotly-plot').length > 0")
    colour = "() => document.querySelector('.js-plotly-plot')._fullLayout.font.color"
    dark = page.evaluate(colour)
    page.click("#shell-theme-switch")
    until(page, "() => document.documentElement.dataset.bsTheme === 'light'")
    until(page, "(dark) => document.querySelector('.js-plotly-plot')._fullLayout.font.color !== dark", dark)
    page.reload()
    page.wait_for_selector("#shell-page")
    assert page.get_attribute("html", "data-bs-theme") == "light"
    until(page, "() => document.querySelectorAll('.js-plotly-plot').length > 0")
    assert page.evaluate(colour) != dark


def test_every_page__opens_without_an_error_in_both_themes(
    filled_dashboard: Dashboard, open_page: OpenPage
) -> None:
    page = open_page(filled_dashboard.url)
    paths = page.eval_on_selector_all(".xd-rail a", "(links) => links.map((a) => a.dataset.path)")
    assert {"/", "/files", "/g2"} <= set(paths)
    for path in paths:
        page.click(f".xd-rail a[data-path='{path}']")
        until(page, f"() => document.documentElement.dataset.page === '{path}'")
        page.wait_for_timeout(700)
        assert page.locator("#shell-page > *").count() > 0
        assert page.locator(".xd-toast-alarm").count() == 0, (path, page.text_content(".xd-toasts"))


def test_kiosk__hides_what_changes_something(filled_dashboard: Dashboard, open_page: OpenPage) -> None:
    page = open_page(f"{filled_dashboard.url}?kiosk=1", width=1920, height=1080)
    current(page)
    until(page, "() => ['ok', 'warning', 'alarm', 'stale'].includes(document.documentElement.dataset.state)")
    page.wait_for_selector("#live-head h1")
    for hidden in (".xd-rail", ".xd-files", "#shell-theme-switch", "#shell-problems-open", ".xd-toolbar"):
        assert page.locator(f"{hidden}:visible").count() == 0, hidden
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('.xd-strip *, #shell-page *')]
            .filter((e) => e.offsetParent && !e.querySelector('*') && e.textContent.trim())
            .filter((e) => !e.closest('#shell-age'))
            .map((e) => parseFloat(getComputedStyle(e).fontSize))"""
    )
    age = page.evaluate("() => parseFloat(getComputedStyle(document.getElementById('live-age')).fontSize)")
    assert age > max(sizes)
    page.keyboard.press("p")
    page.wait_for_timeout(300)
    assert current(page)["follow"] is True
    page.mouse.click(900, 500)
    until(page, "() => !!document.fullscreenElement")
    page.evaluate("() => document.exitFullscreen()")


def test_server_gone__is_said_and_found_again(tmp_path: Path, open_page: OpenPage) -> None:
    (tmp_path / "data").mkdir()
    dashboard = start_dashboard(tmp_path / "data", tmp_path / "state")
    port = urlsplit(dashboard.url).port
    assert port is not None
    try:
        first = dashboard.add(A001)
        page = open_page(dashboard.url)
        kiosk = open_page(f"{dashboard.url}?kiosk=1")
        assert current(page)["files"][0]["ref"] == first
        for each in (page, kiosk):
            each.watched.expect_failures = True
        stop_dashboard(dashboard)
        for each in (page, kiosk):
            each.wait_for_selector("#shell-banner:not([hidden])")
            assert "has not answered" in each.text_content("#shell-banner")
        dashboard = start_dashboard(tmp_path / "data", tmp_path / "state", port=port)
        second = dashboard.add(A003)
        for each in (page, kiosk):
            each.wait_for_selector("#shell-banner", state="hidden")
            until(each, f"() => xd.state.current.files[0].ref === '{second}'")
    finally:
        stop_dashboard(dashboard)


def test_hung_server__is_said_too(dashboard: Dashboard, open_page: OpenPage) -> None:
    page = open_page(dashboard.url)
    page.watched.expect_failures = True
    hang = {"on": True}
    page.route("**/api/revision*", lambda route: time.sleep(0) if hang["on"] else route.continue_())
    page.wait_for_selector("#shell-connection:not([hidden])", timeout=40_000)
    hang["on"] = False
    page.wait_for_selector("#shell-connection", state="hidden", timeout=40_000)


def test_prefix__works_in_the_browser(make_dashboard: Callable[..., Dashboard], open_page: OpenPage) -> None:
    dashboard = make_dashboard("--url-prefix", "/beam/xpcs")
    page = open_page(dashboard.url)
    page.click(".xd-rail a[data-path='/files']")
    page.wait_for_selector("#files-grid")
    assert urlsplit(page.url).path == "/beam/xpcs/files"
    first = dashboard.add(A001)
    until(page, f"() => xd.state.current && xd.state.current.files.some((f) => f.ref === '{first}')")
    wait_rows(page, 1, "files-grid")


def test_url_codec__same_in_browser_and_server(filled_dashboard: Dashboard, open_page: OpenPage) -> None:
    from xpcs_dash.components.selection import View

    page = open_page(filled_dashboard.url)
    current(page)
    for asked in (
        {"file": "latest"},
        {"file": "3, 1,1", "q": "4,x,2"},
        {"file": "0,-2", "q": ""},
        {},
        {"q": "²,9"},
    ):
        assert page.evaluate("(q) => xd.parseView(q)", asked) == View.from_query(asked).to_store()
        assert (
            page.evaluate("(q) => xd.viewQuery(xd.parseView(q))", asked) == View.from_query(asked).to_query()
        )


def test_read_only__offers_no_retry(
    make_dashboard: Callable[..., Dashboard], open_page: OpenPage, tmp_path: Path
) -> None:
    dashboard = make_dashboard("--read-only")
    damaged = tmp_path / "damaged_results.hdf"
    damaged.write_bytes(b"no HDF5" * 50)
    dashboard.put(damaged)
    page = open_page(dashboard.url)
    until(page, "() => document.getElementById('shell-failed').textContent === '1'", 90_000)
    page.click("#shell-problems-open")
    page.wait_for_selector(".xd-problem")
    assert page.locator("#shell-problems-list button").count() == 0
