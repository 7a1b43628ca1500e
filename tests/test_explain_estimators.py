"""Saliency of whatever holds a network, under whatever settings torch has."""

import contextlib

import matplotlib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline

from skcluster import (
    CalibratedMassRegressor,
    LogScaler,
    PhotonMapper,
    RedshiftNormalizer,
    RotationAugmentedRegressor,
    SaliencyExplainer,
    XrayCNNRegressor,
    cross_val_saliency,
    plotting,
)
from skcluster.explain import photon_response, randomized_weights

matplotlib.use("Agg")
from matplotlib import pyplot as plt

NETWORK = XrayCNNRegressor(max_epochs=1, device="cpu", n_threads=1, random_state=0)
STEPS = PhotonMapper(n_pixels=16, half_width=1.5), RedshiftNormalizer(), LogScaler()


@pytest.fixture(scope="module")
def pipeline(sample, log_mass):
    return make_pipeline(*STEPS, NETWORK).fit(sample, log_mass)


WRAPPED = {
    "frozen": FrozenEstimator,
    "search": lambda pipeline: GridSearchCV(
        RotationAugmentedRegressor(FrozenEstimator(pipeline), random_state=0),
        {"n_rotations": [0, 1]},
        cv=2,
    ),
    "target": lambda pipeline: TransformedTargetRegressor(
        FrozenEstimator(pipeline), check_inverse=False
    ),
    "calibrated": lambda pipeline: CalibratedMassRegressor(
        FrozenEstimator(pipeline), cv=KFold(2)
    ),
    "rotated": lambda pipeline: RotationAugmentedRegressor(
        FrozenEstimator(pipeline), n_rotations=1, random_state=0
    ),
    "in each other": lambda pipeline: make_pipeline(
        "passthrough",
        TransformedTargetRegressor(
            CalibratedMassRegressor(FrozenEstimator(pipeline), cv=KFold(2)),
            check_inverse=False,
        ),
    ),
}


@pytest.mark.filterwarnings("ignore:.*training range:UserWarning")
@pytest.mark.parametrize("name", WRAPPED)
def test_what_holds_a_network_is_explained_as_the_network(
    name, pipeline, sample, log_mass
):
    estimator, X = WRAPPED[name](pipeline).fit(sample, log_mass), sample[:3]
    wanted = SaliencyExplainer(pipeline, per_photon=True).explain(X)
    found = SaliencyExplainer(estimator, per_photon=True).explain(X)
    assert_array_equal(found, wanted)
    pixels = [[0, 7, 8], [0, 2, 3]]
    assert_array_equal(
        photon_response(estimator, X[[0]], pixels),
        photon_response(pipeline, X[[0]], pixels),
    )
    forgetful = randomized_weights(estimator, 8, random_state=0)
    assert (SaliencyExplainer(forgetful).explain(X) != wanted).any()
    display = plotting.SaliencyDisplay.from_estimator(estimator, X, per_photon=True)
    assert_allclose(display.saliency, wanted.mean(axis=1))
    assert display.half_width == 1.5
    curves = plotting.TrainingCurveDisplay.from_estimator(estimator)
    assert curves.history == pipeline[-1].history_
    plt.close("all")


def test_a_network_of_another_target_is_refused(pipeline, sample, log_mass):
    target = TransformedTargetRegressor(
        pipeline, func=np.exp, inverse_func=np.log, check_inverse=False
    )
    target.regressor_ = pipeline
    with pytest.raises(TypeError, match="fits its network to a transformed target"):
        SaliencyExplainer(target).explain(sample)


def test_ensembles_are_refused_by_name(pipeline, sample):
    for ensemble in (
        BaggingRegressor(pipeline),
        VotingRegressor([("a", pipeline), ("b", pipeline)]),
    ):
        ensemble.estimators_ = [pipeline]
        with pytest.raises(TypeError, match=r"got \w+\. It predicts with several"):
            SaliencyExplainer(ensemble).explain(sample)


def test_an_ensemble_is_not_sent_away_to_be_fitted(pipeline, sample):
    with pytest.raises(TypeError, match=r"got BaggingRegressor\. It predicts with sev"):
        SaliencyExplainer(BaggingRegressor(pipeline)).explain(sample)


