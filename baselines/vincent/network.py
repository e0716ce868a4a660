"""Embedder and generator of vincent-thevenin's variant, spectral normalisation folded in.

The modules have the names of his files, so that his weights load. Other than in the paper are: 9x9
convolutions in the first block, instance normalisation after each down block, five bottleneck
blocks, max pooling in the embedder, AdaIN with the unbiased deviation, and frames in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PADDED_PX = 256  # smaller frames are padded with zeros to this size
EMBEDDING = 512
EMBEDDER_WIDTHS = (64, 128, 256, 512, 512, 512)
BOTTLENECK_BLOCKS = 5
STD_EPS = 1e-5


@dataclass(frozen=True)
class Layout:
    """One state of his code that models were trained with.

    A file of weights tells its layout by the number of rows of the projection `p`, and by whether
    the generator ends in an instance normalisation (`in5` on 3 channels).

    downs: the output channels of each down block.
    ups: the (input, output) channels of each up block.
    attention_up: the number of up blocks before self-attention.
    order: of convolution and normalisation in a bottleneck block.
    head: what follows the last up block.
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
        """The kernel of the last up block, 9 where this block writes the frame itself."""
        return 3 if self.head == "adain-conv" else 9

    @property
    def slices(self) -> list[int]:
        """The number of adaptive parameters of each block, in the order of `p`'s rows.

        A mean and a deviation per channel of each normalisation: two of them in a block.
        """
        bottleneck = [4 * self.downs[-1]] * BOTTLENECK_BLOCKS
        ups = [2 * (before + after) for before, after in self.ups]
        head = [2 * self.ups[-1][1]] if self.head == "adain-conv" else []
        return bottleneck + ups + head


_FROM_512_TO_64 = ((512, 256), (256, 128), (128, 64))
LAYOUTS = (
    Layout(
        name="2019",
        downs=(64, 128, 256, 512, 512, 512),
        ups=((512, 512), (512, 512), *_FROM_512_TO_64, (64, 3)),
        attention_up=4,
        order="conv-norm",
        leaky=False,
        upsampling="nearest",
        head="none",
    ),
    Layout(
        name="january-2020",
        downs=(64, 128, 256, 512),
        ups=(*_FROM_512_TO_64, (64, 3)),
        attention_up=2,
        order="conv-norm",
        leaky=False,
        upsampling="nearest",
        head="none",
    ),
    Layout(
        name="march-2020",
        downs=(64, 128, 256, 512),
        ups=(*_FROM_512_TO_64, (64, 3)),
        attention_up=2,
        order="conv-norm",
        leaky=True,
        upsampling="nearest",
        head="instance-norm",
    ),
    Layout(
        name="april-2020",
        downs=(64, 128, 256, 512),
        ups=(*_FROM_512_TO_64, (64, 32)),
        attention_up=2,
        order="norm-conv",
        leaky=True,
        upsampling="bilinear",
        head="adain-conv",
    ),
)


class Down(nn.Module):
    """Twice activation and convolution, then average pooling, beside a pooled 1x1 skip."""

    def __init__(
        self, before: int, after: int, kernel: int, act: Callable[[Tensor], Tensor]
    ) -> None:
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
    """Self-attention over all positions: x + gamma * h(x) softmax(f(x)^T g(x)).

    The weights with which one position sums up all others are a column of the softmax.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_f = nn.Conv2d(channels, channels // 8, 1)
        self.conv_g = nn.Conv2d(channels, channels // 8, 1)
        self.conv_h = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        f, g, h = (layer(x).flatten(2) for layer in (self.conv_f, self.conv_g, self.conv_h))
        weights = torch.softmax(f.transpose(1, 2) @ g, dim=-2)
        return torch.addcmul(x, self.gamma, (h @ weights).reshape(x.shape))


class Bottleneck(nn.Module):
    """A residual block between down and up blocks; `Layout.order` says where it normalises."""

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
    """AdaIN, activation, upsampling, conv, AdaIN, activation, conv; beside an upsampled skip."""

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
    """Embeds a frame with its landmark image: the maximum of each channel over all positions."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.act = activation(layout)

        before = 6  # channels: the frame's and the landmark image's
        for index, after in enumerate(EMBEDDER_WIDTHS, start=1):
            self.add_module(f"resDown{index}", Down(before, after, 3, self.act))
            before = after

        self.self_att = Attention(256)

    def forward(self, frames: Tensor, landmark_images: Tensor) -> Tensor:
        """frames, landmark_images [B, 3, S, S] in [0, 1], rows and columns swapped -> [B, 512]."""
        x = padded(torch.cat([frames, landmark_images], dim=1))

        for index in range(1, len(EMBEDDER_WIDTHS) + 1):
            x = getattr(self, f"resDown{index}")(x)
            if index == 3:
                x = self.self_att(x)

        return self.act(x.amax(dim=(2, 3)))


class VincentGenerator(nn.Module):
    """Makes a frame of a landmark image; adaptive parameters are an embedding projected by `p`."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout, self.act = layout, activation(layout)

        before = 3
        for index, after in enumerate(layout.downs, start=1):
            kernel = 9 if index == 1 else 3
            self.add_module(f"resDown{index}", Down(before, after, kernel, self.act))
            self.add_module(f"in{index}", nn.InstanceNorm2d(after, affine=True))
            before = after
        self.self_att_Down = Attention(256)

        for index in range(1, BOTTLENECK_BLOCKS + 1):
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
        """landmark_images [B, 3, S, S], adaptive [B, P] -> frames [B, 3, S, S].

        All images are in [0, 1] with rows and columns swapped.
        """
        slices = iter(torch.split(adaptive, self.layout.slices, dim=1))
        x = padded(landmark_images)

        for index in range(1, len(self.layout.downs) + 1):
            x = getattr(self, f"resDown{index}")(x)
            x = getattr(self, f"in{index}")(x)
            if index == 3:
                x = self.self_att_Down(x)

        for index in range(1, BOTTLENECK_BLOCKS + 1):
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
    """Gives each channel of x [B, C, H, W] the mean, then the deviation, of adaptive [B, 2 C].

    The deviation of x is unbiased (divided by H W - 1).
    """
    mean, deviation = adaptive[:, :, None, None].chunk(2, dim=1)
    centred = x - x.mean(dim=(2, 3), keepdim=True)
    spread = x.flatten(2).std(dim=2)[:, :, None, None] + STD_EPS
    return deviation * centred / spread + mean


def padded(x: Tensor) -> Tensor:
    """Frames below 256 pixels with zeros around them: half of the missing pixels on each side."""
    missing_px = PADDED_PX - x.shape[-1]
    return F.pad(x, [missing_px // 2] * 4) if missing_px > 0 else x
