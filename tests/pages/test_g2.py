from dataclasses import replace

import h5py
import numpy as np
import pytest
from dash import Patch

from tests.conftest import A001, A002, A003, BES, E0173, LLPS_STRONG
from tests.pages.live_fixture import add, current, fill, ref
from xpcs_dash.components.selection import Selection
from xpcs_dash.components.views import look
from xpcs_dash.errors import UsageError
from xpcs_dash.figures.g2 import Panel, figure_panels
from xpcs_dash.pages.g2 import PAGE
from xpcs_dash.pages.g2.callbacks import CONTROLS, answer, what_is_shown
from xpcs_dash.pages.g2.curves import choose_q, curve_of, fit_curve, name_of_bin, same_bin, source_of, usable
from xpcs_dash.pages.g2.layout import layout
from xpcs_dash.pages.g2.view import Options, make
from xpcs_dash.results.statement import BinResult, Estimate
from xpcs_dash.results.verdict import BIN_FLAGS, verdict

ONE, TWO, THREE = map(ref, (A001, A003, A002))


@pytest.fixture(scope="module")
def services(sample, tmp_path_factory):
    found = fill(tmp_path_factory.mktemp("g2"), [sample(A001), sample(A003), sample(A002)])
    yield found
    found.close()


def given(**changes):
    start = {"view": "panels", "combine": False, "fit": True, "common": True, "delay": "log"}
    return start | changes


def view(services, *ids, q=None, **changes):
    return make(services, look(services, current(*ids, q=q)), Options.parse(given(**changes)))


def axes(drawing):
    return [key for key in drawing.layout if key.startswith("xaxis")]


def test_panels_show_every_q_with_its_fit(services):
    shown = view(services, ONE)
    assert len(axes(shown.drawing)) == 12
    solid = [t for t in shown.drawing.data if "error_y" in t]
    lines = [t for t in shown.drawing.data if t["mode"] == "lines"]
    assert (len(solid), len(lines)) == (12, 12)
    assert "12 of 12 q" in shown.words
    assert "single exponential" in shown.words
    shown.drawing.to_figure()


def test_chosen_q_only(services):
    shown = view(services, ONE, q=[3, 7, 99])
    assert len(axes(shown.drawing)) == 2
    assert list(shown.colours) == [3, 7]


def test_several_files_share_a_panel_and_have_one_entry_each_in_the_legend(services):
    shown = view(services, ONE, TWO, q=[1, 4], fit=False)
    assert len(axes(shown.drawing)) == 2
    names = [t["name"] for t in shown.drawing.data if t["showlegend"]]
    assert names == ["A001_silica_multitau", "A003_silica_diluted"]
    assert "2 files" in shown.words


def test_overlay_has_a_panel_for_each_file(services):
    shown = view(services, ONE, TWO, view="overlay")
    assert len(axes(shown.drawing)) == 2
    assert sum(t["showlegend"] for t in shown.drawing.data) == 12


def test_offsets_are_said_and_drawn(services):
    plain, moved = (view(services, ONE, q=[1, 2], view="overlay", offset=o, fit=False) for o in (0, 0.5))
    assert "+0.5" in moved.words
    high = [d.drawing.layout["yaxis"]["autorangeoptions"]["include"][1] for d in (plain, moved)]
    assert high[1] > high[0] + 0.4


def test_stability_of_a_file_without_cumulative_g2_says_so(services):
    with pytest.raises(UsageError, match="no cumulative g2"):
        view(services, THREE, view="partial")
    with pytest.raises(UsageError, match="all are empty"):
        view(services, ONE, view="partial")


def test_stability_shows_the_parts_of_the_run(services, sample, tmp_path):
    path = tmp_path / "partial_results.hdf"
    path.write_bytes(sample(A001).read_bytes())
    with h5py.File(path, "r+") as h5:
        g2 = h5["/xpcs/multitau/normalized_g2"][()]
        parts = np.stack([g2 + 0.001 * k for k in range(4)])
        h5["/xpcs/multitau/normalized_g2_partial"][...] = parts
        h5["/xpcs/multitau/normalized_g2_partial_err"][...] = 0.001
        h5["/xpcs/multitau/normalized_g2_partial_labels"][...] = [500, 1000, 1500, 2000]
    number = add(services, path, fit=False)
    shown = view(services, number, view="partial", q=[2])
    names = [t["name"] for t in shown.drawing.data if t["showlegend"]]
    assert names == [f"first {n} frames" for n in ("500", "1,000", "1,500", "2,000")]
    assert "4 cumulative parts" in shown.words


def test_the_map_holds_every_bin(services):
    shown = view(services, ONE, view="map")
    assert shown.drawing.data[0]["type"] == "heatmap"
    assert shown.drawing.data[0]["z"]["shape"] == "12, 38"


def test_a_file_without_g2_is_one_sentence(services):
    seen = look(services, current(ONE))

    class Empty:
        n_delay = 0
        path = seen.xf.path

    with pytest.raises(UsageError, match="holds no multi-tau g2"):
        make(services, type(seen)(seen.selection, ONE, Empty(), "dark", "/"), Options())


