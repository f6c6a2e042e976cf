import numpy as np
import pytest

from xpcs_dash.analysis.views import stability_report
from xpcs_dash.errors import UsageError
from xpcs_dash.figures.stability import figure_partials
from xpcs_dash.pages.stability import views


def test_segments_are_drawn_by_their_own_mean(viewed):
    fig, words = views.segments(viewed, viewed.look(5), False, "lin-log")
    made = fig.to_figure()
    assert len(made.data) == 12
    assert "own mean" in words
    ratio, _ = views.segments(viewed, viewed.look(5), True, "lin-log")
    assert ratio.to_figure().layout.yaxis.type == "linear"


def test_averages_say_what_is_of_the_first_file(viewed):
    for _, words in (
        views.segments(viewed, viewed.look(4), False, "lin-log"),
        views.intensity_figure(viewed, viewed.look(4), 1000),
    ):
        assert "first file only" in words
    assert "first file" in str(views.verdict_panel(stability_report(viewed.kernel, "4")))


def test_intensity_is_decimated_and_smoothed(viewed):
    fig, words = views.intensity_figure(viewed, viewed.look(5), 500)
    made = fig.to_figure()
    assert max(viewed.numbers(t["x"]).size for t in fig.data) <= 1000
    assert len(made.data) == 4
    assert "2.00 ms" in viewed.plain(words)
    assert len(views.intensity_figure(viewed, viewed.look(5), 1)[0].data) == 3
    with pytest.raises(UsageError, match="100,000"):
        views.intensity_figure(viewed, viewed.look(5), 200_000)


def test_the_spectrum_is_in_hertz(viewed):
    fig, words = views.spectrum_figure(viewed, viewed.look(5))
    made = fig.to_figure()
    assert "Hz" in made.layout.xaxis.title.text
    assert viewed.numbers(fig.data[0]["x"]).max() == pytest.approx(25_000, rel=0.02)
    assert "25.0 kHz" in viewed.plain(words)


def test_partials_are_explained_where_there_are_none(viewed):
    with pytest.raises(UsageError, match="no partial g2"):
        views.partials_figure(viewed.look(5))
    with pytest.raises(UsageError, match="no usable point"):
        views.partials_figure(viewed.look(1))
    t = np.geomspace(1e-3, 1, 8)
    lines = np.ones((2, 8))
    assert len(figure_partials(t, lines, lines > 0, ["a", "b"]).to_figure().data) == 2


def test_the_table_holds_verdict_rule_and_numbers(viewed):
    text = str(views.verdict_panel(stability_report(viewed.kernel, "5")))
    for part in ("drifting", "limit ±5%", "% per s", "beam lost below 20%"):
        assert part in text
    numbers = str(views.numbers_panel(stability_report(viewed.kernel, "1"), 1))
    assert "segment" in numbers
    assert "partial g₂" in numbers
    assert "not recorded" in numbers


def test_files_without_segments_or_intensity_say_so(viewed):
    class Nothing:
        int_t = None
        partial_g2 = None

    seen = type("Seen", (), {"xf": Nothing})()
    with pytest.raises(UsageError, match="no intensity"):
        views.spectrum_figure(viewed, seen)
