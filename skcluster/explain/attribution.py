"""Ways to ask a network which pixels matter, on one batch of standardised maps."""

import copy
import hashlib
from dataclasses import dataclass

import numpy as np
import torch

from .thin_convolution import with_thin_convolutions

DREAM_STEPS, DREAM_STEP = 2, 0.01
EPSILON = 1e-7


@dataclass
class Options:
    """What the methods beyond the plain gradient need."""

    n_samples: int
    noise: float
    batch_size: int
    entropy: int


class MassFunction:
    """log10 M of standardised maps, as the mean over a regressor's networks.

    The networks are copies, without gradients of the weights and in evaluation mode, so
    that those of the regressor stay as they are.

    Parameters
    ----------
    regressor : fitted NeuralMassRegressor
    device : str or torch.device
    """

    def __init__(self, regressor, device):
        copies = [copy.deepcopy(net.module_) for net in regressor.nets_]
        self.modules = [each.to(device).eval().requires_grad_(False) for each in copies]
        if torch.device(device).type == "cpu":
            self.modules = [with_thin_convolutions(each) for each in self.modules]
        self.pixel_mean, self.pixel_scale = (
            regressor.pixel_mean_,
            regressor.pixel_scale_,
        )
        self.target_scale = regressor.target_scale_

    def gradient(self, maps, others):
        """∂ log10 M / ∂x for x in log-scaled pixels, shaped like the maps."""
        total = torch.zeros_like(maps)
        for module in self.modules:
            inputs = maps.detach().requires_grad_(True)
            with torch.enable_grad():
                mass = module.mean(inputs, **others).sum()
            total += torch.autograd.grad(mass, inputs)[0]
        return total * (self.target_scale / self.pixel_scale / len(self.modules))


def gradient(function, maps, others, options):
    """∂f/∂x (paper Eq. 10)."""
    return function.gradient(maps, others)


def smoothgrad(function, maps, others, options):
    """Mean of ∂f/∂x over maps with Gaussian noise, of one cluster."""
    stream = _stream(options.entropy, maps)
    total = torch.zeros_like(maps)
    for size in _parts(options.n_samples, options.batch_size):
        noise = stream.standard_normal((size, *maps.shape[1:]), np.float32)
        noise = torch.from_numpy(noise).to(maps.device) * options.noise
        slopes = function.gradient(maps + noise, repeated(others, size))
        total += slopes.sum(0, keepdim=True)
    return total / options.n_samples


def integrated_gradients(function, maps, others, options):
    """(x - 0) times the mean of ∂f/∂x between a map without photons and x."""
    IntegratedGradients = require_captum()
    no_photons = torch.full_like(maps, -function.pixel_mean / function.pixel_scale)
    total = torch.zeros_like(maps)
    for module in function.modules:
        explained = IntegratedGradients(
            lambda many, module=module: module.mean(many, **repeated(others, len(many)))
        )
        total += explained.attribute(
            maps.detach().requires_grad_(True),
            no_photons,
            n_steps=options.n_samples,
            internal_batch_size=options.batch_size,
        ).detach()
    return total * (function.target_scale / len(function.modules))


def deep_dream(function, maps, others, options):
    """The change of x by two steps of gradient ascent."""
    change = torch.zeros_like(maps)
    for _ in range(DREAM_STEPS):
        slope = function.gradient(maps + change, others)
        size = slope.abs().mean(dim=(1, 2, 3), keepdim=True)
        change += DREAM_STEP * slope / size.clamp_min(EPSILON)
    return change * function.pixel_scale


METHODS = {
    "gradient": gradient,
    "smoothgrad": smoothgrad,
    "integrated_gradients": integrated_gradients,
    "deep_dream": deep_dream,
}
OF_MANY_MAPS = ("smoothgrad", "integrated_gradients")
"""Methods whose batches are many versions of one cluster."""
OF_SLOPES = ("gradient", "smoothgrad")
"""Methods whose result is a derivative, so that the chain rule holds."""


def repeated(others, size):
    """A network's other inputs of one cluster, repeated without a copy."""
    return {
        name: value.expand(size, *value.shape[1:]) for name, value in others.items()
    }


def require_captum():
    """captum's IntegratedGradients, or an error that says how to install it."""
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        raise ImportError(
            "method='integrated_gradients' needs captum, which is not installed: "
            'pip install "skcluster[explain]".'
        ) from error
    return IntegratedGradients


def _parts(total, size):
    """Sizes of the parts of a total, none larger than `size`."""
    return [min(size, total - start) for start in range(0, total, size)]


def _stream(entropy, maps):
    # Which pixels hold photons tells clusters apart, whatever their place in the sample,
    # and does not hang on the last bits of a logarithm.
    filled = np.packbits((maps > maps.min()).cpu().numpy())
    digest = hashlib.blake2b(filled.tobytes(), digest_size=8).digest()
    return np.random.default_rng([entropy, int.from_bytes(digest, "little")])
