"""What may enter a sample, in which form, and how the rest is refused."""

from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.table import MaskedColumn, QTable, Table
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

from skcluster import ClusterSample, PhotonMapper

PHOTONS = [
    {"ra": [10.0, 10.5], "dec": [1.0, 2.0], "energy": [0.7, 3.0]},
    {"ra": [20.0], "dec": [-3.0], "energy": [1.5]},
]


def as_structured(table):
    columns = [np.asarray(column) for column in table.values()]
    # Big-endian, as FITS has it.
    return np.rec.fromarrays(columns, dtype=[(name, ">f8") for name in table])


def as_data_frame(table):
    return pytest.importorskip("pandas").DataFrame(
        table, index=range(5, 5 + len(table["ra"]))
    )


def in_other_units(table):
    return QTable(
        {
            "ra": np.radians(table["ra"]) * units.rad,
            "dec": np.multiply(table["dec"], 60) * units.arcmin,
            "energy": np.multiply(table["energy"], 1000) * units.eV,
        }
    )


@pytest.mark.parametrize(
    "kind", [dict, as_structured, Table, QTable, in_other_units, as_data_frame]
)
def test_a_table_of_any_kind_makes_the_same_sample(kind):
    expected = ClusterSample([0.1, 0.2], photons=PHOTONS).photons
    photons = ClusterSample([0.1, 0.2], photons=list(map(kind, PHOTONS))).photons
    assert_array_equal(photons.offsets, [0, 2, 3])
    for name in ("ra", "dec", "energy"):
        assert type(photons[name]) is np.ndarray
        assert photons[name].dtype.isnative
        assert_allclose(photons[name], expected[name], rtol=1e-14)


def test_speeds_are_converted_and_lengths_refused():
    galaxies = Table({"x": [0.1], "y": [0.2], "v": [5e5] * units.m / units.s})
    assert_allclose(ClusterSample([0.1], galaxies=[galaxies]).galaxies["v"], [500])
    galaxies["x"].unit = "kpc"
    with pytest.raises(
        ValueError, match=r"'x' has the unit 'kpc', but .* in comoving Mpc/h"
    ):
        ClusterSample([0.1], galaxies=[galaxies])


def test_from_dicts_is_the_sample_of_the_columns(sample, assert_same):
    dicts = [
        {
            "redshift": sample.redshift[i],
            "photons": sample.photons.table(i),
            "galaxies": sample.galaxies.table(i),
            "center": sample.center[i],
            "position": sample.position[i],
            "r500c": sample.r500c[i],
            "name": sample.name[i],
            "field_radius": 0.5,
        }
        for i in range(10)
    ]
    assert_same(ClusterSample.from_dicts(dicts), sample[:10])
    assert_same(ClusterSample.from_dicts(iter(dicts)), sample[:10])


@pytest.mark.parametrize(
    ("clusters", "message"),
    [
        ([], "No cluster was given"),
        ([{"center": (1, 2)}], r"lack 'redshift'; have \['center'\]"),
        (
            [{"redshift": 0.1}, {"redshift": 0.1, "name": "b"}],
            r"Cluster 1 has the keys \['name', 'redshift'\], cluster 0 has \['redshift'\]",
        ),
    ],
)
def test_from_dicts_names_the_odd_cluster(clusters, message):
    with pytest.raises(ValueError, match=message):
        ClusterSample.from_dicts(clusters)


def catalog_of(sample):
    x, y, z = sample.position.T
    ra, dec = sample.center.T
    columns = {
        "redshift": sample.redshift,
        "ra": ra,
        "dec": dec,
        "x": x,
        "y": y,
        "z": z,
    }
    scalars = {
        name: getattr(sample, name) for name in ("r500c", "name", "field_radius")
    }
    return {**columns, **scalars, "not_ours": ra}


def long_table(ragged, order):
    columns = {"cluster": ragged.cluster, **ragged.columns}
    return {name: column[order] for name, column in columns.items()}


@pytest.mark.parametrize("kind", [dict, Table, as_data_frame])
def test_from_table_with_a_list_or_a_long_table(sample, kind, assert_same):
    catalog = kind(catalog_of(sample))
    photons, galaxies = (
        [ragged.table(i) for i in range(60)]
        for ragged in (sample.photons, sample.galaxies)
    )
    from_lists = ClusterSample.from_table(catalog, photons=photons, galaxies=galaxies)
    assert_same(from_lists, sample)
    # In any order of the clusters, as long as each keeps its own.
    of_cluster = sample.photons.cluster
    order = np.argsort((7 * of_cluster) % 60, kind="stable")
    long = kind(long_table(sample.photons, order))
    assert_same(
        ClusterSample.from_table(catalog, photons=long, galaxies=sample.galaxies),
        sample,
    )


