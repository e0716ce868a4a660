"""Square crops of faces, and the landmarks that move with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from thbench.data.landmarks.detector import Face
from thbench.errors import ThbenchError

CropPolicy = Literal["as-is", "per-frame", "per-clip"]
POLICIES: tuple[CropPolicy, ...] = ("as-is", "per-frame", "per-clip")
_HEAD = 1.5  # side of a square that holds a whole head, in extents of its landmarks
_REACH = 3.0  # faces belong to a clip up to so many times as far out as three quarters of them


@dataclass(frozen=True)
class Square:
    """A square of source pixels: columns left .. left + side - 1, rows top .. top + side - 1."""

    left: int
    top: int
    side: int


def crop_squares(
    policy: CropPolicy, sizes: Sequence[tuple[int, int]], faces: Sequence[Face], margin: float
) -> list[Square]:
    """The square to cut from each frame of a clip, given each frame's (height, width) and its face.

    as-is: the frame is a face crop already; its largest centred square. per-frame: `margin` times
    the extent of the frame's own landmarks. per-clip: one square for all frames, wide enough for
    the head wherever it is (see `_steady_square`), so that the picture neither jitters nor drifts
    and the head moves in it as it did. A square that followed the face would move the background
    instead, and has nothing to follow where few frames of a second are taken.

    Squares are moved into the frame and shrink to its short side: no pixel is made up. Raises
    `ThbenchError` for per-clip when frames of one clip differ in size.
    """
    if policy == "as-is":
        return [_largest_square(height, width) for height, width in sizes]

    regions = np.array([_region(face) for face in faces]).reshape(-1, 3)
    if policy == "per-clip" and len(regions):
        if len(set(sizes)) > 1:
            raise ThbenchError(
                "frames of one clip differ in size: use the crop policy per-frame or as-is"
            )
        x, y, side = _steady_square(regions, margin)
        return [_square_inside(x, y, side, *sizes[0])] * len(regions)

    return [
        _square_inside(x, y, margin * extent, *size)
        for (x, y, extent), size in zip(regions, sizes, strict=True)
    ]


def share_outside(landmarks: NDArray[np.float32], size_px: int) -> float:
    """The share of a frame's landmarks (x, y) [68, 2] that lie outside its `size_px` pixels."""
    return float((pixels_outside(landmarks, size_px) > 0).mean())


def pixels_outside(landmarks: NDArray[np.float32], size_px: int) -> NDArray[np.float32]:
    """How far each landmark (x, y) [..., 2] lies beyond the edge of its frame, 0 inside: [...]."""
    edge = size_px - 0.5  # pixel centres are at whole numbers
    return np.asarray(np.maximum(np.maximum(-0.5 - landmarks, landmarks - edge), 0).max(axis=-1))


def cut(image: NDArray[np.uint8], square: Square, size_px: int) -> NDArray[np.uint8]:
    """The square resized to uint8 [size, size, 3]: area average down, bicubic up."""
    part = image[square.top : square.top + square.side, square.left : square.left + square.side]
    if square.side == size_px:
        return np.ascontiguousarray(part)
    method = cv2.INTER_AREA if square.side > size_px else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, (size_px, size_px), interpolation=method))


def moved(points: NDArray[np.float32], square: Square, size_px: int) -> NDArray[np.float32]:
    """Points (x, y) [..., 2] of the source image in the pixels of its cut square."""
    corner = np.array([square.left, square.top])
    return np.asarray((points - corner + 0.5) * (size_px / square.side) - 0.5, np.float32)


def _largest_square(height: int, width: int) -> Square:
    side = min(height, width)
    return Square((width - side) // 2, (height - side) // 2, side)


def _region(face: Face) -> tuple[float, float, float]:
    """(x, y, extent) of a face; y is moved up by a sixth of the extent, for the forehead."""
    low, high = face.landmarks.min(0), face.landmarks.max(0)
    extent = float((high - low).max())
    x, y = (low + high) / 2
    return float(x), float(y) - extent / 6, extent


def _steady_square(regions: NDArray[np.float64], margin: float) -> tuple[float, float, float]:
    """(x, y, side) of one square for the regions (x, y, extent) [N, 3] of a clip.

    It has `margin` times the median extent around the median centre. Where a head leaves that, it
    is moved, then enlarged, until it holds the heads of all frames. A face far from where the
    others are is somebody else's, or none, and does not count.
    """
    x, y, extent = np.median(regions, axis=0)
    side = margin * extent

    distance = np.hypot(regions[:, 0] - x, regions[:, 1] - y)
    near = distance <= max(_REACH * float(np.percentile(distance, 75)), extent)
    half_heads = regions[near, 2] * min(margin, _HEAD) / 2

    low = (regions[near, :2] - half_heads[:, None]).min(axis=0)
    high = (regions[near, :2] + half_heads[:, None]).max(axis=0)
    side = max(side, *(high - low))
    x, y = np.clip((x, y), high - side / 2, low + side / 2)
    return float(x), float(y), float(side)


def _square_inside(x: float, y: float, side: float, height: int, width: int) -> Square:
    edge = max(1, min(round(side), height, width))
    left = min(max(round(x + 0.5 - edge / 2), 0), width - edge)
    top = min(max(round(y + 0.5 - edge / 2), 0), height - edge)
    return Square(left, top, edge)
