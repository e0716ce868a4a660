"""The losses of the paper beside content: adversarial, feature matching, match (eq. 4-6, 9-10)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from thbench.perceptual.content import sum_of_l1


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
