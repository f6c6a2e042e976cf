"""Every route that takes a file, with every name that a file can have."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.conftest import A001, A002
from tests.web.filling import add_file
from tests.web.odd_names import ODD, file_addresses
from xpcs_dash.services import Services
from xpcs_dash.web import create_app

Sample = Callable[[str], Path]


def put(services: Services, source: Path, stem: str) -> Any:
    """A result file of this name in the watched directory, and what addresses call it."""
    assert services.settings.root is not None
    path = services.settings.root / f"{stem}_results.hdf"
    shutil.copy(source, path)
    return add_file(services.catalogue, path)


def sound(answer: Any) -> None:
    """An answer that any server can send: no break in a header, no traceback."""
    assert answer.status_code < 500, answer.text[:300]
    for name, value in answer.headers:
        assert name.isascii()
        assert value.isascii(), (name, value)
        assert value.isprintable(), (name, value)
    if answer.status_code >= 400:
        assert answer.json["error"]
        assert "Traceback" not in answer.text


@pytest.mark.parametrize("stem", ODD)
def test_every_route_answers_for_every_name(services: Services, sample: Sample, stem: str) -> None:
    file = put(services, sample(A002), stem)
    server = create_app(services).server
    addresses = file_addresses(server, file)
    assert len(addresses) > 10
    for method, address in addresses:
        with server.test_client().open(address, method=method) as answer:
            sound(answer)
            assert answer.status_code in (200, 202), (address, answer.text[:300])


def saved_as(answer: Any) -> str:
    """The name under which a browser saves an answer."""
    value = answer.headers["Content-Disposition"]
    extended = re.search(r"filename\*=UTF-8''(.*)$", value)
    return unquote(extended[1]) if extended else str(re.search(r'filename="(.*)"', value)[1])  # type: ignore[index]


def test_an_export_is_saved_under_the_name_of_its_file(services: Services, sample: Sample) -> None:
    client = create_app(services, pages=()).server.test_client()
    for stem in ("试样 α", "two  blanks", "50%20 #1 &c", "-rf --out"):
        file = put(services, sample(A001), stem)
        assert saved_as(client.get(f"/export/{file}/g2.csv?q=1,2")) == f"{stem}_g2_q1-2.csv"
    file = put(services, sample(A001), "new\nline")
    assert saved_as(client.get(f"/export/{file}/g2.csv?q=1")) == "new_line_g2_q1.csv"


@pytest.mark.parametrize("stem", ODD)
def test_a_damaged_file_of_any_name_gets_its_sentence(services: Services, stem: str, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"not HDF5")
    file = put(services, damaged, stem)
    server = create_app(services).server
    for method, address in file_addresses(server, file):
        with server.test_client().open(address, method=method) as answer:
            sound(answer)
            if answer.status_code >= 400:
                assert answer.json["error"].isprintable()


#: Names that no file has: mistyped, cut off, a number of once, another's hash, what is no name at all.
UNKNOWN = (
    "A00l_silica_multitau", "A001_silica", "77", "0", "9" * 30, "A001_silica_multitau~0123456789", "latest",
    "试样", "new\nline", "50%20", "..", "a\x00b", "x" * 3000,
)  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_file_that_is_not_here_is_404_everywhere(services: Services, sample: Sample, name: str) -> None:
    put(services, sample(A001), "A001_silica_multitau")
    server = create_app(services).server
    for method, address in file_addresses(server, name):
        with server.test_client().open(address, method=method) as answer:
            assert answer.status_code == 404, (address, answer.text[:200])
            if answer.is_json:
                sound(answer)
                assert "no file of this name here" in answer.json["error"]
                assert len(answer.json["error"]) < 400
            else:  # a name that no route takes for a file, such as one with a slash
                assert name == ".."
    if name.startswith("A00"):
        assert "A001_silica_multitau~" in server.test_client().get(f"/api/files/{name}").json["error"]


def test_a_stem_that_several_files_have_is_404_with_their_names(services: Services, sample: Sample) -> None:
    root = services.settings.root
    assert root is not None
    refs = []
    for folder in ("one", "two"):
        (root / folder).mkdir()
        refs.append(put(services, sample(A001), f"{folder}/A001"))
    server = create_app(services).server
    for _, address in file_addresses(server, "A001"):
        with server.test_client().open(address, method="POST" if "retry" in address else "GET") as answer:
            if answer.status_code == 404:
                assert all(ref in answer.json["error"] for ref in refs)
            else:
                assert "difference" not in address, address
    assert server.test_client().get("/export/A001/g2.csv").status_code == 404


def test_the_other_file_of_a_difference_is_not_here(services: Services, sample: Sample) -> None:
    ref = put(services, sample(A001), "A001")
    client = create_app(services).server.test_client()
    answer = client.get(f"/map/{ref}/x/difference.png?other=A00l")
    assert answer.status_code == 404
    assert answer.json["error"].startswith("A00l: no file of this name here; the nearest is A001~")


@pytest.mark.parametrize(
    "address",
    [
        "/averages/mean_results.hdf",
        "/mask-data/regrouped/mean_results.hdf",
        "/mask-data/version/0123456789abcdef01234567.hdf",
        "/mask-data/version/0123456789abcdef01234567.partition.hdf",
        "/mask-data/version/nonsense.npy",
    ],
)
def test_what_was_never_made_here_is_404(services: Services, address: str) -> None:
    answer = create_app(services).server.test_client().get(address)
    assert answer.status_code == 404
    sound(answer)


def test_lists_carry_every_name(services: Services, sample: Sample) -> None:
    for stem in ODD:
        put(services, sample(A001), stem)
    client = create_app(services, pages=()).server.test_client()
    sound(client.get("/api/revision"))
    answer = client.get("/api/files")
    sound(answer)
    assert {row["name"] for row in answer.json["files"]} == set(ODD)
