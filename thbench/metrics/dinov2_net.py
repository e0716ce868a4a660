"""DINOv2's vision transformer (Oquab et al. 2023), in the layout of its authors' checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thbench.metrics.attention import Measures, attend

VIT_L14 = Measures(width=1024, depth=24, heads=16, patch_px=14, image_px=518)
_EPS = 1e-6


class Dinov2(nn.Module):
    """Images [B, 3, S, S], normalised as on ImageNet, S a multiple of 14 -> class token [B, D].

    Weights: `dinov2_vitl14_pretrain.pth` without `mask_token`, which only training uses.
    """

    def __init__(self, measures: Measures = VIT_L14) -> None:
        super().__init__()
        width, self.measures = measures.width, measures
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + measures.side**2, width))
        self.patch_embed = nn.ModuleDict(
            {"proj": nn.Conv2d(3, width, measures.patch_px, measures.patch_px)}
        )
        self.blocks = nn.ModuleList(_Block(width, measures.heads) for _ in range(measures.depth))
        self.norm = nn.LayerNorm(width, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patch_embed["proj"](x)
        positions = self._positions(patches.shape[-1])

        tokens = patches.flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), tokens], 1) + positions
        for block in self.blocks:
            tokens = block(tokens)
        return torch.as_tensor(self.norm(tokens[:, 0]))

    def _positions(self, side: int) -> Tensor:
        """The position embeddings for side x side patches, [1, 1 + side^2, D].

        As the authors do, with their 0.1: it shifts the grid on which the learned positions are
        read, so it is part of the features.
        """
        learned = self.measures.side
        if side == learned:
            return self.pos_embed
        grid = self.pos_embed[:, 1:].reshape(1, learned, learned, -1).permute(0, 3, 1, 2)
        scale = (side + 0.1) / learned
        grid = F.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], grid.flatten(2).transpose(1, 2)], 1)


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=_EPS)
        self.attn = nn.ModuleDict(
            {"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)}
        )
        self.ls1 = _Scale(width)
        self.norm2 = nn.LayerNorm(width, eps=_EPS)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)}
        )
        self.ls2 = _Scale(width)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.attn["qkv"](self.norm1(x)).chunk(3, -1)
        x = x + self.ls1(self.attn["proj"](attend(query, key, value, self.heads)))
        inner = F.gelu(self.mlp["fc1"](self.norm2(x)))
        return torch.as_tensor(x + self.ls2(self.mlp["fc2"](inner)))


class _Scale(nn.Module):
    """A learned factor for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma
