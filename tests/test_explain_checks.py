"""Attribution by hand, its invariances and refusals; and what its checks must catch."""

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.metrics import r2_score

from skcluster import (
    LogScaler,
    PhotonMapper,
    SaliencyExplainer,
    SparseMaps,
    XrayCNNRegressor,
    band_attention,
    radial_saliency,
    source_attention,
    source_maps,
    source_masks,
)
from skcluster.explain import (
    binned,
    check_planted_attention,
    randomized_weights,
    saliency_similarity,
)
from skcluster.explain.cluster_statistics import percentiles, seed_of, summary
from skcluster.explain.radial_profile import pixel_radius
from skcluster.explain.sanity import layers
from skcluster.explain.self_test import WeighingRegressor

some_saliency = arrays(float, (3, 2, 6, 6), elements=st.floats(0, 1e3))


@pytest.fixture(scope="module")
def saliency():
    """Made-up saliency of the sample in two bands, which spans many decades."""
    return np.random.default_rng(5).lognormal(-5, 2, (60, 2, 12, 12))


@pytest.fixture(scope="module")
def sources(sample):
    """Sparse maps of the photons of each origin."""
    mapper = PhotonMapper(bands=((0.5, 2.0), (2.0, 7.0)), n_pixels=12)
    return source_maps(sample, mapper)


@pytest.fixture(scope="module")
def masks(sources):
    return source_masks(sources)


def test_pixel_centers_lie_at_the_radii_of_a_ruler():
    # The middles of 3 x 4 pixels in a square of side 4.
    y, x = (-4 / 3, 0, 4 / 3), (-1.5, -0.5, 0.5, 1.5)
    wanted = [[(a * a + b * b) ** 0.5 for b in x] for a in y]
    assert_allclose(pixel_radius((3, 4), 2.0), wanted, atol=1e-12)


def test_an_annulus_has_its_inner_edge_and_not_its_outer_one():
    # Two pixels per side, of half a side 1: all four centers lie at the root of 0.5.
    only = np.ones((1, 1, 2, 2))
    edge = float(pixel_radius((2, 2), 1.0)[0, 0])
    profile = radial_saliency(only, [1.0], half_width=1.0, bins=[0, edge, 2 * edge])
    assert_array_equal(profile.n_clusters, [0, 1])
    assert_array_equal(profile.median, [np.nan, 1])


def test_clusters_count_alike_whatever_their_number_of_pixels():
    # The inner annulus holds four pixels of the first cluster and all 36 of the second.
    saliency = np.ones((2, 1, 6, 6)) * np.array([1.0, 3.0])[:, None, None, None]
    profile = radial_saliency(saliency, [0.25, 4.5], half_width=0.5, bins=[0, 0.6])
    assert_allclose(profile.profiles, [[1], [3]])
    assert_allclose([profile.low, profile.median, profile.high], [[1.32], [2], [2.68]])


def test_annuli_far_fainter_than_the_core_keep_their_digits():
    saliency = np.full((1, 1, 32, 32), 1e-9)
    saliency[0, 0, 15:17, 15:17] = 1.0
    profile = radial_saliency(saliency, [1.0], half_width=2.3, bins=[0, 0.2, 1, 2, 3])
    assert_allclose(profile.median, [1, 1e-9, 1e-9, 1e-9], rtol=1e-5)


def test_signed_saliency_has_a_signed_profile():
    saliency = np.array([-2.0, 5.0])[None, :, None, None] * np.ones((1, 2, 4, 4))
    profiles = [
        radial_saliency(saliency, [1.0], half_width=2.3, bins=[0, 9], band=band).median[
            0
        ]
        for band in (0, 1, -2, None)
    ]
    assert_allclose(profiles, [-2, 5, -2, 1.5])


def test_a_cluster_keeps_its_profile_in_any_company(saliency):
    r500c = np.linspace(0.4, 1.5, 60)
    many, radii = np.tile(saliency, (3, 1, 1, 1)), np.tile(r500c, 3)
    complete = radial_saliency(many, radii, half_width=2.3).profiles
    order = np.random.default_rng(0).permutation(180)[:150]
    found = radial_saliency(many[order], radii[order], half_width=2.3).profiles
    assert_array_equal(found, complete[order])
    assert_array_equal(complete[:60], complete[120:])


