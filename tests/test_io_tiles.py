"""Rows share photon lists: each gets its own photons, and each list is read once."""

import tracemalloc

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.cosmology import WMAP7, FlatLambdaCDM
from astropy.io import fits
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import skcluster.io.photon_lists
from skcluster import (
    PhotonMapper,
    ProxyMeasurer,
    read_photons,
    read_sample,
    write_photons,
)
from skcluster.io.apertures import APERTURE
from skcluster.io.cluster_table import ClusterTable
from skcluster.io.tiles import Tile, joined_photons
from skcluster.paper import HALF_WIDTH

PLACES = {
    "equator": (140.0, 3.0),
    "RA = 0": (0.1, -20.0),
    "RA = 360": (359.95, 45.0),
    "north pole": (77.0, 89.9),
    "south pole": (200.0, -90.0),
}


def sky_about(center, radius, n, seed=0):
    """RA and Dec spread evenly over a cap about a center [deg]."""
    rng = np.random.default_rng(seed)
    middle = SkyCoord(*center, unit="deg")
    angle = radius * np.sqrt(rng.uniform(0, 1, n)) * units.deg
    sky = middle.directional_offset_by(rng.uniform(0, 360, n) * units.deg, angle)
    return sky.ra.deg, sky.dec.deg


def photons_about(center, radius, n, seed=0):
    ra, dec = sky_about(center, radius, n, seed)
    energy = np.random.default_rng(seed).uniform(0.3, 5, n).astype(np.float32)
    return {"ra": ra, "dec": dec, "energy": energy}


def angle_of(redshift, aperture=APERTURE):
    distance = WMAP7.comoving_distance(redshift).value * WMAP7.h
    return np.degrees(np.arctan(aperture / distance))


def brute_force(photons, center, radius):
    """Numbers of the photons within an angle of a center, by astropy's separations."""
    sky = SkyCoord(photons["ra"], photons["dec"], unit="deg")
    return np.flatnonzero(sky.separation(SkyCoord(*center, unit="deg")).deg <= radius)


@pytest.fixture
def tile(tmp_path):
    """A list of 3000 photons over 2 degrees, and a table of 7 clusters on it."""
    photons = photons_about((140.0, 3.0), 2.0, 3000)
    write_photons(tmp_path / "tile.fits", photons)
    ra, dec = sky_about((140.0, 3.0), 1.5, 7, seed=1)
    redshift = np.linspace(0.1, 0.7, 7)
    catalog = {"redshift": redshift, "ra": ra, "dec": dec, "name": list("abcdefg")}
    Table(catalog).write(tmp_path / "clusters.csv")
    return tmp_path


# Photons within an angle.


@pytest.mark.parametrize("place", PLACES)
def test_photons_in_an_aperture_are_those_of_brute_force(place):
    photons = photons_about(PLACES[place], 3.0, 2000)
    lists = Tile(photons)
    for i, center in enumerate(zip(*sky_about(PLACES[place], 2.0, 5, 1), strict=True)):
        radius = (0.01, 0.3, 1.0, 2.5, 12.0)[i]
        expected = brute_force(photons, center, radius)
        found = lists.within(center, radius)
        for name in photons:
            assert_array_equal(found[name], photons[name][expected])


