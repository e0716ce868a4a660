"""Which perceptual networks the content loss looks through, and with what weights (section 3.4)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from thbench.nets.heads_vgg import load_heads_vgg
from thbench.nets.perceptual import caffe_vgg19, random_vgg16, random_vgg19, vggface16

# caffe: the paper's two networks. random: the same architectures with seeded weights, for machines
# without the files. heads: a small network trained on synthetic heads, for the bundled 64-pixel
# models.
Content = Literal["caffe", "random", "heads"]

WEIGHT_VGG19 = 1.5e-1
WEIGHT_VGGFACE = 2.5e-2
WEIGHT_HEADS = 5.0
WEIGHT_PIXELS = 40.0  # beside heads-VGG, whose features say little of absolute colour


def content_networks(content: Content, device: torch.device) -> list[tuple[nn.Module, float]]:
    """The networks of the content loss with their weights, frozen.

    Raises `ThbenchError` naming the file and the command that fetches it when "caffe" weights are
    missing.
    """
    pairs: list[tuple[nn.Module, float]]
    if content == "caffe":
        pairs = [(caffe_vgg19(), WEIGHT_VGG19), (vggface16(), WEIGHT_VGGFACE)]
    elif content == "random":
        pairs = [(random_vgg19(), WEIGHT_VGG19), (random_vgg16(), WEIGHT_VGGFACE)]
    else:
        pairs = [(load_heads_vgg(), WEIGHT_HEADS), (Pixels(), WEIGHT_PIXELS)]
    return [(network.to(device), weight) for network, weight in pairs]


class Pixels(nn.Module):
    """The frame as its own feature map: L1 between pixels."""

    def forward(self, frames: Tensor) -> list[Tensor]:
        return [frames]