@given(some_saliency, st.integers(0, 7))
def test_radial_saliency_ignores_turns_and_flips(saliency, orientation):
    turned = np.rot90(saliency, orientation % 4, (2, 3))
    turned = turned[..., ::-1] if orientation >= 4 else turned
    radii, bins = [0.8, 1.0, 1.3], [0, 0.7, 1.4, 2.1, 2.8]
    wanted, found = (
        radial_saliency(s, radii, half_width=2.3, bins=bins).profiles
        for s in (saliency, turned)
    )
    assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"half_width": None}, "radial_saliency needs the size of the maps, .* mapper"),
        ({"half_width": True}, "half_width must be a positive number, got True"),
        ({"half_width": -2.3}, r"half_width must be a positive number, got -2\.3"),
        ({"half_width": 0}, "half_width must be a positive number, got 0"),
        ({"half_width": np.nan}, "half_width must be a positive number, got nan"),
        ({"band": -3}, "band=-3 is not one of the 2 bands of the saliency"),
        ({"band": 0.5}, r"band must be an int or None, got 0\.5"),
        ({"bins": [0.0]}, r"increasing edges or None, got \[0\.0\]"),
        ({"bins": [0, 1, 1]}, r"increasing edges or None, got \[0, 1, 1\]"),
        ({"bins": [0, np.nan]}, r"increasing edges or None, got \[0, nan\]"),
        ({"r500c": [1, np.inf, -1]}, r"2 of 3 values of r500c are .* cluster 1, inf\)"),
        (
            {"saliency": np.ones((0, 1, 4, 4))},
            r"at least 1 cluster, got \(0, 1, 4, 4\)",
        ),
        (
            {"saliency": np.ones((3, 2, 4, 4)) * [np.nan, 1, np.inf, 1]},
            r"saliency of 3 of 3 clusters has NaN or infinite pixels \(first: cluster 0\)",
        ),
    ],
)
def test_a_profile_of_nonsense_is_an_error(arguments, words):
    good = {"saliency": np.ones((3, 2, 4, 4)), "r500c": np.ones(3), "half_width": 2.3}
    with pytest.raises(ValueError, match=words):
        radial_saliency(**good | arguments)


def test_a_profile_takes_the_size_of_maps_from_their_geometry(sample):
    """The four inner pixels of 16 of a map 3 Mpc/h wide: their centers at 0.13 Mpc/h."""
    maps = PhotonMapper(n_pixels=16, half_width=1.5).transform(sample[:3]).maps
    planted = np.zeros((3, 1, 16, 16))
    planted[..., 7:9, 7:9] = 7
    rows = SparseMaps.from_dense(planted).rows
    known = SparseMaps(rows, planted.shape[1:], maps.geometry)
    at = np.hypot(1.5 / 16, 1.5 / 16)
    edges = [0, at - 1e-6, at + 1e-6, 3]
    found = radial_saliency(known, np.ones(3), bins=edges).profiles
    assert_array_equal(found, np.tile([np.nan, 7, 0], (3, 1)))
    said = radial_saliency(planted, np.ones(3), half_width=1.5, bins=edges).profiles
    assert_array_equal(found, said)
    wrong = radial_saliency(planted, np.ones(3), half_width=2.3, bins=edges).profiles
    assert np.isnan(wrong[:, 1]).all()


def test_attention_of_four_pixels_by_hand():
    saliency = np.array([[[[6.0, 2.0], [1.0, 0.0]], [[2.0, 0.0], [3.0, 4.0]]]])
    # Bands averaged: 4, 1 / 2, 2.
    icm = np.array([[[1, 1], [0, 0]]], bool)
    agn = np.array([[[0, 0], [0, 1]]], bool)
    icm_counts = [[[[3, 1], [0, 9]], [[0, 1], [0, 0]]]]
    counts = {"icm": SparseMaps.from_dense(np.array(icm_counts, float))}
    result = source_attention(saliency, {"icm": icm, "agn": agn}, counts=counts)
    assert_allclose(result.icm.attention, 2.5)
    assert_allclose(result.icm.share, 5 / 9)
    assert_allclose(result.icm.per_photon, 5 / 5)
    assert "per_photon" not in result.agn
    assert_allclose(result.agn.share, 2 / 9)
    assert_allclose(result.log_ratio.per_cluster, np.log10(2 / 2.5))
    assert_allclose(result.log_ratio.low, np.log10(0.8))
    assert result.log_ratio.n_clusters == result.agn.n_clusters == 1


