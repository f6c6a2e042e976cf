"""Masks as lists of operations."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xpcs_dash.errors import FileError, UsageError
from xpcs_dash.simplemask import pixels
from xpcs_dash.simplemask.area_mask import AreaMask
from xpcs_dash.simplemask.operations import Context, Operation

SHAPE = (40, 50)
RNG = np.random.default_rng(3)
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
RADIUS = np.hypot(Y - 20, X - 25)
PHI = np.degrees(np.arctan2(-(Y - 20), X - 25))
IMAGE = RNG.poisson(200 * np.exp(-RADIUS / 15) + 5).astype(np.float32)
CONTEXT = Context(SHAPE, IMAGE, {"q": RADIUS, "phi": PHI, "x": X, "y": Y})


def rect(x0, y0, x1, y1, mode="out"):
    return Operation(
        "shape", {"shape": {"type": "rect", "x0": x0, "y0": y0, "x1": x1, "y1": y1}, "mode": mode}
    )


def only(kind, **params):
    return AreaMask(SHAPE).add(Operation(kind, params)).product(CONTEXT) > 0


def test_product_is_int32_with_0_masked():
    product = AreaMask(SHAPE).add(rect(0, 0, 9, 9)).product(CONTEXT)
    assert product.dtype == np.int32
    assert set(np.unique(product)) == {0, 1}
    assert product.sum() == product.size - 100


def test_order_counts_for_an_eraser():
    out, back = rect(0, 0, 9, 9), rect(0, 0, 4, 9, "back")
    area = AreaMask(SHAPE).add(out).add(back)
    assert area.product(CONTEXT).sum() == 2000 - 50
    assert area.move(back.id, 0).product(CONTEXT).sum() == 2000 - 100


def test_undo_redo_of_operations():
    a, b = rect(0, 0, 9, 9), rect(20, 20, 29, 29)
    area = AreaMask(SHAPE).add(a).add(b).edit(a.id, name="beam stop").enable(b.id, False).remove(a.id)
    counts = [area.product(CONTEXT).sum()]
    while area.past:
        area = area.undo()
        counts.append(area.product(CONTEXT).sum())
    assert counts == [2000, 1900, 1800, 1800, 1900, 2000]
    while area.future:
        area = area.redo()
    assert [o.id for o in area.operations] == [b.id]
    assert area.redo() == area


def test_a_new_step_ends_redo():
    area = AreaMask(SHAPE).add(rect(0, 0, 9, 9)).undo().add(rect(1, 1, 2, 2))
    assert not area.future


@settings(deadline=None, max_examples=60)
@given(steps=st.lists(st.sampled_from(["add", "undo", "redo", "toggle", "remove", "up"]), max_size=25))
def test_undo_then_redo_leads_back(steps):
    area = AreaMask(SHAPE)
    for step in steps:
        ops = area.operations
        if step == "add":
            area = area.add(rect(0, 0, len(ops), len(ops)))
        elif step in ("undo", "redo"):
            area = getattr(area, step)()
        elif ops and step == "toggle":
            area = area.enable(ops[0].id, not ops[0].enabled)
        elif ops and step == "remove":
            area = area.remove(ops[-1].id)
        elif ops:
            area = area.move(ops[-1].id, 0)
    if area.past:
        assert area.undo().redo() == area
    assert AreaMask.from_dict(json.loads(json.dumps(area.to_dict()))) == area


def test_threshold_keeps_low_and_not_high():
    assert np.array_equal(only("threshold", low=10, high=100), (IMAGE >= 10) & (IMAGE < 100))
    assert np.array_equal(only("threshold", high=100), IMAGE < 100)


def test_ranges_and_or_not():
    a = {"map": "q", "low": 5, "high": 10}
    b = {"map": "x", "low": 0, "high": 9}
    in_a, in_b = (RADIUS >= 5) & (RADIUS <= 10), (X >= 0) & (X <= 9)
    assert np.array_equal(only("range", conditions=[a, b]), in_a & in_b)
    assert np.array_equal(only("range", conditions=[a, {**b, "join": "or"}]), in_a | in_b)
    assert np.array_equal(only("range", conditions=[a, {**b, "negate": True}]), in_a & ~in_b)
    assert np.array_equal(only("range", conditions=[a], mode="out"), ~in_a)


def test_angles_wrap_at_180():
    found = only("range", conditions=[{"map": "phi", "low": 150, "high": -150}])
    assert np.array_equal(found, (PHI >= 150) | (PHI <= -150))
    with pytest.raises(UsageError, match="rise"):
        only("range", conditions=[{"map": "q", "low": 9, "high": 1}])


def test_outliers_find_what_was_put_in():
    image = IMAGE.copy()
    image[5, 7] = 900
    bad = pixels.ring_outliers(image, np.ones(SHAPE, bool), RADIUS, 20, cutoff=6)
    assert bad[5, 7]
    assert bad.sum() < 12


def test_percentile_outliers_take_their_share():
    flat = np.zeros(SHAPE)
    values = RNG.permutation(np.arange(flat.size, dtype=float)).reshape(SHAPE)
    bad = pixels.ring_outliers(values, np.ones(SHAPE, bool), flat, 1, method="percentile", low=5, high=95)
    assert bad.sum() == pytest.approx(0.1 * flat.size, abs=2)


def test_outliers_do_not_look_at_masked_pixels():
    mask = np.ones(SHAPE, bool)
    mask[:, :25] = False
    bad = pixels.ring_outliers(IMAGE * 1.0, mask, RADIUS, 10, cutoff=1)
    assert not bad[:, :25].any()


def test_hot_and_dead_pixels():
    image = RNG.poisson(100, SHAPE).astype(float)
    image[3, 3], image[30, 40] = 400, 0
    bad = pixels.hot_or_dead(image, 8, 8, frames=1)
    assert bad[3, 3]
    assert bad[30, 40]
    assert bad.sum() == 2
    assert not pixels.hot_or_dead(image, None, 8, frames=1)[3, 3]


def test_a_starved_image_has_no_hot_pixels_of_one_photon():
    image = (RNG.random(SHAPE) < 0.02) / 1000
    assert not pixels.hot_or_dead(image, 8, 8, frames=1000).any()


def test_morphology():
    point = np.zeros(SHAPE, bool)
    point[10, 10] = True
    assert pixels.morphology(point, "dilate", 1).sum() == 5
    assert pixels.morphology(point, "open", 1).sum() == 0
    grown = (
        AreaMask(SHAPE).add(rect(10, 10, 10, 10)).add(Operation("morphology", {"how": "dilate", "size": 2}))
    )
    assert (grown.product(CONTEXT) == 0).sum() == 13


def test_gaps():
    image = IMAGE.copy()
    image[:, 20:23] = 0
    image[8, 8] = -1
    found = pixels.automatic_gaps(image)
    assert found[:, 20:23].all()
    assert found[8, 8]
    assert found.sum() == 3 * SHAPE[0] + 1
    assert pixels.automatic_gaps(np.full((3, 3), 2**32 - 1, np.uint32)).all()
    eiger = pixels.named_gaps("Eiger", (1065, 1030))
    assert eiger[514:551].all()
    assert not eiger[:514].any()


def test_imported_masks_and_what_is_gone():
    array = (RADIUS > 4).astype(np.uint8)
    context = Context(SHAPE, IMAGE, {}, {"a": array})
    area = AreaMask(SHAPE).add(Operation("import", {"array": "a"}))
    assert np.array_equal(area.product(context) > 0, array > 0)
    mask, problems = area.add(rect(0, 0, 1, 1)).compute(CONTEXT)
    assert len(problems) == 1
    assert mask.sum() == 2000 - 4  # the other steps still apply
    with pytest.raises(UsageError, match="no longer there"):
        area.product(CONTEXT)


def test_pixel_lists():
    assert pixels.read_pixel_list("x,y\n3,4\n5,6\n", "bad.csv") == [[3, 4], [5, 6]]
    assert pixels.read_pixel_list("3 4 # hot\n\n5\t6", "bad.txt") == [[3, 4], [5, 6]]
    listed = json.dumps({"Bad pixels": [{"Pixel": [3, 4]}]})
    assert pixels.read_pixel_list(listed, "bad.json") == [[3, 4]]
    with pytest.raises(FileError, match="two whole numbers"):
        pixels.read_pixel_list("1,2,3\n", "bad.csv")
    masked = only("pixels", pixels=[[3, 4], [5, 6], [-1, 2], [500, 1]])
    assert (~masked).sum() == 2
    assert not masked[4, 3]  # x is the column


def test_relayout_draws_moves_and_deletes_but_leaves_other_steps():
    area = AreaMask(SHAPE).add(Operation("threshold", {"low": None, "high": 1000}))
    area = area.relayout({"shapes": [{"type": "rect", "x0": 0, "y0": 0, "x1": 9, "y1": 9}]}, "out")
    shape = area.operations[1]
    assert shape.name == "Rectangle 1"
    moved = area.relayout({"shapes[0].x0": 30, "shapes[0].x1": 39})
    assert moved.operations[1].id == shape.id
    assert not moved.product(CONTEXT)[5, 35]
    assert moved.product(CONTEXT)[5, 5]
    assert [o.kind for o in moved.relayout({"shapes": []}).operations] == ["threshold"]
    assert moved.undo().operations == area.operations


def test_a_copy_of_a_shape_is_a_shape_of_its_own():
    area = AreaMask(SHAPE).add(rect(0, 0, 9, 9))
    twice = area.relayout({"shapes": [area.drawings()[0], area.drawings()[0]]})
    assert len({o.id for o in twice.operations}) == 2


def test_unknown_operations_say_so():
    with pytest.raises(UsageError, match="unknown"):
        Operation("magic", {})
    with pytest.raises(UsageError, match="gone"):
        AreaMask(SHAPE).remove("nothing")
