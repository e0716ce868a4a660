"""A dataset at a smaller size: its own frames and landmarks scaled, nothing detected again."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from thbench.data.dataset import Dataset, Video
from thbench.errors import ThbenchError
from thbench.files import sha256_json
from thbench.method import Frames


class Resized:
    """The `Dataset` protocol over another dataset, every frame averaged down to `size_px`."""

    def __init__(self, dataset: Dataset, size_px: int) -> None:
        """Raises `ThbenchError` unless 16 <= size_px < the size of `dataset`."""
        if not 16 <= size_px < dataset.size_px:
            raise ThbenchError(
                f"{dataset.name} has frames of {dataset.size_px} pixels: choose a --size "
                f"from 16 to {dataset.size_px - 1}"
            )
        self._dataset, self.size_px = dataset, size_px
        self.name, self.pictures = dataset.name, dataset.pictures
        self.videos: Sequence[Video] = dataset.videos
        self.sha256 = sha256_json({"resized": dataset.sha256, "size_px": size_px})

    def read(self, video: Video, frames: Sequence[int]) -> Frames:
        """See `Dataset.read`. The centre of the top-left pixel is (0, 0) at both sizes."""
        large = self._dataset.read(video, frames)
        images = [
            cv2.resize(image, (self.size_px, self.size_px), interpolation=cv2.INTER_AREA)
            for image in large.images.permute(0, 2, 3, 1).numpy()
        ]
        none = np.empty((0, self.size_px, self.size_px, 3), np.uint8)
        small = np.stack(images) if images else none
        pixels = torch.from_numpy(small).permute(0, 3, 1, 2).contiguous()
        pupils = None if large.pupils is None else self._smaller(large.pupils)
        return Frames(pixels, self._smaller(large.landmarks), pupils)

    def _smaller(self, points: torch.Tensor) -> torch.Tensor:
        return (points + 0.5) * (self.size_px / self._dataset.size_px) - 0.5

    def frame_names(self, video: Video) -> list[str]:
        """See `Dataset.frame_names`."""
        return self._dataset.frame_names(video)

    def frame_times_s(self, video: Video) -> list[float] | None:
        """See `Dataset.frame_times_s`."""
        return self._dataset.frame_times_s(video)
