import struct
from urllib.parse import urlsplit

import numpy as np
import pytest

from xpcs_dash.errors import UsageError
from xpcs_dash.pages.twotime import PAGE, views
from xpcs_dash.pages.twotime.callbacks import missing


def size(png):
    return struct.unpack(">II", png[16:24])


def test_the_picture_covers_the_run_in_seconds_of_its_own_step(viewed):
    fig, words = views.c2_figure(viewed, viewed.look(2), views.Colours(), None, None)
    (picture,) = fig.to_figure().layout.images
    assert (picture.x, picture.sizex, picture.sizey) == (-0.005, 4.0, 4.0)
    assert picture.y == pytest.approx(3.995)
    assert "400 frames of 10.0 ms" in viewed.plain(words)
    answer = viewed.client(PAGE).get(picture.source)
    assert size(answer.data) == (400, 400)
    assert "immutable" in answer.headers["Cache-Control"]


def test_the_matrix_has_its_own_time_step(viewed, monkeypatch):
    # the desktop viewers take the multi-tau or the raw frame time for it
    xf = viewed.kernel.open("2")
    monkeypatch.setattr(type(xf), "c2_frame_time_s", property(lambda self: 6 * self.frame_time_s))
    fig, words = views.c2_figure(viewed, viewed.look(2), views.Colours(), None, None)
    assert fig.to_figure().layout.images[0].sizex == pytest.approx(24.0)
    assert "60.0 ms" in viewed.plain(words)
    _, tau_words = views.tau_figure(viewed, viewed.look(2, q=[5]), 8, 1.0)
    assert "τ ×" in tau_words
    fits = views.aged(viewed, viewed.look(2, q=[5]), 8, 1.0).fits
    assert fits[-1].age_s == pytest.approx(0.06 * 375)


def test_without_a_time_step_the_axis_counts_frames(viewed, monkeypatch):
    monkeypatch.setattr(type(viewed.kernel.open("2")), "c2_frame_time_s", property(lambda _: None))
    fig, _ = views.c2_figure(viewed, viewed.look(2), views.Colours(), None, None)
    assert fig.to_figure().layout.xaxis.title.text == "t₁ (frames)"


def test_a_zoom_asks_for_its_part_in_full_resolution(viewed, monkeypatch):
    from xpcs_dash.analysis import twotime

    small = twotime.build([(0, np.triu(np.ones((2200, 2200), np.float32)))], 2200)
    monkeypatch.setattr(views.derived, "triangle", lambda *_: small)
    event = [0.995, 1.495, 1.995, 2.495]
    fig, words = views.c2_figure(viewed, viewed.look(2), views.Colours(), None, event)
    overview, part = fig.to_figure().layout.images
    assert "every frame" in words
    query = dict(pair.split("=") for pair in urlsplit(part.source).query.split("&"))
    assert [int(query[k]) for k in ("r0", "r1", "c0", "c1")] == [200, 250, 100, 150]
    assert (part.x, part.sizex) == (pytest.approx(0.995), pytest.approx(0.5))
    assert overview.sizex == pytest.approx(22.0)


def test_time_runs_up_in_the_picture(viewed):
    xf = viewed.kernel.open("2")
    answer = viewed.client(PAGE).get(
        f"/twotime-img/2/{xf.key.token}/5.png?r0=0&r1=400&c0=0&c1=40&lo=1&hi=1.3&cmap=viridis"
    )
    assert size(answer.data) == (40, 400)


@pytest.mark.parametrize("event", [None, [], [1, 2], ["x", 1, 2, 3], [float("nan"), 1, 2, 3]])
def test_events_without_ranges_show_everything(event):
    assert views.zoomed(event) is None


def test_bins_are_offered_by_label_and_chosen_from_the_selection(viewed):
    xf = viewed.kernel.open("2")
    assert [o["value"] for o in views.bin_options(xf)] == ["1", "2", "3", "4", "5"]
    assert views.bin_of(viewed.look(2, q=[9, 4])) == 4
    assert views.bin_of(viewed.look(2)) == 1


def test_ages_fits_and_stationarity(viewed):
    fig, words = views.slices_figure(viewed, viewed.look(2, q=[5]), 8, 1.0, 2.0)
    names = [viewed.plain(t.name) for t in fig.to_figure().data]
    assert names[0] == "cut at 2.00 s"
    assert len({n for n in names if n.startswith("age")}) == 8
    assert "baseline fixed" in words
    tau, words = views.tau_figure(viewed, viewed.look(2, q=[5]), 8, 1.0)
    assert 0.2 < float(words.split("stationarity ")[1]) < 0.4
    assert np.all(np.diff(viewed.numbers(tau.data[0]["y"])) > 0)


def test_the_stored_diagonals_are_compared(viewed):
    fig, words = views.diagonals_figure(viewed, viewed.look(2, q=[3]))
    assert len(fig.to_figure().data) == 2
    assert words.startswith("agrees with the stored")


def test_a_file_without_matrices_says_what_it_has(viewed):
    text = str(missing(viewed.look(1)))
    assert "no two-time correlation" in text
    assert "multi-tau" in text
    with pytest.raises(UsageError):
        views.bin_of(viewed.look(1))


def test_limits_are_percentiles(viewed):
    with pytest.raises(UsageError):
        views.c2_figure(viewed, viewed.look(2), views.Colours("viridis", 90, 10), None, None)
