"""XrayCNNRegressor: it learns, repeats itself, restores its best, and travels."""

import copy
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict
from skorch.callbacks import Callback

from skcluster import (
    ClusterSample,
    JointCNNRegressor,
    LogScaler,
    MapOutlierDetector,
    PhotonMapper,
    RedshiftNormalizer,
    XrayCNNRegressor,
    load_model,
    save_model,
)
from skcluster.datasets import make_mock_survey
from skcluster.networks import MassNetwork
from skcluster.regressors.held_out_errors import variance_scale
from skcluster.regressors.kept_memory import _glibc
from skcluster.regressors.map_batches import MapBatches, pixel_moments
from skcluster.regressors.mass_net import build_net
from skcluster.regressors.output_curve import on_curve
from skcluster.regressors.symmetries import randomly_turned, square_symmetry
from skcluster.regressors.torch_session import has_bfloat16, torch_session
from skcluster.sample import SparseMaps


def blobs(n=48, n_pixels=16, n_bands=1, seed=0):
    """Maps of a round source whose brightness is the mass."""
    rng = np.random.default_rng(seed)
    log_mass = rng.uniform(13.5, 15.0, n)
    y, x = np.mgrid[:n_pixels, :n_pixels] - (n_pixels - 1) / 2
    profile = np.exp(-(x**2 + y**2) / (2 * (n_pixels / 6) ** 2))
    rate = 10 ** (log_mass - 13.5)[:, None, None, None] * profile
    maps = rng.poisson(np.repeat(rate, n_bands, axis=1))
    return np.log10(maps + 1.0), log_mass


class Dense(MassNetwork):
    """A user's network, none of whose layers is called `output`."""

    def __init__(self, *, map_shape, dropout, n_outputs):
        super().__init__(n_outputs)
        self.body = torch.nn.Linear(int(np.prod(map_shape)), 8)
        self.norm = torch.nn.LayerNorm(8)
        self.dropout = torch.nn.Dropout(dropout)
        self.last = torch.nn.Linear(8, n_outputs)

    @property
    def output_layer(self):
        return self.last

    def extract(self, maps):
        return self.norm(self.body(maps.flatten(1))).relu()

    def estimate(self, features):
        return self.last(self.dropout(features)).squeeze(-1)


def quick(**changes):
    settings = {"max_epochs": 3, "random_state": 0, "device": "cpu", "n_threads": 1}
    return XrayCNNRegressor(**(settings | changes))


@pytest.fixture(scope="module")
def data():
    return blobs()


@pytest.fixture(scope="module")
def fitted(data):
    return quick().fit(*data)


def test_it_overfits_eight_clusters():
    maps, log_mass = blobs(n=8)
    regressor = quick(
        max_epochs=150, lr=3e-3, weight_decay=0.0, validation_fraction=None
    )
    predicted = regressor.fit(maps, log_mass).predict(maps)
    assert np.abs(predicted - log_mass).max() < 0.05


def test_it_learns_the_brightness_of_new_clusters():
    maps, log_mass = blobs(n=300)
    regressor = quick(max_epochs=25).fit(maps[:200], log_mass[:200])
    residual = regressor.predict(maps[200:]) - log_mass[200:]
    assert residual.std() < 0.3 * log_mass.std()


def test_maps_may_be_dense_sparse_or_in_a_sample(data, fitted):
    maps, _ = data
    sample = ClusterSample(np.full(len(maps), 0.2), maps=maps)
    expected = fitted.predict(maps)
    assert_array_equal(fitted.predict(SparseMaps.from_dense(maps)), expected)
    assert_array_equal(fitted.predict(sample), expected)


def test_the_same_seed_gives_the_same_network(data, fitted):
    assert_array_equal(quick().fit(*data).predict(data[0]), fitted.predict(data[0]))


def test_another_seed_gives_another_network(data, fitted):
    other = quick(random_state=1).fit(*data)
    assert np.abs(other.predict(data[0]) - fitted.predict(data[0])).max() > 1e-4


def test_callers_torch_and_numpy_generators_are_left_alone(data):
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    before, state, threads = (
        torch.get_rng_state(),
        np.random.get_state()[1].copy(),  # noqa: NPY002
        torch.get_num_threads(),
    )
    quick().fit(*data).predict(data[0])
    assert_array_equal(torch.get_rng_state(), before)
    assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert torch.get_num_threads() == threads