def test_a_mask_of_everything_has_a_share_of_one(saliency):
    everything = np.ones((60, 12, 12), bool)
    result = source_attention(saliency, {"sky": everything}, random_state=0)
    assert_allclose(result.sky.share, 1)
    assert_allclose(result.sky.attention, saliency.mean(axis=(1, 2, 3)))


def test_source_masks_of_dense_and_sparse_counts_agree(sources):
    icm, agn = (np.asarray(sources[name]).sum(axis=1) for name in ("icm", "agn"))
    found = source_masks(sources)
    assert_array_equal(found.icm, icm > agn)
    assert_array_equal(found.agn, agn > icm)
    assert not (found.icm & found.agn).any()


def test_sums_over_bands_decide_who_dominates():
    # The AGN lead in the first band, the gas in the sum.
    icm = SparseMaps.from_dense(np.array([[[[1.0]], [[5.0]]]]))
    agn = SparseMaps.from_dense(np.array([[[[3.0]], [[1.0]]]]))
    none = SparseMaps.from_dense(np.zeros((1, 2, 1, 1)))
    masks = source_masks({"icm": icm, "agn": agn, "background": none})
    assert [mask.item() for mask in masks.values()] == [True, False, False]


def test_attention_does_not_depend_on_the_neighbors(saliency, masks, sources):
    saliency, n = np.tile(saliency, (6, 1, 1, 1)), 360
    masks = {name: np.tile(mask, (6, 1, 1)) for name, mask in masks.items()}
    # Clusters of one halo have no bootstrap error, which takes time.
    complete = source_attention(saliency, masks, groups=np.zeros(n))
    rows = np.random.default_rng(0).permutation(n)[:300]
    some = {name: mask[rows] for name, mask in masks.items()}
    part = source_attention(saliency[rows], some, groups=np.zeros(300))
    for name in masks:
        for key in ("attention", "share"):
            assert_array_equal(part[name][key], complete[name][key][rows])
    wanted = complete.log_ratio.per_cluster[rows]
    assert_array_equal(part.log_ratio.per_cluster, wanted)
    of_bands = band_attention(saliency, groups=np.zeros(n))
    of_part = band_attention(saliency[rows], groups=np.zeros(300))
    for key in ("attention", "share"):
        assert_array_equal(of_part[key], of_bands[key][rows])


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_attention_turns_with_maps_and_saliency(saliency, masks, turn):
    turned = {name: np.rot90(mask, turn, (1, 2)) for name, mask in masks.items()}
    one_halo = {"groups": np.zeros(60)}
    wanted = source_attention(saliency, masks, **one_halo)
    found = source_attention(np.rot90(saliency, turn, (2, 3)), turned, **one_halo)
    assert_allclose(found.agn.attention, wanted.agn.attention)
    assert_allclose(found.log_ratio.per_cluster, wanted.log_ratio.per_cluster)


@given(some_saliency, st.floats(0.01, 100))
@settings(max_examples=20)
def test_ratios_and_shares_ignore_a_common_factor(saliency, factor):
    mask = np.arange(36).reshape(1, 6, 6) % 3 + np.zeros((3, 1, 1))
    masks = {"icm": mask == 0, "agn": mask == 1}
    one, other = (
        source_attention(s, masks, groups=["halo"] * 3)
        for s in (saliency + 1e-3, factor * (saliency + 1e-3))
    )
    assert_allclose(other.icm.share, one.icm.share)
    assert_allclose(other.agn.attention, factor * one.agn.attention)
    per_cluster = (r.log_ratio.per_cluster for r in (one, other))
    assert_allclose(*per_cluster, atol=1e-12)


def test_a_cluster_without_any_saliency_has_no_share():
    saliency = np.ones((3, 2, 4, 4))
    saliency[1] = 0
    saliency[2, 1] = 0
    bands = band_attention(saliency, random_state=0)
    assert_array_equal(bands.share, [[0.5, 0.5], [np.nan, np.nan], [1, 0]])
    assert_array_equal(bands.attention, [[1, 1], [0, 0], [1, 0]])
    assert_array_equal(bands.n_clusters, [2, 1])
    assert_array_equal(np.isnan(bands.log_median_error), [False, True])
    sky = np.ones((3, 4, 4), bool)
    result = source_attention(saliency, {"sky": sky}, random_state=0)
    assert_array_equal(result.sky.share, [1, np.nan, 1])
    assert_array_equal(result.sky.attention, [1, 0, 0.5])
    assert result.sky.n_clusters == 2


