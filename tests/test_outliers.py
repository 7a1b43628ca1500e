"""Maps unlike those of training are found, and the tail of training is not called so."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from skcluster import (
    ClusterSample,
    LogScaler,
    MapOutlierDetector,
    PhotonMapper,
    RedshiftNormalizer,
    XrayCNNRegressor,
    datasets,
    misspecification_score,
    read_photons,
)
from skcluster.outliers import FAR, SHARE_IN_TAIL, _measures, warn_unlike
from skcluster.sample import SparseMaps


def toy_maps(n, background=0.0, seed=0):
    """Round clusters of many sizes, with or without a flat background."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:16, :16] - 7.5
    size = rng.uniform(0.5, 5, (n, 1, 1, 1))
    return rng.poisson(size * np.exp(-np.hypot(x, y) / 3) + background)


def network(**parameters):
    parameters = {"max_epochs": 1, "device": "cpu", "n_threads": 1, **parameters}
    return XrayCNNRegressor(random_state=0, **parameters)


class TestDetector:
    def test_distance_of_a_left_out_map_needs_no_second_fit(self):
        """The limit is that of refitting without each map, by brute force."""
        maps = toy_maps(60)
        measures = _measures(SparseMaps.from_dense(maps))
        scale = np.where(measures.std(axis=0) > 0, measures.std(axis=0), 1)
        u = (measures - measures.mean(axis=0)) / scale
        distance = []
        for i in range(60):
            others = np.delete(u, i, axis=0)
            offset = u[i] - others.mean(axis=0)
            scatter = (others - others.mean(axis=0)).T @ (others - others.mean(axis=0))
            scatter += 1e-6 * 60 * np.eye(len(offset))
            distance.append(np.sqrt(60 * offset @ np.linalg.solve(scatter, offset)))
        expected = -1.5 * np.sqrt(np.quantile(np.square(distance), 0.995))
        assert_allclose(MapOutlierDetector().fit(maps).offset_, expected, rtol=1e-6)

    def test_measures_are_sums_over_rings_and_bands(self):
        maps = np.random.default_rng(0).poisson(0.3, (3, 2, 8, 8)).astype(float)
        centers = (np.arange(8) + 0.5) / 4 - 1
        radius = np.hypot(centers[:, None], centers[None, :])
        limits = [0, 0.15, 0.35, 0.65, 1.0, 9]
        rings = [(radius >= low) & (radius < high) for low, high in pairwise(limits)]
        expected = [np.sqrt(maps[:, :, ring].sum(axis=(1, 2))) for ring in rings]
        expected += [np.sqrt((maps[:, :, ring] > 0).sum(axis=(1, 2))) for ring in rings]
        expected += [np.sqrt(maps[:, 1].sum(axis=(1, 2))), maps.max(axis=(1, 2, 3))]
        measures = _measures(SparseMaps.from_dense(maps))
        assert_allclose(measures, np.transpose(expected))

    def test_new_maps_of_the_same_kind_pass_and_a_background_does_not(self):
        detector = MapOutlierDetector().fit(toy_maps(300))
        assert (detector.predict(toy_maps(300, seed=1)) == -1).mean() < 0.01
        assert (detector.predict(toy_maps(300, 1.0, seed=1)) == -1).mean() > 0.99

    def test_order_and_neighbours_do_not_matter(self):
        maps = toy_maps(80)
        order = np.random.default_rng(0).permutation(80)
        one, other = (
            MapOutlierDetector().fit(maps),
            MapOutlierDetector().fit(maps[order]),
        )
        assert_allclose(one.offset_, other.offset_, rtol=1e-9)
        assert_allclose(
            one.score_samples(maps)[order], other.score_samples(maps[order]), rtol=1e-9
        )

    def test_few_maps_are_too_few_to_tell(self):
        detector = MapOutlierDetector().fit(toy_maps(49))
        assert detector.offset_ == -np.inf
        assert (detector.predict(toy_maps(9, 5.0)) == 1).all()


