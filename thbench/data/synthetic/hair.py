"""Hair: a shell around the head whose thickness, clumps and end line depend on the style."""

from __future__ import annotations

import numpy as np

from thbench.data.synthetic.bumps import Array
from thbench.data.synthetic.grid import ANGLE_SCALE, FACE_HALF, HAIR_HEIGHT, HAIR_ROW, Mesh, grid
from thbench.data.synthetic.head import Head
from thbench.data.synthetic.motion import Motion
from thbench.data.synthetic.person import Person

# fmt: off
_ANGLES = np.deg2rad([
    0, 6, 12, 18, 24, 30, 36, 42, 48, 54, 60, 66, 71, 76, 81, 86, 91, 97, 104, 112, 122, 134,
    148, 164, 180,
])
# fmt: on


# Thickness of the shell, size of its clumps, share of the thickness left at its end, highlight.
_THICKNESS = {
    "buzz": 0.025,
    "short": 0.085,
    "swept": 0.13,
    "bob": 0.13,
    "long": 0.12,
    "curly": 0.21,
    "afro": 0.42,
    "bun": 0.05,
}
_CLUMPS, _SMALL_CLUMPS = {"curly": 0.05, "afro": 0.035, "short": 0.012, "swept": 0.012}, 0.008
_KEPT, _LITTLE_KEPT = {"afro": 0.75, "curly": 0.55, "swept": 0.45}, 0.25
_GLOSS, _MUCH_GLOSS = {"buzz": 0.05, "curly": 0.25, "afro": 0.08}, 0.7

_CENTRE = np.array([0.0, 0.05, -0.08])  # hair grows away from it
_LOWEST_ROOT = -0.05  # below this height hair hangs and no longer follows the head


def build_hair(head: Head) -> Mesh:
    """A shell around the head, from the crown to where the hair ends; the person must have hair."""
    person = head.person
    angle = np.concatenate([-_ANGLES[:0:-1], _ANGLES])
    down = np.concatenate([np.linspace(0, 0.8, 13)[:-1], np.linspace(0.8, 1, 6)])[:, None]

    y = 1.0 - (1.0 - _end_y(person, angle)[None]) * down**1.15
    root_y = np.maximum(y, _LOWEST_ROOT)
    angle = np.broadcast_to(angle, y.shape)
    roots = head.at(angle.astype(np.float32), root_y.astype(np.float32), Motion())
    outwards = roots - _CENTRE
    outwards /= np.linalg.norm(outwards, axis=-1, keepdims=True)

    thickness = _thickness(person, angle, roots[..., 1], down)
    points = roots + outwards * thickness[..., None]
    points[..., 1] += np.minimum(y - root_y, 0)
    falling = np.clip(root_y - y, 0, 2)
    points[..., 0] *= 1 + 0.06 * falling
    points[..., 2] += np.where(np.cos(angle) > -0.3, 0.10, 0.0) * falling  # free of the cheeks

    lit = np.broadcast_to(0.82 + 0.18 * np.clip(1.5 - 1.5 * down, 0, 1), y.shape)
    across = np.clip(angle * ANGLE_SCALE * 0.62, -FACE_HALF, FACE_HALF) + FACE_HALF
    strip = HAIR_ROW + 0.04 + np.broadcast_to(down, y.shape) * (HAIR_HEIGHT - 0.08)
    return grid(
        points,
        np.stack([across, strip], -1),
        body=np.clip((-0.75 - y) / 1.1, 0, 0.8),
        occlusion=lit * (1 - 0.25 * np.clip(falling, 0, 1)),
        gloss=np.full(y.shape, _GLOSS.get(person.hair, _MUCH_GLOSS)),
        double_sided=True,
        wrap=True,
    )


def build_bun(head: Head) -> Mesh:
    """A knot of hair on the crown."""
    turn, tilt = np.meshgrid(np.linspace(-np.pi, np.pi, 17), np.linspace(0, np.pi, 10))
    radius = 0.27 * head.person.hair_volume
    x = radius * np.sin(tilt) * np.sin(turn)
    y = 1.08 + radius * 0.85 * np.cos(tilt)
    z = -0.32 + radius * np.sin(tilt) * np.cos(turn)

    strip = HAIR_ROW + 0.05 + tilt / np.pi * (HAIR_HEIGHT - 0.1)
    return grid(
        np.stack([x, y, z], -1),
        np.stack([FACE_HALF + turn * 0.4, strip], -1),
        occlusion=0.75 + 0.25 * np.cos(tilt),
        gloss=np.full(turn.shape, 0.5),
    )


def _thickness(person: Person, angle: Array, root_y: Array, down: Array) -> Array:
    """How far the shell stands off the head, clumps included."""
    volume = _THICKNESS[person.hair] * person.hair_volume
    is_high = person.hair in ("swept", "short")
    full = volume * (1 + 0.35 * np.clip(root_y, 0, 1) * is_high * np.cos(angle) ** 2)

    beside_face = np.clip((np.abs(angle) - 1.2) / 0.5, 0, 1)
    kept = np.maximum(
        _KEPT.get(person.hair, _LITTLE_KEPT), np.maximum(0.7 * beside_face, 0.5 * person.fringe)
    )
    taper = 1 - (1 - kept) * np.clip((down - 0.72) / 0.28, 0, 1) ** 2

    noise = np.random.default_rng([7003, person.seed]).normal(size=angle.shape)
    clumps = _CLUMPS.get(person.hair, _SMALL_CLUMPS) * noise * np.clip(down * 4, 0, 1)
    return np.asarray(full * taper + 0.012 + clumps)


def _end_y(person: Person, angle: Array) -> Array:
    """The height where the hair ends at each angle; the fringe is lifted on one side."""
    degrees = np.rad2deg(np.abs(angle))
    places = _hair_ends(person)
    end = np.interp(degrees, [place for place, _ in places], [height for _, height in places])

    part = person.hair_part * np.sin(angle) * np.exp(-((degrees / 50) ** 2))
    is_parted = person.hair in ("swept", "short", "long", "bob")
    return np.asarray(end + 0.10 * part * is_parted)


def _hair_ends(person: Person) -> list[tuple[float, float]]:
    """Where the hair ends, (degrees from the front, height): hairline, temples, sideburns, nape."""
    line = person.hairline
    if person.fringe != 0 and person.hair not in ("buzz", "afro", "bun"):
        line += person.fringe * (0.27 - person.hairline)
    temple = line + 0.03

    if person.hair in ("bob", "long"):
        low = -0.75 - 0.25 * person.fringe if person.hair == "bob" else person.hair_length
        front = [(0, line), (22, line + 0.01), (42, temple - 0.08), (56, 0.25), (66, -0.15)]
        return [*front, (74, low + 0.25), (82, low), (110, low), (180, low)]

    if person.hair == "curly":
        low = -0.35 - 0.25 * person.hair_volume
        front = [(0, line), (25, line), (42, temple - 0.08), (55, 0.32), (66, 0.05)]
        return [*front, (76, low), (110, low), (180, low)]

    if person.hair == "bun":
        front = [(0, line), (25, line), (45, temple - 0.08), (62, 0.42), (76, 0.22)]
        return [*front, (88, 0.14), (110, 0.05), (180, -0.5)]

    nape = -0.35 if person.hair == "buzz" else -0.5
    front = [(0, line), (25, line), (44, temple), (57, 0.40), (66, 0.33), (76, 0.10)]
    around_ear = [(84, -0.05), (91, 0.16), (108, 0.18)]
    return [*front, *around_ear, (120, -0.2), (180, nape)]
