"""Embedder and generator of vincent-thevenin's variant, spectral normalisation folded in.

Module names are those of his files. Against the paper: 9x9 convolutions in the first block,
instance normalisation after each down block, five bottleneck blocks, max pooling in the embedder,
AdaIN with the unbiased deviation, frames in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PADDED_PX = 256  # smaller frames are padded with zeros to this
EMBEDDING = 512
STD_EPS = 1e-5


@dataclass(frozen=True)
class Layout:
    """A state of his code that models were trained with, told by the rows of the projection `p` and
    by whether the generator ends in an instance normalisation (`in5` on 3 channels).

    ups: (in, out) channels of the up blocks. attention_up: how many of them come before
    self-attention. order: of a bottleneck block. head: what follows the last up block.
    """

    name: str
    downs: tuple[int, ...]
    ups: tuple[tuple[int, int], ...]
    attention_up: int
    order: Literal["conv-norm", "norm-conv"]
    leaky: bool
    upsampling: Literal["nearest", "bilinear"]
    head: Literal["none", "instance-norm", "adain-conv"]

    @property
    def last_kernel(self) -> int:
        """Of the last up block's convolutions; it writes RGB unless a head follows."""
        return 3 if self.head == "adain-conv" else 9

    @property
    def slices(self) -> list[int]:
        """Adaptive parameters of each block, in the order of `p`'s rows."""
        ups = [2 * (before + after) for before, after in self.ups]
        last = [2 * self.ups[-1][1]] if self.head == "adain-conv" else []
        return [4 * self.downs[-1]] * 5 + ups + last


_FOUR = ((512, 256), (256, 128), (128, 64))
LAYOUTS = (
    Layout(
        "2019",
        (64, 128, 256, 512, 512, 512),
        ((512, 512), (512, 512), *_FOUR, (64, 3)),
        4,
        "conv-norm",
        False,
        "nearest",
        "none",
    ),
    Layout(
        "january-2020",
        (64, 128, 256, 512),
        (*_FOUR, (64, 3)),
        2,
        "conv-norm",
        False,
        "nearest",
        "none",
    ),
    Layout(
        "march-2020",
        (64, 128, 256, 512),
        (*_FOUR, (64, 3)),
        2,
        "conv-norm",
        True,
        "nearest",
        "instance-norm",
    ),
    Layout(
        "april-2020",
        (64, 128, 256, 512),
        (*_FOUR, (64, 32)),
        2,
        "norm-conv",
        True,
        "bilinear",
        "adain-conv",
    ),
)


