"""skorch, as we use it: its training loop, and cures for the traps we met."""

import contextlib
import glob
import threading

import numpy as np
import torch
from skorch import NeuralNetRegressor
from skorch.callbacks import Callback, EarlyStopping
from skorch.dataset import unpack_data
from skorch.helper import predefined_split
from skorch.utils import noop

from ..progress import Progress
from .batches import already_batched, in_parts, randomly_turned

LOG_VARIANCE_MIN = -10.0
"""Of standardised masses: errors below a hundredth of their spread count as one."""
PRECISIONS = ("float32", "bfloat16")
BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")
CLUSTERS_PER_PART, BYTES_PER_PART = 25, 2**27
"""Clusters, and memory of the largest activation, that are held at a time on a CPU."""
PREDICTED_AT_ONCE = 16
"""A multiple of the registers' width: in a batch of 25, the last row of a matrix product is
computed by another loop than the others, and comes out different in its last bits."""
_SESSION = threading.RLock()


class GaussianNLL(torch.nn.Module):
    r"""Negative log likelihood of a predicted mean and log variance, less a constant.

    .. math::

        \frac{1}{2} \left[ (y - \mu)^2 e^{-s} + s \right], \quad s = \ln \sigma^2

    References
    ----------
    Ho et al. (2021), ApJ 908, 204.
    """

    def forward(self, predicted, target):
        mean, log_variance = predicted.unbind(-1)
        log_variance = log_variance.clamp(min=LOG_VARIANCE_MIN)
        square = (target - mean) ** 2 * torch.exp(-log_variance)
        return 0.5 * (square + log_variance).mean()


LOSSES = {"mse": torch.nn.MSELoss, "mae": torch.nn.L1Loss, "gaussian_nll": GaussianNLL}
N_OUTPUTS = {"mse": 1, "mae": 1, "gaussian_nll": 2}


class MassNet(NeuralNetRegressor):
    """A skorch net that trains in parts of a batch and knows Ctrl-C from convergence.

    Parameters
    ----------
    part_size : int, default=25
        Clusters whose activations are held at a time: the gradient of a batch is summed
        over such parts, which on a CPU gives the same step with less memory traffic.
    augment : bool, default=False
        Turn each training cluster by a random symmetry of the square.
    precision : {"float32", "bfloat16"}, default="float32"
        Of the convolutions in training; predictions are always float32.
    """

    def __init__(
        self, *args, part_size=25, augment=False, precision="float32", **kwargs
    ):
        super().__init__(*args, **kwargs)
        self.part_size = part_size
        self.augment = augment
        self.precision = precision

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
        """The inputs that the network takes, on its device."""
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
            with torch.autocast(
                torch.device(self.device).type,
                torch.bfloat16,
                enabled=self.precision == "bfloat16",
            ):
                predicted = self.infer(part, **fit_params)
            part_loss = self.get_loss(predicted.float(), part_target, X=part)
            part_loss = part_loss * (len(part_target) / len(target))
            part_loss.backward()
            loss = loss + part_loss.detach()
            predictions.append(predicted.detach())
        return {"loss": loss, "y_pred": torch.cat(predictions)}

    def predict_draws(self, dataset, seeds):
        """Outputs under dropout that stays on, of shape (n, n_seeds) or with (…, 2).

        A seed stands for one thinned network, the same for all clusters, so a cluster's
        outputs do not depend on its neighbours. The convolutions run once.
        """
        self._set_training(False)
        draws = []
        with torch.no_grad():
            for batch in self.get_iterator(dataset, training=False):
                inputs = self._taken(unpack_data(batch)[0])
                features = self.module_.features(**inputs)
                draws.append([self._thinned(features, seed) for seed in seeds])
        return np.concatenate([np.stack(each, axis=1) for each in draws])

    def _thinned(self, features, seed):
        with dropout_kept_on(self.module_, seed):
            return self.module_.estimate(*features).cpu().numpy()

    def get_loss(self, y_pred, y_true, X=None, training=False):
        n_outputs = (2,) if isinstance(self.criterion_, GaussianNLL) else ()
        if y_pred.shape != y_true.shape + n_outputs:
            # torch would broadcast (n, 1) against (n,), with no more than a warning.
            raise ValueError(
                f"The network returned shape {tuple(y_pred.shape)} for targets of "
                f"shape {tuple(y_true.shape)}."
            )
        return super().get_loss(y_pred, y_true, X=X, training=training)


class EpochProgress(Callback):
    """Shows the epoch and the losses on standard error."""

    def __init__(self, label, max_epochs):
        self.label, self.max_epochs = label, max_epochs

        self.progress = None

    def on_train_begin(self, net, **kwargs):
        self.progress = Progress(
            f"{self.label} epoch",
            self.max_epochs,
            done=len(net.history),
            quiet_for=0.0,
        )

    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        losses = [
            f"{name} {row[f'{name}_loss']:.4f}"
            for name in ("train", "valid")
            if f"{name}_loss" in row
        ]
        self.progress.update(note=f"loss: {', '.join(losses)}")

    def close(self):
        if self.progress is not None:
            self.progress.close()


