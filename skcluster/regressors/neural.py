"""A torch network as a scikit-learn regressor of log10 M: all but its inputs."""

import contextlib
import copy
import warnings

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..networks.architectures import source_of
from ..outliers import MapOutlierDetector, warn_unlike
from ..posterior import PosteriorMixin, log_prior, mass_density
from ..sample import ClusterSample, SparseMaps, require
from ..training_ranges import range_of, warn_outside
from .batches import pixel_moments
from .checkpoint import Checkpoint, checkpoint_path, train_net
from .checks import check_parameters, check_weights, checked_target
from .mass_net import (
    LOG_VARIANCE_MIN,
    N_OUTPUTS,
    PREDICTED_AT_ONCE,
    EpochProgress,
    NoOptimizer,
    build_net,
    has_bfloat16,
    part_size,
    plain_history,
    resolve_device,
    torch_session,
)
from .memory import kept_memory
from .validation_split import MIN_TO_VALIDATE, validation_split

WITHOUT_A_SAY = (
    "checkpoint_dir",
    "device",
    "keep_memory",
    "n_dropout_draws",
    "n_threads",
    "verbose",
)
"""Parameters that do not decide what is learned, up to rounding."""


class NeuralMassRegressor(PosteriorMixin, RegressorMixin, BaseEstimator):
    """Base of the networks' regressors: training, members, prediction and state.

    A subclass says what its inputs are: `_read` takes them from X, as something whose
    rows can be selected; `_learn_scaling` learns their shape and moments; `_check_shape`
    compares them with those of training; `_batches` makes them a torch dataset;
    `_arrays` lists them for a fingerprint; `_module` builds the network.
    """

    def __init__(
        self,
        *,
        architecture="ho2023",
        loss="mse",
        dropout=0.0,
        weight_decay=1e-4,
        lr=1e-3,
        batch_size=50,
        max_epochs=200,
        patience=20,
        validation_fraction=0.1,
        augment=False,
        n_members=1,
        device="auto",
        checkpoint_dir=None,
        n_threads=None,
        callbacks=None,
        random_state=None,
        verbose=0,
        precision="float32",
        keep_memory=True,
        n_dropout_draws=0,
    ):
        self.architecture = architecture
        self.loss = loss
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.lr = lr
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.augment = augment
        self.n_members = n_members
        self.device = device
        self.checkpoint_dir = checkpoint_dir
        self.n_threads = n_threads
        self.callbacks = callbacks
        self.random_state = random_state
        self.verbose = verbose
        self.precision = precision
        self.keep_memory = keep_memory
        self.n_dropout_draws = n_dropout_draws

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.non_deterministic = self.random_state is None
        return tags

    def __sklearn_is_fitted__(self):
        return "nets_" in vars(self)

    def fit(self, X, y):
        """Train on X and y, log10 M500c."""
        check_parameters(self)
        if self.precision == "bfloat16" and not has_bfloat16(
            resolve_device(self.device)
        ):
            warnings.warn(
                "This CPU has no bfloat16 arithmetic (such as AVX512_BF16), and training "
                "in it can take ten times as long. Give precision='float32'.",
                UserWarning,
                stacklevel=2,
            )
        vars(self).pop("nets_", None)
        inputs = self._read(X)
        y = checked_target(y, len(inputs))
        self._learn_scaling(inputs)
        self._learn_domain(X, inputs, y)
        self.target_mean_, self.target_scale_ = float(y.mean()), float(y.std())
        self.mass_density_ = mass_density(y)
        rng = check_random_state(self.random_state)
        seeds = rng.randint(2**31 - 1, size=self.n_members).tolist()
        self.dropout_seed_ = int(rng.randint(2**31 - 1))
        whereabouts = {
            "position": getattr(X, "position", None),
            "groups": getattr(X, "group", None),
        }
        nets, self.history_, residuals = [], [], []
        for member, seed in enumerate(seeds):
            net, residual = self._fit_member(inputs, y, whereabouts, member, seed)
            nets.append(net)
            rows = plain_history(net.history)
            self.history_ += [{"member": member, **row} for row in rows]
            residuals.append(residual)
        self.nets_ = nets
        self.n_iter_ = max(row["epoch"] for row in self.history_)
        self.held_out_residual_ = np.concatenate(residuals)
        squares = self.held_out_residual_**2
        self.residual_std_ = float(np.sqrt(squares.mean())) if len(squares) else np.nan
        return self

    def predict(self, X, return_std=False):
        r"""Predict log10 M500c.

        Each member, under each draw of dropout, has a mean :math:`m_k` and a standard
        deviation :math:`\sigma_k`, which is its own output with ``loss="gaussian_nll"``
        and otherwise `residual_std_`. Predicted are the mean and the root of

        .. math::

            \sigma^2 = \mathrm{var}_k(m_k) + \langle \sigma_k^2 \rangle

        Parameters
        ----------
        X : as in `fit`
        return_std : bool, default=False
            Also return σ [dex].

        Returns
        -------
        log_mass : ndarray of shape (n,)
        std : ndarray of shape (n,), if `return_std`
        """
        if not return_std:
            return self._means_and_variances(X)[0].mean(axis=1)
        mean, std = self._components(X)
        variance = mean.var(axis=1) + np.mean(std**2, axis=1)
        return mean.mean(axis=1), np.sqrt(variance)

    @property
    def net_(self):
        if "nets_" not in vars(self):
            raise AttributeError("net_ is there after fit.")
        return self.nets_[0]

    def _fit_member(self, inputs, y, whereabouts, member, seed):
        target = (y - self.target_mean_) / self.target_scale_
        train, held_out = validation_split(
            len(y), self.validation_fraction, seed=seed, **whereabouts
        )
        device = resolve_device(self.device)
        label = f"{type(self).__name__} {member + 1}/{self.n_members}"
        callbacks = copy.deepcopy(self.callbacks or [])
        checkpoint = self._checkpoint(inputs, y, whereabouts, member, seed, label)
        if checkpoint is not None:
            callbacks.append(("checkpoint", checkpoint))
        progress = EpochProgress(label, self.max_epochs)
        if self.verbose == 1:
            callbacks.append(("progress", progress))
        with (
            torch_session(seed, device, self.n_threads),
            contextlib.closing(progress),
        ):
            valid = self._batches(inputs[held_out], target[held_out])
            net = self._build_net(
                seed, device, valid if len(held_out) else None, callbacks
            )
            batches = self._batches(inputs[train], target[train])
            with kept_memory(self.keep_memory):
                train_net(net, batches, self.max_epochs, checkpoint)
        predicted = self._outputs(net, inputs[held_out])[:, 0, 0]
        return net, self._to_dex(predicted) - y[held_out]

    def _build_net(self, seed, device, valid=None, callbacks=(), **options):
        network = self._module()
        return build_net(
            network,
            loss=self.loss,
            lr=self.lr,
            weight_decay=self.weight_decay,
            batch_size=self.batch_size,
            device=device,
            seed=seed,
            valid=valid,
            patience=self.patience,
            callbacks=callbacks,
            augment=self.augment,
            precision=self.precision,
            part_size=part_size(network) if str(device) == "cpu" else self.batch_size,
            verbose=self.verbose,
            **options,
        )

    def _read_maps(self, X):
        if isinstance(X, ClusterSample):
            return require(X, "maps", by=type(self).__name__).maps
        maps = X if isinstance(X, SparseMaps) else SparseMaps.from_dense(X)
        if len(maps) == 0:
            raise ValueError(
                f"Found 0 sample(s) while a minimum of 1 is required by "
                f"{type(self).__name__}."
            )
        return maps

    def _learn_domain(self, X, inputs, y):
        maps, counted = getattr(inputs, "maps", inputs), self._counted(X, inputs)
        self.outlier_detector_ = MapOutlierDetector().fit(maps)
        self.training_ranges_ = {
            name: range_of(value) for name, value in counted.items()
        }
        self.training_ranges_["log_mass"] = range_of(y)

    def _counted(self, X, inputs):
        """What is compared with the training ranges: numbers of each cluster."""
        maps = getattr(inputs, "maps", inputs)
        counted = {"map_sum": maps.total()}
        if isinstance(X, ClusterSample):
            counted["redshift"] = X.redshift
        if getattr(inputs, "galaxies", None) is not None:
            n = X.galaxies.lengths
            counted["galaxies"] = np.where(n > 0, n, np.nan)  # see allow_missing
        return counted

    def _warn_outside_domain(self, X, inputs):
        if not hasattr(self, "training_ranges_") or len(inputs) == 0:
            return
        about = {"by": type(self).__name__, "names": getattr(X, "name", None)}
        warn_outside(self._counted(X, inputs), self.training_ranges_, **about)
        maps = getattr(inputs, "maps", inputs)
        detector = self.outlier_detector_
        warn_unlike(detector.score_samples(maps) / detector.offset_, **about)

    def _learn_map_scaling(self, maps):
        self.map_shape_, self.map_geometry_ = maps.shape[1:], maps.geometry
        self.pixel_mean_, self.pixel_scale_ = pixel_moments(maps)
        if self.pixel_scale_ == 0:
            raise ValueError(
                f"All pixels of the {len(maps)} maps hold the same value, so there is "
                "nothing to learn from. Are there photons in the maps?"
            )

    def _check_map_shape(self, maps):
        if maps.shape[1:] != self.map_shape_:
            raise ValueError(
                f"X holds maps of shape {maps.shape[1:]}, but {type(self).__name__} was "
                f"fitted to maps of shape {self.map_shape_}."
            )
        fitted = getattr(self, "map_geometry_", None)
        if len({maps.geometry, fitted} - {None}) == 2:
            raise ValueError(
                f"X holds maps of {maps.geometry}, but {type(self).__name__} was fitted "
                f"to maps of {fitted}. Make X with that PhotonMapper."
            )

    def _components(self, X):
        mean, variance = self._means_and_variances(X)
        if variance is None and np.isnan(self.residual_std_):
            raise ValueError(
                "return_std needs clusters held out in training, and none were: give "
                f"validation_fraction (it is {self.validation_fraction}) and at least "
                f"{MIN_TO_VALIDATE} clusters; or loss='gaussian_nll'."
            )
        if variance is None:
            return mean, np.full_like(mean, self.residual_std_)
        return mean, np.sqrt(variance)

    def _log_prior(self):
        return log_prior(self.mass_density_)

    def _means_and_variances(self, X):
        """Of log10 M, of shape (n, members * draws); variances only if predicted."""
        check_is_fitted(self)
        inputs = self._read(X)
        self._check_shape(inputs)
        self._warn_outside_domain(X, inputs)
        seeds = [None]
        if self.n_dropout_draws:
            rng = np.random.RandomState(self.dropout_seed_)
            seeds = rng.randint(2**31 - 1, size=self.n_dropout_draws).tolist()
        outputs = [self._outputs(net, inputs, seeds) for net in self.nets_]
        outputs = np.concatenate(outputs, axis=1)
        mean = self._to_dex(outputs[..., 0])
        if outputs.shape[-1] == 1:
            return mean, None
        log_variance = np.maximum(outputs[..., 1], LOG_VARIANCE_MIN)
        return mean, self.target_scale_**2 * np.exp(log_variance)

    def _to_dex(self, scaled):
        return scaled * self.target_scale_ + self.target_mean_

    def _outputs(self, net, inputs, seeds=(None,)):
        """Standardised outputs of shape (n, n_seeds, n_outputs); None: no dropout."""
        if len(inputs) == 0:
            return np.zeros((0, len(seeds), N_OUTPUTS[self.loss]))
        # The last bits of float32 depend on the shape of the batch, and a cluster's
        # mass must not depend on its neighbours: fill the last batch up.
        n_filled = -len(inputs) % PREDICTED_AT_ONCE + len(inputs)
        rows = np.minimum(np.arange(n_filled), len(inputs) - 1)
        batches = self._batches(inputs[rows])
        with torch_session(device=net.device, n_threads=self.n_threads):
            if seeds[0] is None:
                scaled = net.predict(batches)[:, None]
            else:
                scaled = net.predict_draws(batches, seeds)
        return scaled[: len(inputs)].reshape(len(inputs), len(seeds), -1).astype(float)

    def _checkpoint(self, inputs, y, whereabouts, member, seed, label):
        if self.checkpoint_dir is None:
            return None
        parameters = self.get_params()
        for name in WITHOUT_A_SAY:
            del parameters[name]
        arrays = [np.ascontiguousarray(values) for values in self._arrays(inputs)]
        where = [
            None if values is None else np.ascontiguousarray(values)
            for values in whereabouts.values()
        ]
        name = type(self).__name__
        source = source_of(self.architecture)
        parts = (parameters, source, arrays, y, where, member, seed)
        path = checkpoint_path(self.checkpoint_dir, name, *parts)
        return Checkpoint(path, label, self.verbose)

    # A skorch net pickles as a pickle inside, with devices and private attributes. The
    # state holds arrays and numbers only, so that pickle, joblib and skops all work.
    def __getstate__(self):
        state = dict(super().__getstate__())
        nets = state.pop("nets_", None)
        if nets is not None:
            state["weights_"] = [
                {
                    name: weight.detach().cpu().numpy().copy()
                    for name, weight in net.module_.state_dict().items()
                }
                for net in nets
            ]
        return state

    def __setstate__(self, state):
        # A state of an older version lacks the parameters that came later.
        state = {**vars(type(self)()), **state}
        weights = state.pop("weights_", None)
        super().__setstate__(state)
        if weights is not None:
            self.nets_ = [self._rebuild(member) for member in weights]

    def _rebuild(self, weights):
        try:
            device = resolve_device(self.device)
            torch.zeros(1, device=device)
        except (ValueError, RuntimeError):
            device = "cpu"
        with torch_session(0, device):
            # Without memory first: what the state says of the network's size may be wrong.
            with torch.device("meta"):
                check_weights(weights, self._module().state_dict())
            net = self._build_net(0, device, optimizer=NoOptimizer)
        net.module_.load_state_dict(
            {name: torch.tensor(weight) for name, weight in weights.items()}
        )
        return net