def test_fits_in_a_pool_of_threads_equal_fits_one_by_one(data):
    one = cross_val_predict(quick(), *data, cv=3)
    with joblib.parallel_backend("threading", n_jobs=2):
        pooled = cross_val_predict(quick(), *data, cv=3, n_jobs=2)
    assert_array_equal(pooled, one)


def test_grid_search_in_two_processes_equals_one(data):
    grid = {"lr": [1e-3, 3e-3], "dropout": [0.0, 0.1]}
    searches = [
        GridSearchCV(quick(max_epochs=2), grid, cv=2, n_jobs=n_jobs).fit(*data)
        for n_jobs in (1, 2)
    ]
    scores = [search.cv_results_["mean_test_score"] for search in searches]
    assert_array_equal(*scores)
    assert len(set(scores[0])) == 4


def test_a_mass_does_not_depend_on_the_neighbors(data, fitted):
    maps, _ = data
    together = fitted.predict(maps)
    assert_array_equal(fitted.predict(maps[:7]), together[:7])
    assert_array_equal(fitted.predict(maps[5:6]), together[5:6])
    order = np.random.default_rng(0).permutation(len(maps))
    assert_array_equal(fitted.predict(maps[order]), together[order])


def test_pickle_joblib_and_clone(data, fitted, tmp_path):
    expected = fitted.predict(data[0])
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(data[0]), expected)
    joblib.dump(fitted, tmp_path / "model.joblib")
    loaded = joblib.load(tmp_path / "model.joblib")
    assert_array_equal(loaded.predict(data[0]), expected)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        clone(fitted).predict(data[0])


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("augment", False),
        ("recipe", "ho2023"),
        ("dropout", 0.5),
        ("loss", "gaussian_nll"),
        ("architecture", Dense),
    ],
)
def test_parameters_of_the_network_belong_to_its_fit(data, tmp_path, name, other):
    """A copy was rebuilt with them, and predicted other masses or could not be loaded."""
    maps, log_mass = data
    model = quick(max_epochs=1, augment=True, recipe="one_cycle", dropout=0.1)
    model.set_params(n_dropout_draws=2).fit(maps, log_mass)
    expected, fitted = model.predict(maps), getattr(model, name)
    model.set_params(**{name: other})
    copies = [model, pickle.loads(pickle.dumps(model))]
    if name != "architecture":
        save_model(model, tmp_path / "model.skops")
        copies.append(load_model(tmp_path / "model.skops"))
    for each in copies:
        with pytest.raises(
            ValueError, match=f"fitted with {name}={fitted!r}, .* then set"
        ):
            each.predict(maps)
        assert getattr(each, name) == other
        assert_array_equal(each.set_params(**{name: fitted}).predict(maps), expected)


def test_a_pickle_from_before_a_parameter_was_added_is_read(data, fitted):
    older = copy.copy(fitted)
    del older.precision, older.keep_memory
    again = pickle.loads(pickle.dumps(older))
    assert again.get_params() == quick().get_params()
    assert_array_equal(again.predict(data[0]), fitted.predict(data[0]))


def test_weights_of_another_network_are_an_error_before_memory_is_taken(fitted):
    """A network for maps of 10**7 pixels per side would take an exabyte."""
    state = fitted.__getstate__() | {"map_shape_": (1, 10**7, 10**7)}
    with pytest.raises(ValueError, match=r"head\.0\.weight has shape \(128, 40\), but"):
        quick().__setstate__(state)
    lost = [{k: v for k, v in state["weights_"][0].items() if k != "output.bias"}]
    state |= {"map_shape_": fitted.map_shape_, "weights_": lost}
    with pytest.raises(ValueError, match=r"output\.bias has shape None, but \(1,\)"):
        quick().__setstate__(state)


def test_a_model_fitted_on_a_gpu_predicts_without_one(data, fitted):
    state = copy.deepcopy(fitted.__getstate__())
    state["device"] = "cuda:0"
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    elsewhere = XrayCNNRegressor()
    elsewhere.__setstate__(state)
    assert_array_equal(elsewhere.predict(data[0]), fitted.predict(data[0]))