def test_maps_are_for_the_steps_after_the_mapper(pipeline, sample):
    mapped = pipeline[0].transform(sample[:2])
    only_maps = mapped.drop("photons")
    with pytest.raises(
        ValueError, match=r"maps and no photons, .* Give pipeline\[1:\]"
    ):
        SaliencyExplainer(pipeline).explain(only_maps)
    with pytest.raises(
        ValueError, match=r"maps and no photons, .* Give pipeline\[1:\]"
    ):
        photon_response(pipeline, only_maps[[0]], [[0, 7, 8]])
    wanted = SaliencyExplainer(pipeline).explain(sample[:2])
    assert_array_equal(SaliencyExplainer(pipeline[1:]).explain(only_maps), wanted)


def test_a_network_on_arrays_is_drawn(pipeline, sample):
    maps = np.asarray(pipeline[:-1].transform(sample[:2]).maps)
    display = plotting.SaliencyDisplay.from_estimator(
        pipeline[-1], maps, half_width=1.5, log_mass=[14.0, 14.5]
    )
    assert_allclose(
        display.saliency, SaliencyExplainer(pipeline).explain(sample[:2])[:, 0]
    )
    titles = [axes[0].get_title(loc="left") for axes in display.axes_]
    assert titles == [r"$\log_{10} M$ = 14.00", r"$\log_{10} M$ = 14.50"]
    plt.close("all")
    with pytest.raises(ValueError, match="SaliencyDisplay needs the size of the maps"):
        plotting.SaliencyDisplay.from_estimator(pipeline[-1], maps)


def test_what_was_not_fitted_says_so(pipeline, sample):
    for estimator in (
        GridSearchCV(pipeline, {}),
        CalibratedMassRegressor(pipeline),
        RotationAugmentedRegressor(pipeline),
    ):
        name = type(estimator).__name__
        with pytest.raises(NotFittedError, match=f"This {name} is not fitted yet"):
            SaliencyExplainer(estimator).explain(sample)
    with pytest.raises(TypeError, match=r"got Ridge\. Give a fitted XrayCNNRegressor"):
        SaliencyExplainer(GridSearchCV(Ridge(), {})).explain(sample)


def test_parameters_of_numpy_are_those_of_python(pipeline, sample):
    X = sample[:3]
    plain = {"n_samples": 3, "noise": 0.5, "batch_size": 2, "random_state": 1}
    wanted = SaliencyExplainer(pipeline, method="smoothgrad", **plain, signed=True)
    found = SaliencyExplainer(
        pipeline,
        method=np.str_("smoothgrad"),
        n_samples=np.uint8(3),
        noise=np.float32(0.5),
        batch_size=np.int8(2),
        random_state=np.int64(1),
        signed=np.True_,
        per_photon=np.False_,
        n_threads=np.uint16(1),
        verbose=np.int32(0),
    )
    assert_array_equal(found.explain(X), wanted.explain(X))


def test_parameters_are_refused_before_anything_is_trained(sample, log_mass):
    network = clone(NETWORK).set_params(max_epochs=10**9)
    for name, value in (("noise", "much"), ("n_samples", 0), ("signed", "no")):
        with pytest.raises(ValueError, match=f"{name} must be"):
            cross_val_saliency(network, sample, log_mass, **{name: value})
    with pytest.raises(ValueError, match="per_photon=True needs a derivative"):
        cross_val_saliency(
            network, sample, log_mass, per_photon=True, method="deep_dream"
        )


@contextlib.contextmanager
def float64_by_default():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


SETTINGS = {
    "float64": float64_by_default,
    "no_grad": torch.no_grad,
    "inference mode": torch.inference_mode,
    "anomalies": torch.autograd.detect_anomaly,
}


@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(
    "method", ["gradient", "smoothgrad", "integrated_gradients", "deep_dream"]
)
def test_saliency_does_not_depend_on_torchs_settings(setting, method, pipeline, sample):
    explainer = SaliencyExplainer(
        pipeline, method=method, n_samples=3, signed=True, random_state=0
    )
    wanted = explainer.explain(sample[:3])
    with SETTINGS[setting]():
        found = explainer.explain(sample[:3])
    assert found.dtype == np.float32
    assert_array_equal(found, wanted)


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
def test_checks_do_not_depend_on_torchs_settings(setting, pipeline, sample):
    X, pixels = sample[[0]], [[0, 7, 8]]
    wanted = photon_response(pipeline, X, pixels)
    forgetful = randomized_weights(pipeline, 2, random_state=0).predict(X)
    with SETTINGS[setting]():
        assert_array_equal(photon_response(pipeline, X, pixels), wanted)
        found = randomized_weights(pipeline, 2, random_state=0).predict(X)
    assert_array_equal(found, forgetful)
