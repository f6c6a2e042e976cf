"""views.js: what is under the cursor, clicks that select bins, regions, and pictures that are fetched early."""

from __future__ import annotations


import numpy as np
import pytest

from xpcs_dash.hdf5.schemas import GeometryMetadata

GEOMETRY = GeometryMetadata.from_metres(
    energy_kev=10, distance_m=2.0, pixel_m=100e-6, bcx=9.5, bcy=4.25, shape=(10, 20)
)
SHAPE = (10, 20)
META = {
    "shape": SHAPE,
    "files": {"static": True, "dynamic": True},
    "intensity": {"kind": "counts", "scale": 0.5},
    "geometry": {
        "bcx": GEOMETRY.bcx,
        "bcy": GEOMETRY.bcy,
        "pixel": GEOMETRY.pix_dim,
        "distance": GEOMETRY.det_dist,
        "k0": 2 * np.pi / GEOMETRY.lambda_,
    },
    "q_unit": "Å⁻¹",
    "dynamic": {"q": [0.0123456, 0.002]},
    "static": None,
}
#: A graph of 400 × 200 px in which a detector pixel is 20 screen pixels wide, the upper left one at (0, 0).
HTML = "".join(
    f"""<div id="{id_}" style="position:absolute;left:{left}px;top:0;width:400px;height:200px"><div class="js-plotly-plot">
<div class="nsewdrag" style="width:400px;height:200px"></div></div></div>"""
    for id_, left in (("qmap-graph", 0), ("saxs-graph", 500))
) + "".join(f'<div id="{id_}-readout" style="position:absolute;top:300px"></div>' for id_ in ("qmap", "saxs"))
READY = """
window.xd = { prefix: () => "/beam", state: { view: { q: null } } };
document.querySelectorAll(".js-plotly-plot").forEach((gd) => {
  const axis = { p2c: (px) => px / 20, c2p: (x) => x * 20 };
  gd._fullLayout = { xaxis: axis, yaxis: axis };
});
"""
DYNAMIC = np.zeros(SHAPE, "<u2")
DYNAMIC[2:5, 3:9] = 1
DYNAMIC[6, 6] = 2
STATIC = DYNAMIC * 5
CODES = np.arange(200, dtype=np.uint16).reshape(SHAPE) * 3


def serve(stage, token="t1", meta=META):
    top = f"/beam/map/run~0a/{token}"
    planes = np.concatenate([(CODES & 255).ravel(), (CODES >> 8).ravel()]).astype(np.uint8)
    stage.answers |= {
        f"{top}/meta.json": meta,
        f"{top}/dynamic.bin": DYNAMIC.tobytes(),
        f"{top}/static.bin": STATIC.tobytes(),
        f"{top}/intensity.bin": planes.tobytes(),
    }
    for name in ("dynamic", "static", "intensity"):
        stage.answers[f"{top}/{name}.bin"] = (stage.answers[f"{top}/{name}.bin"], {})


@pytest.fixture
def views(stage):
    stage.open("views.js", html=HTML, before=READY)
    serve(stage)
    return stage


def attach(views, which="Map", token="t1", **more):
    views.run("([name, source]) => dash_clientside.views[name](source)",
              ["attach" + which, {"ref": "run~0a", "token": token, **more}])  # fmt: skip
    views.page.wait_for_function(
        "(t) => { const d = xd.views.kept.get(t); return d && d.labels; }", arg=token
    )


def point(views, x, y, left=0):
    views.page.mouse.move(left + 20 * x, 20 * y)


def readout(views, id_="qmap-readout"):
    return views.run("(id) => [...document.getElementById(id).children].map((e) => e.textContent)", id_)


