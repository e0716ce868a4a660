"""CLIP's image encoder (Radford et al. 2021), in the layout of its checkpoints on Hugging Face."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from thbench.metrics.attention import Measures, attend

VIT_L14_336 = Measures(width=1024, depth=24, heads=16, patch_px=14, image_px=336)
EMBEDDING = 768


class ClipImageEncoder(nn.Module):
    """Images [B, 3, S, S], normalised as CLIP's, of the side of the measures -> [B, E], not of
    length 1.

    Weights: the entries `vision_model.*` and `visual_projection.weight` of `pytorch_model.bin`.
    """

    def __init__(self, measures: Measures = VIT_L14_336, embedding: int = EMBEDDING) -> None:
        super().__init__()
        self.vision_model = _VisionModel(measures)
        self.visual_projection = nn.Linear(measures.width, embedding, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.visual_projection(self.vision_model(x)))


class _VisionModel(nn.Module):
    def __init__(self, measures: Measures) -> None:
        super().__init__()
        width = measures.width
        self.embeddings = _Embeddings(measures)
        self.pre_layrnorm = nn.LayerNorm(width)  # as the checkpoint spells it
        layers = nn.ModuleList(_Layer(width, measures.heads) for _ in range(measures.depth))
        self.encoder = nn.ModuleDict({"layers": layers})
        self.post_layernorm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.pre_layrnorm(self.embeddings(x))
        for layer in self.encoder["layers"]:  # type: ignore[attr-defined]
            tokens = layer(tokens)
        return torch.as_tensor(self.post_layernorm(tokens[:, 0]))


class _Embeddings(nn.Module):
    def __init__(self, measures: Measures) -> None:
        super().__init__()
        width, patch_px = measures.width, measures.patch_px
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.patch_embedding = nn.Conv2d(3, width, patch_px, patch_px, bias=False)
        self.position_embedding = nn.Embedding(1 + measures.side**2, width)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patch_embedding(x).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(x), 1, -1)
        return torch.cat([first, patches], 1) + self.position_embedding.weight


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.self_attn = nn.ModuleDict(
            {f"{name}_proj": nn.Linear(width, width) for name in ("k", "v", "q", "out")}
        )
        self.layer_norm1 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)}
        )
        self.layer_norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        normal = self.layer_norm1(x)
        query, key, value = (self.self_attn[f"{name}_proj"](normal) for name in ("q", "k", "v"))
        x = x + self.self_attn["out_proj"](attend(query, key, value, self.heads))

        inner = self.mlp["fc1"](self.layer_norm2(x))
        inner = inner * torch.sigmoid(1.702 * inner)  # CLIP's approximation of GELU
        return torch.as_tensor(x + self.mlp["fc2"](inner))