def test_photons_that_are_not_there_have_no_attention():
    counts = {"agn": SparseMaps.from_dense(np.zeros((1, 1, 4, 4)))}
    mask = {"agn": np.ones((1, 4, 4), bool)}
    result = source_attention(np.ones((1, 1, 4, 4)), mask, counts=counts)
    assert_array_equal(result.agn.per_photon, [np.nan])


def test_attention_without_an_error_says_so_in_words(saliency, masks):
    words = "mean of saliency without sign, .* Explain with signed=False"
    for call in (band_attention, lambda s: source_attention(s, masks)):
        with pytest.raises(ValueError, match=words):
            call(-saliency)
    with pytest.raises(ValueError, match=r"Saliency must have shape .* got"):
        band_attention(saliency[0])
    with pytest.raises(ValueError, match=r"mask 'halo' .* needs \(60, 12, 12\)"):
        source_attention(saliency, {"halo": np.ones((60, 144), bool)})
    mask = np.zeros((60, 12, 12))
    gaps = np.ma.masked_array(mask, np.arange(60)[:, None, None] % 30 + mask == 7)
    with pytest.raises(ValueError, match="mask 'halo' has no value in 2 of 60 rows"):
        source_attention(saliency, {"halo": gaps})
    mask[3, :2, :2] = np.nan
    with pytest.raises(ValueError, match="mask 'halo' is NaN in 4 of 8640 pixels"):
        source_attention(saliency, {"halo": mask})
    words = (
        r"Counts have the shape \(60, 1, 8, 8\), which does not fit .* \(60, 12, 12\)"
    )
    counts = {"agn": SparseMaps.from_dense(np.ones((60, 1, 8, 8)))}
    with pytest.raises(ValueError, match=words):
        source_attention(saliency, masks, counts=counts, groups=np.zeros(60))


def test_unknown_origins_are_counted(sample):
    origin = sample.photons["origin"].astype(float)
    origin[[3, 8, 9]] = 7, 7, np.nan
    photons = sample.photons.assign(origin=origin)
    words = rf"AGN\) or 2 \(background\); 3 of {len(origin)} have another \(first: 7"
    with pytest.raises(ValueError, match=words):
        source_maps(sample.assign(photons=photons), PhotonMapper(n_pixels=4))


def test_percentiles_leave_out_what_is_no_number():
    values = np.array([[1.0, np.nan, 5], [2, np.nan, np.nan], [3, np.nan, 7]])
    found = percentiles(values)
    wanted = [[1.32, np.nan, 5.32], [2, np.nan, 6], [2.68, np.nan, 6.68]]
    assert_allclose(found, wanted)
    assert np.isnan(percentiles(np.empty((0, 2)))).all()


def test_one_halo_drawn_again_and_again_has_no_error():
    values, halos = np.array([np.nan, 1.0, 2.0, 4.0]), np.array(["b", "a", "a", "a"])
    of_one = summary(values, halos, 0)
    assert of_one["n_clusters"] == 3
    assert np.isnan(of_one["median_error"])
    assert summary(values, None, 0)["median_error"] > 0


def test_the_error_of_a_median_of_two_is_that_of_coin_tosses():
    # Medians of pairs drawn from 0 and 1: 0, 1/2 and 1 with weights 1:2:1.
    error = summary(np.array([0.0, 1.0]), None, 0)["median_error"]
    assert_allclose(error, np.sqrt(1 / 8), rtol=0.06)
    # Two halos of three equal clusters are the same two things.
    halos, values = np.repeat([8, 3], 3), np.repeat([0.0, 1.0], 3)
    error = summary(values, halos, 0)["median_error"]
    assert_allclose(error, np.sqrt(1 / 8), rtol=0.06)


def test_the_error_is_that_of_the_median():
    # At least two of three draws are the third: 3 (1/3)^2 (2/3) + (1/3)^3 = 7/27.
    error = summary(np.array([0.0, 0.0, 1.0]), None, 0)["median_error"]
    assert_allclose(error, np.sqrt(7 * 20) / 27, rtol=0.06)


