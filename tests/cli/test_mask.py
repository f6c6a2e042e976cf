"""``xpcs-dash mask``."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.conftest import A001, A001_QMAP
from xpcs_dash.cli import main
from xpcs_dash.hdf5.partition_file import read_partition
from xpcs_dash.simplemask.files import write_mask


def run(capsys, *words):
    """Exit code, standard output and standard error of one command."""
    try:
        main(["mask", *map(str, words)])
        code = 0
    except SystemExit as end:
        code = end.code or 0
    out = capsys.readouterr()
    return code, out.out, out.err


def test_build_from_a_result_reproduces_its_map(capsys, sample, tmp_path):
    out = tmp_path / "qmap.hdf"
    code, text, err = run(
        capsys, "build", "--from", sample(A001), "--q-range", 0.0012, 0.0095, "--dq", 12, "--sq", 120,
        "--out", out, "--json",
    )  # fmt: skip
    assert (code, err) == (0, "")
    facts = json.loads(text)
    made, theirs = read_partition(out), read_partition(sample(A001_QMAP))
    assert np.mean(made.static_map == theirs.static_map) >= 0.999
    assert facts["dynamic"]["bins"] == 12
    assert facts["static"]["bins"] == 120
    assert facts["valid_pixels"] == int(made.mask.sum())
    assert facts["geometry"]["distance_m"] == 5.0


def test_show(capsys, sample):
    code, text, _ = run(capsys, "show", sample(A001_QMAP), "--json")
    facts = json.loads(text)
    assert code == 0
    assert facts["shape"] == [192, 256]
    counts = np.bincount(read_partition(sample(A001_QMAP)).static_map.ravel())[1:]
    assert facts["static"]["pixels_min"] == counts.min()
    assert facts["static"]["pixels_median"] == np.median(counts)
    assert facts["warnings"] == []
    assert facts["geometry"]["pixel_m"] == pytest.approx(75e-6)


def test_build_from_an_image_with_a_mask(capsys, tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "image.npy", rng.poisson(5, (40, 50)))
    mask = np.ones((40, 50), int)
    mask[:, :10] = 0
    write_mask(tmp_path / "mask.tif", mask)
    geometry = tmp_path / "g.toml"
    geometry.write_text("energy_kev = 10.0\ndistance_m = 5.0\npixel_m = 7.5e-5\nbcx = 25.2\nbcy = 20.1\n")
    out = tmp_path / "qmap.hdf"
    code, text, err = run(
        capsys, "build", "--image", tmp_path / "image.npy", "--geometry", geometry, "--mask",
        tmp_path / "mask.tif",
        "--threshold-high", 9, "--dq", 4, "--sq", 8, "--dp", 2, "--sp", 2, "--log", "--out", out,
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert "dynamic: bins" in text
    record = read_partition(out)
    image = np.load(tmp_path / "image.npy")
    assert np.array_equal(record.mask, (mask > 0) & (image < 9))
    assert record.dynamic.num_pts == (4, 2)


def test_show_a_mask(capsys, tmp_path):
    path = write_mask(tmp_path / "mask.npy", np.eye(4))
    code, text, _ = run(capsys, "show", path, "--json")
    assert code == 0
    assert json.loads(text)["valid_pixels"] == 4


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["build", "--out", "x.hdf"], "give either --from"),
        (["build", "--image", "i.npy", "--out", "x.hdf"], "--geometry"),
        (["build", "--from", "nothing.hdf", "--out", "x.hdf"], "nothing.hdf"),
        (["show", "nothing.hdf"], "nothing.hdf"),
    ],
)
def test_errors_are_one_line(capsys, tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *words)
    assert code == 1
    assert out == ""
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("energy_kev = 10", "lacks"),
        ("energy = ", "TOML"),
        ("energy_kev=-1\ndistance_m=5\npixel_m=1e-4\nbcx=1\nbcy=1", "positive"),
    ],
)
def test_bad_geometry(capsys, tmp_path, text, says):
    np.save(tmp_path / "image.npy", np.ones((4, 5)))
    (tmp_path / "g.toml").write_text(text)
    words = [
        "build",
        "--image",
        tmp_path / "image.npy",
        "--geometry",
        tmp_path / "g.toml",
        "--out",
        tmp_path / "x.hdf",
    ]
    code, _, err = run(capsys, *words)
    assert code == 1
    assert says in err


def test_usage(capsys):
    assert run(capsys, "build")[0] == 2
