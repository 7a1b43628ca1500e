"""Convolution of few bands whose gradient with respect to the maps is fast on a CPU."""

import torch
from torch import nn
from torch.nn import functional

VECTOR_WIDTH = 16
"""Number of float32 values in a register of AVX-512."""


class ThinConvolution(nn.Module):
    """'Same' convolution of few bands with a fast gradient of its input on CPUs.

    torch vectorizes this gradient over the channels of the input. With one band, fifteen of
    sixteen lanes are idle, and the gradient takes half the time of a saliency map. Here the
    rows of the kernel become channels and fill the vector; then each channel is shifted by
    its row, and all are added up. Weights get no gradient.

    Parameters
    ----------
    convolution : torch.nn.Conv2d
        Convolution to replace, for which `fits` is true. Its weights are shared.

    Examples
    --------
    >>> slow = nn.Conv2d(1, 24, 5, padding="same")
    >>> maps = torch.randn(2, 1, 16, 16, requires_grad=True)
    >>> wanted, = torch.autograd.grad(slow(maps).sum(), maps)
    >>> found, = torch.autograd.grad(ThinConvolution(slow)(maps).sum(), maps)
    >>> bool(torch.allclose(found, wanted, atol=1e-5))
    True
    """

    def __init__(self, convolution):
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias

    @staticmethod
    def fits(module):
        """Whether a module is a convolution that this one can replace."""
        if type(module) is not nn.Conv2d:
            return False
        height, width = module.kernel_size
        is_same = module.padding in ("same", (height // 2, width // 2))
        is_plain = module.padding_mode == "zeros" and module.groups == 1
        is_plain &= module.stride == module.dilation == (1, 1)
        is_thin = module.in_channels * height <= VECTOR_WIDTH < 2 * module.out_channels
        return is_same and is_plain and is_thin and height % 2 == width % 2 == 1

    def forward(self, maps):
        return _ThinConvolve.apply(maps, self.weight, self.bias)


class _ThinConvolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx, maps, weight, bias):
        ctx.save_for_backward(weight)
        return functional.conv2d(maps, weight, bias, padding="same")

    @staticmethod
    def backward(ctx, gradient):
        (weight,) = ctx.saved_tensors
        n_out, n_bands, height, width = weight.shape
        kernel = weight.flip(3).permute(1, 2, 0, 3)
        kernel = kernel.reshape(n_bands * height, n_out, 1, width)
        rows = functional.conv2d(gradient, kernel, padding=(0, width // 2))
        n, _, n_rows, n_columns = rows.shape
        rows = rows.contiguous().view(n, n_bands, height, n_rows, n_columns)
        total = rows.new_zeros(n, n_bands, n_rows + height - 1, n_columns)
        for i in range(height):
            total[:, :, i : i + n_rows] += rows[:, :, i]
        margin = height // 2
        return total[:, :, margin : margin + n_rows], None, None


def with_thin_convolutions(module):
    """Replace convolutions in a module by `ThinConvolution` where possible; return it."""
    for name, child in module.named_children():
        if ThinConvolution.fits(child):
            setattr(module, name, ThinConvolution(child))
        else:
            with_thin_convolutions(child)
    return module