def test_groups_reach_the_error_of_every_source_and_band(saliency, masks):
    one_halo = {"groups": np.zeros(60), "random_state": 0}
    result = source_attention(saliency, masks, **one_halo)
    errors = [result[name].log_median_error for name in masks]
    errors += [result.log_ratio.median_error]
    errors += [*band_attention(saliency, **one_halo).log_median_error]
    assert np.isnan(errors).all()


def test_random_state_fixes_every_error(saliency, masks):
    def errors(random_state):
        result = source_attention(saliency, masks, random_state=random_state)
        bands = band_attention(saliency, random_state=random_state)
        return [
            *(result[name].log_median_error for name in masks),
            result.log_ratio.median_error,
            *bands.log_median_error,
        ]

    wanted = errors(3)
    assert (np.array(wanted) > 0).all()
    assert errors(3) == wanted != errors(4)
    assert seed_of(3) == seed_of(np.random.RandomState(3)) != seed_of(4)


def test_bins_are_half_open_and_the_last_has_both_edges():
    by = [0.0, 0.99, 1.0, 1.5, 2.0, 2.01, -0.01, np.nan]
    table = binned(np.arange(8.0), {"z": by}, {"z": [0, 1, 2]}, random_state=0)
    assert table["n_clusters"].tolist() == [2, 3]
    assert table["median"].tolist() == [0.5, 3.0]
    assert table["z_low"].tolist() == [0, 1]
    assert table["z_high"].tolist() == [1, 2]


def test_bins_of_two_numbers_are_all_their_pairs():
    by = {"z": [0.1, 0.1, 0.3, 0.3], "m": [13.0, 14.5, 13.0, 14.5]}
    bins = {"z": [0, 0.2, 1], "m": [12, 14, 15]}
    table = binned([1.0, 2.0, 3.0, 4.0], by, bins)
    assert table.colnames[:4] == ["z_low", "z_high", "m_low", "m_high"]
    rows = zip(table["z_low"], table["m_low"], table["median"], strict=True)
    wanted = [(0, 12, 1.0), (0, 14, 2.0), (0.2, 12, 3.0), (0.2, 14, 4.0)]
    assert list(rows) == wanted
    assert_array_equal(table["low"], table["high"])


def test_bins_do_not_hang_on_the_order_and_groups_go_along():
    rng = np.random.default_rng(0)
    values, z, halos = rng.normal(size=40), rng.uniform(size=40), np.arange(40) // 2
    order = rng.permutation(40)
    one, other = (
        binned(values[i], {"z": z[i]}, {"z": 2}, groups=halos[i], random_state=0)
        for i in (np.arange(40), order)
    )
    for name in ("z_low", "z_high", "n_clusters", "median", "low", "high"):
        assert_allclose(one[name], other[name])
    assert_allclose(one["median_error"], other["median_error"], rtol=0.2)
    lonely = binned(values, {"z": z}, {"z": 2}, groups=np.zeros(40))
    assert np.isnan(lonely["median_error"]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"groups": [1, 2]}, r"groups has the shape \(2,\), but there are 3 clusters"),
        ({"by": {}, "bins": {}}, r"same names, got \[\] and \[\]"),
        ({"bins": {"z": 0}}, r"bins\['z'\] must be a positive int or .*, got 0\."),
        (
            {"bins": {"z": True}},
            r"bins\['z'\] must be a positive int or .*, got True\.",
        ),
        ({"bins": {"z": [1, 1]}}, r"bins\['z'\] must be a positive .* got \[1, 1\]\."),
        ({"by": {"z": [2.0] * 3}}, r"by\['z'\] takes one value only, 2\.0; give edges"),
        ({"by": {"z": [1, 2, np.nan]}}, r"1 of 3 by\['z'\] are not finite; give edges"),
    ],
)
def test_bins_without_sense_are_an_error(change, words):
    good = {"values": [1.0, 2.0, 3.0], "by": {"z": [1.0, 2.0, 3.0]}, "bins": {"z": 2}}
    with pytest.raises(ValueError, match=words):
        binned(**good | change)


def gradient(estimator, sample):
    return SaliencyExplainer(estimator).explain(sample)


def photons_of(estimator, sample):
    return np.asarray(estimator[:-1].transform(sample).maps)


