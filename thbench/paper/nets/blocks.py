"""Residual blocks, adaptive instance normalisation and self-attention: what the paper's networks
are made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

EPS = 1e-4

# Where an up block doubles the resolution. The paper contradicts itself: "in the end of the block,
# following [6]" (A.4), and [6], BigGAN, does it first. On synthetic heads, in equal time, "start"
# left the least high-frequency error.
#   start: before the first convolution, as BigGAN has it.
#   middle: between the convolutions, as in Zakharov's later code, which calls it efficient.
#   end: after the second convolution: A.4 by its words. The cheapest, but nothing smooths the
#     doubled pixels.
Upsample = Literal["start", "middle", "end"]


def conv(in_channels: int, out_channels: int, kernel: int, bias: bool = True) -> nn.Conv2d:
    """A spectrally normalised convolution that keeps the resolution."""
    layer = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=bias)
    spectral_norm(layer, eps=EPS)
    return layer


def linear(in_features: int, out_features: int) -> nn.Linear:
    """A spectrally normalised linear layer with bias."""
    layer = nn.Linear(in_features, out_features)
    spectral_norm(layer, eps=EPS)
    return layer


class FirstBlock(nn.Module):
    """The first down block of E, D and G: no activation or normalisation in front. [B, in, S, S] ->
    [B, out, S/2, S/2].

    A regular residual block "with activation function not being applied in the end" (A.4).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, out_channels, 3)
        self.conv2 = conv(out_channels, out_channels, 3)
        self.skip = conv(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return halve(self.conv2(F.relu(self.conv1(x))) + self.skip(x))


class DownBlock(nn.Module):
    """Pre-activated residual block, then average pooling. [B, in, S, S] -> [B, out, S/2, S/2]."""

    def __init__(
        self, in_channels: int, out_channels: int, normalised: bool, relu_before_skip: bool = False
    ) -> None:
        super().__init__()
        self.relu_before_skip = relu_before_skip
        self.norm1 = (
            nn.InstanceNorm2d(in_channels, eps=EPS, affine=True) if normalised else nn.Identity()
        )
        self.conv1 = conv(in_channels, out_channels, 3, bias=not normalised)
        self.norm2 = (
            nn.InstanceNorm2d(out_channels, eps=EPS, affine=True) if normalised else nn.Identity()
        )
        self.conv2 = conv(out_channels, out_channels, 3, bias=not normalised)
        self.skip = conv(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.relu(self.norm1(x)))
        h = self.conv2(F.relu(self.norm2(h)))
        x = F.relu(x) if self.relu_before_skip else x
        # Pooling is linear and the skip is a 1x1 convolution, so one pooling of the sum serves both
        # paths.
        return halve(h + self.skip(x))


class FlatBlock(nn.Module):
    """Pre-activated residual block that keeps shape, not normalised: D's last block at 4x4."""

    def __init__(self, channels: int, relu_before_skip: bool = False) -> None:
        super().__init__()
        self.relu_before_skip = relu_before_skip
        self.conv1 = conv(channels, channels, 3)
        self.conv2 = conv(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.conv2(F.relu(self.conv1(F.relu(x))))
        return (F.relu(x) if self.relu_before_skip else x) + h


class AdaIN(nn.Module):
    """Adaptive instance normalisation: (x - mean) / std * weight + bias, with weight and bias given
    per sample.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    @property
    def adaptive_parameters(self) -> int:
        return 2 * self.channels

    def forward(self, x: Tensor, parameters: Tensor) -> Tensor:
        """x [B, C, H, W], parameters [B, 2C] (bias, then weight) -> [B, C, H, W]."""
        bias, weight = parameters[:, :, None, None].chunk(2, dim=1)
        return F.instance_norm(x, eps=EPS) * weight + bias


class AdaptiveBlock(nn.Module):
    """The generator's bottleneck and up block: AdaIN - ReLU - conv, twice, around a skip.

    upsample says where the resolution doubles (None, at the bottleneck: nowhere); see `Upsample`.
    All orders have the same parameters.
    """

    def __init__(self, in_channels: int, out_channels: int, upsample: Upsample | None) -> None:
        super().__init__()
        self.upsample = upsample
        self.norm1 = AdaIN(in_channels)
        self.conv1 = conv(in_channels, out_channels, 3, bias=False)
        self.norm2 = AdaIN(out_channels)
        self.conv2 = conv(out_channels, out_channels, 3, bias=False)
        self.skip = conv(in_channels, out_channels, 1) if upsample else nn.Identity()

    @property
    def adaptive_parameters(self) -> int:
        return self.norm1.adaptive_parameters + self.norm2.adaptive_parameters

    def forward(self, x: Tensor, parameters: Tensor) -> Tensor:
        """x [B, in, S, S], parameters [B, adaptive_parameters] -> [B, out, S or 2S, S or 2S]."""
        first, second = torch.split(
            parameters, [self.norm1.adaptive_parameters, self.norm2.adaptive_parameters], dim=1
        )
        h = F.relu(self.norm1(x, first))
        h = self.conv1(double(h) if self.upsample == "start" else h)

        h = F.relu(self.norm2(h, second))
        h = self.conv2(double(h) if self.upsample == "middle" else h)

        skip: Tensor = self.skip(x)
        if self.upsample == "end":
            return double(h + skip)
        return torch.add(h, skip if self.upsample is None else double(skip))


class SelfAttention(nn.Module):
    """SAGAN's self-attention over all positions: x + gamma * h(x) softmax(f(x)^T g(x)). Keeps [B,
    C, H, W].
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = conv(channels, channels // 8, 1)
        self.key = conv(channels, channels // 8, 1)
        self.value = conv(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            layer(x).flatten(2).transpose(1, 2)[:, None]
            for layer in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        change: Tensor = self.gamma * attended[:, 0].transpose(1, 2).reshape(x.shape)
        return x + change


def halve(x: Tensor) -> Tensor:
    """Average pooling by 2; an odd last row or column is pooled with zeros, never dropped.

    At 224 pixels the last block sees 7 x 7: dropping its seventh row would make the network blind
    to the lowest and rightmost 32 pixels, and leave 3 x 3 instead of 4 x 4.
    """
    return F.avg_pool2d(x, 2, ceil_mode=True, divisor_override=4)


def double(x: Tensor) -> Tensor:
    """Nearest-neighbour upsampling by 2."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def sum_pool(x: Tensor) -> Tensor:
    """ReLU, then the sum over positions (A.4): [B, C, H, W] -> [B, C]."""
    return F.relu(x).sum(dim=(2, 3))


def down_blocks(
    in_channels: int,
    widths: Sequence[int],
    attention_after: int,
    normalised: bool,
    relu_before_skip: bool = False,
) -> nn.ModuleList:
    """The encoder that E, D and G share: one block per width, self-attention after the
    `attention_after`-th.
    """
    blocks = nn.ModuleList()
    for index, (before, after) in enumerate(zip([in_channels, *widths], widths, strict=False)):
        blocks.append(
            FirstBlock(before, after)
            if index == 0
            else DownBlock(before, after, normalised, relu_before_skip)
        )
        if index + 1 == attention_after:
            blocks.append(SelfAttention(after))
    return blocks