def test_another_file_on_the_same_axes_is_a_patch_that_leaves_the_ranges_alone(services):
    first = answer(services, current(ONE), given(), None, 1.0)
    assert isinstance(first[0], dict)
    second = answer(services, current(TWO), given(), first[4], 1.0)
    assert isinstance(second[0], Patch)
    places = [op["location"] for op in second[0].to_plotly_json()["operations"]]
    assert ["data"] in places
    assert not [p for p in places if p[-1] in ("range", "autorange")]
    other = answer(services, current(TWO), given(delay="lin"), first[4], 1.0)
    assert isinstance(other[0], dict)


def test_a_fit_that_arrives_later_changes_what_is_shown(services, sample):
    number = add(services, sample(A001), "later_results.hdf", fit=False)
    chosen = Selection.parse(current(number))
    before = what_is_shown(services, chosen, current(number), given(), "dark")
    assert before[-1] == [False]
    from tests.pages.live_fixture import add_fit

    row = services.catalogue.get(number)
    from xpcs_dash.acquisition.scan import stat_of

    add_fit(services, row.path, stat_of(row.path))
    assert what_is_shown(services, chosen, current(number), given(), "dark") != before


def test_the_address_sets_the_controls_and_bad_values_are_left_out(services):
    text = str(
        layout(services, {"view": "map", "tmin": "1e-4", "ymax": "nonsense", "tau": "lin", "combine": "1"})
    )
    assert "value='map'" in text
    assert "value=0.0001" in text
    assert "nonsense" not in text
    assert {name for name, _ in PAGE.params.values()} == set(CONTROLS)
    assert Options.parse({"view": "?", "tmin": "x", "offset": float("nan")}) == Options()


def test_curves_of_a_starved_file(sample, tmp_path):
    services = fill(tmp_path, [sample(E0173)], fit=False)
    xf = services.kernel.open(ref(E0173))
    assert xf.n_q == 36
    raw = curve_of(source_of(services, ref(E0173)), 36)
    assert (~raw.counted).sum() > 30
    combined = curve_of(source_of(services, ref(E0173), combine=True), 36)
    assert combined.counted.all()
    assert combined.t.size < raw.t.size
    chosen = choose_q(xf, None)
    assert 1 in chosen
    assert len(chosen) == 5
    assert max(chosen) < 20  # where there are hardly any photons, no curve is shown unasked
    services.close()


def test_bins_of_another_map_are_matched_by_q(sample, tmp_path):
    services = fill(tmp_path, [sample(LLPS_STRONG), sample(E0173)], fit=False)
    here, there = services.kernel.open(ref(LLPS_STRONG)), services.kernel.open(ref(E0173))
    match = same_bin(here, 5, there)
    assert match is not None
    assert there.q[match - 1] == pytest.approx(here.q[4], rel=0.03)
    assert usable(here)[0] == 1
    services.close()


def test_other_layouts_are_shown_as_well(sample, tmp_path):
    services = fill(tmp_path, [sample(BES)], fit=False)
    shown = view(services, ref(BES), view="overlay")
    assert shown.drawing.data
    services.close()


def test_names_of_bins(services):
    assert name_of_bin(services.kernel.open(ONE), 1).replace("\N{NO-BREAK SPACE}", " ") == "q = 1.55·10⁻³ Å⁻¹"


def said(label, *flags, tau=0.1):
    values = {"contrast": Estimate(0.2), "baseline": Estimate(1.0), "tau": Estimate(tau, unit="s")}
    nothing = ((np.nan,) * 3,) * 3
    return BinResult(label, 0.01, 0.0, "single", values, nothing, "counting", 9, 562.0, verdict(flags))


def test_fits_are_drawn_only_where_there_is_one():
    t = np.geomspace(1e-3, 1, 10)
    delays, values = fit_curve(said(1), t)
    np.testing.assert_allclose(values, 1 + 0.2 * np.exp(-2 * delays / 0.1))
    assert fit_curve(said(2, "poor_fit"), t) is not None
    assert fit_curve(said(2, "too_few_points"), t) is None
    assert fit_curve(said(2, "not_converged"), t) is None
    assert fit_curve(said(2, tau=np.nan), t) is None
    assert fit_curve(None, t) is None


@pytest.mark.parametrize("flag", sorted(BIN_FLAGS))
def test_no_line_of_a_bin_that_is_not_good_is_solid(services, flag):
    source = replace(source_of(services, ONE), fit=(said(1), said(2, flag)))
    good, bad = curve_of(source, 1), curve_of(source, 2)
    assert good.fit_sure
    assert not bad.fit_sure
    lines = [t["line"]["dash"] for t in figure_panels([Panel("", (good, bad))]).data if t["mode"] == "lines"]
    assert lines == ["solid", "dot"][: 1 + verdict([flag]).has_curve]
