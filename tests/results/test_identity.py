"""The public name of a file: what it follows from, and what it may be used in."""

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpcs_dash.components.selection import View, href
from xpcs_dash.results.identity import MADE, FileRef, is_ref, ref_of
from xpcs_dash.settings import Settings, load_settings

# what a file system allows between two slashes
part = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40).filter(
    lambda text: text not in (".", "..")
)


def test_the_name_is_stem_and_hash_of_root_and_path():
    ref = FileRef("run", "a/b/A001_silica_results.hdf")
    assert str(ref) == "A001_silica~0a43679cdb"
    assert is_ref(str(ref))
    assert ref.name == "A001_silica"


def test_another_place_is_another_name():
    names = {
        str(FileRef(root, path))
        for root in ("run", "run2")
        for path in ("a_results.hdf", "a.hdf", "x/a_results.hdf", "y/a_results.hdf")
    }
    assert len(names) == 8
    assert {name.partition("~")[0] for name in names} == {"a"}


def test_the_name_does_not_depend_on_where_the_directory_is_mounted(tmp_path):
    made = []
    for place in ("here/run", "there/mounted/run"):
        root = tmp_path / place
        root.mkdir(parents=True)
        settings = load_settings(root=root, state_dir=tmp_path / "state" / place)
        made.append(str(ref_of(root / "x" / "a_results.hdf", settings.roots)))
    assert made[0] == made[1]
    other = tmp_path / "data"
    other.mkdir()
    named = load_settings(root=other, root_name="run", state_dir=tmp_path / "state" / "named")
    unnamed = load_settings(root=other, state_dir=tmp_path / "state" / "unnamed")
    assert str(ref_of(other / "x" / "a_results.hdf", named.roots)) == made[0]
    assert str(ref_of(other / "x" / "a_results.hdf", unnamed.roots)) != made[0]


def test_what_was_made_here_lies_under_a_root_of_its_own(tmp_path):
    settings = Settings(root=tmp_path / "run", state_dir=tmp_path / "state")
    ref = ref_of(settings.averages_dir / "Average_a_results.hdf", settings.roots)
    assert ref == FileRef(MADE, "averages/Average_a_results.hdf")


def test_made_is_no_name_for_the_watched_directory(tmp_path):
    with pytest.raises(Exception, match="made here"):
        load_settings(root=tmp_path, root_name="made")


@given(st.lists(part, min_size=1, max_size=4))
def test_any_file_name_gives_a_name_that_addresses_carry(parts):
    ref = FileRef("run", "/".join(parts))
    name = str(ref)
    assert is_ref(name)
    assert not set(name) & set(" ,/\\?#%&\n\r\t\"'<>;")
    address = href("/x/", "/g2", View((name, "latest_one~0123456789")))
    assert View.from_query(dict(parse_qsl(urlsplit(address).query))).files == (name, "latest_one~0123456789")


def test_a_name_that_no_text_encoding_allows_has_a_name_too():
    path = Path("/data/run/") / b"bad\xff_results.hdf".decode("utf-8", "surrogateescape")
    ref = ref_of(path, {"run": Path("/data/run")})
    assert is_ref(str(ref))
    str(ref).encode("utf-8")
