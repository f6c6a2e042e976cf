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
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.conftest import A001, A001_QMAP, A002, A003
from tests.hdf5.test_layouts_elsewhere import chx
from tests.small_result import DELAYS, SHAPE, write_small

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

#: Names of sample files in the pages -> the samples.
SAMPLES = {
    "A001_results.hdf": A001,
    "A001_qmap.hdf": A001_QMAP,
    "A002_results.hdf": A002,
    "data/A001_silica_results.hdf": A001,
    "data/A003_diluted_results.hdf": A003,
}

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
            inside = [line for line in lines[at + 1 : end] if _FENCE.match(line)]
            assert not inside, f"{page.name}:{at + 1}: a block within a directive is not seen"
            at = end + 1
            continue
        said = _COMMENT.match(lines[at - 1]) if at else None
        text = "".join(f"{line.removeprefix(indent)}\n" for line in lines[at + 1 : end])
        found.append(Block(page, at + 1, language, text, *(said.groups() if said else ())))
        at = end + 1
    return found


class Workplace:
    """A folder with sample files, in which commands and scripts run as a reader would run them.

    Parameters
    ----------
    folder : where it is made.
    sample : finds sample files.
    """

    def __init__(self, folder: Path, sample: Callable[[str], Path]) -> None:
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        (folder / "data").mkdir()
        for name, source in SAMPLES.items():
            shutil.copy(sample(source), folder / name)
        chx(folder / "uid=c8a1fb1f_Res.h5")
        write_small(folder / "G2_results.hdf", unnormalized_g2=planes())
        np.save(folder / "image.npy", np.random.default_rng(1).poisson(2.0, SHAPE).astype(np.float32))
        (folder / "G.toml").write_text(
            "energy_kev = 10.0\ndistance_m = 5.0\npixel_m = 75e-6\nbcx = -5.5\nbcy = 14.5\n"
        )
        (folder / "xpcs-dash.toml").write_text('root = "data"\nstate_dir = "state"\n')
        for name, call in (
            ("xpcs-dash", f'"{sys.executable}" -m xpcs_dash'),
            ("python", f'"{sys.executable}"'),
            ("make", f'/usr/bin/env -i PATH=/usr/bin:/bin make --dry-run --directory "{ROOT}"'),
        ):
            script = folder / "bin" / name
            script.write_text(f'#!/bin/sh\nexec {call} "$@"\n')
            script.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """Of what runs here: no setting of the machine, and its own program before all others."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("XPCS_DASH_")}
        return kept | {
            "PYTHONPATH": str(ROOT),
            "PATH": os.pathsep.join((str(self.folder / "bin"), os.environ.get("PATH", ""))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "XPCS_DASH_STATE_DIR": str(self.folder / "state"),
            "XPCS_DASH_PORT": "0",
        }

    def python(self, code: str, *arguments: object, timeout: float = 150.0) -> str:
        """What a script prints; fails with what it complains of."""
        return self.run([sys.executable, "-c", code, *map(str, arguments)], timeout)

    def command(self, *arguments: object, timeout: float = 150.0) -> str:
        """What ``xpcs-dash`` prints."""
        return self.run([sys.executable, "-m", "xpcs_dash", *map(str, arguments)], timeout)

    def shell(self, text: str, timeout: float = 150.0) -> str:
        """What commands print; ``/data`` is the folder ``data`` here."""
        return self.run(["/bin/sh", "-e", "-c", self._here(text)], timeout)

    def run(self, call: list[str], timeout: float = 150.0) -> str:
        """Everything that a program prints in this folder."""
        done = subprocess.run(
            call,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{call[:4]} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def until_it_answers(self, text: str, timeout: float = 90.0) -> str:
        """Start a command that lasts, wait until it prints an address that answers, and stop it."""
        call = ["/bin/sh", "-c", f"exec {self._here(text)}"]
        log = self.folder / "said.log"
        with (
            log.open("w") as out,
            subprocess.Popen(
                call, cwd=self.folder, env=self.environment, stdout=out, stderr=out, start_new_session=True
            ) as process,
        ):
            try:
                end = time.monotonic() + timeout
                while not (found := re.search(r"http://\S+/(?=\s)", log.read_text())):
                    assert process.poll() is None, f"{text} ended:\n{log.read_text()}"
                    assert time.monotonic() < end, f"{text} gives no address:\n{log.read_text()}"
                    time.sleep(0.1)
                with urllib.request.urlopen(f"{found[0]}api/revision", timeout=30) as answer:
                    assert answer.status == 200
            finally:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    raise
        return log.read_text()

    def _here(self, text: str) -> str:
        return re.sub(r"(?<![\w.])/data\b", str(self.folder / "data"), text)


def planes() -> NDArray[np.float32]:
    """The per-pixel G2, IP and IF of the small result."""
    drawn = np.random.default_rng(1).uniform(0.5, 2, (DELAYS.size, 3, *SHAPE))
    return drawn.astype(np.float32)


class Checkout(Workplace):
    """A workplace with a copy of the product in it, which may be changed and is what runs there."""

    def __init__(self, folder: Path, sample: Callable[[str], Path]) -> None:
        super().__init__(folder, sample)
        for name in ("xpcs_dash", "assets"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)

    @property
    def environment(self) -> dict[str, str]:
        """That of a workplace; the copy is imported, and the tests beside it."""
        return super().environment | {"PYTHONPATH": os.pathsep.join((str(self.folder), str(ROOT)))}

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
                assert block.language in ("python", "sh"), f"{block}: only Python and sh run"
                self.python(block.text) if block.language == "python" else self.shell(block.text)
        assert touched, f"{page.name} puts nothing in place"
        return sorted(touched)

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
