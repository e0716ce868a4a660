"""What paints the atlas: filled polygons, lines, blending, OpenCV's fixed-point numbers."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from thbench.data.synthetic.bumps import Array
from thbench.data.synthetic.grid import face_atlas
from thbench.data.synthetic.head import Head
from thbench.data.synthetic.person import Colour

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
_SHIFT = 4  # OpenCV draws with 1/16 pixel


def fill(image: Image, points: Floats, colour: Colour) -> None:
    """Fills the polygon through points [n, 2] in pixels."""
    cv2.fillPoly(image, [_fixed(points)], colour.tolist(), cv2.LINE_AA, _SHIFT)


def line(image: Image, points: Floats, colour: Sequence[float], width_px: float) -> None:
    """A line of any width, one thinner than a pixel fading into what is below."""
    if width_px >= 1:
        _draw_line(image, points, colour, round(width_px))
        return

    part, corner = patch(image, points)
    drawn = part.copy()
    _draw_line(drawn, points - corner, colour, 1)
    cv2.addWeighted(drawn, width_px, part, 1 - width_px, 0, dst=drawn)
    part[:] = drawn


def disc(image: Image, centre: Floats, radius_px: float, colour: Sequence[float]) -> None:
    """A filled circle around centre [2] in pixels."""
    x, y = _fixed(centre).tolist()
    cv2.circle(image, (x, y), round(radius_px * 16), colour, -1, cv2.LINE_AA, _SHIFT)


def patch(image: Image, points: Floats) -> tuple[Image, Floats]:
    """The part of an image around points [n, 2], as a view, and its corner [2]."""
    low = np.maximum(points.min(0) - 2, 0).astype(int)
    high = points.max(0).astype(int) + 3
    return image[low[1] : high[1], low[0] : high[0]], low.astype(np.float32)


def mask_of(part: Image, outline: Floats) -> Image:
    """255 inside the outline [n, 2], 0 outside: [rows, columns] of `part`."""
    mask = np.zeros(part.shape[:2], np.uint8)
    cv2.fillPoly(mask, [_fixed(outline)], 255, cv2.LINE_AA, _SHIFT)
    return mask


def blend(part: Image, layer: Image, mask: Image) -> None:
    """Paints the layer over `part`, in place, where the mask is 255."""
    weight = mask[..., None] / np.float32(255)
    mixed = part + (layer - part.astype(np.float32)) * weight
    part[:] = (mixed + np.float32(0.5)).astype(np.uint8)


def darken_along(layer: Image, points: Floats, strength: int, width_px: int) -> None:
    """Multiplies the layer, in place, by a soft dark line of 0..255 strength."""
    shade = np.zeros(layer.shape[:2], np.uint8)
    cv2.polylines(shade, [_fixed(points)], False, strength, width_px, cv2.LINE_AA, _SHIFT)
    cv2.multiply(layer, cv2.cvtColor(255 - shade, cv2.COLOR_GRAY2BGR), layer, 1 / 255)


def mix(base: Floats, colour: Colour, weight: Array) -> Floats:
    """Colours [..., 3] moved towards another by a weight [...] of 0..1."""
    return np.asarray(base + (colour - base) * weight[..., None], np.float32)


def on_face(head: Head, points: Floats, units: int) -> Floats:
    """Frontal points [n, 2] to atlas pixels."""
    return face_atlas(head.angle(points[:, 0], points[:, 1]), points[:, 1]) * units - 0.5


def ellipse(x: float, y: float, width: float, height: float) -> Floats:
    """Twelve points of an ellipse with these half axes."""
    turn = np.linspace(0, 2 * np.pi, 13)[:-1]
    return np.stack([x + width * np.cos(turn), y + height * np.sin(turn)], 1).astype(np.float32)


def _draw_line(image: Image, points: Floats, colour: Sequence[float], width_px: int) -> None:
    cv2.polylines(image, [_fixed(points)], False, colour, width_px, cv2.LINE_AA, _SHIFT)


def _fixed(points: Floats) -> NDArray[np.int32]:
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)
