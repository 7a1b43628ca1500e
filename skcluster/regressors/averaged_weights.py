"""`AveragedWeights`: validate and predict with an average of a network's weights."""

import torch
from skorch.callbacks import Callback


class AveragedWeights(Callback):
    r"""Callback that averages the weights over the steps of training.

    After the n-th step, which leaves the weights :math:`w_n`, the average is

    .. math::

        \bar{w}_n = \frac{\sum_{i=1}^{n} d^{n-i} \, w_i}{\sum_{i=1}^{n} d^{n-i}}

    The initial weights have no part in it. Training goes on from :math:`w_n`. From the
    first batch of validation to the end of the epoch, the network holds the average: it
    is what validates, what early stopping, failed fits and all other callbacks look at,
    and what predicts when training ends.

    Parameters
    ----------
    decay : float
        :math:`d`

    Attributes
    ----------
    n_steps_ : int
    other_ : dict of str to Tensor
        The average while the network trains, and :math:`w_n` while it holds the average.
    """

    def __init__(self, decay):
        self.decay = decay

    def on_train_begin(self, net, **kwargs):
        state = net.module_.state_dict()
        self.n_steps_ = 0
        self.other_ = {name: weight.clone() for name, weight in state.items()}
        self._holds_average = True

    def on_epoch_begin(self, net, **kwargs):
        self._hold_average(net, False)

    def on_batch_begin(self, net, training=False, **kwargs):
        if not training:
            self._hold_average(net, True)

    def on_epoch_end(self, net, **kwargs):
        self._hold_average(net, True)

    def on_batch_end(self, net, training=False, **kwargs):
        if not training:
            return
        self.n_steps_ += 1
        share = (1 - self.decay) / (1 - self.decay**self.n_steps_)
        for name, weight in net.module_.state_dict().items():
            if weight.is_floating_point():
                self.other_[name].lerp_(weight, share)
            else:  # such as the number of batches that a normalization has seen
                self.other_[name].copy_(weight)

    def _hold_average(self, net, wanted):
        if self._holds_average == wanted:
            return
        self._holds_average = wanted
        with torch.no_grad():
            for name, weight in net.module_.state_dict().items():
                before = weight.clone()
                weight.copy_(self.other_[name])
                self.other_[name].copy_(before)
