"""A file is opened on the mask page by name, and only one of the watched directory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.small_result import SHAPE, write_small
from tests.web.plain_browser import HERE, PlainBrowser
from tests.web.world import World

#: Intensity that stands in no other file.
SECRET = np.full(SHAPE, 54321.0)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    made = World(folder)
    write_small(folder / "secret_results.hdf", saxs_2d=SECRET)
    np.save(folder / "secret.npy", SECRET)
    data = folder / "data"
    (data / "inner").mkdir()
    shutil.copy(data / "b_results.hdf", data / "inner" / "c_results.hdf")
    (data / "link_results.hdf").symlink_to(folder / "secret_results.hdf")
    (data / "link.npy").symlink_to(folder / "secret.npy")
    (data / "out").symlink_to(folder)
    # a directory whose name begins like that of the watched one
    (folder / "data-of-others").mkdir()
    shutil.copy(folder / "secret_results.hdf", folder / "data-of-others" / "x_results.hdf")
    os.mkfifo(data / "pipe.npy")
    yield made
    made.services.close()


def asked_for(world: World, name: str) -> tuple[PlainBrowser, str, str]:
    """Open ``name`` on the mask page: the browser, what was said, and what stands over the picture."""
    seen = world.browser(HERE, "/mask")
    world.prepare(seen)
    seen.put("mask-path", "value", name)
    callback = seen.callback("mask-stage.children")
    answer = seen.fire(callback, ("mask-open-path", "n_clicks")).json
    said = str(answer.get("sideUpdate", {}).get("shell-toast", {}).get("data", {}).get("text", ""))
    return seen, said, str(answer.get("response", {}).get("mask-stage", ""))


@pytest.mark.parametrize("name", ["a_results.hdf", "inner/c_results.hdf", "inner/../a_results.hdf"])
def test_files_of_the_directory_open(world: World, name: str) -> None:
    seen, said, stage = asked_for(world, name)
    assert said == ""
    assert "/mask-data/image.png" in stage
    assert seen.get("/mask-data/meta.json").json["shape"] == list(SHAPE)


@pytest.mark.parametrize(
    "name",
    [
        "../secret_results.hdf",
        "inner/../../secret_results.hdf",
        "../secret.npy",
        "../data-of-others/x_results.hdf",
        "{outside}/secret_results.hdf",
        "{outside}/data-of-others/x_results.hdf",
        "link_results.hdf",
        "link.npy",
        "out/secret_results.hdf",
        "/etc/passwd",
        "pipe.npy",
        "nothing.hdf",
        ".",
        "",
    ],
)
def test_nothing_outside_it_does_whatever_it_is_called(world: World, name: str, tmp_path: Path) -> None:
    seen, said, stage = asked_for(world, name.format(outside=world.state.parent))
    assert said.endswith(".")
    assert "Something went wrong" not in said
    assert stage == ""
    # the browser still works on what it had before
    meta = seen.get("/mask-data/meta.json")
    assert meta.status_code == 200
    assert b"54321" not in meta.data
    assert str(world.state.parent) not in said.replace(name.format(outside=world.state.parent), "")
