"""Links and names in the documentation lead somewhere."""

from __future__ import annotations

import importlib
import re
import unicodedata
from pathlib import Path

import pytest

from tests.docs.how_to import DOCS, ROOT, blocks

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts]
FENCED = re.compile(r"^( *)(`{3,}|~{3,}).*?^ *\2`* *$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
#: What is told to be in the code: modules, and paths in the repository.
MODULE = re.compile(r"`(xpcs_dash(?:\.[a-z0-9_]+)+)(?:\.([A-Za-z_]\w*))?(?:\(.*?\))?`")
ROOMS = "|".join(sorted(path.parent.name for path in (ROOT / "xpcs_dash").glob("*/__init__.py")))
#: The same without the name of the package, as the explanations write it.
SHORT = re.compile(rf"`((?:{ROOMS})(?:\.[a-z0-9_]+)+)(?:\.([A-Za-z_]\w*))?(?:\(.*?\))?`")
PATH = re.compile(r"`((?:xpcs_dash|tests|docs|scripts|assets|benchmarks)/[\w./-]+)`")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Anchors of the headings of a page, as they are made from the words."""
    found = re.findall(r"^#{1,6} (.+)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    plain = [unicodedata.normalize("NFC", text).lower() for text in found]
    return {re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-") for text in plain}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_to_pages_and_headings(page):
    for target in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, heading = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), f"{target} leads to nothing"
        if heading:
            assert heading in anchors(found), f"{target}: there is no such heading"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_names_in_the_text_are_in_the_code(page):
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    told = MODULE.findall(text) + [(f"xpcs_dash.{short}", name) for short, name in SHORT.findall(text)]
    for module, name in told:
        parent, _, last = module.rpartition(".")
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:
            found = getattr(importlib.import_module(parent), last)  # a function or a variable of a module
        assert not name or hasattr(found, name), f"{module} has no {name}"
    made = {block.argument for block in blocks(page) if block.action == "write"}
    for path in PATH.findall(text):
        assert path in made or (ROOT / path).exists(), f"there is no {path}"


def test_every_page_of_the_reference_names_modules_that_are_there():
    listed = [
        m for page in (DOCS / "api").glob("*.md") for m in re.findall(r"automodule:: (\S+)", page.read_text())
    ]
    assert len(listed) == len(set(listed)) > 40
    for module in listed:
        assert importlib.import_module(module).__doc__, f"{module} says nothing of itself"
