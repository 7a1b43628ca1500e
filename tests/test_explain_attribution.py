"""Saliency by radius, source and band; planted attention; sanity checks."""

import copy

import joblib
import numpy as np
import pytest
from astropy import units
from astropy.table import Column
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skcluster import (
    ClusterSample,
    LogScaler,
    PhotonMapper,
    SaliencyExplainer,
    SparseMaps,
    XrayCNNRegressor,
    band_attention,
    proxy_saliency,
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
from skcluster.explain.sanity import layers

TWO_BANDS = PhotonMapper(bands=((0.5, 2.0), (2.0, 10.0)), n_pixels=16)
NAMES = ("icm", "agn", "background")


@pytest.fixture(scope="module")
def sources(sample):
    """Maps of the photons of each origin, in two bands."""
    return source_maps(sample, TWO_BANDS)


@pytest.fixture(scope="module")
def masks(sources):
    """Pixels that each source dominates."""
    return source_masks(sources)


@pytest.fixture(scope="module")
def saliency():
    """Made-up saliency of the sample, the same for no two pixels."""
    return np.random.default_rng(0).gamma(0.3, 1e-3, (60, 2, 16, 16)).astype(np.float32)


def slow_profiles(saliency, r500c, edges, half_width):
    """Mean in each annulus, cluster by cluster and pixel by pixel."""
    n_pixels = saliency.shape[-1]
    values = [[[] for _ in edges[1:]] for _ in saliency]
    for i, _, row, column in np.ndindex(saliency.shape):
        x, y = (
            2 * half_width * (j + 0.5) / n_pixels - half_width for j in (column, row)
        )
        for k in range(len(edges) - 1):
            if edges[k] <= np.hypot(x, y) / r500c[i] < edges[k + 1]:
                values[i][k].append(saliency[i, _, row, column])
    return [[np.mean(v) if v else np.nan for v in of_one] for of_one in values]


def test_radial_saliency_is_the_mean_in_each_annulus(saliency):
    few, r500c = saliency[:6, :, :8, :8].astype(float), np.linspace(0.5, 1.7, 6)
    edges = [0, 0.3, 0.5, 1.0, 2.0, 2.5, 9.0, 10.0]
    profile = radial_saliency(few, r500c, half_width=2.0, bins=edges)
    wanted = np.array(slow_profiles(few, r500c, edges, 2.0))
    assert_allclose(profile.profiles, wanted, rtol=1e-9)
    assert_array_equal(profile.n_clusters, np.isfinite(wanted).sum(axis=0))
    assert profile.n_clusters[-1] == 0
    assert 0 < profile.n_clusters[0] < 6
    for k in range(6):
        kept = wanted[np.isfinite(wanted[:, k]), k]
        quantiles = np.quantile(kept, [0.16, 0.5, 0.84])
        found = [profile[name][k] for name in ("low", "median", "high")]
        assert_allclose(found, quantiles, rtol=1e-9)
    assert np.isnan(profile.median[-1])
    assert_allclose(profile.radius, (np.array(edges[1:]) + edges[:-1]) / 2)


def test_annuli_are_half_open():
    innermost = np.hypot(0.5, 0.5)
    edges = [0, innermost, 3]
    found = radial_saliency(np.ones((1, 1, 4, 4)), [1.0], half_width=2.0, bins=edges)
    assert_array_equal(found.profiles, [[np.nan, 1.0]])


def test_radii_with_a_unit_are_converted_or_refused(saliency):
    r500c = np.linspace(0.5, 1.7, len(saliency))
    bare, given = (
        radial_saliency(saliency, radii, half_width=2.0).profiles
        for radii in (r500c, Column(1e3 * r500c, unit="kpc/h"))
    )
    assert_allclose(given, bare)
    with pytest.raises(ValueError, match=r"r500c has the unit 'Mpc', .*comoving Mpc/h"):
        radial_saliency(saliency, r500c * units.Mpc, half_width=2.0)
    with pytest.raises(ValueError, match=r"r500c has the unit 'Mpc', .*comoving Mpc/h"):
        proxy_saliency(saliency, 1.5, r500c=r500c * units.Mpc, half_width=2.0)


def test_radial_saliency_of_one_band(saliency):
    r500c = np.ones(60)
    second = radial_saliency(saliency, r500c, half_width=2.3, band=1)
    assert_array_equal(
        second.profiles,
        radial_saliency(saliency[:, 1:], r500c, half_width=2.3).profiles,
    )
    assert_array_equal(
        second.profiles,
        radial_saliency(saliency, r500c, half_width=2.3, band=-1).profiles,
    )


def test_default_annuli_resolve_the_core():
    edges = radial_saliency(np.ones((1, 1, 8, 8)), [0.6], half_width=2.3).edges
    assert_allclose([edges[0], edges[-1]], [0, 3])
    assert_allclose(np.diff(edges), 0.05)
    profile = radial_saliency(
        np.ones((200, 1, 128, 128)), np.linspace(0.4, 1.2, 200), half_width=2.3
    )
    assert_allclose(profile.median, 1)
    assert profile.n_clusters[1] > 100


def test_radius_is_in_units_of_r500c(saliency):
    wanted = radial_saliency(saliency, np.full(60, 0.8), half_width=2.3, bins=7)
    scaled = radial_saliency(saliency, np.full(60, 1.6), half_width=4.6, bins=7)
    assert_array_equal(scaled.profiles, wanted.profiles)
    assert_allclose(wanted.edges, np.linspace(0, 3, 8))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"bins": [1, 0]}, r"increasing edges or None, got \[1, 0\]"),
        ({"bins": 0}, "positive int, at least 2 increasing edges"),
        ({"bins": True}, "positive int, at least 2 increasing edges"),
        ({"band": 2}, "band=2 is not one of the 2 bands"),
        ({"r500c": np.ones(3)}, r"r500c has the shape \(3,\), but there are 60"),
        ({"r500c": np.zeros(60)}, r"60 of 60 values of r500c .* cluster 0, 0\)"),
        ({"r500c": np.full(60, 900.0)}, "they look like kpc"),
        ({"saliency": np.ones((3, 8, 8))}, r"Saliency must have shape .*\(3, 8, 8\)"),
    ],
)
def test_radial_saliency_refuses_what_makes_no_sense(saliency, arguments, words):
    good = {"saliency": saliency, "r500c": np.ones(60), "half_width": 2.3}
    with pytest.raises(ValueError, match=words):
        radial_saliency(**good | arguments)