@given(st.floats(-90, 90), st.floats(0, 360), st.floats(0.01, 12), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_apertures_anywhere_on_the_sky_are_those_of_brute_force(dec, ra, radius, seed):
    photons = photons_about((ra, dec), 1.5 * radius, 50, seed)
    found = Tile(photons).within((ra, dec), radius)
    assert_array_equal(
        found["ra"], photons["ra"][brute_force(photons, (ra, dec), radius)]
    )


def test_the_nearest_photon_is_that_of_astropy():
    photons = photons_about((0.0, 80.0), 5.0, 100)
    sky = SkyCoord(photons["ra"], photons["dec"], unit="deg")
    expected = sky.separation(SkyCoord(200.0, 60.0, unit="deg")).deg.min()
    assert_allclose(Tile(photons).nearest((200.0, 60.0)), expected)


# Rows of a table.


def test_each_row_gets_the_photons_of_its_own_aperture(tile):
    table = Table.read(tile / "clusters.csv")
    table["photons"] = "tile.fits"
    table.write(tile / "with_lists.csv")
    photons = read_photons(tile / "tile.fits")
    expected = [
        brute_force(photons, (row["ra"], row["dec"]), angle_of(row["redshift"]))
        for row in table
    ]
    by_column, _ = read_sample(tile / "with_lists.csv")
    by_option, _ = read_sample(tile / "clusters.csv", events=tile / "tile.fits")
    for sample in (by_column, by_option):
        assert_array_equal(sample.photons.lengths, [*map(len, expected)])
        for i, rows in enumerate(expected):
            assert_array_equal(sample.photons[i]["energy"], photons["energy"][rows])
        assert_allclose(sample.field_radius, angle_of(table["redshift"]))
    assert 3 < len(expected[-1]) < len(expected[0]) < 1000


def test_maps_and_counts_are_those_of_complete_lists(tile):
    table = Table.read(tile / "clusters.csv")
    sample, _ = read_sample(table, events=tile / "tile.fits")
    complete = sample.drop("field_radius").assign(
        photons=[read_photons(tile / "tile.fits")] * len(table)
    )
    assert np.sqrt(2) * HALF_WIDTH < APERTURE
    mapper = PhotonMapper(n_pixels=16)
    maps = mapper.transform(sample)
    assert_array_equal(
        np.asarray(maps.maps), np.asarray(mapper.transform(complete).maps)
    )
    assert_array_equal(maps.coverage, 1)
    measurer = ProxyMeasurer(proxies=["n_phot"], background="annulus")
    counts = [measurer.count_photons(each)["n_phot"] for each in (sample, complete)]
    assert_allclose(counts[0].net, counts[1].net)


def test_a_map_beyond_the_aperture_is_known_to_be_observed_in_part(tile):
    table = Table.read(tile / "clusters.csv")[:3]
    sample, _ = read_sample(table, events=tile / "tile.fits", aperture=2.0)
    coverage = PhotonMapper(n_pixels=16).transform(sample).coverage
    assert_allclose(coverage, np.pi * 2.0**2 / 4.6**2)


def test_an_aperture_cuts_lists_of_single_clusters_too(tile):
    table = Table.read(tile / "clusters.csv")[:1]
    table["photons"] = "tile.fits"
    complete, _ = read_sample(table, directory=tile)
    assert_array_equal(complete.photons.lengths, [3000])
    assert complete.field_radius is None
    cut, _ = read_sample(table, directory=tile, aperture=2.0)
    photons, center = (
        read_photons(tile / "tile.fits"),
        (table["ra"][0], table["dec"][0]),
    )
    expected = brute_force(photons, center, angle_of(0.1, 2.0))
    assert_array_equal(cut.photons.lengths, [len(expected)])


def test_the_field_of_the_table_stays_where_it_is_smaller(tile):
    table = Table.read(tile / "clusters.csv")
    table["field_radius"] = 0.3
    sample, _ = read_sample(table, events=tile / "tile.fits")
    assert_allclose(sample.field_radius, np.minimum(angle_of(table["redshift"]), 0.3))


def test_each_file_is_read_once_also_in_parts(tile, monkeypatch):
    other = photons_about((140.0, 3.0), 2.0, 2000, seed=3)
    write_photons(tile / "other.fits", other)
    table = Table.read(tile / "clusters.csv")
    lists = ["tile.fits", "other.fits", "tile.fits;other.fits"]
    table["photons"] = [lists[i % 3] for i in range(7)]
    opened, read = [], skcluster.io.photon_lists.read_photons
    monkeypatch.setattr(
        skcluster.io.photon_lists,
        "read_photons",
        lambda path, **kw: opened.append(path.name) or read(path, **kw),
    )
    read_sample(table, directory=tile)
    assert opened == ["tile.fits", "other.fits"]
    opened.clear()
    found = ClusterTable(tile / "clusters.csv", events=tile / "tile.fits")
    parts = [found[start : start + 2].read() for start in range(0, 7, 2)]
    assert opened == ["tile.fits"]
    expected = read_sample(tile / "clusters.csv", events=tile / "tile.fits")[0]
    assert_array_equal(
        np.concatenate([part.photons["ra"] for part in parts]), expected.photons["ra"]
    )


@pytest.mark.parametrize("n_lists", [1, 4])
def test_memory_is_that_of_the_photons_used_and_one_list(tmp_path, n_lists):
    n_photons, n_clusters = 60_000, 60
    events = [tmp_path / f"tile{i}.fits" for i in range(n_lists)]
    for seed, path in enumerate(events):
        write_photons(path, photons_about((140.0, 3.0), 2.0, n_photons, seed))
    ra, dec = sky_about((140.0, 3.0), 1.5, n_clusters, seed=1)
    catalog = {"redshift": np.full(n_clusters, 0.5), "ra": ra, "dec": dec}
    read_sample({name: each[:2] for name, each in catalog.items()}, events=events)
    tracemalloc.start()
    sample, _ = read_sample(catalog, events=events)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    one_list = n_photons * (8 + 8 + 4)
    assert sample.photons.lengths.min() > 0
    # A list for each row would take 60 of them; and four lists are not held together.
    assert peak < 6.5 * one_list + 2.5 * sample.photons.nbytes


def test_apertures_are_angles_of_the_cosmology_that_is_given(tile):
    own, table = FlatLambdaCDM(70, 0.9), {"redshift": [0.1, 0.3]}
    table |= {"ra": [140.0, 140.0], "dec": [3.0, 3.0]}
    sample, _ = read_sample(table, events=tile / "tile.fits", cosmology=own)
    distance = own.comoving_distance([0.1, 0.3]).value * own.h
    assert_allclose(sample.field_radius, np.degrees(np.arctan(APERTURE / distance)))


def test_apertures_of_near_clusters_end_at_the_widest_field(tile):
    near = {"redshift": [0.003], "ra": [140.0], "dec": [3.0]}
    sample, _ = read_sample(near, events=tile / "tile.fits")
    assert_array_equal(sample.photons.lengths, [3000])
    assert_array_equal(sample.field_radius, [12])


# Several lists of one cluster.


def test_two_tiles_of_a_cluster_are_joined(tile):
    west, east = (photons_about((x, 3.0), 1.0, 400, seed=7) for x in (139.9, 140.1))
    write_photons(tile / "west.fits", west)
    write_photons(tile / "east.fits", east)
    both = joined_photons([west, east])
    table = {"redshift": [0.2], "ra": [140.0], "dec": [3.0]}
    by_column, _ = read_sample(
        table | {"photons": ["west.fits; east.fits"]}, directory=tile
    )
    assert_array_equal(by_column.photons["ra"], both["ra"])
    by_option, _ = read_sample(table, events=[tile / "west.fits", tile / "east.fits"])
    inside = brute_force(both, (140.0, 3.0), angle_of(0.2))
    assert_array_equal(by_option.photons["ra"], both["ra"][inside])


def multiset_union(lists):
    """Values of several lists, each as often as in the list that has it most often."""
    union = []
    for values in lists:
        for value in values:
            if union.count(value) < values.count(value):
                union.append(value)
    return sorted(union)


@given(st.lists(st.lists(st.integers(0, 4), max_size=8), min_size=2, max_size=3))
@settings(deadline=None)
def test_duplicates_are_those_of_a_union_of_multisets(lists):
    photons = [
        {"ra": np.array(each, float), "dec": np.zeros(len(each))} for each in lists
    ]
    found = joined_photons(photons, drop_duplicates=True)
    assert sorted(found["ra"].tolist()) == multiset_union(lists)


def test_photons_of_overlapping_tiles_count_once(tile):
    photons = photons_about((140.0, 3.0), 2.0, 3000)
    west = {name: column[photons["ra"] < 140.2] for name, column in photons.items()}
    east = {name: column[photons["ra"] > 139.8] for name, column in photons.items()}
    east["ra"] = east["ra"] + 1e-11  # another projection
    write_photons(tile / "west.fits", west)
    write_photons(tile / "east.fits", east)
    events = [tile / "west.fits", tile / "east.fits"]
    once, _ = read_sample(tile / "clusters.csv", events=events, drop_duplicates=True)
    with pytest.warns(
        UserWarning, match=r"of \d of 7 clusters hold the same photons \(fi"
    ):
        twice, _ = read_sample(tile / "clusters.csv", events=events)
    one, _ = read_sample(tile / "clusters.csv", events=tile / "tile.fits")
    assert_array_equal(once.photons.lengths, one.photons.lengths)
    for i in range(len(one)):
        assert_allclose(np.sort(once.photons[i]["ra"]), np.sort(one.photons[i]["ra"]))
    assert twice.photons.lengths.sum() > 1.1 * one.photons.lengths.sum()


def test_duplicates_differ_in_energy_or_more_than_rounding():
    one = {"ra": np.array([0.0]), "dec": np.zeros(1), "energy": np.ones(1)}
    for name, value, length in (
        ("ra", 360.0, 1),
        ("ra", 1e-8, 1),
        ("ra", -1e-8, 1),
        ("ra", 1e-5, 2),
        ("energy", 1.001, 2),
    ):
        other = one | {name: np.array([value])}
        found = joined_photons([one, other], drop_duplicates=True)
        assert len(found["ra"]) == length


# What is refused, and what is said.


def test_clusters_outside_of_the_tile_are_named(tile):
    table = Table.read(tile / "clusters.csv")
    table["ra"][[2, 5]] = 30.0
    match = (
        r"aperture of 2 of 7 clusters \(first: row 2 \(cluster c\), 0\.\d+ deg; the nea"
    )
    with pytest.warns(UserWarning, match=match):
        sample, _ = read_sample(table, events=tile / "tile.fits")
    assert_array_equal(np.flatnonzero(sample.photons.lengths == 0), [2, 5])
    table["ra"] = 30.0
    with pytest.raises(
        ValueError, match=r"7 of 7 clusters .* in degrees, and of the same"
    ):
        read_sample(table, events=tile / "tile.fits")


def test_a_missing_tile_is_named_with_its_rows(tile):
    with pytest.raises(
        FileNotFoundError, match=r"photons of row 0 \(cluster a\) .*no.f"
    ):
        read_sample(tile / "clusters.csv", events=tile / "no.fits")
    table = Table.read(tile / "clusters.csv")
    table["photons"] = ["tile.fits"] * 4 + ["tile.fits;no.fits"] + ["no.fits"] * 2
    unread = {}
    sample, _ = read_sample(table, directory=tile, on_unreadable=unread.setdefault)
    assert [*unread] == [4, 5, 6]
    assert "row 4 (cluster e) cannot be read from" in str(unread[4])
    assert_array_equal(sample.photons.lengths == 0, [False] * 4 + [True] * 3)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"drop_duplicates": True}, "is for clusters with several photon lists"),
        ({"events": []}, "events is an empty list"),
        ({"aperture": 4000.0}, r"aperture=4000 is outside .* looks like kpc/h"),
        (
            {"aperture": 0.02},
            r"0\.0006\d deg at redshift 0\.7 \(row 6\).* a larger one",
        ),
    ],
)
def test_options_that_change_nothing_or_make_no_sense_are_refused(tile, options, match):
    options = {"events": tile / "tile.fits"} | options
    with pytest.raises(ValueError, match=match):
        read_sample(tile / "clusters.csv", **options)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (
            {"events": 3},
            "events must be the path of a photon list, or a list of p.*got 3",
        ),
        ({"events": {"ra": [1.0]}}, "Give photons in memory to ClusterSample"),
        ({"events": [None]}, r"or a list of paths, got \[None\]"),
        ({"aperture": "4"}, "aperture must be one number in comoving Mpc/h, got '4'"),
        (
            {"aperture": [4.0, 3.0]},
            r"aperture must be one number .* got \[4\.0, 3\.0\]",
        ),
    ],
)
def test_options_of_another_type_are_refused(tile, options, match):
    options = {"events": tile / "tile.fits"} | options
    with pytest.raises(TypeError, match=match):
        read_sample(tile / "clusters.csv", **options)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("aperture", 3.0),
        ("drop_duplicates", True),
        ("photon_options", {"energy_unit": "eV"}),
        ("exposure_keyword", "LIVETIME"),
    ],
)
def test_options_of_photons_need_photons(option, value):
    with pytest.raises(
        ValueError, match=rf"{option}=.* needs photon lists, but the table"
    ):
        read_sample({"redshift": [0.1]}, **{option: value})


