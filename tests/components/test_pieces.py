"""Panels, states, controls and errors."""

from __future__ import annotations

import pytest
from dash import Dash, Input, Output, html
from dash.exceptions import PreventUpdate

from xpcs_dash.components import controls, states
from xpcs_dash.components.errors import guarded, on_error
from xpcs_dash.components.panel import facts, panel
from xpcs_dash.components.theme import current_theme
from xpcs_dash.errors import UnreadableFile


def text_of(component: object) -> str:
    """All words of a component."""
    if isinstance(component, str):
        return component
    children = getattr(component, "children", None)
    if isinstance(children, list | tuple):
        return " ".join(text_of(child) for child in children)
    return text_of(children) if children is not None else ""


def test_panel__one_title_line() -> None:
    made = panel("g2", html.Div("view"), conditions="5 of 27 q", id="g2-panel", gridArea="g2")
    assert made.id == "g2-panel"
    assert made.style == {"gridArea": "g2"}
    assert text_of(made).split() == ["g2", "5", "of", "27", "q", "view"]


def test_states__say_what_and_why() -> None:
    assert "A001" in text_of(states.failed(UnreadableFile("A001.hdf", "it is truncated", "copy it again")))
    hidden = text_of(states.failed(RuntimeError("/secret/path")))
    assert "secret" not in hidden
    assert "RuntimeError" in hidden
    assert "copy" in text_of(states.empty("Nothing here.", "copy a file"))


def test_mark__has_sign_and_word() -> None:
    for state in ("ok", "warning", "alarm", "nodata", "stale"):
        assert text_of(states.mark(state, "word")).split() == [states.SIGNS[state], "word"]


def test_guarded__shows_our_errors_and_keeps_other_outputs() -> None:
    @guarded(outputs=2)
    def bad() -> object:
        raise UnreadableFile("A001.hdf", "it is truncated")

    shown, other = bad()
    assert "truncated" in text_of(shown)
    assert type(other).__name__ == "NoUpdate"


def test_guarded__a_graph_gets_a_patch() -> None:
    @guarded(figure=True)
    def bad() -> object:
        raise ValueError("inner")

    operations = bad().to_plotly_json()["operations"]
    assert "inner" not in str(operations)
    assert "ValueError" in str(operations)


def test_guarded__lets_no_update_pass() -> None:
    @guarded
    def nothing() -> object:
        raise PreventUpdate

    with pytest.raises(PreventUpdate):
        nothing()


def test_on_error__becomes_a_message_on_the_page() -> None:
    app = Dash("test", on_error=on_error, suppress_callback_exceptions=True)
    app.layout = html.Div([html.Div(id="a"), html.Div(id="b")])

    @app.callback(Output("b", "children"), Input("a", "n_clicks"))
    def fail(_: object) -> object:
        raise UnreadableFile("A001.hdf", "it is truncated", "copy it again")

    body = {
        "output": "b.children",
        "outputs": {"id": "b", "property": "children"},
        "inputs": [{"id": "a", "property": "n_clicks", "value": 1}],
        "changedPropIds": ["a.n_clicks"],
    }
    answer = app.server.test_client().post("/_dash-update-component", json=body).json
    assert "copy it again" in answer["sideUpdate"]["shell-toast"]["data"]["text"]


def test_controls__carry_their_words_and_units() -> None:
    assert text_of(controls.number("x", "q from", 1.0, unit="Å⁻¹")).split() == ["q", "from", "Å⁻¹"]
    assert "log" in str(controls.segmented("x", "delay", {"log": "log", "lin": "linear"}, "log"))
    assert "q" in text_of(facts([("q", "1")]))
    assert controls.button("x", "Save", disabled=True).disabled is True


def test_theme__is_dark_outside_a_request() -> None:
    assert current_theme() == "dark"
