"""The container: indexed like a list, never changed, and shown in full."""

import pickle
from dataclasses import FrozenInstanceError
from xml.etree import ElementTree

import joblib
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

from skcluster import ClusterSample, PhotonMapper, Ragged, SparseMaps
from skcluster.sample import require

# The naive sample: a list with one dict of plain lists per cluster.
NAIVE = [
    {
        "redshift": 0.1 + i / 10,
        "energy": [1.0 + i / 7 + j / 100 for j in range(n_photons)],
        "v": [100.0 * i + j for j in range(n_galaxies)],
        "map": float(i + 1),
        "name": f"cluster {i}",
    }
    for i, (n_photons, n_galaxies) in enumerate(
        [(3, 1), (0, 2), (5, 0), (1, 1), (0, 0), (2, 4), (4, 3)]
    )
]
N = len(NAIVE)


def packed(clusters):
    return ClusterSample(
        [cluster["redshift"] for cluster in clusters],
        photons=[
            dict.fromkeys(("ra", "dec", "energy"), cluster["energy"])
            for cluster in clusters
        ],
        galaxies=[
            dict.fromkeys(("x", "y"), np.divide(cluster["v"], 1000))
            | {"v": cluster["v"]}
            for cluster in clusters
        ],
        maps=[[[[cluster["map"], 0], [0, 0]]] for cluster in clusters],
        name=[cluster["name"] for cluster in clusters],
    )


def unpacked(sample):
    return [
        {
            "redshift": sample.redshift[i],
            "energy": sample.photons.table(i)["energy"].tolist(),
            "v": sample.galaxies.table(i)["v"].tolist(),
            "map": np.asarray(sample.maps)[i, 0, 0, 0],
            "name": sample.name[i],
        }
        for i in range(len(sample))
    ]


numbers = st.lists(st.integers(-N, N - 1), max_size=12)
masks = st.lists(st.booleans(), min_size=N, max_size=N)
integer_types = st.sampled_from(["i1", "i4", "i8", ">i4"])
keys = st.one_of(
    st.integers(-N, N - 1),
    st.integers(-N, N - 1).map(np.int32),
    st.slices(N),
    numbers,
    st.builds(np.array, numbers, integer_types),
    st.lists(st.integers(0, N - 1)).map(lambda key: np.array(key, "u1")),
    masks,
    masks.map(np.array),
)


def naively(key):
    """Clusters that a key selects from the list, by Python's own rules."""
    if isinstance(key, slice):
        return NAIVE[key]
    key = [key] if np.ndim(key) == 0 else list(key)
    if key and isinstance(key[0], bool | np.bool_):
        return [cluster for cluster, kept in zip(NAIVE, key, strict=True) if kept]
    return [NAIVE[i] for i in key]


@given(keys, st.booleans())
@example(-1, False)
@example([], True)
@example(slice(None, None, -1), True)
def test_an_index_selects_what_it_selects_from_a_list_of_clusters(key, with_ellipsis):
    selected = packed(NAIVE)[(key, Ellipsis) if with_ellipsis else key]
    assert isinstance(selected, ClusterSample)
    assert unpacked(selected) == naively(key)


@given(keys, st.data())
def test_a_selection_of_a_selection_is_a_selection(key, data):
    once = packed(NAIVE)[key]
    again = data.draw(st.lists(st.integers(0, max(len(once) - 1, 0)), max_size=5))
    again = again if len(once) else []
    assert unpacked(once[again]) == [naively(key)[i] for i in again]


def test_a_sample_is_its_clusters_one_after_the_other(assert_same):
    sample = packed(NAIVE)
    assert [unpacked(cluster)[0] for cluster in sample] == NAIVE
    joined = ClusterSample.concatenate(sample)
    assert_same(joined, sample)


def test_a_small_integer_type_indexes_a_large_sample():
    sample = ClusterSample(np.linspace(0.1, 1, 1000))
    key = np.array([0, 100, -1], np.int8)
    assert_array_equal(sample[key].redshift, sample.redshift[[0, 100, 999]])
    assert_array_equal(sample[np.array([255], np.uint8)].redshift, sample.redshift[255])


