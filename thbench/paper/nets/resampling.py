"""Halving and doubling of resolution, alone and next to a convolution.

A 3 x 3 convolution before average pooling, or after nearest-neighbour doubling, is one convolution
of 4 x 4 weights and stride 2: its weights are sums of the nine. That takes 16 products instead of
36 for each pixel of the smaller side, and the map between the two steps is never made. The results
differ by rounding only.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Positions of a batch, on the smaller side, from which the saved products outweigh making the
# weights. Measured on processors, so GPUs convolve as the paper writes it.
_ENOUGH = 512


def halve(x: Tensor) -> Tensor:
    """Average pooling by 2; an odd last row or column is pooled with zeros, never dropped.

    At 224 pixels the last block sees 7 x 7: dropping its seventh row would make the network blind
    to the lowest and rightmost 32 pixels, and leave 3 x 3 instead of 4 x 4.
    """
    return F.avg_pool2d(x, 2, ceil_mode=True, divisor_override=4)


def double(x: Tensor) -> Tensor:
    """Nearest-neighbour upsampling by 2."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def convolve_and_halve(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """halve(layer(x)), for a layer of 1 x 1 or 3 x 3 that keeps the resolution."""
    if x.shape[-2] % 2 or x.shape[-1] % 2:
        return halve(layer(x))  # padded with zeros in between
    if layer.kernel_size == (1, 1):
        pooled: Tensor = layer(halve(x))
        return pooled
    if not _pays(x, positions=x[:, 0].numel() // 4):
        return halve(layer(x))
    return F.conv2d(x, halving_kernel(layer.weight), layer.bias, stride=2, padding=1)


def double_and_convolve(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """layer(double(x)), for a layer of 3 x 3 that keeps the resolution."""
    if not _pays(x, positions=x[:, 0].numel()):
        convolved: Tensor = layer(double(x))
        return convolved
    return F.conv_transpose2d(x, doubling_kernel(layer.weight), layer.bias, stride=2, padding=1)


def halving_kernel(weight: Tensor) -> Tensor:
    """[out, in, 3, 3] -> [out, in, 4, 4]: a convolution of stride 2 and padding 1 with this kernel
    is one with `weight`, then average pooling by 2.
    """
    return _spread(weight) / 4


def doubling_kernel(weight: Tensor) -> Tensor:
    """[out, in, 3, 3] -> [in, out, 4, 4]: a transposed convolution of stride 2 and padding 1 with
    this kernel is nearest-neighbour doubling, then a convolution with `weight`.

    Input pixel i lies at 2 i and 2 i + 1 of the doubled picture, so each of its four offsets gets
    the sum of the weights that fall on either.
    """
    return _spread(weight).flip(2, 3).transpose(0, 1)


def _spread(weight: Tensor) -> Tensor:
    """[..., 3, 3] -> [..., 4, 4]: the sum of the weights, put down at the four places of a 2 x 2
    square.
    """
    # As a product with a matrix, which costs less than four sums of slices; in the precision of
    # the weights, whatever the convolution has.
    with torch.autocast(weight.device.type, enabled=False):
        spread = weight.flatten(-2) @ torch.from_numpy(_PLACES).to(weight)
    return spread.view(*weight.shape[:-2], 4, 4)


# [9, 16]: which of 4 x 4 places each of 3 x 3 weights goes to.
_PLACES = np.array(
    [
        [row <= y <= row + 1 and column <= x <= column + 1 for y in range(4) for x in range(4)]
        for row in range(3)
        for column in range(3)
    ],
    np.float32,
)


def _pays(x: Tensor, positions: int) -> bool:
    return x.device.type == "cpu" and positions >= _ENOUGH
