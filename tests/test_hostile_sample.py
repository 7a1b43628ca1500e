"""Numbers of any type, size and order: our own errors, or finite results that are right."""

import pickle
import traceback
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.cosmology import WMAP7
from astropy.table import Column, MaskedColumn
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, scalar_dtypes
from numpy.testing import assert_allclose, assert_array_equal

from skcluster import (
    ClusterSample,
    LogScaler,
    PhaseSpaceKDE,
    PhotonMapper,
    ProxyMeasurer,
    RedshiftNormalizer,
    rotate,
)

FIELDS = (
    *("redshift", "center", "position", "r500c", "name", "group", "maps", "cubes"),
    *("cube_extent", "field_radius", "coverage", "exposure", "photons", "galaxies"),
)
NAMES = {"photons": ("ra", "dec", "energy"), "galaxies": ("x", "y", "v")}


@contextmanager
def refused_in_words(*kinds):
    """Let pass an error that a line of ours, or of scikit-learn, raises with a text."""
    try:
        yield
    except (ValueError, TypeError, *kinds) as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        is_known = "skcluster" in where.filename or "sklearn" in where.filename
        if not (is_known and where.line.startswith("raise") and len(str(error)) > 20):
            raise


# What one finds in columns: ordinary numbers, the ends of the range, and no numbers.
ordinary = st.floats(0.05, 30.0)
extreme = st.sampled_from(
    [
        *(0.0, -0.0, 5e-324, -5e-324, 1e-300, 1e-9, 90.0, -90.0, 360.0, 720.0, -360.0),
        *(1e9, 1e30, 1e38, 1e154, -1e154, 1e300, -1e300, 1.7976931348623157e308),
    ]
)
numbers = st.one_of(ordinary, ordinary, extreme)
anything = st.one_of(
    numbers,
    st.sampled_from([np.nan, np.inf, -np.inf, None, pd.NA, np.ma.masked, 1j, b"\xff"]),
    st.integers(-(2**70), 2**70),
    st.booleans(),
    st.text(max_size=3),
    st.dates(),
    st.lists(st.integers(), max_size=2),
)
any_array = scalar_dtypes().flatmap(
    lambda dtype: arrays(dtype, array_shapes(min_dims=0, max_dims=3, min_side=0))
)
objects = st.one_of(any_array, st.lists(anything, max_size=4), anything)


@settings(max_examples=400)
@given(st.sampled_from(FIELDS), objects)
def test_whatever_is_given_for_a_field_is_refused_in_words(field, value):
    with refused_in_words():
        sample = ClusterSample(**{"redshift": [0.1, 0.2]} | {field: value})
        assert repr(sample)
        assert sample._repr_html_()


@settings(max_examples=300)
@given(st.sampled_from(["photons", "galaxies"]), st.data())
def test_whatever_stands_in_a_table_is_refused_in_words(field, data):
    column = st.one_of(any_array, st.lists(anything, max_size=3))
    table = st.fixed_dictionaries(dict.fromkeys(NAMES[field], column))
    tables = data.draw(st.lists(st.one_of(table, st.none(), anything), max_size=2))
    with refused_in_words():
        ClusterSample([0.1], **{field: tables})
    with refused_in_words():
        ClusterSample.from_table({"redshift": [0.1]}, **{field: data.draw(table)})


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from([*FIELDS, "ra", "dec", "x", "y", "z"]), objects))
def test_whatever_stands_in_a_catalog_is_refused_in_words(catalog):
    with refused_in_words():
        ClusterSample.from_table({"redshift": [0.1, 0.2]} | catalog)
    with refused_in_words():
        ClusterSample.from_dicts([{"redshift": 0.1} | catalog] * 2)


@settings(max_examples=200)
@given(st.one_of(objects, st.just(...), st.tuples(objects, st.just(...))))
def test_whatever_is_asked_of_a_sample_is_refused_in_words(key):
    with refused_in_words(IndexError):
        assert isinstance(ClusterSample([0.1, 0.2, 0.3])[key], ClusterSample)


