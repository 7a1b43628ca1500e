"""Galaxy lists: places, velocities and units."""

import numpy as np
import pytest
from astropy.cosmology import WMAP7
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

from skcluster.io import read_galaxies

GALAXIES = {
    "x": [0.1, -0.2],
    "y": [0.3, 0.4],
    "v": [500.0, -900.0],
    "mass": [10.1, 9.9],
}


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "fits.gz", "parquet"])
def test_galaxies_in_phase_space_are_read_as_they_are(suffix, tmp_path):
    path = tmp_path / f"galaxies.{suffix}"
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    Table(GALAXIES).write(path)
    galaxies = read_galaxies(path)
    assert list(galaxies) == list(GALAXIES)
    for name, values in GALAXIES.items():
        assert_array_equal(galaxies[name], np.array(values), strict=True)


@pytest.mark.parametrize("z_name", ["z", "Z", "Redshift"])
def test_galaxies_on_the_sky_are_placed_about_the_center(z_name):
    north, west = np.radians(0.2), np.radians(0.1)
    table = {
        "RA": np.array([30.0, 30.0, 29.9]),
        "Dec": np.array([0.0, 0.2, 0.0]),
        z_name: np.array([0.3, 0.3, 0.3013]),
    }
    galaxies = read_galaxies(table, center=(30.0, 0.0), redshift=0.3)
    distance = WMAP7.comoving_distance(0.3).value * WMAP7.h
    assert_allclose(galaxies["x"], [0, 0, distance * np.tan(west)], atol=1e-9)
    assert_allclose(galaxies["y"], [0, distance * np.tan(north), 0], atol=1e-9)
    assert_allclose(galaxies["v"], [0, 0, 299792.458 * 1e-3], rtol=1e-9, atol=1e-9)
    assert_array_equal(galaxies["Dec"], table["Dec"])


def test_galaxies_take_the_cosmology_they_are_given():
    table = {"ra": [0.0], "dec": [1.0], "z": [0.3]}
    wmap, planck = (
        read_galaxies(table, center=(0.0, 0.0), redshift=0.3, cosmology=name)["y"][0]
        for name in ("WMAP7", "Planck18")
    )
    assert 0.005 < abs(planck / wmap - 1) < 0.05


def test_galaxy_units_are_converted_or_refused():
    table = Table(GALAXIES)
    table["v"].unit = "m/s"
    assert_allclose(read_galaxies(table)["v"], [0.5, -0.9])
    table["x"].unit = "Mpc/h"
    assert_array_equal(read_galaxies(table)["x"], GALAXIES["x"])
    table["x"].unit = "kpc"
    with pytest.raises(
        ValueError, match="'x' has the unit 'kpc', but x is in comoving"
    ):
        read_galaxies(table)


def test_galaxies_beyond_a_radius_are_left_out():
    wide = {"x": [0.6, 0.6, 1.5], "y": [0.8, 0.9, 0.0], "v": [1.0, 2.0, 3.0]}
    assert_array_equal(read_galaxies(wide, radius_max=1.0)["v"], [1.0])


def test_galaxies_that_cannot_be_placed_are_an_error(tmp_path):
    table = {"ra": [0.0], "dec": [1.0], "z": [0.3]}
    with pytest.raises(ValueError, match="center and redshift, got center=None"):
        read_galaxies(table, redshift=0.3)
    with pytest.raises(ValueError, match="x, y, v or ra, dec, z; the table has x, y"):
        read_galaxies({"x": [0.0], "y": [0.0]})
    with pytest.raises(ValueError, match=r"'v' has no value in 1 of 2 rows .*row 1"):
        read_galaxies({"x": [0.0, 0.0], "y": [0.0, 0.0], "v": [1.0, np.nan]})
    with pytest.raises(
        FileNotFoundError, match=r"There is no table .*nowhere.csv. Check its path"
    ):
        read_galaxies(tmp_path / "nowhere.csv")
