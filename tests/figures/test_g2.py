import numpy as np
import pytest

from xpcs_dash.figures.g2 import (
    Curve,
    Panel,
    figure_live,
    figure_map,
    figure_panels,
    fixed_auto,
    grid,
    nice_limits,
    t_limits,
    y_limits,
)


def make(contrast=0.1, tau=1e-2, n=40, noise=2e-3, starved=8, name="q = 3.76·10⁻³ Å⁻¹", seed=0):
    t = np.geomspace(2e-5, 1.6, n)
    rng = np.random.default_rng(seed)
    sigma = np.full(n, noise)
    g2 = 1 + contrast * np.exp(-2 * t / tau) + noise * rng.standard_normal(n)
    coincidences = np.full(n, 500.0)
    coincidences[:starved] = 2.0
    g2[:starved], sigma[:starved] = 0.0, 0.7
    return Curve(name, t, g2, sigma, coincidences, coincidences >= 10)


def unpack(spec):
    values = np.frombuffer(__import__("base64").b64decode(spec["bdata"]), spec["dtype"])
    return values.reshape([int(k) for k in spec["shape"].split(",")]) if "shape" in spec else values


def test_y_limits_follow_the_points_that_count_and_hold_the_baseline():
    low, high = y_limits([make()])
    assert 0.9 < low < 1.0
    assert 1.1 < high <= 1.15


def test_one_point_with_a_long_bar_does_not_set_the_scale():
    curve = make()
    curve.g2[20], curve.sigma[20] = 1.6, 0.5
    assert y_limits([curve])[1] <= 1.15


def test_y_limits_hold_the_fit():
    curve = make()
    high_fit = Curve(**{**vars(curve), "fit_t": curve.t, "fit_g2": np.full(curve.t.size, 1.13)})
    assert y_limits([high_fit])[1] >= 1.13
    wild = Curve(**{**vars(curve), "fit_t": curve.t, "fit_g2": np.full(curve.t.size, 2.5)})
    assert y_limits([wild]) == y_limits([curve])


def test_y_limits_of_nothing_that_counts():
    curve = make(starved=40)
    assert y_limits([curve]) == (0.9, 1.5)


def test_limits_stand_on_round_steps_so_that_noise_does_not_move_them():
    assert nice_limits(0.991, 1.234) == nice_limits(0.9925, 1.229) == pytest.approx((0.95, 1.25))
    low, high = nice_limits(0.9931, 1.2345)
    assert low <= 0.9931
    assert high >= 1.2345
    assert nice_limits(1.0, 1.0) == pytest.approx((0.95, 1.05))


def test_starved_points_are_drawn_first_faintly_and_without_bars():
    drawn = figure_live([make()])
    weak, solid = drawn.data
    assert "error_y" not in weak
    assert "only" in weak["hovertemplate"]
    assert "rgba" in weak["marker"]["color"]
    assert unpack(weak["y"]).tolist() == [0.0] * 8
    assert unpack(solid["error_y"]["array"]).max() < 0.01
    assert not weak["showlegend"]
    assert solid["showlegend"]


def test_no_axis_range_is_ever_set_while_the_axes_are_automatic():
    drawn = figure_panels([Panel("a", (make(),)), Panel("b", (make(),))])
    for key, value in drawn.layout.items():
        if key.startswith(("xaxis", "yaxis")):
            assert "range" not in value
            assert "autorangeoptions" in value


def test_earlier_files_lie_behind_and_outside_the_legend():
    drawn = figure_live([make(name="new")], behind=[make(name="old")])
    assert drawn.data[0]["name"] == "old"
    assert drawn.data[0]["mode"] == "lines"
    assert not drawn.data[0]["showlegend"]
    assert drawn.data[-1]["name"] == "new"


