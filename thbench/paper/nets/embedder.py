"""The embedder E(x, y): a frame and its landmark image to an N-vector that should not depend on the
pose.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from thbench.paper.nets.blocks import down_blocks, sum_pool
from thbench.paper.nets.config import NetConfig


class Embedder(nn.Module):
    """E of section 3.1: down blocks without normalisation, then ReLU and sum pooling; 14,907,265
    parameters at 256.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.blocks = down_blocks(
            6,
            config.widths(config.down_blocks),
            config.attention_after_down,
            normalised=False,
            relu_before_skip=config.relu_before_skip,
        )

    def forward(self, frames: Tensor, landmark_images: Tensor) -> Tensor:
        """frames and landmark_images [B, 3, S, S] in [-1, 1] -> embeddings [B, N]."""
        x = torch.cat([landmark_images, frames], dim=1)
        for block in self.blocks:
            x = block(x)
        return sum_pool(x)
