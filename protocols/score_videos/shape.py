"""One shape for both sides: the part that is kept, the square that is cut, the size that is scored.

Both sides are cut by the same square of the true frame, so that framing decides nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thbench.data.clip_files import Image, Keep
from thbench.data.landmarks.detector import Face
from thbench.data.prepare.crop import Square, crop_squares, cut, moved
from thbench.errors import ThbenchError
from thbench.method import Frames

Crop = Literal["none", "shared"]
MARGIN = 2.0  # side of a shared crop in extents of the landmarks, as everywhere here

_SAME_ASPECT = 0.01  # codecs round sizes to even numbers


@dataclass(frozen=True)
class Shape:
    """How frames become the squares that are scored."""

    crop: Crop
    size_px: int

    def squares(
        self, sizes: Sequence[tuple[int, int]], landmarks: Sequence[NDArray[np.float32]]
    ) -> list[Square]:
        """The square of each true frame: the largest centred one, or around its face.

        sizes: (height, width) of each.
        """
        faces = [Face(np.zeros(4, np.float32), points) for points in landmarks]
        return crop_squares("as-is" if self.crop == "none" else "per-frame", sizes, faces, MARGIN)

    def true_frames(
        self,
        images: Sequence[Image],
        squares: Sequence[Square],
        landmarks: Sequence[NDArray[np.float32]],
    ) -> Frames:
        """True frames and their landmarks, cut and resized."""
        points = [
            moved(own, square, self.size_px) for own, square in zip(landmarks, squares, strict=True)
        ]
        cuts = [
            cut(image, square, self.size_px) for image, square in zip(images, squares, strict=True)
        ]
        return Frames(_stacked(cuts), torch.from_numpy(np.stack(points)))

    def answering_frame(
        self, image: Image, square: Square, size: tuple[int, int], keep: Keep, where: Path
    ) -> Image:
        """A frame of a result, cut as the true frame of `size` (height, width) is.

        Raises `ThbenchError` where its shape is not that of the true frame.
        """
        image = keep.cut(image)
        height, width = size
        aspect = (image.shape[1] / image.shape[0]) / (width / height)
        if abs(aspect - 1) > _SAME_ASPECT:
            raise ThbenchError(_other_shape(image, size, aspect, where))

        if image.shape[:2] == size:
            return cut(image, square, self.size_px)
        if square.side == height == width:  # the whole frame: resized once, not twice
            return _resized(image, (self.size_px, self.size_px))
        return cut(_resized(image, size), square, self.size_px)

    def answering_frames(
        self,
        images: Sequence[Image],
        squares: Sequence[Square],
        sizes: Sequence[tuple[int, int]],
        keep: Keep,
        where: Path,
    ) -> Tensor:
        """uint8 [N, 3, S, S]; see `answering_frame`."""
        return _stacked(
            [
                self.answering_frame(image, square, size, keep, where)
                for image, square, size in zip(images, squares, sizes, strict=True)
            ]
        )


def _other_shape(image: Image, size: tuple[int, int], aspect: float, where: Path) -> str:
    shapes = (
        f"{where} has frames of {image.shape[1]}x{image.shape[0]} pixels, the true ones have "
        f"{size[1]}x{size[0]}"
    )
    columns = round(aspect)
    if columns > 1 and abs(aspect / columns - 1) <= _SAME_ASPECT:
        part = "left-half or --keep right-half" if columns == 2 else f"K/{columns}"
        return f"{shapes}: {columns} pictures side by side? Say which is meant: --keep {part}"
    return f"{shapes}: another shape, which is not stretched to fit; make them again, or --keep"


def _resized(image: Image, size: tuple[int, int]) -> Image:
    height, width = size
    smaller = image.shape[0] >= height
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)


def _stacked(images: Sequence[Image]) -> Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
