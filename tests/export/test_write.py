import hashlib
import inspect
import json
import os
import re
import shutil

import h5py
import numpy as np
import pytest

from tests.conftest import A001, A002, E0173
from xpcs_dash import open_result
from xpcs_dash.errors import FileError, UsageError
from xpcs_dash.export.provenance import content_hash
from xpcs_dash.export.tables import from_csv
from xpcs_dash.export.views import VIEWS, ViewOptions, find_view
from xpcs_dash.export.views.base import literal
from xpcs_dash.export.write import described
from xpcs_dash.export.write import export as write
from xpcs_dash.figures.publication import MM_PER_INCH, PageSize
from xpcs_dash.hdf5.table_file import read_tables
from xpcs_dash.results.xpcs_file import XpcsFile
from xpcs_dash.settings import Settings


def export(xf, view, out, options, url=""):
    """An export with the settings as they are by default."""
    return write(xf, view, out, options, Settings(), url)


@pytest.fixture(scope="module")
def aging(sample):
    return open_result(sample(A002))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("suffix", [".pdf", ".svg", ".png", ".csv", ".h5"])
def test_every_view_in_every_form(aging, tmp_path, view, suffix):
    out = export(aging, view, tmp_path / f"x{suffix}", ViewOptions())
    head = out.read_bytes()
    starts = {".pdf": b"%PDF", ".svg": b"<?xml", ".png": b"\x89PNG", ".csv": b"# source", ".h5": b"\x89HDF"}
    assert head.startswith(starts[suffix])
    assert content_hash(aging).encode() in head  # every form carries its provenance
    assert [path.name for path in tmp_path.iterdir()] == [f"x{suffix}"]


def test_pdf_has_the_size_asked_for_and_embeds_its_fonts(aging, tmp_path):
    out = export(aging, "g2", tmp_path / "x.pdf", ViewOptions(size=PageSize(85, 60)))
    text = out.read_bytes()
    box = re.search(rb"/MediaBox \[ ?([\d. ]+)\]", text)
    assert box is not None
    width, height = [float(v) for v in box[1].split()][2:]
    assert width == pytest.approx(85 / MM_PER_INCH * 72, abs=0.1)
    assert height == pytest.approx(60 / MM_PER_INCH * 72, abs=0.1)
    assert b"/FontFile2" in text  # TrueType programs in the file
    assert b"/Type3" not in text


def test_csv_reads_back_to_the_same_numbers(aging, tmp_path):
    out = export(aging, "g2", tmp_path / "x.csv", ViewOptions(q_bins=(2, 5)))
    table = from_csv(out)["g2"]
    n = aging.t_el.size
    np.testing.assert_array_equal(table["q_bin"], [2] * n + [5] * n)
    np.testing.assert_array_equal(table["g2"], np.r_[aging.g2[:, 1], aging.g2[:, 4]])
    np.testing.assert_array_equal(table["delay (s)"][:n], aging.t_el)
    np.testing.assert_array_equal(table["q (Å⁻¹)"][::n], aging.q[[1, 4]])


def test_hdf5_reads_back_with_units_and_provenance(aging, tmp_path):
    out = export(aging, "saxs", tmp_path / "x.h5", ViewOptions(), url="http://localhost/saxs")
    tables, attributes = read_tables(out)
    values, unit = tables["saxs"]["q"]
    assert unit == "Å⁻¹"
    np.testing.assert_array_equal(values, find_view("saxs").tables(aging, ViewOptions())[0]["q"])
    record = json.loads(attributes["provenance"])
    assert record["source"] == A002
    again = open_result(out)  # the file is one of our own layout, so it opens like a result
    assert again.layout == "xpcs_dash"
    np.testing.assert_allclose(again.g2, np.nan_to_num(aging.g2))
    np.testing.assert_allclose(again.t_el, aging.t_el)
    assert record["url"] == "http://localhost/saxs"
    assert record["map_hash"] == aging.map_hash
    assert record["versions"]["xpcs-dash"]


def test_flagged_fits_carry_their_flag_into_every_table(sample, tmp_path):
    xf = open_result(sample(E0173))
    flags = from_csv(export(xf, "fit", tmp_path / "x.csv", ViewOptions()))["fit"]["flags"]
    assert len(flags) == 36
    assert (
        sum("decay" in flag for flag in flags) > 20
    )  # nothing decays within the window where photons are few
    assert any(flag == "good" for flag in flags)