def test_sources_add_up_to_the_map(sample, sources):
    total = sum(np.asarray(sources[name]) for name in NAMES)
    assert_array_equal(total, np.asarray(TWO_BANDS.transform(sample).maps))


def test_sources_hold_the_photons_of_their_origin(sample, sources):
    one_by_one = [
        {key: column[origin == code] for key, column in table.items()}
        for code in (0, 1, 2)
        for table in map(sample.photons.table, range(60))
        for origin in [table["origin"]]
    ]
    for code, name in enumerate(NAMES):
        alone = sample.assign(photons=one_by_one[60 * code : 60 * (code + 1)])
        wanted = TWO_BANDS.transform(alone).maps
        assert_array_equal(np.asarray(sources[name]), np.asarray(wanted))


def test_sources_need_the_origin(sample):
    columns = {name: sample.photons[name] for name in ("ra", "dec", "energy")}
    unknown = sample.assign(
        photons=type(sample.photons)(columns, sample.photons.offsets)
    )
    with pytest.raises(ValueError, match="needs the photons' origin; they have"):
        source_maps(unknown, TWO_BANDS)
    wrong = sample.assign(
        photons=sample.photons.assign(origin=sample.photons["origin"] + 1)
    )
    with pytest.raises(ValueError, match=r"have another \(first: 3\)"):
        source_maps(wrong, TWO_BANDS)
    with pytest.raises(ValueError, match=r"source_maps needs sample\.photons"):
        source_maps(sample.drop("photons"), TWO_BANDS)