def test_the_state_holds_parameters_arrays_and_numbers_only(fitted):
    def plain(value):
        if isinstance(value, dict):
            return all(map(plain, value.values()))
        if isinstance(value, list | tuple):
            return all(map(plain, value))
        if isinstance(value, MapOutlierDetector):
            return plain(value.__getstate__())
        return value is None or isinstance(value, np.ndarray | int | float | str)

    assert all(map(plain, fitted.__getstate__().values()))


# With this learning rate the best of few epochs is no better than the mean.
@pytest.mark.filterwarnings("ignore:1 of 1 networks .* no better than the mean")
def test_early_stopping_restores_the_best_weights(data):
    maps, log_mass = data
    regressor = quick(max_epochs=60, lr=2e-2, patience=4).fit(maps, log_mass)
    losses = [row["valid_loss"] for row in regressor.history_]
    assert regressor.n_iter_ == len(losses) == int(np.argmin(losses)) + 1 + 4
    residual = regressor.predict(maps) - log_mass
    held_out = [np.argmin(np.abs(residual - r)) for r in regressor.held_out_residual_]
    output = regressor._outputs(regressor.net_, regressor._read(maps))[:, 0, 0]
    as_trained = (output - (log_mass - log_mass.mean()) / log_mass.std())[held_out]
    assert_allclose(np.mean(as_trained**2), min(losses), rtol=1e-4)
    square = np.mean(regressor.held_out_residual_**2)
    assert_allclose(np.sqrt(square), regressor.residual_std_)


def test_mae_is_the_mean_absolute_error_of_the_last_epoch(data):
    regressor = quick(loss="mae").fit(*data)
    assert regressor.net_.criterion is torch.nn.L1Loss


def test_weight_decay_is_keras_l2_on_kernels_but_the_last():
    module = Dense(map_shape=(1, 2, 1), dropout=0.0, n_outputs=1)
    net = build_net(
        module,
        loss="mse",
        lr=1e-3,
        weight_decay=1e-4,
        batch_size=5,
        part_size=5,
        device="cpu",
        seed=0,
    )
    decay = {
        id(parameter): group["weight_decay"]
        for group in net.optimizer_.param_groups
        for parameter in group["params"]
    }
    assert {
        name: decay[id(parameter)] for name, parameter in module.named_parameters()
    } == {
        "body.weight": 2e-4,
        "body.bias": 0,
        "norm.weight": 0,
        "norm.bias": 0,
        "last.weight": 0,
        "last.bias": 0,
    }


def test_parts_of_a_batch_give_the_gradient_of_the_batch(data):
    maps, log_mass = data
    batch = MapBatches(SparseMaps.from_dense(maps[:23]), log_mass[:23]).__getitems__(
        range(23)
    )
    gradients = []
    for part_size in (23, 10):
        with torch_session(0):
            net = quick().fit(*data).net_
        net.part_size = part_size
        net.module_.zero_grad()
        net.train_step_single(batch)
        gradients.append(torch.cat([p.grad.ravel() for p in net.module_.parameters()]))
    assert_allclose(*gradients, rtol=1e-3, atol=1e-5)


def test_scalings_are_the_training_clusters_moments(data):
    maps, log_mass = data
    regressor = quick(max_epochs=1).fit(maps[:30], log_mass[:30])
    assert_allclose(regressor.pixel_mean_, maps[:30].mean(), rtol=1e-6)
    assert_allclose(regressor.pixel_scale_, maps[:30].std(), rtol=1e-6)
    assert_allclose(regressor.target_mean_, log_mass[:30].mean())
    assert_allclose(regressor.target_scale_, log_mass[:30].std())


def test_members_are_averaged_and_their_spread_is_in_the_std(data):
    regressor = quick(n_members=3).fit(*data)
    each = [
        on_curve(regressor._outputs(net, regressor._read(data[0]))[:, 0, 0], curve)
        for net, curve in zip(regressor.nets_, regressor.curve_[:, 0], strict=True)
    ]
    each = regressor.target_mean_ + regressor.target_scale_ * np.array(each)
    predicted, std = regressor.predict(data[0], return_std=True)
    assert_allclose(predicted, each.mean(axis=0))
    scale = variance_scale(regressor.held_out_moments_["without_draws"], 3, 1)
    expected = each.var(axis=0) + regressor.residual_std_**2
    assert_allclose(std**2, scale * expected)
    assert each.std(axis=0).min() > 0
    assert [row["member"] for row in regressor.history_] == [0] * 3 + [1] * 3 + [2] * 3