def test_from_table_converts_units_and_leaves_no_gap():
    catalog = Table({"redshift": [0.1], "ra": [np.pi], "dec": [30.0]})
    catalog["ra"].unit, catalog["dec"].unit = "rad", "arcmin"
    catalog["field_radius"] = [30.0] * units.arcmin
    sample = ClusterSample.from_table(catalog)
    assert_allclose(sample.center, [[180.0, 0.5]])
    assert_allclose(sample.field_radius, [0.5])
    catalog["r500c"] = [700.0] * units.kpc
    with pytest.raises(ValueError, match=r"'r500c' has the unit 'kpc'.*comoving Mpc/h"):
        ClusterSample.from_table(catalog)
    catalog["r500c"] = MaskedColumn([0.7], mask=[True])
    with pytest.raises(
        ValueError, match=r"'r500c' has no value in 1 of 1 rows .*row 0"
    ):
        ClusterSample.from_table(catalog)


def test_from_table_takes_a_survey_without_a_photon():
    photons = {"cluster": [], "ra": [], "dec": [], "energy": []}
    sample = ClusterSample.from_table({"redshift": [0.1, 0.2]}, photons=photons)
    assert_array_equal(sample.photons.lengths, [0, 0])


@pytest.mark.parametrize(
    ("catalog", "photons", "message"),
    [
        ({"z": [0.1]}, None, r"lacks the column 'redshift'; has \['z'\]"),
        ({"redshift": [0.1]}, PHOTONS[0], r"lacks the columns \['cluster'\]; it has"),
        (
            {"redshift": [0.1]},
            PHOTONS[1] | {"cluster": [1]},
            "runs from 1 to 1, .* 1 clu",
        ),
        ({"redshift": [0.1]}, PHOTONS[1] | {"cluster": [0.0]}, "must hold integers"),
        (
            {"redshift": [0.1]},
            PHOTONS[0] | {"cluster": [0]},
            "differ in length: .*'ra': 2",
        ),
    ],
)
def test_from_table_names_the_wrong_column(catalog, photons, message):
    with pytest.raises(ValueError, match=message):
        ClusterSample.from_table(catalog, photons=photons)


def changed(**columns):
    """One cluster's photons with some columns replaced, or removed by None."""
    table = PHOTONS[0] | columns
    return {name: column for name, column in table.items() if column is not None}


@pytest.mark.parametrize(
    ("photons", "message"),
    [
        (changed(energy=None), r"photons lack the columns \['energy'\]; they have"),
        (
            changed(ra=None, RA=[1, 2]),
            r"lack the columns \['ra'\].*'RA'\].* must be \['ra'",
        ),
        (
            changed(ra=[1.0, np.nan]),
            "1 of 2 photons have a NaN .* ra .*row 1 of cluster 0",
        ),
        (changed(dec=[np.inf, 1]), "1 of 2 photons have a NaN or infinite dec"),
        (changed(energy=[np.nan] * 2), "2 of 2 photons have a NaN or infinite energy"),
        (
            changed(energy=[700, 3000]),
            "median of 1850, .* look like eV, .*divide by 1000",
        ),
        (changed(energy=[7e-4, 3e-3]), "look like MeV, .*multiply by 1000"),
        (
            changed(energy=[1.0, 0.0]),
            "1 of 2 photons have an energy of 0 or less .*row 1 of cluster 0, 0 keV.*Drop",
        ),
        (changed(energy=[-1.0, -2.0]), "2 of 2 photons have an energy of 0 or less"),
        (
            changed(dec=[1.0, 90.1]),
            "1 of 2 photons have a dec outside of -90 to 90 deg .*row 1 .*90.1.*exchanged",
        ),
        (
            changed(ra=[36000.0, 1.0]),
            "1 of 2 photons have a ra outside of -360 to 720 deg .*look like arcmin",
        ),
        (
            changed(dec=[1.0]),
            r"columns of the table of cluster 0 differ in length: .*: 1",
        ),
        (
            changed(ra=[[1.0, 3.0], [2.0, 4.0]]),
            r"Table of cluster 0: Column 'ra' must be 1-d, got shape \(2, 2\)",
        ),
        ({}, r"The table of cluster 0 lacks .*it has \[\]"),
    ],
)
def test_photons_that_cannot_be_right_are_refused(photons, message):
    with pytest.raises(ValueError, match=message):
        ClusterSample([0.1], photons=[photons])


