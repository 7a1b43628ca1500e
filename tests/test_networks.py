"""The paper's layers, counted and followed by hand."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from skcluster.networks import Ho2023Network


def parameters_by_hand(n_bands, n_pixels):
    convolutions = 24 * (25 * n_bands + 1) + 10 * (9 * 24 + 1)
    convolutions += 24 * (25 * 10 + 1) + 10 * (9 * 24 + 1)
    flat = 10 * (n_pixels // 8) ** 2
    return convolutions + 128 * (flat + 1) + 128 * 129 + 64 * 129 + 65


@pytest.mark.parametrize("map_shape", [(1, 128, 128), (3, 128, 128), (2, 16, 16)])
def test_number_of_parameters(map_shape):
    network = Ho2023Network(map_shape)
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    assert n_parameters == parameters_by_hand(map_shape[0], map_shape[1])


def test_the_paper_counts_363629_parameters():
    network = Ho2023Network((1, 128, 128))
    assert sum(parameter.numel() for parameter in network.parameters()) == 363_629


def test_shapes_of_the_layers_are_the_papers():
    network, shapes = Ho2023Network((1, 128, 128)), []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.Linear):
            layer.register_forward_hook(
                lambda layer, inputs, output: shapes.append(tuple(output.shape[1:]))
            )
    network(torch.zeros(1, 1, 128, 128))
    assert shapes == [
        (24, 128, 128),
        (10, 128, 128),
        (10, 32, 32),
        (24, 32, 32),
        (10, 32, 32),
        (10, 16, 16),
        (128,),
        (128,),
        (64,),
        (1,),
    ]


def test_pooling_before_the_relu_is_the_papers_network():
    torch.manual_seed(0)
    network = Ho2023Network((2, 16, 16))
    maps = torch.rand(5, 2, 16, 16)

    def as_printed(x):
        layers = iter(
            [layer for layer in network.extractor if isinstance(layer, nn.Conv2d)]
        )
        for pool in (4, 2):
            x = next(layers)(x).relu()
            x = nn.functional.max_pool2d(next(layers)(x).relu(), pool)
        return network.output(network.head(x.flatten(1))).squeeze(-1)

    assert_allclose(
        network(maps).detach(), as_printed(maps).detach(), rtol=1e-5, atol=1e-6
    )


def test_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    network = Ho2023Network((3, 16, 16))
    network(torch.rand(20, 3, 16, 16)).sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in network.parameters())


def test_kernels_start_glorot_uniform_and_biases_at_zero():
    torch.manual_seed(0)
    dense = Ho2023Network((1, 128, 128)).head[0]
    limit = np.sqrt(6 / (2560 + 128))
    assert dense.bias.abs().max() == 0
    assert_allclose(dense.weight.abs().max().item(), limit, rtol=1e-3)
    assert_allclose(dense.weight.std().item(), limit / np.sqrt(3), rtol=1e-2)


def test_maps_too_small_to_pool_are_an_error():
    with pytest.raises(ValueError, match="at least 8 pixels per side, got 4 x 4"):
        Ho2023Network((1, 4, 4))
