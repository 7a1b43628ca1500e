"""`NeuralMassRegressor`: a torch network as a scikit-learn regressor of log10 M."""

import contextlib
import copy

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..cluster_weights import checked_weights
from ..estimator_parts import default_parameters
from ..model_selection import rows_of
from ..networks.architectures import source_of
from ..plausible_masses import MASS_RANGE, log_mass_column
from ..posterior import PosteriorMixin, TrainingPrior, mass_density
from ..printable import all_of
from .checkpoint import Checkpoint, checkpoint_path
from .failed_fits import warn_of_failed_fits
from .held_out_errors import held_out_errors, judged_member, variance_scale
from .kept_memory import kept_memory
from .losses import LOG_VARIANCE_MIN, N_OUTPUTS
from .mass_net import PREDICTED_AT_ONCE, build_net, clusters_per_part, train_net
from .network_parameters import NOT_IN_FINGERPRINT, checked_network_parameters
from .output_curve import on_curve, on_error_curve
from .stored_networks import (
    parameters_of_network,
    refuse_changed_parameters,
    restore_nets,
    state_and_weights,
    stored_state,
)
from .torch_session import resolve_device, torch_session, warn_of_slow_arithmetic
from .training_domain import learned_domain, learned_ranges, warn_outside_domain
from .training_history import EpochProgress, plain_history
from .training_set import TrainingSet
from .validation_split import MIN_TO_VALIDATE, validation_split
from .weighted_batches import WeightedBatches


