"""Where a figure or a table comes from, in a form that travels with it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xpcs_dash.errors import UnreadableFile
from xpcs_dash.fitting.results import software_versions
from xpcs_dash.hdf5.reach import look
from xpcs_dash.hdf5.records import key_of
from xpcs_dash.results import plain
from xpcs_dash.results.fingerprint import fingerprint
from xpcs_dash.results.identity import ref_of

if TYPE_CHECKING:
    from xpcs_dash.results.statement import BinResult
    from xpcs_dash.results.xpcs_file import XpcsFile
    from xpcs_dash.settings import Settings


@dataclass(frozen=True)
class Provenance:
    """The record that every export carries.

    Attributes
    ----------
    source, source_sha256 : name and content hash of the result file.
    ref : the file's public name, which stands in the addresses of its pages.
    root : name of the directory below which the file lies; empty where the settings name none such.
    layout : file layout it was read as.
    map_hash : hash of the q-map, as the file names it.
    view : what is shown: the figure's name.
    parameters : everything that was chosen for this view: q-bins, ranges, σ model, fit model.
    linked : path from the file, and content hash, of each other file that its links lead to.
    settings : every setting in force that changes numbers, by its name in the settings file.
    url : address of the page that shows the same, where there is one.
    bins : what is said of each bin that the view shows; see `results.statement.BinResult`.
    warnings : sentences about the file that stand beside its numbers on the pages.
    versions : of this program and the libraries that compute.
    created : UTC, ISO 8601.
    """

    source: str
    source_sha256: str
    layout: str
    map_hash: str | None
    view: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    ref: str = ""
    root: str = ""
    linked: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    url: str = ""
    bins: tuple[BinResult, ...] = ()
    warnings: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""

    def as_json(self) -> str:
        """One line of JSON in ASCII, which a PDF keeps as text that can be searched."""
        record = {f.name: getattr(self, f.name) for f in fields(self)}
        record["bins"] = [said.to_json() for said in self.bins]
        return json.dumps(plain.tree(record), default=str, allow_nan=False)

    def as_lines(self) -> list[str]:
        """``key: value`` lines for a text header; what is said of bins stands in the table below it."""
        record = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "bins"}
        lines = []
        for key, value in record.items():
            if isinstance(value, Mapping):
                lines += [f"{key}.{name}: {item}" for name, item in value.items()]
            elif isinstance(value, list | tuple):
                lines += [f"{key}: {item}" for item in value]
            else:
                lines.append(f"{key}: {value}")
        return [" ".join(line.split()) for line in lines]


def content_hash(xf: XpcsFile) -> str:
    """SHA-256 of the bytes of a file, hexadecimal: of the very contents that ``xf`` was read from.

    Raises
    ------
    UnreadableFile
        Where the file is gone, cannot be read, or was replaced since it was opened.
    """
    return _digest(xf.path, replace(xf.key, others=()).token)


def linked_hashes(xf: XpcsFile) -> dict[str, str]:
    """The same of each file that links in the file lead to and that is there, by its path from the file."""
    return {
        Path(os.path.relpath(path, xf.path.parent)).as_posix(): _digest(path, token)
        for path, token in xf.key.others
        if token
    }


def _digest(path: Path, token: str) -> str:
    opened = look(path)
    try:
        if key_of(path, opened.status).token != token:
            raise UnreadableFile(
                path, "it was replaced while it was exported", "export it again", transient=True
            )
        with Path(opened.name).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as err:
        raise UnreadableFile(
            path, f"cannot be read ({err.strerror})", "check that it is still there"
        ) from None
    finally:
        opened.close()


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that compute, draw and read, as they are installed."""
    found = {"python": platform.python_version(), **software_versions()}
    for name in ("h5py", "matplotlib"):
        found[name] = version(name)
    return {name: text for name, text in found.items() if text != "not installed"}


def provenance(
    xf: XpcsFile,
    view: str,
    parameters: Mapping[str, Any],
    settings: Settings,
    url: str = "",
    bins: Sequence[BinResult] = (),
) -> Provenance:
    """Record where the numbers of ``view`` come from, and the settings in force when they were made."""
    if xf.min_coincidences != settings.min_coincidences:
        raise ValueError("the file was opened with other settings than those that would be recorded")
    ref = ref_of(xf.path, settings.roots)
    return Provenance(
        source=xf.path.name,
        source_sha256=content_hash(xf),
        layout=xf.layout,
        map_hash=xf.map_hash,
        view=view,
        ref=str(ref),
        root=ref.root,
        linked=linked_hashes(xf),
        parameters=dict(parameters),
        settings=settings.numbers,
        url=url,
        bins=tuple(said.of(str(ref), fingerprint(xf)) for said in bins),
        warnings=tuple(xf.warnings),
        versions=versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
