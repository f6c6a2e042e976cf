"""The mask page in a real browser: drawing, moving, undo, reload, a second browser, saving, using."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.analysis.test_regroup import by_hand, write_source
from xpcs_dash.hdf5.partition_file import read_partition
from xpcs_dash.results.opening import open_result
from xpcs_dash.simplemask.files import mask_bytes

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
def page(busy_dashboard, open_page):
    found = open_page(busy_dashboard.url + "mask", width=1600, height=900)
    Pen(found)
    return found


def ref(dashboard, name="A001_silica_multitau_results.hdf"):
    return next(row["ref"] for row in dashboard.get("/api/files")["files"] if row["file"] == name)


@pytest.mark.timeout(600)
def test_draw_move_undo_redo_reload_and_a_second_browser(busy_dashboard, open_page):
    address = f"{busy_dashboard.url}mask?file={ref(busy_dashboard)}"
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
    # the file's mask and five shapes; the list follows the count
    page.wait_for_function("() => document.querySelectorAll('.xd-mask-op').length === 6")

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
def test_zoom_and_tool_survive_drawing_and_little_goes_up(busy_dashboard, open_page):
    page = open_page(f"{busy_dashboard.url}mask?file={ref(busy_dashboard)}")
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
def test_threshold_partition_save_open_and_use(busy_dashboard, open_page, tmp_path):
    dashboard = busy_dashboard
    page = open_page(f"{dashboard.url}mask?file={ref(dashboard)}")
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
    page.goto(f"{dashboard.url}saxs?file={ref(dashboard)}")
    wait_until(
        page,
        """[...document.querySelectorAll('.js-plotly-plot')].some(
            g => (g.data || []).some(t => /with your partition/.test(t.name || '')))""",
    )


@pytest.mark.timeout(600)
def test_a_link_opens_a_copy(busy_dashboard, open_page):
    page = open_page(f"{busy_dashboard.url}mask?file={ref(busy_dashboard)}")
    drawn = Pen(page).draw("r", (40, 30), (70, 60))
    page.click("[data-tab=files]")
    page.click("#mask-link")
    href = page.wait_for_selector("#mask-share").get_attribute("href")
    other = open_page(busy_dashboard.url.rstrip("/") + href)
    pen = Pen(other)
    assert valid(other) == drawn
    pen.draw("r", (150, 30), (170, 60))
    assert valid(page) == drawn  # a copy, not the same


def shapes(page):
    """Geometry of the drawn shapes as the graph has them."""
    return page.evaluate(f"{GRAPH}.layout.shapes.map(s => [s.x0, s.y0, s.x1, s.y1, s.path])")


@pytest.mark.timeout(600)
def test_every_kind_of_shape_is_moved_resized_and_deleted_by_mouse_and_key(busy_dashboard, open_page):
    page = open_page(f"{busy_dashboard.url}mask?file={ref(busy_dashboard)}")
    pen = Pen(page)
    start = valid(page)
    # kind, corners that draw it, a place to take it by, a corner to pull and where to
    kinds = {
        "r": (((40, 30), (70, 60)), (55, 45), (70, 60), (80, 70)),
        # drawn from its centre; a half-axis is √2 times what the hand went
        "e": (((55, 45), (75, 60)), (55, 45), (83, 45), (98, 45)),
        "f": (((40, 30), (70, 30), (70, 60), (40, 60)), (55, 45), (70, 60), (85, 75)),
        "l": (((40, 40), (90, 40)), (65, 40), (90, 40), (110, 40)),
    }
    for key, (corners, grip, corner, target) in kinds.items():
        drawn = pen.draw(key, *corners)
        assert drawn < start, key
        page.keyboard.press("v")
        page.wait_for_timeout(700)
        page.mouse.click(*pen.at(*grip))
        page.wait_for_timeout(200)
        before = shapes(page)
        acted(page, lambda grip=grip: pen.drag(grip, (grip[0] + 40, grip[1] + 20)))
        assert offset(before[0], shapes(page)[0]) == pytest.approx((40, 20), abs=2), key
        count = valid(page)
        places = [(x + 40, y + 20) for x, y in (corner, target)]
        acted(page, lambda places=places: pen.drag(*places))
        larger = valid(page)
        assert larger < count, f"{key}: pulling it outwards masks more"

        page.keyboard.press("x")
        assert wait_count(page, lambda n: n == start) == start
        wait_until(page, f"{GRAPH}.layout.shapes.length === 0")
        page.keyboard.press("Control+z")
        assert wait_count(page, lambda n, larger=larger: n == larger) == larger
        wait_until(page, f"{GRAPH}.layout.shapes.length === 1")
        page.keyboard.press("Control+y")
        wait_count(page, lambda n: n == start)
        wait_until(page, f"{GRAPH}.layout.shapes.length === 0")


def acted(page, gesture):
    """Make a gesture, and wait until its answer has reached the whole page."""
    with page.expect_response(lambda answer: '"mask-action"' in (answer.request.post_data or "")):
        gesture()
    page.wait_for_timeout(1200)


def offset(before, after):
    """How far a shape went, by its first corner."""
    if before[4] is None:
        return after[0] - before[0], after[1] - before[1]
    first, second = (list(map(float, re.findall(r"-?[\d.]+", s[4])[:2])) for s in (before, after))
    return second[0] - first[0], second[1] - first[1]


@pytest.mark.timeout(600)
def test_a_turned_ellipse_that_is_moved_stays_one(busy_dashboard, open_page):
    page = open_page(f"{busy_dashboard.url}mask?file={ref(busy_dashboard)}")
    pen = Pen(page)
    pen.draw("e", (120, 90), (150, 100))
    page.click(".xd-mask-op:has-text('Ellipse 1') summary .xd-mask-name")
    row = page.locator(".xd-mask-op:has-text('Ellipse 1')")
    row.locator("input[name=angle]").fill("30")
    row.locator("button[data-act=edit]").click()
    wait_until(page, f"/^M/.test({GRAPH}.layout.shapes[0].path || '')")
    page.wait_for_timeout(700)
    old = float(row.locator("input[name=cx]").input_value())
    page.keyboard.press("v")
    page.mouse.click(*pen.at(120, 90))
    pen.drag((120, 90), (150, 110))
    page.wait_for_timeout(1500)
    assert float(row.locator("input[name=cx]").input_value()) == pytest.approx(old + 30, abs=2)
    assert float(row.locator("input[name=angle]").input_value()) == 30


@pytest.mark.timeout(600)
def test_an_image_and_a_mask_are_uploaded_and_files_open_by_name(busy_dashboard, open_page, tmp_path):
    dashboard = busy_dashboard
    page = open_page(f"{dashboard.url}mask?file={ref(dashboard)}")
    Pen(page)
    image = np.random.default_rng(3).poisson(4.0, (60, 80)).astype(np.uint8)
    (tmp_path / "frame.tif").write_bytes(mask_bytes(image, "tif"))
    page.click("[data-tab=files]")
    page.set_input_files("#mask-upload input[type=file]", str(tmp_path / "frame.tif"))
    wait_count(page, lambda n: n == 4800)
    assert "frame.tif · 60 × 80 px" in page.inner_text("#mask-conditions")

    mask = np.ones((60, 80), np.uint8)
    mask[:10] = 0
    (tmp_path / "half.tif").write_bytes(mask_bytes(mask, "tif"))
    page.click("[data-tab=steps]")
    page.set_input_files("#mask-import input[type=file]", str(tmp_path / "half.tif"))
    wait_count(page, lambda n: n == 4000)
    assert page.locator(".xd-mask-op:has-text('half.tif')").count() == 1

    # something that is no image says so, by its own name, and the picture stays
    (tmp_path / "notes.tif").write_text("not an image")
    page.click("[data-tab=files]")
    page.set_input_files("#mask-upload input[type=file]", str(tmp_path / "notes.tif"))
    page.wait_for_selector("text=/notes.tif: it begins like none of the images that can be read/")
    assert valid(page) == 4000

    # by name: inside the watched directory only
    (dashboard.root / "raw").mkdir(exist_ok=True)
    (dashboard.root / "raw" / "image.tif").write_bytes(mask_bytes(image[:50], "tif"))
    outside = tmp_path / "outside.tif"
    outside.write_bytes(mask_bytes(image, "tif"))
    for name in (str(outside), "../outside.tif", "raw/nothing.tif"):
        page.fill("#mask-path", name)
        page.click("#mask-open-path")
        # long names are cut in sentences
        page.wait_for_selector(f"text=/{re.escape(name[:30])}.*: no file of this name here/")
        assert valid(page) == 4000
    page.fill("#mask-path", "raw/image.tif")
    page.click("#mask-open-path")
    wait_count(page, lambda n: n == 4000 - 0 and "image.tif" in page.inner_text("#mask-conditions"))
    assert "image.tif · 50 × 80 px" in page.inner_text("#mask-conditions")


def rings_image(centre, spacing, shape=(240, 260)):
    """Rings of silver behenate as counts, with their centre (x, y)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    r = np.hypot(x - centre[0], y - centre[1])
    clean = 5 + sum(120 / k * np.exp(-0.5 * ((r - k * spacing) / 1.6) ** 2) for k in range(1, 5))
    return np.minimum(np.random.default_rng(5).poisson(clean), 255).astype(np.uint8)


