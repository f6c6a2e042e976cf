"""Maps and bins, written once for both backends, against loops and vectors: both could be wrong alike."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from xpcs_dash.backend import get_backend, use_backend
from xpcs_dash.hdf5.schemas import GeometryMetadata
from xpcs_dash.simplemask.digitise import bin_numbers
from xpcs_dash.simplemask.geometry import Setting
from xpcs_dash.simplemask.qmap import compute_maps


@pytest.fixture(params=["numpy", "jax"])
def backend(request):
    return get_backend(request.param)


GEOMETRY = GeometryMetadata.from_metres(
    energy_kev=9.0, distance_m=0.25, pixel_m=2e-3, bcx=7.3, bcy=5.6, shape=(12, 15)
)
K = 2 * math.pi * 9.0 / 12.39841984  # 2πE/hc in Å⁻¹


def ray(row, column):
    """Unit vector to a pixel: right, up, along the beam."""
    v = np.array([(column - 7.3) * 2.0, -(row - 5.6) * 2.0, 250.0])  # mm
    return v / np.linalg.norm(v)


def test_maps_in_transmission(backend):
    maps = compute_maps(GEOMETRY, Setting(), backend.name)
    legacy = compute_maps(GEOMETRY, Setting(legacy_q=True), backend.name)["q"]
    for row, column in product(range(12), range(15)):
        s = ray(row, column)
        change = K * (s - [0, 0, 1])
        across = math.hypot(s[0], s[1])
        for name, expected in {
            "q": np.linalg.norm(change), "qx": change[0], "qy": change[1], "qz": change[2],
            "qr": K * across, "phi": math.degrees(math.atan2(s[1], s[0])),
            "TTH": math.degrees(math.acos(s[2])), "x": column, "y": row,
        }.items():  # fmt: skip
            assert maps[name][row, column] == pytest.approx(expected, rel=1e-8, abs=1e-10), name
        assert legacy[row, column] == pytest.approx(K * across, rel=1e-8)


@pytest.mark.parametrize(
    ("side", "normal", "beside"),
    [
        ("north", (0, 1, 0), (1, 0, 0)),
        ("west", (-1, 0, 0), (0, 1, 0)),
        ("south", (0, -1, 0), (-1, 0, 0)),
        ("east", (1, 0, 0), (0, -1, 0)),
    ],
)
def test_maps_in_reflection(backend, side, normal, beside):
    """Momentum transfer along the surface, across it and out of it, for a beam at 1.2°."""
    a = math.radians(1.2)
    beam = np.array([0.0, 0.0, 1.0])
    n = math.cos(a) * np.array(normal, float) - math.sin(a) * beam
    e = math.sin(a) * np.array(normal, float) + math.cos(a) * beam
    maps = compute_maps(GEOMETRY, Setting(mode="reflection", incidence=1.2, orientation=side), backend.name)
    for row, column in product(range(12), range(15)):
        s = ray(row, column)
        change = K * (s - beam)
        for name, expected in {
            "qx": change @ e, "qy": change @ beside, "qz": change @ n,
            "qr": math.hypot(change @ e, change @ beside), "q": np.linalg.norm(change),
            "alpha_f": math.degrees(math.asin(s @ n)),
            "tth": math.degrees(math.atan2(s @ beside, s @ e)),
            "TTH": math.degrees(math.acos(s[2])),
            "phi": math.degrees(math.atan2(s @ np.array(normal), s @ np.array(beside))),
        }.items():  # fmt: skip
            assert maps[name][row, column] == pytest.approx(expected, rel=1e-7, abs=1e-9), name


@pytest.mark.parametrize("covers", [True, False])
@pytest.mark.parametrize(
    ("scale", "edges"),
    [
        ("linear", np.linspace(0.0, 2.0, 9)),
        ("linear", np.array([0.0, 0.3, 0.31, 1.7, 2.0])),
        ("log", np.geomspace(1e-3, 2.0, 12)),
        ("log", np.array([1e-3, 1.1e-3, 0.5, 2.0])),
    ],
)
def test_bins(backend, scale, edges, covers):
    rng = np.random.default_rng(6)
    low = 0.0 if scale == "linear" else 1e-3
    values = np.concatenate([rng.uniform(low, 2.0, 400), edges, edges + 4e-13, edges - 4e-13])
    if not covers:
        values = np.concatenate([values, [-0.5, 2.1, 3.0, 0.0]])
    use_backend(backend.name)
    try:
        found = bin_numbers(values, edges, scale, covers)
    finally:
        use_backend("auto")
    assert found.tolist() == [in_bin(v, edges, scale, covers) for v in values]


def in_bin(value, edges, scale, covers):
    """Bin of one value, by looking at one after the other; values differ from the 12th decimal on."""
    v, at = round(value * 1e12), [round(e * 1e12) for e in edges]
    if scale == "log" and value <= 0:
        return -1
    for i in range(len(edges) - 1):
        if at[i] <= v < at[i + 1]:
            return i
    if v == at[-1]:
        return len(edges) - 2
    return (0 if v < at[0] else len(edges) - 2) if covers else -1
