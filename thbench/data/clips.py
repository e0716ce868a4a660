"""The frames of one clip, a video file or a folder of images: which to take, and their pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from thbench.data.landmarks import FrameKey
from thbench.data.layouts import IMAGE_SUFFIXES, Clip, Folder
from thbench.data.video import count_frames, read_video
from thbench.errors import ThbenchError


@dataclass(frozen=True)
class SourceFrame:
    """One frame read from its source: uint8 [H, W, 3] RGB, or None where it cannot be read."""

    name: str
    key: FrameKey
    image: NDArray[np.uint8] | None


class ClipReader:
    """A clip below `root`: its `n_frames`, and its `fps` (None for images, whose rate nobody recorded)."""

    def __init__(self, root: Path, clip: Clip) -> None:
        """Raises `VideoError` when a video cannot be opened or is truncated."""
        self.root, self.clip = root, clip
        self.fps: float | None = None
        if clip.kind == "images":
            self._files = Folder(root, root / clip.path, []).files(IMAGE_SUFFIXES)
            self.n_frames = len(self._files)
        else:
            self.n_frames = count_frames(root / clip.path)
            self.fps = read_video(root / clip.path)[1]

    def read(self, positions: Sequence[int]) -> Iterator[SourceFrame]:
        """The frames at these rising positions. Raises `VideoError` when a video cannot be decoded."""
        if self.clip.kind == "images":
            for position in positions:
                key = FrameKey(f"{self.clip.path}/{self._files[position]}")
                yield SourceFrame(Path(self._files[position]).stem, key, read_image(self.root / key.path))
        else:
            images = read_video(self.root / self.clip.path, frozenset(positions))[0]
            for position in positions:
                # Some packets hold no picture of their own: the last positions then have no image.
                yield SourceFrame(f"{position:06d}", FrameKey(self.clip.path, position), next(images, None))


def sampled_positions(n_frames: int, clip_fps: float | None, fps: float | None,
                      frames_per_clip: int | None) -> list[int]:
    """Which frames of a clip to take: those at `fps` frames per second, then `frames_per_clip` of them, evenly spaced.

    None means all. Positions rise and are distinct. Raises `ThbenchError` for `fps` where the clip has no known rate.
    """
    positions = list(range(n_frames))
    if fps is not None:
        if clip_fps is None:
            raise ThbenchError("--fps needs videos: image files carry no rate; use --frames-per-clip")
        # A frame is taken when it is the first one at or after a tick of the wanted rate.
        positions = [p for p in positions if p == 0 or int(p * fps / clip_fps) != int((p - 1) * fps / clip_fps)]
    if frames_per_clip is None or frames_per_clip >= len(positions):
        return positions
    # The middles of equal parts: never only the first and last moments, which are often fades.
    return [positions[int((part + 0.5) * len(positions) / frames_per_clip)] for part in range(frames_per_clip)]


def read_image(path: Path) -> NDArray[np.uint8] | None:
    """uint8 [H, W, 3] RGB, upright; None when the file is no image, or a damaged or truncated one."""
    # Pillow and not OpenCV, which returns a truncated JPEG half grey without a word.
    try:
        with Image.open(path) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, OverflowError, struct.error, zlib.error,
            Image.DecompressionBombError):
        return None
