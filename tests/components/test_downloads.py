"""Names of downloads, as a browser reads them."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import flask
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpcs_dash.components.downloads import attach, disposition, safe_name, send_kept
from xpcs_dash.errors import NotFoundError


def read(value: str) -> str:
    """The name that a browser takes from the header."""
    extended = re.search(r"filename\*=UTF-8''([^;]+)$", value)
    if extended:
        return unquote(extended[1], errors="strict")
    plain = re.fullmatch(r'attachment; filename="([^"\\]*)"', value)
    assert plain, value
    return plain[1]


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("A001_g2_q1-4.pdf", "A001_g2_q1-4.pdf"),
        ("试样 a_g2.csv", "试样 a_g2.csv"),
        ("é_g2.csv", "é_g2.csv"),
        ("it's 100%;#?.csv", "it's 100%;#_.csv"),
        ('q"u\\o/te.csv', "q_u_o_te.csv"),
        ("new\nline\r.csv", "new_line_.csv"),
        ("\udcff.csv", "_.csv"),
        ("", "download"),
        ("..", "download"),
    ],
)
def test_a_browser_gets_the_name(name: str, saved: str) -> None:
    assert read(disposition(name)) == saved
    assert safe_name(name) == saved


@given(st.text(st.characters(codec=None)))
def test_every_text_makes_a_header_and_a_file_name(name: str) -> None:
    value = disposition(name)
    assert value.isascii()
    assert value.isprintable()
    saved = read(value)
    assert saved == safe_name(name)
    assert len(saved.encode()) <= 255
    assert not set(saved) & set('/\\"\n\r\0')
    assert flask.Response(headers={"Content-Disposition": value}).headers["Content-Disposition"] == value


def test_a_long_name_keeps_its_suffix() -> None:
    assert safe_name("试" * 300 + ".csv").endswith("试.csv")


@pytest.mark.parametrize("name", ["../secret", "a/b", "\0", "x" * 5000, ".", "..", "", "link_results.hdf"])
def test_a_name_leads_to_nothing_outside_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("no")
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "link_results.hdf").symlink_to(tmp_path / "secret")
    with flask.Flask("downloads").test_request_context(), pytest.raises(NotFoundError):
        send_kept(folder, name, "averaged file")


def test_a_kept_file_comes_under_its_name_and_another_is_named(tmp_path: Path) -> None:
    (tmp_path / "试样_results.hdf").write_bytes(b"data")
    with flask.Flask("downloads").test_request_context():
        answer = send_kept(tmp_path, "试样_results.hdf", "averaged file")
        answer.direct_passthrough = False
        body = answer.data
        answer.close()
        assert (body, read(answer.headers["Content-Disposition"])) == (b"data", "试样_results.hdf")
        with pytest.raises(NotFoundError, match="the nearest is 试样_results"):
            send_kept(tmp_path, "试_results.hdf", "averaged file")


def test_attach_replaces_what_was_there() -> None:
    answer = flask.Response(headers={"Content-Disposition": "inline"})
    assert attach(answer, "a.csv").headers.getlist("Content-Disposition") == ['attachment; filename="a.csv"']