class NoOptimizer(torch.optim.Adam):
    """Stands in the place of the optimizer of a net that only predicts.

    The first real optimizer of a process imports torch's compiler, which takes two seconds.
    """

    def __init__(self, parameters, **options):
        # Adam is not initialized: it would import the compiler.
        self.param_groups, self.state, self.defaults = [], {}, {}


def build_net(
    module,
    *,
    loss,
    lr,
    weight_decay,
    batch_size,
    part_size,
    device,
    seed,
    valid=None,
    patience=None,
    callbacks=(),
    verbose=0,
    optimizer=torch.optim.Adam,
    **net_params,
):
    """Build an initialized MassNet around a network, ready to train.

    Keras' ``l2(λ)`` on kernels adds 2λw to the gradient, so torch's coupled weight
    decay is 2 λ, except for the parameters in `undecayed`.
    """
    callbacks = list(callbacks)
    if valid is not None and patience is not None:
        stopper = EarlyStopping(
            "valid_loss",
            patience=patience,
            threshold=0.0,
            threshold_mode="abs",
            load_best=True,
            sink=noop,
        )
        callbacks.insert(0, ("early_stopping", stopper))
    if verbose < 2:
        net_params["callbacks__print_log"] = None
    return MassNet(
        module,
        criterion=LOSSES[loss],
        optimizer=optimizer,
        optimizer__weight_decay=2 * weight_decay,
        optimizer__param_groups=[
            (glob.escape(name), {"weight_decay": 0.0}) for name in undecayed(module)
        ],
        lr=lr,
        batch_size=batch_size,
        iterator_train__shuffle=True,
        iterator_train__generator=torch.Generator().manual_seed(seed),
        iterator_train__collate_fn=already_batched,
        iterator_valid__collate_fn=already_batched,
        iterator_valid__batch_size=PREDICTED_AT_ONCE,
        part_size=part_size,
        train_split=None if valid is None else predefined_split(valid),
        callbacks=callbacks,
        device=device,
        verbose=verbose,
        **net_params,
    ).initialize()


def part_size(network):
    """Number of clusters whose activations are held at a time on a CPU."""
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


@contextlib.contextmanager
def dropout_kept_on(module, seed):
    """Let the dropout of a module in evaluation drop the features that a seed names."""
    generator = torch.Generator().manual_seed(seed)

    def thin(layer, inputs, output):
        kept = torch.rand(output.shape[1], generator=generator) >= layer.p
        return output * (kept / (1 - layer.p)).to(output)

    layers = [each for each in module.modules() if isinstance(each, torch.nn.Dropout)]
    hooks = [layer.register_forward_hook(thin) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def torch_session(seed=None, device="cpu", n_threads=None):
    """Seed torch and set its threads, and put everything back afterwards.

    torch's generator and thread count belong to the whole process, so only one session
    runs at a time: in a pool of threads, two fits would draw from each other's stream.
    """
    with _SESSION:
        n_threads_before = torch.get_num_threads()
        devices = [torch.device(device)] if str(device).startswith("cuda") else []
        with (
            torch.random.fork_rng(devices=devices),
            torch.backends.cudnn.flags(deterministic=True, benchmark=False),
        ):
            if seed is not None:
                torch.manual_seed(seed)
            if n_threads is not None:
                torch.set_num_threads(n_threads)
            try:
                yield
            finally:
                torch.set_num_threads(n_threads_before)


def resolve_device(device):
    """The device to use: "auto" is a GPU if there is one."""
    has_gpu = torch.cuda.is_available()
    if device == "auto":
        return "cuda" if has_gpu else "cpu"
    if str(device).startswith("cuda") and not has_gpu:
        raise ValueError(
            f"device={device!r}, but torch finds no GPU here. Give device='auto' or 'cpu', "
            "or install a build of torch with CUDA."
        )
    return device


def has_bfloat16(device):
    """False for a CPU of which torch knows that it must emulate bfloat16."""
    if torch.device(device).type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return True
    found = torch.cpu.get_capabilities()
    known = [found[name] for name in BFLOAT16_INSTRUCTIONS if name in found]
    return any(known) or not known


def stopper_of(net):
    """The early-stopping callback of a net, or None."""
    return dict(net.callbacks_).get("early_stopping")


def has_converged(net):
    """Whether training ended because the validation loss stopped falling."""
    stopper = stopper_of(net)
    return stopper is not None and stopper.misses_ >= stopper.patience


def plain_history(history):
    """Rows of a skorch history as dicts of Python numbers, without the batches."""
    return [
        {name: _plain(value) for name, value in row.items() if name != "batches"}
        for row in history
    ]


def _plain(value):
    # skorch keeps NumPy scalars, which torch.load(weights_only=True) refuses.
    return value.item() if isinstance(value, np.generic) else value
