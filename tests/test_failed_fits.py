"""A fit that fails says so: by an error when numbers are lost, else by a warning."""

import json

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback

from skcluster import ClusterSample, JointCNNRegressor, XrayCNNRegressor
from skcluster.regressors.failed_fits import has_learned_nothing, judged_clusters

FOLD = np.arange(20), np.arange(20, 40)


@pytest.fixture(scope="module")
def data(poisson_maps):
    return poisson_maps(40, 1, 8)


def quick(**changes):
    settings = {"max_epochs": 30, "random_state": 0, "device": "cpu", "n_threads": 1}
    return XrayCNNRegressor(**(settings | changes))


class LoseNumbers(Callback):
    """Makes one weight infinite at the end of training in an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, net, training=False, **kwargs):
        if training and len(net.history) == self.epoch:
            with torch.no_grad():
                net.module_.output.bias.fill_(torch.inf)


class LetOutputsDie(Callback):
    """Leaves of the last layer only the bias."""

    def on_epoch_end(self, net, **kwargs):
        with torch.no_grad():
            net.module_.output.weight.zero_()


@pytest.mark.parametrize("loss", ["mse", "mae", "gaussian_nll"])
def test_a_learning_rate_that_explodes_is_an_error_with_epoch_and_remedy(data, loss):
    regressor = quick(lr=1e6, loss=loss)
    message = r"failed in epoch \d+: .* smaller learning rate \(lr is 1e\+06; 0\.001 is"
    with pytest.raises(ValueError, match=message):
        regressor.fit(*data)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        regressor.predict(data[0])


@pytest.mark.parametrize("fraction", [0.1, None])
def test_lost_weights_stop_the_fit_in_that_epoch(data, fraction):
    """Without held-out clusters no loss has seen the weights of the last step."""
    callbacks = [LoseNumbers(3)]
    regressor = quick(callbacks=callbacks, validation_fraction=fraction)
    reason = "held-out clusters is inf" if fraction else "weights are NaN or infinite"
    with pytest.raises(ValueError, match=f"failed in epoch 3: .*{reason}"):
        regressor.fit(*data)


def test_the_checkpoint_of_the_last_good_epoch_stays(data, tmp_path):
    regressor = quick(callbacks=[LoseNumbers(3)], checkpoint_dir=tmp_path)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"in epoch 3: .*holds the last good one"):
            regressor.fit(*data)
        (path,) = tmp_path.iterdir()
        head = json.loads(path.read_bytes().split(b"\n", 1)[0])
        assert (head["epochs"], head["finished"]) == (2, False)


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_a_search_goes_on_without_the_fit_that_failed(data):
    search = GridSearchCV(quick(max_epochs=2), {"lr": [1e-3, 1e6]}, cv=[FOLD])
    with pytest.warns(FitFailedWarning, match=r"(?s)1 fits failed.*in epoch \d+: "):
        search.fit(*data)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]


def test_a_network_that_predicts_one_number_is_warned_of(data):
    """As when all ReLUs die, and only the last bias is left."""
    message = r"1 of 1 networks of XrayCNNRegressor \(1\) .* no better than the mean"
    dead = {"callbacks": [LetOutputsDie()], "max_epochs": 2, "patience": None}
    with pytest.warns(ConvergenceWarning, match=message):
        regressor = quick(**dead).fit(*data)
    assert np.ptp(regressor.predict(data[0])) == 0


@pytest.mark.parametrize("max_epochs", [3, 30])
def test_too_large_a_learning_rate_is_warned_of(data, max_epochs):
    with pytest.warns(ConvergenceWarning, match=r"smaller learning rate \(lr is 1; "):
        regressor = quick(lr=1.0, max_epochs=max_epochs).fit(*data)
    error = regressor.predict(data[0]) - data[1]
    assert error.std() > data[1].std()


def test_members_that_failed_are_named(data, monkeypatch):
    verdicts = iter([False, True, True])
    monkeypatch.setattr(
        "skcluster.regressors.held_out_errors.has_learned_nothing",
        lambda *_: next(verdicts),
    )
    with pytest.warns(ConvergenceWarning, match=r"2 of 3 networks .* \(2, 3\) predict"):
        quick(n_members=3, max_epochs=1).fit(*data)


@pytest.mark.parametrize("max_epochs", [1, 30])
def test_a_fit_that_learns_or_has_just_begun_says_nothing(data, max_epochs):
    regressor = quick(max_epochs=max_epochs).fit(*data)
    assert np.isfinite(regressor.predict(data[0])).all()


def test_the_joint_network_is_judged_as_well(data):
    maps, log_mass = np.tile(data[0], (1, 1, 2, 2)), data[1]
    cubes = np.random.default_rng(0).random((40, 16, 16, 16), np.float32)
    sample = ClusterSample(np.full(40, 0.1), maps=maps, cubes=cubes)
    settings = {"random_state": 0, "device": "cpu", "n_threads": 1, "max_epochs": 6}
    with pytest.warns(ConvergenceWarning, match="networks of JointCNNRegressor"):
        JointCNNRegressor(lr=3.0, **settings).fit(sample, log_mass)


def test_no_better_than_the_mean_is_a_matter_of_squares_and_of_epochs():
    rng = np.random.default_rng(0)
    target = rng.standard_normal(100)
    target = (target - target.mean()) / target.std()
    assert not has_learned_nothing(0.1 * target, target, 50)
    assert has_learned_nothing(-0.1 * target, target, 50)
    assert has_learned_nothing(2.1 * target, target, 50)
    assert not has_learned_nothing(1.9 * target, target, 50)
    assert not has_learned_nothing(2.1 * target, target, 9)
    assert not has_learned_nothing(10.9 * target, target, 9)
    assert has_learned_nothing(11.1 * target, target, 9)
    assert has_learned_nothing(np.full(100, 0.3), target, 1)


def test_a_network_is_judged_by_a_part_of_a_large_survey():
    assert_array_equal(judged_clusters(np.arange(100)), np.arange(100))
    judged = judged_clusters(np.arange(3285))
    assert 256 < len(judged) <= 512
    assert set(np.diff(judged)) == {7}
