"""The discriminator of vincent-thevenin's variant, as fine-tuning uses it: with one person's w'."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from baselines.vincent.network import (
    EMBEDDER_WIDTHS,
    EMBEDDING,
    Attention,
    Down,
    Layout,
    activation,
    padded,
)


class Judgement(NamedTuple):
    """score: realism [B]. features: the activations after each residual block."""

    score: Tensor
    features: list[Tensor]


class Flat(nn.Module):
    """The last residual block: no activation in front, shape kept."""

    def __init__(self, channels: int, act: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.act = act
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        h = self.conv2(self.act(self.conv1(x)))
        return torch.add(x, h)


class VincentDiscriminator(nn.Module):
    """D(x, y) = V(x, y)^T w' + b, with `w_0` of all persons and the person's embedding in w'.

    Other than in the paper are: average pooling at the end, and a last block without activation in
    front. The rows W_i of the training videos are left out.
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.act = activation(layout)

        before = 6  # channels: the frame's and the landmark image's
        for index, after in enumerate(EMBEDDER_WIDTHS, start=1):
            self.add_module(f"resDown{index}", Down(before, after, 3, self.act))
            before = after
        self.self_att = Attention(256)

        self.res = Flat(before, self.act)

        self.w_0 = nn.Parameter(torch.zeros(EMBEDDING, 1))
        self.b = nn.Parameter(torch.zeros(1))

    def forward(self, frames: Tensor, landmark_images: Tensor, person: Tensor) -> Judgement:
        """frames, landmark_images [B, 3, S, S] in [0, 1], rows and columns swapped.

        person [512]: w' = w_0 + e_NEW.
        """
        x = padded(torch.cat([frames, landmark_images], dim=1))

        features = []
        for index in range(1, len(EMBEDDER_WIDTHS) + 1):
            x = getattr(self, f"resDown{index}")(x)
            features.append(x)
            if index == 3:
                x = self.self_att(x)

        x = self.res(x)
        features.append(x)

        described = self.act(x.mean(dim=(2, 3)))
        return Judgement(described @ person + self.b, features)
