"""The Live page in a browser: files appear by themselves, nothing moves, and only this host is asked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Dashboard
from tests.browser.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

DATA = Path(__file__).parents[1] / "data"
A001 = DATA / "A001_silica_multitau_results.hdf"
A002 = DATA / "A002_gel_aging_both_results.hdf"
A003 = DATA / "A003_silica_diluted_results.hdf"

OpenPage = Callable[..., Any]

POINTS = """(id) => { const gd = document.querySelector(`#${id} .js-plotly-plot`);
    return gd && gd._fullData ? gd._fullData.filter((t) => t.x && t.x.length > 1).length : 0; }"""
RANGE = """(id) => { const gd = document.querySelector(`#${id} .js-plotly-plot`), f = gd._fullLayout;
    return [...f.xaxis.range, ...f.yaxis.range]; }"""


def wait_name(page: Any, name: str) -> None:
    """Wait until the head of the Live page names a file."""
    until(page, "(name) => (document.querySelector('#live-head h1') || {}).textContent === name", name)


def wait_points(page: Any, graph: str, at_least: int = 1) -> None:
    until(page, f"([id, n]) => ({POINTS})(id) >= n", [graph, at_least])


def zoom(page: Any, graph: str) -> list[float]:
    """Draw a box with the mouse, as a person zooms, and return the ranges of the axes."""
    box = page.evaluate(
        """(id) => { const b = document.querySelector(`#${id} .nsewdrag`).getBoundingClientRect();
        return [b.left, b.top, b.width, b.height]; }""",
        graph,
    )
    left, top, width, height = box
    before = page.evaluate(RANGE, graph)
    page.mouse.move(left + 0.3 * width, top + 0.3 * height)
    page.mouse.down()
    page.mouse.move(left + 0.45 * width, top + 0.5 * height, steps=4)
    page.mouse.move(left + 0.6 * width, top + 0.7 * height, steps=4)
    page.mouse.up()
    until(
        page, f"([id, before]) => JSON.stringify(({RANGE})(id)) !== JSON.stringify(before)", [graph, before]
    )
    page.wait_for_timeout(300)
    return list(page.evaluate(RANGE, graph))


def test_files_appear_by_themselves_in_the_browser_that_follows_and_not_in_the_pinned_one(
    dashboard: Dashboard, open_page: OpenPage
) -> None:
    follower = open_page(dashboard.url)
    follower.wait_for_selector("#live-empty:has-text('Waiting for the first finished result file')")
    assert str(dashboard.root) in follower.text_content("#live-empty")
    first = dashboard.add(A001)
    wait_name(follower, "A001_silica_multitau")
    assert follower.is_visible("#live-grid")
    wait_points(follower, "live-g2", 5)
    wait_points(follower, "live-intensity")
    assert follower.text_content("#live-intensity-conditions .xd-mark") == "●stable"
    follower.wait_for_selector("#live-detector image")

    pinned = open_page(f"{dashboard.url}?file={first}")
    wait_name(pinned, "A001_silica_multitau")
    dashboard.put(A003)
    wait_name(follower, "A003_silica_diluted")
    dashboard.put(A002)
    wait_name(follower, "A002_gel_aging_both")
    wait_points(follower, "live-g2", 5)
    assert pinned.text_content("#live-head h1") == "A001_silica_multitau"
    assert follower.text_content("#live-g2-conditions").startswith("5 of 5 q")


def test_damaged_file_fails_with_its_reason_while_the_next_one_is_shown(
    dashboard: Dashboard, open_page: OpenPage, tmp_path: Path
) -> None:
    page = open_page(dashboard.url)
    damaged = tmp_path / "damaged_results.hdf"
    damaged.write_bytes(b"this is not HDF5" * 100)
    dashboard.put(damaged)
    dashboard.put(A001)
    wait_name(page, "A001_silica_multitau")
    until(page, "() => document.getElementById('shell-failed').textContent === '1'")
    page.click("#shell-problems-open")
    page.wait_for_selector("#shell-problems-list:has-text('not an HDF5 file')")


def test_zoom_survives_ten_live_updates(dashboard: Dashboard, open_page: OpenPage) -> None:
    dashboard.add(A001, "run000_results.hdf")
    page = open_page(dashboard.url)
    wait_name(page, "run000")
    wait_points(page, "live-g2", 5)
    ranges = zoom(page, "live-g2")
    for k in range(1, 11):
        dashboard.put(A003 if k % 2 else A001, f"run{k:03d}_results.hdf")
        wait_name(page, f"run{k:03d}")
        until(page, "(k) => xd.state.live.counts.ready > k", k)
    wait_points(page, "live-g2", 5)
    page.wait_for_timeout(500)
    assert page.evaluate(RANGE, "live-g2") == pytest.approx(ranges)


def test_numbers_hover_and_q_keys(filled_dashboard: Dashboard, open_page: OpenPage) -> None:
    found = {row["file"]: row["ref"] for row in filled_dashboard.get("/api/files")["files"]}
    page = open_page(f"{filled_dashboard.url}?file={found[A001.name]}")
    wait_name(page, "A001_silica_multitau")
    page.wait_for_selector(".xd-live-number:has-text('contrast')")
    assert page.locator("#live-qbar .xd-qkey").count() == 12
    assert page.locator('#live-qbar .xd-qkey[aria-pressed="true"]').count() == 5

    page.click('#live-qbar [data-q="2"]')
    until(page, "() => (xd.state.view.q || []).includes(2)")
    until(page, "() => document.getElementById('live-g2-conditions').textContent.startsWith('6 of 12 q')")
    assert "q=" in page.url
    page.click('#live-qbar [data-q="auto"]')
    until(page, "() => xd.state.view.q === null")

    spot = page.evaluate(
        """() => { const gd = document.querySelector('#live-detector .js-plotly-plot'), f = gd._fullLayout;
        const b = gd.querySelector('.nsewdrag').getBoundingClientRect();
        return [b.left + f.xaxis.c2p(60), b.top + f.yaxis.c2p(60)]; }"""
    )
    requests: list[str] = []
    page.mouse.move(*spot)
    page.mouse.move(spot[0] + 1, spot[1])
    page.wait_for_timeout(1500)
    page.on("request", lambda asked: requests.append(asked.url))
    page.mouse.move(spot[0] + 3, spot[1])
    page.wait_for_selector("#live-readout[data-filled]")
    until(page, "() => /q .*φ .*dynamic/.test(document.getElementById('live-readout').textContent)")
    for step in range(8):
        page.mouse.move(spot[0] + step, spot[1] + step)
    page.wait_for_timeout(300)
    assert [url for url in requests if "/api/revision" not in url and "intensity.bin" not in url] == []


def test_kiosk_hides_the_controls_and_enlarges_the_type(
    filled_dashboard: Dashboard, open_page: OpenPage
) -> None:
    page = open_page(f"{filled_dashboard.url}?kiosk=1")
    page.wait_for_selector(".xd-live-number")
    assert page.is_hidden("#live-qbar")
    wait_points(page, "live-g2", 5)
    until(page, "() => document.querySelector('#live-g2 .js-plotly-plot')._fullLayout.font.size === 18")