def test_std_without_held_out_clusters_is_an_error(data):
    regressor = quick(validation_fraction=None).fit(*data)
    with pytest.raises(ValueError, match="return_std needs clusters held out"):
        regressor.predict(data[0], return_std=True)


def test_the_eight_symmetries_are_different_and_keep_every_photon():
    maps = torch.arange(9.0).reshape(3, 3)
    turned = {tuple(square_symmetry(maps, k).ravel().tolist()) for k in range(8)}
    assert len(turned) == 8
    assert all(sorted(t) == list(range(9)) for t in turned)


def test_augmented_maps_are_symmetries_of_the_maps():
    torch.manual_seed(0)
    maps = torch.rand(40, 2, 5, 5)
    turned = randomly_turned({"maps": maps})["maps"]
    found = {
        k
        for before, after in zip(maps, turned, strict=True)
        for k in range(8)
        if torch.equal(square_symmetry(before, k), after)
    }
    assert found == set(range(8))
    assert all(
        any(torch.equal(square_symmetry(before, k), after) for k in range(8))
        for before, after in zip(maps, turned, strict=True)
    )


def test_keeping_memory_changes_time_but_not_numbers(data, fitted):
    plain = quick(keep_memory=False).fit(*data)
    assert_array_equal(plain.predict(data[0]), fitted.predict(data[0]))


PAGES_CLEARED = """
import resource
from skcluster.regressors.kept_memory import kept_memory

def pages_cleared_by_ten_arrays():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        b"x" * 2**26
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual = pages_cleared_by_ten_arrays()
with kept_memory():
    kept = pages_cleared_by_ten_arrays()
print(usual, kept, pages_cleared_by_ten_arrays())
"""


