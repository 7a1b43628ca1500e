"""Catalogs and tiles on the command line: the same masses as with a list per cluster."""

import argparse
import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table, vstack
from astropy.wcs import WCS
from numpy.testing import assert_allclose

from skcluster import (
    load_model,
    read_image,
    read_photons,
    read_sample,
    with_exposure_map,
    write_photons,
)
from skcluster.cli import main
from skcluster.cli.list_options import add_list_options, options_of_tables

TINY = ["--pixels=16", "--epochs=1", "--device=cpu"]
CATALOG = ["--columns", "redshift=BEST_Z,exposure=EXP", "--columns", "name=ID"]

pytest.importorskip("skops")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A survey, a catalog of it by other names, and all of its photons in one list."""
    folder = tmp_path_factory.mktemp("tiles")
    assert main(["simulate", str(folder / "survey"), "--clusters=12"]) == 0
    table = Table.read(folder / "survey" / "clusters.ecsv")
    tiles = [Table(read_photons(folder / "survey" / path)) for path in table["photons"]]
    write_photons(folder / "tile.fits", vstack(tiles))
    for name in ("photons", "galaxies"):
        del table[name]
    table["exposure"] = 2000.0
    table.rename_columns(["redshift", "name", "exposure"], ["BEST_Z", "ID", "EXP"])
    table.write(folder / "catalog.fits")
    return folder


@pytest.fixture(scope="module")
def model(folder):
    """A network that the catalog and the tile have trained."""
    path = folder / "net.skops"
    command = ["train", str(folder / "catalog.fits"), "-o", str(path), *TINY, *CATALOG]
    assert main([*command, "--events", str(folder / "tile.fits")]) == 0
    return path


def test_a_catalog_and_a_tile_give_the_masses_of_single_lists(folder, model, outcome):
    tile = [folder / "catalog.fits", "--events", folder / "tile.fits", *CATALOG]
    code, out, _ = outcome("predict", model, *tile, "--json")
    assert code == 0
    lists = Table.read(folder / "survey" / "clusters.ecsv")
    lists["exposure"] = 2000.0
    lists.write(folder / "survey" / "exposed.ecsv", overwrite=True)
    table = folder / "survey" / "exposed.ecsv"
    code, expected, _ = outcome("predict", model, table, "--json")
    assert code == 0
    out, expected = json.loads(out), json.loads(expected)
    for name in ("name", "n_photons", "redshift"):
        assert [row[name] for row in out] == [row[name] for row in expected]
    masses = [[row["log_mass"] for row in rows] for rows in (out, expected)]
    assert_allclose(*masses, atol=1e-5)


def exposure_map_about(path, ra, dec):
    """Image of 1900 to 2100 s over 4 degrees."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.cdelt = ["RA---TAN", "DEC--TAN"], [-0.1, 0.1]
    wcs.wcs.crval, wcs.wcs.crpix = [ra, dec], [21, 21]
    seconds = np.tile(np.linspace(1900, 2100, 41), (41, 1))
    fits.PrimaryHDU(seconds, wcs.to_header()).writeto(path, overwrite=True)


@pytest.mark.filterwarnings("default")
def test_clusters_outside_of_the_exposure_map_get_no_mass(
    folder, model, outcome, refused
):
    catalog = Table.read(folder / "catalog.fits")
    row = 5
    path = folder / "expmap.fits"
    exposure_map_about(path, catalog["ra"][row], catalog["dec"][row])
    table = [folder / "catalog.fits", "--events", folder / "tile.fits"]
    table += ["--columns", "redshift=BEST_Z,name=ID", "--exposure-map", path]
    code, out, err = outcome("predict", model, *table, "--json")
    found = json.loads(out)
    assert code == 3
    assert [r["name"] for r in found] == catalog["ID"].tolist()
    assert [i for i, r in enumerate(found) if r["log_mass"] is not None] == [row]
    assert "11 of 12 clusters get no mass, because their centers lie outside" in err
    sample, _ = read_sample(
        folder / "catalog.fits",
        columns={"redshift": "BEST_Z"},
        events=folder / "tile.fits",
    )
    exposed = with_exposure_map(sample[row], read_image(path))
    assert_allclose(exposed.exposure, 2000)
    with pytest.warns(UserWarning, match="larger pixels than their map"):
        expected = load_model(model).predict(exposed)
    assert_allclose(found[row]["log_mass"], expected, atol=1e-5)
    line = refused("train", *table, "-o", folder / "no.skops", *TINY)
    assert "The centers of 11 of 12 clusters lie outside of the exposure map" in line


