"""Errors of callbacks: a sentence on the page, and a traceback in the log only where nobody foresaw them."""

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from xpcs_dash.components.errors import foreseen, guarded
from xpcs_dash.errors import UnavailableError, UsageError

AWAY = OperationalError("SELECT secret FROM t", {}, Exception("unable to open database file"))


@pytest.mark.parametrize(
    ("err", "said", "traceback"),
    [
        (UsageError("Choose a file."), "Choose a file.", False),
        (AWAY, "The database cannot be used now", False),
        (ZeroDivisionError("x / 0"), "ZeroDivisionError", True),
    ],
)
def test_a_callback_says_what_is_wrong(err, said, traceback):
    @guarded
    def show():
        raise err

    with capture_logs() as logs:
        shown = str(show())
    assert said in shown
    assert "SELECT" not in shown
    assert any(entry.get("exc_info") for entry in logs) is traceback


def test_a_database_that_is_away_is_one_line_in_the_log():
    with capture_logs() as logs:
        assert isinstance(foreseen(AWAY), UnavailableError)
    assert [(entry["event"], entry["reason"]) for entry in logs] == [
        ("the database cannot be used", "unable to open database file")
    ]
    assert foreseen(ValueError()) is None
