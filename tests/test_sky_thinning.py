"""Thinning: a binomial choice per photon, the same for a cluster in any company."""

import numpy as np
import pytest
from astropy import units
from numpy.testing import assert_array_equal
from scipy import stats

from skcluster import (
    ClusterSample,
    GalaxyFeaturizer,
    PhotonFeaturizer,
    PhotonMapper,
    add_catalog_errors,
    recenter,
    remove_sources,
    thin_photons,
)
from skcluster.datasets import make_mock_survey

N_PHOTONS = 200


def survey(n_clusters=600, n_photons=N_PHOTONS, exposure=2000.0, seed=0, **fields):
    """Clusters of `n_photons` each, many of them in the same pixels and energies."""
    rng = np.random.default_rng(seed)
    photons = [
        {
            "ra": 10 + rng.integers(0, 9, n_photons) / 100,
            "dec": rng.integers(0, 9, n_photons) / 100,
            "energy": np.full(n_photons, 1.0),
            "row": np.arange(n_photons),
        }
        for _ in range(n_clusters)
    ]
    if exposure is not None:
        fields["exposure"] = np.full(n_clusters, exposure)
    center = np.tile([10.04, 0.04], (n_clusters, 1))
    return ClusterSample(
        np.full(n_clusters, 0.2), photons=photons, center=center, **fields
    )


@pytest.fixture(scope="module")
def sample():
    return survey()


def kept_rows(sample, thinned):
    """Which photons of all are left, as booleans of shape (n_clusters, N_PHOTONS)."""
    kept = np.zeros((len(sample), N_PHOTONS), bool)
    kept[thinned.photons.cluster, thinned.photons["row"]] = True
    return kept


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_counts_that_are_left_are_binomial(sample, share):
    thinned = thin_photons(sample, exposure=2000 * share, random_state=1)
    n = thinned.photons.lengths
    expected = stats.binom(N_PHOTONS, share)
    edges = expected.ppf(np.linspace(0, 1, 9)[1:-1]) + 0.5
    observed = np.bincount(np.searchsorted(edges, n), minlength=8)
    chance = np.diff(expected.cdf([-np.inf, *edges, np.inf]))
    assert stats.chisquare(observed, len(sample) * chance).pvalue > 0.01
    assert_array_equal(thinned.exposure, np.full(len(sample), 2000 * share))


def test_every_photon_has_the_same_chance_whatever_its_pixel(sample):
    kept = kept_rows(sample, thin_photons(sample, exposure=500, random_state=2))
    times = kept.sum(axis=0)
    z = (times - len(sample) / 4) / np.sqrt(len(sample) * 3 / 16)
    assert stats.kstest(z, "norm").pvalue > 0.01
    # Photons of one pixel and energy are chosen one by one, and not together.
    pairs = np.corrcoef(kept.T)[np.triu_indices(N_PHOTONS, 1)]
    assert abs(pairs.mean()) < 4 / np.sqrt(len(sample) * len(pairs))


def test_poisson_counts_stay_poisson():
    rng = np.random.default_rng(5)
    n = rng.poisson(40, 3000)
    photons = [{name: rng.random(k) + 1 for name in ("ra", "dec", "energy")} for k in n]
    deep = ClusterSample(np.full(3000, 0.1), photons=photons)
    n = thin_photons(deep, fraction=0.25, random_state=0).photons.lengths
    assert abs(n.mean() - 10) < 4 * np.sqrt(10 / 3000)
    assert abs(n.var(ddof=1) / n.mean() - 1) < 4 * np.sqrt(2 / 2999)


def test_thinning_twice_is_thinning_by_the_product(sample):
    once = thin_photons(sample, exposure=1000, random_state=3)
    twice = thin_photons(once, exposure=500, random_state=3)
    n = twice.photons.lengths.sum()
    total = len(sample) * N_PHOTONS
    assert abs(n - total / 4) < 4 * np.sqrt(total * 3 / 16)


def test_other_seeds_choose_independently(sample):
    kept = [
        kept_rows(sample, thin_photons(sample, fraction=0.5, random_state=seed))
        for seed in (0, 1)
    ]
    share = np.mean(kept[0] & kept[1])
    assert abs(share - 0.25) < 4 * np.sqrt(3 / 16 / kept[0].size)


def test_a_cluster_is_thinned_alike_in_any_order_and_subset(sample):
    thinned = thin_photons(sample, exposure=700, random_state=4)
    order = np.random.default_rng(0).permutation(len(sample))
    moved = thin_photons(sample[order], exposure=700, random_state=4)
    assert_array_equal(kept_rows(sample, moved), kept_rows(sample, thinned)[order])
    alone = thin_photons(sample[17], exposure=700, random_state=4)
    assert_array_equal(alone.photons["row"], thinned[17].photons["row"])


def test_a_shorter_exposure_keeps_photons_of_the_longer(sample):
    long, short = (
        kept_rows(sample, thin_photons(sample, exposure=t, random_state=5))
        for t in (1500, 400)
    )
    assert (long >= short).all()
    assert long.sum() > short.sum()


def test_the_own_exposure_keeps_every_photon(sample):
    same = thin_photons(sample, exposure=sample.exposure, random_state=0)
    assert_array_equal(same.photons["row"], sample.photons["row"])
    same = thin_photons(sample, fraction=1, random_state=0)
    assert_array_equal(same.photons.lengths, sample.photons.lengths)


