"""Empty, loading and failed: one frame, one sentence, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dash import html

from xpcs_dash.errors import XpcsDashError
from xpcs_dash.rules.table import said

#: State of a file -> (state of the design, icon, word). Colour never stands alone.
FILE_STATES: dict[str, tuple[str, str, str]] = {
    "ready": ("ok", "●", "ready"),
    "waiting": ("nodata", "◌", "waiting"),
    "failed": ("alarm", "✕", "failed"),
    "gone": ("stale", "◍", "gone"),
}

#: Design state -> sign that goes with its colour.
SIGNS = {"ok": "●", "warning": "▲", "alarm": "✕", "nodata": "◌", "stale": "◍"}


def icon(name: str, **attributes: Any) -> html.I:
    """A Bootstrap icon, hidden from screen readers: a word stands beside it."""
    return html.I(className=f"bi {name}", **{"aria-hidden": "true"}, **attributes)


def empty(sentence: str, hint: Any = None, *, sign: str = "bi-inbox", **attributes: Any) -> html.Div:
    """Nothing to show: what is awaited or missing, and what to do."""
    return _frame("nodata", icon(sign), sentence, hint, **attributes)


def loading(sentence: str = "Loading…", hint: Any = None, **attributes: Any) -> html.Div:
    """Something is on its way."""
    return _frame("loading", html.Div(className="xd-spinner"), sentence, hint, **attributes)


def failed(err: BaseException | str, hint: Any = None, **attributes: Any) -> html.Div:
    """Something went wrong: the sentence of the error.

    An error that is not one of ours is named without its text, which may hold paths and code.
    """
    if isinstance(err, str | XpcsDashError):
        sentence = str(err)
    else:
        sentence = f"This view could not be made ({type(err).__name__})."
        hint = hint or "The log of the server says more."
    return _frame("alarm", icon("bi-x-octagon"), sentence, hint, role="alert", **attributes)


def mark(state: str, word: str, *, title: str = "") -> html.Span:
    """A state as sign, colour and word; ``state`` is ok, warning, alarm, nodata or stale."""
    given = {"title": title} if title else {}
    sign = html.Span(SIGNS.get(state, "◌"), className="xd-sign", **{"aria-hidden": "true"})
    return html.Span([sign, word], className=f"xd-mark xd-{state}", **given)


#: Severity of a flag -> state of the design, and the sign of a mere note.
_RULE_STATES = {"alarm": ("alarm", "✕"), "warning": ("warning", "▲"), "note": ("nodata", "•")}


def flag_lines(flags: Iterable[str]) -> list[html.Span]:
    """What is worth a word about a file, the gravest first: sign, colour of its severity, sentence."""
    lines = []
    for rule in said(flags):
        state, sign = _RULE_STATES[rule.severity]
        mark = html.Span(f"{sign} ", className="xd-sign", **{"aria-hidden": "true"})
        begin = rule.sentence[:1] if rule.sentence.startswith("g2") else rule.sentence[:1].upper()
        words = [mark, begin + rule.sentence[1:]]
        lines.append(html.Span(words, className=f"xd-mark xd-{state} xd-flag", title=rule.severity))
    return lines


def warning_line(sentence: Any, href: str | None = None) -> Any:
    """A warning beside the number that it concerns; with ``href``, it leads to the details."""
    content = [html.Span("▲ ", **{"aria-hidden": "true"}), sentence]
    if href is not None:
        return html.A(content, href=href, className="xd-warning-line")
    return html.Span(content, className="xd-warning-line")


def _frame(kind: str, sign: Any, sentence: str, hint: Any, **attributes: Any) -> html.Div:
    parts = [html.Div(sign, className="xd-state-sign"), html.P(sentence, className="xd-state-sentence")]
    if hint is not None:
        parts.append(html.Div(hint, className="xd-state-hint"))
    name = f"xd-state xd-state-{kind} {attributes.pop('className', '')}".strip()
    return html.Div(parts, className=name, **attributes)