def is_warned_of(score):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_unlike(np.asarray(score), by="a network")
    return bool(caught)


class TestWhomToWarn:
    @pytest.mark.parametrize(
        ("score", "is_warned"),
        [
            ([1.0], False),
            ([1.01], False),
            ([1.4], True),
            ([1.01, 1.02], True),
            ([0.4] * 500 + [1.01] * 4, False),
            ([0.4] * 500 + [1.01] * 8, True),
            ([0.4] * 500 + [2.3], True),
            ([0.0] * 9, False),
            ([], False),
        ],
    )
    def test_a_survey_or_a_far_cluster_but_not_the_tail(self, score, is_warned):
        assert is_warned_of(score) == is_warned

    def test_surveys_of_the_training_distribution_pass_nearly_always(self):
        """Scores drawn so that the share above 1 is that of small training sets."""
        rng = np.random.default_rng(0)
        n_warned = sum(
            is_warned_of(np.where(rng.random(300) < SHARE_IN_TAIL, 1.1, 0.5))
            for _ in range(2000)
        )
        assert n_warned <= 6

    def test_the_tail_is_as_thin_as_it_is_said_to_be(self):
        detector = MapOutlierDetector().fit(toy_maps(300))
        maps = toy_maps(4000, seed=1)
        score = detector.score_samples(maps) / detector.offset_
        assert (score > 1).mean() < SHARE_IN_TAIL
        assert (score > FAR).mean() < 5e-4

    def test_a_far_cluster_is_named_before_the_tail(self):
        score = np.array([0.5, 1.05, 0.2, 1.9])
        with pytest.warns(
            UserWarning, match=r"2 of 4 .*first: cluster 3, Coma, 1\.9 t"
        ):
            warn_unlike(score, by="a network", names=["a", "b", "c", "Coma"])


class TestMisspecification:
    def test_a_network_on_maps_with_background(self):
        maps, log_mass = toy_maps(200), np.linspace(13.5, 15, 200)
        model = network().fit(maps, log_mass)
        score = misspecification_score(model, toy_maps(5, 1.0, seed=2))
        assert (score > 1).all()
        alone = misspecification_score(make_pipeline(model), toy_maps(5, 1.0, seed=2))
        assert_array_equal(alone, score)
        detector = model.outlier_detector_
        assert_allclose(
            score, detector.score_samples(toy_maps(5, 1.0, seed=2)) / detector.offset_
        )
        with pytest.warns(
            UserWarning,
            match=r"5 of 5 clusters have maps unlike .*first: cluster 0, \d",
        ):
            model.predict(toy_maps(5, 1.0, seed=2))

    @pytest.mark.filterwarnings("ignore:.*far outside")
    def test_real_background_is_flagged_by_a_model_trained_without(self, data_folder):
        """eROSITA photons of eFEDS, by a network of mock clusters without background."""
        survey = datasets.make_mock_survey(
            150, random_state=0, background=0.0, galaxies=False
        )
        pipeline = make_pipeline(
            PhotonMapper(n_pixels=32), RedshiftNormalizer(), LogScaler(), network()
        ).fit(survey.sample, survey.log_mass)
        assert (misspecification_score(pipeline, survey.sample) < 1).mean() > 0.99
        real = ClusterSample(
            [0.333],
            center=[[140.3385, 3.2906]],
            photons=[read_photons(data_folder / "efeds" / "efeds_example_events.fits")],
        )
        assert misspecification_score(pipeline, real)[0] > 1
        with pytest.warns(UserWarning, match="1 of 1 clusters have maps unlike"):
            pipeline.predict(real)

    def test_models_without_maps_have_no_score(self):
        with pytest.raises(TypeError, match="LinearRegression has no score of misspec"):
            misspecification_score(LinearRegression(), np.zeros((3, 1)))
