"""Defects of pictures: what can be done to any frames, whatever they show.

Each takes the frames of one video in time order, uint8 [N, 3, S, S], and a strength, and is
deterministic.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Pixels = NDArray[np.uint8]  # [N, S, S, 3]


@dataclass(frozen=True)
class Defect:
    """A defect of pictures. strengths rise; unit says what they count."""

    name: str
    label: str
    unit: str
    strengths: tuple[float, ...]
    apply: Callable[[Pixels, float], Pixels]

    def __call__(self, images: Tensor, strength: float) -> Tensor:
        """The frames with the defect: uint8 [N, 3, S, S] -> the same shape."""
        pixels = images.permute(0, 2, 3, 1).contiguous().numpy()
        return torch.from_numpy(self.apply(pixels, strength)).permute(0, 3, 1, 2).contiguous()


def blur(pixels: Pixels, sigma_px: float) -> Pixels:
    """Gaussian blur."""
    return np.stack([cv2.GaussianBlur(image, (0, 0), sigma_px) for image in pixels])


def shift(pixels: Pixels, by_px: float) -> Pixels:
    """Moves the picture to the right; its left edge is repeated."""
    by = int(by_px)
    edge = np.repeat(pixels[:, :, :1], by, axis=2)
    return np.concatenate([edge, pixels[:, :, :-by]], axis=2)


def crop(pixels: Pixels, percent: float) -> Pixels:
    """Cuts a margin off, `percent` of the size in all, and enlarges the rest."""
    size = pixels.shape[1]
    margin = size * percent / 200
    scale = size / (size - 2 * margin)
    # The centre of a pixel lies at its whole number: corners map to corners.
    offset = 0.5 * scale - 0.5 - margin * scale
    matrix = np.array([[scale, 0, offset], [0, scale, offset]])
    moved = [
        cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
        for image in pixels
    ]
    return np.asarray(np.stack(moved), np.uint8)


def brightness(pixels: Pixels, percent: float) -> Pixels:
    """Makes every frame lighter by a factor."""
    return _scaled(pixels, np.full(len(pixels), 1 + percent / 100))


def flicker(pixels: Pixels, percent: float) -> Pixels:
    """Makes frames lighter and darker by turns: the mean stays."""
    signs = np.where(np.arange(len(pixels)) % 2, -1.0, 1.0)
    return _scaled(pixels, 1 + signs * percent / 100)


def h264(pixels: Pixels, rate_factor: float) -> Pixels:
    """Encodes the frames as H.264 (x264, constant rate factor, 4:2:0) and decodes them."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(25))
        stream.height, stream.width = pixels.shape[1:3]
        stream.pix_fmt = "yuv420p"
        # One thread and no macroblock tree: the same bytes every time.
        stream.options = {
            "crf": f"{rate_factor:g}",
            "preset": "medium",
            "x264-params": "mbtree=0:threads=1",
        }
        for image in pixels:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    file.seek(0)
    with av.open(file, "r") as source:
        decoded = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]
    return np.asarray(np.stack(decoded), np.uint8)


def _scaled(pixels: Pixels, factors: NDArray[np.float64]) -> Pixels:
    scaled = pixels * factors[:, None, None, None]
    return np.asarray(np.clip(np.rint(scaled), 0, 255), np.uint8)


PICTURE_DEFECTS = (
    Defect("blur", "Blur", "px, sigma", (0.5, 1, 2, 4), blur),
    Defect("h264", "H.264", "rate factor", (18, 28, 38, 48), h264),
    Defect("shift", "Shift", "px", (1, 2, 4), shift),
    Defect("crop", "Crop", "% of the size", (2, 5, 10), crop),
    Defect("brightness", "Brightness", "%", (2, 5, 10, 20), brightness),
    Defect("flicker", "Flicker", "%, alternating", (2, 5, 10, 20), flicker),
)
