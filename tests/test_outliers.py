"""Maps unlike those of training are found, and the tail of training is not called so."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import f as f_distribution
from scipy.stats import kstest
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
    load_model,
    misspecification_score,
    population_test,
    read_photons,
    save_model,
)
from skcluster.outliers import learn_population, warn_unlike
from skcluster.outliers.detector import FAR, SHARE_IN_TAIL
from skcluster.outliers.measures import measures, population_measures
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
        found = measures(SparseMaps.from_dense(maps))
        scale = np.where(found.std(axis=0) > 0, found.std(axis=0), 1)
        u = (found - found.mean(axis=0)) / scale
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
        found = measures(SparseMaps.from_dense(maps))
        assert_allclose(found, np.transpose(expected))

    def test_new_maps_of_the_same_kind_pass_and_a_background_does_not(self):
        detector = MapOutlierDetector().fit(toy_maps(300))
        assert (detector.predict(toy_maps(300, seed=1)) == -1).mean() < 0.01
        assert (detector.predict(toy_maps(300, 1.0, seed=1)) == -1).mean() > 0.99

    def test_order_and_neighbors_do_not_matter(self):
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

    def test_maps_in_other_bands_are_refused(self):
        """Five rings twice, the brightest pixel, and each band but the first."""
        detector = MapOutlierDetector().fit(toy_maps(60))
        three = np.repeat(toy_maps(4), 3, axis=1)
        words = (
            "by 13 numbers per cluster, but the training maps .* by 11: their numbers"
        )
        for method in (detector.predict, detector.score_samples):
            with pytest.raises(ValueError, match=words):
                method(three)


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

    def test_copies_of_training_clusters_count_once(self):
        maps, log_mass = toy_maps(60), np.linspace(13.5, 15, 60)
        fit = XrayCNNRegressor(max_epochs=1, random_state=0).fit
        once = fit(ClusterSample(np.full(60, 0.2), maps=maps), log_mass)
        copies = ClusterSample(
            np.full(120, 0.2),
            maps=np.concatenate([maps, maps[..., ::-1]]),
            group=np.tile(np.arange(60), 2),
        )
        twice = fit(copies, np.tile(log_mass, 2))
        for name in ("mean_", "scale_", "precision_", "offset_"):
            found = getattr(twice.outlier_detector_, name)
            assert_allclose(found, getattr(once.outlier_detector_, name))


class Trained:
    """What `population_test` asks of a network, without a network."""

    outlier_detector_ = None

    def __init__(self, clusters, log_mass):
        self.population_ = learn_population(clusters.maps, clusters.redshift, log_mass)


def population(n, seed=0, *, exposure=1, background=0, blur=3, slope=0.0, pairs=0):
    """Clusters of known masses whose brightness and size scatter, and depend on z.

    With pairs, this share of the photons arrives twice in a pixel, and as many others not
    at all: the mean map is the same.
    """
    rng = np.random.default_rng(seed)
    z, log_mass = rng.uniform(0.1, 0.3, n), rng.uniform(13.5, 15, 4 * n)
    weight = 10 ** (-slope * (log_mass - 14))
    log_mass = rng.choice(log_mass, n, replace=False, p=weight / weight.sum())
    y, x = np.mgrid[:16, :16] - 7.5
    scatter = rng.normal(0, 0.3, (2, n))
    size = blur * np.exp(scatter[0] / 4 + 0.8 * (log_mass - 14))[:, None, None, None]
    flux = np.exp(1.4 * (log_mass - 14) + scatter[1] - 2 * z)[:, None, None, None]
    counts = exposure * (3 * flux * np.exp(-np.hypot(x, y) / size) + 0.02) + background
    maps = rng.poisson((1 - pairs) * counts) + 2 * rng.poisson(pairs / 2 * counts)
    maps = SparseMaps.from_dense(maps.astype(float))
    return ClusterSample(z, maps=maps), log_mass


class TestPopulation:
    def test_measures_tell_how_uneven_a_map_is(self):
        maps = np.random.default_rng(0).poisson(0.5, (3, 2, 8, 8)).astype(float)
        products = np.zeros(3)
        for cluster, _, row, column in np.ndindex(maps.shape):
            for other in ((row + 1, column), (row, column + 1)):
                if max(other) < 8:
                    band = maps[cluster, _]
                    products[cluster] += band[row, column] * band[other]
        centers = (np.arange(8) + 0.5) / 4 - 1
        ring = np.digitize(
            np.hypot(*np.meshgrid(centers, centers)), [0.15, 0.35, 0.65, 1]
        )
        squares = [(maps[:, :, ring == i] ** 2).sum(axis=(1, 2)) for i in range(5)]
        found = population_measures(SparseMaps.from_dense(maps))
        assert_allclose(found[:, -1] ** 2, products)
        assert_allclose(found[:, -6:-1] ** 2, np.transpose(squares))
        assert_allclose(found[:, :-6], measures(SparseMaps.from_dense(maps)))

    def test_false_alarms_are_as_rare_as_p_values_say(self):
        trained = Trained(*population(1000))
        clusters, _ = population(12_000, seed=1)
        for n in (10, 100):
            blocks = [clusters[i : i + n] for i in range(0, min(12_000, 600 * n), n)]
            p = np.array([population_test(trained, block) for block in blocks])
            # Of ten clusters the means are not Gaussian yet: p is too large on average.
            assert n == 10 or kstest(p, "uniform").pvalue > 0.01
            assert np.mean(p < 0.01) < 0.05
            assert np.mean(p < 1e-3) <= 0.01

    @pytest.mark.parametrize(
        "change",
        [{"exposure": 0.5}, {"background": 0.2}, {"blur": 2.2}, {"pairs": 0.1}],
    )
    def test_a_hundred_changed_clusters_are_found_where_no_single_one_is(self, change):
        training = population(1000)
        trained = Trained(*training)
        detector = MapOutlierDetector().fit(training[0])
        for seed in range(1, 6):
            changed, _ = population(100, seed, **change)
            assert population_test(trained, changed) < 1e-3
            assert (detector.predict(changed) == -1).mean() <= 0.02

    def test_other_masses_and_redshifts_are_no_change(self):
        trained = Trained(*population(1000))
        steep = [population(100, seed, slope=2.0)[0] for seed in range(1, 41)]
        p = np.array([population_test(trained, each) for each in steep])
        assert np.mean(p < 1e-3) <= 0.025
        near = [each[each.redshift < 0.2] for each in steep]
        assert (
            np.mean([population_test(trained, each) < 1e-3 for each in near]) <= 0.025
        )

    def test_copies_of_a_cluster_count_once(self):
        clusters, log_mass = population(120)
        maps, z = np.asarray(clusters.maps), clusters.redshift
        four = SparseMaps.from_dense(np.concatenate([maps, maps[:, :, ::-1]] * 2))
        halo = np.tile(np.arange(120), 4)
        found = learn_population(four, np.tile(z, 4), np.tile(log_mass, 4), halo)
        expected = learn_population(clusters.maps, z, log_mass)
        for name, value in expected.items():
            assert_array_equal(found[name], value)
        few = learn_population(four, None, np.tile(log_mass, 4), halo % 99)
        assert few == {}

    def test_copies_of_tested_clusters_count_once(self):
        trained = Trained(*population(300))
        clusters, _ = population(40, seed=1)
        labeled = clusters.assign(group=np.arange(40))
        four = ClusterSample.concatenate([labeled] * 4)
        alone = population_test(trained, clusters)
        assert population_test(trained, four) == alone
        assert population_test(trained, four.drop("group")) < alone

    def test_hotellings_statistic_by_brute_force(self):
        """Refit the trend without each training cluster; p from the F distribution."""
        clusters, log_mass = population(120)
        tested, _ = population(30, seed=1)
        learned = learn_population(clusters.maps, clusters.redshift, log_mass)
        f, z = population_measures(clusters.maps), clusters.redshift
        mean, scale = f.mean(axis=0), f.std(axis=0)

        def inputs(measures, redshift, limits=(-np.inf, np.inf)):
            u, t = (measures - mean) / scale, (redshift - z.mean()) / z.std()
            mass = np.column_stack([np.ones(len(u)), u, t, t**2])
            mass = np.clip(mass @ learned["mass_weights"], *limits)
            powers = [(i, j) for i in range(4) for j in range(4 - i)]
            return u, np.column_stack([mass**i * t**j for i, j in powers])

        u, terms = inputs(f, z)
        residual = []
        for i in range(120):
            rows = np.arange(120) != i
            trend = np.linalg.lstsq(terms[rows], u[rows], rcond=None)[0]
            residual.append(u[i] - terms[i] @ trend)
        trend = np.linalg.lstsq(terms, u, rcond=None)[0]
        white = np.array(residual) @ learned["whitening"]
        assert_allclose(white.T @ white / 120, np.eye(white.shape[1]), atol=0.02)
        # The first power of mass is the fifth term; beyond training there is no trend.
        limits = terms[:, 4].min(), terms[:, 4].max()
        u, terms = inputs(population_measures(tested.maps), tested.redshift, limits)
        mean_residual = np.clip((u - terms @ trend) @ learned["whitening"], -5, 5)
        mean_residual = mean_residual.mean(axis=0)
        leverage = terms.mean(axis=0) @ learned["term_covariance"] @ terms.mean(axis=0)
        k = len(mean_residual)
        t2 = mean_residual @ mean_residual / (1 / 30 + leverage)
        expected = f_distribution.sf(t2 * (110 - k + 1) / (110 * k), k, 110 - k + 1)
        found = population_test(Trained(clusters, log_mass), tested)
        assert_allclose(found, expected, rtol=1e-6)

    @pytest.mark.parametrize("rounding", [0.0, 1e-8])
    def test_a_snapshot_is_compared_at_any_redshift_as_at_its_own(self, rounding):
        """The mean of equal numbers is rounded, so they spread by more than zero."""
        clusters, log_mass = population(200)
        z = np.full(200, 0.25209) + rounding * (np.arange(200) % 2)
        trained = Trained(clusters.assign(redshift=z), log_mass)
        for change in ({}, {"background": 0.2}):
            tested, _ = population(100, seed=1, **change)
            own, other = (
                population_test(trained, tested.assign(redshift=np.full(100, each)))
                for each in (0.25209, 0.26)
            )
            assert own == other
            assert (own < 1e-3) == bool(change)

    def test_a_stored_network_tests_the_same(self, tmp_path):
        clusters, log_mass = population(150)
        model = network().fit(clusters, log_mass)
        save_model(model, tmp_path / "model")
        tested, _ = population(20, seed=1)
        expected = population_test(model, tested)
        assert expected > 1e-3
        assert population_test(load_model(tmp_path / "model"), tested) == expected
        assert population_test(make_pipeline(model), tested) == expected
        with pytest.raises(ValueError, match="trained on clusters with redshifts"):
            population_test(model, np.asarray(tested.maps))

    def test_too_few_clusters(self):
        few = network().fit(*population(60))
        assert np.isnan(population_test(few, population(20)[0]))
        with pytest.raises(ValueError, match=r"at least 10 clusters, got 9\. For"):
            population_test(few, population(9)[0])
