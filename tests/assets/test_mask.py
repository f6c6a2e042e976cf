"""mask.js: drawn shapes become events, forms become actions, and the cursor reads without the server."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest

from xpcs_dash.hdf5.schemas import GeometryMetadata
from xpcs_dash.simplemask.geometry import Setting
from xpcs_dash.simplemask.qmap import compute_maps

SHAPE = (10, 20)
GEOMETRY = GeometryMetadata.from_metres(
    energy_kev=10, distance_m=0.5, pixel_m=1e-3, bcx=8.5, bcy=4.25, shape=SHAPE
)
#: A graph of 400 × 200 px in which a detector pixel is 20 screen pixels wide, the upper left one at (0, 0).
HTML = """<div class="xd-mask">
<div id="mask-graph" style="position:absolute;left:0;top:0;width:400px;height:200px"><div class="js-plotly-plot">
  <div class="nsewdrag" style="width:400px;height:200px"></div><svg><image xlink:href="/beam/img/overlay.png?r=1"/></svg></div></div>
<div style="position:absolute;top:250px">
<p id="mask-readout"></p><input id="mask-width" value="7">
<div id="mask-mode"><input type="radio" name="m" value="out" checked><input type="radio" name="m" value="in"></div>
<button id="mask-undo">undo</button><button id="mask-redo">redo</button><button id="mask-clear">clear</button><button id="mask-polygon">polygon</button>
<a data-tab="steps" aria-selected="true">steps</a><a data-tab="partition">partition</a>
<div data-pane="steps" class="xd-mask-shown"></div><div data-pane="partition"></div><p id="mask-compared-said"></p>
<div class="xd-mask-op" data-op="s1"><input name="rename" value="new name"><div class="xd-mask-form">
  <input name="x0" value="4"><input type="checkbox" name="on" checked><input type="radio" name="side" value="l"><input type="radio" name="side" value="r" checked>
  <button data-act="edit">apply</button></div><button data-act="move" data-value="-1">up</button><button data-act="delete">delete</button></div>
