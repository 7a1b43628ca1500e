"""SaliencyExplainer and proxy_saliency against finite differences and closed forms."""

import copy
import sys

import joblib
import numpy as np
import pytest
import torch
from astropy.table import Column
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import nn

from skcluster import (
    ClusterSample,
    EvrardProxyRegressor,
    JointCNNRegressor,
    LogScaler,
    PhaseSpaceKDE,
    PhotonMapper,
    ProxyMeasurer,
    QuadrantGroupKFold,
    RedshiftNormalizer,
    RotationAugmentedRegressor,
    SaliencyExplainer,
    SparseMaps,
    XrayCNNRegressor,
    cross_val_saliency,
    proxy_saliency,
    radial_saliency,
)
from skcluster.cosmology import comoving_distance
from skcluster.explain.proxy import CLUSTERS_PER_BLOCK
from skcluster.explain.self_test import WeighingRegressor
from skcluster.explain.thin_convolution import ThinConvolution, with_thin_convolutions
from skcluster.networks import MassNetwork
from skcluster.regressors.output_curve import on_curve

METHODS = ("gradient", "smoothgrad", "integrated_gradients", "deep_dream")
each_method = pytest.mark.parametrize("method", METHODS)


def small_network(**params):
    """A network that is trained in a moment."""
    params = {"max_epochs": 2, "batch_size": 20, "random_state": 0} | params
    return XrayCNNRegressor(device="cpu", n_threads=1, **params)


def explain(estimator, X, **params):
    """Saliency with its sign, of few samples."""
    params = {"signed": True, "n_samples": 4, "random_state": 0} | params
    return SaliencyExplainer(estimator, **params).explain(X)


