"""The projection discriminator D(x, y, i) = V(x, y)^T (W_i + w0) + b."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from thbench.paper.nets.blocks import FlatBlock, SelfAttention, down_blocks, linear, sum_pool
from thbench.paper.nets.config import NetConfig


class Judgement(NamedTuple):
    """What the discriminator says of frames.

    score: realism r, [B].
    features: the activations after each residual block, for the feature-matching loss.
    """

    score: Tensor
    features: list[Tensor]


class Discriminator(nn.Module):
    """D of eq. 5: the convolutional part V, w0 and b; W is a module of its own, `VideoEmbeddings`.

    V has 19,626,881 parameters at 256 pixels.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        widths = config.widths(config.down_blocks)

        self.blocks = down_blocks(
            6,  # channels: the landmark image's and the frame's
            widths,
            config.attention_after_down,
            normalised=False,
            relu_before_skip=config.relu_before_skip,
        )
        self.blocks.append(FlatBlock(widths[-1], config.relu_before_skip))

        self.general = linear(config.embedding, 1)  # w0 and b

    def forward(self, frames: Tensor, landmark_images: Tensor, rows: Tensor) -> Judgement:
        """Eq. 5: frames, landmark_images [B, 3, S, S] in [-1, 1].

        rows [B, N]: W_i of each sample's video.
        """
        vector, features = self.describe(frames, landmark_images)
        of_video = (vector * rows).sum(dim=1)
        return Judgement(of_video + self.general(vector)[:, 0], features)

    def describe(self, frames: Tensor, landmark_images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """V(x, y) [B, N] and the activations after each residual block."""
        x = torch.cat([landmark_images, frames], dim=1)
        features = []
        for block in self.blocks:
            x = block(x)
            if not isinstance(block, SelfAttention):
                features.append(x)
        return sum_pool(x), features


class PersonDiscriminator(nn.Module):
    """D' of eq. 8 for one new person: V(x, y)^T w' + b, with w' = w0 + e_NEW a free parameter.

    w' is not spectrally normalised again: that would give a 1 x N matrix length 1 for any e_NEW.
    """

    def __init__(self, discriminator: Discriminator, person: Tensor) -> None:
        """discriminator: its V goes on being trained, in place.

        person [N]: what takes the place of W_i, in the paper e_NEW.
        """
        super().__init__()
        self.discriminator = discriminator
        self.w = nn.Parameter(discriminator.general.weight[0].detach() + person)
        self.b = nn.Parameter(discriminator.general.bias.detach().clone())
        discriminator.general.requires_grad_(False)

    def forward(self, frames: Tensor, landmark_images: Tensor) -> Judgement:
        """frames, landmark_images [B, 3, S, S] in [-1, 1]."""
        vector, features = self.discriminator.describe(frames, landmark_images)
        return Judgement(vector @ self.w + self.b, features)


class VideoEmbeddings(nn.Module):
    """W: one row W_i for each training video of this process.

    The gradients are sparse, so that a step costs the same however many videos there are.
    """

    def __init__(self, videos: Sequence[int], embedding: int) -> None:
        """videos: their numbers, ascending; they come with the batches."""
        super().__init__()
        self.table = nn.Embedding(len(videos), embedding, sparse=True)
        nn.init.uniform_(self.table.weight, -0.1, 0.1)

        # Which rows `start_at` has set.
        self.seen: Tensor
        self.register_buffer("seen", torch.zeros(len(videos), dtype=torch.bool))

        # A video of another process has no row: -1, which no table takes.
        row_of = torch.full((max(videos) + 1,), -1)
        row_of[torch.tensor(videos)] = torch.arange(len(videos))
        self.row_of: Tensor
        self.register_buffer("row_of", row_of, persistent=False)

    def forward(self, videos: Tensor) -> Tensor:
        """videos int64 [B] -> W_i [B, N]."""
        rows: Tensor = self.table(self.row_of[videos])
        return rows

    @torch.no_grad()
    def start_at(self, videos: Tensor, embeddings: Tensor) -> None:
        """Sets the rows of videos int64 [B] that are new here to their embeddings [B, N]."""
        rows = self.row_of[videos]
        new = ~self.seen[rows]
        self.table.weight[rows[new]] = embeddings[new].to(self.table.weight.dtype)
        self.seen[rows] = True
