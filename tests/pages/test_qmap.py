import gzip
import json
import struct
from types import SimpleNamespace

import numpy as np
import pytest

from tests.conftest import E0173
from xpcs_dash.analysis import views as derived
from xpcs_dash.errors import UsageError
from xpcs_dash.figures.qmap import MAPS, difference_index, figure_bins, partition_png
from xpcs_dash.hdf5.schemas import GeometryMetadata
from xpcs_dash.pages.qmap import PAGE
from xpcs_dash.pages.qmap.callbacks import draw, map_facts, show_bins
from xpcs_dash.pages.qmap.routes import encode_intensity, field_of


def address(viewed, number, name):
    return f"/map/{number}/{viewed.kernel.open(str(number)).key.token}/{name}"


def array(answer):
    return np.frombuffer(answer.data, "<u2")


@pytest.mark.parametrize("kind", ["dynamic", "static", "q", "phi", "mask"])
def test_every_map_is_a_picture_of_the_detector_kept_for_good(viewed, kind):
    answer = viewed.client(PAGE).get(address(viewed, 1, f"{kind}.png"))
    assert answer.status_code == 200
    assert struct.unpack(">II", answer.data[16:24]) == (256, 192)
    assert "immutable" in answer.headers["Cache-Control"]
    assert len(answer.data) > 200


def test_another_token_is_not_kept(viewed):
    answer = viewed.client(PAGE).get("/map/1/0123456789abcdef/dynamic.png")
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_cursor_gets_labels_and_intensity_of_every_pixel(viewed):
    client, xf = viewed.client(PAGE), viewed.kernel.open("1")
    meta = json.loads(client.get(address(viewed, 1, "meta.json")).data)
    labels = array(client.get(address(viewed, 1, "static.bin"))).reshape(meta["shape"])
    np.testing.assert_array_equal(labels, xf.sqmap)
    np.testing.assert_array_equal(np.array(meta["nested"])[labels], xf.dqmap)
    planes = np.frombuffer(client.get(address(viewed, 1, "intensity.bin")).data, np.uint8).astype(int)
    code = planes[: labels.size] + 256 * planes[labels.size :]
    how = meta["intensity"]
    assert how["kind"] == "counts"
    np.testing.assert_allclose((code * how["scale"]).reshape(labels.shape), xf.saxs_2d, atol=1e-5)
    g = meta["geometry"]
    assert g["k0"] == pytest.approx(xf.geometry.k0)
    assert meta["dynamic"]["q"] == pytest.approx(xf.q.tolist())


def test_intensity_that_is_not_counts_is_good_to_three_parts_in_ten_thousand():
    image = np.geomspace(1e-9, 1e3, 1000).reshape(20, 50)
    image[0, 0] = 0
    how, planes = encode_intensity(image, 100_000)
    code = np.frombuffer(planes, np.uint8).astype(int)
    code = code[:1000] + 256 * code[1000:]
    back = np.where(code == 0, 0.0, np.exp(how["offset"] + (code - 1) * how["scale"]))
    np.testing.assert_allclose(back, image.ravel(), rtol=3e-4)


def test_the_largest_detector_stays_within_its_payload(viewed):
    client = viewed.client(PAGE)
    sizes = {
        name: len(gzip.compress(client.get(address(viewed, 5, name)).data, 6))
        for name in ("dynamic.png", "meta.json", "static.bin", "intensity.bin")
    }
    assert sum(sizes.values()) < 1_500_000, sizes


def test_neighbouring_bins_differ_in_shade_and_masked_pixels_are_transparent():
    png = partition_png(np.array([[0, 1, 2, 3]]), 3)
    assert b"tRNS" in png
    assert png != partition_png(np.array([[0, 1, 1, 3]]), 3)


@pytest.mark.parametrize("kind", [k for k in MAPS if k != "difference"])
def test_each_kind_draws_an_image_by_address(viewed, kind):
    fig, words = draw(viewed, viewed.look(1, q=[2]), kind, "viridis")
    made = fig.to_figure()
    assert len(made.layout.images) == 2  # the map, and the borders of the chosen bin
    assert ".png" in made.layout.images[0].source
    assert "192" in words


def test_difference_needs_two_files_of_the_same_detector(viewed):
    with pytest.raises(UsageError, match="two files"):
        draw(viewed, viewed.look(1), "difference", "viridis")
    with pytest.raises(UsageError, match="differ"):
        draw(viewed, viewed.look(1, 2), "difference", "viridis")
    fig, words = draw(viewed, viewed.look(1, 3), "difference", "viridis")
    assert "differ" in words
    assert fig.to_figure().layout.images[0].source.count("difference.png") == 1


def test_difference_tells_four_cases_apart():
    here, other = np.array([[0, 1, 1, 2, 0]]), np.array([[0, 1, 2, 0, 3]])
    assert difference_index(here, other).tolist() == [[0, 1, 2, 3, 4]]


def test_small_bins_are_marked(viewed):
    pixels = np.array([1000, 900, 20, 1100])
    small, limit = derived.small_bins(pixels)
    assert small.tolist() == [False, False, True, False]
    assert limit == 100
    made = figure_bins(pixels, ["a", "b", "c", "d"], small, [2]).to_figure()
    assert list(made.data[1].x) == [3]
    colours = made.data[0].marker.color
    assert colours[1] != colours[0]
    assert colours[2] != colours[0]
    change, _ = show_bins(viewed, viewed.look(4), "dynamic")
    assert change is not None


def test_the_facts_warn_where_the_geometry_disagrees(viewed, sample):
    text = str(map_facts(viewed, viewed.look(5)))
    assert "11.6 m" in text
    assert "q-map's geometry is used" in text
    assert sample.known(E0173).map_hash[:12] in text
    assert "geometry is used" not in str(map_facts(viewed, viewed.look(1)))


def test_bad_requests_are_refused(viewed):
    client = viewed.client(PAGE)
    client.application.testing = True
    with pytest.raises(UsageError, match="other file"):
        client.get(address(viewed, 1, "difference.png"))


def test_a_file_without_a_map_gets_none_invented(viewed):
    # a viewer that makes up 10 bins between 0.01 and 0.1 on 1024 x 1024 pixels shows them with real data
    xf = SimpleNamespace(geometry=None, detector_shape=None, dqmap=None)
    with pytest.raises(UsageError, match="none is invented"):
        draw(viewed, SimpleNamespace(xf=xf), "dynamic", "viridis")


def test_nominal_energy_and_distance_would_be_an_eighth_off(viewed):
    xf = viewed.kernel.open("4")
    nominal = GeometryMetadata.from_metres(
        energy_kev=12.339, distance_m=7.8, pixel_m=76e-6, bcx=581.5, bcy=235.5, shape=(512, 1024)
    )
    values, _ = field_of(xf, "q")
    pixels = xf.sqmap > 0
    mean = np.bincount(xf.sqmap[pixels], values[pixels])[1:] / np.bincount(xf.sqmap[pixels])[1:]
    assert np.median(np.abs(mean / xf.static.q - 1)) < 1e-3
    assert nominal.q_at(900, 300) / xf.geometry.q_at(900, 300) == pytest.approx(1.127, abs=1e-3)