@pytest.fixture(scope="module")
def full_maps():
    """Maps without empty pixels, whose pooling windows have no ties."""
    return np.random.default_rng(0).uniform(0, 1.5, (14, 2, 16, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def regressor(full_maps):
    """Two networks trained on maps of two bands."""
    log_mass = 14 + full_maps[:, 0, :8].mean(axis=(1, 2))
    return small_network(n_members=2).fit(full_maps, log_mass)


@pytest.fixture(scope="module")
def pipeline(sample, log_mass):
    """Mapper, normalizer, logarithm and network."""
    steps = PhotonMapper(n_pixels=16), RedshiftNormalizer(), LogScaler()
    return make_pipeline(*steps, small_network(max_epochs=4)).fit(sample, log_mass)


@pytest.fixture(scope="module")
def weighing():
    """A linear network of known weights without symmetry, and maps for it."""
    rng = np.random.default_rng(3)
    weight = rng.normal(0, 0.1, (2, 8, 10))
    maps = rng.poisson(0.5, (5, 2, 8, 10)).astype(np.float32)
    return WeighingRegressor(weight).fit(maps), maps


def exact_log_mass(regressor, x):
    """log10 M of log-scaled maps, in double precision."""
    scaled = torch.tensor((x - regressor.pixel_mean_) / regressor.pixel_scale_)
    with torch.no_grad():
        members = [
            on_curve(copy.deepcopy(net.module_).double().eval()(scaled).numpy(), curve)
            for net, curve in zip(regressor.nets_, regressor.curve_[:, 0], strict=True)
        ]
    return regressor.target_mean_ + regressor.target_scale_ * np.mean(members, axis=0)


def numerical_gradient(function, x, step=1e-6):
    """Central differences with respect to all pixels of one map (bands, y, x)."""
    nudges = step * np.eye(x.size).reshape(x.size, *x.shape)
    difference = function(x + nudges) - function(x - nudges)
    return difference.reshape(x.shape) / (2 * step)


def test_gradient_is_that_of_the_prediction(regressor, full_maps):
    saliency = explain(regressor, full_maps)
    assert saliency.shape == full_maps.shape
    assert saliency.dtype == np.float32
    for row in (0, 13):
        wanted = numerical_gradient(
            lambda x: exact_log_mass(regressor, x), full_maps[row].astype(float)
        )
        assert_allclose(saliency[row], wanted, atol=1e-4 * np.abs(wanted).max())


def test_saliency_has_no_sign_unless_asked_for(regressor, full_maps):
    signed = explain(regressor, full_maps)
    assert (signed < 0).any()
    assert_array_equal(SaliencyExplainer(regressor).explain(full_maps), np.abs(signed))


def test_gradient_of_a_weighted_sum_is_its_weights(weighing):
    regressor, maps = weighing
    wanted = np.broadcast_to(regressor.weight, maps.shape)
    for method in ("gradient", "smoothgrad"):
        assert_allclose(explain(regressor, maps, method=method), wanted, rtol=1e-5)


def test_integrated_gradients_of_a_weighted_sum_are_its_terms(weighing):
    regressor, maps = weighing
    terms = explain(regressor, maps, method="integrated_gradients")
    assert_allclose(terms, regressor.weight * maps, rtol=1e-4, atol=1e-7)


def test_deep_dream_of_a_weighted_sum_follows_its_weights(weighing):
    regressor, maps = weighing
    size = np.abs(regressor.weight).mean()
    wanted = 2 * 0.01 * regressor.pixel_scale_ * regressor.weight / size
    dream = explain(regressor, maps, method="deep_dream")
    assert_allclose(dream, np.broadcast_to(wanted, maps.shape), rtol=1e-4)


def test_deep_dream_is_two_steps_of_ascent(regressor, full_maps):
    x = full_maps[3].astype(float)
    for _ in range(2):
        slope = numerical_gradient(lambda x: exact_log_mass(regressor, x), x)
        x += 0.01 * regressor.pixel_scale_ * slope / np.abs(slope).mean()
    wanted = x - full_maps[3]
    dream = explain(regressor, full_maps[3:4], method="deep_dream")[0]
    assert_allclose(dream, wanted, atol=1e-3 * np.abs(wanted).max())


def test_a_network_that_ignores_its_maps_dreams_of_nothing(weighing):
    _, maps = weighing
    ignorant = WeighingRegressor(np.zeros(maps.shape[1:])).fit(maps)
    for method in METHODS:
        assert not explain(ignorant, maps, method=method).any()


def test_integrated_gradients_add_up_to_the_change_of_mass(pipeline, sample):
    sample, network = pipeline[:-1].transform(sample[:20]), pipeline[-1]
    parts = explain(network, sample, method="integrated_gradients", n_samples=100)
    x = np.asarray(sample.maps, float)
    wanted = exact_log_mass(network, x) - exact_log_mass(network, np.zeros_like(x))
    error = parts.sum(axis=(1, 2, 3), dtype=float) - wanted
    assert np.abs(error).max() < 0.02 * np.abs(wanted).max()
    assert not parts[x == 0].any()


def test_smoothgrad_without_noise_is_the_gradient(regressor, full_maps):
    smooth = explain(regressor, full_maps, method="smoothgrad", noise=0)
    wanted = explain(regressor, full_maps)
    assert_allclose(smooth, wanted, atol=1e-5 * np.abs(wanted).max())


class Parabola(WeighingRegressor):
    """log10 M is half the sum of squares of the standardized pixels."""

    class Module(MassNetwork):
        def __init__(self):
            super().__init__(n_outputs=1)
            self.unused = nn.Linear(1, 1)

        @property
        def output_layer(self):
            return self.unused

        def extract(self, maps):
            return maps

        def estimate(self, maps):
            return maps.pow(2).sum((1, 2, 3)) / 2

    def _module(self):
        return self.Module()


@pytest.mark.parametrize(("noise", "n_samples"), [(0.5, 9), (2.0, 100)])
def test_smoothgrad_averages_over_noise_in_training_deviations(noise, n_samples):
    maps = np.random.default_rng(0).poisson(1.0, (3, 1, 32, 32))
    parabola = Parabola(np.zeros((1, 32, 32))).fit(maps)
    smooth, plain = (
        explain(parabola, maps, method=method, noise=noise, n_samples=n_samples)
        for method in ("smoothgrad", "gradient")
    )
    per_unit = parabola.target_scale_ / parabola.pixel_scale_
    residual = (smooth - plain) / per_unit
    assert_allclose(residual.std(axis=(1, 2, 3)), noise / np.sqrt(n_samples), rtol=0.1)
    # Each cluster has noise of its own.
    assert abs(np.corrcoef(residual[0].ravel(), residual[1].ravel())[0, 1]) < 0.15


def test_random_state_fixes_the_noise(regressor, full_maps):
    first, again, other = (
        explain(regressor, full_maps[:2], method="smoothgrad", random_state=seed)
        for seed in (1, 1, 2)
    )
    assert_array_equal(first, again)
    assert (first != other).any()


@each_method
def test_saliency_does_not_depend_on_the_neighbors(pipeline, sample, method):
    order = np.random.default_rng(0).permutation(len(sample))[:19]
    complete = explain(pipeline, sample, method=method)
    assert_array_equal(explain(pipeline, sample[order], method=method), complete[order])
    assert_array_equal(explain(pipeline, sample[7:8], method=method), complete[7:8])


@each_method
def test_threads_change_nothing_and_batches_only_last_bits(pipeline, sample, method):
    first = explain(pipeline, sample[:20], method=method, n_threads=1)
    threaded = explain(pipeline, sample[:20], method=method, n_threads=3)
    assert_array_equal(threaded, first)
    # Ties in the pooling of empty pixels are for rounding to break: leave them out.
    x = np.random.default_rng(1).uniform(0, 1, (7, 1, 16, 16))
    of_size = [
        explain(pipeline[-1], x, method=method, batch_size=size) for size in (2, 5)
    ]
    assert_allclose(*of_size, atol=1e-5 * np.abs(of_size[0]).max())


@pytest.mark.parametrize("method", ["gradient", "smoothgrad", "integrated_gradients"])
def test_members_are_averaged(regressor, full_maps, method):
    mean = explain(regressor, full_maps, method=method)
    alone = []
    for k, net in enumerate(regressor.nets_):
        member = copy.copy(regressor)
        member.nets_, member.curve_ = [net], regressor.curve_[[k]]
        alone.append(explain(member, full_maps, method=method))
    assert_allclose(mean, np.mean(alone, axis=0), atol=1e-5 * mean.max())


@pytest.fixture(scope="module")
def joint(sample, log_mass):
    """A pipeline that ends in the joint network, trained on galaxies too."""
    network = JointCNNRegressor(
        max_epochs=1, batch_size=20, device="cpu", n_threads=1, random_state=0
    )
    steps = PhotonMapper(n_pixels=16), RedshiftNormalizer(), LogScaler()
    cubes = PhaseSpaceKDE(n_bins=16)
    return make_pipeline(*steps, cubes, network).fit(sample[:24], log_mass[:24])


def test_the_joint_network_is_explained_with_its_cubes_held_fixed(joint, sample):
    made = joint[:-1].transform(sample[:9])
    # Without empty pixels no pooling window has ties.
    x = np.random.default_rng(0).uniform(0, 1, made.maps.shape).astype(np.float32)
    network, made = joint[-1], made.assign(maps=x)
    saliency = explain(network, made)
    module = copy.deepcopy(network.net_.module_).double().eval()
    row = 4
    cubes = (made.cubes[row] - network.cube_mean_) / network.cube_scale_
    cubes = torch.tensor(cubes, dtype=torch.double)[None]

    def log_mass(x):
        maps = torch.tensor((x - network.pixel_mean_) / network.pixel_scale_)
        with torch.no_grad():
            scaled = module(maps, cubes.expand(len(x), -1, -1, -1)).numpy()
        return network.target_scale_ * on_curve(scaled, network.curve_[0, 0])

    wanted = numerical_gradient(log_mass, x[row].astype(float))
    assert_allclose(saliency[row], wanted, atol=1e-4 * np.abs(wanted).max())
    other = made.assign(cubes=made.cubes[::-1])
    assert (explain(network, other)[row] == saliency[row]).all()
    assert (explain(network, other)[0] != saliency[0]).any()


@each_method
def test_the_joint_networks_saliency_does_not_depend_on_the_neighbors(
    joint, sample, method
):
    rows = np.array([7, 2, 5])
    complete = explain(joint, sample[:9], method=method)
    assert_array_equal(explain(joint, sample[rows], method=method), complete[rows])
    assert complete.any(axis=(1, 2, 3)).all()


def test_phase_space_leaves_the_way_back_to_photons(joint, sample):
    found = explain(joint, sample[:3], per_photon=True)
    made, normalizer = joint[:-1].transform(sample[:3]), joint[1]
    expected = 10 ** (normalizer.slope_ * made.redshift + normalizer.intercept_)
    f = normalizer.pivot_count / expected[:, None, None, None]
    m = np.asarray(joint[0].transform(sample[:3]).maps, float)
    secant = np.log10((m + 1) * f + 1) - np.log10(m * f + 1)
    # A photon beyond the field of view is not counted.
    edges = np.abs(np.linspace(-1, 1, m.shape[-1] + 1)) * joint[0].half_width
    nearest = np.minimum(edges[1:], edges[:-1])
    radius = comoving_distance(made.redshift) * np.tan(np.radians(made.field_radius))
    is_seen = np.hypot(nearest[:, None], nearest) <= radius[:, None, None, None]
    assert 0 < (~is_seen).sum() < 0.1 * is_seen.size
    wanted = explain(joint[-1], made) * secant * is_seen
    assert_allclose(found, wanted, rtol=1e-5)


def test_a_pipeline_is_explained_from_any_step_on(pipeline, sample):
    wanted = explain(pipeline, sample)
    for start in (1, 2, 3):
        made = pipeline[:start].transform(sample)
        assert_array_equal(explain(pipeline[start:], made), wanted)
    assert_array_equal(explain(pipeline[-1], made), wanted)
    nested = make_pipeline(pipeline[:2], "passthrough", pipeline[2:])
    assert_array_equal(explain(nested, sample), wanted)


@pytest.mark.filterwarnings("ignore:.*far outside the training range")  # 10 of 60
def test_a_search_and_a_meta_estimator_stand_for_what_they_fitted(
    pipeline, sample, log_mass
):
    X, y = sample[:20], log_mass[:20]
    search = GridSearchCV(pipeline, {"xraycnnregressor__max_epochs": [1]}, cv=2)
    search.fit(X, y)
    found = explain(search, X)
    assert_array_equal(found, explain(search.best_estimator_, X))
    augmented = RotationAugmentedRegressor(pipeline, n_rotations=1, random_state=0)
    augmented.fit(X, y)
    assert_array_equal(explain(augmented, X), explain(augmented.estimator_, X))


@each_method
def test_network_and_sample_are_left_as_they_were(regressor, full_maps, method):
    regressor = copy.deepcopy(regressor)
    module = regressor.net_.module_
    module.train()
    next(module.parameters()).requires_grad_(False)
    last = list(module.parameters())[-1]
    last.grad = torch.full_like(last, 7.0)
    flags = [(p.requires_grad, p.grad is None) for p in module.parameters()]
    before = joblib.hash((regressor, full_maps))
    rng_state = torch.get_rng_state()
    explain(regressor, full_maps, method=method)
    assert joblib.hash((regressor, full_maps)) == before
    assert module.training
    assert flags == [(p.requires_grad, p.grad is None) for p in module.parameters()]
    assert (last.grad == 7).all()
    assert torch.equal(torch.get_rng_state(), rng_state)


def test_gradients_work_where_the_caller_switched_them_off(regressor, full_maps):
    wanted = explain(regressor, full_maps)
    with torch.no_grad():
        assert_array_equal(explain(regressor, full_maps), wanted)


def test_dropout_is_off():
    maps = np.random.default_rng(0).uniform(0, 1, (12, 1, 8, 8))
    network = small_network(dropout=0.5).fit(maps, np.linspace(13.5, 15, 12))
    network.net_.module_.eval()
    wanted = explain(network, maps)
    network.net_.module_.train()
    assert_array_equal(explain(network, maps), wanted)


def test_saliency_per_photon_of_an_array_of_counts(weighing):
    regressor, maps = weighing
    pipeline = make_pipeline(LogScaler(), regressor)
    wanted = regressor.weight * (np.log10(maps + 2) - np.log10(maps + 1))
    assert_allclose(explain(pipeline, maps, per_photon=True), wanted, rtol=1e-4)


def test_per_photon_needs_the_steps_from_the_counts(pipeline, sample):
    made = pipeline[:-1].transform(sample)
    with pytest.raises(ValueError, match="no step that makes its maps from counts"):
        explain(pipeline[-1], made, per_photon=True)


def halved(sample):
    """Maps of half the size, which nobody knows the derivative of."""
    return sample.assign(maps=sample.maps.scaled(np.full(len(sample), 0.5)))


def same(sample):
    """The sample as it is."""
    return sample


def test_per_photon_refuses_a_step_that_it_does_not_know(pipeline, sample):
    network = pipeline[-1]
    unknown = make_pipeline(
        pipeline[:2], FunctionTransformer(halved), LogScaler(), network
    )
    with pytest.raises(ValueError, match="what FunctionTransformer does to a photon"):
        explain(unknown, sample, per_photon=True)
    assert np.isfinite(explain(unknown, sample)).all()
    known = make_pipeline(pipeline[:2], FunctionTransformer(same), LogScaler(), network)
    wanted = explain(pipeline, sample, per_photon=True)
    assert_array_equal(explain(known, sample, per_photon=True), wanted)
    early = make_pipeline(FunctionTransformer(same), pipeline)
    assert_array_equal(explain(early, sample, per_photon=True), wanted)


def test_per_photon_needs_a_derivative(pipeline, sample):
    with pytest.raises(ValueError, match="needs a derivative, and method='deep_dream'"):
        explain(pipeline, sample, per_photon=True, method="deep_dream")


def test_an_unfitted_network_is_an_error(sample):
    with pytest.raises(NotFittedError, match="XrayCNNRegressor instance is not fitted"):
        explain(make_pipeline(PhotonMapper(), XrayCNNRegressor()), sample)
    with pytest.raises(NotFittedError, match="XrayCNNRegressor instance is not fitted"):
        explain(XrayCNNRegressor(), sample)


def test_what_is_no_network_is_an_error(sample, log_mass):
    proxy = make_pipeline(ProxyMeasurer(proxies=("n_phot",)), EvrardProxyRegressor())
    with pytest.raises(TypeError, match=r"got EvrardProxyRegressor.*proxy_saliency"):
        explain(proxy.fit(sample, log_mass), sample)
    with pytest.raises(TypeError, match=r"networks, got Ridge\. Give a fitted Xray"):
        explain(Ridge(), sample)
    with pytest.raises(TypeError, match="networks, got the class XrayCNNRegressor"):
        explain(XrayCNNRegressor, sample)


def test_maps_that_do_not_fit_are_an_error(pipeline, sample):
    with pytest.raises(ValueError, match="put PhotonMapper before this step"):
        explain(pipeline[-1], sample)
    mapped = PhotonMapper(n_pixels=8).transform(sample)
    with pytest.raises(ValueError, match=r"fitted to maps of shape \(1, 16, 16\)"):
        explain(pipeline[-1], mapped)
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        explain(pipeline, sample[:0])


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"method": "magic"}, r"method must be one of \['gradient', .*got 'magic'"),
        ({"n_samples": 0}, "n_samples must be an int from 1 to 10000, got 0"),
        ({"n_samples": None}, "n_samples must be an int from 1 to 10000, got None"),
        ({"batch_size": 2.5}, r"batch_size must be a positive int or None, got 2\.5"),
        ({"n_threads": -1}, "n_threads must be an int from 1 to 1024 or None, got -1"),
        (
            {"device": "banana"},
            "device must be .auto., or a torch device .* got .banana",
        ),
        ({"noise": -0.1}, r"noise must be a non-negative number, got -0\.1"),
        ({"noise": "much"}, "noise must be a non-negative number, got 'much'"),
    ],
)
def test_a_parameter_without_sense_is_an_error(pipeline, sample, params, words):
    with pytest.raises(ValueError, match=words):
        explain(pipeline, sample, **params)


