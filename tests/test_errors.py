"""Errors that speak of names."""

from __future__ import annotations

import pickle
import time

import pytest

from xpcs_dash.errors import FileError, NotFoundError, UsageError, nearest_names, not_found, shown


def test_an_unknown_name_comes_with_the_nearest_ones() -> None:
    err = not_found("file", "a0l_silica", ["A01_silica", "A02_silica", "B17_gel"], "look in the list")
    assert isinstance(err, NotFoundError)
    assert isinstance(err, UsageError)
    assert err.nearest[0] in ("A01_silica", "A02_silica")
    assert "B17_gel" not in err.nearest
    assert str(err).startswith("a0l_silica: no file of this name here; the nearest are ")


def test_where_no_name_is_near_the_remedy_is_said() -> None:
    assert str(not_found("file", "x", ["A01"], "look in the list")) == (
        "x: no file of this name here; look in the list."
    )
    assert str(not_found("file", "x")) == "x: no file of this name here."


def test_the_error_travels_between_processes() -> None:
    err = pickle.loads(pickle.dumps(not_found("file", "A0l", ["A01"])))
    assert (str(err), err.nearest) == ("A0l: no file of this name here; the nearest is A01.", ("A01",))


def test_many_thousand_names_are_searched_in_a_moment() -> None:
    known = [f"A{k:05d}_silica_multitau" for k in range(20_000)]
    started = time.process_time()
    assert nearest_names("A01234_silica_multtau" * 100, known) == ()
    assert "A01234_silica_multitau" in nearest_names("A01234_silica_multtau", known)
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize("name", ["new\nline", "bell\a", "\udcff.hdf", "line\u2028end"])
def test_what_cannot_be_printed_is_written_as_an_escape(name: str) -> None:
    for text in (shown(name), str(not_found("file", name)), str(FileError(name, "it is odd"))):
        assert text.isprintable()
        text.encode()


def test_a_name_is_repeated_at_a_bearable_length() -> None:
    assert len(str(not_found("file", "x" * 10_000))) < 150
    assert shown("试样 α") == "试样 α"
