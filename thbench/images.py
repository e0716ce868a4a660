"""uint8 at every boundary, [-1, 1] inside networks: the only two conversions."""

from __future__ import annotations

import torch
from torch import Tensor


def to_signed(images: Tensor) -> Tensor:
    """uint8 [..., 3, H, W] -> float32 in [-1, 1]."""
    return images.float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """float [..., 3, H, W] in [-1, 1] -> uint8, rounded and clamped, never truncated."""
    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