def test_lists_are_named_in_one_place_and_once(tile):
    table = Table.read(tile / "clusters.csv")
    events = [tile / "tile.fits", tile / "." / "tile.fits"]
    with pytest.raises(
        ValueError, match=r"named twice for row 0 \(cluster a\): .* twice"
    ):
        read_sample(table, events=events)
    table["photons"] = "tile.fits"
    with pytest.raises(
        ValueError, match="column photons, so events would change nothing"
    ):
        read_sample(table, events=tile / "tile.fits")


def test_shared_lists_need_centers(tile):
    with pytest.raises(
        ValueError, match=r"share a photon list or .* no columns ra and dec"
    ):
        read_sample({"z": [0.1, 0.2], "photons": ["tile.fits"] * 2}, directory=tile)
    with pytest.raises(ValueError, match="redshifts are not positive"):
        read_sample({"z": [-1.0], "ra": [1.0], "dec": [1.0]}, events=tile / "tile.fits")


# How a list is read.


def write_channels(path, unit_of_pi=1.0, **hdus):
    """Lists of three photons at 0.5, 1 and 2 keV, one per HDU, in channels without unit."""
    tables = [fits.PrimaryHDU()]
    for i, name in enumerate(hdus or {"EVENTS": 0}):
        columns = {"RA": [10.0] * 3, "DEC": [float(i) / 100] * 3}
        columns["PI"] = np.array([0.5, 1.0, 2.0]) / unit_of_pi
        tables.append(fits.table_to_hdu(Table(columns)))
        tables[-1].name = name
        tables[-1].header["LIVETIME"] = 1000.0 * (i + 1)
    fits.HDUList(tables).writeto(path)