def test_the_planted_estimators_weigh_the_pixels_that_they_say():
    seen = []

    def explain(estimator, sample):
        seen.append((estimator, sample))
        return gradient(estimator, sample)

    table = check_planted_attention(explain, factors=[7], random_state=None)
    assert table.colnames == [
        *("method", "planted", "orientation", "factor", "measured")
    ]
    assert table["orientation"].tolist() == np.repeat(range(8), 2).tolist()
    assert table["planted"].tolist() == ["agn", "ring"] * 8
    patterns, mapper = [], PhotonMapper(n_pixels=16)
    for estimator, sample in seen[::2]:
        counts = source_maps(sample, mapper)
        icm, agn = (np.asarray(counts[name])[0, 0] for name in ("icm", "agn"))
        assert icm.sum() == agn.sum() == 12
        assert_allclose(100 * estimator[-1].weight[0], icm + 7 * agn)
        patterns.append(icm - agn)
    turns = [np.rot90(patterns[0], k) for k in range(4)]
    turns += [np.rot90(patterns[0][:, ::-1], k) for k in range(4)]
    assert_array_equal(patterns, turns)
    for turn in turns[1:]:
        assert not (patterns[0] * turn).any()
    center = 4.6 * (np.arange(16) + 0.5) / 16 - 2.3
    is_ring = [[0.75 <= np.hypot(y, x) < 1.5 for x in center] for y in center]
    for estimator, _ in seen[1::2]:
        assert_allclose(estimator[-1].weight[0], np.where(is_ring, 0.07, 0.01))


def test_a_weighing_regressor_weighs():
    rng = np.random.default_rng(0)
    weight, maps = rng.normal(0, 0.1, (2, 4, 6)), rng.random((5, 2, 4, 6))
    wanted = [14 + sum(weight[p] * x[p] for p in np.ndindex(2, 4, 6)) for x in maps]
    predicted = WeighingRegressor(weight).fit(maps).predict(maps)
    assert_allclose(predicted, wanted, rtol=1e-6)


TURNED = {
    "transposed": lambda s: s.swapaxes(-1, -2),
    "anti-transposed": lambda s: np.rot90(s, 2, (-2, -1)).swapaxes(-1, -2),
    "turned by 90": lambda s: np.rot90(s, 1, (-2, -1)),
    "turned by 270": lambda s: np.rot90(s, -1, (-2, -1)),
    "upside down": lambda s: s[..., ::-1, :],
    "mirrored": lambda s: s[..., ::-1],
}


@pytest.mark.parametrize("turn", TURNED)
def test_an_explainer_that_turns_its_answer_fails_in_all_orientations(turn):
    words = (
        r"^8 of 8 checks failed\. First: with explain, an estimator that looks 1 times as "
        r"hard at the planted agn scores nan in orientation 0\. Is the saliency "
        r"rotated or flipped, or wrong in size\?$"
    )
    with pytest.raises(AssertionError, match=words):
        check_planted_attention(
            lambda *a: TURNED[turn](gradient(*a)), factors=[1], planted=["agn"]
        )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"methods": "gradient"},
            r"methods must be a list .* Give a list: \['gradient'\]",
        ),
        (
            {"planted": ["halo"]},
            r"planted must be a list of names out of \['agn', 'ring'\]",
        ),
        ({"tolerance": "small"}, "tolerance must be a positive number, got 'small'"),
        ({"factors": 10}, "factors must be a list of numbers, got 10"),
        ({"factors": []}, r"factors must be a list of numbers, got \[\]"),
        ({"factors": [0]}, "factors must be a positive number, got 0"),
    ],
)
def test_a_check_of_nothing_is_an_error(options, words):
    with pytest.raises(ValueError, match=words):
        check_planted_attention(**options)


def test_one_wrong_orientation_is_enough_to_fail():
    calls = []

    def wrong_at_last(estimator, sample):
        calls.append(None)
        found = gradient(estimator, sample)
        return found * (photons_of(estimator, sample) + 1) if len(calls) == 8 else found

    words = r"^1 of 8 checks .* hard at the planted ring scores .* in orientation 7\."
    with pytest.raises(AssertionError, match=words):
        check_planted_attention(wrong_at_last, factors=[10], planted=["ring"])


def off_by_one_per_cent(estimator, sample):
    """A saliency that is right but for 1 % where the weight is not the smallest."""
    found = gradient(estimator, sample)
    positive = found[found > 0]
    return np.where(found > 1.001 * positive.min(), 1.01 * found, found)


