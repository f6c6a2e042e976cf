"""Named tokens from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from xpcs_dash.access.policy import Role, Who
from xpcs_dash.access.tokens import Tokens
from xpcs_dash.cli import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["token", *arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_tokens_are_made_listed_and_revoked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = ("--state-dir", str(tmp_path / "state"))
    code, out, _ = run(capsys, "create", "ada", *state)
    assert code == 0
    token = out.strip()
    known = Tokens(tmp_path / "state")
    assert known.find(token) == Who(Role.OPERATOR, "ada")
    code, out, _ = run(capsys, "create", "eve", "--role", "admin", *state)
    assert known.find(out.strip()) == Who(Role.ADMIN, "eve")
    code, out, _ = run(capsys, "revoke", "ada", *state)
    assert (code, out) == (0, "ada: revoked.\n")
    assert known.find(token) is None
    code, out, _ = run(capsys, "list", *state)
    assert [line.split("\t")[:2] for line in out.splitlines()] == [["ada", "operator"], ["eve", "admin"]]
    assert "revoked" in out.splitlines()[0]
    assert token not in out
    code, out, err = run(capsys, "create", "eve", *state)
    assert (code, out) == (1, "")
    assert "a token eve already" in err
    assert run(capsys, "revoke", "nobody", *state)[0] == 1
    assert run(capsys, "create", *state)[0] == 2
