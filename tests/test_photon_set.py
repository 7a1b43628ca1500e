"""The network on photon lists: its sums, its draws, what it learns, what it refuses."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import erf
from sklearn.base import clone
from sklearn.ensemble import StackingRegressor, VotingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from skcluster import (
    CalibratedMassRegressor,
    ClusterSample,
    LogScaler,
    PhotonFeaturizer,
    PhotonMapper,
    PhotonSetRegressor,
    QuadrantGroupKFold,
    Ragged,
    RedshiftNormalizer,
    XrayCNNRegressor,
    load_model,
    misspecification_score,
    population_test,
    save_model,
)
from skcluster.metrics import mass_scatter
from skcluster.networks import PhotonSetNetwork
from skcluster.networks.rows import BLOCK, ROWS_AT_ONCE, Rows
from skcluster.regressors.output_curve import on_curve
from skcluster.regressors.set_batches import Scaling, SetBatches
from skcluster.regressors.set_inputs import DescribedSets, SetInputs

COLUMNS = ("log_radius", "log_energy")


def described(lengths, seed=0, shift=0.0):
    """Sample whose photons carry two random describing columns."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    n = offsets[-1]
    columns = {"ra": np.full(n, 10.0), "dec": np.zeros(n), "energy": np.ones(n)}
    for name in COLUMNS:
        columns[name] = rng.normal(shift, 0.4, n).astype(np.float32)
    z = rng.uniform(0.1, 0.3, len(lengths))
    center = np.tile([10.0, 0.0], (len(lengths), 1))
    return ClusterSample(z, center=center, photons=Ragged(columns, offsets))


def clusters(n, seed=0):
    """Clusters whose mass is told by their soft photons; the hard ones are noise."""
    rng = np.random.default_rng(seed)
    log_mass = rng.uniform(13.5, 14.7, n)
    soft = rng.poisson(20 * 10 ** (log_mass - 13.5))
    hard = rng.poisson(20 * 10 ** rng.uniform(0, 1.2, n))
    sample = described(soft + hard, seed)
    photons = sample.photons
    first = photons.offsets[photons.cluster]
    is_hard = np.arange(photons.offsets[-1]) - first >= np.repeat(soft, photons.lengths)
    energy = (photons["log_energy"] + 2 * is_hard).astype(np.float32)
    return sample.assign(photons=photons.assign(log_energy=energy)), log_mass


def shuffled(sample, seed=0):
    """The same photons of each cluster in another order."""
    photons = sample.photons
    key = np.random.default_rng(seed).random(photons.offsets[-1])
    order = np.lexsort((key, photons.cluster))
    columns = {name: column[order] for name, column in photons.columns.items()}
    return sample.assign(photons=Ragged(columns, photons.offsets))


def regressor(**parameters):
    settings = {"max_epochs": 3, "random_state": 0, "n_threads": 1, "device": "cpu"}
    return PhotonSetRegressor(**{**settings, **parameters})