def test_masks_say_who_has_more_photons(sources, masks):
    icm, agn, background = (np.asarray(sources[name]).sum(axis=1) for name in NAMES)
    for pixel in np.ndindex(icm.shape):
        n_icm, n_agn, n_background = icm[pixel], agn[pixel], background[pixel]
        assert masks.icm[pixel] == (n_icm > n_agn)
        assert masks.agn[pixel] == (n_agn > n_icm)
        alone = n_background > 0 and n_icm == n_agn == 0
        assert masks.background[pixel] == alone
    is_tie = (icm == agn) & (icm > 0)
    assert is_tie.any()
    assert not (masks.icm | masks.agn | masks.background)[is_tie].any()
    assert {mask.dtype for mask in masks.values()} == {np.dtype(bool)}


def test_attention_is_the_mean_over_the_mask(saliency, masks, sources):
    result = source_attention(saliency, masks, counts=sources, random_state=0)
    for name in NAMES:
        counts = np.asarray(sources[name])
        for i in range(60):
            inside = [pixel for pixel in np.ndindex(16, 16) if masks[name][i][pixel]]
            of_pixels = [
                saliency[i][(slice(None), *p)].mean(dtype=float) for p in inside
            ]
            total = saliency[i].mean(axis=0, dtype=float).sum()
            photons = sum(counts[i][(slice(None), *p)].sum() for p in inside)
            found = result[name]
            assert_allclose(found.attention[i], np.mean(of_pixels), rtol=1e-9)
            assert_allclose(found.share[i], np.sum(of_pixels) / total, rtol=1e-9)
            assert_allclose(found.per_photon[i], np.sum(of_pixels) / photons, rtol=1e-9)
        logs = np.quantile(np.log10(result[name].attention), [0.16, 0.5, 0.84])
        summed = [result[name][f"log_{key}"] for key in ("low", "median", "high")]
        assert_allclose(summed, logs, rtol=1e-9)
    ratio = np.log10(result.agn.attention / result.icm.attention)
    assert_allclose(result.log_ratio.per_cluster, ratio)
    assert_allclose(result.log_ratio.median, np.median(ratio))
    assert result.log_ratio.n_clusters == 60


def test_attention_in_an_empty_mask_is_not_a_number(saliency, masks):
    masks = {"icm": masks.icm, "agn": masks.agn.copy()}
    masks["agn"][3] = False
    saliency = saliency.copy()
    saliency[5] = np.where(masks["agn"][5], 0, saliency[5])
    result = source_attention(saliency, masks, random_state=0)
    assert np.isnan(result.agn.attention[3])
    assert result.agn.attention[5] == 0
    assert result.agn.share[3] == 0
    assert_array_equal(np.isnan(result.log_ratio.per_cluster).nonzero()[0], [3, 5])
    assert result.agn.n_clusters == result.log_ratio.n_clusters == 58
    assert result.icm.n_clusters == 60
    assert "log_ratio" not in source_attention(saliency, {"any": masks["icm"]})


def test_pixels_of_no_saliency_count_in_the_mean():
    saliency = np.zeros((1, 1, 2, 2))
    saliency[0, 0, 0, 0] = 8
    result = source_attention(saliency, {"all": np.ones((1, 2, 2), bool)})
    assert result["all"].attention == [2]
    assert np.isnan(result["all"].log_median_error)