INTEGERS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">u2", ">i4"]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_an_integer_of_any_width_indexes_a_large_sample(dtype):
    sample = ClusterSample(np.linspace(0.1, 1, 70_000))
    key = np.array([100, 7], dtype)
    assert_array_equal(sample[key].redshift, sample.redshift[[100, 7]])
    assert sample[key[0]].redshift == sample.redshift[100]
    assert len(sample[key[1] : key[0]]) == 93
    if np.dtype(dtype).kind == "i":
        assert sample[np.array(-2, dtype)[()]].redshift == sample.redshift[-2]
        assert sample[np.array([-2], dtype)].redshift == sample.redshift[-2]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_cluster_numbers_counts_and_offsets_may_be_of_any_width(dtype):
    # With 100 clusters, number times pixels or rows leave the range of a byte.
    cluster = np.repeat(np.arange(100), 3)[::-1].astype(dtype)
    table = {"cluster": cluster, "v": np.arange(300.0)}
    count = np.array(100, dtype)[()]
    ragged = Ragged.from_long_table(table, count)
    assert_array_equal(ragged.lengths, np.full(100, 3))
    assert_array_equal(ragged.table(99)["v"], [0, 1, 2])
    assert_array_equal(ragged.table(np.array(99, dtype)[()])["v"], [0, 1, 2])
    widest = min(np.iinfo(dtype).max, 70_000)
    many = Ragged.empty({"v": np.zeros(1)}, np.array(widest, dtype)[()])
    assert len(many) == widest
    offsets = np.array([0, 50, 100], dtype)
    parts = Ragged({"v": np.arange(100.0)}, offsets)
    joined = Ragged.concatenate([parts] * 4)
    assert joined.offsets[-1] == 400
    assert_array_equal(joined.sum(np.ones(400, dtype)), [50.0] * 8)
    assert list(parts.blocks(np.array(60, dtype)[()])) == [slice(0, 1), slice(1, 2)]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_maps_of_any_integer_type_hold_the_same_counts(dtype):
    counts = np.full((3, 2, 20, 20), 100, dtype)
    maps = SparseMaps.from_dense(counts)
    assert_array_equal(maps.total(), [80_000.0] * 3)
    again = SparseMaps(maps.rows, np.array([2, 20, 20], dtype))
    assert again.shape == (3, 2, 20, 20)
    assert_array_equal(again[np.array([2, 0], dtype)], np.asarray(maps)[[2, 0]])
    sample = ClusterSample([0.1] * 3, maps=counts, group=np.array([100, 100, 7], dtype))
    joined = ClusterSample.concatenate([sample, sample])
    assert joined.group.tolist() == [100, 100, 7] * 2


def test_a_cluster_number_beyond_the_survey_is_not_wrapped_around():
    table = {"cluster": np.array([0, 2**40]), "v": [1.0, 2.0]}
    with pytest.raises(ValueError, match=r"runs from 0 to 1099511627776, .* 70000"):
        Ragged.from_long_table(table, 70_000)


def test_rows_are_selected_by_booleans_only():
    ragged = Ragged({"v": [1.0, 2.0, 3.0]}, [0, 2, 3])
    assert ragged.select([True, False, True]).lengths.tolist() == [1, 1]
    for rows in (np.array([1, 0, 1], "u1"), [True, False]):
        with pytest.raises(IndexError, match=r"one boolean per row \(3\), got"):
            ragged.select(rows)


def test_a_contiguous_slice_copies_nothing(sample):
    photons = sample[10:50].photons
    assert np.shares_memory(photons["energy"], sample.photons["energy"])
    assert len(sample[50:10]) == 0


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (60, "Index 60 is out of range for 60 clusters"),
        (-61, "Index -61 is out of range for 60 clusters"),
        ([0, 60], "out of range for 60 clusters"),
        ([-61], "out of range for 60 clusters"),
        ([True, False], r"boolean index of shape \(2,\) does not fit 60 clusters"),
        ((0, 1), r"one axis, got the index \(0, 1\)"),
        ((slice(None), 0, Ellipsis), "one axis"),
        ("redshift", "integers, slices or booleans, got .*redshift"),
        ([0.0, 1.0], "integers, slices or booleans"),
        ([[0, 1]], "integers, slices or booleans"),
        (None, "integers, slices or booleans"),
    ],
)
def test_a_wrong_index_is_refused(sample, key, message):
    with pytest.raises(IndexError, match=message):
        sample[key]


def test_nothing_can_be_set_or_deleted(sample):
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'redshift'"):
        sample.redshift = [0.1]
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'mass'"):
        sample.mass = 1
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'photons'"):
        del sample.photons
    with pytest.raises(TypeError, match="does not support item assignment"):
        sample[0] = sample[1]


