"""`MassNet`: skorch's training loop, with workarounds for some of its traps."""

import contextlib
import glob

import numpy as np
import torch
from sklearn.utils import gen_batches
from skorch import NeuralNetRegressor
from skorch.callbacks import EarlyStopping
from skorch.dataset import unpack_data
from skorch.helper import predefined_split
from skorch.utils import noop

from .failed_fits import StopAtLostNumbers
from .losses import LOSSES, GaussianNLL
from .map_batches import already_batched, in_parts
from .recipes import RECIPES
from .symmetries import SymmetricNetwork, lies_on_the_sky, randomly_turned
from .weighted_batches import mean_loss

CLUSTERS_PER_PART, BYTES_PER_PART = 25, 2**27
"""Largest number of clusters, and memory of their activations, held at a time on a CPU."""
PREDICTED_AT_ONCE = 16
"""A multiple of the registers' width: in a batch of 25, the last row of a matrix product is
computed by another loop than the others, and differs in its last bits."""


class MassNet(NeuralNetRegressor):
    """A skorch net that trains in parts of a batch and can tell Ctrl-C from convergence.

    Parameters
    ----------
    part_size : int, default=25
        Clusters whose activations are held at a time. The gradient of a batch is summed
        over such parts, which on a CPU gives the same step with less memory traffic.
    augment : bool, default=False
        Whether to rotate or flip each training cluster by a random symmetry of the
        square.
    precision : {"float32", "bfloat16"}, default="float32"
        Precision of the network in training; predictions are always float32.
    symmetric : bool, default=False
        Whether to predict the mean over the symmetries of the square.
    """

    def __init__(
        self,
        *args,
        part_size=CLUSTERS_PER_PART,
        augment=False,
        precision="float32",
        symmetric=False,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.part_size = part_size
        self.augment = augment
        self.precision = precision
        self.symmetric = symmetric

    @property
    def predictor(self):
        """The network that predicts: the trained one, or its mean over all symmetries."""
        return SymmetricNetwork(self.module_) if self.symmetric else self.module_

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        # EarlyStopping stops by raising KeyboardInterrupt, and partial_fit swallows
        # every KeyboardInterrupt: remember here which of the two it was.
        self.interrupted_ = True
        try:
            super().fit_loop(X, y, epochs=epochs, **fit_params)
        except KeyboardInterrupt:
            self.interrupted_ = not has_converged(self)
            raise
        self.interrupted_ = False
        return self

    def infer(self, x, **fit_params):
        return self.module_(**self._taken(x))

    def _taken(self, inputs):
        """Return the inputs that the network takes, on its device."""
        return {name: inputs[name].to(self.device) for name in self.module_.inputs}

    def train_step_single(self, batch, **fit_params):
        self._set_training(True)
        inputs, target = unpack_data(batch)
        if self.augment:
            inputs = randomly_turned(inputs)
        predictions, loss = [], 0.0
        parts = zip(
            in_parts(inputs, self.part_size), target.split(self.part_size), strict=True
        )
        for part, part_target in parts:
            # Without the cache: inside another autocast it would outlive the weights.
            with torch.autocast(
                torch.device(self.device).type,
                torch.bfloat16,
                enabled=self.precision == "bfloat16",
                cache_enabled=False,
            ):
                predicted = self.infer(part, **fit_params)
            part_loss = self.get_loss(predicted.float(), part_target, X=part)
            part_loss = part_loss * (len(part_target) / len(target))
            part_loss.backward()
            loss = loss + part_loss.detach()
            predictions.append(predicted.detach())
        return {"loss": loss, "y_pred": torch.cat(predictions)}

    def outputs(self, dataset, seeds=(None,)):
        """Return the network's outputs, of shape (n, n_seeds) or (n, n_seeds, 2).

        None stands for the network without dropout. A seed stands for one thinned network,
        the same for all clusters, so a cluster's outputs do not depend on its neighbors.
        Features are extracted once for all seeds.
        """
        self._set_training(False)
        blocks, predictor = [], self.predictor.eval()
        # Without skorch, whose loader draws from torch's generator for each prediction.
        with torch.no_grad():
            for rows in gen_batches(len(dataset), PREDICTED_AT_ONCE):
                inputs, _ = dataset.__getitems__(range(rows.start, rows.stop))
                features = predictor.features(**self._taken(inputs))
                each = [self._estimated(predictor, features, seed) for seed in seeds]
                blocks.append(np.stack(each, axis=1))
        return np.concatenate(blocks)

    def _estimated(self, predictor, features, seed):
        if seed is None:
            return predictor.estimate(*features).cpu().numpy()
        with dropout_kept_on(self.module_, seed):
            return predictor.estimate(*features).cpu().numpy()

    def get_loss(self, y_pred, y_true, X=None, training=False):
        n_outputs = (2,) if isinstance(self.criterion_, GaussianNLL) else ()
        if y_pred.shape != y_true.shape + n_outputs:
            # torch would broadcast (n, 1) against (n,), with no more than a warning.
            raise ValueError(
                f"The network returned shape {tuple(y_pred.shape)} for targets of "
                f"shape {tuple(y_true.shape)}."
            )
        loss = super().get_loss(y_pred, y_true, X=X, training=training)
        return mean_loss(loss, {} if X is None else X)


def build_net(
    network,
    *,
    recipe="ho2023",
    loss,
    lr,
    weight_decay,
    max_epochs=1,
    batch_size,
    part_size,
    device,
    seed,
    valid=None,
    patience=None,
    callbacks=(),
    verbose=0,
    augment=False,
    **net_params,
):
    """Build an initialized MassNet around a network, ready to train."""
    recipe = RECIPES[recipe]
    names = [glob.escape(name) for name in undecayed(network)]
    net_params = recipe.optimizer_options(weight_decay, names) | net_params
    callbacks = [("lost_numbers", StopAtLostNumbers(lr)), *callbacks]
    if valid is not None and patience is not None:
        callbacks.insert(1, ("early_stopping", _early_stopping(patience)))
    callbacks = [*recipe.callbacks(max_epochs), *callbacks]
    if verbose < 2:
        net_params["callbacks__print_log"] = None
    return MassNet(
        network,
        criterion=LOSSES[loss],
        lr=lr,
        batch_size=batch_size,
        iterator_train__shuffle=True,
        iterator_train__generator=torch.Generator().manual_seed(seed),
        iterator_train__collate_fn=already_batched,
        iterator_valid__collate_fn=already_batched,
        iterator_valid__batch_size=PREDICTED_AT_ONCE,
        part_size=part_size,
        augment=augment,
        symmetric=recipe.symmetric and augment and lies_on_the_sky(network),
        train_split=None if valid is None else predefined_split(valid),
        callbacks=callbacks,
        device=device,
        verbose=verbose,
        **net_params,
    ).initialize()


def _early_stopping(patience):
    return EarlyStopping(
        "valid_loss",
        patience=patience,
        threshold=0.0,
        threshold_mode="abs",
        load_best=True,
        sink=noop,
    )


def train_net(net, batches, max_epochs, checkpoint=None):
    """Train a net to the end, starting from its checkpoint if there is one.

    Parameters
    ----------
    net : MassNet
        Initialized; `checkpoint` is the last of its callbacks that change anything.
    batches : torch dataset
    max_epochs : int
    checkpoint : Checkpoint or None, default=None
    """
    n_done = 0 if checkpoint is None else checkpoint.restore(net)
    if checkpoint is not None and checkpoint.is_finished:
        return
    net.partial_fit(batches, epochs=max_epochs - n_done)
    if net.interrupted_:
        # skorch swallows Ctrl-C, and a half-trained network must not look fitted.
        raise KeyboardInterrupt


def has_converged(net):
    """Return whether training ended because the validation loss stopped falling."""
    stopper = dict(net.callbacks_).get("early_stopping")
    return stopper is not None and stopper.misses_ >= stopper.patience


def clusters_per_part(network):
    """Return how many clusters' activations a CPU should hold at a time."""
    at_most = BYTES_PER_PART // max(network.bytes_per_cluster, 1)
    return min(max(at_most, 1), CLUSTERS_PER_PART)


def undecayed(network):
    """Names of the parameters without weight decay: all but the kernels of hidden layers.

    Parameters
    ----------
    network : MassNetwork
    """
    of_output = set(map(id, network.output_layer.parameters()))
    return [
        name
        for name, parameter in network.named_parameters()
        if parameter.ndim < 2 or id(parameter) in of_output
    ]


def dropout_layers(module):
    """Layers of a module that drop features."""
    return [each for each in module.modules() if isinstance(each, torch.nn.Dropout)]


@contextlib.contextmanager
def dropout_kept_on(module, seed):
    """Let a module in evaluation drop features that a seed chooses, the same for all."""
    generator = torch.Generator().manual_seed(seed)

    def thin(layer, inputs, output):
        kept = torch.rand(output.shape[1:], generator=generator) >= layer.p
        return output * (kept / (1 - layer.p)).to(output)

    layers = dropout_layers(module)
    if not layers:
        raise ValueError(
            f"The network {type(module).__name__} has no layer of torch.nn.Dropout, so all "
            "draws of dropout are equal. Add one to its estimate(), or give "
            "n_dropout_draws=0."
        )
    hooks = [layer.register_forward_hook(thin) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
