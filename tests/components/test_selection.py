"""The selection: URL and stores, for every content that may arrive."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpcs_dash.components.selection import MAX_FILES, Selection, View, choose, href

labels = st.lists(st.integers(1, 10**9), unique=True, max_size=20).map(tuple)
stems = st.text("aZ09._-+~试é", min_size=1, max_size=30)
names = st.lists(stems.filter(lambda s: s != "latest"), unique=True, max_size=20).map(tuple)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(names, labels)
def test_view__survives_the_url(files: tuple[str, ...], q: tuple[int, ...]) -> None:
    view = View(files or None, q or None)
    address = href("/beamline/", "/g2", view)
    assert address.startswith("/beamline/g2?")
    assert View.from_query(dict(parse_qsl(urlsplit(address).query))) == view


@given(st.text(max_size=40), st.text(max_size=40))
def test_view__takes_any_text(file: str, q: str) -> None:
    view = View.from_query({"file": file, "q": q})
    assert all(number > 0 for number in view.q or ())
    assert all(name.strip() == name != "latest" for name in view.files or ())
    assert View.from_query(view.to_query()) == view


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, View()),
        ({"file": "latest"}, View()),
        ({"file": "12"}, View(("12",))),
        ({"file": "A1~0f, 试样~1a,A1~0f,,"}, View(("A1~0f", "试样~1a"))),
        ({"file": "latest,A1"}, View(("A1",))),
        ({"file": "A1", "q": "1,4"}, View(("A1",), (1, 4))),
        ({"q": "²"}, View()),
    ],
)
def test_view__reads_what_people_write(query: dict[str, str], expected: View) -> None:
    assert View.from_query(query) == expected


def test_view__is_bounded() -> None:
    view = View.from_query({"file": ",".join(map(str, range(1, 5000)))})
    assert len(view.files or ()) == MAX_FILES


@given(anything)
def test_selection__takes_anything(data: object) -> None:
    given_data = data if isinstance(data, dict) else {"files": data, "q": data, "follow": data}
    found = Selection.parse(given_data)
    assert len(found.refs) == len(found.keys)
    assert found.empty is (found.primary is None)


def test_selection__reads_the_store() -> None:
    found = Selection.parse(
        {"files": [{"ref": "c", "key": "a"}, {"ref": "a", "key": "b"}], "q": [2], "follow": False}
    )
    assert found == Selection(("c", "a"), ("a", "b"), (2,), False)
    assert found.primary == "c"
    assert Selection.parse(None) == Selection()
    assert Selection.parse({"missing": ["No such file."]}).missing == ("No such file.",)


def test_choose__says_only_what_changes() -> None:
    assert choose(q=[3]) == {"q": [3]}
    assert choose(q=[]) == {"q": None}
    assert choose(file="A1~0f") == {"file": ["A1~0f"]}
    assert choose(file="latest", q=(1, 2)) == {"file": "latest", "q": [1, 2]}


def test_href__has_no_query_where_there_is_nothing_to_say() -> None:
    assert href("/", "/files") == "/files"
    assert href("/x/", "/g2", None, scale="log") == "/x/g2?scale=log"