def test_bootstrap_draws_whole_halos(saliency, masks):
    twice = np.concatenate([saliency, saliency])
    both = {name: np.concatenate([mask, mask]) for name, mask in masks.items()}
    halo = np.tile(np.arange(60), 2)
    once, by_halo, by_entry = (
        source_attention(*arguments, groups=groups, random_state=0).log_ratio
        for arguments, groups in (
            ((saliency, masks), None),
            ((twice, both), halo),
            ((twice, both), None),
        )
    )
    assert_allclose(by_halo.median_error, once.median_error, rtol=0.15)
    assert by_entry.median_error < 0.85 * by_halo.median_error
    # The error of a median of Gaussian numbers.
    per_cluster = np.random.default_rng(0).normal(size=60)
    fake = 10 ** per_cluster[:, None, None, None] * np.ones((60, 1, 2, 2))
    error = band_attention(fake, random_state=0).log_median_error
    assert_allclose(error, np.sqrt(np.pi / 2 / 60), rtol=0.4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"saliency": -np.ones((60, 2, 16, 16))}, "some is negative or NaN"),
        ({"saliency": np.full((60, 2, 16, 16), np.nan)}, "some is negative or NaN"),
        ({"masks": {"icm": np.ones((60, 8, 8))}}, r"'icm' has the shape \(60, 8, 8\)"),
        ({"groups": np.arange(59)}, r"groups has the shape \(59,\), but there are 60"),
    ],
)
def test_attention_refuses_what_makes_no_sense(saliency, masks, change, words):
    with pytest.raises(ValueError, match=words):
        source_attention(**{"saliency": saliency, "masks": masks} | change)


def test_counts_must_fit_the_masks(saliency, masks):
    counts = {"icm": SparseMaps.from_dense(np.ones((60, 1, 8, 8)))}
    with pytest.raises(ValueError, match="does not fit masks"):
        source_attention(saliency, masks, counts=counts)


def test_band_attention_is_the_mean_of_each_band(saliency):
    result = band_attention(saliency, random_state=0)
    for i in range(60):
        means = [saliency[i, band].mean(dtype=float) for band in (0, 1)]
        assert_allclose(result.attention[i], means, rtol=1e-6)
        assert_allclose(result.share[i], means / np.sum(means), rtol=1e-6)
    logs = np.log10(result.attention)
    assert_allclose(result.log_median, np.median(logs, axis=0))
    assert_allclose(result.log_low, np.quantile(logs, 0.16, axis=0))
    assert_allclose(result.log_high, np.quantile(logs, 0.84, axis=0))
    assert_array_equal(result.n_clusters, [60, 60])
    assert (result.log_median_error > 0).all()
    with pytest.raises(ValueError, match="some is negative or NaN"):
        band_attention(-saliency)


def test_numbers_are_listed_by_redshift_and_mass(sample, log_mass):
    values = np.random.default_rng(0).normal(size=60)
    values[7] = np.nan
    by = {"redshift": sample.redshift, "log_mass": log_mass}
    bins = {"redshift": [0.1, 0.2, 0.4], "log_mass": [13.5, 14.2, 14.9]}
    table = binned(values, by, bins, random_state=0)
    assert len(table) == 4
    for row in table:
        inside = np.isfinite(values)
        # Only the last bin has its upper edge.
        z_high = row["redshift_high"] + (row["redshift_high"] == 0.4)
        inside &= (by["redshift"] >= row["redshift_low"]) & (by["redshift"] < z_high)
        inside &= (log_mass >= row["log_mass_low"]) & (log_mass < row["log_mass_high"])
        kept = values[inside]
        assert row["n_clusters"] == len(kept) > 2
        wanted = np.quantile(kept, [0.16, 0.5, 0.84])
        assert_allclose([row["low"], row["median"], row["high"]], wanted)
        assert 0 < row["median_error"] < 1


def test_masked_numbers_are_left_out_of_bins():
    values = np.ma.masked_equal([1.0, 3.0, -99.0, 7.0], -99.0)
    by = {"redshift": np.ma.masked_equal([0.1, 0.1, 0.1, 0.3], 0.3)}
    (row,) = binned(values, by, {"redshift": [0, 1]}, random_state=0)
    assert (row["n_clusters"], row["median"]) == (2, 2.0)
    with pytest.raises(ValueError, match=r"1 of 4 by\['redshift'\] are not finite"):
        binned(values, by, {"redshift": 1})


def test_bins_of_equally_many_clusters(log_mass):
    table = binned(log_mass, {"log_mass": log_mass}, {"log_mass": 4})
    assert_array_equal(table["n_clusters"], 15)
    wanted = np.median(np.sort(log_mass).reshape(4, 15), axis=1)
    assert_allclose(table["median"], wanted)