def test_assign_adds_replaces_and_removes_on_a_copy(sample):
    new = sample.assign(r500c=np.ones(60), coverage=np.zeros(60), position=None)
    assert set(new.fields) == {*sample.fields, "coverage"} - {"position"}
    assert_array_equal(new.r500c, 1)
    assert new.photons is sample.photons
    assert sample.coverage is None
    assert sample.r500c.min() < 1
    assert sample.assign(redshift=np.full(60, 0.5)).redshift.max() == 0.5


def test_assign_checks_what_it_is_given(sample):
    with pytest.raises(
        ValueError, match="r500c holds 2 clusters, but redshift holds 60"
    ):
        sample.assign(r500c=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"redshift holds 2 clusters, but .* holds 60"):
        sample.assign(redshift=[0.1, 0.2])
    with pytest.raises(TypeError, match="unexpected keyword argument 'mass'"):
        sample.assign(mass=np.ones(60))


def test_drop_leaves_the_rest(sample):
    assert sample.drop("photons", "name").fields == tuple(
        name for name in sample.fields if name not in ("photons", "name")
    )


def test_concatenate_joins_and_keeps_the_common_fields(sample, assert_same):
    mapped = PhotonMapper(n_pixels=4).transform(sample)
    parts = [mapped[:7], mapped[7:8], mapped[8:8], mapped[8:]]
    assert_same(ClusterSample.concatenate(parts), mapped)
    joined = ClusterSample.concatenate([mapped[:2], sample[:3]])
    assert joined.shape == (5,)
    assert set(mapped.fields) - set(joined.fields) == {"maps", "coverage"}


@pytest.mark.parametrize("lists", ["galaxies", "photons"])
def test_concatenate_loses_no_list_of_a_part(sample, lists):
    bare = sample[:3].drop(lists)
    for parts in ([sample[:2], bare], [bare, sample[:2]]):
        joined = getattr(ClusterSample.concatenate(parts), lists)
        lengths = [
            length
            for part in parts
            for length in (
                [0] * 3 if part is bare else getattr(part, lists).lengths.tolist()
            )
        ]
        assert joined.lengths.tolist() == lengths
        name = next(iter(joined.columns))
        assert_array_equal(joined[name], getattr(sample[:2], lists)[name])


def test_none_is_a_list_without_rows():
    some = {"x": [1.0], "y": [2.0], "v": [3.0]}
    sample = ClusterSample([0.1] * 3, galaxies=[None, some, None])
    assert sample.galaxies.lengths.tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match="All 3 tables are None"):
        ClusterSample([0.1] * 3, galaxies=[None] * 3)


def test_cubes_of_nan_are_refused():
    cubes = np.zeros((70, 2, 2, 2))
    cubes[66, 0, 1, 0] = np.nan
    with pytest.raises(ValueError, match="cube of cluster 66 of 70 holds NaN"):
        ClusterSample(np.full(70, 0.1), cubes=cubes)


def test_concatenate_refuses_what_does_not_fit(sample):
    with pytest.raises(ValueError, match="No sample was given"):
        ClusterSample.concatenate([])
    small, large = (PhotonMapper(n_pixels=n).transform(sample[:2]) for n in (4, 8))
    with pytest.raises(ValueError, match=r"join maps of the shapes .*4, 4\), .*8, 8\)"):
        ClusterSample.concatenate([small, large])
    for name, value in (("exposure", 2000.0), ("field_radius", 0.4)):
        some = [sample[:2].drop(name), sample[:1].assign(**{name: np.full(1, value)})]
        with pytest.raises(ValueError, match=f"Some of the samples have {name} and"):
            ClusterSample.concatenate(some)
        ClusterSample.concatenate([each.drop(name) for each in some])
    bare = sample.photons.table(0)
    del bare["origin"]
    with pytest.raises(ValueError, match=r"join tables with columns .*'origin'"):
        ClusterSample.concatenate([sample[0], sample[0].assign(photons=[bare])])


def test_text_tells_the_fields_and_their_ranges(sample):
    text = repr(PhotonMapper(n_pixels=4, bands=[(0.5, 2)]).transform(sample))
    lengths = sample.photons.lengths
    counts = f"{lengths.min()} / {np.median(lengths):.0f} / {lengths.max()} per cluster"
    for line in (
        "<ClusterSample of 60 clusters, 0.7 MiB",
        "redshift      0.100 to 0.400",
        f"photons       ra, dec, energy, origin: {counts} (min / median / max)",
        "position      (60, 3) float64",
        "maps          1 band(s) of 4 x 4, ",
    ):
        assert line in text
    assert "of 1 cluster," in repr(sample[0])
    assert "of 0 clusters," in repr(sample[:0])


