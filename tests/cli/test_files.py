"""The file that somebody names on the command line: a path, or a name as lists and addresses show it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from tests.conftest import A001
from xpcs_dash.cli import main
from xpcs_dash.cli.files import find_file, open_given
from xpcs_dash.errors import NotFoundError
from xpcs_dash.results.identity import ref_of
from xpcs_dash.settings import Settings, load_settings

Sample = Callable[[str], Path]


@pytest.fixture
def settings(tmp_path: Path, sample: Sample) -> Settings:
    """A directory with results in two folders."""
    root = tmp_path / "data"
    for folder in ("one", "two"):
        (root / folder).mkdir(parents=True)
        shutil.copy(sample(A001), root / folder / A001)
    shutil.copy(sample(A001), root / "试样 α_results.hdf")
    found = load_settings(root=root, state_dir=tmp_path / "state")
    found.averages_dir.mkdir(parents=True)
    shutil.copy(sample(A001), found.averages_dir / "mean_results.hdf")
    return found


def test_a_path_is_a_path(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.root is not None
    monkeypatch.chdir(settings.root)
    assert find_file(Path("one") / A001, settings) == settings.root / "one" / A001


def test_a_stem_is_enough_where_one_file_has_it(settings: Settings) -> None:
    assert settings.root is not None
    wanted = settings.root / "试样 α_results.hdf"
    for name in ("试样 α", "试样 α_results", "试样 α_results.hdf", str(ref_of(wanted, settings.roots))):
        assert find_file(Path(name), settings) == wanted
    assert find_file(Path("mean"), settings) == settings.averages_dir / "mean_results.hdf"


def test_where_several_have_it_they_are_listed(settings: Settings) -> None:
    assert settings.root is not None
    refs = [str(ref_of(settings.root / folder / A001, settings.roots)) for folder in ("one", "two")]
    with pytest.raises(NotFoundError, match="say which one of") as caught:
        find_file(Path("A001_silica_multitau"), settings)
    assert all(ref in str(caught.value) for ref in refs)
    assert find_file(Path(refs[1]), settings) == settings.root / "two" / A001


def test_an_unknown_name_comes_with_the_nearest(settings: Settings) -> None:
    with pytest.raises(NotFoundError, match="no file of this name here") as caught:
        find_file(Path("A00l_silica_multitau"), settings)
    assert "A001_silica_multitau~" in str(caught.value)
    with pytest.raises(NotFoundError, match="no file of this name here; check the name and"):
        find_file(Path("12"), settings)


@pytest.mark.parametrize("command", ["inspect", "fit", "export", "convert", "mask regroup", "mask build"])
def test_every_command_says_what_comes_nearest(
    tmp_path: Path, sample: Sample, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    shutil.copy(sample(A001), tmp_path / A001)
    words = {
        "export": ["--figure", "g2", "--out", str(tmp_path / "x.csv")],
        "convert": ["--to", "own", "--out", str(tmp_path / "x.hdf")],
        "mask regroup": ["--partition", str(tmp_path / "none"), "--out", str(tmp_path / "x.hdf")],
        "mask build": ["--out", str(tmp_path / "x.hdf"), "--from"],
    }.get(command, [])
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), *words, str(tmp_path / "A002_silica_multitau_results.hdf")])
    out, err = capsys.readouterr()
    assert (ended.value.code, out, err.count("\n")) == (1, "", 1)
    assert "no file of this name here" in err
    assert f"the nearest is {A001}" in err


def test_a_name_is_understood_by_a_command(
    settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["--set", f"root={settings.root}", "--set", f"state_dir={settings.state_dir}"]
    with pytest.raises(SystemExit) as ended:
        main(["inspect", "mean", "--json", *words])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["n_q"] == 12
    out = tmp_path / "x.csv"
    with pytest.raises(SystemExit):
        main(["export", "试样 α", "--figure", "saxs", "--out", str(out), *words])
    assert settings.root is not None
    ref = ref_of(settings.root / "试样 α_results.hdf", settings.roots)
    text = out.read_text(encoding="utf-8")
    assert f"# ref: {ref}\n" in text
    assert f"# root: {settings.root.name}\n" in text


def test_a_file_elsewhere_is_opened_with_the_rights_of_the_person(
    settings: Settings, tmp_path: Path, sample: Sample
) -> None:
    beside = tmp_path / "home"
    beside.mkdir()
    shutil.copy(sample(A001), beside / "part.hdf")
    with h5py.File(beside / "linked_results.hdf", "w") as h5, h5py.File(sample(A001)) as source:
        for name in source:
            h5[name] = h5py.ExternalLink("part.hdf", f"/{name}")
    assert open_given(beside / "linked_results.hdf", settings).n_q == 12


def test_below_the_roots_a_file_reaches_what_the_dashboard_lets_it_reach(
    settings: Settings, sample: Sample
) -> None:
    root = settings.root
    assert root is not None
    path = root / "two" / "linked_results.hdf"
    with h5py.File(path, "w") as h5, h5py.File(sample(A001)) as source:
        for name in source:
            h5[name] = h5py.ExternalLink(f"../one/{A001}", f"/{name}")
    assert open_given(path, settings).n_q == 12
