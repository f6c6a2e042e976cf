import numpy as np

from tests.pages.conftest import numbers
from xpcs_dash.figures.drawing import Drawing, pack
from xpcs_dash.figures.theme import KIOSK_SCALE


def test_packed_arrays_are_what_plotly_reads():
    values = np.linspace(0, 1, 7)
    drawn = Drawing([{"type": "scatter", "x": pack(values, "f8"), "y": pack(values)}])
    trace = drawn.to_figure().data[0]
    np.testing.assert_array_equal(numbers(drawn.data[0]["x"]), values)
    assert trace.type == "scatter"
    assert pack(np.zeros((2, 3)))["shape"] == "2, 3"


def test_the_screen_on_the_wall_has_larger_type_and_margins_and_the_same_data():
    layout = {
        "margin": {"l": 60},
        "legend": {"font": {"size": 13}},
        "annotations": [{"text": "a", "xshift": -58, "x": 3}],
    }
    small, large = (Drawing([], layout, scale=s).to_plotly_json()["layout"] for s in (1.0, KIOSK_SCALE))
    assert large["margin"]["l"] == 90
    assert large["legend"]["font"]["size"] == 19.5
    assert (large["annotations"][0]["xshift"], large["annotations"][0]["x"]) == (-87, 3)
    assert large["template"]["layout"]["font"]["size"] == 1.5 * small["template"]["layout"]["font"]["size"]
    assert layout["margin"]["l"] == 60
