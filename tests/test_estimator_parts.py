"""What is inside an estimator: one answer for posteriors, outliers, displays and files."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skcluster import (
    CalibratedMassRegressor,
    EvrardProxyRegressor,
    LogScaler,
    MapOutlierDetector,
    PhotonMapper,
    ProxyMeasurer,
    RedshiftNormalizer,
    RotationAugmentedRegressor,
    SaliencyExplainer,
    XrayCNNRegressor,
    load_model,
    misspecification_score,
    predict_posterior,
    save_model,
)
from skcluster.estimator_parts import (
    changes_target,
    enter,
    fitted_inside,
    inside,
    last_step,
    parts,
    steps_before,
    walk,
)

RNG = np.random.default_rng(0)
LOG_MASS = RNG.uniform(13.5, 15.0, 120)
S = np.log(10) * LOG_MASS[:, None] + RNG.normal(0, 0.3, (120, 2))

WRAPPINGS = {
    "pipeline": lambda model: make_pipeline(StandardScaler(), model),
    "nested": lambda model: make_pipeline("passthrough", make_pipeline(model)),
    "search": lambda model: GridSearchCV(
        make_pipeline(model), {"evrardproxyregressor__beta": [0.0]}, cv=3
    ),
    "target": lambda model: TransformedTargetRegressor(model, check_inverse=False),
    "rfe": lambda model: RFE(TransformedTargetRegressor(model), n_features_to_select=1),
    "frozen": lambda model: FrozenEstimator(model.fit(S, LOG_MASS)),
    "frozen pipeline": lambda model: FrozenEstimator(
        make_pipeline(StandardScaler(), model).fit(S, LOG_MASS)
    ),
    "pipeline of frozen search": lambda model: make_pipeline(
        StandardScaler(),
        FrozenEstimator(
            GridSearchCV(model, {"beta": [0.0]}, cv=2).fit(
                StandardScaler().fit_transform(S), LOG_MASS
            )
        ),
    ),
}
PASSING = [name for name in WRAPPINGS if name != "rfe"]


@pytest.mark.parametrize("wrap", PASSING)
def test_the_posterior_is_that_of_the_regressor_inside(wrap):
    model = WRAPPINGS[wrap](EvrardProxyRegressor()).fit(S, LOG_MASS)
    assert isinstance(last_step(model), EvrardProxyRegressor)
    posterior = predict_posterior(model, S[:7])
    assert_allclose(posterior.mean(), model.predict(S[:7]), atol=1e-9)


def test_features_that_a_meta_estimator_selects_are_selected_for_the_posterior():
    class Measuring(EvrardProxyRegressor):
        @property
        def coef_(self):
            return np.array([1.0, 2.0])[-self.n_features_in_ :]

    model = RFE(Measuring(), n_features_to_select=1).fit(S, LOG_MASS)
    found, entered = enter(model, S[:3])
    assert found is model.estimator_
    assert_array_equal(entered, S[:3, 1:])
    assert_allclose(predict_posterior(model, S).mean(), model.predict(S), atol=1e-9)


def test_of_changed_targets_there_is_no_posterior():
    """A posterior of ln M would pass for one of log10 M."""
    natural = TransformedTargetRegressor(
        EvrardProxyRegressor(),
        func=lambda y: 14 + (y - 14) / 2,
        inverse_func=lambda y: 14 + 2 * (y - 14),
    )
    assert changes_target(natural)
    model = make_pipeline(StandardScaler(), natural).fit(S, LOG_MASS)
    with pytest.raises(TypeError, match="fitted to transformed masses"):
        predict_posterior(model, S)
    calibrated = CalibratedMassRegressor(natural).fit(S, LOG_MASS)
    posterior = calibrated.predict_posterior(S)
    # Its own prior, of halved masses, is not that of the training set.
    expected = np.log(np.interp(posterior.middle, *calibrated.mass_density_))
    assert_allclose(posterior.log_prior, expected)
    assert_allclose(posterior.mean(), natural.fit(S, LOG_MASS).predict(S), atol=0.1)


def test_an_unfitted_template_is_found_but_never_predicts():
    search = GridSearchCV(EvrardProxyRegressor().fit(S, LOG_MASS), {}, cv=2)
    assert fitted_inside(search) is None
    assert inside(search) is search.estimator
    with pytest.raises(NotFittedError, match="GridSearchCV instance is not fitted"):
        predict_posterior(search, S)
    unrefitted = GridSearchCV(search.estimator, {"beta": [0.0]}, refit=False)
    with pytest.raises(TypeError, match="GridSearchCV predicts no posterior"):
        predict_posterior(unrefitted.fit(S, LOG_MASS), S)


@pytest.mark.parametrize(
    "ensemble",
    [BaggingRegressor(EvrardProxyRegressor()), VotingRegressor([("a", Ridge())])],
)
def test_an_ensemble_holds_no_single_estimator(ensemble):
    ensemble.fit(S, LOG_MASS)
    assert last_step(ensemble) is ensemble
    assert fitted_inside(ensemble) is None
    with pytest.raises(TypeError, match=f"{type(ensemble).__name__} predicts no post"):
        predict_posterior(ensemble, S)
    assert len([*parts(ensemble)]) >= 3 - (not hasattr(ensemble, "estimator"))


def test_the_way_in_is_told_step_by_step():
    inner = Pipeline([("scale", LogScaler()), ("none", None), ("ridge", Ridge())])
    outer = make_pipeline(
        PhotonMapper(), make_pipeline(RedshiftNormalizer(), "passthrough"), inner
    )
    names = [type(each).__name__ for each in walk(GridSearchCV(outer, {}))]
    assert names == ["GridSearchCV", "Pipeline", "Pipeline", "Ridge"]
    before = [type(step).__name__ for step in steps_before(outer)]
    assert before == ["PhotonMapper", "RedshiftNormalizer", "LogScaler"]
    assert steps_before(Ridge()) == []


def test_every_part_comes_once():
    shared = LinearRegression()
    model = VotingRegressor([("a", shared), ("b", make_pipeline(LogScaler(), shared))])
    names = [type(part).__name__ for part, _ in parts(model)]
    assert names == ["VotingRegressor", "LinearRegression", "Pipeline", "LogScaler"]


@pytest.fixture(scope="module")
def network_pipeline(sample, log_mass):
    network = XrayCNNRegressor(
        max_epochs=2, device="cpu", n_threads=1, random_state=0, validation_fraction=0.3
    )
    return make_pipeline(
        PhotonMapper(n_pixels=16), RedshiftNormalizer(), LogScaler(), network
    ).fit(sample, log_mass)


@pytest.mark.filterwarnings("ignore:.*maps unlike")
def test_a_frozen_pipeline_is_read_by_all_who_ask(
    network_pipeline, sample, log_mass, tmp_path
):
    frozen = FrozenEstimator(network_pipeline)
    expected = predict_posterior(network_pipeline, sample)
    score = misspecification_score(network_pipeline, sample)
    saliency = SaliencyExplainer(network_pipeline).explain(sample[:4])
    calibrated = CalibratedMassRegressor(frozen, cv=2).fit(sample, log_mass)
    augmented = RotationAugmentedRegressor(frozen, n_rotations=1, random_state=0)
    for model in (frozen, calibrated, augmented.fit(sample, log_mass)):
        assert_array_equal(misspecification_score(model, sample), score)
        assert_array_equal(SaliencyExplainer(model).explain(sample[:4]), saliency)
        assert last_step(model) is network_pipeline[-1]
    assert_array_equal(
        predict_posterior(frozen, sample).probability, expected.probability
    )
    save_model(calibrated, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    assert_array_equal(loaded.predict(sample), calibrated.predict(sample))
    assert_array_equal(misspecification_score(loaded, sample), score)


def test_the_score_of_a_wrapped_detector_needs_a_fitted_one(sample, log_mass):
    unfitted = GridSearchCV(XrayCNNRegressor(), {"lr": [1e-3]})
    with pytest.raises(NotFittedError, match="GridSearchCV instance is not fitted"):
        misspecification_score(unfitted, sample)
    proxies = make_pipeline(ProxyMeasurer(proxies=("n_phot",)), EvrardProxyRegressor())
    with pytest.raises(TypeError, match="has no score of misspecification"):
        misspecification_score(proxies.fit(sample, log_mass), sample)
    assert MapOutlierDetector in {type(part) for part, _ in parts(MapOutlierDetector())}


def test_a_function_step_is_not_taken_for_a_pipeline():
    model = make_pipeline(FunctionTransformer(), LinearRegression()).fit(S, LOG_MASS)
    assert enter(model, S)[0] is model[-1]


def test_it_needs_no_torch():
    code = "import sys, skcluster.estimator_parts; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
