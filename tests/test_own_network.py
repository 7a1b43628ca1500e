"""A network of the user's own: trained, explained, stored and loaded like the paper's."""

import functools
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from joblib.externals.loky import get_reusable_executor
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skcluster import (
    ClusterSample,
    JointCNNRegressor,
    SaliencyExplainer,
    XrayCNNRegressor,
    load_model,
    save_model,
)
from skcluster.networks import MassNetwork
from skcluster.regressors.mass_net import clusters_per_part
from skcluster.regressors.output_curve import KNOTS

OWN = '''
import math
from torch import nn
from skcluster.networks import MassNetwork


class Linear(MassNetwork):
    """Weighed sums of the pixels: the mean, and the log variance if it is wanted."""

    def __init__(self, *, map_shape, dropout, n_outputs):
        super().__init__(n_outputs)
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(math.prod(map_shape), n_outputs)

    @property
    def output_layer(self):
        return self.last

    def extract(self, maps):
        return maps.flatten(1)

    def estimate(self, pixels):
        return self.last(self.dropout(pixels)).squeeze(-1)


def make_linear(**arguments):
    return Linear(**arguments)
'''


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A module of the user's, on the path of this and of other processes."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_networks.py").write_text(OWN)
    sys.path.insert(0, str(folder))
    # Workers that another test left behind would not find the module.
    get_reusable_executor().shutdown(wait=True)
    yield __import__("own_networks")
    sys.path.remove(str(folder))
    del sys.modules["own_networks"]


@pytest.fixture(scope="module")
def data(poisson_maps):
    return poisson_maps(40, 2, 8)


def quick(architecture, **changes):
    settings = {"max_epochs": 3, "random_state": 0, "device": "cpu", "n_threads": 1}
    return XrayCNNRegressor(architecture=architecture, **(settings | changes))


@pytest.mark.parametrize("loss", ["mse", "gaussian_nll"])
@pytest.mark.parametrize(
    "method", ["gradient", "smoothgrad", "integrated_gradients", "deep_dream"]
)
def test_the_saliency_of_a_linear_network_is_its_weights(own, data, loss, method):
    regressor = quick(own.Linear, loss=loss).fit(*data)
    regressor.curve_[:] = 1.3 * KNOTS - 0.1
    explainer = SaliencyExplainer(
        regressor, method=method, signed=True, n_samples=3, random_state=0
    )
    saliency = explainer.explain(data[0][:2])
    weight = regressor.net_.module_.last.weight[0].detach().numpy().reshape(2, 8, 8)
    assert (weight.std() > 0).all()
    slope = weight * regressor.target_scale_ / regressor.pixel_scale_
    slope = 1.3 * slope
    expected = {
        "gradient": slope,
        "smoothgrad": slope,
        "integrated_gradients": slope * data[0][:2],
        "deep_dream": 2 * 0.01 * slope / np.abs(slope).mean() * regressor.pixel_scale_,
    }[method]
    assert_allclose(saliency, np.broadcast_to(expected, saliency.shape), rtol=2e-4)


def test_only_hidden_kernels_decay_whatever_the_last_layer_is_called(own, data):
    """A linear network has no hidden layer, so no penalty can change it."""
    plain, penalized = (
        quick(own.Linear, weight_decay=decay).fit(*data).predict(data[0])
        for decay in (0.0, 1e3)
    )
    assert_array_equal(penalized, plain)


def test_a_class_and_a_function_that_makes_it_are_the_same(own, data):
    expected = quick(own.Linear).fit(*data).predict(data[0])
    for architecture in (own.make_linear, functools.partial(own.Linear)):
        assert_array_equal(quick(architecture).fit(*data).predict(data[0]), expected)


def test_clone_pickle_and_search(own, data):
    fitted = quick(own.Linear).fit(*data)
    expected = fitted.predict(data[0])
    assert clone(fitted).architecture is own.Linear
    assert_array_equal(clone(fitted).fit(*data).predict(data[0]), expected)
    assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(data[0]), expected)
    grid = {"architecture": ["ho2023", own.Linear]}
    search = GridSearchCV(quick("ho2023"), grid, cv=2, n_jobs=2).fit(*data)
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) == 2


LOAD = """
import sys
import numpy as np
from skcluster import load_model
model = load_model(sys.argv[1], trusted=["own_networks.Linear"])
np.save(sys.argv[2], model.predict(np.load(sys.argv[3])))
"""


def test_it_is_stored_by_name_and_loaded_by_whoever_trusts_it(own, data, tmp_path):
    maps, _ = data
    fitted = quick(own.Linear, loss="gaussian_nll").fit(*data)
    path = tmp_path / "own.skops"
    with pytest.warns(UserWarning, match=r"trusted=\['own_networks.Linear'\]"):
        save_model(fitted, path)
    with pytest.raises(ValueError, match=r"trusted=\['own_networks.Linear'\]"):
        load_model(path)
    np.save(tmp_path / "maps.npy", maps)
    found = tmp_path / "found.npy"
    folder = os.path.dirname(own.__file__)
    subprocess.run(
        [sys.executable, "-c", LOAD, path, found, tmp_path / "maps.npy"],
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([folder, *sys.path])},
    )
    assert_array_equal(np.load(found), fitted.predict(maps))


