"""Names that reach a terminal or a log are shown there, and obeyed by nothing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skcluster.printable import all_of, counted, printable


@given(st.text() | st.binary() | st.characters(categories=["C", "Z"]))
def test_nothing_that_a_terminal_obeys_is_left(name):
    assert printable(name).isprintable()


@given(st.text(st.characters(exclude_categories=["C", "Z"])))
def test_what_can_be_shown_is_left_alone(name):
    assert printable(name) == name


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("A 1795", "A 1795"),
        ("Persée 7", "Persée 7"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("two\nlines", r"two\nlines"),
        ("\u202egnp.fits", r"\u202egnp.fits"),
        (b"caf\xe9.fits", r"caf\udce9.fits"),
        (Path("a/b\tc"), r"a/b\tc"),
        (3, "3"),
    ],
)
def test_names_are_spelled_out(name, spelled):
    assert printable(name) == spelled


@pytest.mark.parametrize(
    ("n", "galaxies", "clusters"),
    [
        (0, "0 galaxies", "All 0 clusters lie"),
        (1, "1 galaxy", "The only cluster lies"),
        (2, "2 galaxies", "All 2 clusters lie"),
        (12_345, "12,345 galaxies", "All 12,345 clusters lie"),
    ],
)
def test_one_thing_is_not_many(n, galaxies, clusters):
    assert counted(n, "galaxy", "galaxies") == galaxies
    assert all_of(n, "cluster lies", "clusters lie") == clusters
