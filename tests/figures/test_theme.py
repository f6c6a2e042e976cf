import re
from pathlib import Path

import numpy as np
import pytest

from xpcs_dash.figures.config import GRAPH_CONFIG, graph_config
from xpcs_dash.figures.theme import THEMES, base_figure, colormap, q_colours, tokens, with_alpha

TOKENS = Path(__file__).parents[2] / "assets" / "tokens.css"


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_figures_and_style_sheet_use_the_same_colours(theme):
    text = TOKENS.read_text(encoding="utf-8")
    block = re.search(rf'\[data-bs-theme="{theme}"\]\s*\{{(.*?)\}}', text, re.S).group(1)
    styles = {
        name.replace("-", "_"): value
        for name, value in re.findall(r"--xd-([a-z-]+):\s*(#[0-9a-f]{6})", block)
    }
    assert styles == vars(THEMES[theme])


def test_nothing_is_sent_to_another_host():
    for config in (GRAPH_CONFIG, graph_config("saxs", scrollZoom=True)):
        assert config["showSendToCloud"] is False
        assert config["plotlyServerURL"] == ""
        assert config["displaylogo"] is False
    assert graph_config("saxs")["toImageButtonOptions"]["filename"] == "saxs"
    assert GRAPH_CONFIG["toImageButtonOptions"]["filename"] == "xpcs-dash"


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_q_can_be_told_from_the_panel_and_its_order_shows(theme):
    colours = q_colours(7, theme)
    assert len(set(colours)) == 7
    assert min(contrast(colour, tokens(theme).panel) for colour in colours) > 1.7
    brightness = [luminance(colour) for colour in colours]
    assert brightness == sorted(brightness)


def test_numbers_of_colours():
    assert q_colours(0) == []
    assert len(q_colours(1)) == 1
    assert colormap("inferno").shape == (256, 3)
    assert colormap("inferno").dtype == np.uint8
    assert colormap("inferno")[0].sum() < colormap("inferno")[-1].sum()
    assert with_alpha("#54b8ff", 0.5) == "rgba(84,184,255,0.5)"


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_text_of_figures_can_be_read(theme):
    assert contrast(tokens(theme).muted, tokens(theme).panel) > 4.5
    assert base_figure(theme).layout.template.layout.font.color == tokens(theme).text
