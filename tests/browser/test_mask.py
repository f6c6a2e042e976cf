"""The mask page in a real browser: drawing, moving, undo, reload, a second browser, saving, using."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from xpcs_dash.hdf5.partition_file import read_partition

pytestmark = [pytest.mark.browser, pytest.mark.slow]

GRAPH = "document.querySelector('#mask-graph .js-plotly-plot')"


def valid(page):
    return int(re.sub(r"\D", "", page.inner_text("#mask-count").split(" of ")[0]) or -1)


def wait_count(page, condition):
    """Valid pixels once they fulfil a condition."""
    for _ in range(400):
        found = valid(page)
        if condition(found):
            return found
        page.wait_for_timeout(50)
    raise AssertionError(f"the count stayed at {valid(page)}")


def wait_until(page, expression):
    """Wait until an expression holds; polled from here, since the page allows no evaluation of strings."""
    for _ in range(600):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"it did not come true: {expression}")


class Pen:
    """Draws in detector pixels."""

    def __init__(self, page):
        self.page = page
        page.wait_for_selector("#mask-graph .nsewdrag")
        wait_until(page, f"{GRAPH}._xdMask === true")
        wait_count(page, lambda n: n > 0)

    def at(self, x, y):
        return self.page.evaluate(
            """([x, y]) => {
            const gd = document.querySelector('#mask-graph .js-plotly-plot'), f = gd._fullLayout;
            const b = gd.querySelector('.nsewdrag').getBoundingClientRect();
            return [b.left + f.xaxis.c2p(x), b.top + f.yaxis.c2p(y)]; }""",
            [x, y],
        )

    def drag(self, *corners):
        mouse = self.page.mouse
        mouse.move(*self.at(*corners[0]))
        mouse.down()
        for corner in corners[1:]:
            mouse.move(*self.at(*corner), steps=4)
        mouse.up()

    def draw(self, key, *corners):
        before = valid(self.page)
        self.page.keyboard.press(key)
        self.drag(*corners)
        return wait_count(self.page, lambda n: n != before)


@pytest.fixture
def page(filled_dashboard, open_page):
    found = open_page(filled_dashboard.url + "mask", width=1600, height=900)
    Pen(found)
    return found


def file_id(dashboard, name="A001_silica_multitau_results.hdf"):
    return next(row["id"] for row in dashboard.get("/api/files")["files"] if row["file"] == name)


@pytest.mark.timeout(600)
def test_draw_move_undo_redo_reload_and_a_second_browser(filled_dashboard, open_page):
    address = f"{filled_dashboard.url}mask?file={file_id(filled_dashboard)}"
    page = open_page(address)
    pen = Pen(page)
    start = valid(page)
    drawn = pen.draw("r", (40, 30), (70, 60))
    assert drawn < start

    # move it by its fill: the mask goes with it
    page.keyboard.press("v")
    page.mouse.click(*pen.at(55, 45))
    pen.drag((55, 45), (75, 45))
    moved = page.evaluate("document.querySelector('#mask-graph .js-plotly-plot').layout.shapes[0].x0")
    assert moved == pytest.approx(60, abs=3)
    page.wait_for_timeout(600)

    # the numbers of the step are those of the moved shape
    page.click(".xd-mask-op:has-text('Rectangle 1') summary .xd-mask-name")
    field = page.locator(".xd-mask-op:has-text('Rectangle 1') input[name=x0]")
    assert float(field.input_value()) == pytest.approx(moved, abs=0.1)
    field.fill("50")
    before = valid(page)
    page.click(".xd-mask-op:has-text('Rectangle 1') button[data-act=edit]")
    wait_count(page, lambda n: n != before)

    counts = [valid(page)]
    counts.append(pen.draw("e", (180, 50), (200, 80)))
    counts.append(pen.draw("f", (30, 120), (60, 120), (60, 150), (30, 150)))
    counts.append(pen.draw("l", (150, 150), (220, 170)))
    assert counts == sorted(counts, reverse=True)
    before = valid(page)
    page.keyboard.press("p")
    for corner in ((100, 150), (130, 150), (115, 180)):
        page.mouse.click(*pen.at(*corner))
    page.keyboard.press("Enter")
    last = wait_count(page, lambda n: n != before)
    assert page.locator(".xd-mask-op").count() == 6  # the file's mask and five shapes

    page.keyboard.press("Control+z")
    assert wait_count(page, lambda n: n == before)
    page.keyboard.press("Control+y")
    wait_count(page, lambda n: n == last)
    page.click("#mask-undo")
    wait_count(page, lambda n: n == before)
    page.click("#mask-redo")
    wait_count(page, lambda n: n == last)

    # another browser has a draft of its own
    other = open_page(address)
    Pen(other)
    assert valid(other) == start

    page.reload()
    pen = Pen(page)
    assert valid(page) == last
    assert page.evaluate("document.querySelector('#mask-graph .js-plotly-plot').layout.shapes.length") == 5

    # deleting in the list takes the shape off the image
    page.click(".xd-mask-op:has-text('Ellipse 1') button[data-act=delete]")
    wait_count(page, lambda n: n > last)
    wait_until(page, "document.querySelector('#mask-graph .js-plotly-plot').layout.shapes.length === 4")


@pytest.mark.timeout(600)
def test_zoom_and_tool_survive_drawing_and_little_goes_up(filled_dashboard, open_page):
    page = open_page(f"{filled_dashboard.url}mask?file={file_id(filled_dashboard)}")
    pen = Pen(page)
    page.keyboard.press("v")
    pen.drag((50, 40), (200, 150))
    page.wait_for_timeout(500)
    ranges = f"JSON.stringify([{GRAPH}._fullLayout.xaxis.range, {GRAPH}._fullLayout.yaxis.range])"
    zoomed = page.evaluate(ranges)
    sizes = []
    page.on(
        "request",
        lambda r: sizes.append(len(r.post_data or "")) if "mask-action" in (r.post_data or "") else None,
    )
    pen.draw("r", (100, 60), (130, 90))
    # a long freehand path is thinned before it goes up
    steps = [(100 + (i % 60), 100 + (i * 7) % 40) for i in range(120)]
    pen.draw("f", *steps)
    page.wait_for_timeout(500)
    assert page.evaluate(ranges) == zoomed
    assert (
        page.evaluate("document.querySelector('#mask-graph .js-plotly-plot')._fullLayout.dragmode")
        == "drawclosedpath"
    )
    assert sizes
    assert max(sizes) <= 3000


@pytest.mark.timeout(600)
def test_threshold_partition_save_open_and_use(filled_dashboard, open_page, tmp_path):
    dashboard = filled_dashboard
    page = open_page(f"{dashboard.url}mask?file={file_id(dashboard)}")
    pen = Pen(page)
    start = valid(page)
    page.click(".xd-mask-fold:has-text('Threshold') summary")
    page.fill("[data-form=threshold] input[name=high]", "3")
    page.click("[data-form=threshold] button[data-act=add]")
    cut = wait_count(page, lambda n: 0 < n < start)
    pen.draw("r", (150, 100), (220, 160))

    page.click("[data-tab=partition]")
    page.fill("#mask-partition input[name=dynamic0]", "6")
    page.fill("#mask-partition input[name=static0]", "36")
    page.click("#mask-partition button[data-act=partition]")
    page.wait_for_selector("#mask-checks >> text=6 dynamic and 36 static bins")
    assert cut > 0

    page.click("[data-tab=files]")
    page.fill("#mask-name", "first try")
    page.click("#mask-save")
    page.wait_for_selector(".xd-mask-version:has-text('first try')")
    with page.expect_download() as waiting:
        page.click("#mask-get-partition")
    saved = Path(tmp_path / "saved_qmap.hdf")
    shutil.copyfile(waiting.value.path(), saved)
    record = read_partition(saved)
    assert (record.dynamic.n, record.static.n) == (6, 36)
    assert int(record.mask.sum()) == valid(page)

    # the saved file, once it lies in the watched directory, opens on the q-map page
    number = dashboard.add(saved)
    qmap = open_page(f"{dashboard.url}qmap?file={number}")
    qmap.wait_for_selector("#qmap-facts >> text=6 × 1")

    page.click("#mask-use")
    page.wait_for_selector("text=In use")
    page.goto(f"{dashboard.url}saxs?file={file_id(dashboard)}")
    wait_until(
        page,
        """[...document.querySelectorAll('.js-plotly-plot')].some(
            g => (g.data || []).some(t => /with your partition/.test(t.name || '')))""",
    )


@pytest.mark.timeout(600)
def test_a_link_opens_a_copy(filled_dashboard, open_page):
    page = open_page(f"{filled_dashboard.url}mask?file={file_id(filled_dashboard)}")
    drawn = Pen(page).draw("r", (40, 30), (70, 60))
    page.click("[data-tab=files]")
    page.click("#mask-link")
    href = page.wait_for_selector("#mask-share").get_attribute("href")
    other = open_page(filled_dashboard.url.rstrip("/") + href)
    pen = Pen(other)
    assert valid(other) == drawn
    pen.draw("r", (150, 30), (170, 60))
    assert valid(page) == drawn  # a copy, not the same
