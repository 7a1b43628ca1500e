"""What photons add to a mass: exact, and found where it was planted."""

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline

from skcluster import (
    ClusterSample,
    LogScaler,
    PhotonSetRegressor,
    Ragged,
    photon_attention,
    photon_contributions,
    radial_contributions,
)
from skcluster.explain import photon_weights
from skcluster.plotting import PhotonWeightDisplay
from skcluster.sample import SampleTransformer


def clusters(n, seed=0):
    """Clusters whose mass is told by gas photons; photons of AGN are noise.

    A photon of an AGN has a high contrast. Photons of the background, at large radii, say
    nothing either.
    """
    rng = np.random.default_rng(seed)
    log_mass = rng.uniform(13.5, 14.7, n)
    gas = rng.poisson(20 * 10 ** (log_mass - 13.5))
    agn = rng.poisson(20 * 10 ** rng.uniform(0, 1.0, n))
    background = rng.poisson(20 * 10 ** rng.uniform(0, 1.0, n))
    counts = np.stack([gas, agn, background], 1)
    origin = np.repeat(np.tile([0, 1, 2], n), counts.ravel()).astype(np.int8)
    m = len(origin)
    contrast = rng.normal(0, 0.2, m) + 1.5 * (origin == 1)
    radius = np.where(origin == 2, rng.uniform(1.5, 2.0, m), rng.uniform(0.0, 1.2, m))
    columns = {
        "ra": np.full(m, 10.0),
        "dec": np.zeros(m),
        "energy": np.ones(m),
        "origin": origin,
        "log_radius": np.log10(radius + 0.01).astype(np.float32),
        "log_contrast_6": contrast.astype(np.float32),
    }
    offsets = np.concatenate([[0], np.cumsum(counts.sum(1))])
    sample = ClusterSample(
        np.full(n, 0.2), photons=Ragged(columns, offsets), r500c=np.full(n, 1.0)
    )
    return sample, log_mass


@pytest.fixture(scope="module")
def explained():
    """Return a trained model, clusters that it has not seen, and what photons add."""
    sample, log_mass = clusters(350)
    model = PhotonSetRegressor(
        max_epochs=16,
        batch_size=16,
        n_members=2,
        random_state=0,
        n_threads=1,
        device="cpu",
    ).fit(sample[:250], log_mass[:250])
    return model, sample[250:], photon_contributions(model, sample[250:])


def without(sample, cluster, row):
    """The sample of one cluster without one of its photons."""
    one = sample[[cluster]]
    kept = np.arange(one.photons.offsets[-1]) != row
    return one.assign(photons=one.photons.select(kept))


def assert_is_change(explained, cluster, row):
    model, sample, found = explained
    one = model.predict(sample[[cluster]])
    change = one - model.predict(without(sample, cluster, row))
    contribution = found.photons.table(cluster)["contribution"][row]
    assert_allclose(contribution, change, atol=2e-6)


def test_a_contribution_is_what_taking_the_photon_away_changes(explained):
    for cluster, row in [(0, 0), (3, 7), (50, 20), (99, 5)]:
        assert_is_change(explained, cluster, row)


def test_it_is_so_for_clusters_of_unequal_exposures():
    sample, log_mass = clusters(40)
    sample = sample.assign(exposure=np.where(np.arange(40) % 2, 1000.0, 4000.0))
    model = PhotonSetRegressor(
        max_epochs=6, batch_size=8, random_state=0, n_threads=1, device="cpu"
    ).fit(sample, log_mass)
    pair = sample[[0, 1]]
    found = photon_contributions(model, pair)
    for cluster in (0, 1):
        assert_is_change((model, pair, found), cluster, 5)


def test_it_is_so_where_exposures_differ_within_the_field(explained):
    model, sample, _ = explained
    photons = sample[:3].photons
    exposure = np.random.default_rng(2).uniform(0.2, 1.5, photons.offsets[-1])
    three = sample[:3].assign(photons=photons.assign(relative_exposure=exposure))
    found = photon_contributions(model, three)
    for cluster, row in [(0, 0), (2, 7)]:
        assert_is_change((model, three, found), cluster, row)


