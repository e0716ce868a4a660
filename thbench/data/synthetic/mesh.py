"""The triangles of a person: head, ears, hair, glasses, neck and torso, built once and then only
moved.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from thbench.data.synthetic.grid import (
    CLOTHES_ROW,
    FACE_HALF,
    PATCH_GLASSES,
    PATCH_HEIGHT,
    PATCH_ROW,
    PATCH_SKIN,
    Mesh,
    face_atlas,
    grid,
    join,
    without_unused_vertices,
)
from thbench.data.synthetic.hair import build_bun, build_hair
from thbench.data.synthetic.head import Head
from thbench.data.synthetic.motion import Motion
from thbench.data.synthetic.person import Person

# fmt: off
_ROWS = np.array([
    1.0, 0.985, 0.95, 0.88, 0.78, 0.67, 0.56, 0.46, 0.37, 0.29, 0.23, 0.17, 0.12, 0.07, 0.03,
    -0.01, -0.05, -0.10, -0.15, -0.20, -0.25, -0.29, -0.33, -0.37, -0.405, -0.435, -0.465, -0.5,
    -0.54, -0.58, -0.61, -0.64, -0.67, -0.71, -0.76, -0.81, -0.86, -0.90, -0.935, -0.965,
    -0.985, -0.995, -1.0,
])
# fmt: on
# fmt: off
_ANGLES = np.deg2rad([
    0, 3, 6, 9, 12, 15, 19, 23, 27, 32, 37, 43, 49, 56, 63, 70, 77, 84, 91, 99, 109, 122, 140,
    160, 180,
])
# fmt: on


def build_mesh(person: Person, head: Head) -> Mesh:
    """All triangles of a person."""
    parts = [_face(head), _neck(person), _torso(person)]
    if person.hair not in ("bob", "long", "curly"):  # those cover the ears
        parts += _ears(head)
    if person.hair != "bald":
        parts.append(build_hair(head))
    if person.hair == "bun":
        parts.append(build_bun(head))
    if person.glasses != "none":
        parts.append(_glasses(head))
    return without_unused_vertices(join(parts))


def _face(head: Head) -> Mesh:
    angle = np.concatenate([-_ANGLES[:0:-1], _ANGLES]).astype(np.float32)
    angle, y = np.meshgrid(angle, _ROWS.astype(np.float32))
    rest = head.at(angle, y, Motion())
    p = head.person
    x, front = rest[..., 0], np.cos(angle) > 0
    tip = -0.37 + p.nose_length
    ridge = np.clip((0.2 - y) / 0.4, 0, 1) * front
    nose_left = 0.75 * ridge * np.exp(-(((x + 0.17) / 0.09) ** 2) - ((y - tip - 0.03) / 0.2) ** 2)
    nose_right = 0.75 * ridge * np.exp(-(((x - 0.17) / 0.09) ** 2) - ((y - tip - 0.03) / 0.2) ** 2)
    below_nose = 0.85 * front * np.exp(-((x / 0.13) ** 4) - ((y - tip + 0.14) / 0.06) ** 2)
    brow = 0.5 * front * np.exp(-(((np.abs(x) - p.eye_x) / 0.2) ** 4) - ((y - 0.09) / 0.06) ** 2)
    occlusion = 1 - front * (
        0.22 * np.exp(-(((np.abs(x) - p.eye_x) / 0.22) ** 2) - ((y - 0.02) / 0.11) ** 2)
        + 0.28 * np.exp(-((x / 0.14) ** 4) - ((y - tip + 0.11) / 0.05) ** 2)
        + 0.18 * np.exp(-((x / 0.2) ** 2) - ((y - p.mouth_y + 0.15) / 0.05) ** 2)
        + 0.12 * np.exp(-(((np.abs(x) - 0.10) / 0.04) ** 2) - ((y - 0.02) / 0.12) ** 2)
    )
    occlusion = occlusion * (1 - 0.35 * np.clip((-0.93 - y) / 0.07, 0, 1))
    shadow = np.stack([nose_right, nose_left, np.maximum(below_nose, brow), np.zeros_like(x)], -1)
    gloss = 0.55 + front * (
        0.8 * np.exp(-((x / 0.08) ** 2) - ((y - tip) / 0.12) ** 2)
        + 0.4 * np.exp(-((x / 0.3) ** 2) - ((y - 0.45) / 0.15) ** 2)
    )
    hidden = (np.abs(angle) > 2.0) & ((y < -0.5) | ((y > -0.1) & (p.hair != "bald")))
    return grid(
        rest,
        face_atlas(angle, y),
        hidden=hidden,
        occlusion=occlusion,
        shadow=shadow,
        gloss=gloss,
        wrap=True,
        jaw=head.at(angle, y, Motion(jaw=1)) - rest,
        smile=head.at(angle, y, Motion(smile=1)) - rest,
    )


def _ears(head: Head) -> list[Mesh]:
    size = head.person.ear
    radius = np.array([0.0, 0.35, 0.6, 0.8, 0.92, 1.0])
    around = np.linspace(0, 2 * np.pi, 15)
    r, phi = np.meshgrid(radius, around, indexing="ij")
    lift = np.interp(radius, radius, [0.045, 0.04, 0.055, 0.10, 0.105, 0.05])[:, None]
    back = -0.11 - 0.125 * r * np.cos(phi) * size
    up = (
        -0.02
        + 0.235 * r * np.sin(phi) * size * (1 - 0.12 * np.cos(phi))
        - 0.03 * np.sin(phi) ** 2 * r
    )
    out = lift + 0.35 * np.clip(-back - 0.05, 0, 1)
    shade = np.broadcast_to(
        np.interp(radius, radius, [0.55, 0.6, 0.75, 1.0, 1.0, 0.8])[:, None], r.shape
    )
    ears = []
    for side in (-1.0, 1.0):
        anchor = _surface(head, side * 93, 0.0)
        points = np.stack(
            [side * (abs(float(anchor[0])) - 0.03 + out), up, anchor[2] + 0.02 + back], -1
        )
        skin = np.full((*r.shape, 2), (PATCH_SKIN, PATCH_ROW + PATCH_HEIGHT / 2))
        ears.append(grid(points, skin, occlusion=shade, gloss=np.full(r.shape, 0.5), flip=side < 0))
    return ears


def _neck(person: Person) -> Mesh:
    t = np.linspace(0, 1, 9)
    angle, t = np.meshgrid(np.linspace(-1.9, 1.9, 25), t)
    y = -0.42 - 1.06 * t
    flare = 1 + 0.10 * np.clip((t - 0.65) / 0.35, 0, 1) ** 2
    width = person.neck_width * flare
    points = np.stack(
        [width * np.sin(angle), y, -0.20 + 0.06 * t + width * 1.02 * np.cos(angle)], -1
    )
    under = 1 - np.clip((t - 0.42) / 0.42, 0, 1)
    none = np.zeros_like(t)
    skin = np.full((*t.shape, 2), (PATCH_SKIN, PATCH_ROW + PATCH_HEIGHT / 2))
    return grid(
        points,
        skin,
        body=np.clip(t * 1.15 - 0.05, 0, 1),
        occlusion=1 - 0.5 * under,
        gloss=np.full(t.shape, 0.3),
        shadow=np.stack([none, none, 0.85 * under, 0.45 * under], -1),
    )


def _torso(person: Person) -> Mesh:
    y = np.array([-1.36, -1.40, -1.46, -1.53, -1.61, -1.72, -1.88, -2.15, -2.6, -3.2])
    broad = (
        np.array([1.02, 1.16, 1.6, 2.15, 2.7, 3.15, 3.42, 3.5, 3.4, 3.3])
        * 0.5
        * (0.42 + person.neck_width)
    )
    deep = (
        np.array([1.04, 1.12, 1.2, 1.3, 1.4, 1.5, 1.62, 1.75, 1.8, 1.8])
        * 0.5
        * (0.42 + person.neck_width)
    )
    angle, rows = np.meshgrid(np.linspace(-1.9, 1.9, 31), np.arange(len(y)))
    points = np.stack(
        [
            broad[rows] * np.sin(angle),
            y[rows],
            -0.16 + deep[rows] * np.cos(angle) * np.abs(np.cos(angle)) ** -0.2,
        ],
        -1,
    )
    atlas = np.stack(
        [
            FACE_HALF + np.sin(angle) * broad[rows] * 0.95,
            CLOTHES_ROW + 0.05 + (-1.36 - y[rows]) * 0.95,
        ],
        -1,
    )
    atlas = np.clip(atlas, [0.03, CLOTHES_ROW + 0.03], [2 * FACE_HALF - 0.03, PATCH_ROW - 0.05])
    near = np.clip((y[rows] + 1.75) / 0.4, 0, 1)
    none = np.zeros_like(near)
    return grid(
        points,
        atlas,
        body=np.ones_like(near),
        occlusion=1 - 0.3 * near,
        gloss=np.full(near.shape, 0.12),
        shadow=np.stack([none, none, 0.55 * near, none], -1),
    )


def _glasses(head: Head) -> Mesh:
    p = head.person
    shape = {
        "round": (0.225, 0.215, 2.0),
        "square": (0.245, 0.175, 4.5),
        "oval": (0.245, 0.175, 2.3),
    }[p.glasses]
    half_width, half_height, power = shape
    around = np.linspace(0, 2 * np.pi, 29)
    circle = np.stack(
        [
            np.sign(np.cos(around)) * np.abs(np.cos(around)) ** (2 / power) * half_width,
            np.sign(np.sin(around)) * np.abs(np.sin(around)) ** (2 / power) * half_height,
        ],
        -1,
    )
    z = float(_surface(head, 0, 0.06)[2]) + 0.05
    width = 0.030 + 0.02 * (p.beard_density - 0.6) / 0.4
    parts = []
    for side in (-1.0, 1.0):
        rim = np.stack([circle * (1 - width / half_width), circle * (1 + 0.2 * width / half_width)])
        flat = rim + [side * (p.eye_x + 0.01), -0.02]
        bend = z - 0.35 * np.clip(np.abs(flat[..., 0]) - 0.1, 0, 1) ** 2
        parts.append(_ribbon(np.concatenate([flat, bend[..., None]], -1)))
        hinge = side * (p.eye_x + 0.01 + half_width)
        ear = abs(float(_surface(head, 95, 0.06)[0])) + 0.03
        steps = np.linspace(0, 1, 6)
        arm = np.stack(
            [
                hinge + (side * ear - hinge) * steps**0.5,
                np.full(6, 0.05),
                z - 0.35 * (abs(hinge) - 0.1) ** 2 - steps * 0.85,
            ],
            -1,
        )
        parts.append(_ribbon(np.stack([arm + [0, width * 0.7, 0], arm - [0, width * 0.7, 0]])))
    gap = p.eye_x + 0.01 - half_width + width
    x = np.linspace(-gap, gap, 6)
    bridge = np.stack([x, 0.035 - 0.03 * (x / gap) ** 2, np.full(6, z)], -1)
    parts.append(_ribbon(np.stack([bridge + [0, width * 0.5, 0], bridge - [0, width * 0.5, 0]])))
    return join(parts)


def _ribbon(points: NDArray[np.float64]) -> Mesh:
    atlas = np.full((*points.shape[:2], 2), (PATCH_GLASSES, PATCH_ROW + PATCH_HEIGHT / 2))
    return grid(points, atlas, gloss=np.full(points.shape[:2], 0.8), double_sided=True)


def _surface(head: Head, degrees: float, y: float) -> NDArray[np.float32]:
    """One point [3] of the head."""
    return head.at(np.array(np.deg2rad(degrees), np.float32), np.array(y, np.float32), Motion())