@pytest.mark.timeout(600)
def test_centre_and_calibration_buttons(busy_dashboard, open_page, tmp_path):
    page = open_page(f"{busy_dashboard.url}mask?file={ref(busy_dashboard)}")
    Pen(page)
    # 12 keV, 75 um pixels: the rings of 58.380 angstrom lie 26 px apart at this distance
    wavelength, spacing, centre = 12.398419843 / 12, 26.0, (131.3, 118.6)
    two_theta = 2 * np.arcsin(wavelength / (2 * 58.380))
    distance = spacing * 75e-6 / np.tan(two_theta)
    (tmp_path / "behenate.tif").write_bytes(mask_bytes(rings_image(centre, spacing), "tif"))
    page.click("[data-tab=files]")
    page.set_input_files("#mask-upload input[type=file]", str(tmp_path / "behenate.tif"))
    wait_count(page, lambda n: n == 240 * 260)
    page.click("[data-tab=geometry]")
    numbers = {"energy_kev": 12, "distance_m": 1.03 * distance, "pixel_m": 75, "bcx": 129, "bcy": 121}
    for name, value in numbers.items():
        page.fill(f"#mask-geometry input[name={name}]", f"{value:.5g}")
    page.click("#mask-geometry button[data-act=geometry]")
    page.wait_for_selector("#mask-geometry >> text=typed in")

    def form(name):
        return float(page.locator(f"#mask-geometry input[name={name}]").input_value())

    for button, tolerance in (
        ("mask-centre-symmetry", 1.0),
        ("mask-centre-rings", 1.0),
        ("mask-calibrate", 0.3),
    ):
        page.evaluate("document.getElementById('mask-found').textContent = ''")
        page.click(f"#{button}")
        wait_until(page, "/^Found x .* ± /.test(document.getElementById('mask-found').textContent)")
        page.wait_for_timeout(500)
        assert (form("bcx"), form("bcy")) == pytest.approx(centre, abs=tolerance), button
    assert form("distance_m") == pytest.approx(distance, rel=3e-3)
    assert "silver behenate" in page.inner_text("#mask-geometry")


