"""Rotation: exact at any angle, the same for photons and galaxies, and for training."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from skcluster import (
    ClusterSample,
    EvrardProxyRegressor,
    PhotonMapper,
    ProxyMeasurer,
    QuadrantGroupKFold,
    RotationAugmentedRegressor,
    XrayCNNRegressor,
    rotate,
)
from skcluster.cosmology import comoving_distance, plane_to_sky, sky_to_plane
from skcluster.datasets import make_mock_survey
from skcluster.regressors.symmetries import SKY_AXES, square_symmetry
from skcluster.regressors.validation_split import validation_split


@pytest.fixture(scope="module")
def survey():
    return make_mock_survey(n_clusters=24, random_state=0)


def offsets(sample):
    """West and North of all photons, by one call per cluster."""
    pairs = [
        sky_to_plane(cluster.photons["ra"], cluster.photons["dec"], *cluster.center[0])
        for cluster in sample
    ]
    return np.concatenate([np.array(pair).T for pair in pairs])


def test_angles_add_and_a_full_turn_changes_nothing(survey):
    sample = survey.sample[:4]
    twice = rotate(rotate(sample, 20.0), 17.0)
    once = rotate(sample, 37.0)
    assert_allclose(offsets(twice), offsets(once), atol=1e-12)
    assert_allclose(offsets(rotate(sample, 360.0)), offsets(sample), atol=1e-12)
    assert_allclose(twice.galaxies["x"], once.galaxies["x"], atol=1e-12)
    assert_allclose(twice.galaxies["y"], once.galaxies["y"], atol=1e-12)


def test_a_turn_is_from_west_to_north_for_photons_and_galaxies_alike():
    west = ClusterSample(
        [0.2],
        center=[[150.0, 60.0]],
        photons=[{"ra": [149.9], "dec": [60.0], "energy": [1.0]}],
        galaxies=[{"x": [1.0], "y": [0.0], "v": [0.0]}],
    )
    x, y = offsets(west)[0]
    assert x > 0
    assert abs(y) < 1e-4
    for angle, mirror, expected in (
        (90, False, (-y, x)),
        (180, False, (-x, -y)),
        (0, True, (-x, y)),
        (90, True, (-y, -x)),
    ):
        turned = rotate(west, angle, mirror=mirror)
        assert_allclose(offsets(turned)[0], expected, atol=1e-15)
        sign = -1 if mirror else 1
        found = turned.galaxies["x"][0], turned.galaxies["y"][0]
        at_90 = (0, sign) if angle == 90 else (sign * np.cos(np.radians(angle)), 0)
        assert_allclose(found, at_90, atol=1e-15)


@pytest.mark.parametrize("k", range(8))
def test_the_symmetries_of_the_square_are_rotations_of_the_lists(k):
    # Photons in the middle of pixels, so that rounding cannot move one to another.
    rng = np.random.default_rng(k)
    n_pixels, half_width, z = 16, 2.3, 0.2
    mapper = PhotonMapper(n_pixels=n_pixels, half_width=half_width)
    middle = (rng.integers(0, n_pixels, (2, 200)) + 0.5) / n_pixels * 2 - 1
    x, y = middle * half_width / comoving_distance([z])[0]
    ra, dec = plane_to_sky(x, y, 150.0, 60.0)
    photons = {"ra": ra, "dec": dec, "energy": np.ones(200)}
    sample = ClusterSample([z], center=[[150.0, 60.0]], photons=[photons])
    maps = torch.from_numpy(np.asarray(mapper.transform(sample).maps))
    symmetry = square_symmetry(maps, k, SKY_AXES["maps"]).numpy()
    # Rows grow to the North, columns to the West: rot90 turns from North to West.
    turned = rotate(sample, -90 * (k % 4), mirror=k >= 4)
    assert_array_equal(np.asarray(mapper.transform(turned).maps), symmetry)
    assert symmetry.sum() == 200


def test_each_cluster_has_its_own_angle_and_maps_are_made_anew(survey):
    mapped = PhotonMapper(n_pixels=16).transform(survey.sample[:3])
    angle = np.array([0.0, 90.0, 33.0])
    turned = rotate(mapped, angle, mirror=[False, True, False])
    assert turned.maps is None
    assert turned.coverage is None
    for i in range(3):
        alone = rotate(mapped[i], angle[i], mirror=i == 1)
        assert_array_equal(turned[i].photons["ra"], alone.photons["ra"])
        assert_array_equal(turned[i].galaxies["x"], alone.galaxies["x"])
    assert_allclose(turned[0].photons["ra"], mapped[0].photons["ra"], rtol=1e-14)


def test_what_a_rotation_cannot_change_stays(survey):
    measurer = ProxyMeasurer()
    expected = measurer.fit_transform(survey.sample)
    assert_allclose(
        measurer.transform(rotate(survey.sample, 77.0)), expected, rtol=1e-9
    )


def test_lists_are_needed():
    with pytest.raises(ValueError, match=r"rotate needs sample\.photons"):
        rotate(ClusterSample([0.1]), 10.0)
    photons = [{"ra": [1.0], "dec": [1.0], "energy": [1.0]}]
    with pytest.raises(ValueError, match=r"rotate needs sample\.center"):
        rotate(ClusterSample([0.1], photons=photons), 10.0)


class Recorder(RegressorMixin, BaseEstimator):
    """Remembers what it was fitted to."""

    def fit(self, X, y):
        self.X_, self.y_ = X, y
        return self

    def predict(self, X, bonus=0.0):
        return np.full(len(X), self.y_.mean() + bonus)


def test_training_sees_the_sample_and_turned_copies(survey):
    augmented = RotationAugmentedRegressor(Recorder(), n_rotations=2, random_state=0)
    augmented.fit(survey.sample, survey.log_mass)
    seen = augmented.estimator_
    n = len(survey.sample)
    assert_array_equal(seen.y_, np.tile(survey.log_mass, 3))
    assert_array_equal(seen.X_[:n].photons["ra"], survey.sample.photons["ra"])
    assert_array_equal(seen.X_.position[n : 2 * n], survey.sample.position)
    before, after = offsets(survey.sample), offsets(seen.X_[n : 2 * n])
    assert_allclose(np.hypot(*after.T), np.hypot(*before.T), rtol=1e-9)
    lengths = survey.sample.photons.lengths
    turn = np.arctan2(*after.T) - np.arctan2(*before.T)
    first = turn[np.cumsum(lengths) - lengths]
    assert len(np.unique(first.round(6))) == n
    assert augmented.predict(survey.sample, bonus=1.0)[0] == seen.y_.mean() + 1.0


def test_copies_are_thinned_evenly_in_the_logarithm():
    survey = make_mock_survey(30, random_state=3, exposure=3000.0, galaxies=False)
    augmented = RotationAugmentedRegressor(
        Recorder(), n_rotations=6, random_state=0, thin_to=0.1
    )
    seen = augmented.fit(survey.sample, survey.log_mass).estimator_.X_
    share = seen.exposure / 3000.0
    assert_array_equal(share[:30], 1.0)
    drawn = share[30:]
    assert stats.kstest(np.log(drawn) / np.log(0.1), "uniform").pvalue > 1e-3
    assert len(np.unique(drawn)) == 180
    # Each photon is kept with that probability, so counts are binomial.
    all_photons = np.tile(survey.sample.photons.lengths, 6)
    found = seen.photons.lengths[30:]
    off = (found - all_photons * drawn) / np.sqrt(all_photons * drawn * (1 - drawn))
    assert_allclose(off.std(), 1, atol=0.25)
    assert_allclose(off.mean(), 0, atol=0.3)


def test_without_thinning_copies_keep_their_photons(survey):
    fits = [
        RotationAugmentedRegressor(Recorder(), random_state=0, **settings)
        .fit(survey.sample, survey.log_mass)
        .estimator_.X_.photons["ra"]
        for settings in ({}, {"thin_to": None})
    ]
    assert_array_equal(*fits)


def test_thinning_needs_exposures(survey):
    augmented = RotationAugmentedRegressor(Recorder(), thin_to=0.1)
    with pytest.raises(ValueError, match=r"thin_to=.*\) needs sample\.exposure"):
        augmented.fit(survey.sample, survey.log_mass)


@pytest.mark.parametrize("wrong", [0.0, 1.5, "half"])
def test_shares_that_no_thinning_leaves_are_refused(survey, wrong):
    augmented = RotationAugmentedRegressor(Recorder(), thin_to=wrong)
    with pytest.raises(ValueError, match=r"thin_to must be in \(0, 1\] or None, got"):
        augmented.fit(survey.sample, survey.log_mass)


def test_the_angles_are_fixed_by_random_state(survey):
    fits = [
        clone(RotationAugmentedRegressor(Recorder(), random_state=seed))
        .fit(survey.sample, survey.log_mass)
        .estimator_.X_.photons["ra"]
        for seed in (0, 0, 1)
    ]
    assert_array_equal(fits[0], fits[1])
    assert not np.array_equal(fits[0], fits[2])


def test_it_stands_in_cross_validation(survey):
    pipeline = make_pipeline(
        ProxyMeasurer(proxies=("n_phot",), with_redshift=True),
        EvrardProxyRegressor(redshift_column=-1, redshift_bins=1),
    )
    augmented = RotationAugmentedRegressor(pipeline, random_state=0)
    folds = QuadrantGroupKFold()
    plain = cross_val_predict(pipeline, survey.sample, survey.log_mass, cv=folds)
    turned = cross_val_predict(augmented, survey.sample, survey.log_mass, cv=folds)
    # Counts within a circle do not change under rotation, so nor does the fit.
    assert_allclose(turned, plain, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"angle": np.nan}, r"angle must be one finite number, or one for each of 12"),
        ({"angle": [1.0, 2.0]}, r"one for each of 12 clusters, got \[1\. 2\.\]"),
        ({"angle": 1.0, "mirror": [True]}, "mirror must be one finite number"),
    ],
)
def test_angles_that_make_no_sense_are_refused(survey, arguments, message):
    with pytest.raises(ValueError, match=message):
        rotate(survey.sample[:12], **arguments)


def test_a_senseless_number_of_copies_is_refused(survey):
    augmented = RotationAugmentedRegressor(Recorder(), n_rotations=1.5)
    with pytest.raises(ValueError, match="n_rotations must be an int from 0"):
        augmented.fit(survey.sample, survey.log_mass)


@pytest.mark.parametrize("with_position", [True, False])
def test_copies_of_a_cluster_are_held_out_together(survey, monkeypatch, with_position):
    sample = survey.sample if with_position else survey.sample.drop("position")
    splits = []

    def recorded(*args, **kwargs):
        splits.append(validation_split(*args, **kwargs))
        return splits[-1]

    monkeypatch.setattr("skcluster.regressors.neural.validation_split", recorded)
    network = XrayCNNRegressor(max_epochs=1, random_state=0, n_threads=1)
    pipeline = make_pipeline(PhotonMapper(n_pixels=8), network)
    augmented = RotationAugmentedRegressor(pipeline, n_rotations=2, random_state=0)
    augmented.fit(sample, survey.log_mass)
    ((train, held_out),) = splits
    n = len(sample)
    assert len(train) + len(held_out) == 3 * n
    assert len(held_out) >= 3
    assert not set(train % n) & set(held_out % n)


def test_groups_of_the_sample_are_those_of_its_copies(survey):
    halo = np.arange(24) // 2
    augmented = RotationAugmentedRegressor(Recorder(), n_rotations=1, random_state=0)
    augmented.fit(survey.sample.assign(group=halo), survey.log_mass)
    assert_array_equal(augmented.estimator_.X_.group, np.tile(halo, 2))
