"""The pages that look at one file, in a browser, with real files."""

import re

import pytest

from tests.conftest import A001, A002, A003, E0173, LLPS_STRONG

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def ids(filled_dashboard):
    """Numbers of the samples in the catalogue."""
    return {row["file"]: row["id"] for row in filled_dashboard.get("/api/files")["files"]}


def traces(page, graph):
    """Traces that hold points, of a graph."""
    return page.evaluate(
        """(id) => { const gd = document.querySelector(`#${id} .js-plotly-plot`);
        return gd ? gd._fullData.filter(t => t._length > 1 || (t.x && t.x.length > 1)).length : 0; }""",
        graph,
    )


def wait_traces(page, graph, at_least=1):
    page.wait_for_function(
        """([id, n]) => { const gd = document.querySelector(`#${id} .js-plotly-plot`);
        return gd && gd._fullData && gd._fullData.filter(t => t.x && t.x.length > 1).length >= n; }""",
        arg=[graph, at_least],
    )


def wait_image(page, graph, at_least=1):
    """Wait for so many pictures, and return the size and the number of colours of the first."""
    page.wait_for_function(
        "([id, n]) => document.querySelectorAll(`#${id} .imagelayer image, #${id} image`).length >= n",
        arg=[graph, at_least],
    )
    return page.evaluate(
        """async (id) => { const all = document.querySelectorAll(`#${id} image`), el = all[0];
        const img = new Image(); img.src = el.getAttribute('href') || el.getAttribute('xlink:href');
        await img.decode();
        const c = document.createElement('canvas'); c.width = img.width; c.height = img.height;
        const g = c.getContext('2d'); g.drawImage(img, 0, 0);
        const d = new Uint32Array(g.getImageData(0, 0, c.width, c.height).data.buffer);
        return { width: img.width, height: img.height, colours: new Set(d).size }; }""",
        graph,
    )


def pixel(page, graph, x, y):
    """Screen position of detector pixel (x, y)."""
    return page.evaluate(
        """([id, x, y]) => { const gd = document.querySelector(`#${id} .js-plotly-plot`), f = gd._fullLayout;
        const b = gd.querySelector('.nsewdrag').getBoundingClientRect();
        return [b.left + f.xaxis.c2p(x), b.top + f.yaxis.c2p(y)]; }""",
        [graph, x, y],
    )


def test_every_page_shows_content(filled_dashboard, ids, open_page):
    url, both = filled_dashboard.url, ids[A002]
    page = open_page(f"{url}qmap?file={ids[A001]}")
    shown = wait_image(page, "qmap-graph")
    assert (shown["width"], shown["height"]) == (256, 192)
    assert shown["colours"] > 10
    wait_traces(page, "qmap-bins-graph")

    page = open_page(f"{url}saxs?file={ids[A001]}")
    assert wait_image(page, "saxs-graph")["colours"] > 50
    wait_traces(page, "saxs-profile")

    page = open_page(f"{url}stability?file={ids[A001]}")
    wait_traces(page, "stability-graph", 15)
    wait_traces(page, "stability-intensity")
    wait_traces(page, "stability-spectrum")
    page.wait_for_selector("#stability-verdict:has-text('stable')")

    page = open_page(f"{url}twotime?file={both}&q=5")
    shown = wait_image(page, "twotime-graph")
    assert (shown["width"], shown["height"]) == (400, 400)
    wait_traces(page, "twotime-slices-graph", 8)
    wait_traces(page, "twotime-tau")
    page.wait_for_selector("#twotime-diagonals-conditions:has-text('agrees')")

    page = open_page(f"{url}diffusion?file={ids[A001]},{ids[A003]}")
    wait_traces(page, "diffusion-graph", 4)
    page.wait_for_selector("#diffusion-law:has-text('Å²/s')")


def test_what_is_missing_is_said(filled_dashboard, ids, open_page):
    page = open_page(f"{filled_dashboard.url}twotime?file={ids[A001]}")
    page.wait_for_selector("#twotime-state:has-text('no two-time correlation')")
    assert not page.locator("#twotime-graph").is_visible()
    page = open_page(f"{filled_dashboard.url}stability?file={ids[A002]}")
    page.wait_for_selector("#stability-partials:has-text('no partial')")