@pytest.mark.parametrize("path", ["a.fits", b"a.fits", Path("a.fits")])
def test_a_path_is_no_table_but_can_be_read(path):
    with pytest.raises(
        TypeError, match=r"must be a dict .* Read its file .* read_photons"
    ):
        ClusterSample([0.1], photons=[path])


def test_the_one_cluster_in_ev_among_many_in_kev_is_named():
    table = {"ra": [1.0] * 9, "dec": [0.0] * 9, "energy": np.linspace(0.5, 9, 9)}
    wrong = {**table, "energy": 1000 * table["energy"]}
    message = (
        r"1 of 4 clusters \(first: cluster 2\) have a median of 4750.*look like eV"
    )
    with pytest.raises(ValueError, match=message):
        ClusterSample([0.1] * 4, photons=[table, table, wrong, table])
    # A few hard photons of the particle background are no other unit.
    hard = {**table, "energy": [*table["energy"][:5], 150.0, 150.0, 150.0, 1e-3]}
    assert len(ClusterSample([0.1] * 2, photons=[table, hard])) == 2


@pytest.mark.parametrize("ra", [-170.0, 0.0, 359.9, 361.0])
def test_right_ascensions_may_be_counted_from_any_turn(ra):
    photons = [{"ra": [ra], "dec": [0.0], "energy": [1.0]}]
    sample = ClusterSample([0.1], center=[[ra % 360, 0.0]], photons=photons)
    assert PhotonMapper(n_pixels=3).transform(sample).maps.total() == 1


def test_the_cluster_of_a_wrong_row_or_table_is_named():
    nan = {"ra": [1.0, 2.0, 3.0], "dec": [0.0] * 3, "energy": [1.0, 1.0, np.nan]}
    with pytest.raises(ValueError, match=r"1 of 6 photons .*row 2 of cluster 2"):
        ClusterSample([0.1] * 3, photons=[*PHOTONS, nan])
    with pytest.raises(ValueError, match=r"cluster 1 lacks the columns \['dec'\]"):
        ClusterSample([0.1] * 2, photons=[PHOTONS[0], {"ra": [1.0], "energy": [1.0]}])
    # Two errors that cancel in the total would shift one cluster's rows into another.
    short, long = changed(dec=[1.0]), changed(dec=[1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="cluster 0 differ in length"):
        ClusterSample([0.1] * 2, photons=[short, long])


@pytest.mark.parametrize(
    ("galaxies", "message"),
    [
        ({"x": [1], "y": [1]}, r"galaxies lack the columns \['v'\]"),
        (
            {"x": [1], "y": [np.inf], "v": [3]},
            "1 of 1 galaxies have a NaN or infinite y",
        ),
    ],
)
def test_galaxies_that_cannot_be_right_are_refused(galaxies, message):
    with pytest.raises(ValueError, match=message):
        ClusterSample([0.1], galaxies=[galaxies])


@pytest.mark.parametrize(
    ("redshift", "message"),
    [
        ([0.1, -0.2], "1 of 2 redshifts are not positive .*cluster 1, redshift -0.2"),
        ([0.0, 0.1], "cluster 0, redshift 0.0.* no distance"),
        ([0.1, np.nan, np.inf], "2 of 3 redshifts .*cluster 1, redshift nan"),
        (
            0.1,
            r"redshift must be 1-d, .*got shape \(\). For one cluster, give \[redshift\]",
        ),
        ([[0.1, 0.2]], r"redshift must be 1-d, .*got shape \(1, 2\)"),
        (None, "redshift must be 1-d"),
    ],
)
def test_a_redshift_must_have_a_distance(redshift, message):
    with pytest.raises(ValueError, match=message):
        ClusterSample(redshift)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"photons": PHOTONS}, "photons holds 2 clusters, but redshift holds 1"),
        ({"center": [(1, 2), (3, 4)]}, "center holds 2 clusters, but redshift holds 1"),
        ({"field_radius": [0.5, 0.5]}, "field_radius holds 2 clusters"),
        ({"name": ["a", "b"]}, "name holds 2 clusters"),
        ({"maps": np.ones((2, 1, 3, 3))}, "maps holds 2 clusters"),
        ({"center": (150.0, 2.0)}, r"center must have shape \(1, 2\), got \(2,\)"),
        ({"center": [(1, 2, 3)]}, r"center must have shape \(1, 2\), got \(1, 3\)"),
        (
            {"center": [(1, 95)]},
            r"center\[:, 1\] \(dec\) are outside of -90 .*exchanged",
        ),
        ({"center": [(np.nan, 1)]}, "1 of 1 values of center are NaN .*cluster 0"),
        ({"position": [(1, np.inf, 1)]}, "values of position are NaN or infinite"),
        ({"r500c": 0.7}, r"r500c must have shape \(1,\), got \(\)"),
        ({"r500c": [np.nan]}, "1 of 1 values of r500c are NaN"),
        ({"maps": np.ones((1, 3, 3))}, r"Maps must have shape .* got \(1, 3, 3\)"),
        ({"maps": [[[[np.nan]]]]}, "1 of 1 maps hold NaN .*cluster 0"),
    ],
)
def test_a_field_that_does_not_fit_is_named(fields, message):
    with pytest.raises(ValueError, match=message):
        ClusterSample([0.1], **fields)