def test_columns_of_the_table_say_how_each_list_is_read(tmp_path):
    write_channels(tmp_path / "a.fits", 0.001)
    write_channels(tmp_path / "b.fits", 0.0146, ONE=1, TWO=2)
    table = {
        "z": [0.1, 0.1, 0.1],
        "ra": [10.0] * 3,
        "dec": [0.0] * 3,
        "photons": ["a.fits", "b.fits", "b.fits"],
        "energy_unit": ["eV", "0.0146", "0.0146"],
        "hdu": ["", "TWO", "1"],
    }
    Table(table).write(tmp_path / "c.csv")
    for source in (tmp_path / "c.csv", table):
        sample, others = read_sample(
            source, directory=tmp_path, exposure_keyword="LIVETIME"
        )
        assert_allclose(sample.photons["energy"], [0.5, 1, 2] * 3, rtol=1e-6)
        assert_allclose(sample.photons["dec"], [0] * 3 + [0.01] * 3 + [0] * 3)
        assert_array_equal(sample.exposure, [1000.0, 2000.0, 1000.0])
        # These are three different lists.
        assert sample.field_radius is None
        assert len(others) == 0


def test_options_of_the_table_and_of_the_call_exclude_each_other(tmp_path):
    write_channels(tmp_path / "a.fits", 0.001)
    table = {"z": [0.1], "photons": ["a.fits"], "energy_unit": ["eV"]}
    with pytest.raises(
        ValueError, match="has a column energy_unit, so the option energy"
    ):
        read_sample(table, directory=tmp_path, photon_options={"energy_unit": "keV"})
    table["energy_unit"] = ["lightyears"]
    with pytest.raises(
        ValueError, match="'energy_unit', row 0: 'lightyears' is not keV"
    ):
        read_sample(table, directory=tmp_path)


