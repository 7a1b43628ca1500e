"""torch's optimizers without torch's compiler, whose import takes two seconds."""

import inspect

import torch


class WithoutCompiler(torch.optim.Optimizer):
    """Methods of an optimizer, without the wrappers that hide them from ``torch.compile``.

    The first call of a wrapper imports the compiler. We do not compile, and outside of
    compiled code a wrapper does nothing but call its method, `step` without gradients.
    """

    _step = inspect.unwrap(torch.optim.Optimizer.step)
    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)

    def step(self, closure=None):
        with torch.no_grad():
            return self._step(closure)


class Adam(WithoutCompiler, torch.optim.Adam):
    """Adam without weight decay, or with the gradient of a penalty."""

    _step = inspect.unwrap(torch.optim.Adam.step)


class AdamW(WithoutCompiler, torch.optim.AdamW):
    """Adam with decoupled weight decay."""

    _step = inspect.unwrap(torch.optim.AdamW.step)
