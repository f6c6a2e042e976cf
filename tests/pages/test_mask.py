"""What a person does on the mask page, as pure changes of a draft."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from xpcs_dash.errors import UsageError
from xpcs_dash.figures.mask import figure_mask, layers, overlay_png
from xpcs_dash.pages.mask.actions import OPERATIONS, apply_action
from xpcs_dash.pages.mask.forms import FIELDS, edit_fields, geometry_form, operations, partition_form
from xpcs_dash.simplemask.area_mask import AreaMask
from xpcs_dash.simplemask.draft import Draft
from xpcs_dash.simplemask.operations import Operation

DRAFT = Draft(
    source={"kind": "result", "file": 1},
    area=AreaMask((40, 50)),
    geometry={"energy_kev": 10.0, "distance_m": 5.0, "pixel_m": 75e-6, "bcx": 25.0, "bcy": 20.0},
)
RECT = {"type": "rect", "x0": 1.0, "y0": 2.0, "x1": 5.0, "y1": 6.0}


def after(*actions, draft=DRAFT):
    for action in actions:
        draft = apply_action(draft, action)
    return draft


def test_drawing_in_a_mode_and_undoing():
    drawn = after({"act": "draw", "event": {"shapes": [RECT]}, "mode": "keep"})
    assert drawn.area.operations[0].params["mode"] == "keep"
    assert drawn.revision == DRAFT.revision + 1
    assert after({"act": "undo"}, draft=drawn).area.operations == ()
    assert after({"act": "undo"}, {"act": "redo"}, draft=drawn).area == drawn.area


def test_what_changes_nothing_is_the_same_draft():
    assert after({"act": "undo"}) is DRAFT
    assert after({"act": "draw", "event": {"dragmode": "zoom"}}) is DRAFT


def test_list_of_operations():
    draft = after(
        {"act": "draw", "event": {"shapes": [RECT]}},
        {"act": "add", "kind": "threshold", "fields": {"low": "", "high": "1e3"}},
    )
    first, second = draft.area.operations
    assert second.params == {"low": None, "high": 1000.0}
    assert second.name == "I < 1000"
    moved = after({"act": "move", "id": second.id, "value": "up"}, draft=draft)
    assert [o.id for o in moved.area.operations] == [second.id, first.id]
    changed = after(
        {"act": "enable", "id": first.id, "value": ""},
        {"act": "rename", "id": first.id, "value": "beam stop"},
        {"act": "edit", "id": first.id, "fields": {"mode": "back", "x1": "9.5"}},
        {"act": "edit", "id": second.id, "fields": {"low": "2", "high": ""}},
        draft=draft,
    )
    shape, threshold = changed.area.operations
    assert (shape.enabled, shape.name, shape.params["mode"], shape.params["shape"]["x1"]) == (
        False,
        "beam stop",
        "back",
        9.5,
    )
    assert threshold.params == {"low": 2.0, "high": None}
    assert after({"act": "delete", "id": first.id}, draft=draft).area.operations == (second,)
    assert after({"act": "clear"}, draft=draft).area.operations == ()


def test_clicked_polygon():
    draft = after({"act": "polygon", "vertices": [[[0, 0], [10, 0], [10, 10]]], "mode": "out"})
    assert draft.area.operations[0].params["shape"]["path"] == "M0,0L10,0L10,10Z"
    typed = after(
        {"act": "edit", "id": draft.area.operations[0].id, "fields": {"vertices": "0, 0\n20, 0\n20, 20"}},
        draft=draft,
    )
    assert typed.area.operations[0].params["shape"]["path"] == "M0,0L20,0L20,20Z"


def test_geometry_is_typed_in_shown_units_and_remembers_its_source():
    draft = after({"act": "geometry", "fields": {"pixel_m": "55", "energy_kev": "10", "legacy_q": "legacy"}})
    assert draft.geometry["pixel_m"] == pytest.approx(55e-6)
    assert draft.origins == {"pixel_m": "typed in"}  # the energy did not change
    assert draft.setting["legacy_q"] is True
    with pytest.raises(UsageError, match="positive"):
        after({"act": "geometry", "fields": {"distance_m": "-1"}})


def test_partition_form():
    draft = after(
        {
            "act": "partition",
            "fields": {
                "name0": "q",
                "dynamic0": "5",
                "static0": "50",
                "scale0": "log",
                "name1": "phi",
                "dynamic1": "2",
                "static1": "4",
                "offset1": "10",
                "fold1": "2",
            },
        }
    )
    assert draft.axes[0] == {"name": "q", "dynamic": 5, "static": 50, "scale": "log"}
    assert draft.axes[1]["offset"] == 10
    assert draft.axes[1]["fold"] == 2
    with pytest.raises(UsageError, match="different"):
        after({"act": "partition", "fields": {"name0": "q", "name1": "q"}})
    with pytest.raises(UsageError, match="whole number"):
        after({"act": "partition", "fields": {"dynamic0": "2.5"}})


@pytest.mark.parametrize(
    "action",
    [
        {"act": "format the disk"},
        {"act": "add", "kind": "magic"},
        {"act": "add", "kind": "threshold", "fields": {"low": "", "high": ""}},
        {"act": "add", "kind": "threshold", "fields": {"high": "many"}},
        {"act": "add", "kind": "outliers", "fields": {"rings": "0"}},
        {"act": "delete", "id": "nothing"},
        {"act": "polygon", "vertices": "1 2 3"},
    ],
)
def test_what_makes_no_sense_says_so(action):
    with pytest.raises(UsageError):
        apply_action(DRAFT, action)


def test_every_operation_has_a_form_and_takes_it_back():
    assert set(FIELDS) == set(OPERATIONS)
    for kind, build in OPERATIONS.items():
        fields = {"high": "3"} if kind == "threshold" else {}
        operation = Operation(kind, build(fields))
        assert edit_fields(operation) is not None
        assert len(operations([operation], {operation.id: "a problem"})) == 1
    assert geometry_form(DRAFT)
    assert partition_form(DRAFT)


def test_overlay_is_one_bit_a_pixel():
    masked = np.zeros((2070, 2167), dtype=bool)
    masked[100:200, 300:400] = True
    png = overlay_png(masked, "#102030", 200)
    assert len(png) < 20_000
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    assert (width, height, depth, kind) == (2167, 2070, 1, 3)
    start = png.index(b"IDAT") + 4
    length = struct.unpack(">I", png[start - 8 : start - 4])[0]
    rows = np.frombuffer(zlib.decompress(png[start : start + length]), np.uint8).reshape(2070, -1)
    assert np.array_equal(np.unpackbits(rows[:, 1:], axis=1)[:, :2167].astype(bool), masked)
    assert b"PLTE\0\0\0\x10\x20\x30" in png


def test_images_lie_on_the_pixels_and_are_told_apart():
    found = layers("a.png", "b.png", (20, 30), "c.png")
    assert [i["source"] for i in found] == ["a.png", "c.png", "b.png"]
    assert all((i["x"], i["y"]) == (-0.5, -0.5) for i in found)
    assert len({i["sizex"] for i in found}) == 3
    fig = figure_mask("a", "b", (20, 30), (3.0, 4.0), theme="light", limits=(0.1, 1)).to_plotly_json()
    assert fig["layout"]["xaxis"]["range"] == [-0.5, 29.5]
    assert fig["layout"]["yaxis"]["range"] == [19.5, -0.5]


@pytest.mark.parametrize(
    "name", ["试样 α.TIF", "new\nline.h5", "../up.npy", "C:\\fake\\x.edf", "noend", "\0.tif"]
)
def test_an_upload_that_cannot_be_read_is_called_by_its_own_name(name):
    import base64

    from xpcs_dash.pages.mask.uploads import uploaded
    from xpcs_dash.simplemask.files import read_mask

    content = "data:;base64," + base64.b64encode(b"nonsense").decode()
    with pytest.raises(UsageError) as caught:
        uploaded(content, name, read_mask)
    said = str(caught.value)
    assert "/tmp" not in said
    assert "upload" not in said
    assert any(part in said for part in ("试样 α.TIF", "new_line.h5", "up.npy", "x.edf", "noend", "_.tif"))