@pytest.mark.timeout(600)
def test_comparing_with_another_partition(busy_dashboard, open_page, tmp_path):
    dashboard = busy_dashboard
    page = open_page(f"{dashboard.url}mask?file={ref(dashboard)}")
    pen = Pen(page)
    page.click("[data-tab=files]")
    with page.expect_download() as waiting:
        page.click("#mask-get-partition")
    saved = tmp_path / "mine_qmap.hdf"
    shutil.copyfile(waiting.value.path(), saved)
    page.set_input_files("#mask-compare-file input[type=file]", str(saved))
    page.wait_for_selector("#mask-compared-said >> text=The mask is the same as that of mine_qmap.hdf")
    page.wait_for_selector("#mask-compared-said >> text=every pixel valid in both has the same label")
    before = valid(page)
    drawn = pen.draw("r", (150, 100), (170, 120))
    page.wait_for_selector(f"#mask-compared-said >> text={before - drawn:,} pixels of the mask differ")
    page.click("#mask-compare-what >> text=Dynamic bins")
    page.wait_for_selector("#mask-compared-said >> text=Orange on the image: where the dynamic bins differ")
    wait_until(page, "[...document.querySelectorAll('#mask-graph image')].some("
                     "i => /difference.png.*what=dynamic/.test(i.href.baseVal))")  # fmt: skip
    page.click("#mask-compare-stop")
    wait_until(page, "![...document.querySelectorAll('#mask-graph image')].some("
                     "i => /difference.png/.test(i.href.baseVal))")  # fmt: skip


@pytest.mark.timeout(600)
def test_g2_of_new_bins_from_the_pixels_of_a_file(busy_dashboard, open_page, tmp_path):
    dashboard = busy_dashboard
    source = tmp_path / "pixels_results.hdf"
    planes, _ = write_source(source)
    number = dashboard.add(source)
    page = open_page(f"{dashboard.url}mask?file={number}")
    Pen(page)
    page.click("[data-tab=partition]")
    page.fill("#mask-partition input[name=dynamic0]", "3")
    page.fill("#mask-partition input[name=static0]", "9")
    page.click("#mask-partition button[data-act=partition]")
    page.wait_for_selector("#mask-checks >> text=3 dynamic and 9 static bins")
    page.wait_for_selector("#mask-regroup-note >> text=holds the per-pixel G2 of 5 delays")
    page.click("#mask-regroup")
    page.wait_for_selector("#mask-regroup-state >> text=g2 of 3 bins at 5 delays", timeout=90_000)
    page.wait_for_selector("#mask-regroup-graph .scatterlayer .trace")
    with page.expect_download() as waiting:
        page.click("#mask-regroup-state a")
    out = tmp_path / waiting.value.suggested_filename
    shutil.copyfile(waiting.value.path(), out)
    found = open_result(out)
    record = read_partition(next((dashboard.state / "made" / "regrouped").glob("*_qmap.hdf")))
    g2, err = by_hand(planes, record)
    np.testing.assert_allclose(found.g2, g2, rtol=2e-6)
    np.testing.assert_allclose(found.g2_err, err, rtol=2e-5)

    # a file without them says so
    page.goto(f"{dashboard.url}mask?file={ref(dashboard)}")
    page.click("[data-tab=files]")
    page.click("#mask-open-current")
    wait_until(page, "/A001/.test(document.getElementById('mask-conditions').textContent)")
    page.click("[data-tab=partition]")
    page.wait_for_selector("#mask-regroup-note >> text=processed without the per-pixel G2")
    assert page.locator("#mask-regroup").is_disabled()