class TestRows:
    @pytest.fixture
    def rows(self):
        rng = np.random.default_rng(0)
        n_blocks = torch.tensor([3, 0, ROWS_AT_ONCE // BLOCK, 1])
        n = int(n_blocks.sum()) * BLOCK
        values = torch.from_numpy(rng.normal(size=(n, 2)).astype(np.float32))
        return Rows(
            values, torch.from_numpy(rng.random(n).astype(np.float32)), n_blocks
        )

    def test_sums_are_those_of_a_loop_also_over_several_parts(self, rows):
        total = rows.sum(lambda values: values**2)
        stop = np.cumsum(rows.n_blocks.numpy()) * BLOCK
        for i, (first, last) in enumerate(zip([0, *stop], stop, strict=False)):
            values, weight = rows.values[first:last], rows.weight[first:last, None]
            expected = (values.double() ** 2 * weight.double()).sum(0)
            assert_allclose(total[i], expected, rtol=1e-5)

    def test_parts_have_the_sums_of_their_clusters(self, rows):
        parts = rows.split(3)
        assert [len(part) for part in parts] == [3, 1]
        sums = torch.cat([part.sum(torch.exp) for part in parts])
        assert_allclose(sums, rows.sum(torch.exp), rtol=1e-6)

    def test_without_any_rows_sums_are_zero(self):
        rows = Rows(torch.zeros(0, 2), torch.zeros(0), torch.tensor([0, 0]))
        assert_array_equal(rows.sum(lambda values: values + 1), np.zeros((2, 2)))

    def test_gradients_are_those_of_the_plain_sum(self, rows):
        factor = torch.tensor(2.0, requires_grad=True)
        rows.sum(lambda values: factor * values)[0].sum().backward()
        expected = (rows.values * rows.weight[:, None])[: 3 * BLOCK].sum()
        assert_allclose(factor.grad, expected, rtol=1e-4)


class TestBatches:
    MOMENTS = np.array([[0.0, 0.0], [1.0, 1.0]])

    def batches(self, sample, n_drawn=None, count=1.0):
        sets = {"photons": DescribedSets(sample.photons, COLUMNS)}
        scalings = {"photons": Scaling(self.MOMENTS, count)}
        return SetBatches(
            SetInputs(sets, sample.redshift),
            scalings=scalings,
            redshift_moments=(0.0, 1.0),
            n_drawn=n_drawn,
        )

    def test_all_photons_once_each_with_weight_one_and_their_redshift(self):
        sample = described([5, 0, 40])
        inputs, _ = self.batches(sample).__getitems__([2, 1, 0])
        photons = inputs["photons"]
        assert photons.n_blocks.tolist() == [3, 0, 1]
        assert_allclose(inputs["redshift"], sample.redshift[[2, 1, 0]], rtol=1e-6)
        n_kept = 0
        for part, cluster in zip(photons.split(1), [2, 1, 0], strict=True):
            kept = part.weight > 0
            assert_array_equal(part.weight[kept], 1)
            found = part.values[kept].numpy()
            table = sample.photons.table(cluster)
            expected = np.stack([table[name] for name in COLUMNS], 1)
            assert_array_equal(
                found[np.argsort(found[:, 0]), :2], expected[np.argsort(expected[:, 0])]
            )
            assert_allclose(found[:, 2], sample.redshift[cluster], rtol=1e-6)
            n_kept += len(found)
        assert n_kept == 45

    def test_draws_are_new_each_time_and_their_weights_make_up_for_the_rest(self):
        sample = described([500, 8])
        batches = self.batches(sample, n_drawn=50, count=10.0)
        torch.manual_seed(0)
        draws = [batches.__getitems__([0, 1])[0]["photons"] for _ in range(400)]
        for photons in draws:
            assert_allclose(photons.sum(lambda v: v[:, :1] * 0 + 1).ravel(), [50, 0.8])
            assert (photons.weight > 0).sum() == 58
        energies = [photons.sum(lambda v: v[:, 1:2])[0, 0] for photons in draws]
        energy = sample.photons.table(0)["log_energy"]
        error = np.sqrt((500 / 50) ** 2 * 50 * 0.9 * energy.var() / 400) / 10
        assert abs(np.mean(energies) - energy.sum() / 10) < 4 * error
        assert len(set(map(float, energies))) > 390

    def test_moments_and_quartiles_are_those_of_the_selected_photons(self):
        sample = described([50, 70, 90])
        sets = DescribedSets(sample.photons, COLUMNS)[[0, 2]]
        chosen = np.concatenate([sample.photons.table(i)["log_energy"] for i in (0, 2)])
        moments, quartiles = sets.moments(), sets.quartiles()
        assert_allclose(moments[:, 1], [chosen.mean(), chosen.std()], rtol=1e-6)
        assert_allclose(quartiles[1], np.quantile(chosen, [0.25, 0.5, 0.75]))
        measures = sets.measures(quartiles)
        counts = (measures[:, 4:8] ** 2 * (sets.lengths + 1)[:, None]).sum(0)
        assert_allclose(counts, len(chosen) / 4, atol=1)
        assert_allclose(measures[:, -1], np.log10([51, 91]))


def forward_by_hand(fitted, sample, i):
    """Predict log10 M of one cluster with numpy, from the weights and the equations."""
    state = fitted.net_.module_.state_dict()
    weights = {name: value.numpy().astype(float) for name, value in state.items()}
    table, (mean, deviation) = (
        sample.photons.table(i),
        fitted.column_moments_["photons"],
    )
    p = (np.stack([table[name] for name in COLUMNS], 1) - mean) / deviation
    z = (sample.redshift[i] - fitted.redshift_moments_[0]) / fitted.redshift_moments_[1]
    h = np.column_stack([p, np.full(len(p), z)])
    for layer in (0, 2, 4):
        kernel, bias = (weights[f"of_photon.{layer}.{k}"] for k in ("weight", "bias"))
        h = h @ kernel.T + bias
        h = np.log1p(np.exp(h)) if layer == 4 else h * (1 + erf(h / np.sqrt(2))) / 2
    s = h.sum(0) / fitted.count_scale_["photons"]
    h = np.append(np.log10(s + 1e-3), z)
    mean, variance = (weights[f"normalization.running_{k}"] for k in ("mean", "var"))
    h = (h - mean) / np.sqrt(variance + 1e-5)
    h = h * weights["normalization.weight"] + weights["normalization.bias"]
    for layer in (0, 3, 6):
        kernel, bias = (weights[f"head.{layer}.{k}"] for k in ("weight", "bias"))
        h = kernel @ h + bias
        h = h * (1 + erf(h / np.sqrt(2))) / 2
    out = weights["output.weight"] @ h + weights["output.bias"]
    standardized = on_curve(out[0], fitted.curve_[0, 0])
    return fitted.target_mean_ + fitted.target_scale_ * standardized


@pytest.fixture(scope="module")
def trained():
    """Return a trained network, and clusters that it has not seen."""
    sample, log_mass = clusters(400)
    fitted = regressor(max_epochs=20)
    return fitted.fit(sample[:300], log_mass[:300]), sample[300:], log_mass[300:]


class TestPhotonSetRegressor:
    def test_it_finds_which_photons_tell_the_mass(self, trained):
        fitted, sample, log_mass = trained
        counts = sample.photons.lengths
        trend = np.polyval(np.polyfit(np.log(counts), log_mass, 1), np.log(counts))
        by_counts = mass_scatter(log_mass, trend)
        found = mass_scatter(log_mass, fitted.predict(sample))
        n_soft = 20 * 10 ** (log_mass - 13.5)
        best = np.sqrt(np.mean(1 / n_soft)) / np.log(10)
        assert found < 0.5 * by_counts
        assert found < 1.6 * best

    def test_predictions_are_those_of_the_equations(self, trained):
        fitted, sample, _ = trained
        found = fitted.predict(sample)
        expected = [forward_by_hand(fitted, sample, i) for i in range(5)]
        assert_allclose(found[:5], expected, atol=2e-6)

    @pytest.mark.parametrize("rounding", [0.0, 3.5e-9])
    def test_a_snapshot_says_nothing_of_other_redshifts(self, rounding):
        """A spread by rounding counts as none, and masses nearby in z stay the same."""
        sample, log_mass = clusters(60)
        z = np.full(60, 0.25209) + rounding * (np.arange(60) % 2)
        fitted = regressor().fit(sample.assign(redshift=z), log_mass)
        assert fitted.redshift_moments_[1] == 1
        near = fitted.predict(sample.assign(redshift=z + 0.01))
        assert_allclose(near, fitted.predict(sample.assign(redshift=z)), atol=0.05)

    def test_the_order_of_photons_does_not_matter_to_the_bit(self, trained):
        fitted, sample, _ = trained
        assert_array_equal(fitted.predict(shuffled(sample)), fitted.predict(sample))

    def test_a_cluster_does_not_depend_on_its_neighbors_to_the_bit(self, trained):
        fitted, sample, _ = trained
        together = fitted.predict(sample)
        alone = [fitted.predict(sample[[i]])[0] for i in (0, 3, 99)]
        assert_array_equal(alone, together[[0, 3, 99]])

    def test_a_long_list_is_summed_in_parts(self, trained):
        fitted, _, _ = trained
        many = described([3 * ROWS_AT_ONCE + 5])
        with pytest.warns(UserWarning, match="far outside|unlike"):
            found = fitted.predict(many)
        assert_allclose(found, forward_by_hand(fitted, many, 0), atol=1e-4)

    def test_errors_are_right_on_clusters_of_known_noise(self, trained):
        fitted, sample, log_mass = trained
        mean, std = fitted.predict(sample, return_std=True)
        # 30 held-out clusters tell the scale of the errors to 13 %, 100 new ones to 7 %.
        assert 0.75 < np.sqrt(np.mean(((mean - log_mass) / std) ** 2)) < 1.33

    def test_a_cluster_without_photons_is_predicted(self, trained):
        fitted, _, _ = trained
        empty = described([0])
        with pytest.warns(UserWarning, match="far outside|unlike"):
            assert np.isfinite(fitted.predict(empty)).all()

    def test_it_trains_with_clusters_that_have_no_photons(self):
        sample = described([0, 3, 50, 0, 20, 7, 9, 10, 30, 40, 60, 5])
        log_mass = np.linspace(13.5, 14.5, 12)
        assert np.isfinite(regressor().fit(sample, log_mass).predict(sample)).all()

    def test_model_file_predicts_the_same_bits(self, trained, tmp_path):
        fitted, sample, _ = trained
        save_model(fitted, tmp_path / "model.skops")
        loaded = load_model(tmp_path / "model.skops")
        assert_array_equal(loaded.predict(sample), fitted.predict(sample))

    def test_a_stopped_fit_goes_on_to_the_same_bits(self, tmp_path, monkeypatch):
        sample, log_mass = clusters(60)
        settings = {"n_photons": 20, "n_members": 2, "dropout": 0.1}
        expected = regressor(**settings).fit(sample, log_mass).predict(sample)
        stopped = regressor(**settings, checkpoint_dir=tmp_path)
        n_batches = 0
        read = SetBatches.__getitems__

        def read_or_stop(self, rows):
            nonlocal n_batches
            n_batches += self.n_drawn is not None
            if n_batches == 4:
                raise KeyboardInterrupt
            return read(self, rows)

        with monkeypatch.context() as patch:
            patch.setattr(SetBatches, "__getitems__", read_or_stop)
            with pytest.raises(KeyboardInterrupt):
                clone(stopped).fit(sample, log_mass)
        assert len([*tmp_path.iterdir()]) > 0
        assert_array_equal(stopped.fit(sample, log_mass).predict(sample), expected)

    def test_photons_unlike_those_of_training_are_noticed(self, trained):
        fitted, sample, _ = trained
        assert np.mean(misspecification_score(fitted, sample) > 1) <= 0.02
        assert population_test(fitted, sample) > 1e-3
        other = sample.assign(
            photons=sample.photons.assign(log_radius=sample.photons["log_radius"] + 1)
        )
        assert (misspecification_score(fitted, other) > 1).mean() > 0.5
        assert population_test(fitted, other) < 1e-3
        with pytest.warns(UserWarning, match="have photons unlike"):
            fitted.predict(other)

    def test_photons_without_description_are_refused(self):
        sample, log_mass = clusters(20)
        plain = sample.assign(
            photons=Ragged(
                {name: sample.photons[name] for name in ("ra", "dec", "energy")},
                sample.photons.offsets,
            )
        )
        with pytest.raises(ValueError, match="Put PhotonFeaturizer before this step"):
            regressor().fit(plain, log_mass)

    def test_missing_columns_are_named(self, trained):
        fitted, sample, _ = trained
        columns = {k: v for k, v in sample.photons.columns.items() if k != "log_energy"}
        other = sample.assign(photons=Ragged(columns, sample.photons.offsets))
        with pytest.raises(ValueError, match="lack the columns log_energy"):
            fitted.predict(other)

    def test_columns_that_are_no_numbers_are_refused(self):
        sample, log_mass = clusters(20)
        energy = sample.photons["log_energy"].copy()
        energy[[3, 9]] = np.nan
        wrong = sample.assign(photons=sample.photons.assign(log_energy=energy))
        with pytest.raises(
            ValueError, match=r"2 of .* photons have a log_energy that is"
        ):
            regressor().fit(wrong, log_mass)

    def test_no_photon_at_all_is_refused(self):
        with pytest.raises(
            ValueError, match="None of the 12 training clusters has photo"
        ):
            regressor().fit(described([0] * 12), np.linspace(13, 14, 12))

    def test_the_last_batch_may_be_a_single_cluster(self):
        sample, log_mass = clusters(21)
        fitted = regressor(batch_size=20, validation_fraction=None)
        assert np.isfinite(fitted.fit(sample, log_mass).predict(sample)).all()

    def test_batches_are_not_split_because_they_are_normalized(self):
        sample, log_mass = clusters(60)
        fitted = regressor(max_epochs=1, batch_size=50).fit(sample, log_mass)
        assert fitted.net_.part_size == 50

    def test_counts_and_densities_are_those_in_the_reference_exposure(self):
        """Twice the exposure: twice the photons, of twice the density; the same mass."""
        sample, log_mass = clusters(60)
        density = np.random.default_rng(5).normal(size=sample.photons.offsets[-1])
        photons = sample.photons.assign(log_density_6=density)
        once = sample.assign(photons=photons, exposure=np.full(60, 2000.0))
        fitted = regressor().fit(once, log_mass)
        assert fitted.exposure_ == 2000.0
        columns = {
            name: np.concatenate(
                [np.tile(photons.table(i)[name], 2) for i in range(20)]
            )
            for name in photons.columns
        }
        columns["log_density_6"] += np.log10(2)
        twice = Ragged(columns, 2 * photons[:20].offsets)
        longer = once[:20].assign(photons=twice, exposure=np.full(20, 4000.0))
        assert_allclose(fitted.predict(longer), fitted.predict(once[:20]), atol=1e-6)
        ignored = longer.assign(exposure=np.full(20, 2000.0))
        assert (np.abs(fitted.predict(ignored) - fitted.predict(longer)) > 1e-3).all()

    def test_a_photon_counts_as_the_inverse_of_its_relative_exposure(self, trained):
        """At half and a quarter of the exposure, as if there were two and four of it."""
        fitted, sample, _ = trained
        photons = sample.photons
        times = np.random.default_rng(6).choice([1, 2, 4], photons.offsets[-1])
        weighted = sample.assign(photons=photons.assign(relative_exposure=1 / times))
        repeated = {
            name: np.repeat(column, times) for name, column in photons.columns.items()
        }
        offsets = np.concatenate([[0], np.cumsum(photons.sum(times))]).astype(int)
        copied = sample.assign(photons=Ragged(repeated, offsets))
        found = fitted.predict(weighted)
        assert_allclose(found, fitted.predict(copied), atol=2e-6)
        assert (np.abs(found - fitted.predict(sample)) > 1e-3).any()
        assert_array_equal(fitted.predict(shuffled(weighted)), found)
        assert_allclose(fitted.measures_of(weighted), fitted.measures_of(copied))

    def test_draws_keep_the_weights_of_photons(self):
        sample = described([400, 9])
        times = np.random.default_rng(6).choice([1.0, 4.0], 409)
        sample = sample.assign(
            photons=sample.photons.assign(relative_exposure=1 / times)
        )
        batches = TestBatches().batches(sample, n_drawn=50)
        torch.manual_seed(0)
        sums = [
            batches.__getitems__([0, 1])[0]["photons"].sum(lambda v: v[:, :1] * 0 + 1)
            for _ in range(300)
        ]
        total = sample.photons.sum(times)
        assert_allclose(torch.stack(sums)[:, 1], total[1])
        error = 400 / 50 * np.sqrt(50 * times[:400].var() / 300)
        assert abs(np.mean([float(each[0]) for each in sums]) - total[0]) < 4 * error

    @pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan])
    def test_a_relative_exposure_that_is_none_is_refused(self, trained, wrong):
        fitted, sample, _ = trained
        exposure = np.full(sample.photons.offsets[-1], wrong)
        wrong = sample.assign(photons=sample.photons.assign(relative_exposure=exposure))
        with pytest.raises(ValueError, match="relative_exposure that is not positive"):
            fitted.predict(wrong)

    def test_exposures_are_known_in_training_and_prediction_or_in_neither(
        self, trained
    ):
        fitted, sample, log_mass = trained
        exposed = sample.assign(exposure=np.full(len(sample), 2000.0))
        with pytest.raises(
            ValueError, match="was not fitted to clusters with exposures"
        ):
            fitted.predict(exposed)
        with pytest.raises(ValueError, match="was fitted to clusters with exposures"):
            regressor(max_epochs=1).fit(exposed, log_mass).predict(sample)

    def test_columns_of_the_user_change_nothing(self, trained):
        fitted, sample, _ = trained
        time = np.random.default_rng(0).random(sample.photons.offsets[-1])
        more = sample.assign(photons=sample.photons.assign(time=time))
        assert_array_equal(fitted.predict(more), fitted.predict(sample))