class NeuralMassRegressor(PosteriorMixin, RegressorMixin, BaseEstimator):
    """Base class of regressors with a network: training, prediction and stored state.

    A subclass defines its inputs: `_read` takes them from X, as an object whose rows
    can be selected; `_learn_scaling` learns their shape and moments; `_check_shape`
    compares them with those of training; `_batches` returns them as a torch dataset;
    `_arrays` lists them for a fingerprint; `_module` builds the network; and `_filled_up`,
    `_described`, `_counted` and `_takes` are those of `MapInputs` or its own.
    `_parameter_kinds` declares the parameters.
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
        mass_range=MASS_RANGE,
        recipe="ho2023",
        scalars=(),
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
        self.mass_range = mass_range
        self.recipe = recipe
        self.scalars = scalars

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.non_deterministic = self.random_state is None
        return tags

    def __sklearn_is_fitted__(self):
        return "nets_" in vars(self)

    def fit(self, X, y, sample_weight=None):
        r"""Train on X and y, log10 M500c.

        Parameters
        ----------
        X : ClusterSample or array
        y : array-like of shape (n_clusters,)
            log10 M500c [Msun/h].
        sample_weight : array-like of shape (n_clusters,), default=None
            Weight :math:`w_i` of each cluster in the loss,
            :math:`\sum_i w_i L_i / \sum_i w_i`, in training and on held-out clusters.
            Clusters of weight 0 are left out. `curve_`, `error_curve_`, `residual_std_`,
            `held_out_moments_` and `mass_density_`, the prior that the network learns, are
            weighted as well; moments of inputs, ranges and tests of outliers are not.
        """
        parameters = checked_network_parameters(self)
        warn_of_slow_arithmetic(parameters.precision, parameters.device)
        self.__dict__.pop("nets_", None)
        inputs = self._read(X)
        y = checked_target(y, len(inputs), self)
        weight = checked_weights(sample_weight, len(y), by=type(self).__name__)
        if weight is not None and not weight.all():
            rows = np.flatnonzero(weight)
            X, inputs, weight = rows_of(X, rows), inputs[rows], weight[rows]
            y = checked_target(y[rows], len(inputs), self)
        self._learn_scaling(inputs)
        self.outlier_detector_, self.population_ = learned_domain(self, X, inputs, y)
        self.training_ranges_ = learned_ranges(self, X, inputs, y)
        self.target_mean_, self.target_scale_ = float(y.mean()), float(y.std())
        self.mass_density_ = mass_density(y, weight)
        rng = check_random_state(parameters.random_state)
        seeds = rng.randint(2**31 - 1, size=parameters.n_members).tolist()
        self.dropout_seed_ = int(rng.randint(2**31 - 1))
        target = (y - self.target_mean_) / self.target_scale_
        where = getattr(X, "position", None), getattr(X, "group", None)
        training = TrainingSet(inputs, y, target, weight, *where)
        members = [
            self._fit_member(training, member, seed)
            for member, seed in enumerate(seeds)
        ]
        self.history_ = [
            {"member": member, **row}
            for member, each in enumerate(members)
            for row in plain_history(each.net.history)
        ]
        self.n_iter_ = max(row["epoch"] for row in self.history_)
        self.curve_ = np.array([each.curves for each in members])
        self.error_curve_ = np.array([each.error_curve for each in members])
        found = held_out_errors(self, training, members)
        self.held_out_residual_, self.residual_std_, self.held_out_moments_ = found
        self.fitted_parameters_ = parameters_of_network(self)
        self.nets_ = [each.net for each in members]
        warn_of_failed_fits([each.has_failed for each in members], self)
        return self

    def predict(self, X, return_std=False):
        r"""Predict log10 M500c.

        Each member, under each draw of dropout, has a mean :math:`m_k`, which is its output
        on its `curve_`, and a standard deviation :math:`\sigma_k`, which is its own output
        on its `error_curve_` with ``loss="gaussian_nll"`` and otherwise `residual_std_`.
        Predicted are the mean and the root of

        .. math::

            \sigma^2 = s \left[ \mathrm{var}_k(m_k) + \langle \sigma_k^2 \rangle \right]

        where s makes the mean of :math:`\sigma^2` that of the squared residuals of held-out
        clusters (see `held_out_moments_`). Without any, s is 1.

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
        mean, variance = self._means_and_variances(X)
        if not return_std:
            return mean.mean(axis=1)
        scaled, std = self._scaled(mean, variance)
        variance = scaled.var(axis=1) + np.mean(std**2, axis=1)
        return mean.mean(axis=1), np.sqrt(variance)

    @property
    def net_(self):
        if "nets_" not in vars(self):
            raise AttributeError("net_ is there after fit.")
        return self.nets_[0]

    def _fit_member(self, training, member, seed):
        """Train one network, and judge it."""
        parameters = checked_network_parameters(self)
        train, held_out = validation_split(
            len(training.log_mass),
            parameters.validation_fraction,
            position=training.position,
            groups=training.group,
            seed=seed,
        )
        device = resolve_device(parameters.device)
        label = f"{type(self).__name__} {member + 1}/{parameters.n_members}"
        progress = EpochProgress(label, parameters.max_epochs)
        checkpoint = self._checkpoint(training, member, seed, label)
        callbacks = [
            *copy.deepcopy(parameters.callbacks or []),
            *([] if checkpoint is None else [("checkpoint", checkpoint)]),
            *([("progress", progress)] if parameters.verbose == 1 else []),
        ]
        with (
            torch_session(seed, device, parameters.n_threads),
            contextlib.closing(progress),
        ):
            valid = self._weighted(training, held_out) if len(held_out) else None
            reduction = {"criterion__reduction": "none"}
            options = {} if training.weight is None else reduction
            net = self._build_net(seed, device, valid, callbacks, **options)
            batches = self._weighted(training, train, is_training=True)
            with kept_memory(parameters.keep_memory):
                train_net(net, batches, parameters.max_epochs, checkpoint)
        return judged_member(self, net, training, train, held_out)

    def _weighted(self, training, rows, **options):
        """Batches of some clusters, with their weights if they have any."""
        batches = self._batches(training.inputs[rows], training.target[rows], **options)
        if training.weight is None:
            return batches
        return WeightedBatches(batches, training.weight[rows])

    def _build_net(self, seed, device, valid=None, callbacks=(), **options):
        parameters, network = checked_network_parameters(self), self._module()
        in_parts = torch.device(device).type == "cpu" and network.trains_in_parts
        return build_net(
            network,
            recipe=parameters.recipe,
            max_epochs=parameters.max_epochs,
            loss=parameters.loss,
            lr=parameters.lr,
            weight_decay=parameters.weight_decay,
            batch_size=parameters.batch_size,
            device=device,
            seed=seed,
            valid=valid,
            patience=parameters.patience,
            callbacks=callbacks,
            augment=self.augment,
            precision=parameters.precision,
            part_size=clusters_per_part(network) if in_parts else parameters.batch_size,
            verbose=parameters.verbose,
            **options,
        )

    def _components(self, X):
        return self._scaled(*self._means_and_variances(X))

    def _scaled(self, mean, variance):
        """Scale a mixture about its mean to the variance of the held-out residuals."""
        if variance is None and np.isnan(self.residual_std_):
            raise ValueError(
                "return_std needs clusters held out in training, and none were: give "
                f"validation_fraction (it is {self.validation_fraction}) and at least "
                f"{MIN_TO_VALIDATE} clusters; or loss='gaussian_nll'."
            )
        if variance is None:
            variance = np.full_like(mean, self.residual_std_**2)
        n_draws = checked_network_parameters(self).n_dropout_draws
        which = "with_draws" if n_draws else "without_draws"
        moments = self.held_out_moments_.get(which)
        scale = variance_scale(moments, len(self.nets_), max(n_draws, 1))
        center = mean.mean(axis=1, keepdims=True)
        mean = center + np.sqrt(scale) * (mean - center)
        return mean, np.sqrt(scale * variance)

    def _log_prior(self):
        return TrainingPrior(self.mass_density_)

    @property
    def _predicts_each_std(self):
        return self.loss == "gaussian_nll"

    def _means_and_variances(self, X):
        """Means of log10 M of shape (n, members * draws), and variances or None."""
        check_is_fitted(self)
        refuse_changed_parameters(self)
        inputs = self._read(X)
        self._check_shape(inputs)
        warn_outside_domain(self, X, inputs)
        n_draws = checked_network_parameters(self).n_dropout_draws
        seeds = self._dropout_seeds(n_draws) if n_draws else [None]
        outputs = [self._outputs(net, inputs, seeds) for net in self.nets_]
        curves = self.curve_[:, 1 if n_draws else 0, None], self.error_curve_[:, None]
        mean, variance = self._in_dex(np.stack(outputs, axis=1), *curves)
        shape = len(inputs), len(self.nets_) * len(seeds)
        return mean.reshape(shape), None if variance is None else variance.reshape(
            shape
        )

    def _dropout_seeds(self, n_draws):
        rng = np.random.RandomState(self.dropout_seed_)
        return rng.randint(2**31 - 1, size=n_draws).tolist()

    def _in_dex(self, outputs, curve, error_curve):
        """Means and variances (or None) of log10 M from standardized outputs."""
        output, *own = np.moveaxis(outputs, -1, 0)
        mean = on_curve(output, curve) * self.target_scale_ + self.target_mean_
        if not own:
            return mean, None
        log_variance = np.maximum(own[0], LOG_VARIANCE_MIN)
        log_variance += on_error_curve(output, error_curve)
        return mean, self.target_scale_**2 * np.exp(log_variance)

    def _outputs(self, net, inputs, seeds=(None,)):
        """Standardized outputs of shape (n, n_seeds, n_outputs); None: no dropout."""
        if len(inputs) == 0:
            return np.zeros((0, len(seeds), N_OUTPUTS[self.loss]))
        # The last bits of float32 depend on the shape of the batch, and a cluster's
        # mass must not depend on its neighbors: fill the last batch up.
        n_filled = -len(inputs) % PREDICTED_AT_ONCE + len(inputs)
        filled = self._filled_up(inputs, n_filled)
        with torch_session(device=net.device, n_threads=self.n_threads):
            scaled = net.outputs(self._batches(filled), seeds)
        return scaled[: len(inputs)].reshape(len(inputs), len(seeds), -1).astype(float)

    def _checkpoint(self, training, member, seed, label):
        parameters = vars(checked_network_parameters(self))
        if parameters["checkpoint_dir"] is None:
            return None
        deciding = {
            name: value
            for name, value in {**self.get_params(), **parameters}.items()
            if name not in NOT_IN_FINGERPRINT
        }
        arrays = [np.ascontiguousarray(each) for each in self._arrays(training.inputs)]
        where = [
            None if values is None else np.ascontiguousarray(values)
            for values in (training.position, training.group)
        ]
        where += [] if training.weight is None else [training.weight]
        source = source_of(self.architecture)
        parts = (deciding, source, arrays, training.log_mass, where, member, seed)
        path = checkpoint_path(self.checkpoint_dir, type(self).__name__, *parts)
        return Checkpoint(path, label, self.verbose)

    # A skorch net pickles as a pickle inside, with devices and private attributes. The
    # state holds arrays and numbers only, so that pickle, joblib and model files all work.
    def __getstate__(self):
        return stored_state(self, super().__getstate__())

    def __setstate__(self, state):
        # A parameter that a later version added gets its default.
        state = default_parameters(type(self)) | state
        state, weights = state_and_weights(state)
        super().__setstate__(state)
        if weights is not None:
            restore_nets(self, weights)


def checked_target(y, n_clusters, regressor):
    """Return masses as finite, plausible numbers that differ, one per cluster."""
    by, mass_range = type(regressor).__name__, regressor.mass_range
    y = log_mass_column(y, n_clusters, by=by, mass_range=mass_range)
    if not np.isfinite(y).all():
        wrong = np.flatnonzero(~np.isfinite(y))
        raise ValueError(
            f"{len(wrong)} of {len(y)} masses are NaN or infinite (first: cluster "
            f"{wrong[0]}). Drop these clusters."
        )
    if y.std() == 0:
        raise ValueError(
            f"{all_of(len(y), 'mass is', 'masses are')} log10 M = {y[0]:.4g}, so there is "
            "nothing to learn. Give clusters of different masses."
        )
    return y
