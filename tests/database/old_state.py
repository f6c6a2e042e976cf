"""The state directory of version 0.1.0 from tests/data, moved to where a test wants it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tarfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import DATA
from xpcs_dash.hdf5.records import FileKey, file_key
from xpcs_dash.settings import Settings, load_settings

PLACE = DATA / "state-0.1.0"


@dataclass(frozen=True)
class OldState:
    """Where it is now, and what must be found in it (see scripts/state_0_1_0.py)."""

    settings: Settings
    about: dict

    @property
    def root(self) -> Path:
        return self.settings.root

    @property
    def state(self) -> Path:
        return self.settings.state_dir

    def ref(self, place: str) -> str:
        """Name of a file by its place below the watched directory, or of an average by its name."""
        from xpcs_dash.results.identity import MADE, FileRef

        if place.startswith("Average_"):
            return str(FileRef(MADE, f"averages/{place}"))
        return str(FileRef(self.root.name, place))

    def place(self, number: int) -> str:
        """Place of the file that had this number."""
        return next(place for place, n in self.about["numbers"].items() if n == number)


def unpack(folder: Path, **settings) -> OldState:
    """Lay the directories of 0.1.0 out below ``folder``, as if that version had always run there."""
    about = json.loads((PLACE / "about.json").read_text())
    with tarfile.open(PLACE / "state.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    root, state = folder / "data", folder / "state"
    for k, (place, sample) in enumerate(about["files"].items()):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(DATA / sample, root / place)
        os.utime(root / place, (about["first"] + 60 * k,) * 2)
    with closing(sqlite3.connect(state / "catalogue.sqlite")) as db:
        _move(db, about["place"], str(folder))
        db.commit()
    return OldState(load_settings(root=root, state_dir=state, **settings), about)


def _move(db: sqlite3.Connection, old: str, new: str) -> None:
    for table, column in (("catalogue_meta", "value"), ("jobs", "params"), ("jobs", "result")):
        db.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (old, new))
    for number, path, inode, mtime_ns, size in db.execute(
        "SELECT id, path, inode, mtime_ns, size FROM files"
    ).fetchall():
        before = FileKey(Path(path), inode, mtime_ns, size).token
        there = Path(path.replace(old, new))
        key = file_key(there)
        db.execute(
            "UPDATE files SET path = ?, inode = ?, mtime_ns = ?, size = ? WHERE id = ?",
            (str(there), key.inode, key.mtime_ns, key.size, number),
        )
        db.execute("UPDATE fits SET file_token = ? WHERE file_token = ?", (key.token, before))
