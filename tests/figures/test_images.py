import struct
import zlib

import numpy as np
import pytest

from xpcs_dash.figures.images import (
    detector_png,
    full_palette,
    label_png,
    layout_image,
    outline_png,
    palette_png,
    percentile_limits,
    to_index,
)


def chunks(png):
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    place, found = 8, {}
    while place < len(png):
        (size,) = struct.unpack(">I", png[place : place + 4])
        kind, body = png[place + 4 : place + 8], png[place + 8 : place + 8 + size]
        assert struct.unpack(">I", png[place + 8 + size : place + 12 + size])[0] == zlib.crc32(kind + body)
        found[kind] = body
        place += 12 + size
    return found


def decode(png):
    found = chunks(png)
    width, height, depth, colour = struct.unpack(">IIBB", found[b"IHDR"][:10])
    assert (depth, colour) == (8, 3)
    rows = np.frombuffer(zlib.decompress(found[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:]


def test_the_png_holds_the_indices_and_its_first_colour_is_transparent():
    index = np.arange(256, dtype=np.uint8).reshape(8, 32)
    png = palette_png(index, "inferno")
    np.testing.assert_array_equal(decode(png), index)
    found = chunks(png)
    assert found[b"tRNS"] == b"\0"
    assert len(found[b"PLTE"]) == 3 * 256


def test_masked_pixels_are_index_zero_and_no_other_pixel_is():
    values = np.array([[0.0, 1.0, 10.0], [100.0, np.nan, -3.0]])
    mask = np.array([[True, True, True], [False, True, True]])
    for scale in ("log", "linear"):
        index = to_index(values, mask, scale)
        np.testing.assert_array_equal(index == 0, [[False, False, False], [True, True, False]])


def test_no_photon_is_a_measurement_and_gets_the_lowest_colour():
    index = to_index(np.array([[0.0, 1.0, 1000.0]]), None, "log", (1.0, 1000.0))
    assert index.tolist() == [[1, 1, 255]]


def test_log_and_linear_scales_run_from_limit_to_limit():
    values = np.array([[1.0, 10.0, 100.0, 1e6]])
    assert to_index(values, None, "log", (1.0, 100.0)).tolist() == [[1, 128, 255, 255]]
    assert to_index(values, None, "linear", (0.0, 100.0))[0, 1] == pytest.approx(26, abs=1)


def test_one_hot_pixel_does_not_set_the_limits():
    values = np.random.default_rng(1).poisson(5, (200, 200)).astype(float)
    values[0, 0] = 1e9
    assert percentile_limits(values)[1] < 30
    assert percentile_limits(np.zeros((4, 4))) == (0.1, 1.0)
    low, high = percentile_limits(np.full((4, 4), 3.0))
    assert low < 3 < high


def test_a_picture_spans_whole_pixels_around_their_centres():
    image = layout_image("/img/1.png", (512, 1024))
    assert (image["x"], image["y"]) == (-0.5, -0.5)
    assert (image["sizex"], image["sizey"]) == (1024, 512)


def test_labels_and_outlines():
    labels = np.array([[0, 1, 1, 2], [0, 1, 2, 2]])
    np.testing.assert_array_equal(decode(label_png(labels)) == 0, labels == 0)
    np.testing.assert_array_equal(decode(label_png(labels, selected=[2])) > 0, labels == 2)
    edge = decode(outline_png(labels, "#54b8ff"))
    np.testing.assert_array_equal(edge, [[0, 0, 0, 1], [0, 0, 1, 0]])
    strong = decode(outline_png(labels, "#54b8ff", selected=[1]))
    assert (strong == 2).any()


def test_detector_png_of_a_real_shape_is_small():
    values = np.random.default_rng(2).poisson(0.02, (512, 1024)).astype(np.float32)
    assert len(detector_png(values)) < 200_000
    assert full_palette("inferno").shape == (256, 3)


@pytest.mark.parametrize("limits", [(1.0, 5.0), (1e-5, 1.5e-3), (1e-3, 1e6)])
def test_a_large_image_has_the_indices_of_a_logarithm_of_every_pixel(limits):
    rng = np.random.default_rng(0)
    values = np.exp(rng.uniform(np.log(limits[0]) - 1, np.log(limits[1]) + 1, (1000, 800))).astype(np.float32)
    values[0, :4] = 0.0, -3.0, np.nan, np.inf
    large = to_index(values, None, "log", limits)
    small = np.concatenate([to_index(part, None, "log", limits) for part in np.array_split(values, 4)])
    assert large[0, :4].tolist() == small[0, :4].tolist() == [1, 1, 0, 0]
    difference = np.abs(large.astype(int) - small)
    assert difference.max() <= 1  # a value beside the border of two colours
    assert np.mean(difference > 0) < 0.1


def test_a_large_image_with_narrow_limits_keeps_its_steps():
    values = np.linspace(1.0, 1.01, 600_000, dtype=np.float32).reshape(1000, 600)
    assert np.unique(to_index(values, None, "log", (1.0, 1.01))).size == 255


def test_few_photons_pack_by_run_lengths_and_noise_does_not():
    rng = np.random.default_rng(0)
    few, noise = rng.poisson(0.1, (400, 500)).astype(np.uint8), rng.integers(0, 255, (400, 500), np.uint8)
    assert len(palette_png(few, "inferno", flat=None)) == len(palette_png(few, "inferno", flat=True))
    assert len(palette_png(few, "inferno", flat=None)) < len(palette_png(few, "inferno"))
    assert palette_png(noise, "inferno", flat=None) == palette_png(noise, "inferno")
    np.testing.assert_array_equal(decode(palette_png(few, "inferno", flat=None)), few)


def test_percentiles_of_a_large_image_see_every_column():
    values = np.tile(np.arange(1, 2001, dtype=np.float32), (1000, 1))
    low, high = percentile_limits(values, None, "linear", 1, 99)
    assert low == pytest.approx(20, abs=3)
    assert high == pytest.approx(1980, abs=3)
