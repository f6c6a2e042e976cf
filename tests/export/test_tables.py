import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from xpcs_dash.errors import IncompleteFile
from xpcs_dash.export.provenance import Provenance
from xpcs_dash.export.tables import Column, Table, from_csv, to_csv

SOURCE = Provenance('odd "name", with,"commas', "00", "own", None, "g2", {"q_bins": [1, 2], "note": 'a,"b'})


@given(
    hnp.arrays(np.float64, st.integers(0, 30), elements=st.floats(allow_nan=True)),
    hnp.arrays(np.float32, st.integers(0, 30), elements=st.floats(width=32)),
)
def test_numbers_read_back_exactly(tmp_path_factory, first, second):
    n = min(first.size, second.size)
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    table = Table("t", (Column("q", "Å⁻¹", first[:n]), Column("I", "", second[:n])))
    path.write_text(to_csv([table], SOURCE), encoding="utf-8", newline="")
    back = from_csv(path)["t"]
    assert list(back) == ["q (Å⁻¹)", "I"]
    np.testing.assert_array_equal(back["q (Å⁻¹)"], first[:n])
    np.testing.assert_array_equal(back["I"].astype(np.float32), second[:n])


def test_text_columns_and_several_tables(tmp_path):
    path = tmp_path / "t.csv"
    tables = [
        Table("a", (Column("label", "", np.array(["q=1, φ=2", 'x"y'])), Column("n", "", np.array([1, 2])))),
        Table("b", (Column("used", "", np.array([True, False])),)),
    ]
    path.write_text(to_csv(tables, SOURCE), encoding="utf-8", newline="")
    back = from_csv(path)
    assert list(back["a"]["label"]) == ["q=1, φ=2", 'x"y']
    assert list(back["b"]["used"]) == [1.0, 0.0]
    assert '# parameters.note: a,"b' in path.read_text(encoding="utf-8")


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="shapes"):
        Table("t", (Column("a", "", np.zeros(2)), Column("b", "", np.zeros(3))))


def test_a_foreign_text_is_refused(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("1,2,3\n")
    with pytest.raises(IncompleteFile, match="no exported table"):
        from_csv(path)