def test_from_raw_photons_in_a_pipeline(sample, log_mass):
    model = make_pipeline(PhotonFeaturizer(), regressor(n_photons=100))
    fitted = model.fit(sample, log_mass)
    assert fitted[-1].columns_["photons"] == tuple(
        name for name in fitted[:-1].transform(sample).photons.columns if "_" in name
    )
    found = fitted.predict(sample)
    assert_array_equal(fitted.predict(shuffled(sample)), found)


def test_the_architecture_can_be_ones_own():
    class Counter(PhotonSetNetwork):
        def with_sums(self, sums, redshift):
            return super().with_sums(sums, 0 * redshift)

    sample, log_mass = clusters(40)
    fitted = regressor(architecture=Counter).fit(sample, log_mass)
    moved = sample.assign(redshift=sample.redshift)
    assert_array_equal(fitted.predict(moved), fitted.predict(sample))
    assert isinstance(fitted.net_.module_, Counter)


class TestMixture:
    """Networks on maps and on photons, averaged and stacked by scikit-learn."""

    @pytest.fixture(scope="class")
    @classmethod
    def contestants(cls):
        network = XrayCNNRegressor(max_epochs=1, random_state=0, n_threads=1)
        maps = (PhotonMapper(n_pixels=8), RedshiftNormalizer(), LogScaler(), network)
        photons = (PhotonFeaturizer(), regressor(max_epochs=1, n_photons=50))
        return [("maps", make_pipeline(*maps)), ("photons", make_pipeline(*photons))]

    def test_voting_predicts_the_mean(self, contestants, sample, log_mass):
        sample, log_mass = sample[:30], log_mass[:30]
        both = VotingRegressor(contestants).fit(sample, log_mass)
        each = [one.predict(sample) for one in both.estimators_]
        assert_allclose(both.predict(sample), np.mean(each, axis=0), rtol=1e-12)

    def test_stacking_uses_octants(self, contestants, sample, log_mass):
        in_two_octants = (sample.position[:, :2] < 176).all(axis=1)
        sample, log_mass = sample[in_two_octants], log_mass[in_two_octants]
        folds = QuadrantGroupKFold()
        assert folds.get_n_splits(sample) == 2
        both = StackingRegressor(contestants, LinearRegression(), cv=folds)
        found = both.fit(sample, log_mass).predict(sample)
        unseen = [
            cross_val_predict(one, sample, log_mass, cv=folds) for _, one in contestants
        ]
        final = LinearRegression().fit(np.transpose(unseen), log_mass)
        each = np.transpose([one.predict(sample) for one in both.estimators_])
        assert_allclose(found, final.predict(each), rtol=1e-10)

    def test_its_calibrated_posteriors_survive_a_model_file(
        self, contestants, sample, log_mass, tmp_path
    ):
        folds = KFold(2, shuffle=True, random_state=0)
        both = CalibratedMassRegressor(VotingRegressor(contestants), cv=folds)
        posterior = both.fit(sample, log_mass).predict_posterior(sample[:5])
        save_model(both, tmp_path / "both.skops")
        again = load_model(tmp_path / "both.skops").predict_posterior(sample[:5])
        assert_array_equal(again.mean(), posterior.mean())
        assert_array_equal(again.std(), posterior.std())


def test_exposures_of_training_are_remembered_in_seconds():
    sample = described(np.full(20, 20)).assign(exposure=np.linspace(1000.0, 3000.0, 20))
    model = regressor(max_epochs=1).fit(sample, np.linspace(13.5, 15, 20))
    assert_allclose(model.training_ranges_["exposure"], (1000, 3000))