def test_the_cursor_reads_the_pixel_without_asking_the_server(filled_dashboard, ids, open_page):
    page = open_page(f"{filled_dashboard.url}qmap?file={ids[A001]}")
    wait_image(page, "qmap-graph")
    page.wait_for_function("() => window.xd.views.kept.size > 0")
    page.mouse.move(*pixel(page, "qmap-graph", 180, 60))
    page.wait_for_selector("#qmap-readout:has-text('y 60 px') >> text=I")
    page.wait_for_function("() => !document.querySelector('#qmap-readout').textContent.includes('I …')")
    asked = []
    page.on("request", lambda r: asked.append(r.url) if "/api/revision" not in r.url else None)
    page.mouse.move(*pixel(page, "qmap-graph", 150, 90))
    page.wait_for_selector("#qmap-readout:has-text('x 150 px')")
    text = page.inner_text("#qmap-readout")
    assert asked == []
    from xpcs_dash import open_result

    xf = open_result(filled_dashboard.root / A001)
    q = float(xf.geometry.q_at(150, 90))
    found = re.search(r"q ([0-9.]+)·10⁻³", text)
    assert float(found.group(1)) == pytest.approx(q * 1e3, rel=1e-4)
    assert f"dynamic {xf.dqmap[90, 150]} " in text
    assert f"static {xf.sqmap[90, 150]} " in text


def test_a_click_on_a_bin_selects_it_on_every_page(filled_dashboard, ids, open_page):
    page = open_page(f"{filled_dashboard.url}qmap?file={ids[A002]}")
    wait_image(page, "qmap-graph")
    page.wait_for_function("() => [...window.xd.views.kept.values()].some(d => d.labels)")
    page.mouse.click(*pixel(page, "qmap-graph", 120, 80))
    page.wait_for_url(re.compile(r"[?&]q=\d+"))
    label = int(re.search(r"[?&]q=(\d+)", page.url).group(1))
    from xpcs_dash import open_result

    assert label == open_result(filled_dashboard.root / A002).dqmap[80, 120]
    wait_image(page, "qmap-graph", 2)
    page.click("a[href*='/twotime']")
    page.wait_for_selector(f"#twotime-conditions:has-text('bin {label},')")


def test_a_ring_drawn_on_the_image_gives_i_of_phi(filled_dashboard, ids, open_page):
    page = open_page(f"{filled_dashboard.url}saxs?file={ids[A001]}")
    wait_image(page, "saxs-graph")
    page.wait_for_function("() => window.xd.views.kept.size > 0")
    page.click("#saxs-draw label:has-text('ring')")
    page.wait_for_function("() => window.xd.views.sources['saxs-graph'].draw === 'ring'")
    page.mouse.move(*pixel(page, "saxs-graph", 150, 96))
    page.mouse.down()
    page.mouse.move(*pixel(page, "saxs-graph", 190, 96), steps=5)
    page.mouse.up()
    wait_traces(page, "saxs-ring")
    page.wait_for_function("() => /[?&]region=/.test(location.search)")
    assert page.evaluate("document.querySelectorAll('.xd-region').length") == 0
    wait_traces(page, "saxs-profile", 2)


def test_a_zoom_into_c2_stays_and_an_update_does_not_move_it(filled_dashboard, ids, open_page):
    page = open_page(f"{filled_dashboard.url}twotime?file={ids[A002]}&q=5")
    wait_image(page, "twotime-graph")
    page.evaluate(
        """() => window.Plotly.relayout(document.querySelector('#twotime-graph .js-plotly-plot'),
        {'xaxis.range[0]': 1, 'xaxis.range[1]': 2, 'yaxis.range[0]': 1, 'yaxis.range[1]': 2})"""
    )
    page.select_option("#twotime-cmap", "inferno")
    page.wait_for_function(
        "() => document.querySelector('#twotime-graph image').outerHTML.includes('inferno')"
    )
    ranges = page.evaluate("document.querySelector('#twotime-graph .js-plotly-plot')._fullLayout.xaxis.range")
    assert ranges == pytest.approx([1, 2], abs=0.3)


def test_the_pages_follow_the_newest_file(dashboard, open_page, sample):
    dashboard.add(sample(A001))
    page = open_page(f"{dashboard.url}qmap?file=latest")
    assert wait_image(page, "qmap-graph")["width"] == 256
    dashboard.add(sample(A002))
    page.wait_for_function(
        "() => document.querySelector('#qmap-conditions').textContent.includes('160 × 160')", timeout=30_000
    )
    assert wait_image(page, "qmap-graph")["width"] == 160


@pytest.mark.parametrize("name", [E0173, LLPS_STRONG])
def test_real_files_fill_every_page(dashboard, open_page, sample, name):
    number = dashboard.add(sample(name), timeout=90)
    page = open_page(f"{dashboard.url}qmap?file={number}")
    assert wait_image(page, "qmap-graph")["colours"] > 20
    page.wait_for_selector('#qmap-facts:has-text("q-map\'s geometry is used")')
    page.goto(f"{dashboard.url}saxs?file={number}")
    assert wait_image(page, "saxs-graph")["colours"] > 50
    wait_traces(page, "saxs-profile")
    page.goto(f"{dashboard.url}stability?file={number}")
    wait_traces(page, "stability-graph", 12)
    page.goto(f"{dashboard.url}diffusion?file={number}")
    wait_traces(page, "diffusion-graph")