def test_diffusion_of_the_silica_sample(sample, tmp_path):
    xf = open_result(sample(A001))
    law = from_csv(export(xf, "diffusion", tmp_path / "x.csv", ViewOptions()))["power law tau = a q^b"]
    assert law["D (Å²/s)"][0] == pytest.approx(1e6, rel=0.05)
    assert law["b"][0] == pytest.approx(-2, abs=0.1)


def test_starved_points_are_named_in_the_table(sample, tmp_path):
    xf = open_result(sample(E0173))
    table = from_csv(export(xf, "g2", tmp_path / "x.csv", ViewOptions()))["g2"]
    assert (table["trusted"] == 0).sum() == (~xf.trusted).sum() > 400


def test_what_a_file_lacks_is_said(sample, tmp_path):
    with pytest.raises(FileError, match="holds no two-time"):
        export(open_result(sample(A001)), "twotime", tmp_path / "x.png", ViewOptions())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("view", "name", "options", "words"),
    [
        ("nonsense", "x.png", ViewOptions(), "no figure 'nonsense'"),
        ("g2", "x.docx", ViewOptions(), "choose a name that ends in"),
        ("g2", "no/x.png", ViewOptions(), "no such directory"),
        ("g2", "x.png", ViewOptions(q_bins=(6,)), "no q-bin 6; choose from 1 to 5"),
        ("fit", "x.csv", ViewOptions(sigma="guess"), "choose counting or file"),
        ("fit", "x.csv", ViewOptions(model="triple"), "triple"),
    ],
)
def test_bad_requests_say_what_to_choose(aging, tmp_path, view, name, options, words):
    with pytest.raises(UsageError, match=words):
        export(aging, view, tmp_path / name, options)


def test_sizes_out_of_reason_are_refused():
    with pytest.raises(UsageError, match="between 20 and 1000 mm"):
        PageSize(5, 60)
    with pytest.raises(UsageError, match="choose one of single, double"):
        PageSize.preset("triple")


def test_a_failed_write_leaves_nothing_behind(aging, tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        export(aging, "g2", tmp_path / "x.csv", ViewOptions())
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]


def recorded(path):
    """The record of where a CSV comes from."""
    lines = [line[2:] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("# ")]
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def test_a_fit_takes_the_whole_state_of_the_page(aging, tmp_path):
    t = aging.t_el
    low, high = float(t[5]), float(t[-8])
    options = ViewOptions(
        q_bins=(2,),
        model="stretched",
        sigma="file",
        delay=(low, high),
        fixed={"gamma": 0.8},
        bounds={"contrast": (0.0, 0.05)},
    )
    out = export(aging, "fit", tmp_path / "x.csv", options)
    tables = from_csv(out)
    assert tables["fit"]["gamma"][0] == 0.8
    assert tables["fit"]["contrast"][0] <= 0.05
    assert tables["fit"]["n_points"][0] == np.count_nonzero((t >= low) & (t <= high))
    points = tables["g2"]
    np.testing.assert_array_equal(points["fitted"] == 1, (t >= low) & (t <= high))
    whole = from_csv(export(aging, "fit", tmp_path / "y.csv", ViewOptions(q_bins=(2,))))
    assert not np.allclose(whole["g2"]["g2_fit"], points["g2_fit"])
    record = recorded(out)
    assert json.loads(record["parameters.delay_range (s)"]) == [low, high]
    assert record["parameters.fixed"] == "{'gamma': 0.8}"
    assert record["parameters.bounds"] == "{'contrast': [0.0, 0.05]}"
    assert record["parameters.sigma"] == "file"


@pytest.mark.parametrize(
    ("view", "names"),
    [
        ("g2", {"q_range (Å⁻¹)", "delay_range (s)"}),
        ("fit", {"q_range (Å⁻¹)", "delay_range (s)", "model", "sigma", "fixed", "bounds", "start"}),
        ("diffusion", {"q_range (Å⁻¹)", "delay_range (s)", "power_law_q_range (Å⁻¹)"}),
        ("saxs", {"q_range (Å⁻¹)"}),
        ("stability", {"q_range (Å⁻¹)", "time_range (s)"}),
        ("intensity", {"time_range (s)"}),
        ("twotime", {"age_range (s)"}),
        ("qmap", {"q_range (Å⁻¹)"}),
        ("detector", {"rows (px)", "columns (px)"}),
    ],
)
def test_the_record_holds_every_range_of_the_view(aging, view, names):
    found = described(aging, find_view(view), ViewOptions())
    assert names <= set(found)
    assert all(found[name] for name in names)
    for name in names:
        if "range" in name and found[name] != "all":
            assert found[name][0] < found[name][1]
    assert ("model" in found) == (view in ("fit", "diffusion"))


