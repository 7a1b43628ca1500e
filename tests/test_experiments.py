"""What the experiments call shown is shown: their statistics against independent ones."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import erf
from scipy.stats import ks_2samp, norm, t
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.pipeline import make_pipeline

from skcluster import (
    ClusterSample,
    LogScaler,
    MorphologyMeasurer,
    PhotonMapper,
    RedshiftNormalizer,
    datasets,
)
from skcluster.contest import read_configuration
from skcluster.cosmology import comoving_distance
from skcluster.datasets import fetch_magneticum
from skcluster.posterior import MassPosterior

FOLDER = Path(__file__).parents[1] / "experiments"


def experiment(name, monkeypatch):
    """Import a script, which needs to find the others in its folder."""
    monkeypatch.syspath_prepend(FOLDER)
    yield importlib.import_module(name)
    sys.modules.pop(name)


@pytest.fixture
def statistics(monkeypatch):
    yield from experiment("significance", monkeypatch)


@pytest.fixture
def joint_gain(monkeypatch):
    pytest.importorskip("torch")
    yield from experiment("joint_gain", monkeypatch)


@pytest.fixture
def coverage(monkeypatch):
    pytest.importorskip("torch")
    yield from experiment("coverage", monkeypatch)
    sys.modules.pop("kept_fits")


@pytest.fixture
def fits(monkeypatch):
    yield from experiment("kept_fits", monkeypatch)


class TestKeptFits:
    def test_nothing_that_is_there_is_computed_again(self, fits, tmp_path):
        calls = []

        def compute(value):
            calls.append(value)
            if value < 0:
                raise RuntimeError("stopped")
            return {"value": value}

        path = tmp_path / "kept.npz"
        with pytest.raises(RuntimeError, match="stopped"):
            fits.kept(path, compute, -1)
        assert not path.exists()
        for value in (1, 2):
            assert fits.kept(path, compute, value) == {"value": 1}
        assert calls == [-1, 1]

    def test_folds_are_predicted_by_fits_to_their_training_clusters(
        self, fits, tmp_path
    ):
        y = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
        folds = [
            (np.array([0, 1]), np.array([3])),
            (np.array([3, 4]), np.array([0, 2])),
        ]
        for model, expected in (
            (DummyRegressor(), [4.5, np.nan, 4.5, 1.5, np.nan]),
            ("not a model: all is kept", [4.5, np.nan, 4.5, 1.5, np.nan]),
        ):
            found = fits.kept_predictions(model, np.zeros((5, 1)), y, folds, tmp_path)
            assert_allclose(found, expected)

    def test_a_folder_of_other_settings_is_refused(self, fits, tmp_path):
        folder = fits.folder_of(tmp_path / "new", {"clusters": 10})
        assert fits.folder_of(folder, {"clusters": 10}) == folder
        with pytest.raises(SystemExit, match=r'"clusters": 10.*Give another folder'):
            fits.folder_of(folder, {"clusters": 20})


class TestNeuralProxy:
    @pytest.fixture
    def neural_proxy(self, monkeypatch):
        pytest.importorskip("torch")
        yield from experiment("neural_proxy", monkeypatch)
        for name in ("kept_fits", "seed_tables"):
            sys.modules.pop(name)

    def test_a_planted_correlation_biases_the_slope_and_is_recovered(
        self, neural_proxy
    ):
        rng = np.random.default_rng(0)
        n, names = 20_000, neural_proxy.NAMES
        covariance = np.full((len(names), len(names)), 0.0)
        covariance[-1, :-1] = covariance[:-1, -1] = 0.5 * 0.1 * 0.1
        np.fill_diagonal(covariance, 0.1**2)
        covariance[:-1, :-1] += 0.25 * 0.1**2 * (1 - np.eye(len(names) - 1))
        mu = rng.normal(0, 0.3, n)
        noise = rng.multivariate_normal(np.zeros(len(names)), covariance, n)
        table = Table(mu[:, None] + noise, names=names)
        table["mu"], table["redshift"] = mu, np.repeat([0.1, 0.2], n // 2)
        table["is_known"] = np.arange(n) % 2 == 0
        found = neural_proxy.slopes(table)
        assert_allclose(found["rho"], 0.5, atol=0.03)
        assert_allclose(found["true"], 1, atol=0.02)
        assert_allclose(found["with_covariance"], 1, atol=0.02)
        # rho sigma_s sigma_m over the variance of ln M.
        assert_allclose(found["rho_0"], 1 + 0.5 * 0.1**2 / 0.3**2, atol=0.02)

    def test_means_over_seeds_have_the_errors_of_the_seeds(self, neural_proxy):
        rows = [
            {
                "seed": seed,
                "observable": name,
                "rho": 0.5,
                "true": 2.0,
                "rho_0": 2.2 + step,
                "with_covariance": 2.0 + step,
            }
            for seed, step in enumerate([-0.02, 0.0, 0.02])
            for name in neural_proxy.OBSERVABLES
        ]
        mean = neural_proxy.over_seeds(Table(rows=rows))
        assert_allclose(mean["rho_0"], 10)
        assert_allclose(mean["rho_0_error"], 1 / np.sqrt(3))
        p_value = 2 * t.sf(10 * np.sqrt(3), 2)
        assert_allclose(2 * norm.sf(mean["rho_0_sigma"]), p_value, rtol=1e-6)
        assert_allclose(mean["bias"], 10)
        assert_allclose(mean["bias_error"], 0, atol=1e-12)


class ReadsPosition(RegressorMixin, BaseEstimator):
    """Takes the first coordinate for the mass, and 0.1 dex for its error."""

    def fit(self, X=None, y=None):
        self.fitted_ = True
        return self

    def predict(self, X, return_std=False):
        mean = X.position[:, 0]
        return (mean, np.full(len(mean), 0.1)) if return_std else mean


class TestCoverage:
    @pytest.mark.filterwarnings("ignore:.*(unlike those|far outside)")
    def test_kept_fits_are_those_of_the_network_itself(self, coverage, tmp_path):
        survey, other = (
            datasets.make_mock_survey(n, random_state=n, galaxies=False)
            for n in (104, 16)  # a calibration by trend needs 100
        )
        mapper = PhotonMapper(n_pixels=8)
        maps, tested = (mapper.transform(each.sample) for each in (survey, other))
        network = coverage.XrayCNNRegressor(
            dropout=0.1, max_epochs=1, random_state=0, n_threads=1, loss="gaussian_nll"
        )
        pipeline = make_pipeline(RedshiftNormalizer(), LogScaler(), network)
        coverage.keep_fits(pipeline, maps, survey.log_mass, tested, tmp_path, n_draws=3)
        for draws in (0, 3):
            network.set_params(n_dropout_draws=draws)
            kept = coverage.KeptFit(tmp_path, n_dropout_draws=draws)
            expected, found = (
                coverage.posteriors_of(model, maps, survey.log_mass, tested)[0]
                for model in (pipeline, kept)
            )
            for kind in ("raw", "calibrated", "by trend"):
                quantiles = (
                    each[kind].quantile([0.05, 0.5]) for each in (expected, found)
                )
                assert_allclose(*quantiles, atol=1e-6)

    def test_right_posteriors_are_found_right_and_wrong_ones_wrong(self, coverage):
        rng = np.random.default_rng(0)
        mean, z = rng.uniform(13.5, 15, 6000), rng.uniform(0.1, 0.5, 6000)
        log_mass = mean + 0.1 * np.sqrt(z / 0.3) * rng.normal(size=6000)
        tables = []
        for std in (0.1 * np.sqrt(z / 0.3), 0.1):
            posterior = MassPosterior.from_gaussians(mean, np.broadcast_to(std, 6000))
            tables.append(coverage.measured(posterior, log_mass, z, 13.5, 10**9))
            for name, value in (
                ("estimator", "n"),
                ("posterior", "by trend"),
                ("seed", 0),
            ):
                tables[-1][name] = value
        right, wrong = tables
        assert (right["pit_p_value"] > 1e-3).all()
        for level in (50, 68, 90, 95):
            off = (right[f"coverage_{level}"] - level) / right[f"error_{level}"]
            assert np.abs(off).max() < 3.5
        # A Gaussian of width w covers erf(0.994 w / sqrt 2) at 0.994 sigma.
        thirds = wrong[wrong["quantity"] == "redshift"]
        expected = [
            100 * np.mean(erf(norm.ppf(0.84) * 0.1 / std / np.sqrt(2)))
            for std in np.array_split(np.sort(0.1 * np.sqrt(z / 0.3)), 3)
        ]
        assert_allclose(thirds["coverage_68"], expected, atol=3.5)
        promises = [
            list(coverage.broken_promises(each, coverage.over_seeds(each)))
            for each in (right, wrong)
        ]
        assert promises[0] == []
        assert any("third 1 of redshift" in each for each in promises[1])

    @pytest.mark.parametrize("has_one_shape", [True, False])
    def test_the_control_misses_where_scores_have_another_shape(
        self, coverage, has_one_shape, monkeypatch
    ):
        """A trend gives scores of a mass their width, but all scores the same shape."""
        monkeypatch.setattr(coverage, "N_CHOICES", 2)
        rng, n = np.random.default_rng(0), 12_000
        mean, z = rng.uniform(13.5, 15, n), rng.uniform(0.1, 0.5, n)
        score = rng.normal(size=n)
        if not has_one_shape:
            score = np.where(mean < 14, score, rng.choice([-1, 1], n))
        position = np.column_stack([mean, *rng.uniform(0, 352, (2, n))])
        sample = ClusterSample(redshift=z, position=position)
        tables = coverage.control(
            ReadsPosition().fit(), sample, mean + 0.1 * score, 5000, seed=0
        )
        row = coverage.counted_misses([*tables], seed=3)
        assert row["seed"] == 3
        assert row["thirds"] == 12
        assert (row["off"] < 2) == has_one_shape
        assert (row["not_uniform"] < 2) == has_one_shape

    @pytest.mark.parametrize("shift", [0.0, 0.08, 0.15])
    def test_learned_distributions_are_compared_as_two_samples(self, coverage, shift):
        rng = np.random.default_rng(3)
        learned_from, tested = rng.normal(size=1200), rng.normal(shift, size=2400)
        pit = np.searchsorted(np.sort(learned_from), tested) / 1200
        expected = ks_2samp(learned_from, tested, method="asymp").pvalue
        assert_allclose(coverage.p_two_samples(pit, 2), expected, rtol=0.15)

    def test_the_error_of_the_mean_is_the_scatter_between_seeds(self, coverage):
        parts = []
        for seed, value in enumerate([60.0, 68.0, 76.0]):
            names = ("estimator", "posterior", "quantity", "low", "high", "scatter")
            row = {
                "seed": seed,
                "bin": 0,
                "n": 400,
                "mean_error": 1.0,
                "p_two_samples": 0.5,
                "pit_p_value": 0.5,
            }
            row |= dict.fromkeys(names, 1.0)
            row |= {f"coverage_{level}": float(level) for level in (50, 90, 95)}
            parts.append(row | {"coverage_68": value})
        mean = coverage.over_seeds(Table(parts))
        assert_allclose(mean["coverage_68"], 68)
        assert_allclose(mean["error_68"], 8 / np.sqrt(3))
        # Where seeds agree by chance, it is the binomial error of all clusters.
        assert_allclose(mean["error_90"], 100 * np.sqrt(0.9 * 0.1 / 1200))


class TestSignificance:
    @pytest.mark.parametrize("n_seeds", [2, 3, 10])
    @pytest.mark.parametrize("value", [-3.8, 0.1, 20.0])
    def test_scatter_between_seeds_alone_is_students_t(
        self, statistics, value, n_seeds
    ):
        found = statistics.significance(value, 0.0, 1.0, n_seeds)
        p_value = 2 * t.sf(abs(value), n_seeds - 1)
        assert_allclose(2 * norm.sf(abs(found)), p_value, rtol=1e-6)
        assert np.sign(found) == np.sign(value)

    def test_scatter_over_clusters_alone_is_normal(self, statistics):
        assert_allclose(statistics.significance(0.6, 0.2, 0.0, 3), 3.0)
        assert_allclose(statistics.significance(0.6, 0.2, 1e-3, 3), 3.0, rtol=0.02)

    @pytest.mark.parametrize(("error_clusters", "error_seeds"), [(1, 0.3), (1, 1)])
    def test_both_together_are_the_sum_of_draws(
        self, statistics, error_clusters, error_seeds
    ):
        rng = np.random.default_rng(0)
        draws = error_clusters * rng.normal(size=1_000_000)
        draws += error_seeds * rng.standard_t(2, size=1_000_000)
        found = statistics.significance(4.0, error_clusters, error_seeds, 3)
        assert_allclose(2 * norm.sf(found), (np.abs(draws) > 4).mean(), rtol=0.05)

    @pytest.mark.parametrize("spread", [0.0, 0.3, 1.0, 3.0])
    def test_nothing_is_shown_more_often_than_by_chance(self, statistics, spread):
        rng = np.random.default_rng(1)
        fits = rng.normal(size=(5000, 1)) + np.sqrt(3) * spread * rng.normal(
            size=(5000, 3)
        )
        errors = fits.std(axis=1, ddof=1) / np.sqrt(3)
        found = [
            statistics.significance(value, 1.0, error, 3)
            for value, error in zip(fits.mean(axis=1), errors, strict=True)
        ]
        # Up to three standard errors of 5000 draws above the nominal rate.
        assert np.mean(np.abs(found) > 2) < 0.0455 + 0.009
        assert np.mean(np.abs(found) > 3) < 0.0027 + 0.0022

    def test_a_significance_of_the_page_is_about_two_and_not_four_sigma(
        self, statistics
    ):
        found = statistics.significance(0.058, 0.005, 0.014, 3)
        assert 0.058 / np.hypot(0.005, 0.014) > 3.8
        assert_allclose(found, 1.9, atol=0.05)

    def test_one_seed_shows_nothing(self, statistics):
        sigma = statistics.significance(10.0, 0.1, 0.0, 1)
        assert np.isnan(sigma)
        assert statistics.verdict(sigma) == "not shown"

    def test_a_claim_is_met_beyond_three_sigma_with_its_control(self, statistics):
        assert statistics.verdict(3.1, 4.0) == "met"
        assert statistics.verdict(9.0, 2.9) == "not shown"
        assert statistics.verdict(-9.0, 9.0) == "not shown"


class TestJointGain:
    def residuals(self, *, gain, seed):
        rng = np.random.default_rng(seed)
        alone = rng.normal(0, 0.1, 1000)
        other = alone + rng.normal(0, 0.01, 1000)
        return {
            "three bands": alone,
            "joint": gain * alone + (other - alone) / 100,
            "shuffled": other,
        }

    def test_a_gain_by_seed_is_students_t(self, joint_gain):
        by_seed = np.array([0.84, 0.86, 0.88])
        found = joint_gain.gain_in_sigma(by_seed, 0.86, 0.001)
        expected = 2 * t.sf(0.14 / (0.02 / np.sqrt(3)), 2)
        assert_allclose(2 * norm.sf(found), expected, rtol=1e-6)

    def test_one_seed_says_that_it_is_one_and_shows_nothing(self, joint_gain, capsys):
        joint_gain.judge([self.residuals(gain=0.5, seed=0)])
        said = capsys.readouterr().out
        assert "not shown  finding: gain of joint over three bands" in said
        assert "one seed, errors without scatter between fits" in said

    def test_three_seeds_that_agree_show_a_gain(self, joint_gain, capsys):
        gains = [0.80, 0.801, 0.799]
        runs = [self.residuals(gain=each, seed=i) for i, each in enumerate(gains)]
        joint_gain.judge(runs)
        assert "met        finding: gain of joint over three bands" in (
            capsys.readouterr().out
        )


class TestGreen2019:
    @pytest.fixture
    def green(self, monkeypatch):
        yield from experiment("green2019", monkeypatch)

    def test_pixels_have_the_published_size_at_every_redshift(self, green):
        offset = 5 * 9.65 / 3600  # five pixels to the North
        photons = {"ra": [10.0, 10.0], "dec": [1e-4, 1e-4 + offset], "energy": [1, 1]}
        redshift = [0.3, 0.1, 0.3]
        sample = ClusterSample(
            redshift, r500c=[0.9] * 3, center=[[10.0, 0.0]] * 3, photons=[photons] * 3
        )
        seen = []
        for rows, mapped in green.arcsecond_maps(sample):
            seen += rows.tolist()
            for image in np.asarray(mapped.maps)[:, 0]:
                (low, high), (left, right) = np.nonzero(image)
                assert (high - low, right - left) == (5, 0)
        assert seen == [1, 0, 2]

    def test_a_table_of_measures_is_that_of_the_photons(self, green):
        rng = np.random.default_rng(0)
        offset = rng.normal(0, 0.02, (2, 5000, 2))
        photons = [
            {"ra": 10 + x, "dec": y, "energy": np.ones(5000)}
            for x, y in offset.swapaxes(1, 2)
        ]
        sample = ClusterSample(
            [0.2, 0.1], r500c=[0.5, 0.4], center=[[10.0, 0.0]] * 2, photons=photons
        )
        measurer = MorphologyMeasurer(
            quantities=["core_excised_counts"], core_radius=0.4
        )
        found = green.measured(sample, measurer)[:, 0]
        radius = (
            np.radians(np.hypot(*offset.T)).T
            * comoving_distance(sample.redshift)[:, None]
        )
        radius /= sample.r500c[:, None]
        expected = ((radius >= 0.4) & (radius < 1)).sum(axis=1)
        assert_allclose(found, expected, rtol=0.01)

    def test_masses_are_flattened_and_halos_stay_in_one_set(self, green):
        log_mass = np.random.default_rng(0).uniform(13.5, 13.8, 1500)
        rows = green.flattened(log_mass, 0)
        assert_allclose(np.histogram(log_mass[rows], [13.5, 13.6, 13.7, 13.8])[0], 226)
        uid = np.repeat(np.arange(1000), 2)
        test = green.is_test(uid).reshape(-1, 2)
        assert (test[:, 0] == test[:, 1]).all()
        assert 0.16 < test.mean() < 0.24

    def test_a_residual_knows_nothing_of_what_is_given(self, green):
        given = np.linspace(-1, 1, 50)[:, None]
        columns = np.column_stack([3 + given**2, np.sin(9 * given)])
        left = green.residual_at(columns, given)
        assert_allclose(left[:, 0], 0, atol=1e-12)
        assert_allclose(left.T @ np.column_stack([given, given**2]), 0, atol=1e-9)

    def test_percentiles_are_weighted_and_do_not_count_what_is_unknown(self, green):
        column = np.array([1.0, 2.0, np.nan, 3.0])
        assert green.percentiles(column) == "1, 2, 3"
        assert green.percentiles(column, np.array([1.0, 0.0, 5.0, 99.0])) == "3, 3, 3"

    def test_without_the_file_it_says_so(self, green, tmp_path, capsys):
        assert green.published(tmp_path / "none.csv", 1, [0]) == 0
        assert "SKIPPED the published features: there is no" in capsys.readouterr().out


class TestContests:
    def table(self):
        rows = [
            {"estimator": name, "seed": seed, "std_dex": std, "robust_dex": robust}
            for name, seed, std, robust in [
                ("rival", 0, 0.10, 0.08),
                ("rival", 1, 0.20, 0.10),
                ("better", 0, 0.08, 0.06),
                ("better", 1, 0.15, 0.09),
            ]
        ]
        return Table(rows=rows)

    def test_the_gain_that_counts_is_the_least_of_all_surveys(self, monkeypatch):
        (module,) = experiment("equal_contexts", monkeypatch)
        gains = module.least_gains(self.table(), "rival")
        assert list(gains) == ["better"]
        # 20 and 25 % in the standard deviation, 25 and 10 % in the robust one.
        assert_allclose(gains["better"], (0.20, 0.10))

    def test_the_configurations_are_understood_and_name_their_rivals(self, monkeypatch):
        pytest.importorskip("torch")
        (module,) = experiment("equal_contexts", monkeypatch)
        contest = read_configuration(module.CONFIGURATION)
        assert {*module.RIVALS} <= {entry.name for entry in contest.entries}
        assert contest.survey["n_clusters"] == 3285
        (scalars,) = experiment("scalar_systems", monkeypatch)
        read_configuration(scalars.CONFIGURATION)

    def test_subsets_are_averaged_over_surveys_and_ranked_by_new_clusters(
        self, monkeypatch
    ):
        (module,) = experiment("scalar_systems", monkeypatch)
        found = module.averaged(
            Table(
                {
                    "proxies_of": ["measured"] * 4 + ["ideal"],
                    "proxies": ["a", "a", "a, b", "a, b", "c"],
                    "scatter_percent": [30.0, 32.0, 20.0, 20.0, 9.0],
                    "cv_error_percent": [31.0, 33.0, 21.0, 25.0, 9.5],
                }
            )
        )
        assert list(found["proxies"]) == ["c", "a, b", "a"]
        assert_allclose(found["cv_error_percent"], [9.5, 23.0, 32.0])
        assert_allclose(found["between_surveys"][1:], [np.sqrt(8), np.sqrt(2)], 1e-3)
        assert np.isnan(found["between_surveys"][0])


class TestMagneticumFolds:
    @pytest.fixture
    def folds(self, monkeypatch):
        yield from experiment("magneticum_folds", monkeypatch)

    def test_outputs_of_a_halo_are_linked_wherever_the_box_ends(self, folds):
        rng = np.random.default_rng(0)
        n_halos, n_outputs = 200, 5
        place = rng.uniform(0, 352, (n_halos, 3))
        place[:20, 0] = rng.uniform(-0.3, 0.3, 20)  # across the border
        halo = np.tile(np.arange(n_halos), n_outputs)
        output = np.repeat(np.arange(n_outputs), n_halos)
        drift = rng.normal(0, 0.15, (n_outputs, n_halos, 3)).cumsum(axis=0)
        position = (place + drift).reshape(-1, 3) % 352
        log_mass = rng.uniform(13.5, 15, n_halos)[halo] - 0.05 * output
        kept = rng.random(len(halo)) < 0.7  # halos are not in every output
        found = folds.linked_halos(position[kept], log_mass[kept], 0.1 * output[kept])
        pairs = np.unique(np.column_stack([found, halo[kept]]), axis=0)
        assert len(pairs) == len(np.unique(halo[kept])) == found.max() + 1

    def test_halos_of_one_output_or_of_other_masses_are_not_linked(self, folds):
        position = np.array([[10.0, 0, 0], [10.5, 0, 0], [10.0, 0.5, 0]])
        redshift = np.array([0.1, 0.1, 0.2])
        assert_array_equal(
            folds.linked_halos(position, np.array([14, 14, 15]), redshift), [0, 1, 2]
        )

    def test_the_public_list_has_as_many_halos_as_were_counted_elsewhere(
        self, folds, data_folder
    ):
        clusters = fetch_magneticum(data_home=data_folder, download_if_missing=False)
        parts = clusters.position, clusters.target, clusters.redshift
        n_halos = folds.linked_halos(*parts).max() + 1
        # 1296, 1282 and 1277 by another program, within 1, 1.5 and 2.5 Mpc/h.
        assert 1277 <= n_halos <= 1296