@settings(max_examples=100)
@given(st.lists(objects, max_size=2))
def test_whatever_is_joined_to_a_sample_is_refused_in_words(others):
    with refused_in_words():
        ClusterSample.concatenate([ClusterSample([0.1]), *others])


SAMPLE = ClusterSample(
    np.linspace(0.1, 0.3, 6),
    center=[(10.0, 0.0)] * 6,
    r500c=[0.7] * 6,
    photons=[{"ra": [10.0] * 9, "dec": [0.0] * 9, "energy": [1.0] * 9}] * 6,
    galaxies=[
        {name: np.random.default_rng(i).normal(size=9) for i, name in enumerate("xyv")}
    ]
    * 6,
)
MAPPED = PhotonMapper(n_pixels=4).transform(SAMPLE)
STEPS = [
    (PhotonMapper(n_pixels=4), SAMPLE),
    (RedshiftNormalizer(), MAPPED),
    (ProxyMeasurer(), SAMPLE),
    (PhaseSpaceKDE(n_bins=4), SAMPLE),
]


@pytest.mark.parametrize(("step", "sample"), STEPS, ids=lambda x: type(x).__name__)
@settings(max_examples=150)
@given(st.data())
def test_whatever_is_a_parameter_is_refused_in_words(step, sample, data):
    name = data.draw(st.sampled_from(sorted(step.get_params())))
    if name == "n_jobs":
        return
    given = step.get_params() | {name: data.draw(objects)}
    with refused_in_words():
        result = type(step)(**given).fit_transform(sample)
        for field in ("maps", "cubes"):
            if getattr(result, field, None) is not None:
                assert np.isfinite(np.asarray(getattr(result, field))).all()


tame = st.one_of(ordinary, st.sampled_from([0.0, -0.0, 5e-324, 1e-300, 1e99, -1e99]))
places = st.one_of(
    st.floats(-25e3, 25e3), st.sampled_from([0.0, -0.0, 5e-324, 25e3, -1e-300])
)
off_axis = st.one_of(st.floats(-0.5, 0.5), st.floats(-180, 180), st.just(0.0))
energies = st.one_of(*[ordinary] * 5, st.sampled_from([5e-324, 1e300, 10.0, 0.5, 0.01]))
photon_rows = st.lists(st.tuples(off_axis, off_axis, energies), max_size=8)
galaxy_rows = st.lists(
    st.tuples(*[st.one_of(*[st.floats(-3, 3)] * 5, tame)] * 2, st.floats(-9e3, 9e3)),
    max_size=8,
)
centers = st.tuples(
    st.one_of(st.floats(-180, 540), st.sampled_from([0.0, -0.0, 360.0, 1e-320])),
    st.one_of(st.floats(-90, 90), st.sampled_from([90.0, -90.0, 0.0, 89.999])),
)
redshifts = st.one_of(st.floats(0.05, 1.0), st.floats(1e-9, 100.0), st.just(5e-324))


@st.composite
def clusters(draw):
    """One cluster whose numbers may be of any size, as a dict for from_dicts."""
    ra, dec = center = draw(centers)
    photons = [
        (ra + east, np.clip(dec + north, -90, 90), energy)
        for east, north, energy in draw(photon_rows)
    ]
    return {
        "redshift": draw(redshifts),
        "center": center,
        "r500c": draw(st.floats(0.01, 5.0)),
        "position": draw(st.tuples(places, places, places)),
        "exposure": draw(st.floats(30.0, 1e8)),
        "photons": dict(
            zip(NAMES["photons"], np.array(photons).reshape(-1, 3).T, strict=False)
        ),
        "galaxies": dict(
            zip(
                NAMES["galaxies"],
                np.array(draw(galaxy_rows)).reshape(-1, 3).T,
                strict=False,
            )
        ),
        "field_radius": draw(st.floats(0.01, 12.0)),
    }


