"""Square crops of faces, and the landmarks that move with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from thbench.data.landmarks import Face
from thbench.errors import ThbenchError

CropPolicy = Literal["as-is", "per-frame", "per-clip"]
POLICIES: tuple[CropPolicy, ...] = ("as-is", "per-frame", "per-clip")


@dataclass(frozen=True)
class Square:
    """A square of source pixels: columns left .. left + side - 1, rows top .. top + side - 1."""

    left: int
    top: int
    side: int


def crop_squares(policy: CropPolicy, sizes: Sequence[tuple[int, int]], faces: Sequence[Face],
                 margin: float) -> list[Square]:
    """The square to cut from each frame of a clip, given each frame's (height, width) and its face.

    as-is: the frame is a face crop already; its largest centred square. per-frame: `margin` times the extent of the
    frame's own landmarks. per-clip: one square for all frames, from the medians of centre and extent, so that the
    picture does not jitter. Squares are moved into the frame and shrink to its short side: no pixel is made up.
    Raises `ThbenchError` for per-clip when frames of one clip differ in size.
    """
    if policy == "as-is":
        return [Square((width - min(height, width)) // 2, (height - min(height, width)) // 2, min(height, width))
                for height, width in sizes]
    regions = np.array([_region(face) for face in faces]).reshape(-1, 3)
    if policy == "per-clip" and len(regions):
        if len(set(sizes)) > 1:
            raise ThbenchError("frames of one clip differ in size: use the crop policy per-frame or as-is")
        regions[:] = np.median(regions, axis=0)
    return [_square_inside(x, y, margin * extent, *size)
            for (x, y, extent), size in zip(regions, sizes, strict=True)]


def cut(image: NDArray[np.uint8], square: Square, size_px: int) -> NDArray[np.uint8]:
    """The square resized to uint8 [size, size, 3]: area average when shrinking, bicubic when enlarging."""
    part = image[square.top:square.top + square.side, square.left:square.left + square.side]
    if square.side == size_px:
        return np.ascontiguousarray(part)
    method = cv2.INTER_AREA if square.side > size_px else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, (size_px, size_px), interpolation=method))


def moved(points: NDArray[np.float32], square: Square, size_px: int) -> NDArray[np.float32]:
    """Points (x, y) [..., 2] of the source image in the pixels of its cut square."""
    corner = np.array([square.left, square.top])
    return np.asarray((points - corner + 0.5) * (size_px / square.side) - 0.5, np.float32)


def _region(face: Face) -> tuple[float, float, float]:
    """(x, y, extent) of a face: the middle of its landmarks moved up by a sixth of their extent, for the forehead."""
    low, high = face.landmarks.min(0), face.landmarks.max(0)
    extent = float((high - low).max())
    x, y = (low + high) / 2
    return float(x), float(y) - extent / 6, extent


def _square_inside(x: float, y: float, side: float, height: int, width: int) -> Square:
    edge = max(1, min(round(side), height, width))
    left = min(max(round(x + 0.5 - edge / 2), 0), width - edge)
    top = min(max(round(y + 0.5 - edge / 2), 0), height - edge)
    return Square(left, top, edge)
