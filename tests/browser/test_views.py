"""The pages that look at one file, in a browser, with real files."""

import re

import pytest

from tests.conftest import A001, A002, A003, E0173, LLPS_STRONG

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def ids(filled_dashboard):
    """Numbers of the samples in the catalogue."""
    return {row["file"]: row["ref"] for row in filled_dashboard.get("/api/files")["files"]}


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
def test_real_files_fill_every_page(busy_dashboard, open_page, sample, name):
    dashboard = busy_dashboard
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


#: What a graph looks like in colours and pictures, without what a zoom or the size of the window changes.
LOOKS = """(id) => { const gd = document.querySelector(`#${id} .js-plotly-plot`);
    if (!gd || !gd._fullLayout || !gd.data.length) return null;
    const f = gd._fullLayout, colour = (c) => (typeof c === 'string' ? c : c ? 'scale' : null);
    return JSON.stringify([f.font.color, f.xaxis.gridcolor, f.images.map((i) => i.source),
        f.shapes.map((s) => [s.line.color, s.fillcolor]),
        gd._fullData.map((t) => [colour(t.line && t.line.color), colour(t.marker && t.marker.color),
            t.fillcolor, t.error_y && t.error_y.visible && t.error_y.color])]); }"""
RANGES = """(id) => { const f = document.querySelector(`#${id} .js-plotly-plot`)._fullLayout;
    return [...f.xaxis.range, ...f.yaxis.range]; }"""
ZOOM = """(id) => { const gd = document.querySelector(`#${id} .js-plotly-plot`), f = gd._fullLayout;
    const part = (r) => [r[0] + 0.3 * (r[1] - r[0]), r[0] + 0.6 * (r[1] - r[0])];
    const [x, y] = [part(f.xaxis.range), part(f.yaxis.range)];
    return window.Plotly.relayout(gd, {'xaxis.range[0]': x[0], 'xaxis.range[1]': x[1],
        'yaxis.range[0]': y[0], 'yaxis.range[1]': y[1]}); }"""
THEMED = {
    "": (A001, ["live-g2", "live-detector", "live-intensity"]),
    "g2": (A001, ["g2-graph"]),
    "qmap": (A001, ["qmap-graph", "qmap-bins-graph"]),
    "saxs": (A001, ["saxs-graph", "saxs-profile"]),
    "stability": (A001, ["stability-graph", "stability-intensity", "stability-spectrum"]),
    "twotime": (A002, ["twotime-graph", "twotime-slices-graph", "twotime-tau"]),
    "diffusion": (A001, ["diffusion-graph", "diffusion-contrast"]),
    "fit": (A001, ["fit-graph"]),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("path", list(THEMED))
def test_a_change_of_theme_recolours_everything_and_keeps_the_zoom(filled_dashboard, ids, open_page, path):
    name, graphs = THEMED[path]
    page = open_page(f"{filled_dashboard.url}{path}?file={ids[name]}&q=2,4")

    def looks():
        for graph in graphs:
            page.wait_for_function(f"(id) => ({LOOKS})(id) !== null", arg=graph)
        page.wait_for_timeout(1200)  # fits and arrays that come after the first answer
        return [page.evaluate(LOOKS, graph) for graph in graphs]

    dark = looks()
    page.click("#shell-theme-switch")
    page.reload()
    page.wait_for_function("() => document.documentElement.dataset.bsTheme === 'light'")
    light = looks()
    assert all(a != b for a, b in zip(dark, light, strict=True))
    page.evaluate(ZOOM, graphs[0])
    page.wait_for_timeout(800)
    ranges = page.evaluate(RANGES, graphs[0])
    for wanted in (dark, light):
        page.click("#shell-theme-switch")
        for graph, look in zip(graphs, wanted, strict=True):
            page.wait_for_function(
                f"([id, look]) => ({LOOKS})(id) === look", arg=[graph, look], timeout=15_000
            )
        assert page.evaluate(RANGES, graphs[0]) == pytest.approx(ranges)


FOLLOWING = {
    "": "#live-head",
    "g2": "#g2-conditions",
    "qmap": "#qmap-conditions",
    "saxs": "#saxs-profile-conditions",
    "stability": "#stability-conditions",
    "twotime": "#twotime-state",
    "diffusion": "#diffusion-table",
    "average": "#average-conditions",
    "metadata": "#metadata-conditions",
}


@pytest.mark.timeout(240)
def test_every_page_takes_up_the_newest_file(dashboard, open_page, sample):
    dashboard.add(sample(A001))
    pages = {path: open_page(f"{dashboard.url}{path}") for path in FOLLOWING}
    text = "(s) => { const e = document.querySelector('#shell-page'); return e ? e.innerText : ''; }"
    drawn = """() => JSON.stringify([...document.querySelectorAll('#shell-page .js-plotly-plot')]
        .map((gd) => [(gd.layout.images || []).map((i) => i.source),
            (gd._fullData || []).map((t) => t.name)]))"""
    for page in pages.values():
        page.wait_for_function("() => window.xd && xd.state.current && xd.state.current.files.length === 1")
        page.wait_for_timeout(1000)
    before = {path: page.evaluate(text) + page.evaluate(drawn) for path, page in pages.items()}
    newest = dashboard.add(sample(A002))
    for path, page in pages.items():
        page.wait_for_function("(n) => xd.state.current.files[0].ref === n", arg=newest)
        page.wait_for_function(
            f"(before) => ({text})() + ({drawn})() !== before", arg=before[path], timeout=20_000
        )


def test_metadata_and_average_show_content(filled_dashboard, ids, open_page):
    page = open_page(f"{filled_dashboard.url}metadata?file={ids[A001]}")
    page.wait_for_selector("#metadata-grid .ag-row >> text=xpcs")
    page.fill("#metadata-search", "delay_list")
    page.keyboard.press("Enter")
    page.wait_for_selector("#metadata-grid .ag-row >> text=delay_list")
    page = open_page(f"{filled_dashboard.url}average?file={ids[A001]},{ids[A003]}")
    page.wait_for_selector("#average-conditions:has-text('of 2 files taken')")
    wait_traces(page, "average-graph")
    assert page.locator("#average-grid .ag-center-cols-container .ag-row").count() == 2


@pytest.mark.parametrize(
    ("dropped", "path", "words"),
    [
        ("xpcs/multitau", "g2", "no multi-tau"),
        ("xpcs/multitau", "diffusion", "no multi-tau"),
        ("xpcs/multitau", "fit", "no multi-tau"),
        ("xpcs/multitau", "", "no multi-tau"),
        ("xpcs/temporal_mean/scattering_2d", "saxs", "no scattering image"),
        ("xpcs/twotime", "twotime", "no two-time"),
        ("xpcs/spatial_mean", "stability", "no intensity"),
    ],
)
def test_a_file_of_another_kind_says_what_it_lacks(
    busy_dashboard, open_page, sample, tmp_path, dropped, path, words
):
    import shutil

    import h5py

    less = tmp_path / "less_results.hdf"
    shutil.copyfile(sample(A002), less)
    with h5py.File(less, "r+") as h5:
        del h5[dropped]
    number = busy_dashboard.add(less, f"without_{dropped.rpartition('/')[2]}_{path}_results.hdf")
    page = open_page(f"{busy_dashboard.url}{path}?file={number}")
    page.wait_for_function(
        """(words) => document.querySelector('#shell-page').textContent.replace(/\\u00a0/g, ' ')
        .includes(words)""",
        arg=words,
        timeout=20_000,
    )
    assert "could not be made" not in page.inner_text("#shell-page")
