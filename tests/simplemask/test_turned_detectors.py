"""Maps of swung and turned detectors against vectors turned one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from xpcs_dash.hdf5.schemas import GeometryMetadata
from xpcs_dash.simplemask.geometry import Setting
from xpcs_dash.simplemask.qmap import compute_maps

CENTRED = GeometryMetadata.from_metres(
    energy_kev=10.0, distance_m=0.3, pixel_m=1e-3, bcx=20.0, bcy=20.0, shape=(41, 41)
)
#: No pixel lies on an axis, where an angle may be +180 or -180.
BETWEEN = GeometryMetadata.from_metres(
    energy_kev=10.0, distance_m=0.3, pixel_m=1e-3, bcx=19.5, bcy=19.5, shape=(40, 40)
)


def directions(geometry, *turns):
    """(H, W, 3) unit vectors to the pixels, x right, y down, z along the beam; ``turns`` in order."""
    row, column = np.mgrid[: geometry.shape[0], : geometry.shape[1]]
    flat = np.stack(
        [
            (column - geometry.bcx) * geometry.pix_dim,
            (row - geometry.bcy) * geometry.pix_dim,
            np.full(geometry.shape, geometry.det_dist),
        ],
        axis=-1,
    ).reshape(-1, 3)
    for turn in turns:
        flat = turn.apply(flat)
    return (flat / np.linalg.norm(flat, axis=1, keepdims=True)).reshape(*geometry.shape, 3)


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_the_horizontal_motor_carries_the_vertical_one(backend):
    h, v = 40.0, 25.0
    maps = compute_maps(CENTRED, Setting(swing_h=h, swing_v=v), backend)
    # the vertical arm lifts the detector in its own frame; the horizontal one then turns both
    lift = Rotation.from_rotvec(np.radians(v) * np.array([1.0, 0.0, 0.0]))
    aside = Rotation.from_rotvec(np.radians(-h) * np.array([0.0, 1.0, 0.0]))
    ray = directions(CENTRED, lift, aside)
    k = CENTRED.k0
    change = ray - np.array([0.0, 0.0, 1.0])  # of the direction, in units of k
    for name, expected in {
        "qx": k * ray[..., 0],
        "qy": -k * ray[..., 1],
        "qz": k * change[..., 2],
        "q": k * np.linalg.norm(change, axis=-1),
        "TTH": np.degrees(np.arccos(ray[..., 2])),
        "phi": np.degrees(np.arctan2(-ray[..., 1], ray[..., 0])),
    }.items():
        np.testing.assert_allclose(maps[name], expected, rtol=1e-9, atol=1e-9, err_msg=name)
    # by hand: the elevation of the middle above the horizontal plane is the vertical angle alone
    assert maps["qy"][20, 20] == pytest.approx(k * np.sin(np.radians(v)))


@pytest.mark.parametrize(("side", "quarters"), [("north", 0), ("west", 1), ("south", 2), ("east", 3)])
def test_a_surface_that_looks_elsewhere_is_the_picture_turned(side, quarters):
    north = compute_maps(BETWEEN, Setting(mode="reflection", incidence=0.4), "numpy")
    maps = compute_maps(BETWEEN, Setting(mode="reflection", incidence=0.4, orientation=side), "numpy")
    for name in set(maps) - {"x", "y"}:
        np.testing.assert_allclose(
            maps[name], np.rot90(north[name], quarters), rtol=1e-9, atol=1e-12, err_msg=f"{side} {name}"
        )


@pytest.mark.parametrize(
    ("side", "normal"),
    [("north", (0, -1, 0)), ("west", (-1, 0, 0)), ("south", (0, 1, 0)), ("east", (1, 0, 0))],
)
def test_exit_angles_are_those_above_the_tilted_surface(side, normal):
    """sin α_f is the ray along the normal of a surface that the beam meets at the angle of incidence."""
    incidence = np.radians(1.5)
    maps = compute_maps(CENTRED, Setting(mode="reflection", incidence=1.5, orientation=side), "numpy")
    beam, side_of = np.array([0.0, 0.0, 1.0]), np.array(normal, dtype=float)
    tilted = np.cos(incidence) * side_of - np.sin(incidence) * beam
    ray = directions(CENTRED)
    exit_angle = np.degrees(np.arcsin(ray @ tilted))
    np.testing.assert_allclose(maps["alpha_f"], exit_angle, atol=1e-9)
    np.testing.assert_allclose(
        maps["q"], CENTRED.k0 * np.linalg.norm(ray - beam, axis=-1), rtol=1e-9, atol=1e-9
    )
    # the specular beam leaves at the angle at which it came: 2 α_i from the direct beam, towards the normal
    pixels = np.tan(2 * incidence) * CENTRED.det_dist / CENTRED.pix_dim
    row, column = 20 + round(pixels * normal[1]), 20 + round(pixels * normal[0])
    assert maps["alpha_f"][row, column] == pytest.approx(1.5, abs=0.1)
