"""Partition, mask and frame files, read back equal."""

from __future__ import annotations

import dataclasses

import h5py
import numpy as np
import pytest

from tests.conftest import A001, A001_QMAP, LLPS_STRONG
from xpcs_dash import open_result
from xpcs_dash.errors import FileError, IncompleteFile, SchemaError, UsageError
from xpcs_dash.hdf5.frames import find_frames, reduce_frames
from xpcs_dash.hdf5.partition_file import read_partition, write_partition
from xpcs_dash.hdf5.schemas import GeometryMetadata
from xpcs_dash.simplemask.files import (
    MASK_FORMATS,
    partition_record,
    read_image,
    read_mask,
    save_own,
    save_partition,
    write_mask,
)
from xpcs_dash.simplemask.partition import Axis, generate_partition
from xpcs_dash.simplemask.qmap import compute_maps, compute_qmap

GEOMETRY = GeometryMetadata.from_metres(
    energy_kev=10.0, distance_m=5.0, pixel_m=75e-6, bcx=30.7, bcy=20.4, shape=(50, 60)
)


def some_partition():
    mask = np.ones((50, 60), np.int32)
    mask[10:20, 10:20] = 0
    return mask, generate_partition(compute_maps(GEOMETRY), mask, Axis("q", 5, 30), Axis("phi", 2, 4))


def test_round_trip(tmp_path):
    mask, made = some_partition()
    path = save_partition(tmp_path / "qmap.hdf", made, GEOMETRY, source_file="frames.h5")
    found = read_partition(path)
    assert np.array_equal(found.dynamic_map, made.dynamic.roi_map)
    assert np.array_equal(found.static_map, made.static.roi_map)
    assert np.array_equal(found.mask, mask > 0)
    for table, bins in ((found.dynamic, made.dynamic), (found.static, made.static)):
        assert table.num_pts == bins.num_pts
        assert np.array_equal(table.index_mapping, bins.index_mapping)
        assert np.array_equal(table.axis0, bins.v_list[0])
        assert np.array_equal(table.axis1, bins.v_list[1])
    assert found.geometry.distance_m == pytest.approx(5.0)
    assert found.source_file == "frames.h5"
    assert found.warnings == ()


def test_layout_is_the_writers(tmp_path, sample):
    _, made = some_partition()
    path = save_partition(tmp_path / "qmap.hdf", made, GEOMETRY)
    with h5py.File(path, locking=False) as ours, h5py.File(sample(A001_QMAP), locking=False) as theirs:
        a, b = ours["qmap"], theirs["qmap"]
        assert set(a) == set(b)
        for name in b:
            assert a[name].ndim == b[name].ndim, name
            assert a[name].dtype.kind == b[name].dtype.kind, name
        assert a["pixel_size"][()] == pytest.approx(75e-6)  # metres
        assert a["detector_distance"][()] == pytest.approx(5.0)
        assert a["dynamic_roi_map"].dtype == np.uint8
        assert len(a.attrs["hash"]) == 64
        assert a.attrs["version"]
        assert a["static_v_list_dim0"].attrs["unit"] == "Å⁻¹"
        assert a["map_units"][0].decode() == "Å⁻¹"
        assert set(ours) == {"qmap"}  # nothing beside it that a reader could take for another layout


def test_own_layout(tmp_path):
    mask, made = some_partition()
    qmap = compute_qmap(GEOMETRY, mask=mask, partition_map=made.partition_map)
    path = save_own(tmp_path / "own.hdf", mask, made, qmap, GEOMETRY)
    assert np.array_equal(read_mask(path), mask)
    with h5py.File(path, locking=False) as h5:
        assert np.array_equal(h5["simplemask/partition/partition_map"][()], made.partition_map)
        assert h5["simplemask/partition/val_list"][()].tolist() == list(made.val_list)
        assert np.array_equal(h5["xpcs/qmap/sqmap"][()], qmap.sqmap)
        assert h5["xpcs/metadata"].attrs["det_dist"] == pytest.approx(5000.0)


