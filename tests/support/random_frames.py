"""Smooth random pictures with random landmarks."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from thbench.method import Frames


def random_frames(n: int, size_px: int = 64, seed: int = 0) -> Frames:
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 6, 6, generator=random) * 255
    images = (
        F.interpolate(coarse, size=(size_px, size_px), mode="bicubic")
        .round()
        .clamp(0, 255)
        .to(torch.uint8)
    )
    return Frames(images, torch.rand(n, 68, 2, generator=random) * (size_px - 1))
