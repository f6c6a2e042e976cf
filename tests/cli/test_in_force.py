"""Commands take the settings of the dashboard."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import A001
from xpcs_dash.backend import get_backend, use_backend
from xpcs_dash.cli import main
from xpcs_dash.cli.in_force import settings_in_force
from xpcs_dash.errors import NotFoundError, UsageError
from xpcs_dash.settings import load_settings

Sample = Callable[[str], Path]


@pytest.fixture(autouse=True)
def own_backend() -> object:
    """The backend of other tests stays what it was."""
    yield
    use_backend("auto")


def test_the_file_gives_way_to_the_environment_and_that_to_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "settings.toml"
    config.write_text('min_coincidences = 20\nroot_name = "april"\nbackend = "numpy"\n')
    assert settings_in_force(config, None).min_coincidences == 20
    monkeypatch.setenv("XPCS_DASH_MIN_COINCIDENCES", "30")
    assert settings_in_force(config, None).min_coincidences == 30
    found = settings_in_force(config, ["min_coincidences=40"])
    assert (found.min_coincidences, found.root_name) == (40, "april")
    assert get_backend().name == "numpy"


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("file_suffixes=.h5,.nxs", (".h5", ".nxs")),
        ('file_suffixes=[".h5"]', (".h5",)),
        ("operators=ada", ("ada",)),
        ("read_only=true", True),
        ("threads=3", 3),
        ("cache_url=redis://h/0?a=b", "redis://h/0?a=b"),
    ],
)
def test_every_kind_of_value_can_be_typed(given: str, value: object) -> None:
    assert getattr(settings_in_force(None, [given]), given.partition("=")[0]) == value


def test_mistakes_are_named() -> None:
    with pytest.raises(NotFoundError, match="the nearest is min_coincidences"):
        settings_in_force(None, ["min_coincidence=20"])
    with pytest.raises(UsageError, match="min_coincidences"):
        settings_in_force(None, ["min_coincidences=-1"])
    with pytest.raises(UsageError, match="list in JSON"):
        settings_in_force(None, ["operators=[ada"])
    with pytest.raises(UsageError, match="no such settings file"):
        settings_in_force(Path("/nowhere.toml"), None)


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.mark.parametrize("command", ["inspect", "fit", "export", "convert", "mask regroup", "mask build"])
def test_every_command_that_opens_a_result_takes_settings(
    sample: Sample, capsys: pytest.CaptureFixture[str], command: str, tmp_path: Path
) -> None:
    words = {
        "export": ["--figure", "g2", "--out", str(tmp_path / "x.csv")],
        "convert": ["--to", "own", "--out", str(tmp_path / "x.hdf")],
        "mask regroup": ["--partition", str(tmp_path / "none"), "--out", str(tmp_path / "x.hdf")],
        "mask build": ["--out", str(tmp_path / "x.hdf"), "--from"],
    }.get(command, [])
    file = str(sample(A001))
    code, _, err = run(capsys, *command.split(), *words, file, "--set", "min_coincidence=20")
    assert (code, err.count("\n")) == (1, 1)
    assert "the nearest is min_coincidences" in err
    code, _, err = run(capsys, *command.split(), *words, file, "--set", "nonsense")
    assert code == 2
    assert "NAME=VALUE" in err
    code, _, err = run(capsys, *command.split(), *words, file, "--config", str(tmp_path / "no.toml"))
    assert (code, "no such settings file" in err) == (1, True)


def test_inspect_counts_starved_points_by_the_setting(
    sample: Sample, capsys: pytest.CaptureFixture[str]
) -> None:
    few = json.loads(run(capsys, "inspect", str(sample(A001)), "--json")[1])
    many = json.loads(run(capsys, "inspect", str(sample(A001)), "--json", "--set", "min_coincidences=1e9")[1])
    assert few["starved_points"] < many["starved_points"]
    text = run(capsys, "inspect", str(sample(A001)), "--set", "min_coincidences=1e9")[1]
    assert "fewer than 1e+09 expected coincidences" in text


@pytest.mark.parametrize("err", [MemoryError(), ValueError("half\nway"), RecursionError()])
def test_whatever_goes_wrong_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, err: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise err

    monkeypatch.setattr("xpcs_dash.settings.load_settings", fail)
    code, out, said = run(capsys, "inspect", "x.hdf")
    assert (code, out, said.count("\n")) == (1, "", 1)
    assert "Traceback" not in said


def test_settings_are_the_same_after_the_way_to_another_process() -> None:
    given = load_settings(texts={"min_coincidences": "17.5", "operators": "ada,试", "root_name": "april"})
    from xpcs_dash.settings import Settings

    assert Settings(**json.loads(json.dumps(given.model_dump(mode="json")))) == given
