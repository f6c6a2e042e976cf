"""The g2 page in a browser: views, address, zoom, and files that arrive."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.conftest import Dashboard
from tests.browser.test_live import A001, A003, DATA, RANGE, until, wait_points, zoom

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

OpenPage = Callable[..., Any]

TITLES = """() => { const gd = document.querySelector('#g2-graph .js-plotly-plot'), f = gd && gd._fullLayout;
    return f && f.annotations ? f.annotations.filter((a) => a.text.startsWith('<b>')).length : -1; }"""


@pytest.fixture(scope="module")
def ids(filled_dashboard: Dashboard) -> dict[str, int]:
    """Numbers of the samples in the catalogue."""
    return {row["file"]: row["ref"] for row in filled_dashboard.get("/api/files")["files"]}


def query(page: Any) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def test_views_and_controls_are_in_the_address_and_an_address_shows_the_same_again(
    filled_dashboard: Dashboard, ids: dict[str, int], open_page: OpenPage
) -> None:
    page = open_page(f"{filled_dashboard.url}g2?file={ids[A001.name]}")
    wait_points(page, "g2-graph", 12)
    until(page, f"() => ({TITLES})() === 12")
    page.click("#g2-view label:has-text('Overlaid')")
    until(page, f"() => ({TITLES})() === 0")
    page.fill("#g2-tmin", "0.01")
    page.keyboard.press("Enter")
    page.fill("#g2-tmax", "1")
    page.keyboard.press("Enter")
    until(page, f"() => Math.abs(({RANGE})('g2-graph')[0] + 2) < 1e-6")
    asked = query(page)
    assert (asked["view"], asked["tmin"], asked["tmax"]) == ("overlay", "0.01", "1")

    again = open_page(page.url)
    wait_points(again, "g2-graph", 12)
    until(again, f"() => Math.abs(({RANGE})('g2-graph')[0] + 2) < 1e-6")
    again.click("#g2-view label:has-text('Map')")
    until(again, "() => document.querySelector('#g2-graph .js-plotly-plot')._fullData[0].type === 'heatmap'")
    again.click("#g2-view label:has-text('Stability')")
    until(again, "() => document.querySelector('#g2-graph').textContent.includes('cumulative parts of g2')")


def test_several_files_are_compared_in_one_panel_for_each_q(
    filled_dashboard: Dashboard, ids: dict[str, int], open_page: OpenPage
) -> None:
    page = open_page(f"{filled_dashboard.url}g2?file={ids[A001.name]},{ids[A003.name]}&q=1,4,8")
    until(
        page, "() => document.getElementById('g2-conditions').textContent.startsWith('3 of 12 q · 2 files')"
    )
    until(page, f"() => ({TITLES})() === 3")
    page.wait_for_selector("#g2-graph .legendtext")
    names = page.evaluate(
        "() => [...document.querySelectorAll('#g2-graph .legendtext')].map((t) => t.textContent)"
    )
    assert names == ["A001_silica_multitau", "A003_silica_diluted"]


def test_zoom_survives_ten_files_and_one_panel_zooms_all(dashboard: Dashboard, open_page: OpenPage) -> None:
    dashboard.add(A001, "run000_results.hdf")
    page = open_page(f"{dashboard.url}g2")
    wait_points(page, "g2-graph", 12)
    ranges = zoom(page, "g2-graph")
    both = page.evaluate(
        """() => { const f = document.querySelector('#g2-graph .js-plotly-plot')._fullLayout;
        return [f.xaxis.range, f.xaxis7.range]; }"""
    )
    assert both[0] == pytest.approx(both[1])
    for k in range(1, 11):
        number = dashboard.add(A003 if k % 2 else A001, f"run{k:03d}_results.hdf")
        until(page, "(n) => xd.state.current.files[0].ref === n", number)
    page.wait_for_timeout(1500)
    assert page.evaluate(RANGE, "g2-graph") == pytest.approx(ranges)


def test_a_pinned_browser_stays_while_another_follows(dashboard: Dashboard, open_page: OpenPage) -> None:
    first = dashboard.add(A001)
    follower, pinned = open_page(f"{dashboard.url}g2"), open_page(f"{dashboard.url}g2?file={first}")
    for page in (follower, pinned):
        until(page, f"() => ({TITLES})() === 12")
    dashboard.add(DATA / "A002_gel_aging_both_results.hdf")
    until(follower, f"() => ({TITLES})() === 5")
    assert pinned.evaluate(TITLES) == 12