@pytest.mark.parametrize(
    ("photons", "message"),
    [
        (
            PHOTONS[0],
            r"list with one table per cluster, got one table \(dict\).*from_table",
        ),
        (Table(PHOTONS[0]), r"got one table \(Table\)"),
        (as_structured(PHOTONS[0]), r"got one table \(recarray\)"),
        ([np.zeros((3, 2))], "must be a dict of columns, .*pyarrow Table, got ndarray"),
        (["list.fits"], "got str"),
    ],
)
def test_photons_of_a_wrong_type_are_refused(photons, message):
    with pytest.raises(TypeError, match=message):
        ClusterSample([0.1], photons=photons)


def test_no_table_is_no_sample():
    with pytest.raises(ValueError, match="No table was given"):
        ClusterSample([], photons=[])


def test_one_cluster_with_one_galaxy_and_no_photon_is_a_sample():
    sample = ClusterSample(
        [0.1],
        photons=[{"ra": [], "dec": [], "energy": []}],
        galaxies=[{"x": [0], "y": [0], "v": [0]}],
        name="Coma",
    )
    assert sample.shape == (1,)
    assert_array_equal(sample.photons.lengths, [0])
    assert_array_equal(sample.name, ["Coma"])
    assert "ra, dec, energy: 0 / 0 / 0 per cluster" in repr(sample)


def test_one_field_radius_serves_all_clusters():
    assert_array_equal(ClusterSample([0.1, 0.2], field_radius=0.5).field_radius, 0.5)


RNG = np.random.default_rng(0)


def about(center, sigma, n=20):
    """Galaxies whose velocities scatter by sigma about a value."""
    v = RNG.normal(center, sigma, n)
    return {"x": RNG.normal(0, 0.5, n), "y": RNG.normal(0, 0.5, n), "v": v}


@pytest.mark.parametrize(("redshift", "sigma"), [(0.05, 250), (0.3, 150), (0.8, 900)])
def test_velocities_in_meters_per_second_are_refused(redshift, sigma):
    good, wrong = about(0, sigma), about(0, 1000 * sigma)
    assert len(ClusterSample([redshift], galaxies=[good]))
    match = r"of 1 of 3 clusters \(first: cluster 1, .*look like m/s, but v is in km/s"
    with pytest.raises(ValueError, match=match):
        ClusterSample([redshift] * 3, galaxies=[good, wrong, good])


@pytest.mark.parametrize("redshift", [0.07, 0.3, 1.0])
def test_velocities_that_are_redshifts_times_c_are_refused(redshift):
    wrong = about(299792.458 * redshift, 700)
    with pytest.raises(ValueError, match=r"1 of 1 clusters .* median of cz"):
        ClusterSample([redshift], galaxies=[wrong])


def test_a_few_clusters_at_half_their_redshift_bring_a_warning():
    """Galaxies about a photometric redshift of 0.1 whose cluster is at 0.21."""
    good, far = about(0, 500), about(299792.458 * 0.11 / 1.1, 500)
    with pytest.warns(UserWarning, match=r"1 of 20 clusters \(first: cluster 3\)"):
        ClusterSample([0.1] * 20, galaxies=[good] * 3 + [far] + [good] * 16)
    with pytest.raises(ValueError, match=r"2 of 19 clusters \(first: cluster 3\)"):
        ClusterSample([0.1] * 19, galaxies=[good] * 3 + [far] * 2 + [good] * 14)