def test_each_cluster_may_have_its_own_exposure(sample):
    exposure = np.where(np.arange(len(sample)) % 2, 200.0, 1000.0)
    thinned = thin_photons(sample, exposure=exposure, random_state=6)
    n = thinned.photons.lengths.reshape(-1, 2).mean(axis=0)
    for mean, share in zip(n, (0.5, 0.1), strict=True):
        error = np.sqrt(N_PHOTONS * share * (1 - share) / (len(sample) / 2))
        assert abs(mean - N_PHOTONS * share) < 4 * error
    assert_array_equal(thinned.exposure, exposure)


def test_units_are_converted(sample):
    thinned = thin_photons(sample, exposure=0.5 * units.ks, random_state=0)
    plain = thin_photons(sample, exposure=500.0, random_state=0)
    assert_array_equal(thinned.photons["row"], plain.photons["row"])


def test_maps_go_and_other_fields_stay(sample):
    mapped = PhotonMapper(n_pixels=4).transform(
        sample.assign(r500c=0.5 + sample.redshift)
    )
    thinned = thin_photons(mapped, exposure=1000, random_state=0)
    assert thinned.fields == ("redshift", "photons", "center", "r500c", "exposure")
    assert list(thinned.photons.columns) == ["ra", "dec", "energy", "row"]


def test_without_exposures_a_fraction_says_how_much():
    sample = survey(n_clusters=50, exposure=None)
    thinned = thin_photons(sample, fraction=0.5, random_state=0)
    assert thinned.exposure is None
    total = sample.photons.offsets[-1]
    assert abs(thinned.photons.offsets[-1] - total / 2) < 4 * np.sqrt(total / 4)
    with pytest.raises(ValueError, match=r"needs sample.exposure.*fraction="):
        thin_photons(sample, exposure=1000)


def test_no_seed_is_another_choice_each_time(sample):
    n = [thin_photons(sample, fraction=0.5).photons.lengths for _ in range(2)]
    assert (n[0] != n[1]).any()


@pytest.mark.parametrize(
    ("exposure", "message"),
    [
        (2, "exposure=2 is outside of 30 to 1e.08 s; it looks like ks. Multiply it by"),
        (0, "600 of 600 new exposures are not positive .first: cluster 0, 0 s"),
        (-500, "not positive .first: cluster 0, -500 s"),
        (
            4000,
            r"longer than that of 600 of 600 clusters .*4000 s of 2000 s.*only shorten",
        ),
        (np.nan, "exposure must be one finite number, or one for each of 600 clusters"),
        ([500, 500], "one for each of 600 clusters"),
        (3 * units.keV, "has the unit 'keV', which cannot be converted to s"),
    ],
)
def test_what_is_not_a_shorter_exposure_is_an_error(sample, exposure, message):
    with pytest.raises(ValueError, match=message):
        thin_photons(sample, exposure=exposure)


@pytest.mark.parametrize("fraction", [0, -0.1, 1.5])
def test_a_fraction_is_a_share(sample, fraction):
    with pytest.raises(ValueError, match=r"600 of 600 fractions are not in \(0, 1\]"):
        thin_photons(sample, fraction=fraction)


def test_a_fraction_may_not_leave_less_than_any_exposure(sample):
    with pytest.raises(ValueError, match=r"fraction=0.001 would leave less than 30 s"):
        thin_photons(sample, fraction=0.001)


def test_exactly_one_says_how_much(sample):
    for given in ({}, {"exposure": 500, "fraction": 0.5}):
        with pytest.raises(TypeError, match="either exposure or fraction"):
            thin_photons(sample, **given)


def test_a_generator_is_refused_as_everywhere(sample):
    with pytest.raises(ValueError, match="random_state must be a seed"):
        thin_photons(sample, fraction=0.5, random_state=np.random.default_rng(0))


def test_most_clusters_without_photons_are_noticed():
    sample = survey(n_clusters=20, n_photons=2, exposure=None)
    with pytest.warns(UserWarning, match="leaves no photon to .* of 20 clusters"):
        thin_photons(sample, fraction=0.01, random_state=0)


def test_clusters_without_photons_stay_so():
    sample = survey(n_clusters=3, n_photons=0)
    assert_array_equal(thin_photons(sample, exposure=100).photons.lengths, [0, 0, 0])


def test_columns_of_featurizers_do_not_outlive_what_they_describe():
    plain = make_mock_survey(3, random_state=0).sample
    described = GalaxyFeaturizer().transform(PhotonFeaturizer().transform(plain))
    assert "log_density_6" in described.photons
    radius = 5 / 3600
    sources = {"ra": described.center[:, 0] + 0.01, "dec": described.center[:, 1]}
    for change in (
        lambda sample: thin_photons(sample, fraction=0.5, random_state=0),
        lambda sample: recenter(sample),
        lambda sample: add_catalog_errors(sample, redshift_error=0.01, random_state=0),
        lambda sample: remove_sources(sample, sources, radius=radius),
    ):
        found, expected = change(described), change(plain)
        assert [*found.photons.columns] == [*expected.photons.columns]
        if (expected.center != plain.center).any():
            assert [*found.galaxies.columns] == [*expected.galaxies.columns]
