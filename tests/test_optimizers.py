"""Adam and AdamW take torch's steps, and leave its compiler alone."""

import copy

import pytest
import torch
from numpy.testing import assert_array_equal

from skcluster.regressors import optimizers


def weights_after_ten_steps(optimizer_class, restored):
    """Train one layer by closures, as skorch does; perhaps restore the state halfway."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(7, generator=generator))
    bias = torch.nn.Parameter(torch.zeros(1))
    groups = [{"params": [weight]}, {"params": [bias], "weight_decay": 0.0}]
    optimizer = optimizer_class(groups, lr=0.03, weight_decay=0.2)

    def loss():
        optimizer.zero_grad()
        x = torch.randn(5, 7, generator=generator)
        loss = ((x @ weight + bias - 1) ** 2).mean()
        loss.backward()
        return loss

    for i in range(10):
        if restored and i == 5:
            state = copy.deepcopy(optimizer.state_dict())
            optimizer = optimizer_class(groups, lr=1.0)
            optimizer.load_state_dict(state)
        assert optimizer.step(loss) > 0
    return torch.cat([weight, bias]).detach()


@pytest.mark.parametrize("restored", [False, True])
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_steps_are_those_of_torch_to_the_bit(name, restored):
    ours = weights_after_ten_steps(getattr(optimizers, name), restored)
    theirs = weights_after_ten_steps(getattr(torch.optim, name), restored)
    assert_array_equal(ours, theirs)