def test_html_is_a_table_of_the_fields(sample):
    odd = sample.photons.assign(**{"<b>": sample.photons["energy"]})
    table = ElementTree.fromstring(sample.assign(photons=odd)._repr_html_())
    assert table.tag == "table"
    assert [row.find("th").text for row in table.iter("tr")] == list(sample.fields)
    assert "ra, dec, energy, origin, <b>: " in "".join(table.itertext())
    assert "ClusterSample: 60 clusters" in table.find("caption").text


def test_pickle_keeps_everything(sample, assert_same):
    mapped = PhotonMapper(n_pixels=4).transform(sample)
    copy = pickle.loads(pickle.dumps(mapped))
    assert_same(copy, mapped)
    assert joblib.hash(copy) == joblib.hash(mapped) != joblib.hash(mapped[:-1])


def test_the_advice_of_a_step_is_where_the_field_comes_from(sample):
    with pytest.raises(
        ValueError, match=r"Net needs sample\.cubes.*put PhaseSpaceKDE before"
    ):
        require(sample, "photons", "cubes", by="Net")
    message = r"of 60 clusters lacks \(it has redshift, .*field_radius\).*PhotonMapper"
    with pytest.raises(ValueError, match=message):
        require(sample, "maps", by="Net")
    assert require(sample, "photons", by="Net") is sample


@given(st.lists(st.lists(st.integers(0, 9), max_size=5), min_size=1, max_size=8))
def test_ragged_sums_and_selections_are_those_of_lists(lists):
    ragged = Ragged.from_tables([{"a": np.array(values, int)} for values in lists])
    assert [ragged.table(i)["a"].tolist() for i in range(len(lists))] == lists
    assert ragged.sum(ragged["a"]).tolist() == list(map(sum, lists))
    assert ragged.cluster.tolist() == [i for i, v in enumerate(lists) for _ in v]
    large = ragged.select(ragged["a"] > 4)
    expected = [[a for a in values if a > 4] for values in lists]
    assert [large.table(i)["a"].tolist() for i in range(len(lists))] == expected


@given(st.lists(st.integers(0, 5), min_size=1), st.integers(1, 12))
def test_blocks_are_all_clusters_in_order_and_small(lengths, n_rows):
    ragged = Ragged({"a": np.arange(sum(lengths))}, np.cumsum([0, *lengths]))
    blocks = list(ragged.blocks(n_rows))
    assert [i for block in blocks for i in range(len(lengths))[block]] == list(
        range(len(lengths))
    )
    for block in blocks:
        assert len(lengths[block]) == 1 or sum(lengths[block]) <= n_rows


@pytest.mark.parametrize(
    ("columns", "offsets", "message"),
    [
        ({"a": [1, 2]}, [1, 2], "start at 0 and never decrease"),
        ({"a": [1, 2]}, [0, 2, 1], "start at 0 and never decrease"),
        ({"a": [1, 2]}, [], "start at 0 and never decrease"),
        ({"a": [1, 2]}, [0, 1], r"'a' has shape \(2,\), but the offsets end at 1"),
    ],
)
def test_ragged_offsets_must_fit_their_columns(columns, offsets, message):
    with pytest.raises(ValueError, match=message):
        Ragged(columns, offsets)


def test_an_unknown_column_of_a_ragged_is_named():
    with pytest.raises(KeyError, match=r"No column 'pi'; there are \['a'\]"):
        Ragged({"a": [1]}, [0, 1])["pi"]


def test_sparse_maps_are_their_dense_array():
    dense = np.random.default_rng(0).poisson(0.3, (5, 2, 3, 3)).astype(np.float32)
    maps = SparseMaps.from_dense(dense)
    assert_array_equal(np.asarray(maps), dense)
    assert np.asarray(maps, dtype=float).dtype == float
    assert_array_equal(maps[[3, 1]], dense[[3, 1]])
    assert_array_equal(maps.total(), dense.sum(axis=(1, 2, 3)))
    assert maps.filled == (dense > 0).mean()
    factor = np.arange(5.0)
    assert_array_equal(maps.scaled(factor), dense * factor[:, None, None, None])
    assert_array_equal(maps.apply(np.sqrt), np.sqrt(dense))


