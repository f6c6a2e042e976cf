"""The how-to "Add a rule" is carried out: one entry of the table, and everything knows of it."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.pages.live_fixture import fill
from tests.small_result import write_small
from tests.web.plain_browser import PlainBrowser
from xpcs_dash.components.selection import Selection
from xpcs_dash.components.states import flag_lines
from xpcs_dash.pages.live import callbacks
from xpcs_dash.routes.live import overall
from xpcs_dash.rules import table
from xpcs_dash.web import create_app

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-rule.md"


def test_a_rule_of_the_how_to_is_set_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(), flags=re.S)
    made: dict[str, Any] = {}
    exec(block, made)
    rule = made["RULE"]
    monkeypatch.setattr(table, "RULES", (*table.RULES, rule))
    warm = {"a": 25.0, "b": 60.0}
    paths = [write_small(tmp_path / f"{name}_results.hdf", temperature_c=t) for name, t in warm.items()]
    services = fill(tmp_path, paths)
    cool, hot = (services.catalogue.by_path(services.settings.root / path.name) for path in paths)
    assert cool.flags == ()
    assert hot.flags == ("hot",)
    head = str(callbacks.head(services, Selection((hot.ref,), ("k",))))
    assert rule.sentence[1:] in head
    assert "xd-warning" in head
    assert rule.sentence[1:] not in str(callbacks.head(services, Selection((cool.ref,), ("k",))))
    assert overall({}, [], hot) == "warning"
    browser = PlainBrowser(create_app(services).server.test_client())
    known = browser.shown["shell-config"]["data"]["rules"]
    assert known["hot"] == {"severity": "warning", "sentence": rule.sentence}
    services.close()


def test_a_lost_beam_does_not_look_like_another_map() -> None:
    lost, other = (str(flag_lines([flag])[0]) for flag in ("beam-lost", "map-changed"))
    for part in ("The beam was lost", "xd-alarm", "✕"):
        assert part in lost
        assert part not in other
    assert "The q-map differs" in other
    assert "xd-warning" not in other


def test_the_screen_takes_the_gravest_severity_of_the_newest_file() -> None:
    for flag, state in (("beam-lost", "alarm"), ("not-photons", "warning"), ("no-decay", "ok")):
        newest: Any = SimpleNamespace(flags=(flag,))
        assert overall({}, [], newest) == state
