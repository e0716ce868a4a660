"""Short real clips written anew in many forms, for tests of what other programs leave on disk."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from thbench.data.video import read_video, write_video

SAMPLES = Path(__file__).parents[2] / ".." / "shared" / "data" / "vox2-sample" / "mp4"
NAMES = (
    "id90001/clip00000000/00001",
    "id90002/clip00000000/00001",
    "id90003/clip00000000/00001",
    "id90003/clip00000001/00001",
    "id90003/clip00000002/00001",
)


def real_clip(name: str, frames: int) -> torch.Tensor:
    """The first frames of a real clip, uint8 [N, 3, 224, 224]; skips the test without samples."""
    file = SAMPLES / f"{name}.mp4"
    if not file.exists():
        pytest.skip("the real sample clips are not here")
    images = list(read_video(file, frozenset(range(frames)))[0])
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def write_pngs(folder: Path, frames: torch.Tensor) -> None:
    """uint8 [N, 3, H, W] as 0000.png, 0001.png, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(frames.permute(0, 2, 3, 1).numpy()):
        cv2.imwrite(str(folder / f"{index:04d}.png"), image[..., ::-1])


def write_mp4(file: Path, frames: torch.Tensor, fps: float = 25.0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_video(file, frames, fps)
