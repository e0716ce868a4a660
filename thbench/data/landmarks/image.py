"""Landmark images y: coloured lines on black, the networks' only view of the driving pose."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thbench.errors import ThbenchError

# (first landmark, last landmark, closed, RGB): the groups of iBUG-68 in fixed colours.
GROUPS: tuple[tuple[int, int, bool, tuple[int, int, int]], ...] = (
    (0, 16, False, (255, 255, 255)),  # jaw
    (17, 21, False, (255, 0, 0)),  # right brow
    (22, 26, False, (0, 255, 0)),  # left brow
    (27, 30, False, (0, 0, 255)),  # nose bridge
    (31, 35, False, (0, 0, 255)),  # nostrils
    (36, 41, True, (255, 0, 255)),  # right eye
    (42, 47, True, (0, 255, 255)),  # left eye
    (48, 59, True, (255, 255, 0)),  # outer lips
    (60, 67, True, (255, 255, 0)),  # inner lips
)


def landmark_images(landmarks: Tensor, size_px: int) -> Tensor:
    """Rasterises landmarks (section 3.1 of the paper): float32 [N, 68, 2] in pixels -> uint8 [N, 3,
    size, size] RGB.

    Lines are not antialiased; coordinates are rounded to the nearest pixel; points outside the
    image are clipped by the drawing, not moved. The thickness is 2 pixels at 256 and scales with
    the size (at least 1). Raises `ThbenchError` when a coordinate is not finite.
    """
    if landmarks.ndim != 3 or landmarks.shape[1:] != (68, 2):
        raise ThbenchError(f"landmarks must be [N, 68, 2], got {list(landmarks.shape)}")
    if not torch.isfinite(landmarks).all():
        raise ThbenchError(
            "landmarks hold a coordinate that is not finite: drop that frame before drawing"
        )
    thickness = max(1, round(2 * size_px / 256))
    points = np.rint(landmarks.detach().cpu().numpy()).astype(np.int32)

    # Lines are drawn once, as colour codes, and then spread over the channels: 3 times as fast as
    # drawing pixels of three values.
    codes = np.zeros((len(points), size_px, size_px), np.uint8)
    for image, face in zip(codes, points, strict=True):
        _draw_codes(image, face, thickness)

    channels = np.empty((len(points), 3, size_px, size_px), np.uint8)
    for channel in range(3):
        np.bitwise_and(codes >> channel, 1, out=channels[:, channel])
    channels *= 255
    return torch.from_numpy(channels)


def _draw_codes(image: NDArray[np.uint8], points: NDArray[np.int32], thickness: int) -> None:
    """One face, int32 [68, 2], as lines of colour codes in uint8 [H, W], in place."""
    for first, last, closed, colour in GROUPS:
        cv2.polylines(
            image, [points[first : last + 1]], closed, _code(colour), thickness, cv2.LINE_8
        )


def _code(colour: tuple[int, int, int]) -> int:
    """A bit a channel, red the lowest: all colours here are 0 or 255 in each."""
    return sum(1 << channel for channel, value in enumerate(colour) if value)


def draw_landmarks(image: NDArray[np.uint8], points: NDArray[np.int32], thickness: int) -> None:
    """Draws one face, int32 [68, 2], into a contiguous uint8 [H, W, 3] RGB image in place."""
    for first, last, closed, colour in GROUPS:
        cv2.polylines(image, [points[first : last + 1]], closed, colour, thickness, cv2.LINE_8)
