"""uint8 at every boundary, [-1, 1] inside networks: the only two conversions."""

from __future__ import annotations

import torch
from torch import Tensor

from thbench.errors import ThbenchError


def to_signed(images: Tensor) -> Tensor:
    """uint8 [..., 3, H, W] -> float32 in [-1, 1]."""
    return images.float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """float [..., 3, H, W] in [-1, 1] -> uint8, rounded and clamped, never truncated.

    Raises `ThbenchError` where a value is NaN or infinite, which would pass for black or white.
    """
    finite = torch.isfinite(images)

    if not finite.all():
        wrong = images.numel() - int(finite.sum())
        raise ThbenchError(
            f"{wrong} of {images.numel()} values of the rendered frames are not finite (NaN or "
            "infinite): the model is damaged, or its training or fine-tuning diverged"
        )

    return ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