def test_the_hash_says_whether_the_content_is_the_same(tmp_path):
    _, made = some_partition()
    other = generate_partition(compute_maps(GEOMETRY), made.mask, Axis("q", 6, 30), Axis("phi"))
    hashes = [
        read_partition(save_partition(tmp_path / name, p, GEOMETRY)).hash
        for name, p in (("a.hdf", made), ("b.hdf", made), ("c.hdf", other))
    ]
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("name", [A001_QMAP, A001, LLPS_STRONG])
def test_saved_unchanged_it_keeps_the_hash_of_its_maker(tmp_path, sample, name):
    """Other tools compute the hash in ways of their own, and readers take another hash for another map."""
    record = read_partition(sample(name))
    again = read_partition(write_partition(tmp_path / "again.hdf", record))
    assert again.hash == record.hash
    assert again.version == record.version
    third = read_partition(write_partition(tmp_path / "third.hdf", again))
    assert third.hash == record.hash


def test_saved_by_us_it_keeps_its_hash_through_units_and_names(tmp_path):
    """A change of unit may cost the last digit, and the file that it was made from does not count."""
    _, made = some_partition()
    first = read_partition(save_partition(tmp_path / "a.hdf", made, GEOMETRY, source_file="frames.h5"))
    longer = dataclasses.replace(GEOMETRY, det_dist=float(np.nextafter(GEOMETRY.det_dist, np.inf)))
    assert longer != GEOMETRY
    second = save_partition(tmp_path / "b.hdf", made, longer, source_file="other.h5")
    assert read_partition(second).hash == first.hash


@pytest.mark.parametrize("field", ["dynamic_map", "static_map", "mask", "blemish"])
def test_changed_by_one_pixel_it_gets_another_hash(tmp_path, sample, field):
    record = read_partition(sample(A001_QMAP))
    pixels = np.array(getattr(record, field))
    row, column = np.argwhere(pixels > 0)[0]
    pixels[row, column] = 0
    changed = dataclasses.replace(record, **{field: pixels})
    assert read_partition(write_partition(tmp_path / "b.hdf", changed)).hash != record.hash


def test_another_geometry_is_another_partition(tmp_path, sample):
    record = read_partition(sample(A001_QMAP))
    moved = dataclasses.replace(record.geometry, bcx=record.geometry.bcx + 0.1)
    changed = dataclasses.replace(record, geometry=moved)
    assert read_partition(write_partition(tmp_path / "b.hdf", changed)).hash != record.hash


def test_members_that_we_do_not_know_are_carried_along(tmp_path, sample):
    (tmp_path / "a.hdf").write_bytes(sample(A001_QMAP).read_bytes())
    with h5py.File(tmp_path / "a.hdf", "r+", locking=False) as h5:
        h5["qmap/offset"] = np.arange(3)
        h5["qmap"].attrs["tool"] = "later"
    again = write_partition(tmp_path / "b.hdf", read_partition(tmp_path / "a.hdf"))
    with h5py.File(again, locking=False) as h5:
        assert h5["qmap/offset"][()].tolist() == [0, 1, 2]
        assert h5["qmap"].attrs["tool"] == "later"


def test_read_from_result_and_partition_files(sample):
    real = read_partition(sample(LLPS_STRONG))
    assert real.static.num_pts == (270, 8)
    assert real.static.n == sample.known(LLPS_STRONG).statics
    ours = read_partition(sample(A001_QMAP))
    assert ours.version == "0.4.5"


@pytest.mark.parametrize(("distance", "pixel"), [(5000.0, 0.075), (5.0, 0.075), (5000.0, 75e-6)])
def test_millimetres_are_understood_and_said(tmp_path, distance, pixel):
    _, made = some_partition()
    path = save_partition(tmp_path / "mm.hdf", made, GEOMETRY)
    with h5py.File(path, "r+", locking=False) as h5:
        h5["qmap/detector_distance"][()] = distance
        h5["qmap/pixel_size"][()] = pixel
    found = read_partition(path)
    assert found.geometry.distance_m == pytest.approx(5.0)
    assert found.geometry.pixel_m == pytest.approx(75e-6)
    assert any("millimetres" in text for text in found.warnings)


