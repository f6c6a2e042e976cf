"""Every block of Python and of shell commands in the documentation runs, or says in its source why not.

The blocks of a page run one after the other in one folder (`how_to.Workplace`), so a later one may use what
an earlier one has made. What lasts (``serve``, ``demo``, ``replay``) is started, waited for until it answers,
and stopped. `make` is only asked what it would do.
"""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.docs.how_to import DOCS, ROOT, Block, Workplace, blocks
from xpcs_dash.export import VIEWS
from xpcs_dash.hdf5.layouts import LAYOUTS
from xpcs_dash.settings import Settings

RUN = ("python", "sh", "console")
SHOWN = ("text", "toml", "nginx", "json")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts]
LASTING = re.compile(r"^xpcs-dash (serve|demo|replay)\b")


def runs(block: Block) -> bool:
    """Whether a block is one that this module runs."""
    return block.language in RUN and block.action == ""


def named(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_block_says_what_it_is(page):
    for block in blocks(page):
        assert block.language in RUN + SHOWN, f"{block}: say behind the fence what this is"
        if block.action == "not run":
            assert len(block.argument.split()) >= 3, f"{block}: say why it does not run"
        if block.action == "run in":
            assert page.parent.name == "how-to", f"{block}: only how-tos are carried out in a copy"
            assert block.argument == "copy", f"{block}: there is no place called {block.argument}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_block_hides_in_an_indentation(page):
    text = re.sub(r"^( *)(`{3,}|~{3,}).*?^\1?\2 *$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    hidden = re.search(r"\n\n(?: {4}|\t)(?![*-] |\d)(\S.*)", text)
    assert hidden is None, f"{page.name}: write a block with a fence: {hidden and hidden[1]}"


@pytest.mark.parametrize("page", [page for page in PAGES if any(map(runs, blocks(page)))], ids=named)
def test_the_blocks_of_a_page_run(page, tmp_path, sample):
    place = Workplace(tmp_path / "here", sample)
    for block in blocks(page):
        if not runs(block):
            continue
        try:
            if block.language == "python":
                place.python(block.text)
            else:
                shell(place, block)
        except AssertionError as err:
            raise AssertionError(f"{named(page)}, line {block.line}: {err}") from None


def shell(place: Workplace, block: Block) -> None:
    """Run the commands of a block; with ``$`` before them, and what they print behind."""
    prompted = block.language == "console"
    commands, said = [], []
    for line in block.text.splitlines():
        if commands and commands[-1].endswith("\\"):
            commands[-1] = commands[-1][:-1] + line.strip()
        elif not prompted or line.startswith("$ "):
            commands.append(line.removeprefix("$ "))
            said.append([])
        else:
            said[-1].append(line)
    for command, lines in zip(commands, said, strict=True):
        if LASTING.match(command):
            printed = place.until_it_answers(command)
        else:
            printed = place.shell(command) if command.strip() else ""
        for line in lines:
            assert plain(line) in plain(printed), f"{command} does not print {line!r} but {printed!r}"


def plain(text: str) -> str:
    """Text without what differs from machine to machine: numbers, and folders above ``data``."""
    return re.sub(r"\d+(\.\d+)?(e[+-]?\d+)?", "#", re.sub(r"/\S*/data\b", "/data", text))


def test_settings_in_a_page_are_settings(tmp_path):
    found = [block for page in PAGES for block in blocks(page) if block.language == "toml"]
    assert found
    for block in found:
        for name, value in tomllib.loads(block.text).items():
            assert name in Settings.model_fields or name in GEOMETRY, f"{block}: there is no setting {name}"
            if name in Settings.model_fields:
                Settings(**{"state_dir": tmp_path, name: value})


GEOMETRY = ("energy_kev", "distance_m", "pixel_m", "bcx", "bcy")


def test_what_can_be_exported_and_read_is_listed():
    listed = (DOCS / "export.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in listed for name in VIEWS)
    listed = (DOCS / "file-formats.md").read_text(encoding="utf-8")
    assert all(f"`{layout.NAME}`" in listed for layout in LAYOUTS)


def test_a_block_that_fails_is_noticed(tmp_path, sample):
    place = Workplace(tmp_path / "here", sample)
    page = tmp_path / "page.md"
    page.write_text("```sh\nxpcs-dash inspect nothing.h5\n```\n\n```console\n$ echo 1 file\n2 lines\n```\n")
    broken, other = blocks(page)
    with pytest.raises(AssertionError, match="ended with 1"):
        shell(place, broken)
    with pytest.raises(AssertionError, match="does not print '2 lines'"):
        shell(place, other)
