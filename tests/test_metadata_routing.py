"""Weights reach the fits inside, routed by scikit-learn or by its older names."""

import copy

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.fixes import parse_version

from skcluster import (
    EvrardProxyRegressor,
    IteratedRadiusRegressor,
    LogScaler,
    ProxyMeasurer,
    QuadrantGroupKFold,
    RotationAugmentedRegressor,
    XrayCNNRegressor,
    load_model,
    save_model,
)
from skcluster.metrics import mass_scatter, neg_mass_scatter
from skcluster.model_selection import fit_fold

RNG = np.random.default_rng(0)
MASS = RNG.uniform(13.5, 15, 120)
OBSERVABLES = 10 ** (MASS[:, None] - 13) * np.exp(RNG.normal(0, 0.3, (120, 2)))
WEIGHT = RNG.exponential(size=120)
routes_scores = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.8"),
    reason="Pipelines hand weights on to score from scikit-learn 1.8 on.",
)


@pytest.fixture
def routed():
    with config_context(enable_metadata_routing=True):
        yield


def weighing():
    regressor = EvrardProxyRegressor().set_score_request(sample_weight=True)
    return regressor.set_fit_request(sample_weight=True)


def in_logs(regressor):
    return make_pipeline(FunctionTransformer(np.log), regressor)


def test_a_pipeline_hands_weights_on(routed):
    pipeline = in_logs(weighing()).fit(OBSERVABLES, MASS, sample_weight=WEIGHT)
    expected = EvrardProxyRegressor().fit(np.log(OBSERVABLES), MASS, WEIGHT)
    assert_array_equal(pipeline[-1].slope_, expected.slope_)
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        in_logs(EvrardProxyRegressor()).fit(OBSERVABLES, MASS, sample_weight=WEIGHT)


def test_nested_searches_weigh_fits_and_scores(routed):
    scorer = copy.deepcopy(neg_mass_scatter).set_score_request(sample_weight=True)
    search = GridSearchCV(
        in_logs(weighing()),
        {"evrardproxyregressor__beta": [0.0, 1.0]},
        scoring=scorer,
        cv=KFold(3),
    )
    found = cross_validate(
        search,
        OBSERVABLES,
        MASS,
        cv=KFold(4),
        scoring=scorer,
        params={"sample_weight": WEIGHT},
        return_estimator=True,
    )
    for (train, test), fitted, score in zip(
        KFold(4).split(MASS), found["estimator"], found["test_score"], strict=True
    ):
        beta = fitted.best_params_["evrardproxyregressor__beta"]
        by_hand = EvrardProxyRegressor(beta=beta)
        by_hand.fit(np.log(OBSERVABLES[train]), MASS[train], WEIGHT[train])
        predicted = by_hand.predict(np.log(OBSERVABLES[test]))
        expected = mass_scatter(MASS[test], predicted, sample_weight=WEIGHT[test])
        assert_allclose(score, -expected, rtol=1e-10)


@routes_scores
def test_networks_are_weighed_in_folds_of_octants(routed):
    position = RNG.uniform(0, 352, (40, 3))
    maps = np.log10(1 + RNG.poisson(5.0, (40, 1, 8, 8)))
    network = XrayCNNRegressor(max_epochs=1, random_state=0, n_threads=1)
    network.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    folds = list(QuadrantGroupKFold().split(maps, groups=position))[:2]
    found = cross_validate(
        make_pipeline(LogScaler(), network),
        maps,
        MASS[:40],
        cv=folds,
        params={"sample_weight": WEIGHT[:40]},
        return_estimator=True,
    )
    for (train, _), fitted in zip(folds, found["estimator"], strict=True):
        by_hand = make_pipeline(LogScaler(), network)
        by_hand.fit(maps[train], MASS[train], sample_weight=WEIGHT[train])
        assert_array_equal(fitted.predict(maps), by_hand.predict(maps))


@pytest.mark.parametrize("is_routed", [False, pytest.param(True, marks=routes_scores)])
def test_a_fold_of_ours_is_fitted_with_its_weights(is_routed):
    with config_context(enable_metadata_routing=is_routed):
        regressor = weighing() if is_routed else EvrardProxyRegressor()
        rows = np.arange(0, 120, 2)
        search = GridSearchCV(in_logs(regressor), {}, cv=2)
        for estimator in (in_logs(regressor), search):
            fitted = fit_fold(estimator, OBSERVABLES, MASS, rows, sample_weight=WEIGHT)
            fitted = getattr(fitted, "best_estimator_", fitted)
            expected = EvrardProxyRegressor()
            expected.fit(np.log(OBSERVABLES[rows]), MASS[rows], WEIGHT[rows])
            assert_array_equal(fitted[-1].slope_, expected.slope_)


def test_a_model_is_stored_without_its_requests(tmp_path):
    with config_context(enable_metadata_routing=True):
        fitted = in_logs(weighing()).fit(OBSERVABLES, MASS, sample_weight=WEIGHT)
        save_model(fitted, tmp_path / "model.skc")
    loaded = load_model(tmp_path / "model.skc")
    assert_array_equal(loaded.predict(OBSERVABLES), fitted.predict(OBSERVABLES))


@pytest.mark.parametrize("wrap", [RotationAugmentedRegressor, IteratedRadiusRegressor])
def test_wrappers_of_pipelines_weigh_them(wrap, sample, log_mass):
    weight = np.where(np.arange(len(sample)) % 2, 1.0, 0.0)
    pipeline = make_pipeline(ProxyMeasurer(proxies=["n_phot"]), LinearRegression())
    weighted = wrap(pipeline).fit(sample, log_mass, weight)
    half = wrap(pipeline).fit(sample[1::2], log_mass[1::2])
    assert_allclose(weighted.predict(sample), half.predict(sample), rtol=1e-9)
    deaf = make_pipeline(ProxyMeasurer(proxies=["n_phot"]), KNeighborsRegressor())
    message = "KNeighborsRegressor cannot be fitted with sample_weight"
    with pytest.raises(ValueError, match=message):
        wrap(deaf).fit(sample, log_mass, weight)
