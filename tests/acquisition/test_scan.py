"""Walking a directory and telling file systems apart."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xpcs_dash.acquisition import scan

SUFFIXES = (".hdf", ".h5")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a.hdf", True),
        ("A.HDF", True),
        ("a_results.h5", True),
        ("a.hdf.temp", False),
        (".a.hdf", False),
        ("~a.hdf", False),
        ("a.txt", False),
        ("hdf", False),
    ],
)
def test_names(name, wanted):
    assert scan.is_candidate(name, SUFFIXES) is wanted


def test_a_walk_finds_files_and_enters_neither_hidden_nor_linked_directories(tmp_path):
    root = tmp_path / "root"
    for name in ("a.hdf", "x/b.h5", "x/y/c.hdf", ".hidden/d.hdf", "x/e.hdf.temp", "x/f.txt"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (root / "loop").symlink_to(root)
    (root / "dangling.hdf").symlink_to(root / "nowhere.hdf")
    (root / "folder.hdf").mkdir()
    found = scan.walk(root, SUFFIXES)
    assert {os.path.relpath(p, root) for p in found.files} == {"a.hdf", "x/b.h5", "x/y/c.hdf"}
    assert found.directories == 4
    assert found.root_error is None
    assert found.files[str(root / "a.hdf")] == scan.stat_of(root / "a.hdf")


def test_names_that_are_no_text_are_left_out_and_told(tmp_path):
    odd = os.fsdecode(b"odd\xff.hdf")
    (tmp_path / odd).write_text("x")
    (tmp_path / os.fsdecode(b"folder\xfe")).mkdir()
    (tmp_path / "ü.hdf").write_text("x")
    found = scan.walk(tmp_path, SUFFIXES)
    assert list(found.files) == [str(tmp_path / "ü.hdf")]
    assert {Path(p).name for p in found.unreadable} == {"odd\\udcff.hdf", "folder\\udcfe"}


def test_texts_are_cleaned_through_lists_and_dicts():
    value = {"a\0": ["x\ud800", ("q Å⁻¹", 1.5, None)]}
    assert scan.clean(value) == {"a": ["x\\ud800", ["q Å⁻¹", 1.5, None]]}


def test_a_root_that_is_not_there_is_an_error_and_not_an_empty_directory(tmp_path):
    assert scan.walk(tmp_path / "none", SUFFIXES).root_error == "No such file or directory"


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    real = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert scan.walk(tmp_path, SUFFIXES).unreadable == {str(tmp_path / "closed"): "Permission denied"}


MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/data /data nfs4 rw 0 0
/dev/sdb /data/local xfs rw 0 0
user@host:/x /home/u/remote\\040disk fuse.sshfs rw 0 0
gpfs0 /gpfs gpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind", "polling"),
    [
        ("/home/x", "ext4", False),
        ("/data/2026", "nfs4", True),
        ("/data/local/x", "xfs", False),
        ("/database", "ext4", False),
        ("/home/u/remote disk/a", "fuse.sshfs", True),
        ("/gpfs/a", "gpfs", True),
    ],
)
def test_the_file_system_decides_between_inotify_and_polling(tmp_path, path, kind, polling):
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert scan.file_system(path, mounts) == kind
    assert scan.needs_polling(kind) is polling


def test_an_unknown_file_system_is_polled(tmp_path):
    assert scan.file_system("/x", tmp_path / "none") is None
    assert scan.needs_polling(None)
