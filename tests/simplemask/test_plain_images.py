"""Pictures lead to no other file, whatever their endings promise."""

from __future__ import annotations

import fabio.cbfimage
import fabio.edfimage
import h5py
import numpy as np
import pytest

from xpcs_dash.errors import FileError
from xpcs_dash.hdf5.reach import OutOfReach, Reach
from xpcs_dash.simplemask.files import mask_bytes
from xpcs_dash.simplemask.plain_images import read_array

IMAGE = np.arange(12, dtype=np.int32).reshape(3, 4)


def test_every_format_is_read(tmp_path):
    np.save(tmp_path / "a.npy", IMAGE)
    fabio.edfimage.EdfImage(IMAGE).write(str(tmp_path / "a.edf"))
    fabio.cbfimage.CbfImage(IMAGE).write(str(tmp_path / "a.cbf"))
    (tmp_path / "a.tif").write_bytes(mask_bytes(IMAGE, "tif"))
    for name in ("a.npy", "a.edf", "a.cbf", "a.tif"):
        assert np.array_equal(read_array(tmp_path / name), IMAGE), name
    (tmp_path / "b.tif").write_bytes((tmp_path / "a.edf").read_bytes())
    assert np.array_equal(read_array(tmp_path / "b.tif"), IMAGE)  # what it is counts, not what it is called


def test_hdf5_under_the_name_of_a_picture_is_refused(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as h5:
        h5["/entry/data/data"] = IMAGE
    with h5py.File(tmp_path / "a.tif", "w") as h5:
        h5["/entry/data/data"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/entry/data/data")
    for path in (tmp_path / "a.tif", tmp_path / "a.h5::b.tif"):
        if "::" in path.name:
            (tmp_path / "a.tif").rename(path)
        with pytest.raises(FileError, match="like none of the images"):
            read_array(path)


def test_a_header_that_names_another_file_is_refused(tmp_path):
    (tmp_path / "values").write_bytes(IMAGE.tobytes())
    header = (
        "{\nEDF_BinaryFileName = values ;\nDim_1 = 4 ;\nDim_2 = 3 ;\nDataType = SignedInteger ;\n"
        "ByteOrder = LowByteFirst ;\n"
    )
    (tmp_path / "a.edf").write_bytes(header.encode().ljust(510) + b"}\n")
    with pytest.raises(FileError, match="its values lie in another file"):
        read_array(tmp_path / "a.edf")


def test_a_picture_must_lie_within_reach(tmp_path):
    (tmp_path / "root").mkdir()
    np.save(tmp_path / "secret.npy", IMAGE)
    (tmp_path / "root" / "a.npy").symlink_to("../secret.npy")
    reach = Reach.of([tmp_path / "root"])
    with pytest.raises(OutOfReach):
        read_array(tmp_path / "root" / "a.npy", reach)
    np.save(tmp_path / "root" / "b.npy", IMAGE)
    assert np.array_equal(read_array(tmp_path / "root" / "b.npy", reach), IMAGE)


def test_an_archive_and_pickles_are_no_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", IMAGE)
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.array([{}], dtype=object), allow_pickle=True)
    for name in ("a.npy", "b.npy"):
        with pytest.raises(FileError, match="not a NumPy array"):
            read_array(tmp_path / name)