def test_the_cursor_reads_a_pixel(views):
    attach(views)
    point(views, 12.3, 2.9)
    views.until("() => /I [^…]/.test(document.getElementById('qmap-readout').textContent)")
    x, y, i, q, phi, dynamic, static = readout(views)
    assert (x, y, i) == (
        "x 12 px",
        "y 3 px",
        f"I {0.5 * CODES[3, 12]:.4g} /px/frame".replace("108 ", "108.0 "),
    )
    assert float(q.split()[1].partition("·")[0]) * 1e-6 == pytest.approx(GEOMETRY.q_at(12, 3), rel=1e-4)
    assert q.endswith("·10⁻⁶ Å⁻¹")
    assert float(phi[2:-1]) == pytest.approx(-np.degrees(np.arctan2(3 - 4.25, 12 - 9.5)), abs=0.01)
    assert (dynamic, static) == ("dynamic masked", "static masked")
    point(views, 4, 3)
    views.until("() => document.getElementById('qmap-readout').textContent.includes('x 4 px')")
    assert readout(views)[-2:] == ["dynamic 1 (0.01235)", "static 5"]


def test_arrays_are_asked_for_once_and_intensities_when_somebody_points(views):
    attach(views)
    paths = [path.rpartition("/")[2] for _, path, _ in views.asked]
    assert sorted(paths) == ["dynamic.bin", "meta.json", "static.bin"]
    point(views, 4, 3)
    point(views, 5, 3)
    views.until("() => xd.views.kept.get('t1').intensity")
    point(views, 6, 3)
    attach(views, "Saxs")
    assert len(views.asked) == 4
    assert views.asked[-1][1].endswith("intensity.bin")


def test_the_two_newest_contents_stay_in_memory(views):
    for token in ("t1", "t2", "t3"):
        serve(views, token)
        attach(views, token=token)
    assert views.run("[...xd.views.kept.keys()]") == ["t2", "t3"]


def test_the_live_page_asks_when_somebody_points(views):
    assert views.run("dash_clientside.views.attachLive({ref: 'run~0a', token: 't1'})") == "t1"
    assert views.run("dash_clientside.views.attachLive(null)") is None
    assert views.run("dash_clientside.views.attachMap(null)") == "nothing"
    assert views.asked == []


@pytest.mark.parametrize(
    ("data", "x", "y", "pixel"),
    [
        ({"meta": {"shape": [2, 3]}}, 1.4, 0.6, {"col": 1, "row": 1}),
        ({"meta": {"shape": [2, 3]}}, -0.6, 0, None),
        ({"meta": {"shape": [2, 3]}}, 2.6, 0, None),
        ({"meta": {"shape": [2, 3]}}, 0, 1.6, None),
        ({"meta": {}}, 0, 0, None),
        (
            {"meta": {"shape": [1, 2], "nested": [0, 7]}, "labels": [0, 1]},
            1,
            0,
            {"col": 1, "row": 0, "static": 1, "dynamic": 7},
        ),
        (
            {
                "meta": {"shape": [1, 1], "intensity": {"kind": "log", "offset": 1.0, "scale": 0.5}},
                "intensity": [0, 0],
            },
            0,
            0,
            {"col": 0, "row": 0, "i": 0},
        ),
        (
            {
                "meta": {"shape": [1, 1], "intensity": {"kind": "log", "offset": 1.0, "scale": 0.5}},
                "intensity": [3, 1],
            },
            0,
            0,
            {"col": 0, "row": 0, "i": np.exp(1 + 258 * 0.5)},
        ),
        (
            {"meta": {"shape": [1, 1], "intensity": {"kind": "counts", "scale": 2}}, "intensity": [3, 1]},
            0,
            0,
            {"col": 0, "row": 0, "i": 518},
        ),
    ],
)
def test_one_pixel(views, data, x, y, pixel):
    assert views.run("([data, x, y]) => xd.views.pixelAt(data, x, y)", [data, x, y]) == pytest.approx(pixel)


def test_q_and_phi_are_those_of_the_geometry(views):
    for x, y in ((0, 0), (19, 9), (9, 0), (3, 7)):
        found = views.run("([data, x, y]) => xd.views.pixelAt(data, x, y)", [{"meta": META}, x, y])
        assert found["q"] == pytest.approx(GEOMETRY.q_at(x, y), rel=1e-12)
        assert found["phi"] == pytest.approx(np.degrees(np.arctan2(GEOMETRY.bcy - y, x - GEOMETRY.bcx)))


def press(views, x, y, *keys):
    for key in keys:
        views.page.keyboard.down(key)
    views.page.mouse.click(20 * x, 20 * y)
    for key in keys:
        views.page.keyboard.up(key)
    return views.last("shell-select")