def test_everything_drawn_passes_plotlys_validators():
    curve = make()
    fitted = Curve(**{**vars(curve), "fit_t": curve.t, "fit_g2": curve.g2})
    figures = [
        figure_live([fitted], [curve]),
        figure_panels([Panel(f"p{k}", (fitted, curve)) for k in range(7)], common_y=False, legend=True),
        figure_panels([Panel("p", (fitted,))], log_t=False, t_range=(0.1, 1.0), y_range=(0.9, 1.2)),
        figure_map(curve.t, np.arange(3.0), np.ones((40, 3)), np.ones((40, 3), bool), ["a", "b", "c"]),
    ]
    for theme in ("dark", "light"):
        for figure in figures:
            figure.theme = theme
            assert len(figure.to_figure().data) == len(figure.data)


def test_panels_share_their_axes_so_that_zooming_one_zooms_all():
    drawn = figure_panels([Panel(str(k), (make(),)) for k in range(5)])
    assert [drawn.layout[f"xaxis{k}"]["matches"] for k in range(2, 6)] == ["x"] * 4
    assert [drawn.layout[f"yaxis{k}"]["matches"] for k in range(2, 6)] == ["y"] * 4
    own = figure_panels([Panel(str(k), (make(),)) for k in range(5)], common_y=False)
    assert "matches" not in own.layout["yaxis2"]


def test_a_chosen_range_is_set_in_the_units_of_the_axis():
    drawn = figure_panels([Panel("a", (make(),))], t_range=(1e-4, 1e-1), y_range=(0.98, 1.2))
    assert drawn.layout["xaxis"]["range"] == pytest.approx([-4, -1])
    assert drawn.layout["yaxis"]["range"] == pytest.approx([0.98, 1.2])
    half = figure_panels([Panel("a", (make(),))], y_range=(None, 3.0))
    assert "range" not in half.layout["yaxis"]
    assert half.layout["yaxis"]["autorangeoptions"]["clipmax"] == 3.0


def test_panels_fill_the_page_without_overlap():
    drawn = figure_panels([Panel(str(k), (make(),)) for k in range(36)])
    boxes = []
    for k in range(36):
        tail = "" if k == 0 else str(k + 1)
        boxes.append((*drawn.layout[f"xaxis{tail}"]["domain"], *drawn.layout[f"yaxis{tail}"]["domain"]))
    for i, (x0, x1, y0, y1) in enumerate(boxes):
        assert 0 <= x0 < x1 <= 1
        assert 0 <= y0 < y1 <= 1
        for u0, u1, v0, v1 in boxes[i + 1 :]:
            assert x1 <= u0 or u1 <= x0 or y1 <= v0 or v1 <= y0


@pytest.mark.parametrize("n", [0, 1, 2, 5, 12, 27, 36, 100])
def test_the_grid_holds_every_panel(n):
    rows, columns = grid(n)
    assert rows * columns >= n
    assert (rows - 1) * columns < max(n, 1)


def test_the_map_leaves_starved_cells_open():
    counted = np.ones((4, 2), bool)
    counted[0, 1] = False
    drawn = figure_map(
        np.geomspace(1e-3, 1, 4), np.array([1.0, 2.0]), np.full((4, 2), 1.1), counted, ["a", "b"]
    )
    z = unpack(drawn.data[0]["z"])
    assert z.shape == (2, 4)
    assert np.isnan(z[1, 0])
    assert np.isfinite(z).sum() == 7


def test_offsets_move_curve_and_fit_together():
    curve = Curve(**{**vars(make()), "fit_t": np.array([1.0]), "fit_g2": np.array([1.1])})
    moved = curve.shifted(0.5)
    np.testing.assert_allclose(moved.g2, curve.g2 + 0.5)
    np.testing.assert_allclose(moved.fit_g2, [1.6])


def test_delays_have_a_margin_and_skip_zero():
    curve = make()
    low, high = t_limits([curve])
    assert low < 2e-5
    assert high > 1.6
    assert fixed_auto(low, high)["clipmin"] == low
