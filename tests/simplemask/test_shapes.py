"""The reducer over Plotly's events: every form, and properties against a plain model."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xpcs_dash.errors import UsageError
from xpcs_dash.simplemask.drawing_tools import DrawingTools
from xpcs_dash.simplemask.paths import format_path, parse_path
from xpcs_dash.simplemask.shapes import (
    CORNERS,
    apply_relayout,
    drawn,
    is_shape_event,
    kind_of,
    numbers_of,
    with_numbers,
)

RECT = {"type": "rect", "x0": 10.0, "y0": 10.0, "x1": 19.0, "y1": 19.0, "name": "a"}
PATH = {"type": "path", "path": "M0,0L5,0L5,5Z", "name": "b"}
NUMBER = st.floats(-50, 150, allow_nan=False)
SHAPES = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["rect", "circle", "line"]),
            "x0": NUMBER,
            "y0": NUMBER,
            "x1": NUMBER,
            "y1": NUMBER,
        }
    ),
    max_size=6,
)


def test_drawing_sends_the_whole_list():
    event = {"shapes": [RECT, {**PATH, "line": {"color": "red"}, "editable": True}]}
    assert apply_relayout([RECT], event) == [RECT, PATH]


def test_moving_sends_single_attributes():
    moved = apply_relayout(
        [RECT, PATH], {"shapes[0].x0": 110, "shapes[0].x1": 119, "shapes[0].y0": 10, "shapes[0].y1": 19}
    )
    assert moved[0] == {**RECT, "x0": 110.0, "x1": 119.0}
    tools = DrawingTools((40, 200))
    assert tools.from_plotly(moved[0]).full((40, 200))[15, 115]  # the mask is where the shape is now
    assert not tools.from_plotly(moved[0]).full((40, 200))[15, 15]


def test_moving_a_polygon_sends_its_path():
    assert apply_relayout([RECT, PATH], {"shapes[1].path": "M9,9L8,1L7,7Z"})[1]["path"] == "M9,9L8,1L7,7Z"


def test_deleting():
    assert apply_relayout([RECT, PATH], {"shapes": [PATH]}) == [PATH]
    assert apply_relayout([RECT, PATH], {"shapes[0]": None}) == [PATH]
    assert apply_relayout([RECT, PATH], {"shapes": []}) == []
    assert apply_relayout([RECT, PATH], {"shapes": None}) == []


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        {"xaxis.range[0]": 1, "xaxis.range[1]": 2},
        {"dragmode": "drawrect"},
        {"autosize": True},
        {"xaxis.autorange": True},
        {"shapes[7].x0": 3},
        {"shapes[0].line.color": "red"},
    ],
)
def test_other_events_change_nothing(event):
    assert apply_relayout([RECT, PATH], event) == [RECT, PATH]
    assert is_shape_event(event) == (event is not None and any(k.startswith("shapes") for k in event))


def test_phantom_shapes_are_dropped():
    assert apply_relayout([], {"shapes": [{"editable": True}, {}, None, RECT]}) == [RECT]


def test_a_name_stands_for_a_shape_that_did_not_change():
    assert apply_relayout([RECT, PATH], {"shapes": [{"name": "a"}, {"name": "gone"}]}) == [RECT]


def test_the_name_wins_over_a_drifted_index():
    moved = apply_relayout([RECT, PATH], {"shapes[0].path": "M1,1L2,2L3,1Z", "names": {"0": "b"}})
    assert moved[0] == RECT
    assert moved[1]["path"] == "M1,1L2,2L3,1Z"
    assert apply_relayout([RECT], {"shapes[0].x0": 0, "names": {"0": "deleted elsewhere"}}) == [RECT]


@settings(deadline=None)
@given(shapes=SHAPES, index=st.integers(0, 7), key=st.sampled_from(["x0", "y0", "x1", "y1"]), value=NUMBER)
def test_one_attribute_changes_one_shape(shapes, index, key, value):
    before = copy.deepcopy(shapes)
    after = apply_relayout(shapes, {f"shapes[{index}].{key}": value})
    assert shapes == before  # pure
    expected = copy.deepcopy(before)
    if index < len(expected):
        expected[index][key] = value
    assert after == expected


@settings(deadline=None)
@given(shapes=SHAPES, listed=SHAPES)
def test_a_whole_list_wins_and_again_changes_nothing(shapes, listed):
    once = apply_relayout(shapes, {"shapes": listed})
    assert once == listed
    assert apply_relayout(once, {"shapes": listed}) == once


@settings(deadline=None)
@given(
    shapes=SHAPES,
    extra=st.fixed_dictionaries(
        {"type": st.just("rect"), "x0": NUMBER, "y0": NUMBER, "x1": NUMBER, "y1": NUMBER}
    ),
)
def test_appending_by_index(shapes, extra):
    assert apply_relayout(shapes, {f"shapes[{len(shapes)}]": extra}) == [*shapes, extra]


def test_numbers_of_an_ellipse_and_back():
    circle = {"type": "circle", "x0": 0.0, "y0": 0.0, "x1": 20.0, "y1": 80.0}
    assert numbers_of(circle) == {"cx": 10, "cy": 40, "rx": 10, "ry": 40, "angle": 0}
    turned = with_numbers(circle, angle=30, cx=50)
    assert turned["x0"] == 40
    assert turned["angle"] == 30
    tools = DrawingTools((200, 200))
    assert abs(tools.from_plotly(drawn(turned)).count - tools.from_plotly(turned).count) < 12


def test_a_turned_ellipse_stays_one_while_its_path_is_as_drawn():
    turned = {"type": "circle", "x0": 0.0, "y0": 0.0, "x1": 20.0, "y1": 80.0, "angle": 30.0, "name": "e"}
    shown = {**drawn(turned), "name": "e"}
    assert apply_relayout([turned], {"shapes": [shown, RECT]}) == [turned, RECT]


def test_vertices_can_be_edited():
    changed = with_numbers(PATH, vertices=[[[0, 0], [10, 0], [10, 10]]])
    assert changed["path"] == "M0,0L10,0L10,10Z"


def test_numbers_that_make_no_sense():
    with pytest.raises(UsageError, match="rectangle has no rx"):
        with_numbers(RECT, rx=3)
    with pytest.raises(UsageError, match="finite"):
        with_numbers(RECT, x0=float("inf"))


def test_words():
    assert [kind_of(s) for s in (RECT, PATH, {"type": "path", "path": "M0,0L1,1"}, {"type": "circle"})] == [
        "rectangle", "polygon", "line", "ellipse",
    ]  # fmt: skip


ANGLES = st.floats(5, 175).filter(lambda a: abs(a - 90) > 1)
TURNED = st.builds(
    lambda cx, cy, rx, ry, angle: with_numbers(
        {"type": "circle", "x0": 0.0, "y0": 0.0, "x1": 2.0, "y1": 2.0, "name": "e"},
        cx=cx, cy=cy, rx=rx, ry=ry, angle=angle,
    ),
    st.floats(-20, 300), st.floats(-20, 300), st.floats(8, 90), st.floats(8, 90), ANGLES,
)  # fmt: skip


def corners_of(shape):
    return parse_path(drawn(shape)["path"])[0][0].copy()


@given(TURNED, st.floats(-100, 100), st.floats(-100, 100), st.booleans())
def test_a_moved_turned_ellipse_is_the_ellipse_elsewhere(ellipse, dx, dy, whole):
    path = format_path(corners_of(ellipse) + np.array([dx, dy]))
    event = {"shapes": [{"type": "path", "path": path, "name": "e"}]} if whole else {"shapes[0].path": path}
    (moved,) = apply_relayout([ellipse], event)
    before, after = numbers_of(ellipse), numbers_of(moved)
    assert moved["type"] == "circle"
    assert moved["name"] == "e"
    expected = {**before, "cx": before["cx"] + dx, "cy": before["cy"] + dy}
    assert after == pytest.approx(expected, abs=0.03)


@given(TURNED, st.integers(0, CORNERS - 1), st.floats(0.4, 2.5), st.floats(-0.2, 0.2))
def test_a_pulled_corner_bends_the_ellipse_to_it(ellipse, corner, factor, aside):
    n = numbers_of(ellipse)
    corners = corners_of(ellipse)
    centre = np.array([n["cx"], n["cy"]])
    arm = corners[corner] - centre
    target = centre + factor * arm + aside * np.array([-arm[1], arm[0]])
    corners[corner] = target = np.round(target, 2)
    (pulled,) = apply_relayout([ellipse], {"shapes[0].path": format_path(corners)})
    after = numbers_of(pulled)
    turn = np.radians(after["angle"])
    u, v = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) @ (target - centre)
    assert pulled["type"] == "circle"
    assert (after["cx"], after["cy"], after["angle"]) == pytest.approx((n["cx"], n["cy"], n["angle"]))
    # a corner that hardly moved is not a pull
    if np.hypot(*(target - corners_of(ellipse)[corner])) > 0.1:
        assert np.hypot(u / after["rx"], v / after["ry"]) == pytest.approx(1, abs=1e-6)


def test_pulling_the_end_of_an_axis_changes_that_axis_only():
    ellipse = {"type": "circle", "x0": 60.0, "x1": 140.0, "y0": 80.0, "y1": 120.0, "angle": 45.0}
    corners = corners_of(ellipse)
    corners[0] += [10 / 2**0.5, 10 / 2**0.5]  # the end of the long axis, 10 px outwards
    n = numbers_of(apply_relayout([ellipse], {"shapes[0].path": format_path(corners)})[0])
    assert n == pytest.approx({"cx": 100, "cy": 100, "rx": 50, "ry": 20, "angle": 45}, abs=0.02)


def test_what_no_longer_is_an_ellipse_is_the_polygon_that_it_looks_like():
    ellipse = {"type": "circle", "x0": 60.0, "x1": 140.0, "y0": 80.0, "y1": 120.0, "angle": 45.0}
    corners = corners_of(ellipse)
    corners[[3, 9]] += 5
    for path in (format_path(corners), "M0,0L10,0L10,10Z"):
        assert apply_relayout([ellipse], {"shapes[0].path": path}) == [{"type": "path", "path": path}]
