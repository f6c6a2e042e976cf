"""The door: names and paths, what may be read, and settings that travel."""

import shutil

import numpy as np
import pytest

from tests.conftest import A001, A003
from xpcs_dash.errors import NotFoundError, UnreadableFile, not_found
from xpcs_dash.hdf5.reach import OutOfReach
from xpcs_dash.results.door import Door, open_file
from xpcs_dash.results.identity import MADE, FileRef
from xpcs_dash.settings import load_settings


@pytest.fixture
def place(tmp_path, sample):
    """A watched directory with one result, a file outside it, and the door to it."""
    root, outside = tmp_path / "run", tmp_path / "outside"
    (root / "sub").mkdir(parents=True)
    outside.mkdir()
    shutil.copy(sample(A001), root / "sub" / "a_results.hdf")
    shutil.copy(sample(A003), outside / "secret.hdf")

    def resolve(name):
        if name != "a":
            raise not_found("file", name)
        return root / "sub" / "a_results.hdf"

    settings = load_settings(root=root, state_dir=tmp_path / "state")
    return root, outside, Door(settings, resolve)


def test_a_name_its_parts_and_a_path_lead_to_the_same_file(place):
    root, _, door = place
    path = root / "sub" / "a_results.hdf"
    ref = FileRef("run", "sub/a_results.hdf")
    assert door.ref(path) == ref
    assert door.path("a") == door.path(ref) == door.path(path) == path
    assert door.open("a") is door.open(ref) is door.open(path)


def test_an_unknown_name_is_never_another_file(place):
    _, _, door = place
    with pytest.raises(NotFoundError, match="no file of this name"):
        door.open("b")
    with pytest.raises(NotFoundError, match="no file of this name"):
        door.open(FileRef("elsewhere", "a.hdf"))
    with pytest.raises(UnreadableFile, match="no such file"):
        door.open(FileRef("run", "gone.hdf"))
    with pytest.raises(NotFoundError):
        Door(door.settings).open("a")


@pytest.mark.parametrize("way", ["path", "dots", "link", "directory", "parts"])
def test_nothing_outside_is_opened(place, way):
    root, outside, door = place
    (root / "link.hdf").symlink_to(outside / "secret.hdf")
    (root / "away").symlink_to(outside)
    target = {
        "path": outside / "secret.hdf",
        "dots": root / "sub" / ".." / ".." / "outside" / "secret.hdf",
        "link": root / "link.hdf",
        "directory": root / "away" / "secret.hdf",
        "parts": FileRef("run", "../outside/secret.hdf"),
    }[way]
    for ask in (door.open, door.path, door.key, door.read):
        with pytest.raises(OutOfReach, match="outside the watched directory"):
            ask(target)


def test_links_that_stay_inside_are_followed(place):
    root, _, door = place
    (root / "again.hdf").symlink_to(root / "sub" / "a_results.hdf")
    assert np.array_equal(door.open(root / "again.hdf").g2, door.open("a").g2)


def test_what_was_made_here_is_opened_like_any_other(place, sample):
    _, _, door = place
    path = door.settings.averages_dir / "Average_a_results.hdf"
    path.parent.mkdir(parents=True)
    shutil.copy(sample(A001), path)
    assert door.open(path) is door.open(FileRef(MADE, "averages/Average_a_results.hdf"))


def test_the_settings_travel_with_the_file(place, sample, tmp_path):
    root, _, door = place
    strict = load_settings(root=root, state_dir=tmp_path / "state", min_coincidences=1e9)
    path = root / "sub" / "a_results.hdf"
    assert open_file(path, strict).starved_points > 0
    assert open_file(path, door.settings).starved_points == 0
    assert open_file(path, strict).min_coincidences == 1e9


def test_without_a_watched_directory_a_command_opens_what_it_is_given(tmp_path, sample):
    settings = load_settings(state_dir=tmp_path / "state")
    assert open_file(sample(A001), settings).n_q == 12


def test_a_file_that_is_read_once_is_not_remembered(place):
    _, _, door = place
    assert door.read(door.path("a")) is not door.read(door.path("a"))
    assert door.open("a") is door.open("a")
