"""Galaxies as a second set of the network on photons, or as its only one."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import erf
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline

from skcluster import (
    CalibratedMassRegressor,
    ClusterSample,
    GalaxyFeaturizer,
    PhotonFeaturizer,
    PhotonSetRegressor,
    Ragged,
    load_model,
    misspecification_score,
    photon_contributions,
    save_model,
)
from skcluster.datasets import plant_dispersion, shuffle_galaxies
from skcluster.metrics import mass_scatter
from skcluster.regressors.output_curve import on_curve

PHOTON_COLUMNS = ("log_radius", "log_energy")
GALAXY_COLUMNS = ("log_radius", "speed")


def clusters(n, seed=0):
    """Clusters of which photons tell the mass to 0.3 dex, and velocities to 0.1."""
    rng = np.random.default_rng(seed)
    log_mass = rng.uniform(13.5, 14.5, n)
    counts = rng.poisson(15 * 10 ** (log_mass - 13.5 + rng.uniform(-0.5, 0.5, n)))
    n_photons = counts.sum()
    photons = {"ra": np.full(n_photons, 10.0), "dec": np.zeros(n_photons)}
    photons["energy"] = np.ones(n_photons)
    for name in PHOTON_COLUMNS:
        photons[name] = rng.normal(0, 0.4, n_photons).astype(np.float32)
    members = rng.integers(15, 30, n)
    place = {name: rng.normal(0, 0.5, members.sum()) for name in "xyv"}
    sample = ClusterSample(
        np.repeat([0.1, 0.2], n // 2),
        photons=Ragged(photons, np.concatenate([[0], np.cumsum(counts)])),
        galaxies=Ragged(place, np.concatenate([[0], np.cumsum(members)])),
    )
    sample = plant_dispersion(sample, log_mass, slope=1.0, random_state=seed)
    return described(sample), log_mass


def described(sample):
    return GalaxyFeaturizer(features=GALAXY_COLUMNS, velocity_max=1e5).transform(sample)


def without_galaxies(sample, rows):
    """Take the galaxies of some clusters away."""
    is_kept = ~np.isin(sample.galaxies.cluster, rows)
    return sample.assign(galaxies=sample.galaxies.select(is_kept))


def shuffled(sample, seed=0):
    """Return the same photons and galaxies of each cluster in another order."""
    fields = {}
    for name in ("photons", "galaxies"):
        rows = getattr(sample, name)
        key = np.random.default_rng(seed).random(rows.offsets[-1])
        order = np.lexsort((key, rows.cluster))
        columns = {name: column[order] for name, column in rows.columns.items()}
        fields[name] = Ragged(columns, rows.offsets)
    return sample.assign(**fields)


def regressor(**parameters):
    settings = {"max_epochs": 3, "random_state": 0, "n_threads": 1, "device": "cpu"}
    return PhotonSetRegressor(**{**settings, **parameters})


@pytest.fixture(scope="module")
def trained():
    """Return a network trained on both, a tenth without galaxies, and new clusters."""
    sample, log_mass = clusters(300)
    sample = without_galaxies(sample, np.arange(0, 200, 10))
    fitted = regressor(max_epochs=15, batch_size=25).fit(sample[:200], log_mass[:200])
    return fitted, sample[200:], log_mass[200:]


def scatter(sample, log_mass):
    """Scatter of masses of new clusters [dex]."""
    fitted = regressor(max_epochs=15, batch_size=25).fit(sample[:200], log_mass[:200])
    return mass_scatter(log_mass[200:], fitted.predict(sample[200:]))


def test_galaxies_that_tell_the_mass_help_and_shuffled_ones_do_not(trained):
    fitted, new, log_mass_of_new = trained
    sample, log_mass = clusters(300)
    photons = scatter(sample.drop("galaxies"), log_mass)
    shuffled = scatter(shuffle_galaxies(sample, random_state=0), log_mass)
    assert mass_scatter(log_mass_of_new, fitted.predict(new)) < 0.75 * photons
    assert shuffled > 0.95 * photons


def layers(h, weights, name, numbers):
    """Dense layers of GELU in numpy."""
    for layer in numbers:
        kernel, bias = (weights[f"{name}.{layer}.{k}"] for k in ("weight", "bias"))
        h = h @ kernel.T + bias
        h = np.log1p(np.exp(h)) if layer == 4 else h * (1 + erf(h / np.sqrt(2))) / 2
    return h


def forward_by_hand(fitted, sample, i):
    """Predict log10 M of one cluster with numpy, from the weights and the equations."""
    state = fitted.net_.module_.state_dict()
    weights = {name: value.numpy().astype(float) for name, value in state.items()}
    z = (sample.redshift[i] - fitted.redshift_moments_[0]) / fitted.redshift_moments_[1]
    features = []
    for name, layer in (("photons", "of_photon"), ("galaxies", "of_galaxy")):
        table, columns = getattr(sample, name).table(i), fitted.columns_[name]
        mean, deviation = fitted.column_moments_[name]
        rows = (np.stack([table[each] for each in columns], 1) - mean) / deviation
        made = layers(
            np.column_stack([rows, np.full(len(rows), z)]), weights, layer, (0, 2, 4)
        )
        features.append(np.log10(made.sum(0) / fitted.count_scale_[name] + 1e-3))
        if name == "galaxies" and len(rows) == 0:
            features[-1] = weights["without_galaxies"]
    h = np.concatenate([*features, [z]])
    mean, variance = (weights[f"normalization.running_{k}"] for k in ("mean", "var"))
    h = (h - mean) / np.sqrt(variance + 1e-5)
    h = h * weights["normalization.weight"] + weights["normalization.bias"]
    h = layers(h, weights, "head", (0, 3, 6))
    out = weights["output.weight"] @ h + weights["output.bias"]
    standardized = on_curve(out[0], fitted.curve_[0, 0])
    return fitted.target_mean_ + fitted.target_scale_ * standardized


class TestBoth:
    def test_predictions_are_those_of_the_equations(self, trained):
        fitted, sample, _ = trained
        sample = without_galaxies(sample, [2])
        assert fitted.net_.module_.without_galaxies.abs().max() > 0
        expected = [forward_by_hand(fitted, sample, i) for i in range(4)]
        assert_allclose(fitted.predict(sample)[:4], expected, atol=2e-6)

    def test_order_and_neighbors_do_not_matter_to_the_bit(self, trained):
        fitted, sample, _ = trained
        together = fitted.predict(sample)
        assert_array_equal(fitted.predict(shuffled(sample)), together)
        alone = [fitted.predict(sample[[i]])[0] for i in (0, 3, 99)]
        assert_array_equal(alone, together[[0, 3, 99]])

    def test_a_model_file_predicts_the_same_bits(self, trained, tmp_path):
        fitted, sample, _ = trained
        save_model(fitted, tmp_path / "model.skops")
        loaded = load_model(tmp_path / "model.skops")
        sample = without_galaxies(sample, [5])
        assert_array_equal(loaded.predict(sample), fitted.predict(sample))

    def test_galaxies_unlike_those_of_training_are_noticed(self, trained):
        fitted, sample, _ = trained
        assert np.mean(misspecification_score(fitted, sample) > 1) <= 0.02
        radius = sample.galaxies["log_radius"] + 1
        farther = sample.assign(galaxies=sample.galaxies.assign(log_radius=radius))
        with pytest.warns(UserWarning, match="have photons or galaxies unlike"):
            fitted.predict(farther)

    @pytest.mark.filterwarnings("ignore:.* photons or galaxies unlike")
    def test_what_a_galaxy_adds_is_what_taking_it_away_changes(self, trained):
        fitted, sample, _ = trained
        kept = np.ones(sample.galaxies.offsets[-1], bool)
        kept[1 : sample.galaxies.offsets[1]] = False  # leaves one in cluster 0
        sample = sample.assign(galaxies=sample.galaxies.select(kept))[:5]
        found = photon_contributions(fitted, sample)
        for field, cluster, row in [
            ("galaxies", 0, 0),
            ("galaxies", 3, 7),
            ("photons", 1, 4),
        ]:
            one = sample[[cluster]]
            rows = getattr(one, field)
            left = rows.select(np.arange(rows.offsets[-1]) != row)
            change = fitted.predict(one) - fitted.predict(one.assign(**{field: left}))
            added = getattr(found, field).table(cluster)["contribution"][row]
            assert_allclose(added, change, atol=2e-6)

    def test_all_galaxies_gone_is_refused_unless_training_knew_it(self, trained):
        fitted, sample, log_mass = trained
        assert np.isfinite(fitted.predict(without_galaxies(sample, [4]))).all()
        strict = regressor(max_epochs=1).fit(sample, log_mass)
        with pytest.raises(ValueError, match=r"1 of 100 clusters have no galaxies \(f"):
            strict.predict(without_galaxies(sample, [4]))

    def test_exposures_do_not_change_galaxies(self, trained):
        """Twice the exposure with the same lists: half the photons, all the galaxies."""
        _, sample, log_mass = trained
        exposed = sample.assign(exposure=np.full(100, 2000.0))
        fitted = regressor(max_epochs=1).fit(exposed, log_mass)
        twice = sample.assign(exposure=np.full(100, 4000.0))
        inputs = fitted._read(twice)
        assert_array_equal(inputs.sets["galaxies"].relative_exposure, 1)
        assert_array_equal(inputs.sets["photons"].relative_exposure, 2)

    def test_what_it_was_fitted_to_is_needed(self, trained):
        fitted, sample, _ = trained
        with pytest.raises(
            ValueError, match=r"PhotonSetRegressor needs sample\.galaxi"
        ):
            fitted.predict(sample.drop("galaxies"))
        columns = {name: sample.galaxies[name] for name in ("x", "y", "v", "speed")}
        other = sample.assign(galaxies=Ragged(columns, sample.galaxies.offsets))
        with pytest.raises(
            ValueError, match="The galaxies lack the columns log_radius"
        ):
            fitted.predict(other)
        speed = np.where(np.arange(sample.galaxies.offsets[-1]) < 3, np.nan, 1.0)
        wrong = sample.assign(galaxies=sample.galaxies.assign(speed=speed))
        with pytest.raises(
            ValueError, match=r"3 of .* galaxies have a speed that is NaN"
        ):
            fitted.predict(wrong)


class TestOneOfThem:
    def test_galaxies_that_are_not_described_are_not_looked_at(self):
        sample, log_mass = clusters(60)
        plain = Ragged(
            {name: sample.galaxies[name] for name in "xyv"}, sample.galaxies.offsets
        )
        both = sample.assign(galaxies=plain)
        fitted = regressor(max_epochs=1).fit(both, log_mass)
        assert [*fitted.columns_] == ["photons"]
        without = regressor(max_epochs=1).fit(sample.drop("galaxies"), log_mass)
        assert_array_equal(fitted.predict(sample), without.predict(sample))

    def test_galaxies_alone(self):
        sample, log_mass = clusters(60)
        alone = sample.drop("photons").assign(exposure=np.full(60, 2000.0))
        fitted = regressor(max_epochs=1).fit(alone, log_mass)
        found = fitted.predict(alone)
        # Photons and exposures make no difference to it.
        assert_array_equal(fitted.predict(sample), found)
        explained = photon_contributions(fitted, sample[:2])
        assert "contribution" in explained.galaxies
        assert "contribution" not in explained.photons

    def test_galaxies_without_description_are_refused(self):
        sample, log_mass = clusters(20)
        plain = Ragged(
            {name: sample.galaxies[name] for name in "xyv"}, sample.galaxies.offsets
        )
        bare = sample.drop("photons").assign(galaxies=plain)
        with pytest.raises(ValueError, match="Put GalaxyFeaturizer before this step"):
            regressor().fit(bare, log_mass)

    def test_no_galaxy_at_all_is_refused(self):
        sample, log_mass = clusters(20)
        none = without_galaxies(sample, np.arange(20))
        with pytest.raises(
            ValueError, match=r"20 training clusters has galaxies, so .*cuts"
        ):
            regressor().fit(none, log_mass)


def test_from_raw_lists_to_calibrated_posteriors(sample, log_mass, tmp_path):
    model = make_pipeline(
        PhotonFeaturizer(), GalaxyFeaturizer(), regressor(max_epochs=1, n_photons=50)
    )
    folds = KFold(2, shuffle=True, random_state=0)
    calibrated = CalibratedMassRegressor(model, cv=folds).fit(sample, log_mass)
    posterior = calibrated.predict_posterior(sample[:5])
    assert np.isfinite(posterior.std()).all()
    save_model(calibrated, tmp_path / "joint.skops")
    again = load_model(tmp_path / "joint.skops").predict_posterior(sample[:5])
    assert_array_equal(again.mean(), posterior.mean())


def test_a_cluster_without_galaxies_is_a_typical_one_to_the_detector():
    sample, log_mass = clusters(40)
    emptied = without_galaxies(sample, [0])
    model = regressor(max_epochs=1).fit(emptied, log_mass)
    *quarters, log_count = model.measures_of(emptied).values[:, -5:].T
    n_galaxies = emptied.galaxies.lengths
    assert_allclose(log_count[1:], np.log10(n_galaxies[1:] + 1))
    # Half of its galaxies are below any quarter, and it has as many as a typical cluster.
    assert_allclose(np.array(quarters)[:, 0], 0.5)
    assert_allclose(log_count[0], np.log10(np.median(n_galaxies[1:]) + 1))
