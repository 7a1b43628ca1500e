"""Methods that measure which pixels a network's mass depends on, for one batch of maps.

Each method takes a `MassGradient`, the batch of standardized maps, the network's other
inputs, and `Options`, and returns a tensor with the shape of the maps.
"""

import copy
import hashlib
from dataclasses import dataclass

import numpy as np
import torch

from ..regressors.output_curve import on_curve
from .thin_convolution import with_thin_convolutions

DREAM_STEPS, DREAM_STEP = 2, 0.01
EPSILON = 1e-7


@dataclass
class Options:
    """Options of the methods, as described in `SaliencyExplainer`."""

    n_samples: int
    noise: float
    batch_size: int
    entropy: int


class MassGradient:
    r"""Gradient of the predicted mass with respect to the maps.

    .. math::

        f(x) = \mu_y + \frac{\sigma_y}{K} \sum_{k=1}^{K} c_k(g_k(\tilde{x})), \qquad
        \tilde{x} = \frac{x - \mu_x}{\sigma_x}

    is the predicted :math:`\log_{10} M_{500c}` of log-scaled maps x, with :math:`g_k` the
    K networks of a regressor, :math:`c_k` their curves (`on_curve`), and
    :math:`\mu, \sigma` the means and standard deviations that standardize its pixels (x)
    and its target (y). So

    .. math::

        \frac{\partial f}{\partial x}
            = \frac{\sigma_y}{\sigma_x K} \sum_{k=1}^{K} c_k'(g_k)
              \frac{\partial g_k}{\partial \tilde{x}}

    The networks are copied, so the regressor's own networks keep their mode and the
    gradients of their weights.

    Parameters
    ----------
    regressor : fitted NeuralMassRegressor
    device : str or torch.device

    Attributes
    ----------
    networks : list of MassNetwork
        :math:`g_k`, without dropout and without gradients of the weights.
    pixel_mean, pixel_scale : float
        :math:`\mu_x` and :math:`\sigma_x`
    """

    def __init__(self, regressor, device):
        copies = [copy.deepcopy(net.predictor) for net in regressor.nets_]
        networks = [each.to(device).eval().requires_grad_(False) for each in copies]
        if torch.device(device).type == "cpu":
            networks = [with_thin_convolutions(network) for network in networks]
        self.networks = networks
        self.pixel_mean = regressor.pixel_mean_
        self.pixel_scale = regressor.pixel_scale_
        self.target_scale = regressor.target_scale_
        self.curves = regressor.curve_[:, 0]

    def member_masses(self, member, maps, others):
        r"""Masses by one of the networks, :math:`\sigma_y c_k(g_k)` [dex]."""
        output = self.networks[member].mean(maps=maps, **others)
        return on_curve(output, self.curves[member]) * self.target_scale

    def __call__(self, maps, others):
        """Return the gradient at standardized maps [dex per unit of x].

        Parameters
        ----------
        maps : tensor of shape (n, n_bands, n_pixels, n_pixels)
        others : dict of str to tensor
            The other inputs of the networks, which are held fixed.
        """
        total = torch.zeros_like(maps)
        for member in range(len(self.networks)):
            inputs = maps.detach().requires_grad_(True)
            with torch.enable_grad():
                mass = self.member_masses(member, inputs, others).sum()
            total += torch.autograd.grad(mass, inputs)[0]
        return total * (1 / self.pixel_scale / len(self.networks))


def gradient(mass_gradient, maps, others, options):
    """Gradient of the predicted mass (paper Eq. 10)."""
    return mass_gradient(maps, others)


def smoothgrad(mass_gradient, maps, others, options):
    """Mean of the gradient over noisy copies of the map of one cluster."""
    rng = _rng_of_cluster(options.entropy, maps)
    total = torch.zeros_like(maps)
    for start in range(0, options.n_samples, options.batch_size):
        size = min(options.batch_size, options.n_samples - start)
        noise = rng.standard_normal((size, *maps.shape[1:]), np.float32)
        noise = torch.from_numpy(noise).to(maps.device) * options.noise
        slopes = mass_gradient(maps + noise, repeated(others, size))
        total += slopes.sum(0, keepdim=True)
    return total / options.n_samples


def integrated_gradients(mass_gradient, maps, others, options):
    """x times the mean gradient on the way from a map without photons to this one."""
    IntegratedGradients = require_captum()
    scale = mass_gradient.pixel_scale
    no_photons = torch.full_like(maps, -mass_gradient.pixel_mean / scale)
    total = torch.zeros_like(maps)
    for member in range(len(mass_gradient.networks)):
        attribution = IntegratedGradients(
            lambda many, member=member: mass_gradient.member_masses(
                member, many, repeated(others, len(many))
            )
        )
        total += attribution.attribute(
            maps.detach().requires_grad_(True),
            no_photons,
            n_steps=options.n_samples,
            internal_batch_size=options.batch_size,
        ).detach()
    return total / len(mass_gradient.networks)


def deep_dream(mass_gradient, maps, others, options):
    """Change of x after two steps of gradient ascent on the predicted mass."""
    change = torch.zeros_like(maps)
    for _ in range(DREAM_STEPS):
        slope = mass_gradient(maps + change, others)
        size = slope.abs().mean(dim=(1, 2, 3), keepdim=True)
        change += DREAM_STEP * slope / size.clamp_min(EPSILON)
    return change * mass_gradient.pixel_scale


METHODS = {
    "gradient": gradient,
    "smoothgrad": smoothgrad,
    "integrated_gradients": integrated_gradients,
    "deep_dream": deep_dream,
}
ONE_CLUSTER_AT_A_TIME = ("smoothgrad", "integrated_gradients")
"""Methods that take one cluster at a time, with many versions of its maps per batch."""
DERIVATIVES = ("gradient", "smoothgrad")
"""Methods whose result is a derivative, to which the chain rule applies."""


def repeated(others, size):
    """Return the other inputs of one cluster, repeated without a copy."""
    return {
        name: value.expand(size, *value.shape[1:]) for name, value in others.items()
    }


def require_captum():
    """Return captum's IntegratedGradients, or say how to install it."""
    try:
        from captum.attr import IntegratedGradients
    except ImportError as error:
        raise ImportError(
            "method='integrated_gradients' needs captum, which is not installed: "
            'pip install "skcluster[explain]".'
        ) from error
    return IntegratedGradients


def _rng_of_cluster(entropy, maps):
    # Which pixels hold photons identifies a cluster wherever it is in the sample, and does
    # not depend on the last bits of a logarithm.
    filled = np.packbits((maps > maps.min()).cpu().numpy())
    digest = hashlib.blake2b(filled.tobytes(), digest_size=8).digest()
    return np.random.default_rng([entropy, int.from_bytes(digest, "little")])
