"""The code blocks of a page, and a copy of the product in which a how-to is carried out word by word.

A comment on the line above a block says what becomes of it; readers do not see it:

=============================================  ==============================================================
``<!-- write: PATH -->``                       the block is the file PATH
``<!-- insert: PATH after: LINE -->``          the block stands in PATH behind the one line that reads LINE
``<!-- append: PATH -->``                      the block stands at the end of PATH
``<!-- not run: REASON -->``                   the block is only shown
``<!-- run in: copy -->``                      the block runs in the copy that the page has changed
=============================================  ==============================================================
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import A001, A001_QMAP, A002

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

#: Names of sample files in the pages -> the samples.
SAMPLES = {"A001_results.hdf": A001, "A001_qmap.hdf": A001_QMAP, "A002_results.hdf": A002}

_FENCE = re.compile(r"^( *)(`{3,}|~{3,})\s*(.*?)\s*$")
_COMMENT = re.compile(r"^\s*<!--\s*(write|insert|append|not run|run in):\s*(.*?)\s*-->\s*$")
_AFTER = re.compile(r"^(\S+) after: (.+)$")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page.

    Attributes
    ----------
    page, line : where it begins, the line counted from 1.
    language : behind the fence, such as ``python``; empty where there is none.
    text : what stands in it, without the indentation of the fence.
    action, argument : of the comment above it; empty where there is none.
    """

    page: Path
    line: int
    language: str
    text: str
    action: str = ""
    argument: str = ""

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Every fenced block of a page, in its order; directives (``{note}``) count as text, not as blocks."""
    found: list[Block] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    at = 0
    while at < len(lines):
        opened = _FENCE.match(lines[at])
        if opened is None:
            at += 1
            continue
        indent, fence, language = opened.groups()
        end = at + 1
        while end < len(lines) and not re.fullmatch(
            rf" *{re.escape(fence[0])}{{{len(fence)},}} *", lines[end]
        ):
            end += 1
        assert end < len(lines), f"{page.name}:{at + 1}: the block has no end"
        if language.startswith("{"):
            at += 1 if language.startswith(("{note}", "{warning}", "{tip}")) else end + 1 - at
            continue
        said = _COMMENT.match(lines[at - 1]) if at else None
        text = "".join(f"{line.removeprefix(indent)}\n" for line in lines[at + 1 : end])
        found.append(Block(page, at + 1, language, text, *(said.groups() if said else ())))
        at = end + 1
    return found


class Checkout:
    """A copy of the product in a folder of its own, which may be changed and run.

    Parameters
    ----------
    folder : where it is made.
    sample : finds sample files; the copy has those of `SAMPLES` under the names that the pages use.
    """

    def __init__(self, folder: Path, sample: Callable[[str], Path]) -> None:
        self.folder = folder
        for name in ("xpcs_dash", "assets"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name, source in SAMPLES.items():
            shutil.copy(sample(source), folder / name)
        for name, call in (("xpcs-dash", "-m xpcs_dash"), ("python", "")):
            script = folder / "bin" / name
            script.parent.mkdir(exist_ok=True)
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {call} "$@"\n')
            script.chmod(0o755)

    def follow(self, page: Path) -> list[str]:
        """Do what a page says, block by block: put its files in place, and run what is to run in the copy.

        Returns
        -------
        The files of the product that were written or changed, sorted.
        """
        touched = set()
        for block in blocks(page):
            if block.action in ("write", "insert", "append"):
                touched.add(self._put(block))
            elif (block.action, block.argument) == ("run in", "copy"):
                self.carry_out(block)
        assert touched, f"{page.name} puts nothing in place"
        return sorted(touched)

    def carry_out(self, block: Block) -> str:
        """Run a block of Python or of shell commands; what it prints."""
        if block.language == "python":
            return self.python(block.text)
        return self.run(["/bin/sh", "-e", "-c", block.text])

    def _put(self, block: Block) -> str:
        name, anchor = block.argument, ""
        if block.action == "insert":
            parts = _AFTER.match(block.argument)
            assert parts, f"{block}: write 'insert: PATH after: LINE'"
            name, anchor = parts.groups()
        path = (self.folder / name).resolve()
        assert path.is_relative_to(self.folder.resolve()), f"{block}: {name} lies outside the product"
        if block.action == "write":
            assert not path.exists(), f"{block}: {name} is there already"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            return name
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        if block.action == "append":
            lines.append(f"\n\n{block.text}")
        else:
            at = [k for k, line in enumerate(lines) if line.strip() == anchor]
            assert len(at) == 1, f"{block}: {name} has {len(at)} lines that read {anchor!r}"
            here = lines[at[0]]
            margin = here[: len(here) - len(here.lstrip())]
            lines.insert(at[0] + 1, textwrap.indent(textwrap.dedent(block.text), margin))
        path.write_text("".join(lines), encoding="utf-8")
        return name

    def python(self, code: str, *arguments: object, timeout: float = 120.0) -> str:
        """What a script prints that imports this copy; fails with what it complains of."""
        return self.run([sys.executable, "-c", code, *map(str, arguments)], timeout)

    def command(self, *arguments: object, timeout: float = 120.0) -> str:
        """What ``xpcs-dash`` of this copy prints."""
        return self.run([sys.executable, "-m", "xpcs_dash", *map(str, arguments)], timeout)

    def run(self, call: list[str], timeout: float = 120.0) -> str:
        """Output of a program in the folder of the copy, which is what it imports."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("XPCS_DASH_")}
        environment |= {
            # ours comes first; the other has the tests
            "PYTHONPATH": os.pathsep.join((str(self.folder), str(ROOT))),
            "PATH": os.pathsep.join((str(self.folder / "bin"), os.environ.get("PATH", ""))),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            call,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"{call[:4]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout
