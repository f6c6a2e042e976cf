"""Tokens: made, kept as digests, found, revoked."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from xpcs_dash.access import tokens
from xpcs_dash.access.policy import Role, Who
from xpcs_dash.errors import NotFoundError, UsageError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_own_token_lies_in_the_state_directory_for_its_user_alone_and_stays(tmp_path: Path) -> None:
    made = tokens.ensure_own(tmp_path / "state")
    kept = tmp_path / "state" / "token"
    assert kept.read_text().strip() == made
    assert len(made) > 40
    assert mode(kept) == 0o600
    kept.chmod(0o644)
    assert tokens.ensure_own(tmp_path / "state") == made
    assert mode(kept) == 0o600
    kept.unlink()
    assert tokens.ensure_own(tmp_path / "state") != made


def test_own_token_may_be_given_and_must_be_hard_to_guess(tmp_path: Path) -> None:
    assert tokens.ensure_own(tmp_path, "x" * 16) == "x" * 16
    assert tokens.Tokens(tmp_path).find("x" * 16) == Who(Role.OPERATOR)
    for bad in ("short", "with spaces in it, and long", "sehr-lang-und-schön"):
        with pytest.raises(UsageError, match="16 characters"):
            tokens.ensure_own(tmp_path, bad)


def test_a_damaged_own_token_is_made_anew(tmp_path: Path) -> None:
    for content in (b"", b"\xff\xfe" * 20, b"abc\n"):
        (tmp_path / "token").write_bytes(content)
        assert len(tokens.ensure_own(tmp_path)) > 40


def test_named_tokens_are_kept_as_digests_found_and_revoked(tmp_path: Path) -> None:
    known = tokens.Tokens(tmp_path)
    ada, eve = tokens.create(tmp_path, "ada"), tokens.create(tmp_path, "eve", "admin")
    assert known.find(ada) == Who(Role.OPERATOR, "ada")
    assert known.find(eve) == Who(Role.ADMIN, "eve")
    assert known.find("") is None
    assert known.find(ada[:-1]) is None
    kept = tmp_path / "tokens.json"
    assert mode(kept) == 0o600
    assert ada not in kept.read_text()
    assert eve not in kept.read_text()
    tokens.revoke(tmp_path, "ada")
    assert known.find(ada) is None
    assert known.find(eve) is not None
    assert [(t.name, bool(t.revoked)) for t in tokens.listed(tmp_path)] == [("ada", True), ("eve", False)]
    again = tokens.create(tmp_path, "ada")
    assert known.find(again) == Who(Role.OPERATOR, "ada")
    assert known.find(ada) is None


def test_what_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    tokens.create(tmp_path, "ada")
    with pytest.raises(UsageError, match="a token ada already"):
        tokens.create(tmp_path, "ada")
    for bad in ("", "a b", "../x", "x" * 65, "a\n"):
        with pytest.raises(UsageError, match="token's name"):
            tokens.create(tmp_path, bad)
    with pytest.raises(NotFoundError, match="nearest is operator"):
        tokens.create(tmp_path, "bert", "operater")
    with pytest.raises(NotFoundError, match="nearest is ada"):
        tokens.revoke(tmp_path, "adda")


def test_a_damaged_list_lets_nobody_in_and_keeps_the_own_token_good(tmp_path: Path) -> None:
    own, ada = tokens.ensure_own(tmp_path), tokens.create(tmp_path, "ada")
    (tmp_path / "tokens.json").write_text('{"tokens": [{"name": "ada"')
    known = tokens.Tokens(tmp_path)
    assert known.find(ada) is None
    assert known.find(own) == Who(Role.OPERATOR)
    with pytest.raises(UsageError, match=r"tokens\.json cannot be read"):
        tokens.create(tmp_path, "bert")


def test_two_who_make_tokens_at_once_lose_none(tmp_path: Path) -> None:
    names = [f"t{n}" for n in range(20)]
    makers = [threading.Thread(target=tokens.create, args=(tmp_path, name)) for name in names]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert sorted(t.name for t in tokens.listed(tmp_path)) == sorted(names)