class Down(nn.Module):
    """Activation, convolution, activation, convolution, pooled; around a pooled 1x1 skip."""

    def __init__(self, before: int, after: int, kernel: int, act: Callable[[Tensor], Tensor]):
        super().__init__()
        self.act = act
        self.conv_l1 = nn.Conv2d(before, after, 1)
        self.conv_r1 = nn.Conv2d(before, after, kernel, padding=kernel // 2)
        self.conv_r2 = nn.Conv2d(after, after, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, before, S, S] -> [B, after, S/2, S/2]."""
        h = self.conv_r2(self.act(self.conv_r1(self.act(x))))
        return F.avg_pool2d(self.conv_l1(x), 2) + F.avg_pool2d(h, 2)


class Attention(nn.Module):
    """Self-attention; each position is the sum over all, weighted along the first of two axes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_f = nn.Conv2d(channels, channels // 8, 1)
        self.conv_g = nn.Conv2d(channels, channels // 8, 1)
        self.conv_h = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Keeps [B, C, H, W]."""
        f, g, h = (layer(x).flatten(2) for layer in (self.conv_f, self.conv_g, self.conv_h))
        weights = torch.softmax(f.transpose(1, 2) @ g, dim=-2)
        return torch.addcmul(x, self.gamma, (h @ weights).reshape(x.shape))


class Bottleneck(nn.Module):
    """A residual block of the generator's middle, its normalisation after or before each conv."""

    def __init__(self, channels: int, layout: Layout, act: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.act, self.norm_first = act, layout.order == "norm-conv"
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, adaptive: Tensor) -> Tensor:
        """adaptive [B, 4 C]: mean, deviation, mean, deviation."""
        first, second = adaptive.chunk(2, dim=1)
        if self.norm_first:
            h = self.conv1(self.act(adain(x, first)))
            h = self.conv2(self.act(adain(h, second)))
        else:
            h = self.act(adain(self.conv1(x), first))
            h = adain(self.conv2(h), second)
        return torch.add(x, h)


class Up(nn.Module):
    """AdaIN, activation, upsampling, conv, AdaIN, activation, conv; around an upsampled skip."""

    def __init__(
        self, before: int, after: int, kernel: int, layout: Layout, act: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.before, self.act, self.mode = before, act, layout.upsampling
        self.conv_l1 = nn.Conv2d(before, after, 1)
        self.conv_r1 = nn.Conv2d(before, after, kernel, padding=kernel // 2)
        self.conv_r2 = nn.Conv2d(after, after, kernel, padding=kernel // 2)

    def forward(self, x: Tensor, adaptive: Tensor, size_px: int) -> Tensor:
        """adaptive [B, 2 (before + after)] -> [B, after, size_px, size_px]."""
        first, second = adaptive[:, : 2 * self.before], adaptive[:, 2 * self.before :]
        h = F.interpolate(self.act(adain(x, first)), size=size_px, mode=self.mode)
        h = self.conv_r2(self.act(adain(self.conv_r1(h), second)))
        skip: Tensor = self.conv_l1(F.interpolate(x, size=size_px, mode=self.mode))
        return torch.add(h, skip)


class VincentEmbedder(nn.Module):
    """A frame and its landmark image to an embedding: the strongest answer at any position."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.act = activation(layout)
        for index, (before, after) in enumerate(
            ((6, 64), (64, 128), (128, 256), (256, 512), (512, 512), (512, 512)), start=1
        ):
            self.add_module(f"resDown{index}", Down(before, after, 3, self.act))
        self.self_att = Attention(256)

    def forward(self, frames: Tensor, landmark_images: Tensor) -> Tensor:
        """frames, landmark_images [B, 3, S, S] in [0, 1], axes swapped -> [B, 512]."""
        x = padded(torch.cat([frames, landmark_images], dim=1))
        for index in range(1, 7):
            x = getattr(self, f"resDown{index}")(x)
            if index == 3:
                x = self.self_att(x)
        return self.act(x.amax(dim=(2, 3)))


class VincentGenerator(nn.Module):
    """A landmark image and an embedding to a frame; `p` projects the embedding."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout, self.act = layout, activation(layout)
        widths = (3, *layout.downs)
        for index, (before, after) in enumerate(zip(widths, layout.downs, strict=False), start=1):
            kernel = 9 if index == 1 else 3
            self.add_module(f"resDown{index}", Down(before, after, kernel, self.act))
            self.add_module(f"in{index}", nn.InstanceNorm2d(after, affine=True))
        self.self_att_Down = Attention(256)
        for index in range(1, 6):
            self.add_module(f"res{index}", Bottleneck(layout.downs[-1], layout, self.act))
        for index, (before, after) in enumerate(layout.ups, start=1):
            kernel = layout.last_kernel if index == len(layout.ups) else 3
            self.add_module(f"resUp{index}", Up(before, after, kernel, layout, self.act))
        self.self_att_Up = Attention(128)
        if layout.head == "instance-norm":
            self.in5 = nn.InstanceNorm2d(3, affine=True)
        elif layout.head == "adain-conv":
            self.conv2d = nn.Conv2d(layout.ups[-1][1], 3, 3, padding=1)
        self.p = nn.Parameter(torch.zeros(sum(layout.slices), EMBEDDING))

    def project(self, embedding: Tensor) -> Tensor:
        """[B, 512] -> adaptive parameters [B, P]."""
        return embedding @ self.p.T

    def forward(self, landmark_images: Tensor, adaptive: Tensor) -> Tensor:
        """landmark_images [B, 3, S, S] in [0, 1], axes swapped; adaptive [B, P] -> frames alike."""
        slices = iter(torch.split(adaptive, self.layout.slices, dim=1))
        x = padded(landmark_images)
        for index in range(1, len(self.layout.downs) + 1):
            x = getattr(self, f"in{index}")(getattr(self, f"resDown{index}")(x))
            if index == 3:
                x = self.self_att_Down(x)
        for index in range(1, 6):
            x = getattr(self, f"res{index}")(x, next(slices))
        for index in range(1, len(self.layout.ups) + 1):
            is_last = index == len(self.layout.ups)
            size_px = landmark_images.shape[-1] if is_last else 2 * x.shape[-1]
            x = getattr(self, f"resUp{index}")(x, next(slices), size_px)
            if index == self.layout.attention_up:
                x = self.self_att_Up(x)
        if self.layout.head == "instance-norm":
            x = self.in5(x)
        elif self.layout.head == "adain-conv":
            x = self.conv2d(self.act(adain(x, next(slices))))
        return torch.sigmoid(x)


def activation(layout: Layout) -> Callable[[Tensor], Tensor]:
    """ReLU, or LeakyReLU with its default slope of 0.01."""
    return F.leaky_relu if layout.leaky else F.relu


def adain(x: Tensor, adaptive: Tensor) -> Tensor:
    """(x - mean) / (unbiased deviation + eps) * deviation' + mean', adaptive [B, 2 C] = mean',
    deviation'.
    """
    mean, deviation = adaptive[:, :, None, None].chunk(2, dim=1)
    spread = x.flatten(2).std(dim=2)[:, :, None, None] + STD_EPS
    return deviation * (x - x.mean(dim=(2, 3), keepdim=True)) / spread + mean


def padded(x: Tensor) -> Tensor:
    """Zeros around frames below 256 pixels, half of what lacks on each side."""
    return F.pad(x, [(PADDED_PX - x.shape[-1]) // 2] * 4) if x.shape[-1] < PADDED_PX else x
