import pytest

from xpcs_dash.figures.detector import colour_bar, figure_detector


def test_axes_are_in_pixels_with_the_first_row_on_top():
    drawn = figure_detector("/img/1.png", (512, 1024), (583.2, 240.1))
    assert drawn.layout["yaxis"]["autorange"] == "reversed"
    assert drawn.layout["yaxis"]["scaleanchor"] == "x"
    assert drawn.layout["xaxis"]["autorangeoptions"]["include"] == [-0.5, 1023.5]
    assert drawn.layout["images"][0]["sizex"] == 1024
    drawn.to_figure()


def test_masked_pixels_show_the_panel_behind_the_picture():
    [rect] = figure_detector("/img/1.png", (10, 20)).layout["shapes"]
    assert (rect["x1"], rect["y1"], rect["layer"]) == (19.5, 9.5, "below")


def test_an_overlay_has_a_place_of_its_own_or_it_would_not_be_drawn():
    picture, overlay = figure_detector("/a.png", (10, 20), overlay="/b.png").layout["images"]
    assert picture["x"] != overlay["x"]
    assert overlay["x"] == pytest.approx(-0.5, abs=1e-3)


def test_without_a_picture_the_axes_stand_ready():
    assert figure_detector(None, (10, 20)).layout["images"] == []


@pytest.mark.parametrize(("limits", "ticks"), [((1e-5, 1e-2), [-5, -4, -3, -2]), ((2.0, 5.0), None)])
def test_a_logarithmic_bar_names_decades_or_else_values(limits, ticks):
    bar = colour_bar(limits, "log", "inferno", "ph")["marker"]["colorbar"]
    if ticks:
        assert bar["tickvals"] == ticks
    else:
        assert len(bar["ticktext"]) == 4
        assert float(bar["ticktext"][0]) == pytest.approx(2.0)
