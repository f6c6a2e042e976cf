"""``xpcs-dash inspect`` and ``convert``: what they print, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import A001, A001_QMAP, A002, BES, E0173, LLPS_STRONG
from tests.hdf5 import synthetic
from xpcs_dash.cli import main

FIELDS = [
    *("layout", "kinds", "n_delay", "n_q", "delay_s", "q", "phi", "q_unit", "detector_shape", "frame_time_s"),
    *("energy_kev", "distance_m", "beam_center", "start_time", "sample", "zero_points", "starved_points"),
    *("averaged_from", "geometry_mismatch", "warnings", "summary", "bins"),
]


def run(capsys, *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def described(capsys, path: Path) -> dict:
    code, out, err = run(capsys, "inspect", path, "--json")
    assert code == 0, err
    return json.loads(out)


def test_a_simulated_file(sample, capsys):
    facts = described(capsys, sample(A001))
    assert list(facts) == FIELDS
    assert facts["layout"] == "aps_nexus"
    assert facts["kinds"] == ["multitau"]
    assert (facts["n_delay"], facts["n_q"]) == (38, 12)
    assert facts["delay_s"] == pytest.approx([1e-3, 1.536])
    assert len(facts["q"]) == len(facts["phi"]) == 12
    assert facts["q_unit"] == "Å⁻¹"
    assert facts["detector_shape"] == [192, 256]
    assert facts["frame_time_s"] == 0.001
    assert facts["energy_kev"] == 10.0
    assert facts["distance_m"] == 5.0
    assert facts["beam_center"] == [120.7, 96.4]
    assert facts["start_time"] == "2026-03-14T09:26:53"
    assert facts["sample"] == "A001_silica_multitau"
    assert facts["averaged_from"] == facts["geometry_mismatch"] == facts["warnings"] == []


def test_both_kinds(sample, capsys):
    assert described(capsys, sample(A002))["kinds"] == ["multitau", "twotime"]


def test_real_files(sample, capsys):
    facts, known = described(capsys, sample(E0173)), sample.known(E0173)
    assert facts["zero_points"] == known.zeros > 200
    assert facts["starved_points"] == known.starved > 500
    assert facts["geometry_mismatch"] == ["distance"]
    assert facts["warnings"]
    facts, known = described(capsys, sample(LLPS_STRONG)), sample.known(LLPS_STRONG)
    assert facts["zero_points"] == known.zeros > 10
    assert len(facts["averaged_from"]) == 54
    assert facts["q"][0] == pytest.approx(known.q[0], rel=1e-14)


def test_what_is_unknown_is_null(sample, capsys):
    facts = described(capsys, sample(BES))
    assert facts["starved_points"] is None
    assert facts["beam_center"] is None
    assert facts["energy_kev"] == 10.97


def test_partition_file(sample, capsys):
    facts = described(capsys, sample(A001_QMAP))
    assert list(facts) == FIELDS
    assert facts["kinds"] == []
    assert facts["delay_s"] is None


@pytest.mark.parametrize("name", [A001, A002, A001_QMAP, E0173, LLPS_STRONG, BES])
def test_for_a_person(sample, capsys, name):
    code, out, _ = run(capsys, "inspect", sample(name))
    assert code == 0
    assert name in out
    assert "Å⁻¹" in out
    assert "None" not in out


def test_errors_are_one_line_and_exit_1(tmp_path, capsys):
    (tmp_path / "text.hdf").write_text("no")
    (tmp_path / "empty.hdf").touch()
    synthetic.aps(tmp_path / "broken.hdf", multitau__delay_list=None)
    for name in ("text.hdf", "empty.hdf", "broken.hdf", "gone.hdf", "."):
        code, out, err = run(capsys, "inspect", tmp_path / name)
        assert code == 1
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith("xpcs-dash: ")


@pytest.mark.parametrize("arguments", [(), ("a", "b"), ("--banana", "a")])
def test_wrong_usage_exits_2(capsys, arguments):
    assert run(capsys, "inspect", *arguments)[0] == 2


def test_convert(sample, tmp_path, capsys):
    out = tmp_path / "own.h5"
    code, text, err = run(capsys, "convert", sample(A002), "--to", "own", "--out", out)
    assert code == 0, err
    assert text.strip() == str(out)
    facts = described(capsys, out)
    assert facts["layout"] == "xpcs_dash"
    assert facts["kinds"] == ["multitau", "twotime"]
    assert run(capsys, "convert", sample(A002), "--to", "own", "--out", out)[0] == 1
    assert run(capsys, "convert", sample(A002), "--to", "own", "--out", out, "--overwrite")[0] == 0
    assert run(capsys, "convert", sample(A002), "--to", "matlab", "--out", out)[0] == 2
