"""The losses of the paper: content, adversarial, feature matching, match (eq. 3-6, 9-10 and section
3.4).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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
        total = fake.new_zeros(())
        for network, weight in zip(self.networks, self.weights, strict=True):
            with torch.no_grad():
                targets = network(real)
            total = total + weight * sum_of_l1(network(fake), targets)
        return total


def discriminator_hinge(real_score: Tensor, fake_score: Tensor) -> Tensor:
    """L_DSC (eq. 6 and 10): mean of max(0, 1 - D(real)) + max(0, 1 + D(fake)); scores [B]."""
    return F.relu(1 - real_score).mean() + F.relu(1 + fake_score).mean()


def realism(fake_score: Tensor) -> Tensor:
    """The first term of L_ADV (eq. 4): -D(fake), averaged; scores [B]."""
    return -fake_score.mean()


def feature_matching(fake: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """L_FM: the discriminator's activations after each residual block, L1, summed over blocks; real
    is detached.
    """
    return sum_of_l1(fake, [feature.detach() for feature in real])


def match(embeddings: Tensor, videos: Tensor) -> Tensor:
    """L_MCH: L1 between each of the K embeddings [B, K, N] and its video's row W_i [B, N],
    element-wise (A.4).

    W_i is a target: it is trained by the discriminator's loss (eq. 6) alone, so it is detached
    here.
    """
    return (embeddings - videos.detach()[:, None]).abs().mean()


def sum_of_l1(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """The sum over pairs of feature maps of their mean absolute difference."""
    return torch.stack([F.l1_loss(a, b) for a, b in zip(first, second, strict=True)]).sum()
