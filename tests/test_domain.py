"""Fitted models know what they were trained on, and say when clusters are unlike it."""

import copy
import warnings
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from skcluster import (
    ClusterSample,
    EvrardProxyRegressor,
    JointCNNRegressor,
    LogScaler,
    MapOutlierDetector,
    PhaseSpaceKDE,
    PhotonMapper,
    RedshiftNormalizer,
    XrayCNNRegressor,
    datasets,
    misspecification_score,
    read_photons,
)
from skcluster.domain import _measures, warn_outside
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


class TestWarnings:
    @pytest.mark.parametrize(
        ("quantity", "value", "is_far"),
        [
            ("redshift", 0.315, False),
            ("redshift", 0.085, False),
            ("redshift", 0.35, True),
            ("redshift", 0.05, True),
            ("counts", 0.034, False),
            ("counts", 0.033, True),
            ("counts", 0.89, False),
            ("counts", 0.91, True),
        ],
    )
    def test_how_far_is_far(self, quantity, value, is_far):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warn_outside(
                {quantity: np.array([0.2, value])}, {quantity: (0.1, 0.3)}, by="a model"
            )
        assert bool(caught) == is_far

    def test_it_names_the_cluster_and_the_range(self):
        with pytest.warns(
            UserWarning,
            match=r"1 of 2 clusters lie far outside the training range of a model, "
            r"counts 10 to 30 \(first: cluster 1, Abell 1, counts 91\)",
        ):
            warn_outside(
                {"counts": np.array([20, 91])},
                {"counts": (10, 30)},
                by="a model",
                names=["Coma", "Abell 1"],
            )


@pytest.fixture(scope="module")
def trained(sample, log_mass):
    steps = (PhotonMapper(n_pixels=16), RedshiftNormalizer(), LogScaler(), network())
    return make_pipeline(*steps).fit(sample, log_mass)


class TestFittedModels:
    def test_they_know_their_ranges(self, trained, sample, log_mass):
        normalizer, regressor = trained[1], trained[-1]
        counts = trained[0].transform(sample).maps.total()
        assert normalizer.training_ranges_ == {
            "redshift": (0.1, 0.4),
            "counts": (counts.min(), counts.max()),
            "relative_counts": normalizer.training_ranges_["relative_counts"],
        }
        expected = 10 ** (normalizer.slope_ * sample.redshift + normalizer.intercept_)
        low, high = normalizer.training_ranges_["relative_counts"]
        assert_allclose(
            [low, high], [(counts / expected).min(), (counts / expected).max()]
        )
        total = trained[:-1].transform(sample).maps.total()
        assert regressor.training_ranges_ == {
            "log_mass": (log_mass.min(), log_mass.max()),
            "redshift": (0.1, 0.4),
            "map_sum": (total.min(), total.max()),
        }
        assert regressor.map_geometry_.bands == ((0.5, 10.0),)

    def test_a_covariance_model_knows_its_ranges(self, log_mass):
        X = np.column_stack([log_mass * 2, np.repeat([0.1, 0.2], 30)])
        model = EvrardProxyRegressor(redshift_column=1).fit(X, log_mass)
        assert model.training_ranges_ == {
            "log_mass": (log_mass.min(), log_mass.max()),
            "redshift": (0.1, 0.2),
            "ln S, 0": (2 * log_mass.min(), 2 * log_mass.max()),
        }

    @pytest.mark.filterwarnings("ignore:.*maps unlike", "ignore:.*far outside")
    def test_a_far_redshift_is_named_by_network_and_normalizer(self, trained, sample):
        far = sample[:3].assign(redshift=np.array([0.2, 0.7, 0.2]))
        for step in ("RedshiftNormalizer", "XrayCNNRegressor"):
            with pytest.warns(
                UserWarning,
                match=rf"of {step}, redshift 0.1 to 0.4 \(first: cluster 1, toy 1, redsh",
            ):
                trained.predict(far)

    @pytest.mark.filterwarnings("ignore:.*maps unlike", "ignore:.*map_sum")
    def test_many_counts_are_named(self, trained, sample):
        maps = trained[0].transform(sample[:2])
        bright = maps.assign(maps=maps.maps.scaled([1.0, 50.0]))
        with pytest.warns(
            UserWarning,
            match=r"RedshiftNormalizer, relative_counts .*cluster 1, toy 1, relat",
        ):
            trained[1:].predict(bright)

    def test_what_is_like_the_training_set_passes_without_a_word(self, trained, sample):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            trained.predict(sample)

    def test_a_crowd_of_galaxies_is_named(self, sample, log_mass):
        maps = PhotonMapper(n_pixels=16).transform(sample)
        joint = JointCNNRegressor(
            phase_space=PhaseSpaceKDE(n_bins=16),
            max_epochs=1,
            device="cpu",
            n_threads=1,
            random_state=0,
        ).fit(maps[:20], log_mass[:20])
        n = maps.galaxies.lengths[:20]
        assert joint.training_ranges_["galaxies"] == (n.min(), n.max())
        one = maps[:1]
        table = {name: np.tile(one.galaxies[name], 40) for name in ("x", "y", "v")}
        crowd = ClusterSample(one.redshift, maps=one.maps, galaxies=[table])
        with pytest.warns(UserWarning, match=r"JointCNNRegressor, galaxies \d+ to \d+"):
            joint.predict(crowd)

    def test_a_model_of_an_older_file_still_predicts(self, trained, sample):
        old = copy.deepcopy(trained)
        for step in (old[1], old[-1]):
            del step.training_ranges_
        del old[-1].outlier_detector_
        assert_array_equal(old.predict(sample), trained.predict(sample))


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