@pytest.mark.parametrize(
    "name", ["dynamic_roi_map", "static_num_pts", "dynamic_index_mapping", "static_v_list_dim0"]
)
def test_what_lacks_says_so(tmp_path, name):
    _, made = some_partition()
    path = save_partition(tmp_path / "bad.hdf", made, GEOMETRY)
    with h5py.File(path, "r+", locking=False) as h5:
        del h5["qmap"][name]
    with pytest.raises(IncompleteFile, match="partition cannot be used"):
        read_partition(path)


def test_not_a_partition(tmp_path):
    with h5py.File(tmp_path / "empty.hdf", "w") as h5:
        h5["x"] = 1
    with pytest.raises(IncompleteFile, match="no partition"):
        read_partition(tmp_path / "empty.hdf")
    with pytest.raises(FileError):
        read_partition(tmp_path / "nothing.hdf")


def test_labels_beyond_the_table_are_refused(tmp_path):
    _, made = some_partition()
    record = partition_record(made, GEOMETRY)
    record.dynamic_map.flags.writeable = True
    broken = type(record)(**{**record.__dict__, "dynamic_map": record.dynamic_map + 100})
    with pytest.raises(SchemaError, match="labels up to"):
        write_partition(tmp_path / "x.hdf", broken)
    assert list(tmp_path.iterdir()) == []  # nothing half-written stays


@pytest.mark.parametrize("kind", MASK_FORMATS)
@pytest.mark.parametrize("shape", [(50, 60), (7, 5), (1, 1)])
def test_masks_are_read_back_equal(tmp_path, kind, shape):
    mask = (np.random.default_rng(1).random(shape) < 0.5).astype(np.int32)
    path = write_mask(tmp_path / f"mask.{kind}", mask)
    found = read_mask(path)
    assert found.dtype == np.int32
    assert np.array_equal(found, mask)


def test_mask_in_an_unknown_format(tmp_path):
    with pytest.raises(UsageError, match="can be saved as"):
        write_mask(tmp_path / "mask.jpg", np.ones((2, 2)))


def frames_file(path, frames, name="/entry/data/data"):
    with h5py.File(path, "w") as h5:
        h5[name] = frames
    return path


def test_frames_are_found_and_reduced(tmp_path):
    frames = np.random.default_rng(0).poisson(3, (20, 8, 9)).astype(np.uint16)
    path = frames_file(tmp_path / "raw.h5", frames)
    assert find_frames(path).frames == 20
    mean, used = reduce_frames(path)
    assert used == 20
    assert np.allclose(mean, frames.mean(axis=0))
    most, used = reduce_frames(path, "max", 5)
    assert used == 5
    assert np.array_equal(most, frames[:5].max(axis=0))
    image = read_image(path, open_result)
    assert image.shape == (8, 9)
    assert image.frames == 20


def test_marked_pixels_become_nan(tmp_path):
    frames = np.ones((4, 3, 3), np.uint32)
    frames[:, 1, 1] = 2**32 - 1
    mean, _ = reduce_frames(frames_file(tmp_path / "raw.h5", frames, "/other/place"))
    assert np.isnan(mean[1, 1])
    assert np.nansum(mean) == 8


def test_frames_that_are_not_there(tmp_path):
    path = frames_file(tmp_path / "flat.h5", np.ones((3, 3)))
    with pytest.raises(IncompleteFile, match="no detector frames"):
        reduce_frames(path)
    full = frames_file(tmp_path / "raw.h5", np.ones((3, 2, 2)))
    with pytest.raises(UsageError):
        reduce_frames(full, start=9)
    with pytest.raises(UsageError):
        reduce_frames(full, "median")
