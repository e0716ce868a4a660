"""Glasses: two rims, a bridge and two arms, as ribbons."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from thbench.data.synthetic.grid import PATCH_GLASSES, PATCH_HEIGHT, PATCH_ROW, Mesh, grid, join
from thbench.data.synthetic.head import Head

# Half width and half height of a rim, and the power of its superellipse (2 is an ellipse).
_SHAPES = {
    "round": (0.225, 0.215, 2.0),
    "square": (0.245, 0.175, 4.5),
    "oval": (0.245, 0.175, 2.3),
}
_BEND = 0.35  # how far the frame curves back, by the square of the distance from the nose


def build_glasses(head: Head) -> Mesh:
    """The glasses of a person, who must wear some."""
    person = head.person
    half_width, _, _ = _SHAPES[person.glasses]
    rim_x = person.eye_x + 0.01
    z = float(head.point(0, 0.06)[2]) + 0.05
    width = 0.030 + 0.02 * (person.beard_density - 0.6) / 0.4  # any drawn number would do

    parts = []
    for side in (-1.0, 1.0):
        parts.append(_rim(person.glasses, side * rim_x, z, width))
        parts.append(_arm(head, side, side * (rim_x + half_width), z, width))
    parts.append(_bridge(rim_x - half_width + width, z, width))
    return join(parts)


def _rim(shape: str, x: float, z: float, width: float) -> Mesh:
    half_width, half_height, power = _SHAPES[shape]
    turn = np.linspace(0, 2 * np.pi, 29)
    sine, cosine = np.sin(turn), np.cos(turn)
    across = np.sign(cosine) * np.abs(cosine) ** (2 / power) * half_width
    up = np.sign(sine) * np.abs(sine) ** (2 / power) * half_height
    outline = np.stack([across, up], -1)

    inner, outer = 1 - width / half_width, 1 + 0.2 * width / half_width
    flat = np.stack([outline * inner, outline * outer]) + [x, -0.02]
    bent_z = z - _BEND * np.clip(np.abs(flat[..., 0]) - 0.1, 0, 1) ** 2
    return _ribbon(np.concatenate([flat, bent_z[..., None]], -1))


def _arm(head: Head, side: float, hinge_x: float, z: float, width: float) -> Mesh:
    """From the hinge back to the ear."""
    ear_x = side * (abs(float(head.point(95, 0.06)[0])) + 0.03)
    hinge_z = z - _BEND * (abs(hinge_x) - 0.1) ** 2

    steps = np.linspace(0, 1, 6)
    x = hinge_x + (ear_x - hinge_x) * steps**0.5
    return _band(np.stack([x, np.full(6, 0.05), hinge_z - steps * 0.85], -1), width * 0.7)


def _bridge(half_gap: float, z: float, width: float) -> Mesh:
    x = np.linspace(-half_gap, half_gap, 6)
    arch = 0.035 - 0.03 * (x / half_gap) ** 2
    return _band(np.stack([x, arch, np.full(6, z)], -1), width * 0.5)


def _band(spine: NDArray[np.float64], half_width: float) -> Mesh:
    return _ribbon(np.stack([spine + [0, half_width, 0], spine - [0, half_width, 0]]))


def _ribbon(points: NDArray[np.float64]) -> Mesh:
    """A mesh of two edges [2, n, 3], in the colour of the frame, seen from both sides."""
    atlas = np.full((*points.shape[:2], 2), (PATCH_GLASSES, PATCH_ROW + PATCH_HEIGHT / 2))
    return grid(points, atlas, gloss=np.full(points.shape[:2], 0.8), double_sided=True)