<div class="xd-mask-form" data-form="threshold"><input name="high" value="3"><textarea name="note"></textarea><button data-act="add" data-kind="threshold">add</button></div>
</div></div>"""
READY = """
window.xd = { prefix: () => "/beam" };
window.gd = document.querySelector(".js-plotly-plot");
const axis = { p2c: (px) => px / 20, c2p: (x) => x * 20 };
gd._fullLayout = { xaxis: axis, yaxis: axis, dragmode: "zoom" };
gd.layout = { shapes: [{ name: "s1", type: "rect", x0: 1, y0: 2, x1: 3, y1: 4, fillcolor: "red" }] };
window.hooks = {};
gd.on = (name, fn) => { hooks[name] = fn; };
window.Plotly = { relayout: (graph, change) => Object.assign(graph._fullLayout, change) };
"""
STATE = {"src": "i1", "rev": 3, "geometry": True}


@pytest.fixture
def mask(stage):
    stage.open("mask.js", html=HTML, before=READY)
    serve(stage, None)
    stage.run("(state) => dash_clientside.mask.attach(state)", STATE)
    return stage


def action(mask):
    """The newest action without its number."""
    found = mask.last("mask-action")
    return found and {key: value for key, value in found["data"].items() if key != "n"}


def relayout(mask, event):
    mask.run("(event) => hooks.plotly_relayout(event)", event)
    return action(mask)


def click(mask, selector):
    mask.run("(s) => document.querySelector(s).click()", selector)
    return action(mask)


# ---- what Plotly says about shapes

OLD = {"name": "s1", "type": "rect", "x0": 1, "y0": 2, "x1": 3, "y1": 4, "fillcolor": "red"}


def test_a_new_shape_goes_up_bare_and_known_ones_by_name(mask):
    new = {"type": "circle", "x0": 1.23456, "y0": 2, "x1": 5, "y1": 6, "line": {"color": "red"}, "path": None}
    assert relayout(mask, {"shapes": [OLD, new]}) == {
        "act": "draw",
        "event": {"shapes": [{"name": "s1"}, {"type": "circle", "x0": 1.235, "y0": 2, "x1": 5, "y1": 6}]},
        "mode": "out",
        "width": 7,
    }


def test_a_shape_that_was_moved_goes_up_with_its_numbers(mask):
    moved = {**OLD, "x0": 9}
    assert relayout(mask, {"shapes": [moved]})["event"]["shapes"] == [
        {"name": "s1", "type": "rect", "x0": 9, "y0": 2, "x1": 3, "y1": 4}
    ]
    changed = relayout(mask, {"shapes[0].x0": 1.98765, "shapes[0].fillcolor": "blue", "xaxis.range[0]": 3})
    assert changed["event"] == {"shapes[0].x0": 1.988, "names": {"0": "s1"}}


def test_a_copy_of_a_shape_is_a_new_one(mask):
    event = relayout(mask, {"shapes": [OLD, {**OLD, "x0": 9}]})["event"]
    assert event["shapes"] == [{"name": "s1"}, {"type": "rect", "x0": 9, "y0": 2, "x1": 3, "y1": 4}]


@pytest.mark.parametrize("event", [{"shapes": [OLD]}, {"xaxis.range[0]": 3}, {"shapes[0].opacity": 1}, None])
def test_our_own_repaint_and_a_zoom_send_nothing(mask, event):
    assert relayout(mask, event) is None


def test_every_action_has_a_number_of_its_own(mask):
    for _ in range(3):
        click(mask, "#mask-undo")
    numbers = [props["data"]["n"] for name, props in mask.props if name == "mask-action"]
    assert len(set(numbers)) == 3
    assert numbers == sorted(numbers)


# ---- paths


def corners(path):
    return np.array([float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", path)]).reshape(-1, 2)


def went_up(mask, path):
    return relayout(mask, {"shapes": [OLD, {"type": "path", "path": path}]})["event"]["shapes"][1]["path"]


@pytest.mark.parametrize("path", ["M1.23456,2L3,4Z", "M0,0" + "Q1,1 2,2" * 80])
def test_short_paths_and_curves_go_up_as_they_are(mask, path):
    assert went_up(mask, path) == path


def test_a_long_path_keeps_its_corners_at_two_decimals(mask):
    circle = [(50 + 30 * math.cos(t), 40 + 30 * math.sin(t)) for t in np.linspace(0, 6, 40)]
    short = went_up(mask, "M" + "L".join(f"{x:.9f},{y:.9f}" for x, y in circle) + "Z")
    assert short.endswith("Z")
    np.testing.assert_allclose(corners(short), circle, atol=0.006)
    assert "Z" not in went_up(mask, "M" + "L".join(f"{x:.9f},{y:.9f}" for x, y in circle))


def test_a_path_that_is_too_long_is_thinned_and_stays_where_it_was(mask):
    t = np.linspace(0, 6.28, 3000)
    wave = np.column_stack([500 + (300 + 20 * np.sin(9 * t)) * np.cos(t), 500 + 300 * np.sin(t)])
    short = went_up(mask, "M" + "L".join(f"{x:.6e},{y:.6e}" for x, y in wave) + "Z")
    kept = corners(short)
    assert len(short) <= 2400
    assert len(kept) > 60
    np.testing.assert_allclose(kept[[0, -1]], wave[[0, -1]], atol=0.006)
    # no point of what was drawn is farther than two pixels from what went up
    start, end = kept, np.roll(kept, -1, axis=0)
    along = np.clip(
        np.sum((wave[:, None] - start) * (end - start), -1)
        / np.maximum(np.sum((end - start) ** 2, -1), 1e-12),
        0,
        1,
    )
    off = np.linalg.norm(wave[:, None] - start - along[..., None] * (end - start), axis=-1).min(axis=1)
    assert off.max() < 2


# ---- the cursor


def serve(mask, geometry, intensity=None):
    codes = np.arange(200, dtype=np.uint16).reshape(SHAPE) * 3
    planes = np.concatenate([(codes & 255).ravel(), (codes >> 8).ravel()]).astype(np.uint8)
    wide = np.zeros(SHAPE, "<u4")
    wide[3, 4] = 70_000
    narrow = np.zeros(SHAPE, "<u2")
    narrow[3, 4] = 300
    top = "/beam/mask-data"
    mask.answers |= {
        f"{top}/meta.json": {
            "shape": SHAPE,
            "intensity": intensity or {"kind": "counts", "scale": 0.5},
            "geometry": geometry,
        },
        f"{top}/intensity.bin": (planes.tobytes(), {"X-Array": "|u1"}),
        f"{top}/dynamic.bin": (narrow.tobytes(), {"X-Array": "<u2"}),
        f"{top}/static.bin": (wide.tobytes(), {"X-Array": "<u4"}),
    }


def read(mask, x, y):
    """What the cursor reads at a pixel, once all arrays are there."""
    for turn in range(400):
        mask.page.mouse.move(20 * x + turn % 2, 20 * y)
        parts = mask.run("[...document.getElementById('mask-readout').children].map((e) => e.textContent)")
        if len(parts) == 7 and parts[:2] == [f"x {x} px", f"y {y} px"]:
            return parts
    raise AssertionError(parts)


def meta(setting):
    g = GEOMETRY
    return {
        "bcx": g.bcx, "bcy": g.bcy, "pixel": g.pix_dim, "distance": g.det_dist, "k0": g.k0,
        "rotation": setting.rotation(), **setting.to_dict(),
    }  # fmt: skip


SETTINGS = [
    Setting(),
    Setting(legacy_q=True),
    Setting(swing_h=12, swing_v=-7),
    *(
        Setting(mode="reflection", incidence=1.5, orientation=side)
        for side in ("north", "west", "south", "east")
    ),
]


@pytest.mark.parametrize(
    "setting", SETTINGS, ids=lambda s: f"{s.mode}-{s.orientation}-{s.swing_h:g}-{s.legacy_q}"
)
def test_the_cursor_reads_q_and_phi_of_the_q_map(mask, setting):
    serve(mask, meta(setting))
    maps = compute_maps(GEOMETRY, setting, "numpy")
    for x, y in ((3, 2), (15, 8)):
        _, _, _, q, phi, *_ = read(mask, x, y)
        assert float(q.split()[1]) == pytest.approx(maps["q"][y, x], rel=1e-4)
        apart = float(phi[2:-1]) - maps["phi"][y, x]
        assert (apart + 180) % 360 - 180 == pytest.approx(0, abs=0.006)


def test_the_cursor_reads_counts_and_labels_of_any_width(mask):
    serve(mask, meta(Setting()))
    parts = read(mask, 4, 3)
    assert parts[:3] == ["x 4 px", "y 3 px", "I 96.00 /px/frame"]
    assert parts[-2:] == ["dynamic 300", "static 70000"]
    assert read(mask, 5, 3)[-2:] == ["dynamic masked", "static masked"]


def test_arrays_are_asked_for_when_somebody_points_and_labels_anew_after_a_change(mask):
    serve(mask, meta(Setting()))
    assert mask.asked == []
    read(mask, 4, 3)
    names = lambda: sorted(path.rpartition("/")[2] for _, path, _ in mask.asked)  # noqa: E731
    assert names() == ["dynamic.bin", "intensity.bin", "meta.json", "static.bin"]
    mask.asked.clear()
    mask.run("(state) => dash_clientside.mask.attach(state)", {**STATE, "rev": 4})
    for turn in range(400):
        mask.page.mouse.move(100 + turn % 2, 60)
        if len(mask.asked) == 3:
            break
    assert names() == ["dynamic.bin", "meta.json", "static.bin"], "the image is the same"


# ---- polygons


def test_a_polygon_by_its_corners(mask):
    mask.page.keyboard.press("p")
    for x, y in ((2, 2), (8, 2), (8, 6)):
        mask.page.mouse.click(20 * x, 20 * y)
    assert (
        mask.run("document.querySelector('.xd-mask-rubber polygon').getAttribute('points').split(' ').length")
        == 4
    )
    mask.page.keyboard.press("Enter")
    assert action(mask) == {
        "act": "polygon",
        "vertices": [[[2, 2], [8, 2], [8, 6]]],
        "mode": "out",
        "width": 7,
    }
    assert mask.run("document.querySelectorAll('.xd-mask-rubber').length") == 0


@pytest.mark.parametrize("end", ["Escape", "Enter"])
def test_two_corners_or_escape_make_none(mask, end):
    mask.run("document.getElementById('mask-polygon').click()")
    for x, y in ((2, 2), (8, 2), (8, 6))[: 3 if end == "Escape" else 2]:
        mask.page.mouse.click(20 * x, 20 * y)
    mask.page.keyboard.press(end)
    assert action(mask) is None
    assert mask.run("document.getElementById('mask-polygon').classList.contains('xd-btn-on')") is False


def test_a_double_click_closes_a_polygon(mask):
    mask.page.keyboard.press("p")
    for x, y in ((2, 2), (8, 2)):
        mask.page.mouse.click(20 * x, 20 * y)
    mask.page.mouse.dblclick(160, 120)
    assert action(mask)["vertices"] == [[[2, 2], [8, 2], [8, 6]]]


# ---- forms, rows, buttons, keys


@pytest.mark.parametrize("act", ["undo", "redo", "clear"])
def test_buttons_of_the_page(mask, act):
    assert click(mask, f"#mask-{act}") == {"act": act}


def test_a_form_goes_up_with_its_fields(mask):
    assert click(mask, "[data-op] [data-act=edit]") == {
        "act": "edit",
        "id": "s1",
        "fields": {"x0": "4", "on": True, "side": "r"},
    }
    assert click(mask, "[data-act=add]") == {
        "act": "add",
        "kind": "threshold",
        "fields": {"high": "3", "note": ""},
    }
    assert click(mask, "[data-act=move]") == {"act": "move", "id": "s1", "value": "-1"}
    assert click(mask, "[data-act=delete]") == {"act": "delete", "id": "s1"}


def test_enter_in_a_field_presses_the_button_of_its_form(mask):
    mask.page.focus("[name=high]")
    mask.page.keyboard.press("Enter")
    assert action(mask)["act"] == "add"
    before = len(mask.props)
    mask.page.focus("[name=note]")
    mask.page.keyboard.press("Enter")
    mask.page.focus("[name=high]")
    mask.page.keyboard.press("x")
    mask.page.keyboard.press("Control+z")
    assert len(mask.props) == before, "what is typed is text"


def test_a_new_name_goes_up(mask):
    mask.page.fill("[name=rename]", "beamstop")
    mask.page.keyboard.press("Enter")
    assert action(mask) == {"act": "rename", "id": "s1", "value": "beamstop"}


@pytest.mark.parametrize(
    ("key", "act"),
    [("Control+z", "undo"), ("Control+y", "redo"), ("Control+Shift+Z", "redo"), ("Meta+z", "undo")],
)
def test_keys_undo_and_redo(mask, key, act):
    mask.page.keyboard.press(key)
    assert action(mask) == {"act": act}


@pytest.mark.parametrize(
    ("key", "mode"),
    [
        ("r", "drawrect"),
        ("e", "drawcircle"),
        ("f", "drawclosedpath"),
        ("l", "drawline"),
        ("o", "drawopenpath"),
        ("v", "zoom"),
    ],
)
def test_keys_choose_the_tool_and_shapes_are_taken_only_when_nothing_is_drawn(mask, key, mode):
    mask.page.keyboard.press("r")
    mask.page.keyboard.press(key)
    assert mask.run("gd._fullLayout.dragmode") == mode
    taken = mask.run("document.getElementById('mask-graph').classList.contains('xd-mask-pick')")
    assert taken is (mode == "zoom")


def test_keys_choose_the_mode_and_delete_the_active_shape(mask):
    mask.page.keyboard.press("2")
    mask.page.keyboard.press("x")
    assert action(mask) is None, "no shape is active"
    mask.run("() => { gd._fullLayout._activeShapeIndex = 0; }")
    mask.page.keyboard.press("Delete")
    assert action(mask) == {"act": "delete", "id": "s1"}
    assert relayout(mask, {"shapes[0].x0": 2})["mode"] == "in"


def test_tabs_show_their_pane_and_say_so(mask):
    click(mask, "[data-tab=partition]")
    assert mask.last("mask-tab") == {"data": "partition"}
    assert mask.run("[...document.querySelectorAll('.xd-mask-shown')].map((e) => e.dataset.pane)") == [
        "partition"
    ]
    assert mask.run("document.querySelector('[data-tab=steps]').getAttribute('aria-selected')") == "false"


# ---- answers


def test_a_drawing_is_shown_overlay_and_count_first(mask):
    made = {"overlay": "/beam/img/overlay.png?r=2", "count": "5 of 9", "state": {"rev": 4}}
    mask.run("(made) => dash_clientside.mask.drawn(made)", made)
    mask.until("() => sent.some(([id]) => id === 'mask-state')")
    ids = [name for name, _ in mask.props]
    assert ids.index("mask-count") < ids.index("mask-state")
    assert mask.run("document.querySelector('image').href.baseVal") == made["overlay"]
    assert mask.run("dash_clientside.mask.drawn(null)") == "nothing"


def test_answers_are_shown_in_the_order_of_what_was_drawn(mask):
    for rev in range(3):
        made = {"overlay": f"/beam/img/overlay.png?r={rev}", "count": str(rev), "state": {"rev": rev}}
        mask.run("(made) => { dash_clientside.mask.drawn(made); }", made)
    mask.until("() => sent.filter(([id]) => id === 'mask-state').length === 3")
    said = [props for name, props in mask.props if name in ("mask-count", "mask-state")]
    assert said == list(itertools.chain(*([{"children": str(r)}, {"data": {"rev": r}}] for r in range(3))))


def test_forms_are_filled_anew_and_the_comparison_is_asked_for(mask):
    mask.run("(state) => dash_clientside.mask.attach(state)", {**STATE, "compare": "v3", "forms": True})
    assert mask.last("mask-compared") == {"data": {"other": "version:v3"}}
    assert isinstance(mask.last("mask-refill")["data"], int)


def test_a_partition_is_checked_once_the_hand_rests_and_only_where_it_is_seen(mask):
    click(mask, "[data-tab=partition]")
    for rev in (5, 6):
        mask.run("(state) => dash_clientside.mask.attach(state)", {**STATE, "rev": rev})
    mask.until("() => sent.some(([id]) => id === 'mask-settled')")
    settled = [props["data"]["rev"] for name, props in mask.props if name == "mask-settled"]
    assert settled == [6]
