"""Shapes against a brute-force point-in-shape test, and the faults of other tools."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xpcs_dash.errors import UsageError
from xpcs_dash.simplemask.drawing_tools import DrawingTools
from xpcs_dash.simplemask.paths import format_path, parse_path

SHAPE = (48, 64)
TOOLS = DrawingTools(SHAPE)
# coordinates on and off the detector, on pixel centres, on borders and anywhere
COORDINATE = st.one_of(
    st.integers(-20, 90).map(float), st.integers(-40, 180).map(lambda n: n / 2), st.floats(-20, 90, width=32)
)
POINTS = st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=12)


def in_polygon(points, x, y):
    """Crossings to the left of a point, an edge counting from its upper end on: the stated rule, one by
    one.
    """
    crossings = 0
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        if (y0 <= y) != (y1 <= y):
            (u0, v0), (u1, v1) = ((x0, y0), (x1, y1)) if y0 <= y1 else ((x1, y1), (x0, y0))
            crossings += u0 + (y - v0) * ((u1 - u0) / (v1 - v0)) <= x
    return crossings % 2 == 1


def brute(inside):
    return np.array([[bool(inside(x, y)) for x in range(SHAPE[1])] for y in range(SHAPE[0])])


@settings(max_examples=250, deadline=None)
@given(points=POINTS)
def test_polygon_is_the_point_in_polygon_test(points):
    expected = brute(lambda x, y: in_polygon(points, x, y))
    assert np.array_equal(TOOLS.polygon(np.array(points)).full(SHAPE), expected)


@settings(max_examples=250, deadline=None)
@given(x0=COORDINATE, y0=COORDINATE, x1=COORDINATE, y1=COORDINATE)
def test_rectangle(x0, y0, x1, y1):
    expected = brute(lambda x, y: min(x0, x1) <= x <= max(x0, x1) and min(y0, y1) <= y <= max(y0, y1))
    drawn = {"type": "rect", "x0": x0, "y0": y0, "x1": x1, "y1": y1}
    assert np.array_equal(TOOLS.from_plotly(drawn).full(SHAPE), expected)


@settings(max_examples=250, deadline=None)
@given(
    cx=COORDINATE,
    cy=COORDINATE,
    rx=st.floats(0.3, 60),
    ry=st.floats(0.3, 60),
    angle=st.floats(-180, 180, width=16),
)
def test_ellipse(cx, cy, rx, ry, angle):
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))

    def reach(x, y):
        u, v = x - cx, y - cy
        return ((u * c + v * s) / rx) ** 2 + ((v * c - u * s) / ry) ** 2

    drawn = TOOLS.ellipse(cx, cy, rx, ry, angle).full(SHAPE)
    # a centre on the outline up to rounding may fall on either side
    on_edge = brute(lambda x, y: abs(reach(x, y) - 1) < 1e-9)
    assert np.array_equal(drawn | on_edge, brute(lambda x, y: reach(x, y) <= 1) | on_edge)


@settings(max_examples=250, deadline=None)
@given(points=st.lists(st.tuples(COORDINATE, COORDINATE), min_size=1, max_size=5), width=st.floats(0.5, 20))
def test_line_of_a_width(points, width):
    segments = list(itertools.pairwise(points)) or [(points[0], points[0])]

    def distance(x, y):
        return min(_distance(x, y, *a, *b) for a, b in segments)

    drawn = TOOLS.line(np.array(points), width).full(SHAPE)
    on_edge = brute(lambda x, y: abs(distance(x, y) - width / 2) < 1e-9)
    assert np.array_equal(drawn | on_edge, brute(lambda x, y: distance(x, y) <= width / 2) | on_edge)


def _distance(x, y, x0, y0, x1, y1):
    square = (x1 - x0) ** 2 + (y1 - y0) ** 2
    t = 0 if square == 0 else min(1, max(0, ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / square))
    return math.hypot(x - x0 - t * (x1 - x0), y - y0 - t * (y1 - y0))


def test_ellipse_of_20_by_80_pixels_has_both_radii():
    # drawn around 20 x 80 whole pixels, from outer edge to outer edge, its centre is a corner of pixels;
    # its area is pi * 10 * 40 = 1256.6, a circle of radius 10 would have 314
    drawn = {"type": "circle", "x0": 9.5, "x1": 29.5, "y0": 9.5, "y1": 89.5}
    count = DrawingTools((120, 60)).from_plotly(drawn).count
    assert count == exact_count(10, 40, doubled_centre=1) == 1256
    assert abs(count - 1257) <= 2


def exact_count(rx, ry, doubled_centre):
    """Pixel centres inside or on an upright ellipse, in whole numbers of half pixels."""
    reach = range(-2 * max(rx, ry) - 2, 2 * max(rx, ry) + 3)
    places = [n for n in reach if n % 2 == doubled_centre]
    return sum((x * ry) ** 2 + (y * rx) ** 2 <= (2 * rx * ry) ** 2 for x in places for y in places)


def test_pixels_on_the_outline_of_an_ellipse_belong_to_it():
    # centred on a pixel, 12 pixel centres lie on the outline itself: (0, 40), (6, 32), (8, 24), (10, 0), ...
    region = DrawingTools((120, 60)).ellipse(30, 60, 10, 40)
    found = region.full((120, 60))
    for x, y in ((0, 40), (6, 32), (8, 24), (10, 0)):
        for u, v in ((x, y), (-x, y), (x, -y), (-x, -y)):
            assert found[60 + v, 30 + u], (u, v)
    assert region.count == exact_count(10, 40, doubled_centre=0)


def test_an_ellipse_covers_its_area_on_the_average_over_where_it_lies():
    tools = DrawingTools((100, 40))
    offsets = (np.arange(24) + 0.5) / 24
    counts = [tools.ellipse(19 + dx, 49 + dy, 10, 40).count for dx in offsets for dy in offsets]
    assert np.mean(counts) == pytest.approx(math.pi * 10 * 40, abs=0.2)
    assert (np.min(counts), np.max(counts)) == (pytest.approx(1256, abs=12), pytest.approx(1256, abs=12))


def test_turned_ellipse_is_not_its_upright_box():
    tools = DrawingTools((200, 200))
    upright, turned = tools.ellipse(100, 100, 40, 10), tools.ellipse(100, 100, 40, 10, 90)
    assert np.array_equal(turned.full((200, 200)), upright.full((200, 200)).T)
    assert (
        tools.from_plotly({"type": "circle", "x0": 60, "x1": 140, "y0": 90, "y1": 110, "angle": 90}).count
        == turned.count
    )


def test_exponents_are_numbers_like_others():
    plain = TOOLS.path("M10,10L40,10L40,40L10,40Z")
    written = TOOLS.path("M1e1,1.0E+1L4e+01,10L400e-1,40L10,4.0e1Z")
    assert plain.count == written.count == 900
    tiny = TOOLS.path("M1e-5,0L40,-1e-7L40,40L1e-5,40Z")
    assert tiny.count == TOOLS.path("M0.00001,0L40,-0.0000001L40,40L0.00001,40Z").count


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("M10 10H20V20H10Z", 100),
        ("M10 10h10v10h-10z", 100),
        ("m10 10 10 0 0 10 -10 0z", 100),
        ("M10,10 20,10 20,20 10,20Z", 100),
        ("M10-5L20-5L20,5L10,5Z", 50),
        ("M5,5L25,5L25,25L5,25ZM10,10L20,10L20,20L10,20Z", 300),  # a hole
    ],
)
def test_path_forms(path, count):
    assert TOOLS.path(path).count == count


def test_curves():
    k = 0.5522847498 * 15  # four cubic curves are a circle to a thousandth
    x, y, r = 30.3, 24.4, 15
    circle = (
        f"M{x + r},{y}C{x + r},{y + k} {x + k},{y + r} {x},{y + r}"
        f"C{x - k},{y + r} {x - r},{y + k} {x - r},{y}"
        f"S{x - k},{y - r} {x},{y - r}S{x + r},{y - k} {x + r},{y}Z"
    )
    assert abs(TOOLS.path(circle).count - TOOLS.ellipse(x, y, r, r).count) <= 4
    parabola = TOOLS.path("M10,10Q20,30 30,10T50,10Z")
    assert parabola.count > 0


def test_open_path_is_a_line():
    assert TOOLS.path("M10,10L30,10", width=3).count == TOOLS.line(np.array([[10, 10], [30, 10]]), 3).count


@pytest.mark.parametrize(
    "path", ["M10,10A5,5 0 0 1 20,20Z", "10,10L3,3", "M1", "M1,2L3", "M1,1LNaN,2Z", "Mx,1Z"]
)
def test_what_is_not_a_path_says_so(path):
    with pytest.raises(UsageError, match="path"):
        parse_path(path)


@given(points=st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)), min_size=1, max_size=30))
def test_path_round_trip(points):
    (vertices, closed), *rest = parse_path(format_path(np.array(points), decimals=6))
    assert closed
    assert not rest
    assert np.allclose(vertices, points, atol=1e-6)


def test_half_outside_and_wholly_outside():
    assert TOOLS.rectangle(-10, -10, 4, 4).count == 25
    assert TOOLS.ellipse(-100, 10, 5, 5).count == 0
    assert (
        TOOLS.polygon(np.array([[-50, -50], [500, -50], [500, 500], [-50, 500]])).count == SHAPE[0] * SHAPE[1]
    )


def test_neighbouring_polygons_share_no_pixel():
    left = TOOLS.polygon(np.array([[10, 10], [20, 10], [20, 20], [10, 20]]))
    right = TOOLS.polygon(np.array([[20, 10], [30, 10], [30, 20], [20, 20]]))
    together = left.full(SHAPE) & right.full(SHAPE)
    assert not together.any()
    assert left.count + right.count == 200


def test_modes():
    mask = np.ones(SHAPE, dtype=bool)
    inside = TOOLS.rectangle(10, 10, 19, 19)
    TOOLS.apply(mask, inside, "out")
    assert mask.sum() == mask.size - 100
    TOOLS.apply(mask, TOOLS.rectangle(10, 10, 14, 19), "back")  # a real eraser: gives back, keeps the rest
    assert mask.sum() == mask.size - 50
    TOOLS.apply(mask, TOOLS.rectangle(0, 0, 19, 19), "keep")
    assert mask.sum() == 400 - 50
    with pytest.raises(UsageError, match="mode"):
        TOOLS.apply(mask, inside, "invert")


@pytest.mark.parametrize(
    "drawn",
    [
        {"type": "star"},
        {"type": "rect", "x0": 1, "y0": 2, "x1": 3},
        {"type": "rect", "x0": "a", "y0": 1, "x1": 2, "y1": 3},
        {"type": "circle", "x0": float("nan"), "y0": 1, "x1": 2, "y1": 3},
    ],
)
def test_what_is_not_a_shape_says_so(drawn):
    with pytest.raises(UsageError):
        TOOLS.from_plotly(drawn)
