"""Recipes: how the weights of a network are found, beyond what the parameters say."""

from dataclasses import dataclass

from skorch.callbacks import Callback, GradientNormClipping
from torch.optim.lr_scheduler import OneCycleLR

from .averaged_weights import AveragedWeights
from .optimizers import Adam, AdamW


@dataclass(frozen=True)
class Recipe:
    """Optimizer, schedule and averages with which a network is trained.

    The defaults are those of Ho et al. 2023.

    Parameters
    ----------
    decoupled_decay : bool, default=False
        Use AdamW, which shrinks all weights in each step by the learning rate times the
        regressor's `weight_decay`. Otherwise use Adam, with the gradient of the penalty
        `weight_decay` times the squared kernels of hidden layers.
    one_cycle : bool, default=False
        Let the learning rate rise from lr / 25 to `lr` in the first 30 % of the steps of
        `max_epochs`, and fall to almost 0 in the rest (Smith & Topin 2019). Adam's first
        momentum changes the opposite way, from 0.95 to 0.85 and back. Otherwise the
        learning rate is constant.
    gradient_norm_max : float or None, default=None
        Norm to which a larger gradient of a batch is shortened. In trials without it,
        some short fits at a high rate collapsed.
    averaging : float or None, default=None
        Factor by which the weights of a step count less in each further step, in the
        average that validates and predicts; see `AveragedWeights`.
    squared_error_share : float, default=0.0
        Fraction of the epochs in which ``loss="gaussian_nll"`` trains only the mean, on
        the squared error: the likelihood of an untrained mean is raised soonest by a
        large variance, in which the mean is hardly trained.
    symmetric : bool, default=False
        With ``augment=True``, also predict the mean over the eight rotations and flips,
        for networks whose inputs lie on the sky; see `SymmetricNetwork`.
    """

    decoupled_decay: bool = False
    one_cycle: bool = False
    gradient_norm_max: float | None = None
    averaging: float | None = None
    squared_error_share: float = 0.0
    symmetric: bool = False

    def optimizer_options(self, weight_decay, undecayed):
        """Return the optimizer and its options, as skorch takes them.

        Parameters
        ----------
        weight_decay : float
        undecayed : list of str
            Patterns of the names of parameters that the penalty leaves out.
        """
        if self.decoupled_decay:
            return {"optimizer": AdamW, "optimizer__weight_decay": weight_decay}
        # Keras' l2(λ) adds 2λw to the gradient of w, and torch's Adam its decay times w.
        return {
            "optimizer": Adam,
            "optimizer__weight_decay": 2 * weight_decay,
            "optimizer__param_groups": [
                (name, {"weight_decay": 0.0}) for name in undecayed
            ],
        }

    def callbacks(self, max_epochs):
        """Return the callbacks that follow the recipe, by name.

        They come before all others, which see the averaged weights after an epoch.
        """
        callbacks = []
        if self.averaging is not None:
            callbacks.append(("averaged_weights", AveragedWeights(self.averaging)))
        if self.one_cycle:
            callbacks.append(("one_cycle", OneCycle(max_epochs)))
        if self.gradient_norm_max is not None:
            cut = GradientNormClipping(self.gradient_norm_max)
            callbacks.append(("gradient_norm", cut))
        n_first = round(self.squared_error_share * max_epochs)
        if n_first:
            callbacks.append(("squared_error_first", SquaredErrorFirst(n_first)))
        return callbacks


RECIPES = {
    "ho2023": Recipe(),
    "one_cycle": Recipe(
        decoupled_decay=True,
        one_cycle=True,
        gradient_norm_max=1.0,
        averaging=0.99,
        squared_error_share=0.15,
        symmetric=True,
    ),
}
"""Recipes by the value of the regressors' parameter `recipe`."""


class OneCycle(Callback):
    """Callback that changes the learning rate after each step, in one cycle per fit.

    Parameters
    ----------
    max_epochs : int
    """

    def __init__(self, max_epochs):
        self.max_epochs = max_epochs

    def on_train_begin(self, net, X=None, **kwargs):
        n_batches = -(-len(X) // net.batch_size)
        self.schedule_ = OneCycleLR(
            net.optimizer_, max_lr=net.lr, total_steps=self.max_epochs * n_batches
        )

    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            self.schedule_.step()


class SquaredErrorFirst(Callback):
    """Callback that lets a `GaussianNLL` train only the mean in the first epochs.

    Validation is always by the likelihood, so that epochs can be compared.

    Parameters
    ----------
    n_epochs : int
    """

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_epoch_begin(self, net, **kwargs):
        is_early = net.history[-1]["epoch"] <= self.n_epochs
        net.criterion_.trains_mean_only = is_early
