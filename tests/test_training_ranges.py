"""Fitted models know what they were trained on, and say when clusters are unlike it."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.pipeline import make_pipeline

from skcluster import (
    ClusterSample,
    EvrardProxyRegressor,
    JointCNNRegressor,
    LogScaler,
    PhaseSpaceKDE,
    PhotonMapper,
    RedshiftNormalizer,
    XrayCNNRegressor,
)
from skcluster.training_ranges import warn_outside


def network(**parameters):
    parameters = {"max_epochs": 1, "device": "cpu", "n_threads": 1, **parameters}
    return XrayCNNRegressor(random_state=0, **parameters)


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
            ("ln S, 0", 0.3 + np.log(2.9), False),
            ("ln S, 0", 0.3 + np.log(3.1), True),
            ("ln S, 0", 0.1 - np.log(2.9), False),
            ("ln S, 0", 0.1 - np.log(3.1), True),
            ("ln S, 0", np.nan, False),
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

    def test_a_covariance_model_names_observables_far_outside(self, log_mass):
        X = np.column_stack([log_mass * 2, log_mass])
        model = EvrardProxyRegressor().fit(X + np.sin(99 * X), log_mass)
        with pytest.warns(
            UserWarning,
            match=r"1 of 2 clusters .* EvrardProxyRegressor, ln S, 1 12\.5 to 15\.88 "
            r"\(first: cluster 1, ln S, 1 100\)",
        ):
            model.predict([[28.0, 14.0], [28.0, 100.0]])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model.predict(X)

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