samples = st.lists(clusters(), min_size=1, max_size=4)


hostile = pytest.mark.filterwarnings("ignore:.*outside")


@hostile
@settings(max_examples=150)
@given(samples)
def test_numbers_of_any_size_go_through_all_steps(clusters):
    sample = None
    with refused_in_words():
        sample = ClusterSample.from_dicts(clusters)
    if sample is None:
        return
    before = pickle.dumps(sample)
    bands = ((0.5, 2.0), (2.0, 10.0), (0.5, 10.0))
    mapped = PhotonMapper(n_pixels=4, bands=bands).transform(sample)
    maps = np.asarray(mapped.maps)
    assert np.isfinite(maps).all()
    assert np.isfinite(mapped.coverage).all()
    assert_array_equal(maps[:, 0] + maps[:, 1], maps[:, 2])
    assert (maps[:, 2].sum(axis=(1, 2)) <= sample.photons.lengths).all()
    cubes = PhaseSpaceKDE(n_bins=4).transform(sample).cubes
    assert np.isfinite(cubes).all()
    assert_allclose(cubes.sum(axis=(1, 2, 3)).round(4) % 1, 0)
    for proxy in ("n_phot", "n_phot_500c", "n_gal", "sigma_v"):
        with refused_in_words():
            assert np.isfinite(ProxyMeasurer(proxies=[proxy]).transform(sample)).all()
    with refused_in_words():
        seen = mapped[mapped.maps.total() > 0]
        normalized = RedshiftNormalizer().fit_transform(seen)
        scaled = LogScaler().transform(normalized)
        assert np.isfinite(np.asarray(scaled.maps)).all()
    with refused_in_words():
        turned = rotate(sample, 30.0)
        assert np.isfinite(turned.photons["ra"]).all()
    assert pickle.dumps(sample) == before


def slow_map(sample, i, n_pixels, half_width):
    """Counts of one cluster by vectors and a loop, and how many are near a border."""
    ra0, dec0 = np.radians(sample.center[i])
    sight = np.array(
        [np.cos(dec0) * np.cos(ra0), np.cos(dec0) * np.sin(ra0), np.sin(dec0)]
    )
    west = np.array([np.sin(ra0), -np.cos(ra0), 0.0])
    north = np.cross(west, sight)
    counts, n_near = np.zeros((n_pixels, n_pixels)), 0
    distance = WMAP7.comoving_distance(sample.redshift[i]).value * WMAP7.h
    photons, edge = sample.photons.table(i), np.inf
    if sample.field_radius is not None:
        edge = np.radians(sample.field_radius[i])
    for ra, dec in np.radians([photons["ra"], photons["dec"]]).T:
        place = np.array(
            [np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)]
        )
        along = place @ sight
        offset = np.array([place @ north, place @ west]) * distance / max(along, 1e-9)
        cell = (offset / half_width + 1) * n_pixels / 2
        n_near += bool((np.abs(cell - np.rint(cell)) < 1e-6).any() or abs(along) < 1e-6)
        angle = np.arccos(min(along, 1.0))
        n_near += bool(abs(angle - edge) < 1e-6)
        is_seen = along > 0 and angle <= edge
        if is_seen and (cell >= 0).all() and (cell < n_pixels).all():
            counts[tuple(cell.astype(int))] += 1
    return counts, n_near


@hostile
@settings(max_examples=60)
@given(st.lists(clusters(), min_size=1, max_size=3), st.floats(0.01, 50.0))
def test_photons_are_counted_where_vectors_put_them_or_lie_outside(
    clusters, half_width
):
    sample = None
    with refused_in_words():
        sample = ClusterSample.from_dicts(clusters)
    if sample is None:
        return
    mapper = PhotonMapper(n_pixels=5, half_width=half_width, bands=[(0, np.inf)])
    maps = np.asarray(mapper.transform(sample).maps)[:, 0]
    for i, counts in enumerate(maps):
        slow, n_near = slow_map(sample, i, 5, half_width)
        assert np.abs(counts - slow).sum() <= 2 * n_near