def test_rows_that_are_no_maps_are_refused():
    with pytest.raises(ValueError, match=r"Rows of 5 pixels do not fit .*1, 2, 2"):
        SparseMaps(np.ones((3, 5)), (1, 2, 2))


def test_maps_that_are_not_square_are_refused():
    with pytest.raises(ValueError, match=r"got \(2, 8, 8, 3\)\. Bands come first: np"):
        ClusterSample([0.1, 0.2], maps=np.ones((2, 8, 8, 3)))
    with pytest.raises(ValueError, match=r"square.*, got \(2, 1, 4, 8\)\.$"):
        ClusterSample([0.1, 0.2], maps=np.ones((2, 1, 4, 8)))
    with pytest.raises(ValueError, match=r"unobserved must be square"):
        ClusterSample([0.1], unobserved=np.ones((1, 1, 2, 3)))


def test_only_fields_can_be_dropped_and_never_the_redshift(sample):
    assert "photons" not in sample.drop("photons", "galaxies").fields
    for name in ("photon", "redshift"):
        with pytest.raises(ValueError, match=rf"Cannot drop \['{name}'\]"):
            sample.drop(name)


def arrays_of(sample):
    """Every array that a sample holds, by name."""
    for field in sample.fields:
        value = getattr(sample, field)
        if isinstance(value, Ragged):
            yield f"{field}.offsets", value.offsets
            yield from ((f"{field}.{name}", value[name]) for name in value.columns)
        elif isinstance(value, SparseMaps):
            rows = value.rows
            yield from (
                (f"{field}.rows.{name}", getattr(rows, name))
                for name in ("data", "indices", "indptr")
            )
        else:
            yield field, value


@pytest.fixture
def complete(sample):
    mapped = PhotonMapper(n_pixels=4).transform(sample)
    return mapped.assign(cubes=np.zeros((60, 2, 2, 2)))


@pytest.mark.parametrize(
    "made",
    [
        lambda sample: sample,
        lambda sample: sample[5:9],
        lambda sample: sample[[3, 1]],
        lambda sample: ClusterSample.concatenate([sample, sample]),
        lambda sample: sample.assign(r500c=np.ones(60)),
        lambda sample: sample.assign(
            photons=sample.photons.select(sample.photons["energy"] > 1)
        ),
        lambda sample: sample.assign(maps=sample.maps.scaled(np.ones(60))),
        lambda sample: pickle.loads(pickle.dumps(sample)),
    ],
    ids=["new", "slice", "rows", "joined", "assigned", "selected", "scaled", "pickled"],
)
def test_no_array_of_a_sample_can_be_written(complete, made):
    arrays = dict(arrays_of(made(complete)))
    assert len(arrays) > 15
    assert [name for name, array in arrays.items() if array.flags.writeable] == []
    with pytest.raises(ValueError, match="read-only"):
        made(complete).redshift[0] = 0.3


def test_columns_of_a_list_cannot_be_exchanged(sample):
    with pytest.raises(TypeError, match="does not support item assignment"):
        sample.photons.columns["energy"] = np.zeros(3)
    table = sample.photons.table(0)
    table["energy"] = None
    assert sample.photons.table(0)["energy"] is not None


def test_later_edits_of_the_callers_arrays_do_not_reach_in():
    redshift, center = np.full(3, 0.1), np.zeros((3, 2))
    name, r500c = np.array(["a", "b", "c"]), np.ones(3)
    sample = ClusterSample(redshift, center=center, name=name, r500c=r500c)
    redshift[:], center[:], name[:], r500c[:] = 9, 9, "z", 9
    assert sample.redshift.max() == 0.1
    assert sample.center.max() == 0
    assert sample.r500c.max() == 1
    assert sample.name.tolist() == ["a", "b", "c"]


def test_the_callers_arrays_stay_writeable():
    energy = np.ones(2)
    zeros, offsets = np.zeros(2), np.array([0, 1, 2])
    photons = Ragged({"ra": zeros, "dec": zeros, "energy": energy}, offsets)
    sample = ClusterSample([0.1, 0.2], photons=photons)
    assert np.shares_memory(sample.photons["energy"], energy)
    energy[:], offsets[:] = 2, 0
    assert sample.photons.lengths.tolist() == [1, 1]


def test_html_counts_one_cluster(sample):
    assert "ClusterSample: 1 cluster, " in sample[0]._repr_html_()
