"""Real frames for the audit: videos, or folders of frames, wherever they lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from thbench.data.prepare.clips import read_image
from thbench.data.prepare.source import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from thbench.data.video import read_timeline, read_video
from thbench.errors import ThbenchError
from thbench.method import Frames
from thbench.metrics import detection


def clips_in(paths: Sequence[Path]) -> list[Path]:
    """The videos and folders of frames at or below `paths`, sorted.

    Raises `ThbenchError` where there is none.
    """
    found: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise ThbenchError(f"{path} does not exist")
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        found |= {file for file in files if file.suffix.lower() in VIDEO_SUFFIXES}
        found |= {file.parent for file in files if file.suffix.lower() in IMAGE_SUFFIXES}
    if not found:
        named = ", ".join(map(str, paths))
        raise ThbenchError(f"no video and no picture in {named}: name videos or folders of frames")
    return sorted(found)


def clip_frames(clip: Path, frames: int, size_px: int) -> Frames | None:
    """At most `frames` of a clip, spread over it, square at `size_px`, with detected landmarks.

    Frames in which no face is detected are left out; None where fewer than two are left.
    """
    images = np.stack([_square(image, size_px) for image in _spread(clip, frames)])
    landmarks = detection.landmarks(images)
    seen = np.isfinite(landmarks).all((1, 2))
    if seen.sum() < 2:
        return None
    pixels = torch.from_numpy(images[seen]).permute(0, 3, 1, 2).contiguous()
    return Frames(pixels, torch.from_numpy(landmarks[seen]))


def _spread(clip: Path, frames: int) -> list[NDArray[np.uint8]]:
    if clip.is_file():
        wanted = _positions(len(read_timeline(clip).times_s), frames)
        return list(read_video(clip, wanted)[0])

    files = sorted(file for file in clip.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    images = [read_image(files[position]) for position in _positions(len(files), frames)]
    return [image for image in images if image is not None]


def _positions(n: int, frames: int) -> list[int]:
    return sorted({round(place) for place in np.linspace(0, n - 1, min(n, frames))})


def _square(image: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """The middle square of a picture."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = image[top : top + side, left : left + side]
    how = cv2.INTER_AREA if side > size_px else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(middle, (size_px, size_px), interpolation=how), np.uint8)
