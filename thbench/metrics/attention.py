"""What the vision transformers of the set metrics share: their measures and their attention."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Measures:
    """The measures of a vision transformer. image_px: the side that its positions are made for."""

    width: int
    depth: int
    heads: int
    patch_px: int
    image_px: int

    @property
    def side(self) -> int:
        """Patches along one side of an image of `image_px`."""
        return self.image_px // self.patch_px


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Multi-head attention of [B, N, D] each, D split evenly over the heads -> [B, N, D]."""
    batch, _, width = query.shape
    query, key, value = (
        part.reshape(batch, -1, heads, width // heads).transpose(1, 2)
        for part in (query, key, value)
    )
    return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(-2)