def test_a_click_selects_a_bin_and_control_adds_or_takes_away(views):
    attach(views)
    assert press(views, 4, 3) == {"data": {"q": [1]}}
    views.run("() => { xd.state.view.q = [3, 1]; }")
    assert press(views, 6, 6, "Control") == {"data": {"q": [1, 2, 3]}}
    assert press(views, 4, 3, "Shift") == {"data": {"q": [3]}}
    views.run("() => { xd.state.view.q = [1]; }")
    assert press(views, 4, 3, "Shift") == {"data": {"q": None}}


def test_a_drag_or_a_click_on_a_masked_pixel_selects_nothing(views):
    attach(views)
    assert press(views, 15, 8) is None
    views.page.mouse.move(80, 60)
    views.page.mouse.down()
    views.page.mouse.move(120, 60)
    views.page.mouse.up()
    assert views.last("shell-select") is None


def drag(views, kind, start, end):
    attach(views, "Saxs", draw=kind)
    views.page.mouse.move(500 + 20 * start[0], 20 * start[1])
    views.page.mouse.down()
    views.page.mouse.move(500 + 20 * end[0], 20 * end[1], steps=3)
    assert views.run("document.querySelector('.xd-region path').getAttribute('d').startsWith('M')")
    views.page.mouse.up()
    assert views.run("document.querySelectorAll('.xd-region').length") == 0
    found = views.last("saxs-region")
    return found and [float(v) for v in found["value"].split(",")]


def test_a_ring_goes_from_radius_to_radius(views):
    assert drag(views, "ring", (9.5, 2.25), (9.5, 8.25)) == [2, 4, -180, 180]


@pytest.mark.parametrize(
    ("start", "end", "angles"),
    [
        ((12.5, 4.25), (9.5, 0.25), [0, 90]),
        ((9.5, 0.25), (12.5, 4.25), [0, 90]),  # the short way round, whichever way the hand goes
        ((5.5, 0.25), (6.5, 7.25), [135, -135]),  # across ±180°
    ],
)
def test_a_sector_goes_the_short_way_round(views, start, end, angles):
    assert drag(views, "sector", start, end)[2:] == angles


def test_a_region_of_less_than_a_pixel_is_none(views):
    assert drag(views, "ring", (12.5, 4.25), (12.6, 4.25)) is None


AXES = ("xaxis.range[0]", "xaxis.range[1]", "yaxis.range[0]", "yaxis.range[1]")


@pytest.mark.parametrize(
    ("event", "before", "kept"),
    [
        (dict(zip(AXES, (1, 2, 3, 4), strict=True)), None, [1, 2, 3, 4]),
        (dict(zip(AXES, (1, 2, 3, 4), strict=True)), [1, 2, 3, 4], "nothing"),
        (dict(zip(AXES[:2], (1, 2), strict=True)), None, "nothing"),
        ({"xaxis.autorange": True}, [1, 2, 3, 4], None),
        ({"yaxis.autorange": True}, None, "nothing"),
        (None, None, "nothing"),
    ],
)
def test_a_zoom_is_kept_once(views, event, before, kept):
    assert (
        views.run("([event, before]) => dash_clientside.views.zoomed(event, before)", [event, before]) == kept
    )


def test_pictures_are_asked_for_when_a_figure_names_them(views):
    picture = lambda name: {"source": f"/beam/img/{name}.png"}  # noqa: E731
    views.run(
        "(response) => xd.fetchPictures(response)",
        {
            "patched": {"figure": {"operations": [
                {"location": ["layout", "images"], "params": {"value": [picture("a"), {"source": "data:image/png;base64,"}]}},
                {"location": ["data"], "params": {"value": [picture("not")]}}]}},
            "whole": {"figure": {"layout": {"images": [picture("b")]}}},
            "shell-page": {"children": {"props": {"figure": {"layout": {"images": [picture("c")]}}}}},
            "none": None,
        },
    )  # fmt: skip
    for _ in range(400):
        if len(views.run("1") and views.pictures) >= 3:
            break
    assert sorted(views.pictures) == [f"/beam/img/{n}.png" for n in "abc"]