def test_a_bin_with_too_few_clusters_has_no_error():
    by, groups = {"z": [0.1, 0.3, 0.3]}, ["a", "b", "b"]
    table = binned([1.0, 2.0, 4.0], by, {"z": [0, 0.2, 0.4, 0.6]}, groups=groups)
    assert_array_equal(table["n_clusters"], [1, 2, 0])
    assert_array_equal(table["median"], [1.0, 3.0, np.nan])
    assert np.isnan(table["median_error"]).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1.0], {"z": [1.0]}, {"m": 1}), r"same names, got \['z'\] and \['m'\]"),
        (([1.0], {"z": [1.0, 2.0]}, {"z": 1}), r"by\['z'\] has the shape \(2,\)"),
        (([1.0], {"z": [1.0]}, {"z": [2, 1]}), r"bins\['z'\] must be a positive int"),
        (([[1.0]], {"z": [1.0]}, {"z": 1}), r"must be 1-d, got shape \(1, 1\)"),
    ],
)
def test_binning_refuses_what_makes_no_sense(arguments, words):
    with pytest.raises(ValueError, match=words):
        binned(*arguments)


def test_planted_attention_is_measured():
    table = check_planted_attention(factors=(0.1, 1, 10, 30))
    assert len(table) == 3 * 2 * 8 * 4
    assert_allclose(table["measured"], table["factor"], rtol=1e-3)
    assert set(table["method"]) == {"gradient", "smoothgrad", "deep_dream"}
    assert set(table["planted"]) == {"agn", "ring"}


def test_integrated_gradients_measure_planted_sources():
    table = check_planted_attention(
        methods=["integrated_gradients"], planted=["agn"], factors=[0.1, 10]
    )
    assert_allclose(table["measured"], table["factor"], rtol=1e-3)
    with pytest.raises(
        AssertionError, match=r"with integrated_gradients, .* planted ring"
    ):
        check_planted_attention(methods=["integrated_gradients"], factors=[10])


def ours(estimator, sample):
    """The plain gradient, as somebody else's explainer."""
    return SaliencyExplainer(estimator).explain(sample)


TURNS = {
    "transposed": lambda s: s.swapaxes(-1, -2),
    "turned by 90": lambda s: np.rot90(s, 1, (-2, -1)),
    "turned by 180": lambda s: np.rot90(s, 2, (-2, -1)),
    "turned by 270": lambda s: np.rot90(s, 3, (-2, -1)),
    "flipped west": lambda s: s[..., ::-1],
    "flipped north": lambda s: s[..., ::-1, :],
    "shifted": lambda s: np.roll(s, 1, -1),
}


@pytest.mark.parametrize("factor", [0.1, 1, 10])
@pytest.mark.parametrize("turn", TURNS)
def test_saliency_that_is_turned_against_the_maps_is_found_out(turn, factor):
    def wrong(estimator, sample):
        return TURNS[turn](ours(estimator, sample))

    with pytest.raises(AssertionError, match=r"8 of 8 checks failed\. First: with"):
        check_planted_attention(wrong, factors=[factor], planted=["agn"])


def test_saliency_of_a_wrong_size_is_found_out():
    def squared(estimator, sample):
        return ours(estimator, sample) ** 2

    with pytest.raises(AssertionError, match=r"10 times as hard .* scores 100 in"):
        check_planted_attention(squared, factors=[10])
    scaled = check_planted_attention(lambda *a: -3 * ours(*a), factors=[10])
    assert set(scaled["method"]) == {"explain"}


def test_saliency_that_is_off_center_is_found_out():
    def shifted(estimator, sample):
        return np.roll(ours(estimator, sample), 1, -2)

    with pytest.raises(AssertionError, match="at the planted ring scores"):
        check_planted_attention(shifted, factors=[10], planted=["ring"])


@pytest.fixture(scope="module")
def network(log_mass):
    """A network of which the mass is in the left half of the map, and its maps."""
    rng = np.random.default_rng(0)
    rate = np.ones((60, 1, 16, 16))
    rate[..., :8] *= 10 ** (log_mass - 14)[:, None, None, None]
    x = np.log10(1 + rng.poisson(rate))
    learner = XrayCNNRegressor(
        max_epochs=15, batch_size=20, device="cpu", n_threads=1, random_state=0
    )
    return learner.fit(x, log_mass), x


