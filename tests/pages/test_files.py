"""The run table: its address, its columns and its filter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from dash.development.base_component import Component

from xpcs_dash.pages.files import PAGE
from xpcs_dash.pages.files.layout import COLUMNS, SHOWN
from xpcs_dash.routes.index import describe
from xpcs_dash.web import assets_folder


def find(component: Component, id_: str) -> Any:
    """Element of a layout by its id."""
    return next(c for c in component._traverse() if getattr(c, "id", None) == id_)


@pytest.mark.parametrize(("query", "search", "shown"), [
    ({}, "", "all"),
    ({"search": "silica 300", "show": "failed"}, "silica 300", "failed"),
    ({"show": "nonsense"}, "", "all"),
])  # fmt: skip
def test_layout__takes_its_state_from_the_address(query: dict[str, str], search: str, shown: str) -> None:
    made = PAGE.layout(Mock(), query)
    assert find(made, "files-search").value == search
    assert find(made, "files-show").value == shown


def test_columns__show_what_the_route_sends() -> None:
    from xpcs_dash.database.files import FileRow

    row = FileRow(
        ref="a~0f", path="/data/x/a_results.hdf", name="a", mtime_ns=1, size=2, state="failed",
        reason="it is truncated.",
        layout="aps_nexus", kinds=("multitau",), sample="s", scan="A001", n_q=1, n_delay=2, n_frames=3,
        temperature_k=300.0, flags=("drift",), warnings=("w",), first_seen=5.0,
    )  # fmt: skip
    sent = describe(row, "/data") | {"start": ""}
    assert {column["field"] for column in COLUMNS} <= set(sent)
    assert sent["folder"] == "x"
    assert sent["reason"] == "it is truncated."


def test_columns__name_functions_and_cells_that_the_browser_has() -> None:
    script = (assets_folder() / "shell-files.js").read_text()
    for column in COLUMNS:
        formatter = column.get("valueFormatter", {}).get("function")
        if formatter:
            assert f"fns.{formatter.split('(')[0]} =" in script
        if "cellRenderer" in column:
            assert f"cells.{column['cellRenderer']} =" in script


def test_filter__words_are_those_of_the_script() -> None:
    script = (assets_folder() / "shell-files.js").read_text()
    states = re.search(r"\[([^\]]+)\]\.includes\(kind\)", script)
    assert states is not None
    known = set(re.findall(r'"(\w+)"', states.group(1))) | {"all", "flagged"}
    assert set(SHOWN) == known


def test_page__names_its_parameters() -> None:
    assert PAGE.path == "/files"
    assert set(PAGE.params) == {"search", "show"}
    assert Path(assets_folder() / "shell-files.js").is_file()