def test_kept_memory_is_used_again_and_then_returned():
    if _glibc() is None:
        pytest.skip("only glibc is asked to keep memory")
    # In a process of its own: small things that other tests left between large ones
    # decide whether a freed block is large enough to be used again.
    printed = subprocess.run(
        [sys.executable, "-c", PAGES_CLEARED],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    usual, kept, after = map(int, printed.split())
    assert kept < 0.5 * usual
    assert after > 0.7 * usual


def test_augmentation_teaches_directions_that_were_never_seen():
    maps, log_mass = blobs(n=200, n_pixels=8)
    corner = np.zeros((200, 1, 16, 16))
    corner[:, :, :8, :8] = maps
    scatter = {}
    for augment in (False, True):
        regressor = quick(max_epochs=30, augment=augment).fit(corner, log_mass)
        opposite = regressor.predict(corner[:, :, ::-1, ::-1])
        scatter[augment] = np.sqrt(np.mean((opposite - log_mass) ** 2))
    assert scatter[True] < 0.5 * scatter[False]


@pytest.mark.filterwarnings("ignore:This CPU has no bfloat16")
def test_bfloat16_trains_to_nearly_the_same_network(data):
    maps, log_mass = data
    exact, rounded = (
        quick(max_epochs=10, precision=precision).fit(maps, log_mass).predict(maps)
        for precision in ("float32", "bfloat16")
    )
    difference = np.std(exact - rounded)
    assert 0 < difference < 0.1 * log_mass.std()


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"bf16": False}, False),
        ({"bf16": True}, True),
        ({"of another processor": True}, True),
    ],
)
def test_a_cpu_without_bfloat16_is_warned_of(data, monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert has_bfloat16("cpu") is expected
    assert has_bfloat16("cuda")
    regressor = quick(max_epochs=1, precision="bfloat16")
    if expected:
        regressor.fit(*data)
    else:
        with pytest.warns(UserWarning, match=r"no bfloat16.*precision='float32'"):
            regressor.fit(*data)
    quick(max_epochs=1).fit(*data)


def test_moments_of_sparse_maps_are_those_of_the_dense():
    maps = np.random.default_rng(0).poisson(0.1, (7, 2, 9, 9)).astype(np.float32)
    mean, deviation = pixel_moments(SparseMaps.from_dense(maps))
    assert_allclose([mean, deviation], [maps.mean(), maps.std()], rtol=1e-6)


class PressCtrlC(Callback):
    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


def test_ctrl_c_is_passed_on_and_leaves_nothing_half_fitted(data):
    regressor = quick(callbacks=[PressCtrlC()])
    with pytest.raises(KeyboardInterrupt):
        regressor.fit(*data)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        regressor.predict(data[0])


def test_progress_is_shown_when_verbose(data, capsys):
    quick(verbose=1, max_epochs=2).fit(*data)
    assert "epoch 2 / 2  loss: train" in capsys.readouterr().err
    quick(max_epochs=2).fit(*data)
    captured = capsys.readouterr()
    assert captured.err == captured.out == ""


def test_callbacks_are_not_touched(data):
    callback = PressCtrlC()
    regressor = quick(callbacks=[callback], max_epochs=1).fit(*data)
    assert regressor.callbacks == [callback]
    assert vars(callback) == {}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "architecture",
            "vgg",
            r"architecture must be one of \['ho2023', .*\], got 'vgg'",
        ),
        ("loss", "hinge", "loss must be one of .*'gaussian_nll'], got 'hinge'"),
        ("precision", "half", "precision must be one of"),
        ("batch_size", 0, "batch_size must be a positive int, got 0"),
        ("max_epochs", 2.5, "max_epochs must be a positive int, got 2.5"),
        ("n_members", 0, "n_members must be an int from 1 to 1000, got 0"),
        ("patience", 0, "patience must be a positive int or None, got 0"),
        ("lr", 0, "lr must be a positive number, got 0"),
        ("weight_decay", -1, "weight_decay must be a non-negative number, got -1"),
        ("dropout", 1.0, r"dropout must be in \[0, 1\), got 1.0"),
        ("validation_fraction", 1.0, r"must be in \(0, 1\) or None, got 1.0"),
        ("lr", "a", "lr must be a positive number, got 'a'"),
        ("lr", np.inf, "lr must be a positive number, got inf"),
        ("lr", np.nan, "lr must be a positive number, got nan"),
        ("lr", True, "lr must be a positive number, got True"),
        ("dropout", "x", r"dropout must be in \[0, 1\), got 'x'"),
        ("weight_decay", None, "weight_decay must be a non-negative number, got None"),
        ("loss", ["mse"], r"loss must be one of .*, got \['mse'\]"),
        ("augment", "no", "augment must be True or False, got 'no'"),
        ("keep_memory", 2, "keep_memory must be True or False, got 2"),
        ("architecture", 3, "architecture must be one of .*, got 3. Give a network of"),
        ("device", "gpu", "device must be 'auto', or a torch device .* got 'gpu'"),
        ("device", None, "device must be 'auto', or a torch device .* got None"),
        (
            "callbacks",
            Callback(),
            "callbacks must be a list of skorch callbacks or None",
        ),
        (
            "callbacks",
            [1],
            r"callbacks must be a list of skorch callbacks .* got \[1\]",
        ),
        (
            "callbacks",
            [()],
            r"callbacks must be a list of skorch callbacks .* got \[\(\)",
        ),
        ("random_state", "a", "random_state must be a seed .* got 'a'"),
        (
            "verbose",
            "x",
            "verbose must be a non-negative int or True or False, got 'x'",
        ),
        ("n_threads", 0, "n_threads must be an int from 1 to 1024 or None, got 0"),
        (
            "n_dropout_draws",
            1.0,
            "n_dropout_draws must be an int from 0 to 10000, got 1.0",
        ),
    ],
)
def test_wrong_parameters_are_named(data, name, value, message):
    for regressor in (quick(), JointCNNRegressor()):
        with pytest.raises(ValueError, match=message):
            regressor.set_params(**{name: value}).fit(*data)


def test_parameters_of_the_joint_network_alone_are_named_too(data):
    for name, value, message in (
        (
            "phase_space",
            "kde",
            "phase_space must be a PhaseSpaceKDE or None, got 'kde'",
        ),
        ("allow_missing", "no", "allow_missing must be True or False, got 'no'"),
    ):
        with pytest.raises(ValueError, match=message):
            JointCNNRegressor(**{name: value}).fit(*data)