def left_over_right(network, x):
    """Ratio of the saliencies of the two halves of the map."""
    saliency = SaliencyExplainer(network).explain(x)
    return np.median(
        saliency[..., :8].mean(axis=(1, 2, 3)) / saliency[..., 8:].mean(axis=(1, 2, 3))
    )


def test_structure_of_the_saliency_vanishes_with_masses_in_random_order(
    network, log_mass
):
    trained, x = network
    shuffled = np.random.default_rng(1).permutation(log_mass)
    ignorant = clone(trained).fit(x, shuffled)
    assert left_over_right(trained, x) > 1.5
    assert abs(np.log(left_over_right(ignorant, x))) < np.log(1.4)


def test_last_layers_are_forgotten_one_after_the_other(network):
    trained, x = network
    before = joblib.hash(trained)
    saliency = SaliencyExplainer(trained).explain(x)
    for n_layers in (0, 1, 3, 8):
        other = randomized_weights(trained, n_layers, random_state=0)
        pairs = zip(
            layers(trained.net_.module_), layers(other.net_.module_), strict=True
        )
        kept = [bool((mine.weight == new.weight).all()) for mine, new in pairs]
        assert kept == [True] * (8 - n_layers) + [False] * n_layers
        changed = SaliencyExplainer(other).explain(x)
        similarity = np.median(saliency_similarity(saliency, changed))
        assert (similarity == 1) == (n_layers == 0)
        again = randomized_weights(trained, n_layers, random_state=0)
        assert_array_equal(again.predict(x), other.predict(x))
    assert similarity < 0.5
    assert joblib.hash(trained) == before


@pytest.mark.filterwarnings("ignore:.*far outside the training range")
def test_weights_of_a_pipeline_are_randomized(network):
    trained, x = network
    pipeline = make_pipeline(LogScaler(), trained)
    other = randomized_weights(pipeline, 8, random_state=0)
    assert type(other) is type(pipeline)
    assert (other.predict(x) != pipeline.predict(x)).all()
    assert other[-1].target_mean_ == trained.target_mean_


@pytest.mark.parametrize("n_layers", [-1, 9])
def test_a_network_has_only_so_many_layers(network, n_layers):
    with pytest.raises(ValueError, match=f"from 0 to 8, .* got {n_layers}"):
        randomized_weights(network[0], n_layers)


def test_similarity_is_spearmans(saliency):
    other = saliency + np.random.default_rng(0).choice([0, 1e-3], saliency.shape)
    other[0] = 1.0
    other[1, :, 3:] = 0
    found = saliency_similarity(saliency, other)
    for i in range(1, 60):
        wanted = spearmanr(saliency[i].ravel(), other[i].ravel()).statistic
        assert_allclose(found[i], wanted, rtol=1e-9)
    assert np.isnan(found[0])
    with pytest.raises(ValueError, match=r"shapes \(60, 2, 16, 16\) and \(59, 2"):
        saliency_similarity(saliency, other[1:])


def test_the_proxy_looks_harder_at_planted_bright_pixels():
    # Eq. 13: a pixel with nine photons has the saliency of ten empty ones.
    counts = np.zeros((1, 1, 4, 4))
    counts[0, 0, 1, 2] = 9
    counts[0, 0, 3, 1] = 1
    sample = ClusterSample([0.1], maps=counts)
    maps = LogScaler().transform(sample).maps
    agn, icm = counts[:, 0] == 9, counts[:, 0] == 1
    result = source_attention(
        proxy_saliency(maps, 1.5), {"agn": agn, "icm": icm}, random_state=0
    )
    assert_allclose(10**result.log_ratio.median, 5, rtol=1e-6)


def test_copies_are_deep(network):
    trained, x = network
    other = copy.deepcopy(trained)
    assert_array_equal(other.predict(x), trained.predict(x))