@hostile
@settings(max_examples=60)
@given(st.lists(clusters(), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_order_and_copies_of_rows_and_clusters_are_of_no_account(clusters, random):
    sample = None
    with refused_in_words():
        sample = ClusterSample.from_dicts(clusters)
    if sample is None:
        return
    rows = random.choices(range(len(clusters)), k=4)
    mapper, kde = PhotonMapper(n_pixels=5), PhaseSpaceKDE(n_bins=4)
    maps, cubes = mapper.transform(sample).maps, kde.transform(sample).cubes
    assert_array_equal(mapper.transform(sample[rows]).maps, maps[rows])
    assert_array_equal(kde.transform(sample[rows]).cubes, cubes[rows])
    doubled = []
    for cluster in clusters:
        n = len(cluster["photons"]["ra"])
        order = random.sample([*range(n)] * 2, k=2 * n)
        photons = {name: column[order] for name, column in cluster["photons"].items()}
        doubled.append(cluster | {"photons": photons})
    twice = mapper.transform(ClusterSample.from_dicts(doubled)).maps
    assert_array_equal(twice, 2 * np.asarray(maps))


@pytest.mark.parametrize("turns", [-360, 360])
@pytest.mark.parametrize("dec", [-90.0, -89.9, 0.0, 60.0, 89.99, 90.0])
def test_a_full_turn_in_ra_is_no_turn(dec, turns):
    """Centers and photons on both sides of RA 0 and at the poles."""
    rng = np.random.default_rng(0)
    ra = np.array([0.0, 359.9, 0.1, 180.0])
    around = np.clip(dec + rng.uniform(-0.2, 0.2, 400), -90, 90)
    photons = [
        {
            "ra": (center + rng.uniform(-20, 20, 400)) % 360,
            "dec": around,
            "energy": np.ones(400),
        }
        for center in ra
    ]
    turned = [table | {"ra": table["ra"] + min(turns, 360)} for table in photons]
    mapper = PhotonMapper(n_pixels=5)
    maps = [
        np.asarray(mapper.transform(ClusterSample([0.1] * 4, center=c, photons=p)).maps)
        for c, p in (
            (np.column_stack([ra, np.full(4, dec)]), photons),
            (np.column_stack([ra, np.full(4, dec)]), turned),
            (np.column_stack([ra + turns, np.full(4, dec)]), photons),
        )
    ]
    assert maps[0].sum() > 10
    assert_array_equal(maps[1], maps[0])
    assert_array_equal(maps[2], maps[0])


FORMS = {
    "list": list,
    "tuple": tuple,
    "strided": lambda a: np.repeat(a, 2)[::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
    "other end": lambda a: a.astype(a.dtype.newbyteorder()),
    "objects": lambda a: a.astype(object),
    "masked": lambda a: np.ma.array(a, mask=False),
    "column": Column,
    "masked column": MaskedColumn,
    "quantity": lambda a: a * units.Unit("deg"),
    "series": lambda a: pd.Series(a, index=range(7, 7 + len(a))),
    "nullable": lambda a: pd.Series(
        a, dtype="Float64" if a.dtype.kind == "f" else "Int64"
    ),
}
TYPES = ["i1", "i2", "u2", "i8", "u8", "f2", "f4", "f8", "g"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", TYPES)
def test_the_same_numbers_in_any_form_and_type_make_the_same_sample(form, dtype):
    if dtype in ("f2", "g") and form == "nullable":
        pytest.skip("pandas has no such type")
    degrees = np.array([3, 1, 1, 2], dtype)
    given = FORMS[form](degrees)
    kept = np.array(given, float)
    if isinstance(given, np.ndarray):
        given.flags.writeable = False
    plain = [float(value) for value in degrees]
    tables = [{"ra": given, "dec": given, "energy": [1.0] * 4}]
    expected = [{"ra": plain, "dec": plain, "energy": [1.0] * 4}]
    sample = ClusterSample([0.1], photons=tables)
    mapper = PhotonMapper(n_pixels=5, half_width=50.0)
    maps = [
        np.asarray(
            mapper.transform(ClusterSample([0.1], center=[(1, 2)], photons=p)).maps
        )
        for p in (tables, expected)
    ]
    assert_array_equal(maps[0], maps[1])
    assert_array_equal(sample.photons["ra"], plain)
    if form != "quantity":
        galaxies = ClusterSample([0.1], galaxies=[dict.fromkeys("xyv", given)]).galaxies
        assert_array_equal(galaxies["v"], plain)
        assert_array_equal(ClusterSample([1] * 4, r500c=given).r500c, plain)
        assert_array_equal(ClusterSample(given).redshift, plain)
    assert_array_equal(np.array(given, float), kept)


@pytest.mark.parametrize("v", [-128, -32768])
def test_the_smallest_integer_has_no_absolute_value_but_is_fast(v):
    dtype = np.int8 if v == -128 else np.int16
    galaxies = [
        dict.fromkeys("xy", np.zeros(2, dtype)) | {"v": np.array([v, 0], dtype)}
    ]
    measurer = ProxyMeasurer(proxies=["n_gal"])
    n_gal = np.exp(measurer.transform(ClusterSample([0.1], galaxies=galaxies)))
    assert_allclose(n_gal, [[2.0 if v == -128 else 1.0]])


GAPS = {
    "masked": np.ma.array([0.1, 0.2], mask=[0, 1]),
    "column": MaskedColumn([0.1, 0.2], mask=[False, True]),
    "nullable": pd.Series([0.1, None], dtype="Float64"),
    "objects": np.array([0.1, None], object),
    "NA": [0.1, pd.NA],
    "masked in a list": [0.1, np.ma.masked],
    "nan": [0.1, np.nan],
}


@pytest.mark.parametrize("gap", GAPS)
def test_a_gap_in_any_form_is_refused(gap):
    words = "no value|must be numbers|not positive numbers|NaN or infinite"
    for field in ("redshift", "r500c", "coverage", "field_radius"):
        with pytest.raises(ValueError, match=f"{field}.*({words})|redshifts .*{words}"):
            ClusterSample(**{"redshift": [0.1, 0.2]} | {field: GAPS[gap]})
    with pytest.raises(ValueError, match=f"(ra|Column 'ra').*({words})|{words}"):
        ClusterSample([0.1], photons=[dict.fromkeys(NAMES["photons"], GAPS[gap])])


def test_units_of_fields_are_converted_or_refused():
    center = np.radians([[10.0, 20.0]]) * units.rad
    sample = ClusterSample([0.1], center=center, field_radius=30 * units.arcmin)
    assert_allclose(sample.center, [[10.0, 20.0]])
    assert_allclose(sample.field_radius, [0.5])
    for field, value in (
        ("r500c", [700] * units.kpc),
        ("position", [[1, 2, 3]] * units.pc),
    ):
        with pytest.raises(ValueError, match=f"{field} has the unit .* comoving Mpc/h"):
            ClusterSample([0.1], **{field: value})
    with pytest.raises(
        ValueError, match="'km/s', which cannot be converted to a plain"
    ):
        ClusterSample([3000.0] * units.km / units.s)
    with pytest.raises(ValueError, match="'keV', which cannot be converted to deg"):
        ClusterSample([0.1], center=[[1, 2]] * units.keV)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"redshift": [3000.0]}, r"1 of 1 redshifts are beyond 20 .*3000.*km/s"),
        (
            {"field_radius": 90},
            r"1 of 1 values of field_radius are outside of 0\.01 to 12 deg .*arcmin",
        ),
        ({"field_radius": -0.5}, "field_radius are outside of .*cluster 0, -0.5"),
        ({"r500c": [1e200]}, r"values of r500c are NaN or infinite, or beyond 1e\+100"),
        ({"name": [["a", "b"]]}, r"name must be 1-d, got shape \(1, 2\)"),
        ({"name": [b"\xff"]}, "name must be strings, but 'ascii' codec"),
        ({"group": [np.nan]}, "group must be one string or finite number per cluster"),
        ({"maps": np.full((1, 1, 2, 2), 1e300)}, "1 of 1 maps hold NaN or infinite"),
        (
            {"maps": np.full((1, 1, 2, 2), "a")},
            "Maps must be numbers, got the type <U1",
        ),
        (
            {"cubes": np.zeros((1, 2, 2))},
            r"cubes must be numbers of shape .*\(1, 2, 2\)",
        ),
        ({"cubes": np.full((1, 2, 2, 2), 1j)}, "cubes must be numbers .* complex128"),
        (
            {"galaxies": [{key: [1e200] for key in "xyv"}]},
            r"x outside of -1e\+100 to 1e",
        ),
        ({"photons": 5}, "list with one table per cluster, got int"),
        ({"center": [[1, 2], [3]]}, "center cannot be made into an array"),
    ],
)
def test_what_no_cluster_has_is_named(fields, message):
    with pytest.raises((ValueError, TypeError), match=message):
        ClusterSample(**{"redshift": [0.1]} | fields)


