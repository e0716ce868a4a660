"""The parts of the paper's networks: residual blocks, AdaIN and self-attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thbench.paper.nets.resampling import convolve_and_halve, double, double_and_convolve
from thbench.paper.nets.spectral import spectral_norm

EPS = 1e-4  # of instance normalisation

# Where an up block doubles the resolution. The paper contradicts itself: A.4 says "in the end of
# the block, following [6]", but [6], BigGAN, doubles at the start.
#   start: before the first convolution, as BigGAN does. Trained for equal time on synthetic heads,
#     it left the least high-frequency error.
#   middle: between the convolutions, as in Zakharov's later code, which calls it efficient.
#   end: after the second convolution, as A.4 says. The cheapest, but nothing smooths the doubled
#     pixels.
Upsample = Literal["start", "middle", "end"]


def conv(in_channels: int, out_channels: int, kernel: int, bias: bool = True) -> nn.Conv2d:
    """A spectrally normalised convolution that keeps the resolution."""
    layer = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=bias)
    spectral_norm(layer)
    return layer


def linear(in_features: int, out_features: int) -> nn.Linear:
    """A spectrally normalised linear layer with bias."""
    layer = nn.Linear(in_features, out_features)
    spectral_norm(layer)
    return layer


class FirstBlock(nn.Module):
    """The first down block of E, D and G: [B, in, S, S] -> [B, out, S/2, S/2].

    No activation or normalisation in front: a regular residual block "with activation function not
    being applied in the end" (A.4).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, out_channels, 3)
        self.conv2 = conv(out_channels, out_channels, 3)
        self.skip = conv(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.conv1(x))
        return convolve_and_halve(self.conv2, h) + convolve_and_halve(self.skip, x)


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
        h = F.relu(self.norm2(h))

        skip = F.relu(x) if self.relu_before_skip else x
        return convolve_and_halve(self.conv2, h) + convolve_and_halve(self.skip, skip)


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
    """Adaptive instance normalisation: (x - mean) / std * weight + bias.

    Each sample comes with a weight and a bias of its own.
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
        if x.is_contiguous(memory_format=torch.channels_last):
            # PyTorch's would bring the channels to the front, and the next layer back again.
            variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
            scale = weight * torch.rsqrt(variance + EPS)
            return x * scale + (bias - mean * scale)
        # Batch normalisation of one sample with all channels of the batch: one pass, and only x is
        # kept for the gradient. It takes no weights of less than 24 bits beside a float32 x.
        together = x.flatten(0, 1)[None]
        precise = torch.promote_types(x.dtype, torch.float32)
        scale, shift = weight.flatten().to(precise), bias.flatten().to(precise)
        normed = F.batch_norm(together, None, None, scale, shift, training=True, eps=EPS)
        return normed.view(x.shape)


class AdaptiveBlock(nn.Module):
    """The generator's bottleneck and up block: AdaIN - ReLU - conv, twice, around a skip.

    upsample: where the resolution doubles (see `Upsample`), with the same parameters in each case;
    None at the bottleneck, which keeps the resolution.
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
        h = double_and_convolve(self.conv1, h) if self.upsample == "start" else self.conv1(h)

        h = F.relu(self.norm2(h, second))
        h = double_and_convolve(self.conv2, h) if self.upsample == "middle" else self.conv2(h)

        skip: Tensor = self.skip(x)
        if self.upsample == "end":
            return double(h + skip)
        if self.upsample is not None:
            skip = double(skip)
        return torch.add(h, skip)


class SelfAttention(nn.Module):
    """SAGAN's self-attention over all positions: x + gamma * h(x) softmax(f(x)^T g(x)).

    f, g and h are the layers `key`, `query` and `value`.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = conv(channels, channels // 8, 1)
        self.key = conv(channels, channels // 8, 1)
        self.value = conv(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        # [B, 1, HW, channels]: one attention head over the positions.
        query, key, value = (
            layer(x).flatten(2).transpose(1, 2)[:, None]
            for layer in (self.query, self.key, self.value)
        )

        # SAGAN does not divide by the root of the number of channels.
        attended = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        change: Tensor = self.gamma * attended[:, 0].transpose(1, 2).reshape(x.shape)
        return x + change


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
    """The encoder of E, D and G: one block per width, and self-attention.

    attention_after: the number of blocks before self-attention.
    """
    blocks = nn.ModuleList()
    before = in_channels
    for number, after in enumerate(widths, start=1):
        if number == 1:
            blocks.append(FirstBlock(before, after))
        else:
            blocks.append(DownBlock(before, after, normalised, relu_before_skip))

        if number == attention_after:
            blocks.append(SelfAttention(after))
        before = after
    return blocks