def test_the_power_law_keeps_to_its_range_of_q(sample, tmp_path):
    xf = open_result(sample(A001))
    limits = (float(xf.q[2]), float(xf.q[6]))
    law = from_csv(export(xf, "diffusion", tmp_path / "x.csv", ViewOptions(law_range=limits)))
    assert law["power law tau = a q^b"]["bins used"][0] == 5


def test_the_record_is_of_the_contents_that_were_read(sample, tmp_path):
    path = tmp_path / A001
    shutil.copy(sample(A001), path)
    xf = open_result(path)
    out = export(xf, "g2", tmp_path / "x.csv", ViewOptions())
    assert recorded(out)["source_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    shutil.copy(sample(A002), tmp_path / "new")
    (tmp_path / "new").replace(path)
    with pytest.raises(FileError, match="replaced while it was exported"):
        export(xf, "g2", tmp_path / "y.csv", ViewOptions())
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(FileError, match="replaced while it was exported"):
        export(xf, "g2", tmp_path / "y.csv", ViewOptions())
    assert not (tmp_path / "y.csv").exists()


def test_the_record_names_settings_root_and_error_model(aging, sample, tmp_path):
    settings = Settings(root=aging.path.parent, state_dir=tmp_path / "state", root_name="april")
    out = write(aging, "g2", tmp_path / "x.csv", ViewOptions(), settings)
    record = recorded(out)
    assert record["root"] == "april"
    assert record["ref"].startswith("A002_gel_aging_both~")
    assert record["settings.min_coincidences"] == "10.0"
    assert record["settings.backend"] == "auto"
    assert record["parameters.g2_sigma"] == "the file's error and photon counting together"
    with pytest.raises(ValueError, match="other settings"):
        write(aging, "g2", tmp_path / "y.csv", ViewOptions(), Settings(min_coincidences=20))


def test_files_that_links_lead_to_are_part_of_the_record(sample, tmp_path):
    part, path = tmp_path / "part.hdf", tmp_path / "linked_results.hdf"
    shutil.copy(sample(A001), part)
    with h5py.File(path, "w") as h5, h5py.File(part) as source:
        for name in source:
            h5[name] = h5py.ExternalLink("part.hdf", f"/{name}")
    xf = open_result(path)
    record = recorded(export(xf, "g2", tmp_path / "x.csv", ViewOptions()))
    assert record["source_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["linked.part.hdf"] == hashlib.sha256(part.read_bytes()).hexdigest()
    os.utime(part, (1e9, 1e9))
    with pytest.raises(FileError, match=r"part\.hdf: it was replaced while it was exported"):
        export(xf, "g2", tmp_path / "y.csv", ViewOptions())


def test_without_settings_a_file_is_read_as_with_the_default_ones():
    limits = [
        inspect.signature(function).parameters["min_coincidences"].default
        for function in (open_result, XpcsFile.__init__)
    ]
    assert limits == [Settings.model_fields["min_coincidences"].default] * 2


@pytest.mark.parametrize("text", ["a$b$c", "$\\frac{1", "100 $ and $2 \\$", "1/$\\AA$", "试样 α", "plain"])
def test_texts_of_files_are_drawn_as_they_stand(text):
    from matplotlib.text import Text

    assert Text()._preprocess_math(literal(text)) == (text, False)


def test_units_and_names_of_a_file_cannot_break_a_figure(sample, tmp_path, monkeypatch):
    xf = open_result(sample(A001))
    monkeypatch.setattr(type(xf), "q_unit", "$\\frac{", raising=False)
    monkeypatch.setattr(type(xf), "intensity_unit", "$\\bad$ 试", raising=False)
    for view in ("saxs", "detector", "diffusion", "intensity", "stability"):
        assert export(xf, view, tmp_path / f"{view}.pdf", ViewOptions(title=True)).is_file()
