"""Landmark images y: coloured lines on black, the networks' only view of the driving pose."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thbench.errors import ThbenchError
from thbench.method import Frames

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
_WHITE = 255.0  # of pupils, which no eye's outline is

_NO_PUPILS = (
    "the model draws pupils into its landmark images, and these frames have none (dlib and "
    "face-alignment find 68 landmarks and no pupil): import landmarks of 70 points or of OpenFace "
    "with --landmarks import:DIR, or take a model that was trained without net.pupils"
)


def drawn(frames: Frames, with_pupils: bool) -> Tensor:
    """The landmark images of frames, uint8 [N, 3, size, size]; see `landmark_images`.

    Raises `ThbenchError` where pupils are to be drawn and the frames have none.
    """
    if not with_pupils:
        return landmark_images(frames.landmarks, frames.size_px)
    if frames.pupils is None:
        raise ThbenchError(_NO_PUPILS)
    return landmark_images(frames.landmarks, frames.size_px, frames.pupils)


def landmark_images(landmarks: Tensor, size_px: int, pupils: Tensor | None = None) -> Tensor:
    """Rasterises landmarks (section 3.1 of the paper): float32 [N, 68, 2] in pixels -> uint8 [N, 3,
    size, size] RGB.

    Lines are not antialiased; coordinates are rounded to the nearest pixel; points outside the
    image are clipped by the drawing, not moved. The thickness is 2 pixels at 256 and scales with
    the size (at least 1). Raises `ThbenchError` when a coordinate is not finite.

    pupils: float32 [N, 2, 2], drawn over the lines as white discs where they are finite. The paper
    has none. Their radius is 4 pixels at 256 (at least 1), and they are antialiased: at 64 pixels
    a gaze moves them by less than two.
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

    if pupils is not None:
        for image, eyes in zip(channels, pupils.detach().cpu().numpy(), strict=True):
            for x, y in eyes[np.isfinite(eyes).all(axis=1)]:
                _draw_disc(image, float(x), float(y), max(1.0, 4 * size_px / 256))
    return torch.from_numpy(channels)


def _draw_disc(image: NDArray[np.uint8], x: float, y: float, radius_px: float) -> None:
    """A white disc in uint8 [3, H, W], in place; a pixel is covered by its distance to the rim."""
    height, width = image.shape[1:]
    left, top = max(0, int(x - radius_px)), max(0, int(y - radius_px))
    right, bottom = min(width, int(x + radius_px) + 2), min(height, int(y + radius_px) + 2)
    if left >= right or top >= bottom:
        return

    rows, columns = np.mgrid[top:bottom, left:right]
    cover = np.clip(radius_px + 0.5 - np.hypot(columns - x, rows - y), 0, 1)
    part = image[:, top:bottom, left:right]
    part[:] = np.rint(part + cover * (_WHITE - part)).astype(np.uint8)


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