@pytest.mark.parametrize("planted", ["agn", "ring"])
def test_a_ratio_that_is_off_by_one_per_cent_is_found_out(planted):
    arguments = {"factors": [10], "planted": [planted]}
    words = rf"8 of 8 .* looks 10 times .* planted {planted} scores 10\.1 in"
    with pytest.raises(AssertionError, match=words):
        check_planted_attention(off_by_one_per_cent, **arguments)
    check_planted_attention(off_by_one_per_cent, tolerance=0.011, **arguments)


FORGETFUL = {
    "times the counts": lambda s, m: s * m,
    "not back through the logarithm": lambda s, m: s * 10**m,
    "the root": lambda s, m: np.sqrt(s),
    "without the center's scale": lambda s, m: s / s.max(axis=-1, keepdims=True),
    "without a floor": lambda s, m: s + 0.01 * s.max(),
    "one band of noise": lambda s, m: s + 1e-3 * np.arange(16) / 16,
}


@pytest.mark.parametrize("mistake", FORGETFUL)
def test_a_factor_that_is_not_common_to_all_pixels_is_found_out(mistake):
    def wrong(estimator, sample):
        found = gradient(estimator, sample)
        return FORGETFUL[mistake](found, photons_of(estimator, sample))

    with pytest.raises(AssertionError, match="8 of 8 checks failed"):
        check_planted_attention(wrong, factors=[10], planted=["ring"])


def test_a_factor_common_to_all_pixels_is_no_matter():
    for scaled in (lambda *a: 5e-3 * gradient(*a), lambda *a: -gradient(*a)):
        table = check_planted_attention(scaled, factors=[0.1])
        assert_allclose(table["measured"], 0.1, rtol=1e-3)