@pytest.mark.parametrize(
    ("half_width", "aperture"), [(2.3, None), (2.7, 4.05), (-1, None), (2300, None)]
)
def test_the_corners_of_wide_maps_lie_in_the_aperture(half_width, aperture):
    parser = argparse.ArgumentParser()
    add_list_options(parser)
    options = options_of_tables(parser.parse_args([]), half_width)
    assert options["aperture"] == pytest.approx(aperture)


def test_options_of_tables_are_refused_for_one_list(folder, model, refused):
    one = [
        folder / "tile.fits",
        "--redshift=0.2",
        "--ra=10",
        "--dec=1",
        "--exposure=2000",
    ]
    for option in (["--columns", "a=b"], ["--events", "x"], ["--drop-duplicates"]):
        assert (
            f"{option[0]} is for tables of clusters, not for one event list"
            in refused("predict", model, *one, *option)
        )


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (
            ["--columns", "redshift=NO"],
            "--columns says that redshift is in NO, which is not",
        ),
        ([], "give --columns redshift=BEST_Z or --columns redshift=z."),
        (
            ["--columns", "redshift=BEST_Z", "--columns", "redshift=EXP"],
            "redshift twice",
        ),
        (
            [*CATALOG, "--energy-range=1-2"],
            "--energy-range 1-2 cuts the energies of the",
        ),
        ([*CATALOG, "--hdu=SKY"], "--hdu='SKY' is not a binary table of"),
        (
            [*CATALOG, "--drop-duplicates"],
            "--drop-duplicates is for clusters with several",
        ),
        ([*CATALOG, "--columns", "hdu=EXTRA"], "in EXTRA, which is not a column"),
    ],
)
def test_errors_name_options(folder, model, options, match, refused):
    table = [folder / "catalog.fits", "--events", folder / "tile.fits"]
    line = refused("predict", model, *table, *options)
    assert match in line


@pytest.mark.parametrize(
    ("option", "text", "match"),
    [
        *[
            ("--columns", text, "argument --columns: ")
            for text in ("redshift", "=a", "z=", "a=1,a=2")
        ],
        *[
            ("--energy-range", text, "does not look like LOW-HIGH in keV")
            for text in ("2-1", "a-b", "1", "1-2-3", "-1-2")
        ],
    ],
)
def test_a_mapping_or_a_range_that_is_none_is_a_usage_error(
    option, text, match, capsys
):
    with pytest.raises(SystemExit) as stop:
        main(["predict", "net.skops", "catalog.fits", f"{option}={text}"])
    assert stop.value.code == 2
    assert match in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--events", "--exposure-map", "--mask"])
def test_no_input_is_replaced(folder, model, option, refused):
    path = folder / "input.csv"
    path.write_bytes((folder / "tile.fits").read_bytes())
    before = path.read_bytes()
    table = [folder / "catalog.fits", "--events", folder / "tile.fits", *CATALOG]
    line = refused("predict", model, *table, option, path, "-o", path)
    assert f"{path} is an input" in line
    assert path.read_bytes() == before
    line = refused("train", *table, option, path, "-o", path)
    assert f"{path} is an input" in line


def test_a_wide_range_of_energies_changes_no_mass(folder, model, outcome):
    table = [
        folder / "catalog.fits",
        "--events",
        folder / "tile.fits",
        *CATALOG,
        "--json",
    ]
    one = outcome("predict", model, *table)
    options = ["--energy-range=0.4-12", "--drop-nulls", "--hdu=EVENTS"]
    other = outcome("predict", model, *table, *options)
    assert one[:2] == other[:2]
    assert np.isfinite([row["log_mass"] for row in json.loads(one[1])]).all()
