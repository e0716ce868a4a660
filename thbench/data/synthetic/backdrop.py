"""The blurred background of a video."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from thbench.data.synthetic.scene import CLOTHES, Scene

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]
_SHIFT = 4  # OpenCV draws with 1/16 pixel

# fmt: off
_WALLS = np.array([
    (206, 204, 200), (178, 188, 196), (222, 214, 200), (148, 158, 164), (104, 116, 128),
    (62, 68, 78), (36, 40, 48), (150, 122, 100), (120, 134, 110), (172, 140, 140), (90, 110, 150),
    (226, 228, 232), (56, 84, 84),
], np.float32)
# fmt: on


def paint_backdrop(scene: Scene, size: int) -> Image:
    """The blurred background, uint8 [size, size, 3]; the same picture at every size."""
    rng = np.random.default_rng(scene.seed)
    y, x = (np.mgrid[0:size, 0:size].astype(np.float32) + 0.5) / size
    wall = _WALLS[rng.integers(len(_WALLS))]
    other = _WALLS[rng.integers(len(_WALLS))]

    angle = rng.uniform(0, 2 * np.pi)
    slope = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    image = wall * (1 + 0.28 * slope)[..., None]
    if scene.backdrop == "studio":
        glow = np.exp(-((x - rng.uniform(0.3, 0.7)) ** 2 + (y - 0.5) ** 2) / 0.15)
        image = wall * (0.55 + 0.6 * glow)[..., None]
    image = np.clip(image, 0, 255).astype(np.uint8)

    if scene.backdrop in _SHAPES:
        _SHAPES[scene.backdrop](rng, image, size, other)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), size * rng.uniform(0.008, 0.03)), np.uint8)


def _pictures(rng: np.random.Generator, image: Image, size: int, other: Floats) -> None:
    for _ in range(rng.integers(0, 3)):
        left, top = rng.uniform(-0.1, 0.9), rng.uniform(-0.1, 0.5)
        wide, high = rng.uniform(0.12, 0.3, 2)
        right, bottom, frame = left + wide, top + high, 0.015
        _box(image, size, left, top, right, bottom, other * 0.5)

        picture = rng.uniform(40, 230, 3).astype(np.float32)
        _box(image, size, left + frame, top + frame, right - frame, bottom - frame, picture)


def _corner(rng: np.random.Generator, image: Image, size: int, other: Floats) -> None:
    edge, lean = rng.uniform(0.1, 0.9), rng.uniform(-0.08, 0.08)
    points = np.array([(edge, -0.1), (1.2, -0.1), (1.2, 1.1), (edge + lean, 1.1)])
    _fill(image, points, size, other)


def _window(rng: np.random.Generator, image: Image, size: int, other: Floats) -> None:
    left, top = rng.uniform(-0.1, 0.6), rng.uniform(-0.2, 0.15)
    for column in range(2):
        for row in range(3):
            x, y = left + column * 0.24, top + row * 0.22
            sky = np.array([225, 236, 246]) * rng.uniform(0.88, 1.02)
            _box(image, size, x, y, x + 0.22, y + 0.20, sky)


def _lamps(rng: np.random.Generator, image: Image, size: int, other: Floats) -> None:
    image[:] = (image * 0.45).astype(np.uint8)
    for _ in range(rng.integers(8, 20)):
        x, y, radius = rng.uniform(0, 1), rng.uniform(0, 0.9), rng.uniform(0.02, 0.065)
        glow = np.array([255, 200, 120]) * rng.uniform(0.5, 1.0) * rng.uniform(0.7, 1.3, 3)
        colour = np.clip(glow, 0, 255).tolist()
        centre = (round(x * size * 16), round(y * size * 16))
        cv2.circle(image, centre, round(radius * size * 16), colour, -1, cv2.LINE_AA, _SHIFT)


def _shelf(rng: np.random.Generator, image: Image, size: int, other: Floats) -> None:
    top = rng.uniform(-0.1, 0.05)
    for row in range(4):
        y = top + row * 0.3
        board = y + 0.26
        _box(image, size, -0.1, board, 1.1, y + 0.30, other * 0.6)

        x = rng.uniform(-0.1, 0.1)
        while x < 1:
            wide = rng.uniform(0.025, 0.07)
            if rng.random() < 0.85:
                book_top = y + rng.uniform(0.02, 0.1)
                cover = CLOTHES[rng.integers(len(CLOTHES))] * rng.uniform(0.5, 0.9)
                _box(image, size, x, book_top, x + wide, board, cover)
            x += wide


_SHAPES = {
    "wall": _pictures,
    "corner": _corner,
    "window": _window,
    "lamps": _lamps,
    "shelf": _shelf,
}


def _box(
    image: Image,
    size: int,
    left: float,
    top: float,
    right: float,
    bottom: float,
    colour: NDArray[np.floating],
) -> None:
    points = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    _fill(image, points, size, np.clip(colour, 0, 255))


def _fill(
    image: Image, points: NDArray[np.float64], size: int, colour: NDArray[np.floating]
) -> None:
    """Fills the polygon through points [n, 2], in shares of the picture."""
    fixed = np.rint(points * size * 16).astype(np.int32)
    cv2.fillPoly(image, [fixed], colour.tolist(), cv2.LINE_AA, _SHIFT)
