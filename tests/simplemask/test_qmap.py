"""Per-pixel maps: golden numbers, both backends, swing and reflection."""

from __future__ import annotations

import math

import numpy as np
import pytest

import xpcs_dash
from tests.conftest import LLPS_STRONG
from xpcs_dash.errors import UsageError
from xpcs_dash.hdf5.schemas import GeometryMetadata, QMapSchema
from xpcs_dash.simplemask.geometry import Setting
from xpcs_dash.simplemask.qmap import LazyMaps, compute_maps, compute_qmap

GEOMETRY = GeometryMetadata.from_metres(
    energy_kev=10.0, distance_m=0.4, pixel_m=75e-6, bcx=30.25, bcy=20.5, shape=(60, 80)
)
SETTINGS = [
    Setting(),
    Setting(legacy_q=True),
    Setting(swing_h=12.0, swing_v=-7.5),
    *[
        Setting(mode="reflection", incidence=0.2, orientation=side)
        for side in ("north", "west", "south", "east")
    ],
]


def plain(g, legacy=False):
    """The formulas as they are usually written."""
    row, column = np.mgrid[: g.shape[0], : g.shape[1]]
    v, h = row - g.bcy, column - g.bcx
    alpha = np.arctan(np.hypot(v, h) * g.pix_dim / g.det_dist)
    k = 2 * math.pi / g.lambda_
    phi = -np.arctan2(v, h)
    qr = k * np.sin(alpha)
    return {
        "q": qr if legacy else 2 * k * np.sin(alpha / 2),
        "phi": np.degrees(phi),
        "TTH": np.degrees(alpha),
        "qx": qr * np.cos(phi),
        "qy": qr * np.sin(phi),
        "qz": k * (np.cos(alpha) - 1),
        "qr": qr,
        "x": column,
        "y": row,
    }


@pytest.mark.parametrize("legacy", [False, True])
def test_transmission_is_the_plain_formula(legacy):
    maps = compute_maps(GEOMETRY, Setting(legacy_q=legacy), "numpy")
    for name, expected in plain(GEOMETRY, legacy).items():
        assert np.allclose(maps[name], expected, rtol=1e-12, atol=1e-12), name
        assert maps[name].dtype == np.float64


@pytest.mark.parametrize(
    "setting", SETTINGS, ids=lambda s: f"{s.mode}-{s.orientation}-{s.swing_h}-{s.legacy_q}"
)
def test_jax_and_numpy_agree(setting):
    a, b = (compute_maps(GEOMETRY, setting, name) for name in ("numpy", "jax"))
    assert list(a) == list(setting.maps) == list(b)
    for name in a:
        assert np.allclose(a[name], b[name], rtol=1e-12, atol=1e-12), name


def test_the_exact_q_has_no_cancellation_near_the_beam():
    far = GeometryMetadata.from_metres(
        energy_kev=12, distance_m=10.0, pixel_m=1e-5, bcx=0, bcy=0, shape=(1, 3)
    )
    angle = np.array([0, 1e-6, 2e-6])
    assert np.allclose(compute_maps(far, backend="numpy")["q"][0], far.k0 * angle, rtol=1e-10)


def test_swing_turns_the_detector_about_the_sample():
    g = GeometryMetadata.from_metres(
        energy_kev=10, distance_m=1.0, pixel_m=1e-4, bcx=50, bcy=50, shape=(101, 101)
    )
    for setting in (Setting(swing_h=15.0), Setting(swing_v=15.0), Setting(swing_h=-15.0)):
        maps = compute_maps(g, setting, "numpy")
        assert maps["TTH"][50, 50] == pytest.approx(15.0)  # the middle now stands at the swing angle
    assert np.allclose(compute_maps(g, Setting(swing_h=0.0))["q"], compute_maps(g)["q"])


def test_the_direct_beam_of_a_swung_detector():
    g = GeometryMetadata.from_metres(
        energy_kev=10, distance_m=1.0, pixel_m=1e-3, bcx=50, bcy=50, shape=(101, 501)
    )
    maps = compute_maps(g, Setting(swing_h=15.0), "numpy")
    row, column = np.unravel_index(int(np.argmin(maps["q"])), g.shape)
    assert row == 50
    assert column == pytest.approx(50 + 1000 * math.tan(math.radians(15)), abs=1)


def test_reflection_small_angles():
    # close to the beam the exact exit angles become those of the usual small-angle form
    g = GeometryMetadata.from_metres(
        energy_kev=10, distance_m=5.0, pixel_m=75e-6, bcx=40, bcy=80, shape=(100, 90)
    )
    maps = compute_maps(g, Setting(mode="reflection", incidence=0.14), "numpy")
    row, column = np.mgrid[:100, :90]
    v, h = (80 - row) * 75e-6, (column - 40) * 75e-6
    a, af, t = math.radians(0.14), np.arctan(v / 5) - math.radians(0.14), np.arctan(h / 5)
    k = g.k0
    assert np.allclose(maps["alpha_f"], np.degrees(af), atol=1e-5)
    assert np.allclose(maps["qz"], k * (math.sin(a) + np.sin(af)), rtol=1e-4, atol=1e-7)
    assert np.allclose(maps["qy"], k * np.cos(af) * np.sin(t), rtol=1e-4, atol=1e-7)
    assert np.allclose(maps["q"], np.sqrt(maps["qx"] ** 2 + maps["qy"] ** 2 + maps["qz"] ** 2))


def test_golden_numbers_of_a_real_map(sample):
    xf = xpcs_dash.open_result(sample(LLPS_STRONG))
    maps = compute_maps(xf.geometry, Setting(legacy_q=True))
    known = sample.known(LLPS_STRONG)
    for label, (_, angle, mean) in known.ring.items():
        inside = xf.sqmap == label
        assert maps["q"][inside].mean() == pytest.approx(mean, abs=5e-8)
        assert maps["phi"][inside].mean() == pytest.approx(angle, abs=10)
    assert maps["q"][xf.mask].min() == pytest.approx(known.span[0], abs=1e-9)
    assert maps["q"][xf.mask].max() == pytest.approx(known.span[1], abs=1e-9)


def test_metres_and_millimetres_give_the_same_q():
    mm = GeometryMetadata(30.25, 20.5, 400.0, GEOMETRY.lambda_, 0.075, (60, 80))
    assert np.array_equal(compute_maps(mm)["q"], compute_maps(GEOMETRY)["q"])


def test_schema():
    q = compute_qmap(GEOMETRY)
    assert isinstance(q, QMapSchema)
    assert q.sqmap.dtype == q.dqmap.dtype == q.phis.dtype == np.float64
    assert q.mask.dtype == q.partition_map.dtype == np.int32
    assert q.mask.all()


def test_lazy_maps_are_the_maps():
    lazy = LazyMaps(GEOMETRY)
    assert set(lazy) == set(compute_maps(GEOMETRY))
    assert np.array_equal(lazy["TTH"], compute_maps(GEOMETRY)["TTH"])
    with pytest.raises(KeyError):
        lazy["nothing"]


def test_settings_that_make_no_sense():
    for wrong in ({"mode": "sideways"}, {"orientation": "up"}, {"swing_h": 120}, {"incidence": float("nan")}):
        with pytest.raises(UsageError):
            Setting(**wrong)