def test_a_column_hdu_without_lists_is_a_column_like_others():
    assert list(read_sample({"z": [0.1], "hdu": [3]})[1]) == ["hdu"]


def test_exposures_of_several_lists_must_agree(tmp_path):
    write_channels(tmp_path / "a.fits", 0.001)
    write_channels(tmp_path / "b.fits", 0.001)
    options = {"directory": tmp_path, "photon_options": {"energy_unit": "eV"}}
    options["drop_duplicates"] = True
    table = {"z": [0.1], "photons": ["a.fits;b.fits"]}
    sample, _ = read_sample(table, exposure_keyword="LIVETIME", **options)
    assert_array_equal(sample.exposure, [1000])
    fits.setval(tmp_path / "b.fits", "LIVETIME", value=500.0, ext=1)
    with pytest.raises(ValueError, match=r"row 0 .* LIVETIME is 500, 1000 s\. Give"):
        read_sample(table, exposure_keyword="LIVETIME", **options)


def test_a_range_of_energies_is_half_open(tmp_path):
    write_channels(tmp_path / "a.fits", 0.001)
    for energy_range, expected in (
        ((0.5, 2.0), [0.5, 1]),
        ((0.6, np.inf), [1, 2]),
        ((3, 4), []),
    ):
        photons = read_photons(
            tmp_path / "a.fits", energy_unit="eV", energy_range=energy_range
        )
        assert_allclose(photons["energy"], expected, rtol=1e-6)
        assert {len(column) for column in photons.values()} == {len(expected)}
    many = ((2.0, 1.0), (-1, 2), (0.5,), "soft", (np.nan, 1), 3.0, (False, True))
    for wrong in (*many, ("0.3", "2"), (300, 2000) * units.eV):
        with pytest.raises(
            ValueError, match=r"energy_range must be two numbers, 0 <= low"
        ):
            read_photons(tmp_path / "a.fits", energy_unit="eV", energy_range=wrong)
    with pytest.raises(ValueError, match=r"energy_range .* look like eV\. Divide them"):
        read_photons(tmp_path / "a.fits", energy_range=(300, 2200))


