"""Gaps in tables of clusters: which rows have them, and what is done about them."""

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from numpy.testing import assert_array_equal

from skcluster.io.cluster_table import ClusterTable
from skcluster.io.gaps import Gaps, without_unused

Z = [0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("name", "column", "gaps"),
    [
        ("redshift", [0.1, np.nan, 0.3], [1]),
        ("redshift", [0.1, -1.0, 99.0], [1, 2]),
        ("redshift", MaskedColumn(Z, mask=[1, 0, 0]), [0]),
        ("redshift", ["0.1", "", "n/a"], [1, 2]),
        ("ra", [10.0, -1.0, -99.0], []),  # West of 0
        ("ra", [10.0, np.inf, -999.0], [1, 2]),
        ("dec", [10.0, 0.0, -99.0], [2]),
        ("exposure", [2000.0, 0.0, -1.0], [1, 2]),
        ("exposure", [99.0, 999.0, 9999.0], []),
        ("r500c", [999.0, 0.0, 700.0], [1]),  # kpc
        ("photons", ["a.fits", " ", "nan"], [1]),
        ("photons", MaskedColumn(["a", "b", "c"], mask=[0, 0, 1]), [2]),
    ],
)
def test_gaps_are_what_stands_for_no_value(name, column, gaps):
    table = Table({"redshift": Z} | {name: column})
    found = Gaps(table, {"redshift": "redshift", name: name})
    assert np.flatnonzero(found.lacking).tolist() == gaps
    assert_array_equal(np.flatnonzero(found[::-1].lacking), [2 - i for i in gaps][::-1])
    for i, error in found.errors(lambda i: f"row {i}").items():
        assert str(error) == f"There is no {name} (column {name}) in row {i}."
    filled = Gaps(
        found.filled(table, {"redshift": "redshift", name: name}),
        {"redshift": "redshift", name: name},
    )
    assert not any(filled.lacking)


def test_a_table_without_a_complete_row_stays_as_it_is():
    table = Table({"redshift": [np.nan, 0.2], "exposure": [1e3, np.nan]})
    names = {name: name for name in table.colnames}
    assert Gaps(table, names).filled(table, names) is table
    with pytest.raises(ValueError, match="'redshift' has no value in 1 of 2 rows"):
        ClusterTable(table, unused=())


def test_columns_without_use_are_left_out_only_if_they_have_gaps(capsys):
    table = {"redshift": Z, "r500c": [0.7, np.nan, 0.8], "group": ["a", "a", "b"]}
    sample = ClusterTable(table, unused=("r500c", "group")).without_lists()
    assert sample.fields == ("redshift", "group")
    assert "Column r500c has gaps and is not used" in capsys.readouterr().err
    complete = {"r500c": [0.7, 0.75, 0.8]}
    sample = ClusterTable(table | complete, unused=("r500c", "group")).without_lists()
    assert "r500c" in sample.fields
    with pytest.raises(ValueError, match="'r500c' has no value in 1 of 3 rows"):
        ClusterTable(table)
    kept = without_unused(Table(table), {"redshift": "redshift", "r500c": "r500c"}, ())
    assert {*kept} == {"redshift", "r500c"}
