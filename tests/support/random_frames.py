"""Frames and a dataset for baseline tests: smooth random pictures with random landmarks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from thbench.data.dataset import Video
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


class RandomDataset:
    """Three training videos of four frames."""

    name, size_px, sha256 = "random", 32, "0" * 64
    videos: Sequence[Video] = [Video(f"person{index}", "video", "train", 4) for index in range(3)]

    def read(self, video: Video, frames: Sequence[int]) -> Frames:
        return random_frames(4, self.size_px, seed=self.videos.index(video))[list(frames)]

    def frame_names(self, video: Video) -> list[str]:
        return [f"clip/{index}" for index in range(video.n_frames)]

    def frame_times_s(self, video: Video) -> None:
        return None