def test_contributions_do_not_depend_on_order_or_neighbors(explained):
    model, sample, found = explained
    alone = photon_contributions(model, sample[[7]]).photons["contribution"]
    assert_array_equal(alone, found.photons.table(7)["contribution"])


def test_planted_truth_is_found(explained):
    _, _, found = explained
    result = photon_attention(found, random_state=0)
    assert result.icm.median > 1.2
    assert result.agn.median < 0.35
    assert result.background.median < 0.35
    shares = sum(result[name].share for name in ("icm", "agn", "background"))
    assert_allclose(shares, 1)


def test_attention_by_hand():
    columns = {
        "ra": np.zeros(5),
        "dec": np.zeros(5),
        "energy": np.ones(5),
        "origin": np.array([0, 0, 1, 2, 2]),
        "contribution": np.array([0.3, 0.1, 0.2, 0.1, 0.1]),
    }
    sample = ClusterSample([0.2, 0.3], photons=Ragged(columns, [0, 3, 5]))
    result = photon_attention(sample)
    assert_allclose(result.icm.weight, [1.0, np.nan])
    assert_allclose(result.agn.weight, [1.0, np.nan])
    assert_allclose(result.icm.share, [2 / 3, 0])
    assert_allclose(result.background.weight, [np.nan, 1])
    assert_allclose(result.background.share_of_photons, [0, 1])
    assert result.icm.n_clusters == 1


def test_a_network_that_counts_weighs_photons_alike_under_vignetting():
    exposure = np.array([1.0, 0.8, 0.25, 1.0, 0.5])
    columns = {
        "ra": np.zeros(5),
        "dec": np.zeros(5),
        "energy": np.ones(5),
        "origin": np.array([0, 0, 1, 0, 2]),
        "log_radius": np.linspace(-1, 0, 5),
        "relative_exposure": exposure,
        "contribution": 0.01 / exposure,
    }
    photons = Ragged(columns, [0, 3, 5])
    sample = ClusterSample([0.2, 0.3], photons=photons, r500c=[0.5, 0.5])
    assert_allclose(photon_weights(sample), 1)
    result = photon_attention(sample)
    assert_allclose(result.agn.weight, [1, np.nan])
    assert_allclose(result.agn.share_of_photons, [4 / 6.25, 0])
    assert_allclose(result.background.share, result.background.share_of_photons)
    median = radial_contributions(sample, bins=[0, 3]).median
    assert_allclose(median, 1)


def test_photons_that_together_lower_the_mass_have_no_weights():
    columns = {
        "ra": np.zeros(3),
        "dec": np.zeros(3),
        "energy": np.ones(3),
        "contribution": np.array([0.03, -0.01, -0.021]),
    }
    weight = photon_weights(ClusterSample([0.2], photons=Ragged(columns, [0, 3])))
    assert np.isnan(weight).all()


def test_errors_hold_the_groups_of_the_sample(explained):
    _, _, found = explained
    halo = np.arange(len(found)) // 5
    result = photon_attention(found.assign(group=halo), random_state=0)
    expected = photon_attention(found, groups=halo, random_state=0)
    assert result.icm.median_error == expected.icm.median_error
    apart = photon_attention(found, random_state=0)
    assert result.icm.median_error != apart.icm.median_error


def test_profile_by_hand():
    columns = {
        "ra": np.zeros(4),
        "dec": np.zeros(4),
        "energy": np.ones(4),
        "origin": np.array([0, 0, 1, 0]),
        "log_radius": np.log10(np.array([0.1, 0.3, 0.3, 1.4]) + 0.01),
        "contribution": np.array([0.4, 0.1, 0.2, 0.1]),
    }
    sample = ClusterSample([0.2], photons=Ragged(columns, [0, 4]), r500c=[0.5])
    profile = radial_contributions(sample, bins=[0, 0.4, 1, 2, 3])
    assert_allclose(profile.profiles, [[2.0, 0.75, np.nan, 0.5]])
    only = radial_contributions(sample, bins=[0, 0.4, 1], origin="agn")
    assert_allclose(only.profiles, [[np.nan, 1.0]])
    assert_array_equal(only.n_clusters, [0, 1])


