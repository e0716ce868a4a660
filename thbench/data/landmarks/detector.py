"""A face, its iBUG-68 landmarks, and what finds them in real images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

# dlib's detector needs a face of about 80 pixels; the networks gain nothing above this and cost by
# the pixel.
SHORT_SIDE_PX, LONG_SIDE_PX = 256, 1024


@dataclass(frozen=True)
class Face:
    """A face in an image. box: float32 [4], left, top, right, bottom; landmarks: float32 [68, 2],
    (x, y); pupils: float32 [2, 2] as in `Frames`, None where its source knows none.

    All in pixels of the image that was given, the centre of its top-left pixel is (0, 0).
    """

    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    pupils: NDArray[np.float32] | None = None

    @property
    def area_px(self) -> float:
        left, top, right, bottom = (float(edge) for edge in self.box)
        return (right - left) * (bottom - top)


@dataclass(frozen=True)
class FrameKey:
    """A frame's image or video, as a path below the source folder, and its position in it."""

    path: str
    position: int = 0


class LandmarkDetector(Protocol):
    """Finds faces. `source` is recorded with every frame, `provenance` (files, sha256, settings)
    with the dataset.
    """

    @property
    def source(self) -> str: ...

    @property
    def provenance(self) -> Mapping[str, Any]: ...

    def detect(self, images: Sequence[Image], keys: Sequence[FrameKey]) -> list[list[Face]]:
        """All faces of each uint8 [H, W, 3] RGB image, the largest first. Deterministic."""
        ...


def detection_scale(height_px: int, width_px: int) -> float:
    """How much to resize an image before detection: short side >= 256, long side <= 1024."""
    enlarge = max(1.0, SHORT_SIDE_PX / min(height_px, width_px))
    return min(enlarge, LONG_SIDE_PX / max(height_px, width_px))


def scaled(image: Image, scale: float) -> Image:
    """Resizes by one factor: bicubic up, area average down."""
    if scale == 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(
        cv2.resize(image, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    )


def unscaled(points: NDArray[np.float32], small: Image, image: Image) -> NDArray[np.float32]:
    """Points (x, y) [..., 2] of the resized image `small` in the pixels of `image`."""
    ratio = np.array([image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]])
    return np.asarray((points + 0.5) * ratio - 0.5, np.float32)


def largest_first(faces: list[Face]) -> list[Face]:
    """Faces by falling area, ties by position: the detector's own order does not count."""
    return sorted(faces, key=lambda face: (-face.area_px, *face.box.tolist()))
