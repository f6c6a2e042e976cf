"""The schemas: what is wrong is named with what was expected and what was found."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpcs_dash.errors import SchemaError, UsageError
from xpcs_dash.hdf5.records import BinTable
from xpcs_dash.hdf5.schemas import G2Data, GeometryMetadata, MaskSchema, PartitionSchema, QMapSchema

Q = np.full((3, 4), 0.01)
ONES = np.ones((3, 4), int)


def table(**change):
    given = {"num_pts": (2, 2), "axis0": [1.0, 2.0], "axis1": [0.0, 90.0], "index_mapping": [0, 3], **change}
    return BinTable(**given)


@pytest.mark.parametrize(
    ("make", "field", "expected", "found"),
    [
        (lambda: GeometryMetadata(1, 1, 0, 1, 1, (3, 4)), "det_dist", "positive length in mm", "0.0"),
        (lambda: GeometryMetadata(1, 1, 5000, -1, 1, (3, 4)), "lambda_", "positive length in Å", "-1.0"),
        (lambda: GeometryMetadata(float("nan"), 1, 1, 1, 1, (3, 4)), "bcx", "finite", "nan"),
        (lambda: GeometryMetadata("1", 1, 1, 1, 1, (3, 4)), "bcx", "finite", "'1'"),
        (lambda: GeometryMetadata(1, 1, 1, 1, 1, (3,)), "shape", "rows, columns", "(3,)"),
        (lambda: GeometryMetadata(1, 1, 1, 1, 1, (3, 0)), "shape", "positive whole", "(3, 0)"),
        (lambda: QMapSchema(Q[0], Q, Q, ONES, ONES), "sqmap", "2-D", "(4,)"),
        (lambda: QMapSchema(Q, Q[:2], Q, ONES, ONES), "dqmap", "(3, 4)", "(2, 4)"),
        (lambda: QMapSchema(Q, Q * np.nan, Q, ONES, ONES), "dqmap", "finite", "NaN"),
        (lambda: QMapSchema(Q, Q, Q, ONES * 2, ONES), "mask", "only 0 (masked) and 1 (valid)", "the value 2"),
        (lambda: QMapSchema(Q, Q, Q, ONES, -ONES), "partition_map", "labels from 0", "-1"),
        (lambda: QMapSchema(Q, Q, Q, ONES, Q), "partition_map", "integer", "fractions"),
        (lambda: QMapSchema("abc", Q, Q, ONES, ONES), "sqmap", "float", "'abc'"),
        (lambda: PartitionSchema(ONES, 0, (), ()), "num_pts", "at least 1", "0"),
        (lambda: PartitionSchema(ONES, 2, (1.0,), (1, 2)), "val_list", "2 values", "1 values"),
        (lambda: PartitionSchema(ONES, 1, (1.0,), (-1,)), "num_list", "from 0", "-1"),
        (lambda: PartitionSchema(ONES * 5, 1, (1.0,), (12,)), "partition_map", "labels up to 1", "5"),
        (lambda: MaskSchema(ONES[0]), "mask", "2-D", "(4,)"),
        (lambda: MaskSchema([[1, 2], [3]]), "mask", "2-D", "unequal length"),
        (
            lambda: G2Data(np.ones((2, 1)), np.ones((2, 1)), [2.0, 1.0], [0.1]),
            "delay_times",
            "rising",
            "fall",
        ),
        (lambda: G2Data(np.ones((2, 1)), np.ones((2, 1)), [1.0, 2.0], [0.1, 0.2]), "g2", "(2, 2)", "(2, 1)"),
        (lambda: G2Data(np.ones((1, 1)), -np.ones((1, 1)), [1.0], [0.1]), "g2_err", "from 0", "-1.0"),
        (lambda: G2Data(np.full((1, 1), np.inf), np.ones((1, 1)), [1.0], [0.1]), "g2", "NaN", "infinity"),
        (lambda: table(axis0=[1.0]), "axis0", "2 bin centres", "1"),
        (lambda: table(index_mapping=[0, 4]), "index_mapping", "cells 0 to 3", "the cell 4"),
        (lambda: table(index_mapping=[1, 1]), "index_mapping", "each cell once", "twice"),
        (lambda: table(index_mapping=[]), "index_mapping", "at least one bin", "none"),
    ],
)
def test_errors_name_field_expected_and_found(make, field, expected, found):
    with pytest.raises(SchemaError) as caught:
        make()
    assert caught.value.field == field
    assert expected in caught.value.expected
    assert found in caught.value.found
    text = str(caught.value)
    assert f".{field}: expected " in text
    assert ", found " in text


def test_frozen_and_read_only():
    source = np.zeros((3, 4), int)
    mask = MaskSchema(source)
    source[0, 0] = 1
    assert mask.mask[0, 0] == 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        mask.mask = source
    with pytest.raises(ValueError, match="read-only"):
        mask.mask[0, 0] = 1


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float64])
def test_masks_of_any_type_become_int32(dtype):
    assert MaskSchema(np.ones((2, 2), dtype)).mask.dtype == np.int32


def test_nan_in_g2_means_no_data():
    data = G2Data([[np.nan, 1.0]], [[np.nan, 0.1]], [1e-3], [0.01, 0.02])
    assert np.isnan(data.g2[0, 0])


@given(
    energy=st.floats(1, 100),
    distance=st.floats(0.01, 50),
    pixel=st.floats(1e-6, 1e-3),
    x=st.floats(-500, 500),
)
def test_metres_and_millimetres(energy, distance, pixel, x):
    """Unit mistakes are the worst fault of the field: metres in, millimetres inside, metres out."""
    g = GeometryMetadata.from_metres(
        energy_kev=energy, distance_m=distance, pixel_m=pixel, bcx=3, bcy=4, shape=(10, 12)
    )
    assert g.det_dist == pytest.approx(distance * 1e3)
    assert g.pix_dim == pytest.approx(pixel * 1e3)
    assert g.energy_kev == pytest.approx(energy)
    assert g.distance_m == pytest.approx(distance)
    assert g.k0 == pytest.approx(2 * np.pi * energy / 12.39841984)
    alpha = np.arctan(abs(x) * pixel / distance)
    assert g.q_at(3 + x, 4) == pytest.approx(g.k0 * np.sin(alpha), rel=1e-12, abs=1e-15)
    assert g.q_at(3 + x, 4, elastic=True) == pytest.approx(2 * g.k0 * np.sin(alpha / 2), rel=1e-12, abs=1e-15)


def test_phi_is_zero_to_the_right_and_ninety_up():
    g = GeometryMetadata(10, 10, 5000, 1, 0.075, (20, 20))
    assert g.phi_at(15, 10) == pytest.approx(0)
    assert g.phi_at(10, 5) == pytest.approx(90)
    assert g.phi_at(10, 15) == pytest.approx(-90)
    assert g.phi_at(np.arange(20)[None, :], np.arange(20)[:, None]).shape == (20, 20)


@given(n0=st.integers(1, 6), n1=st.integers(1, 5), data=st.data())
def test_bin_tables(n0, n1, data):
    """Every label leads to its own cell, and values on the grid stand where the label says."""
    cells = data.draw(st.lists(st.integers(0, n0 * n1 - 1), min_size=1, max_size=n0 * n1, unique=True))
    axis0, axis1 = np.arange(n0) + 0.5, np.arange(n1) * 10.0
    bins = BinTable((n0, n1), axis0, axis1, np.array(cells))
    assert len(bins.q) == len(bins.phi) == len(bins.labels) == bins.n == len(cells)
    values = np.arange(2.0 * bins.n).reshape(2, bins.n)
    full = bins.expand(values)
    assert full.shape == (2, n0, n1)
    assert np.isfinite(full[0]).sum() == bins.n
    for label in range(1, bins.n + 1):
        i0, i1 = bins.cell(label)
        assert bins.q[label - 1] == axis0[i0]
        assert bins.phi[label - 1] == axis1[i1]
        assert np.array_equal(full[:, i0, i1], values[:, label - 1])
    for label in (0, bins.n + 1):
        with pytest.raises(UsageError, match=f"no bin {label}"):
            bins.cell(label)
    with pytest.raises(SchemaError, match="along the last axis"):
        bins.expand(np.zeros(bins.n + 1))


@pytest.mark.parametrize(
    ("names", "units", "text"),
    [
        (("q", "phi"), ("Å⁻¹", "deg"), "q=1.00000 Å⁻¹, φ=90.0 deg"),
        (("x", "y"), ("px", "px"), "x=1.0 px, y=90.0 px"),
        (("eq", "ephi"), ("", ""), "eq=1.000, ephi=90.000"),
    ],
)
def test_label_texts(names, units, text):
    assert table(names=names, units=units, index_mapping=[1]).labels == [text]