def test_profile_finds_the_planted_radius(explained):
    _, _, found = explained
    profile = radial_contributions(found, bins=[0, 0.6, 1.2, 1.5, 2.0])
    assert profile.median[0] > 3 * profile.median[3]
    assert profile.n_clusters[2] == 0


def test_steps_before_the_network_are_applied(explained):
    class Half(SampleTransformer):
        def fit(self, X, y=None):
            return self

        def transform(self, X):
            kept = np.arange(X.photons.offsets[-1]) % 2 == 0
            return X.assign(photons=X.photons.select(kept))

    model, sample, _ = explained
    through = photon_contributions(make_pipeline(Half(), model), sample)
    expected = photon_contributions(model, Half().transform(sample))
    assert_array_equal(
        through.photons["contribution"], expected.photons["contribution"]
    )


def test_a_cluster_without_photons_has_none(explained):
    model, sample, _ = explained
    some = sample[[0, 1]]
    empty = some.photons.cluster == 1
    found = photon_contributions(model, some.assign(photons=some.photons.select(empty)))
    assert found.photons.lengths[0] == 0
    assert np.isnan(photon_attention(found).icm.weight[0])


def test_other_estimators_are_refused(mapped_network, sample):
    with pytest.raises(TypeError, match=r"got a XrayCNNRegressor.*SaliencyExplainer"):
        photon_contributions(mapped_network, sample)


@pytest.fixture
def mapped_network(sample, log_mass):
    """Return a fitted pipeline that ends in a network on maps."""
    from skcluster import PhotonMapper, XrayCNNRegressor

    network = XrayCNNRegressor(max_epochs=1, random_state=0)
    pipeline = make_pipeline(PhotonMapper(n_pixels=8), LogScaler(), network)
    return pipeline.fit(sample, log_mass)


def test_radii_that_are_not_in_r500c_are_refused(explained):
    _, _, found = explained
    with pytest.raises(ValueError, match=r"got \[0, 500, 1000\]\. Edges are in R500c"):
        radial_contributions(found, bins=[0, 500, 1000])


@pytest.mark.parametrize("function", [photon_attention, radial_contributions])
def test_a_sample_without_contributions_is_refused(function, sample):
    with pytest.raises(ValueError, match="Give the sample that photon_contributions"):
        function(sample)


def test_attention_needs_the_origin(explained):
    _, _, found = explained
    columns = {k: v for k, v in found.photons.columns.items() if k != "origin"}
    plain = found.assign(photons=Ragged(columns, found.photons.offsets))
    with pytest.raises(ValueError, match="photon_attention needs the photons' origin"):
        photon_attention(plain)


def test_origins_that_are_not_known_are_refused(explained):
    _, _, found = explained
    with pytest.raises(ValueError, match=r"origin must be one of .*'gas'"):
        radial_contributions(found, origin="gas")
    strange = found.photons.assign(origin=found.photons["origin"] + 5)
    with pytest.raises(ValueError, match=r"must be 0 \(ICM\), 1 \(AGN\) or 2"):
        photon_attention(found.assign(photons=strange))


OWN = FlatLambdaCDM(70, 0.9)


def test_weights_are_drawn_in_the_cosmology_that_is_given():
    photons = {"ra": [9.9], "dec": [0.0], "energy": [1.0], "contribution": [0.01]}
    sample = ClusterSample([0.3], center=[[10.0, 0.0]], photons=[photons])
    display = PhotonWeightDisplay.from_sample(sample, 0, cosmology=OWN)
    west = np.tan(np.radians(0.1)) * OWN.comoving_distance(0.3).value * OWN.h
    assert_allclose(display.points_[0].get_offsets(), [[west, 0]], atol=1e-9)


def test_columns_of_panels_are_as_many_as_asked():
    photons = {"ra": [9.9], "dec": [0.0], "energy": [1.0], "contribution": [0.01]}
    sample = ClusterSample([0.3] * 4, center=[[10.0, 0.0]] * 4, photons=[photons] * 4)
    display = PhotonWeightDisplay.from_sample(sample, range(4), n_columns=2)
    assert display.axes_.shape == (2, 2)