def test_lists_of_types_that_do_not_join_are_named():
    dates = np.array(["2024-01-01"], "M8[D]")
    tables = [{key: [1.0] for key in "xyv"} | {"when": when} for when in (dates, [1.0])]
    message = r"parts of 'when' cannot be joined: \['datetime64\[D\] .*', 'float64"
    with pytest.raises(ValueError, match=message):
        ClusterSample([0.1, 0.2], galaxies=tables)
    samples = [ClusterSample([0.1], galaxies=[table]) for table in tables]
    with pytest.raises(ValueError, match=message):
        ClusterSample.concatenate(samples)
    cubes = [ClusterSample([0.1], cubes=np.zeros((1, n, n, n))) for n in (2, 3)]
    with pytest.raises(ValueError, match="parts of 'cubes' cannot be joined"):
        ClusterSample.concatenate(cubes)


def test_no_cluster_is_no_sample_for_a_step_but_can_be_handled():
    nobody = SAMPLE[:0]
    assert (len(nobody), len(nobody[[]]), len(nobody[::-1])) == (0, 0, 0)
    assert len(ClusterSample.concatenate([nobody, SAMPLE])) == 6
    assert len(pickle.loads(pickle.dumps(nobody))) == 0
    assert "0 clusters" in repr(nobody)
    for step, _ in STEPS:
        with pytest.raises(ValueError, match=r"0 sample\(s\)|lacks"):
            step.fit(nobody)


def test_clusters_without_a_row_are_handled_by_all_steps():
    empty = [{name: [] for name in NAMES["photons"]}] * 2
    no_galaxy = [{name: [] for name in NAMES["galaxies"]}] * 2
    sample = ClusterSample(
        [0.1, 0.2], center=[(0, 0)] * 2, photons=empty, galaxies=no_galaxy
    )
    assert not np.asarray(PhotonMapper(n_pixels=3).transform(sample).maps).any()
    assert not PhaseSpaceKDE(n_bins=3).transform(sample).cubes.any()
    for proxy, message in (
        ("n_phot", "n_phot is 0 for 2"),
        ("n_gal", "n_gal is 0 for 2"),
    ):
        with pytest.raises(ValueError, match=message):
            ProxyMeasurer(proxies=[proxy]).transform(sample)
    turned = rotate(sample, 10.0)
    assert turned.photons.lengths.tolist() == [0, 0]
