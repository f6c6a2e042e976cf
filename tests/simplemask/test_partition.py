"""Partitions: label for label against real maps, and the rules one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import A001_QMAP, LLPS_STRONG
from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.partition_file import read_partition
from xpcs_dash.hdf5.schemas import GeometryMetadata, PartitionSchema
from xpcs_dash.simplemask.digitise import bin_numbers
from xpcs_dash.simplemask.geometry import Setting
from xpcs_dash.simplemask.partition import Axis, check_nesting, generate_partition, label_values
from xpcs_dash.simplemask.qmap import compute_maps

GEOMETRY = GeometryMetadata.from_metres(
    energy_kev=10.0, distance_m=5.0, pixel_m=75e-6, bcx=60.7, bcy=40.4, shape=(90, 120)
)
MAPS = compute_maps(GEOMETRY, backend="numpy")
ALL = np.ones(GEOMETRY.shape, np.int32)


def made_again(record, legacy, axis0, axis1):
    maps = compute_maps(record.geometry, Setting(legacy_q=legacy))
    return generate_partition(maps, record.mask, axis0, axis1)


def test_a001_is_reproduced_label_for_label(sample):
    record = read_partition(sample(A001_QMAP))
    made = made_again(record, False, Axis("q", 12, 120), Axis("phi", 1, 1))
    for bins, labels, table in (
        (made.dynamic, record.dynamic_map, record.dynamic),
        (made.static, record.static_map, record.static),
    ):
        assert np.mean(bins.roi_map == labels) >= 0.999
        assert np.array_equal(bins.index_mapping, table.index_mapping)
        assert np.allclose(bins.v_list[0], table.axis0, atol=1e-9)
        assert np.allclose(bins.v_list[1], table.axis1, atol=1e-6)


def test_a001_by_its_range_of_q(sample):
    record = read_partition(sample(A001_QMAP))
    maps = compute_maps(record.geometry)
    inside = record.mask & (maps["q"] >= 0.0012) & (maps["q"] <= 0.0095)
    made = generate_partition(maps, inside, Axis("q", 12, 120), Axis("phi"))
    assert np.mean(made.static.roi_map == record.static_map) >= 0.999


def test_a_real_map_is_reproduced_to_every_pixel(sample):
    record = read_partition(sample(LLPS_STRONG))
    made = made_again(record, True, Axis("q", 27, 270), Axis("phi", 1, 8))
    assert np.array_equal(made.dynamic.roi_map, record.dynamic_map)
    assert np.array_equal(made.static.roi_map, record.static_map)
    assert np.array_equal(made.static.index_mapping, record.static.index_mapping)
    assert np.array_equal(made.dynamic.index_mapping, record.dynamic.index_mapping)
    known = sample.known(LLPS_STRONG)
    for label, (i, j) in known.cells.items():
        assert made.static.index_mapping[label - 1] == i * 8 + j
    q, phi = label_values(made.static)
    for label, (centre, angle, _) in known.ring.items():
        assert q[label - 1] == pytest.approx(centre, abs=5e-8)
        assert phi[label - 1] == pytest.approx(angle, abs=0.01)
    assert np.abs(made.static.v_list[0] - record.static.axis0).max() <= 1e-5


def test_partition_schema_and_payload():
    made = generate_partition(MAPS, ALL, Axis("q", 5, 20), Axis("phi", 2, 4))
    assert isinstance(made, PartitionSchema)
    payload = made.payload()
    assert payload["partition_map"].dtype == np.int32
    assert payload["num_pts"] == len(payload["val_list"]) == len(payload["num_list"])
    counted = np.bincount(payload["partition_map"].ravel())[1:]
    assert payload["num_list"] == counted.tolist()
    assert type(payload["val_list"]) is list
    assert type(payload["num_pts"]) is int


@settings(deadline=None, max_examples=60)
@given(
    n=st.tuples(*[st.integers(1, 9)] * 4),
    scale=st.sampled_from(["linear", "log"]),
    seed=st.integers(0, 2**16),
    names=st.sampled_from([("q", "phi"), ("x", "y"), ("qx", "qy"), ("TTH", "phi")]),
)
def test_every_partition_nests_and_has_no_gaps(n, scale, seed, names):
    mask = np.random.default_rng(seed).random(GEOMETRY.shape) < 0.3
    made = generate_partition(
        MAPS,
        mask,
        Axis(names[0], n[0], n[0] * n[1], scale if names[0] == "q" else "linear"),
        Axis(names[1], n[2], n[2] * n[3]),
    )
    assert check_nesting(made.dynamic.roi_map, made.static.roi_map, made.mask) == []
    assert np.array_equal(made.mask > 0, mask & (made.static.roi_map > 0))
    for bins in (made.dynamic, made.static):
        assert np.array_equal(
            np.bincount(bins.roi_map.ravel(), minlength=len(bins.counts) + 1)[1:], bins.counts
        )
        assert np.all(np.diff(bins.index_mapping) > 0)


def test_edges_centres_and_the_last_value():
    ramp = {"x": np.arange(100.0).reshape(1, 100), "y": np.zeros((1, 100))}
    made = generate_partition(ramp, np.ones((1, 100)), Axis("x", 3, 3), Axis("y"))
    assert made.num_list == (33, 33, 34)  # the greatest value belongs to the last bin
    assert made.dynamic.v_list[0] == pytest.approx([16.5, 49.5, 82.5])


def test_log_bins():
    made = generate_partition(MAPS, ALL, Axis("q", 8, 16, "log"), Axis("phi"))
    centres = made.dynamic.v_list[0]
    assert np.allclose(np.diff(np.log(centres)), np.diff(np.log(centres))[0])
    qmin, qmax = MAPS["q"].min(), MAPS["q"].max()
    assert centres[0] == pytest.approx(np.sqrt(qmin * qmin * (qmax / qmin) ** (1 / 8)))


def test_values_that_are_not_positive_fall_out_of_log_bins():
    centred = GeometryMetadata(60, 40, 5000.0, 1.24, 0.075, (90, 120))
    made = generate_partition(compute_maps(centred), ALL, Axis("q", 4, 4, "log"), Axis("phi"))
    assert made.dynamic.roi_map[40, 60] == 0
    assert any("lie in no bin" in text for text in made.checks)


def test_static_counts_become_multiples():
    made = generate_partition(MAPS, ALL, Axis("q", 10, 105), Axis("phi"))
    assert made.static.num_pts == (110, 1)
    assert "static q bins raised from 105 to 110" in made.checks[0]


def test_explicit_edges():
    made = generate_partition(MAPS, ALL, Axis("q", static=6, edges=(0.001, 0.002, 0.004)), Axis("phi"))
    q, labels = MAPS["q"], made.dynamic.roi_map
    assert np.array_equal(labels == 1, (q >= 0.001) & (q < 0.002))
    assert np.array_equal(labels == 2, (q >= 0.002) & (q <= 0.004))
    assert made.static.num_pts == (6, 1)
    with pytest.raises(UsageError, match="rising"):
        Axis("q", edges=(1, 1, 2))


def test_phi_offset_and_fold():
    ring = {"q": np.ones((1, 720)), "phi": np.linspace(-180, 180, 721)[:-1].reshape(1, 720)}
    folded = generate_partition(ring, np.ones((1, 720)), Axis("q"), Axis("phi", 4, 4, fold=2))
    assert folded.num_list == (180, 180, 180, 180)
    labels = folded.dynamic.roi_map[0]
    assert np.array_equal(labels[:360], labels[360:])  # opposite sectors are one
    assert folded.dynamic.v_list[1] == pytest.approx([22.25, 67.25, 112.25, 157.25])
    turned = generate_partition(ring, np.ones((1, 720)), Axis("q"), Axis("phi", 4, 4, offset=45.0))
    assert turned.dynamic.roi_map[0, 0] == turned.dynamic.roi_map[0, -90]  # the bin goes through ±180


def test_a_pixel_in_no_bin_of_one_axis_gets_no_label():
    # an offset into the previous row must not give it the row's last label
    maps = {"q": np.tile(np.arange(4.0), (4, 1)), "y": np.tile(np.arange(4.0)[:, None], (1, 4))}
    made = generate_partition(
        maps, np.ones((4, 4)), Axis("q", edges=(0, 2, 4), static=2), Axis("y", edges=(1, 2, 3.5), static=2)
    )
    assert (made.dynamic.roi_map[0] == 0).all()
    assert (made.dynamic.roi_map[1:] > 0).all()


def test_sentences_about_bins():
    made = generate_partition(MAPS, ALL, Axis("q", 10, 2000), Axis("phi"))
    assert any("hold no pixel" in t or "fewer than" in t for t in made.checks)
    torn = check_nesting(np.array([[1, 2]]), np.array([[1, 1]]))
    assert "more than one dynamic bin" in torn[0]
    assert "2 pixels lie in a bin of one map" in check_nesting(np.array([[1, 1]]), np.array([[0, 0]]))[0]
    assert "used by no pixel" in check_nesting(np.array([[1, 3]]), np.array([[1, 2]]))[0]


def test_nothing_to_cut():
    with pytest.raises(UsageError, match="no pixel is valid"):
        generate_partition(MAPS, ALL * 0, Axis("q", 2, 2), Axis("phi"))
    with pytest.raises(UsageError, match="not among the maps"):
        generate_partition(MAPS, ALL, Axis("weight", 2, 2), Axis("phi"))
    with pytest.raises(UsageError, match="does not fit"):
        generate_partition(MAPS, np.ones((3, 3)), Axis("q", 2, 2), Axis("phi"))


@settings(deadline=None, max_examples=80)
@given(
    n=st.integers(1, 400),
    low=st.floats(1e-5, 10),
    span=st.floats(1e-3, 1e3),
    scale=st.sampled_from(["linear", "log"]),
    seed=st.integers(0, 99),
)
def test_bin_numbers_are_digitize(n, low, span, scale, seed):
    high = low + span if scale == "linear" else low * (1 + span)
    edges = np.linspace(low, high, n + 1) if scale == "linear" else np.geomspace(low, high, n + 1)
    if np.any(np.diff(np.round(edges, 12)) <= 0):
        return
    values = np.random.default_rng(seed).uniform(low, high, 300)
    values = np.concatenate([values, edges])
    expected = np.clip(np.digitize(np.round(values, 12), np.round(edges, 12)) - 1, 0, n - 1)
    assert np.array_equal(bin_numbers(values, edges, scale, True), expected)
