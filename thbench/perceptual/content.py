"""Which perceptual networks the content loss looks through, and with what weights (section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thbench.errors import ThbenchError
from thbench.perceptual.heads_vgg import load_heads_vgg
from thbench.perceptual.vgg import caffe_vgg19, random_vgg16, random_vgg19, vggface16

# caffe: the paper's two networks. random: the same architectures with seeded weights, for machines
# without the files. heads: a small network trained on synthetic heads, for the bundled 64-pixel
# models.
Content = Literal["caffe", "random", "heads"]

Targets = list[list[Tensor]]
"""Feature maps [B, C, H, W] of each perceptual network."""

WEIGHT_VGG19 = 1.5e-1
WEIGHT_VGGFACE = 2.5e-2
WEIGHT_HEADS = 5.0
WEIGHT_PIXELS = 40.0  # beside heads-VGG, whose features say little of absolute colour


def content_networks(content: Content, device: torch.device) -> list[tuple[nn.Module, float]]:
    """The networks of the content loss with their weights, frozen.

    Raises `ThbenchError` for an unknown name, and when the weights of "caffe" are missing, naming
    the file and the command that fetches it.
    """
    if content not in get_args(Content):
        raise ThbenchError(
            f"content = {content!r} is unknown; known are {', '.join(get_args(Content))}"
        )

    pairs: list[tuple[nn.Module, float]]
    if content == "caffe":
        pairs = [(caffe_vgg19(), WEIGHT_VGG19), (vggface16(), WEIGHT_VGGFACE)]
    elif content == "random":
        pairs = [(random_vgg19(), WEIGHT_VGG19), (random_vgg16(), WEIGHT_VGGFACE)]
    else:
        pairs = [(load_heads_vgg(), WEIGHT_HEADS), (Pixels(), WEIGHT_PIXELS)]
    return [(network.to(device), weight) for network, weight in pairs]


class ContentLoss(nn.Module):
    """L_CNT: the weighted sum of L1 distances between the features of fixed perceptual networks.

    Each network maps frames [B, 3, S, S] in [-1, 1] to a list of feature maps; each map adds the
    mean absolute difference, times the network's weight. The networks are frozen; gradients reach
    the fake frames only.
    """

    def __init__(self, networks: Sequence[tuple[nn.Module, float]]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(
            network.eval().requires_grad_(False) for network, _ in networks
        )
        self.weights = [weight for _, weight in networks]

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """fake, real [B, 3, S, S] in [-1, 1] -> scalar."""
        return self.distance(fake, self.targets(real))

    @torch.no_grad()
    def targets(self, real: Tensor) -> Targets:
        """The feature maps of true frames [B, 3, S, S], without a graph."""
        return [network(real) for network in self.networks]

    def distance(self, fake: Tensor, targets: Targets) -> Tensor:
        """The loss of fake frames [B, 3, S, S] against the feature maps of the true ones."""
        total = fake.new_zeros(())
        for network, weight, maps in zip(self.networks, self.weights, targets, strict=True):
            total = total + weight * sum_of_l1(network(fake), maps)
        return total


class ShotTargets:
    """The targets of a few frames that are compared again and again: each computed once, and kept
    while there is room.
    """

    def __init__(self, content: ContentLoss, frames: Tensor, room_bytes: int = 2 << 30) -> None:
        """frames: [T, 3, S, S] in [-1, 1]."""
        self._content, self._frames, self._room_bytes = content, frames, room_bytes
        self._kept: dict[int, Targets] = {}

    def of(self, shots: Sequence[int]) -> Targets:
        """The targets of some of the frames, by their numbers."""
        if all(shot in self._kept for shot in shots):
            kept = [self._kept[shot] for shot in shots]
            return [
                [torch.cat(maps) for maps in zip(*networks, strict=True)]
                for networks in zip(*kept, strict=True)
            ]

        targets = self._content.targets(self._frames[list(shots)])
        for position, shot in enumerate(shots):
            self._keep(shot, [[m[position : position + 1] for m in maps] for maps in targets])
        return targets

    def _keep(self, shot: int, targets: Targets) -> None:
        size = sum(m.nbytes for maps in targets for m in maps)
        if shot in self._kept or size > self._room_bytes:
            return
        self._room_bytes -= size
        self._kept[shot] = [[m.clone() for m in maps] for maps in targets]


class Pixels(nn.Module):
    """The frame as its own feature map: L1 between pixels."""

    def forward(self, frames: Tensor) -> list[Tensor]:
        return [frames]


def sum_of_l1(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """The sum over pairs of feature maps of their mean absolute difference."""
    return torch.stack([F.l1_loss(a, b) for a, b in zip(first, second, strict=True)]).sum()
