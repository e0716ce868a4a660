"""The triangles of a person, built once and then only moved: head, ears, hair, neck and torso."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from thbench.data.synthetic.bumps import Array, bump, plateau
from thbench.data.synthetic.glasses import build_glasses
from thbench.data.synthetic.grid import (
    CLOTHES_ROW,
    FACE_HALF,
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
# Heights of the rows of the face, and angles of its columns from the front: dense at the features.
_ROWS = np.array([
    1.0, 0.985, 0.95, 0.88, 0.78, 0.67, 0.56, 0.46, 0.37, 0.29, 0.23, 0.17, 0.12, 0.07, 0.03,
    -0.01, -0.05, -0.10, -0.15, -0.20, -0.25, -0.29, -0.33, -0.37, -0.405, -0.435, -0.465, -0.5,
    -0.54, -0.58, -0.61, -0.64, -0.67, -0.71, -0.76, -0.81, -0.86, -0.90, -0.935, -0.965,
    -0.985, -0.995, -1.0,
])
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
        parts.append(build_glasses(head))
    return without_unused_vertices(join(parts))


def _face(head: Head) -> Mesh:
    angles = np.concatenate([-_ANGLES[:0:-1], _ANGLES]).astype(np.float32)
    angle, y = np.meshgrid(angles, _ROWS.astype(np.float32))
    rest = head.at(angle, y, Motion())
    x, front = rest[..., 0], np.cos(angle) > 0

    under_hair = (y > -0.1) & (head.person.hair != "bald")
    hidden = (np.abs(angle) > 2.0) & ((y < -0.5) | under_hair)
    return grid(
        rest,
        face_atlas(angle, y),
        hidden=hidden,
        occlusion=_face_occlusion(head.person, x, y, front),
        shadow=_face_shadow(head.person, x, y, front),
        gloss=_face_gloss(head.person, x, y, front),
        wrap=True,
        jaw=head.at(angle, y, Motion(jaw=1)) - rest,
        smile=head.at(angle, y, Motion(smile=1)) - rest,
    )


def _face_occlusion(person: Person, x: Array, y: Array, front: NDArray[np.bool_]) -> Array:
    """The share of the ambient light that arrives: less of it in hollows."""
    side, over_tip, over_mouth = np.abs(x), y - person.nose_tip_y, y - person.mouth_y
    sockets = 0.22 * bump(side, y, (person.eye_x, 0.02), (0.22, 0.11))
    under_nose = 0.28 * plateau(x, over_tip, (0, -0.11), (0.14, 0.05))
    under_lip = 0.18 * bump(x, over_mouth, (0, -0.15), (0.2, 0.05))
    beside_bridge = 0.12 * bump(side, y, (0.10, 0.02), (0.04, 0.12))
    lost = sockets + under_nose + under_lip + beside_bridge

    under_chin = 0.35 * np.clip((-0.93 - y) / 0.07, 0, 1)
    return np.asarray((1 - front * lost) * (1 - under_chin))


def _face_shadow(person: Person, x: Array, y: Array, front: NDArray[np.bool_]) -> Array:
    """[..., 4]: light from the left, the right and above that the nose and the brows take away."""
    side, over_tip = np.abs(x), y - person.nose_tip_y
    below_bridge = np.clip((0.2 - y) / 0.4, 0, 1) * front
    left_of_nose = 0.75 * below_bridge * bump(x, over_tip, (-0.17, 0.03), (0.09, 0.2))
    right_of_nose = 0.75 * below_bridge * bump(x, over_tip, (0.17, 0.03), (0.09, 0.2))

    below_nose = 0.85 * front * plateau(x, over_tip, (0, -0.14), (0.13, 0.06))
    below_brows = 0.5 * front * plateau(side, y, (person.eye_x, 0.09), (0.2, 0.06))
    from_above = np.maximum(below_nose, below_brows)
    return np.stack([right_of_nose, left_of_nose, from_above, np.zeros_like(x)], -1)


def _face_gloss(person: Person, x: Array, y: Array, front: NDArray[np.bool_]) -> Array:
    nose = 0.8 * bump(x, y, (0, person.nose_tip_y), (0.08, 0.12))
    forehead = 0.4 * bump(x, y, (0, 0.45), (0.3, 0.15))
    return 0.55 + front * (nose + forehead)


# Rings of an ear from its hole to its rim: radius, how far it stands out, light that arrives.
_EAR_RINGS = np.array(
    [
        (0.0, 0.045, 0.55),
        (0.35, 0.04, 0.6),
        (0.6, 0.055, 0.75),
        (0.8, 0.10, 1.0),
        (0.92, 0.105, 1.0),
        (1.0, 0.05, 0.8),
    ]
)
_EAR_DEGREES = 93  # from the front


def _ears(head: Head) -> list[Mesh]:
    size = head.person.ear
    ring_radius, ring_lift, ring_light = _EAR_RINGS.T
    radius, turn = np.meshgrid(ring_radius, np.linspace(0, 2 * np.pi, 15), indexing="ij")
    sine, cosine = np.sin(turn), np.cos(turn)

    back = -0.11 - 0.125 * radius * cosine * size
    lobe = 0.03 * sine**2 * radius
    up = -0.02 + 0.235 * radius * sine * size * (1 - 0.12 * cosine) - lobe
    out = ring_lift[:, None] + 0.35 * np.clip(-back - 0.05, 0, 1)

    ears = []
    for side in (-1.0, 1.0):
        anchor = head.point(side * _EAR_DEGREES, 0.0)
        across = side * (abs(float(anchor[0])) - 0.03 + out)
        points = np.stack([across, up, anchor[2] + 0.02 + back], -1)
        ear = grid(
            points,
            _plain_skin(radius.shape),
            occlusion=np.broadcast_to(ring_light[:, None], radius.shape),
            gloss=np.full(radius.shape, 0.5),
            flip=side < 0,
        )
        ears.append(ear)
    return ears


def _neck(person: Person) -> Mesh:
    # down: 0 in the head, 1 in the collar; the columns leave the back of the neck open
    angle, down = np.meshgrid(np.linspace(-1.9, 1.9, 25), np.linspace(0, 1, 9))
    flare = 1 + 0.10 * np.clip((down - 0.65) / 0.35, 0, 1) ** 2
    width = person.neck_width * flare

    y = -0.42 - 1.06 * down
    z = -0.20 + 0.06 * down + width * 1.02 * np.cos(angle)
    points = np.stack([width * np.sin(angle), y, z], -1)

    under_chin = 1 - np.clip((down - 0.42) / 0.42, 0, 1)
    none = np.zeros_like(down)
    return grid(
        points,
        _plain_skin(down.shape),
        body=np.clip(down * 1.15 - 0.05, 0, 1),
        occlusion=1 - 0.5 * under_chin,
        gloss=np.full(down.shape, 0.3),
        shadow=np.stack([none, none, 0.85 * under_chin, 0.45 * under_chin], -1),
    )


# Sections of a torso from the collar down: y, then half width and depth for an average neck.
_TORSO = np.array(
    [
        (-1.36, 1.02, 1.04),
        (-1.40, 1.16, 1.12),
        (-1.46, 1.6, 1.2),
        (-1.53, 2.15, 1.3),
        (-1.61, 2.7, 1.4),
        (-1.72, 3.15, 1.5),
        (-1.88, 3.42, 1.62),
        (-2.15, 3.5, 1.75),
        (-2.6, 3.4, 1.8),
        (-3.2, 3.3, 1.8),
    ]
)
_COLLAR_Y = -1.36


def _torso(person: Person) -> Mesh:
    angle, rows = np.meshgrid(np.linspace(-1.9, 1.9, 31), np.arange(len(_TORSO)))
    sine, cosine = np.sin(angle), np.cos(angle)
    y = _TORSO[rows, 0]
    broad, deep = (_TORSO[rows, part] * 0.5 * (0.42 + person.neck_width) for part in (1, 2))

    flat_front = np.abs(cosine) ** -0.2
    points = np.stack([broad * sine, y, -0.16 + deep * cosine * flat_front], -1)

    across = FACE_HALF + sine * broad * 0.95
    down = CLOTHES_ROW + 0.05 + (_COLLAR_Y - y) * 0.95
    first, last = [0.03, CLOTHES_ROW + 0.03], [2 * FACE_HALF - 0.03, PATCH_ROW - 0.05]
    atlas = np.clip(np.stack([across, down], -1), first, last)

    near = np.clip((y + 1.75) / 0.4, 0, 1)  # to the collar, where the head shades the shoulders
    none = np.zeros_like(near)
    return grid(
        points,
        atlas,
        body=np.ones_like(near),
        occlusion=1 - 0.3 * near,
        gloss=np.full(near.shape, 0.12),
        shadow=np.stack([none, none, 0.55 * near, none], -1),
    )


def _plain_skin(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Atlas places [*shape, 2] that all lie in the patch of plain skin."""
    return np.full((*shape, 2), (PATCH_SKIN, PATCH_ROW + PATCH_HEIGHT / 2))
