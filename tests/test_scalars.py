"""Scalars: numbers beside the maps, standardized, and refused where they are missing."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import KFold, cross_val_predict

from skcluster import (
    ClusterSample,
    JointCNNRegressor,
    SaliencyExplainer,
    XrayCNNRegressor,
    load_model,
    save_model,
)
from skcluster.networks import MassNetwork
from skcluster.regressors.output_curve import KNOTS
from skcluster.regressors.scalars import SCALARS

NAMES = ["redshift", "log_counts", "log_exposure"]


class Straight(MassNetwork):
    """A straight line in the scalars, blind to the maps."""

    inputs = ("scalars",)

    def __init__(self, *, map_shape, n_scalars, dropout, n_outputs):
        super().__init__(n_outputs)
        self.last = torch.nn.Linear(n_scalars, n_outputs)

    @property
    def output_layer(self):
        return self.last

    def extract(self, scalars):
        return scalars

    def estimate(self, scalars):
        return self.last(scalars).squeeze(-1)


@pytest.fixture(scope="module")
def survey():
    rng = np.random.default_rng(0)
    n = 40
    redshift, exposure = rng.uniform(0.05, 0.4, n), rng.uniform(1e3, 3e3, n)
    n_photons = rng.integers(20, 2000, n)
    photons = [
        {"ra": np.zeros(k), "dec": np.zeros(k), "energy": np.ones(k)} for k in n_photons
    ]
    sample = ClusterSample(
        redshift,
        maps=rng.poisson(3, (n, 1, 16, 16)),
        cubes=rng.random((n, 16, 16, 16), np.float32),
        photons=photons,
        center=np.zeros((n, 2)),
        exposure=exposure,
    )
    log_mass = (
        14 + np.log10((n_photons + 1) / 300) - np.log10(exposure / 2e3) + 2 * redshift
    )
    return sample, log_mass


def quick(kind=XrayCNNRegressor, **changes):
    settings = {"max_epochs": 2, "random_state": 0, "device": "cpu", "n_threads": 1}
    return kind(**(settings | changes))


def test_a_straight_line_in_all_scalars_is_found(survey):
    """The slopes are those of the made-up masses: scalars are what their names say."""
    sample, log_mass = survey
    settings = {"max_epochs": 600, "lr": 0.05, "validation_fraction": None}
    regressor = quick(architecture=Straight, scalars=NAMES, **settings)
    regressor.fit(sample, log_mass)
    assert_allclose(regressor.predict(sample), log_mass, atol=0.002)
    weight = regressor.net_.module_.last.weight[0].detach().numpy()
    slope = weight * regressor.target_scale_ / regressor.scalar_moments_[1]
    assert_allclose(regressor.curve_[0, 0], KNOTS, atol=0.01)
    assert_allclose(slope, [2, 1, -1], rtol=0.01)


@pytest.mark.parametrize("kind", [XrayCNNRegressor, JointCNNRegressor])
def test_photons_and_exposures_far_outside_of_training_bring_a_warning(survey, kind):
    sample, log_mass = survey
    model = quick(kind, scalars=NAMES).fit(sample, log_mass)
    few = sample[:2]
    assert few.photons.lengths[0] * 2000 > 6000
    bright = {name: np.tile(c, 2000) for name, c in few.photons.table(0).items()}
    with pytest.warns(UserWarning, match=r"1 of 2 .* photons [.e+\d]+ to .*cluster 0"):
        model.predict(few.assign(photons=[bright, few.photons.table(1)]))
    with pytest.warns(UserWarning, match=r"1 of 2 .* exposure [.e+\d]+ to .*cluster 1"):
        model.predict(few.assign(exposure=few.exposure * [1, 30]))


def test_scalars_are_standardized_with_the_moments_of_the_training_clusters(survey):
    sample, log_mass = survey
    regressor = quick(scalars=["redshift"]).fit(sample[:30], log_mass[:30])
    mean, deviation = sample.redshift[:30].mean(), sample.redshift[:30].std()
    assert_allclose(regressor.scalar_moments_, [[mean], [deviation]])
    inputs = regressor._read(sample[30:])
    batch, _ = regressor._batches(inputs).__getitems__([2, 5])
    expected = (sample.redshift[[32, 35]] - mean) / deviation
    assert_allclose(batch["scalars"][:, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("kind", [XrayCNNRegressor, JointCNNRegressor])
def test_masses_depend_on_them_and_models_hold_them(survey, tmp_path, kind):
    sample, log_mass = survey
    regressor = quick(kind, scalars=["redshift"], loss="gaussian_nll")
    regressor.fit(sample, log_mass)
    expected = regressor.predict(sample)
    farther = sample.assign(redshift=sample.redshift[::-1])
    assert np.abs(regressor.predict(farther) - expected).max() > 1e-3
    assert_array_equal(regressor.predict(sample[5:7]), expected[5:7])
    save_model(regressor, tmp_path / "model.skops")
    assert_array_equal(load_model(tmp_path / "model.skops").predict(sample), expected)
    assert SaliencyExplainer(regressor).explain(sample[:2]).max() > 0


@pytest.mark.parametrize("kind", [XrayCNNRegressor, JointCNNRegressor])
def test_scalars_that_are_set_after_the_fit_are_refused(survey, kind):
    sample, log_mass = survey
    regressor = quick(kind, scalars=["redshift", "log_counts"]).fit(sample, log_mass)
    for other in ((), ["log_counts", "redshift"], NAMES):
        regressor.set_params(scalars=other)
        text = r"fitted with scalars=\['redshift', 'log_counts'\], .* Fit it again"
        with pytest.raises(ValueError, match=text):
            regressor.predict(sample)
    assert regressor.fit(sample, log_mass).predict(sample).shape == log_mass.shape


def test_views_of_one_cycle_share_the_scalars(survey):
    sample, log_mass = survey
    settings = {"scalars": NAMES, "recipe": "one_cycle", "augment": True}
    regressor = quick(**settings).fit(sample, log_mass)
    turned = sample.assign(maps=np.rot90(np.asarray(sample.maps), 1, (2, 3)))
    assert_allclose(regressor.predict(turned), regressor.predict(sample), rtol=1e-6)


def test_folds_clones_and_checkpoints(survey, tmp_path):
    sample, log_mass = survey
    regressor = quick(scalars=("redshift",), checkpoint_dir=tmp_path)
    found = cross_val_predict(clone(regressor), sample, log_mass, cv=KFold(2))
    again = cross_val_predict(clone(regressor), sample, log_mass, cv=KFold(2))
    assert_array_equal(found, again)
    assert len(list(tmp_path.iterdir())) == 2
    farther = sample.assign(redshift=sample.redshift[::-1])
    cross_val_predict(regressor, farther, log_mass, cv=KFold(2))
    assert len(list(tmp_path.iterdir())) == 4


class TestRefusals:
    def test_an_array_has_no_scalars(self, survey):
        maps = np.asarray(survey[0].maps)
        with pytest.raises(
            TypeError,
            match=r"with scalars=\['redshift'\] takes a .* Give ClusterSample\(redshift\)",
        ):
            quick(scalars=["redshift"]).fit(maps, survey[1])

    @pytest.mark.parametrize("name", ["log_counts", "log_exposure"])
    def test_a_sample_that_lacks_them(self, survey, name):
        sample, log_mass = survey
        bare = ClusterSample(sample.redshift, maps=sample.maps)
        field = SCALARS[name][0]
        with pytest.raises(ValueError, match=rf"scalars=.* needs sample\.{field}"):
            quick(scalars=[name]).fit(bare, log_mass)
        fitted = quick(scalars=[name]).fit(sample, log_mass)
        with pytest.raises(ValueError, match=rf"scalars=.* needs sample\.{field}"):
            fitted.predict(bare)

    def test_a_scalar_that_does_not_vary(self, survey):
        sample, log_mass = survey
        equal = sample.assign(exposure=np.full(len(sample), 2000.0))
        with pytest.raises(
            ValueError, match="40 training clusters have the same log_e"
        ):
            quick(scalars=["redshift", "log_exposure"]).fit(equal, log_mass)

    def test_a_redshift_that_varies_by_no_more_than_rounding(self, survey):
        sample, log_mass = survey
        one = np.full(len(sample), 0.25209)
        two = np.where(np.arange(len(sample)) % 2, np.float32(0.25209), one)
        for redshift in (one, two):
            with pytest.raises(ValueError, match="have the same redshift to about"):
                quick(scalars=["redshift"]).fit(
                    sample.assign(redshift=redshift), log_mass
                )

    @pytest.mark.parametrize("names", ["redshift", ["z"], ["redshift"] * 2, 3, [None]])
    def test_names_that_are_none(self, survey, names):
        with pytest.raises(
            (ValueError, TypeError), match="scalars must be a list of d"
        ):
            quick(scalars=names).fit(*survey)

    def test_the_redshift_that_krippendorf_need(self, survey):
        with pytest.raises(ValueError, match=r"scalars=\['redshift'\], and a Cluster"):
            quick(architecture="krippendorf2024").fit(*survey)

    def test_a_network_that_does_not_look_at_them(self, survey):
        class Blind(Straight):
            inputs = ("maps",)

        with pytest.raises(ValueError, match="Blind does not look at the scalars"):
            quick(architecture=Blind, scalars=["redshift"]).fit(*survey)