def test_numpy_numbers_count_like_those_of_python(data, fitted, tmp_path):
    """Also for the checkpoint: one fit has one file."""
    numbers = {
        "max_epochs": np.uint8(3),
        "batch_size": np.int16(50),
        "n_members": np.int64(1),
        "patience": np.uint16(20),
        "n_threads": np.int32(1),
        "random_state": np.int64(0),
        "validation_fraction": np.float64(0.1),
        "augment": np.bool_(False),
    }
    for changes in (numbers, {}):
        regressor = quick(**changes, checkpoint_dir=tmp_path).fit(*data)
        assert_array_equal(regressor.predict(data[0]), fitted.predict(data[0]))
    assert len(list(tmp_path.iterdir())) == 1


def test_a_large_batch_of_a_small_integer_does_not_overflow(data):
    maps, log_mass = blobs(n=300, n_pixels=8)
    expected = quick(batch_size=200, max_epochs=1).fit(maps, log_mass).predict(maps)
    small = quick(batch_size=np.uint8(200), max_epochs=np.int8(1)).fit(maps, log_mass)
    assert_array_equal(small.predict(maps), expected)


def test_maps_that_were_scaled_otherwise_than_in_training_are_refused():
    """Without RedshiftNormalizer all masses would be off, by a tenth of a dex."""
    survey = make_mock_survey(24, random_state=0, galaxies=False)
    maps = PhotonMapper(n_pixels=16).transform(survey.sample)
    scaled = LogScaler().fit_transform(maps)
    both = LogScaler().fit_transform(RedshiftNormalizer().fit_transform(maps))
    model = quick().fit(both, survey.log_mass)
    expected = model.predict(both)
    for other, words in ((scaled, "LogScaler"), (maps, "no step")):
        text = f"been through {words}, but .* through RedshiftNormalizer and LogScaler"
        with pytest.raises(ValueError, match=text):
            model.predict(other)
    # An array does not say where it comes from; the model of an array takes any maps.
    scaled_array = np.asarray(both.maps)
    assert_array_equal(model.predict(scaled_array), expected)
    of_array = quick().fit(scaled_array, survey.log_mass)
    assert_array_equal(of_array.predict(both), of_array.predict(scaled_array))
    del model.map_steps_
    assert np.abs(model.predict(scaled) - expected).max() > 1e-3


def test_wrong_data_is_named(data, fitted):
    maps, log_mass = data
    holes = np.where(np.arange(48) == 3, np.nan, log_mass)
    with pytest.raises(ValueError, match=r"1 of 48 masses are NaN.*first: cluster 3"):
        quick().fit(maps, holes)
    with pytest.raises(ValueError, match="All 48 masses are log10 M = 14, so"):
        quick().fit(maps, np.full(48, 14.0))
    with pytest.raises(ValueError, match="X holds 48 clusters, but y holds 47 masses"):
        quick().fit(maps, log_mass[:-1])
    with pytest.raises(
        ValueError, match="All pixels of the 48 maps hold the same value"
    ):
        quick().fit(np.zeros_like(maps), log_mass)
    with pytest.raises(ValueError, match=r"maps of shape \(1, 8, 8\), but .* fitted"):
        fitted.predict(maps[:, :, :8, :8])
    with pytest.raises(ValueError, match="0 sample"):
        fitted.predict(maps[:0])
    with pytest.raises(ValueError, match=r"needs sample.maps.*put PhotonMapper before"):
        fitted.predict(ClusterSample([0.1]))
    with pytest.raises(ValueError, match=r"Maps must have shape"):
        fitted.predict([[1.0, 2.0]])


def test_the_scale_knows_members_and_draws():
    rng = np.random.default_rng(0)
    y = rng.uniform(13.5, 15, 40)
    maps = rng.poisson(10 ** (y - 13.5)[:, None, None, None], (40, 1, 8, 8))
    model = quick(n_members=2, dropout=0.2, n_dropout_draws=2).fit(maps, y)
    mean, _ = model._means_and_variances(maps)
    _, std = model.predict(maps, return_std=True)
    moments = model.held_out_moments_["with_draws"]
    scale = variance_scale(moments, 2, 2)
    assert abs(scale / variance_scale(moments, 1, 2) - 1) > 1e-6
    assert_allclose(std**2, scale * (mean.var(axis=1) + model.residual_std_**2))