def test_a_checkpoint_belongs_to_one_version_of_the_code(data, tmp_path, monkeypatch):
    """Otherwise an edited network would get the weights of the old one, untrained."""
    monkeypatch.syspath_prepend(tmp_path)
    folder, masses = tmp_path / "checkpoints", []
    for version, source in enumerate(
        [OWN, OWN, OWN.replace("(pixels)", "(pixels**2)")]
    ):
        # A new name each time, because Python reads a module once.
        (tmp_path / f"edited_{version}.py").write_text(source)
        module = __import__(f"edited_{version}")
        module.Linear.__module__ = "edited"
        monkeypatch.setitem(sys.modules, "edited", module)
        regressor = quick(module.Linear, checkpoint_dir=folder).fit(*data)
        masses.append(regressor.predict(data[0]))
        n_files = len(list(folder.iterdir()))
        assert n_files == (1 if version < 2 else 2)
    assert_array_equal(masses[1], masses[0])
    assert np.abs(masses[2] - masses[0]).max() > 1e-3


def test_draws_of_dropout_reach_the_layers_of_estimate(own, data):
    regressor = quick(own.Linear, dropout=0.2, n_dropout_draws=5).fit(*data)
    mean, _ = regressor._components(data[0])
    assert (mean.std(axis=1) > 1e-4).all()


def test_draws_of_dropout_without_a_layer_of_dropout_are_an_error(own, data):
    def without_dropout(**arguments):
        network = own.Linear(**arguments)
        network.dropout = torch.nn.Identity()
        return network

    regressor = quick(without_dropout, dropout=0.2, n_dropout_draws=5).fit(*data)
    with pytest.raises(ValueError, match=r"Linear has no layer of torch\.nn\.Dropout"):
        regressor.predict(data[0])


def test_fewer_clusters_are_held_at_a_time_where_a_network_needs_much_memory(own):
    small = own.Linear(map_shape=(1, 8, 8), dropout=0, n_outputs=1)
    assert clusters_per_part(small) == 25

    class Large(own.Linear):
        bytes_per_cluster = 2**24

    large = Large(map_shape=(1, 8, 8), dropout=0, n_outputs=1)
    assert clusters_per_part(large) == 8


class TestRefusals:
    def test_an_object_in_place_of_a_class(self, own, data):
        network = own.Linear(map_shape=(2, 8, 8), dropout=0, n_outputs=1)
        with pytest.raises(
            ValueError, match=r"(?s)got Linear\(.* as a class derived from"
        ):
            quick(network).fit(*data)

    def test_another_kind_of_module(self, data):
        def plain(map_shape, dropout, n_outputs):
            return torch.nn.Linear(1, 1)

        with pytest.raises(
            TypeError, match=r"architecture plain makes a Linear\. Derive"
        ):
            quick(plain).fit(*data)

    def test_keywords_that_it_does_not_take(self, own, data):
        maps = np.tile(data[0], (1, 1, 2, 2))
        cubes = np.random.default_rng(0).random((40, 16, 16, 16), np.float32)
        sample = ClusterSample(np.full(40, 0.1), maps=maps, cubes=cubes)
        joint = JointCNNRegressor(architecture=own.Linear)
        with pytest.raises(TypeError, match=r"Linear is called with .*n_bins, .*Add"):
            joint.fit(sample, data[1])

    def test_inputs_that_the_regressor_has_not(self, own, data):
        class Joint(own.Linear):
            inputs = ("maps", "cubes")

        with pytest.raises(ValueError, match=r"takes maps, cubes, but .* only maps"):
            quick(Joint).fit(*data)

    def test_a_number_of_outputs_that_is_not_the_losses(self, own, data):
        def mean_only(n_outputs, **arguments):
            return own.Linear(n_outputs=1, **arguments)

        with pytest.raises(ValueError, match="1 outputs, but the loss needs 2"):
            quick(mean_only, loss="gaussian_nll").fit(*data)

    def test_an_output_layer_that_is_made_anew(self, own, data):
        class Fleeting(own.Linear):
            @property
            def output_layer(self):
                return torch.nn.Linear(1, 1)

        with pytest.raises(ValueError, match="Fleeting is not one of its modules"):
            quick(Fleeting).fit(*data)

    @pytest.mark.parametrize("name", ["output_layer", "extract", "estimate"])
    def test_what_a_network_does_not_define(self, own, data, name):
        silent = type("Silent", (own.Linear,), {name: vars(MassNetwork)[name]})
        with pytest.raises(
            NotImplementedError, match=f"Silent does not define .*{name}"
        ):
            quick(silent).fit(*data)

    def test_one_column_in_place_of_a_vector(self, own, data):
        class Column(own.Linear):
            def estimate(self, pixels):
                return self.last(pixels)

        with pytest.raises(ValueError, match=r"returned shape \(25, 1\) for targets"):
            quick(Column).fit(*data)
