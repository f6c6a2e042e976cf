"""qbar.js: keys of q-bins."""

import pytest

BAR = """<div class="xd-qbar">
<button data-q="auto">auto</button>
<button data-q="1" aria-pressed="true">1</button>
<button data-q="2" aria-pressed="true">2</button>
<button data-q="10" aria-pressed="false">10</button></div>
<button data-q="4" id="elsewhere">no key of a bar</button>"""


@pytest.fixture
def bar(stage):
    return stage.open("qbar.js", html=BAR)


def click(bar, label):
    bar.run(f"document.querySelector('[data-q=\"{label}\"]').click()")


@pytest.mark.parametrize(("label", "chosen"), [(10, [1, 2, 10]), (2, [1]), ("auto", None)])
def test_a_click_shows_or_hides_one_and_auto_gives_the_choice_back(bar, label, chosen):
    click(bar, label)
    assert bar.props == [["shell-select", {"data": {"q": chosen}}]]


def test_a_double_click_shows_one_alone(bar):
    click(bar, 10)
    click(bar, 10)
    assert bar.last("shell-select") == {"data": {"q": [10]}}


def test_two_clicks_on_different_keys_are_no_double_click(bar):
    click(bar, 10)
    click(bar, 2)
    assert bar.last("shell-select") == {"data": {"q": [1]}}


def test_slow_clicks_are_two_clicks(bar):
    bar.run("() => { let now = 0; performance.now = () => (now += 400); }")
    click(bar, 2)
    click(bar, 2)
    assert bar.last("shell-select") == {"data": {"q": [1]}}


def test_the_last_one_that_is_hidden_gives_the_choice_back(bar):
    bar.run("document.querySelector('[data-q=\"2\"]').setAttribute('aria-pressed', 'false')")
    click(bar, 1)
    assert bar.last("shell-select") == {"data": {"q": None}}


def test_a_key_outside_of_a_bar_is_none(bar):
    bar.run("document.getElementById('elsewhere').click()")
    assert bar.props == []