@pytest.fixture(scope="module")
def two_members(log_mass):
    """A network of two members, trained for a moment, and its maps."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (24, 1, 8, 8)) + (log_mass[:24] - 14)[:, None, None, None]
    network = XrayCNNRegressor(
        n_members=2, max_epochs=3, device="cpu", n_threads=1, random_state=0
    )
    return network.fit(x, log_mass[:24]), x


def weights(estimator, member):
    """Weight and bias of each layer."""
    parts = layers(estimator.nets_[member].module_)
    return [np.concatenate([p.detach().ravel() for p in _.parameters()]) for _ in parts]


def test_layers_are_forgotten_from_the_output_on_in_every_member(two_members):
    network, _ = two_members
    before = joblib.hash(network)
    of = {n: randomized_weights(network, n, random_state=7) for n in range(9)}
    for n, member in np.ndindex(9, 2):
        mine, theirs = weights(network, member), weights(of[n], member)
        # Biases of units that never answered are 0 before and after.
        changed = [np.mean(a != b) for a, b in zip(mine, theirs, strict=True)]
        assert changed[: 8 - n] == [0] * (8 - n)
        assert min(changed[8 - n :], default=1) > 0.5
        # Fewer layers forget to the very same weights.
        forgotten = weights(of[8], member)[8 - n :]
        assert all(map(np.array_equal, theirs[8 - n :], forgotten))
    members = (weights(of[8], member) for member in (0, 1))
    assert all(np.mean(a != b) > 0.5 for a, b in zip(*members, strict=True))
    assert joblib.hash(network) == before


def test_a_network_does_not_get_back_the_weights_that_it_began_with(two_members):
    # It was made with random_state=0 too, and has hardly learned since.
    network, _ = two_members
    forgetful = randomized_weights(network, 8, random_state=network.random_state)
    for member in (0, 1):
        pairs = zip(weights(network, member), weights(forgetful, member), strict=True)
        assert max(abs(np.corrcoef(*pair)[0, 1]) for pair in pairs) < 0.5


def test_random_state_fixes_what_is_forgotten(two_members):
    network, x = two_members
    one, same, other = (
        randomized_weights(network, 3, random_state=seed).predict(x)
        for seed in (1, np.random.RandomState(1), 2)
    )
    assert_array_equal(one, same)
    assert (one != other).all()
    assert_array_equal(randomized_weights(network, 0).predict(x), network.predict(x))


@pytest.mark.parametrize("n_layers", [-1, 9, 2.5, np.nan, True, "all"])
def test_the_number_of_layers_is_a_number_of_layers(two_members, n_layers):
    words = rf"from 0 to 8, the layers of the network, got {n_layers!r}\."
    with pytest.raises(ValueError, match=words):
        randomized_weights(two_members[0], n_layers)


def test_what_has_no_network_has_no_layers():
    with pytest.raises(TypeError, match="fitted networks, got LogScaler"):
        randomized_weights(LogScaler(), 1)


@pytest.fixture(scope="module")
def ring_survey():
    """Maps whose photons in a ring follow the mass, while those elsewhere do not."""
    rng = np.random.default_rng(0)
    log_mass = rng.uniform(13.5, 15, 120)
    radius = pixel_radius((16, 16), 2.3)
    is_ring = (radius >= 0.8) & (radius < 1.5)
    rate = np.where(is_ring, 10 ** (log_mass - 14.25)[:, None, None], 1.0)
    return np.log10(1 + rng.poisson(2.5 * rate[:, None])), log_mass, is_ring


@pytest.fixture(scope="module")
def ring_network(ring_survey):
    x, log_mass, _ = ring_survey
    network = XrayCNNRegressor(
        max_epochs=10, batch_size=20, device="cpu", n_threads=1, random_state=0
    )
    return network.fit(x, log_mass)


def ring_attention(network, ring_survey):
    """Median log10 ratio of the saliency in the ring to that elsewhere."""
    x, _, is_ring = ring_survey
    ring = np.broadcast_to(is_ring, (len(x), 16, 16))
    saliency = SaliencyExplainer(network).explain(x)
    masks = {"agn": ring, "icm": ~ring}
    return source_attention(saliency, masks, groups=np.zeros(len(x))).log_ratio.median


def test_only_a_network_of_true_masses_looks_at_the_ring(ring_survey, ring_network):
    # Over five seeds: 0.27 to 0.34 with true masses, 0.06 to 0.15 with shuffled ones.
    x, log_mass, _ = ring_survey
    shuffled = np.random.default_rng(50).permutation(log_mass)
    ignorant = clone(ring_network).fit(x, shuffled)
    assert ring_attention(ring_network, ring_survey) > 0.22
    assert abs(ring_attention(ignorant, ring_survey)) < 0.19
    untrained = randomized_weights(ring_network, 8, random_state=0)
    assert abs(ring_attention(untrained, ring_survey)) < 0.19
    assert r2_score(log_mass, ring_network.predict(x)) > 0.9


def test_the_more_layers_forget_the_less_is_left_of_a_saliency(
    ring_survey, ring_network
):
    x = ring_survey[0][:40]
    saliency = SaliencyExplainer(ring_network).explain(x)
    similarity = np.empty((6, 4))
    for seed in range(6):
        for i, n_layers in enumerate((0, 1, 5, 8)):
            forgetful = randomized_weights(ring_network, n_layers, random_state=seed)
            found = SaliencyExplainer(forgetful).explain(x)
            similarity[seed, i] = np.median(saliency_similarity(saliency, found))
    none, *_, all_of_them = similarity.mean(axis=0)
    assert_allclose(none, 1)
    assert (np.diff(similarity.mean(axis=0)) < 0.02).all()
    assert all_of_them < 0.25


@pytest.mark.parametrize("kind", ["smooth", "tied", "one value", "signed"])
def test_similarity_of_a_cluster_is_spearmans_in_any_company(kind):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(300, 2, 4, 5))
    b = a + rng.normal(size=a.shape)
    if kind == "tied":
        a, b = a.round(), np.maximum(b, 0)
    if kind == "one value":
        b[...] = 3.0
    if kind == "signed":
        b = -b
    found = saliency_similarity(a, b)
    if kind == "one value":
        assert np.isnan(found).all()
        return
    for i in (0, 17, 255, 256, 299):
        wanted = spearmanr(a[i].ravel(), b[i].ravel()).statistic
        assert_allclose(found[i], wanted, rtol=1e-10)
    order = rng.permutation(300)[:280]
    assert_array_equal(saliency_similarity(a[order], b[order]), found[order])
    assert_array_equal(saliency_similarity(b, a), found)
    assert_allclose(saliency_similarity(a, np.exp(b)), found)


def test_similarity_needs_saliencies_of_one_shape():
    words = r"The saliencies have the shapes \(2, 1, 4, 4\) and \(2, 1, 4, 5\)\."
    with pytest.raises(ValueError, match=words):
        saliency_similarity(np.ones((2, 1, 4, 4)), np.ones((2, 1, 4, 5)))
    with pytest.raises(ValueError, match=r"Saliency must have shape .* got \(4, 4\)"):
        saliency_similarity(np.ones((4, 4)), np.ones((4, 4)))
