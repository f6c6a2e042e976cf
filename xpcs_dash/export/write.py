"""Write one view of one file: the suffix of the name decides the form."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xpcs_dash.errors import UsageError
from xpcs_dash.export.provenance import provenance
from xpcs_dash.export.tables import to_csv
from xpcs_dash.export.views import View, ViewOptions, find_view
from xpcs_dash.figures.publication import PageSize, save

if TYPE_CHECKING:
    from xpcs_dash.results.xpcs_file import XpcsFile
    from xpcs_dash.settings import Settings

FIGURES = (".pdf", ".svg", ".png")
NUMBERS = (".csv", ".h5", ".hdf5")


def export(
    xf: XpcsFile, view: str, out: Path, options: ViewOptions, settings: Settings, url: str = ""
) -> Path:
    """Write ``view`` of ``xf`` to ``out`` and return the path.

    Parameters
    ----------
    xf : the file, opened with ``settings``.
    out : ``.pdf``, ``.svg`` or ``.png`` for the figure; ``.csv`` or ``.h5`` for the numbers. It appears
        complete or not at all.
    settings : in force; those that change numbers stand in the provenance.
    url : address of the page that shows the same, for the provenance.

    Raises
    ------
    UsageError
        Unknown view or suffix, a directory that cannot be written.
    FileError
        Where the file does not hold what the view shows.
    """
    found = find_view(view)
    suffix = out.suffix.lower()
    if suffix not in FIGURES + NUMBERS:
        raise UsageError(f"{out.name}: choose a name that ends in {', '.join(FIGURES + NUMBERS)}.")
    if not out.parent.is_dir():
        raise UsageError(f"{out.parent}: there is no such directory to write to.")
    said = found.statements(xf, options)
    source = provenance(xf, view, described(xf, found, options), settings, url, said)
    try:
        if suffix in FIGURES:
            size = options.size or PageSize.preset("single", aspect=found.aspect)
            save(found.draw(xf, options, size), out, source.as_json())
        elif suffix == ".csv":
            _write_text(out, to_csv(found.tables(xf, options), source))
        else:
            from xpcs_dash.hdf5.table_file import write_tables
            from xpcs_dash.results.convert import g2_data

            tables = {
                table.name: {column.name: (column.values, column.unit) for column in table.columns}
                for table in found.tables(xf, options)
            }
            attributes = {"provenance": source.as_json(), "view": view}
            write_tables(out, tables, attributes, g2_data(xf), xf.geometry)
    except OSError as err:
        raise UsageError(
            f"{out}: cannot be written ({err.strerror or err}); free some space or choose another place."
        ) from err
    return out


def described(xf: XpcsFile, view: View, options: ViewOptions) -> dict[str, Any]:
    """Everything that changes the numbers of a view, for the provenance: its q-bins and what it covers."""
    bins = list(options.q_bins) if options.q_bins is not None else "all"
    return {"q_bins": bins} | view.covers(xf, options)


def _write_text(out: Path, text: str) -> None:
    partial = out.with_name(f".{out.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