def test_lists_of_a_whole_survey_are_no_other_unit():
    """Galaxies of all redshifts in a cone of ten degrees, and nearby groups."""
    redshift = np.concatenate([RNG.uniform(0, 2, 500), np.full(30, 0.1)])
    v = 299792.458 * (redshift - 0.1) / 1.1
    x, y = RNG.uniform(-60, 60, (2, 530))
    galaxies = [{"x": x, "y": y, "v": v}, about(900, 100), about(0, 50), about(0, 1, 3)]
    sample = ClusterSample([0.1, 0.003, 0.01, 0.2], galaxies=galaxies)
    assert sample.galaxies.lengths.tolist() == [530, 20, 20, 3]


def test_offsets_in_kpc_are_refused_but_not_a_wide_field():
    good = about(0, 500)
    wrong = {name: good[name] * (1000 if name in "xy" else 1) for name in good}
    match = r"of 1 of 2 clusters \(first: cluster 1\) have a median .* look like kpc/h"
    with pytest.raises(ValueError, match=match):
        ClusterSample([0.1] * 2, galaxies=[good, wrong])


@pytest.mark.parametrize(
    ("field", "unit"),
    [
        ({"r500c": [900.0, 700.0]}, "kpc"),
        ({"position": RNG.uniform(0, 352e3, (2, 3))}, "kpc/h"),
        ({"field_radius": 30.0}, "arcmin"),
        ({"exposure": [2.0, 1.7]}, "ks"),
        ({"cube_extent": [[2300.0, 3785.0]] * 2}, "kpc/h"),
        ({"cube_extent": [[2.3, 3.785e6]] * 2}, "m/s"),
        ({"coverage": [98.0, 100.0]}, "percent"),
        ({"center": [[2.1e4, 1.0], [3e4, 2.0]]}, "arcmin"),
    ],
)
def test_plain_numbers_in_another_unit_are_refused_by_its_name(field, unit):
    with pytest.raises(
        ValueError, match=rf"2 of 2 values of .* they look like {unit}\."
    ):
        ClusterSample([0.1, 0.2], **field)
    sample = ClusterSample([0.1, 0.2])
    with pytest.raises(ValueError, match=f"they look like {unit}"):
        sample.assign(**field)


def test_quantities_in_lists_and_sky_coordinates_are_converted():
    from astropy.coordinates import SkyCoord

    clusters = [{"redshift": 0.1, "field_radius": 30 * units.arcmin}] * 2
    assert_allclose(ClusterSample.from_dicts(clusters).field_radius, 0.5)
    center = [[np.pi * units.rad, 30 * units.arcmin]]
    assert_allclose(ClusterSample([0.1], center=center).center, [[180, 0.5]])
    photons = {"ra": [600 * units.arcmin], "dec": [0.1 * units.rad]}
    photons["energy"] = [500 * units.eV, 1 * units.keV][:1]
    found = ClusterSample([0.1], photons=[photons]).photons
    assert_allclose([found["ra"][0], found["energy"][0]], [10, 0.5])
    sky = SkyCoord([10.0, 20.0], [1.0, 2.0], unit="deg").galactic
    assert_allclose(ClusterSample([0.1, 0.2], center=sky).center, [[10, 1], [20, 2]])
    with pytest.raises(ValueError, match="'kpc', but r500c is in comoving Mpc/h"):
        ClusterSample.from_dicts([{"redshift": 0.1, "r500c": 900 * units.kpc}])
    with pytest.raises(ValueError, match="r500c cannot be made into an array of one"):
        ClusterSample([0.1, 0.2], r500c=[900 * units.kpc, 3 * units.deg])


@pytest.mark.parametrize("gap", [None, np.nan])
def test_a_missing_name_is_empty_and_a_missing_label_refused(gap):
    label = np.array(["a", gap, gap], object)
    assert ClusterSample([0.1] * 3, name=label).name.tolist() == ["a", "", ""]
    match = r"group has no label for 2 of 3 clusters \(first: cluster 1\)"
    with pytest.raises(ValueError, match=match):
        ClusterSample([0.1] * 3, group=label)


def test_each_field_is_described_once():
    import dataclasses
    import inspect

    from skcluster.sample import FIELDS

    names = [*inspect.signature(ClusterSample).parameters]
    assert [*FIELDS] == names == [f.name for f in dataclasses.fields(ClusterSample)]
    kinds = {
        name: p.kind.name
        for name, p in inspect.signature(ClusterSample).parameters.items()
    }
    assert kinds.pop("redshift") == "POSITIONAL_OR_KEYWORD"
    assert {*kinds.values()} == {"KEYWORD_ONLY"}
    assert all(field.how_to_get for field in FIELDS.values())