def test_null_rows_are_refused_or_dropped_with_a_warning(tmp_path):
    events = Table({"RA": [10.0, np.nan, 11.0, 12.0], "DEC": [0.0, 1.0, 2.0, 3.0]})
    events["PI"] = np.ma.array([500, 600, 700, 800], mask=[0, 0, 1, 0])
    events["PI"].fill_value = -99
    events["PI"].unit = "eV"
    events["ID"] = [1, 2, 3, 4]
    events.write(tmp_path / "a.fits")
    with pytest.raises(
        ValueError, match=r"1 of 4 .* no RA .*rows \(drop_nulls does it\)"
    ):
        read_photons(tmp_path / "a.fits")
    with pytest.warns(
        UserWarning, match=r"2 of 4 photons in .*a\.fits have no position"
    ):
        photons = read_photons(tmp_path / "a.fits", drop_nulls=True, columns=["ID"])
    assert_array_equal(photons["ID"], [1, 4])
    assert_allclose(photons["energy"], [0.5, 0.8], rtol=1e-6)
    assert_array_equal(photons["ra"], [10, 12])
    events["RA"] = np.nan
    events.write(tmp_path / "a.fits", overwrite=True)
    with pytest.raises(
        ValueError, match=r"None of the 4 photons .* in each of RA, DEC"
    ):
        read_photons(tmp_path / "a.fits", drop_nulls=True)


def test_a_list_without_nulls_is_the_same_with_and_without_dropping(tile):
    path = tile / "tile.fits"
    one, other = read_photons(path), read_photons(path, drop_nulls=True)
    for name in one:
        assert_array_equal(one[name], other[name], strict=True)


@pytest.fixture
def fields(tmp_path):
    """Write lists of 300 photons in pairs, with one exposure, by what they show."""

    def write(west, east, **cameras):
        rng = np.random.default_rng(0)
        for path, (low, high) in {"a.fits": west, "b.fits": east}.items():
            photons = {"ra": rng.uniform(low, high, 300)}
            photons["dec"] = rng.uniform(-0.1, 0.1, 300)
            photons["energy"] = np.ones(300)
            write_photons(tmp_path / path, photons, overwrite=True)
            fits.setval(tmp_path / path, "LIVETIME", value=5000.0, ext=1)
            for keyword, name in cameras.get(path[0], {}).items():
                fits.setval(tmp_path / path, keyword, value=name, ext=1)
        table = {"z": [0.2] * 2, "ra": [10.0] * 2, "dec": [0.0] * 2}
        table["photons"] = ["a.fits", "a.fits;b.fits"]
        return read_sample(table, directory=tmp_path, exposure_keyword="LIVETIME")[0]

    return write


def test_exposures_of_observations_of_the_same_sky_do_not_add_in_silence(fields):
    match = (
        r"2 photon lists of 5000 s each cover the same sky in 1 of 2 clusters \(first: "
        r"row 1 .*LIVETIME of one.*column exposure"
    )
    with pytest.warns(UserWarning, match=match):
        sample = fields((9.9, 10.1), (9.9, 10.1))
    assert_array_equal(sample.photons.lengths, [300, 600])
    assert_array_equal(sample.exposure, [5000, 5000])


def test_tiles_side_by_side_and_cameras_of_one_observation_have_one_exposure(fields):
    # Warnings are errors here.
    assert_array_equal(fields((9.9, 10.0), (10.0, 10.1)).exposure, [5000, 5000])
    cameras = {"a": {"INSTRUME": "EMOS1"}, "b": {"INSTRUME": "EPN"}}
    same_sky = (9.9, 10.1), (9.9, 10.1)
    assert_array_equal(fields(*same_sky, **cameras).exposure, [5000, 5000])