def test_integrated_gradients_say_how_to_get_captum(pipeline, sample, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(ImportError, match=r'pip install "skcluster\[explain\]"'):
        explain(pipeline, sample, method="integrated_gradients")
    assert np.isfinite(explain(pipeline, sample[:2])).all()


def test_a_device_that_is_not_there_is_an_error(pipeline, sample):
    if torch.cuda.is_available():
        pytest.skip("There is a GPU here.")
    with pytest.raises(ValueError, match="torch finds no GPU here"):
        explain(pipeline, sample, device="cuda")


def test_progress_goes_to_stderr(pipeline, sample, capsys, monkeypatch):
    monkeypatch.setattr("skcluster.progress.QUIET_SECONDS", 600.0)
    explain(pipeline, sample[:20], verbose=1)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("skcluster.progress.QUIET_SECONDS", 0.0)
    explain(pipeline, sample[:20], verbose=1)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[-1].startswith("explained 20 / 20 (")
    assert shown.err.endswith(" in all)\n")


@pytest.mark.parametrize("n_bands", [1, 3])
def test_a_thin_convolution_has_the_gradient_of_torchs(n_bands):
    torch.manual_seed(0)
    plain = nn.Conv2d(n_bands, 12, (5, 3), padding="same").double()
    assert ThinConvolution.fits(plain)
    maps = torch.randn(2, n_bands, 7, 9, dtype=torch.double, requires_grad=True)
    push = torch.randn(2, 12, 7, 9, dtype=torch.double)
    found, wanted = (
        torch.autograd.grad((layer(maps) * push).sum(), maps)[0]
        for layer in (ThinConvolution(plain), plain)
    )
    assert_allclose(found, wanted, atol=1e-12)
    assert_array_equal(ThinConvolution(plain)(maps).detach(), plain(maps).detach())


def test_other_convolutions_are_left_alone():
    others = [
        nn.Conv2d(1, 12, 4, padding="same"),
        nn.Conv2d(1, 12, 5),
        nn.Conv2d(1, 12, 5, padding=2, stride=2),
        nn.Conv2d(1, 12, 5, padding="same", dilation=2),
        nn.Conv2d(2, 12, 5, padding="same", groups=2),
        nn.Conv2d(1, 12, 5, padding="same", padding_mode="circular"),
        nn.Conv2d(10, 12, 5, padding="same"),
        nn.Conv2d(1, 2, 5, padding="same"),
    ]
    assert not any(ThinConvolution.fits(layer) for layer in others)
    module = nn.Sequential(*others, nn.Sequential(nn.Conv2d(1, 12, 5, padding=2)))
    replaced = with_thin_convolutions(module)
    assert list(replaced[:-1]) == others
    assert isinstance(replaced[-1][0], ThinConvolution)


def test_cross_validated_saliency_is_of_networks_that_never_saw_the_cluster(
    sample, log_mass
):
    X, y = PhotonMapper(n_pixels=8).transform(sample)[:24], log_mass[:24]
    estimator = make_pipeline(RedshiftNormalizer(), LogScaler(), small_network())
    params = {"method": "smoothgrad", "n_samples": 2, "random_state": 5}
    result = cross_val_saliency(estimator, X, y, **params)
    folds = list(QuadrantGroupKFold().split(X))
    assert len(folds) == 8
    for train, test in folds:
        fitted = clone(estimator).fit(X[train], y[train])
        wanted = SaliencyExplainer(fitted, **params).explain(X[test])
        assert_array_equal(result.saliency[test], wanted)
        assert_array_equal(result.log_mass[test], fitted.predict(X[test]))


def test_cross_validated_saliency_is_the_same_for_any_n_jobs(full_maps):
    y = 14 + full_maps.mean(axis=(1, 2, 3))
    params = {"cv": KFold(2), "method": "smoothgrad", "n_samples": 2}
    results = []
    for n_jobs in (1, 2):
        rng = np.random.RandomState(3)
        with joblib.parallel_config(backend="threading"):
            results.append(
                cross_val_saliency(
                    *(small_network(), full_maps, y),
                    n_jobs=n_jobs,
                    random_state=rng,
                    **params,
                )
            )
    one, two = results
    assert_array_equal(one.saliency, two.saliency)
    assert_array_equal(one.log_mass, two.log_mass)


def test_cross_validated_saliency_takes_groups(full_maps):
    y = 14 + full_maps.mean(axis=(1, 2, 3))
    groups = np.arange(14) % 2
    result = cross_val_saliency(
        small_network(max_epochs=1),
        full_maps,
        y,
        cv=QuadrantGroupKFold(),
        groups=groups,
    )
    assert np.isfinite(result.saliency).all()


def test_masses_in_another_unit_and_masked_ones_are_refused_before_training(full_maps):
    y = 14 + full_maps.mean(axis=(1, 2, 3))
    for masses, text in (
        (Column(y, unit="dex(Msun)"), r"y of cross_val_saliency has the unit"),
        (np.ma.masked_equal(y, y[3]), r"no value for 1 of 14 .*first: cluster 3"),
    ):
        with pytest.raises(ValueError, match=text):
            cross_val_saliency(small_network(), full_maps, masses, cv=KFold(2))


def test_folds_must_test_each_cluster_once(full_maps):
    with pytest.raises(ValueError, match=r"hold 4 clusters and leave out 10 of 14"):
        cross_val_saliency(
            small_network(),
            full_maps,
            np.arange(14.0),
            cv=ShuffleSplit(1, test_size=4, random_state=0),
        )


@pytest.fixture(scope="module")
def log_counts():
    """x of five clusters in two bands, with empty pixels."""
    rng = np.random.default_rng(2)
    return np.log10(rng.poisson(0.7, (5, 2, 8, 8)) * rng.uniform(0.5, 2) + 1)


def fitted_to_counts(x, is_counted):
    """An EvrardProxyRegressor of the counts of maps like these."""
    rng = np.random.default_rng(4)
    log_mass = rng.uniform(13.5, 15, 300)
    ln_count = 1.7 * (log_mass - 14) * np.log(10) + rng.normal(4, 0.3, 300)
    return EvrardProxyRegressor(beta=0.0).fit(ln_count[:, None], log_mass)


@pytest.mark.parametrize("aperture", ["circle", "square", "inside", "r500c"])
def test_proxy_saliency_is_the_gradient_of_the_proxy_mass(log_counts, aperture):
    center = (np.arange(8) + 0.5) * 0.575 - 2.3
    r500c = np.array([0.9, 1.3, 1.7, 2.0, 2.5])
    radius = np.sqrt(center[:, None] ** 2 + center**2)
    is_counted = {
        "circle": np.broadcast_to(radius <= 2.3, (5, 1, 8, 8)),
        "square": np.ones((5, 1, 8, 8), bool),
        "inside": np.random.default_rng(0).random((5, 1, 8, 8)) < 0.5,
        "r500c": (radius <= r500c[:, None, None])[:, None],
    }[aperture]
    keywords = {
        "circle": {},
        "square": {"inside": True},
        "inside": {"inside": is_counted},
        "r500c": {"r500c": r500c, "half_width": 2.3},
    }[aperture]
    proxy = fitted_to_counts(log_counts, is_counted)
    found = proxy_saliency(log_counts, proxy.slope_[0, 0], **keywords)
    assert found.dtype == float
    for i, x in enumerate(log_counts):

        def log_mass(x, counted=is_counted[i]):
            count = ((10**x - 1) * counted).sum(axis=(1, 2, 3))
            return proxy.predict(np.log(count)[:, None])

        assert_allclose(found[i], numerical_gradient(log_mass, x), atol=2e-8)
    assert not found[~np.broadcast_to(is_counted, found.shape)].any()


def test_proxy_saliency_of_sparse_maps_is_that_of_dense_ones(log_counts):
    x = log_counts.astype(np.float32)
    slope = np.linspace(1, 2, 5)
    found = proxy_saliency(SparseMaps.from_dense(x), slope)
    assert found.dtype == np.float32
    assert_array_equal(found, proxy_saliency(x, slope))
    alone = [proxy_saliency(x[i : i + 1], slope[i])[0] for i in range(5)]
    assert_allclose(found, alone, rtol=1e-6)


def test_proxy_saliency_of_counts_is_refused(sample):
    mapped = PhotonMapper(n_pixels=8).transform(sample)
    with pytest.raises(ValueError, match="counts that have not been through LogScaler"):
        proxy_saliency(mapped.maps, 1.5)
    scaled = LogScaler().fit_transform(mapped)
    x = np.asarray(scaled.maps)
    assert_array_equal(proxy_saliency(scaled.maps, 1.5), proxy_saliency(x, 1.5))


def test_proxy_saliency_in_several_blocks_takes_the_slope_and_radius_of_each():
    rng, n = np.random.default_rng(0), CLUSTERS_PER_BLOCK + 3
    maps, slope = rng.random((n, 1, 8, 8)), rng.uniform(0.5, 2, n)
    r500c, last = rng.uniform(0.5, 1.5, n), slice(n - 3, n)
    found = proxy_saliency(maps, slope, r500c=r500c, half_width=2.0)
    alone = proxy_saliency(maps[last], slope[last], r500c=r500c[last], half_width=2.0)
    assert_allclose(found[last], alone)


def test_proxy_saliency_does_not_grow_with_the_survey_by_blocks(log_counts):
    many = np.tile(log_counts, (60, 1, 1, 1))
    assert_array_equal(
        proxy_saliency(many, 1.5),
        np.tile(proxy_saliency(log_counts, 1.5), (60, 1, 1, 1)),
    )


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        (
            {"slope": [1.0, 2.0]},
            r"one number or one per cluster, got shape \(2,\) for 5",
        ),
        (
            {"slope": np.ma.masked_equal([1.0, 2.0, 1.0, 1.0, 1.0], 2.0)},
            "slope has no value in 1 of 5 rows",
        ),
        (
            {"inside": np.ma.masked_equal(np.eye(8), 1)},
            "inside has no value in 8 of 8 rows",
        ),
        ({"inside": np.full((8, 8), np.nan)}, "inside is NaN in 64 of 64 pixels"),
        ({"slope": 0.0}, r"slope must be finite and not 0, got 0\.0"),
        ({"inside": True, "r500c": np.ones(5)}, "Give inside or r500c, not both"),
        (
            {"r500c": np.ones(4), "half_width": 2.3},
            r"r500c has the shape \(4,\), but there are 5",
        ),
        (
            {"r500c": np.full(5, np.nan), "half_width": 2.3},
            "5 of 5 values of r500c are outside",
        ),
        (
            {"r500c": np.ones(5)},
            r"proxy_saliency\(r500c=...\) needs the size of the maps",
        ),
        (
            {"r500c": np.full(5, 0.1), "half_width": 2},
            r"cluster 0 \(of 5\) holds no photon that is",
        ),
    ],
)
def test_proxy_saliency_refuses_what_makes_no_sense(log_counts, keywords, words):
    with pytest.raises(ValueError, match=words):
        proxy_saliency(log_counts, **{"slope": 1.5} | keywords)
    with pytest.raises(ValueError, match=r"Maps must have shape .* got \(8, 8\)"):
        proxy_saliency(log_counts[0, 0], 1.5)
    gaps = np.ma.masked_where(np.arange(640).reshape(5, 2, 8, 8) > 511, log_counts)
    with pytest.raises(ValueError, match="maps has no value in 1 of 5 rows"):
        proxy_saliency(gaps, 1.5)
    with pytest.raises(ValueError, match="Saliency has no value in 1 of 5 rows"):
        radial_saliency(gaps, np.ones(5), half_width=2.0)


def test_a_sample_is_explained_after_it_was_stored(pipeline, sample):
    assert isinstance(sample, ClusterSample)
    restored = copy.deepcopy(pipeline)
    assert_array_equal(explain(restored, sample), explain(pipeline, sample))
