"""The clothes of a video, painted flat: collar at the top, front at the centre."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from thbench.data.synthetic.person import Colour
from thbench.data.synthetic.scene import Scene

Points = Sequence[tuple[float, float]]
_SHIFT = 4  # OpenCV draws with 1/16 pixel
_WHITE, _GREY = np.array([236, 236, 234], np.float32), np.array([190, 190, 190], np.float32)


def paint_clothes(
    scene: Scene, skin: Colour, patch: NDArray[np.uint8], units: int, neck: float
) -> None:
    """Paints the clothes map uint8 [rows, columns, 3] in place.

    units: pixels per head unit. neck: half its width in head units.
    """
    main, second, accent = np.clip(scene.colours, 0, 255)
    shade = main * 0.72
    cloth = _Cloth(patch, units)
    patch[:] = main

    if scene.style == "stripes":
        for row in np.arange(0.12, 1.6, 0.32):
            cloth.fill([(-2, row), (2, row), (2, row + 0.16), (-2, row + 0.16)], second)
    if scene.style in ("tee", "stripes", "hoodie"):
        cloth.fill(_scoop(0.20, neck * 1.25), shade)
        cloth.fill(_scoop(0.15, neck * 1.18), skin)
    elif scene.style == "vneck":
        cloth.fill(_wedge(neck * 1.3, neck * 1.25, 0.05, 0.60), shade)
        cloth.fill(_wedge(neck * 1.2, neck * 1.15, 0.03, 0.54), skin)
    elif scene.style == "shirt":
        cloth.line([(0, 0.2), (0, 2)], shade, 0.03)
        for row in (0.45, 0.75, 1.05):
            cloth.button(row, second)
        _collar(cloth, neck, skin, main, shade)
    elif scene.style == "suit":
        cloth.fill(_wedge(neck * 1.25, neck * 1.2, 0.05, 1.25), _WHITE)
        cloth.fill([(-0.07, 0.16), (0.07, 0.16), (0.10, 1.0), (0, 1.15), (-0.10, 1.0)], accent)
        _collar(cloth, neck, skin, _WHITE, _GREY)
        for side in (-1, 1):
            half = side * neck
            outer = [(half * 1.15, 0.0), (half * 1.75, 0.30), (half * 1.25, 0.52)]
            cloth.fill([*outer, (0, 1.3), (half * 0.9, 0.35)], shade)  # the lapel
    elif scene.style == "turtleneck":
        cloth.line([(-2, 0.1), (2, 0.1)], shade, 0.03)

    if scene.style == "hoodie":
        for side in (-1, 1):
            half = side * neck
            cloth.line([(side * 0.16, 0.2), (side * 0.17, 0.62)], second, 0.035)  # the cord
            cloth.line([(half * 1.3, 0.0), (half * 0.8, 0.24), (0, 0.34)], shade, 0.06)


@dataclass(frozen=True)
class _Cloth:
    """The map to draw on in head units, x from the centre, y down from the collar."""

    patch: NDArray[np.uint8]
    units: int

    def fill(self, points: Points, colour: Colour) -> None:
        cv2.fillPoly(self.patch, [self._fixed(points)], colour.tolist(), cv2.LINE_AA, _SHIFT)

    def line(self, points: Points, colour: Colour, width: float) -> None:
        width_px = max(1, round(width * self.units))
        fixed = [self._fixed(points)]
        cv2.polylines(self.patch, fixed, False, colour.tolist(), width_px, cv2.LINE_AA, _SHIFT)

    def button(self, row: float, colour: Colour) -> None:
        centre = (round(self.patch.shape[1] / 2), round(row * self.units))
        radius_px = max(1, round(0.022 * self.units))
        cv2.circle(self.patch, centre, radius_px, colour.tolist(), -1, cv2.LINE_AA)

    def _fixed(self, points: Points) -> NDArray[np.int32]:
        middle = self.patch.shape[1] / 2 / self.units
        return np.asarray(np.rint((np.array(points) + [middle, 0]) * self.units * 16), np.int32)


def _collar(cloth: _Cloth, neck: float, skin: Colour, colour: Colour, shade: Colour) -> None:
    cloth.fill(_wedge(neck, neck * 0.8, 0.04, 0.24), skin)
    for side in (-1, 1):
        half = side * neck
        inner = [(half * 1.3, -0.06), (half * 0.85, -0.04), (0, 0.22)]
        edge = [*inner, (side * 0.26, 0.36), (half * 1.3, 0.08)]
        cloth.fill(edge, colour)
        cloth.line([*edge[1:], edge[0]], shade, 0.016)


def _scoop(depth: float, wide: float) -> Points:
    across = np.linspace(-1, 1, 17)
    curve = np.stack([wide * across, depth * (1 - across**2) ** 0.6], 1)
    return [*map(tuple, curve.tolist()), (wide, -0.1), (-wide, -0.1)]


def _wedge(top: float, shoulder: float, drop: float, depth: float) -> Points:
    return [(-top, -0.1), (top, -0.1), (shoulder, drop), (0, depth), (-shoulder, drop)]
