"""Hair: a shell around the head whose thickness, clumps and end line depend on the style."""

from __future__ import annotations

import numpy as np

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


def build_hair(head: Head) -> Mesh:
    """A shell around the head, from the crown to where the hair ends; the person must have hair."""
    p = head.person
    end_angles, ends = _hair_ends(p)
    angle = np.concatenate([-_ANGLES[:0:-1], _ANGLES])
    degrees = np.rad2deg(np.abs(angle))
    end = np.interp(degrees, end_angles, ends)
    part = p.hair_part * np.sin(angle) * np.exp(-((degrees / 50) ** 2))
    end = end + 0.10 * part * (p.hair in ("swept", "short", "long", "bob"))
    thick = {
        "buzz": 0.025,
        "short": 0.085,
        "swept": 0.13,
        "bob": 0.13,
        "long": 0.12,
        "curly": 0.21,
        "afro": 0.42,
        "bun": 0.05,
    }[p.hair] * p.hair_volume
    t = np.concatenate([np.linspace(0, 0.8, 13)[:-1], np.linspace(0.8, 1, 6)])[:, None]
    y = 1.0 - (1.0 - end[None]) * t**1.15
    clamp = np.maximum(y, -0.05)
    wide_angle = np.broadcast_to(angle, y.shape)
    base = head.at(wide_angle.astype(np.float32), clamp.astype(np.float32), Motion())
    centre = np.array([0.0, 0.05, -0.08])
    out = base - centre
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    rng = np.random.default_rng([7003, p.seed])
    clumps = {"curly": 0.05, "afro": 0.035, "short": 0.012, "swept": 0.012}.get(p.hair, 0.008)
    grow = thick * (
        1 + 0.35 * np.clip(base[..., 1], 0, 1) * (p.hair in ("swept", "short")) * np.cos(angle) ** 2
    )
    open_front = np.clip((np.abs(wide_angle) - 1.2) / 0.5, 0, 1)
    keep = np.maximum(
        {"afro": 0.75, "curly": 0.55, "swept": 0.45}.get(p.hair, 0.25),
        np.maximum(0.7 * open_front, 0.5 * p.fringe),
    )
    taper = 1 - (1 - keep) * np.clip((t - 0.72) / 0.28, 0, 1) ** 2
    points = (
        base
        + out
        * (grow * taper + 0.012 + clumps * rng.normal(size=y.shape) * np.clip(t * 4, 0, 1))[
            ..., None
        ]
    )
    points[..., 1] += np.minimum(y - clamp, 0)
    falling = np.clip(clamp - y, 0, 2)
    points[..., 0] *= 1 + 0.06 * falling
    points[..., 2] += np.where(np.cos(wide_angle) > -0.3, 0.10, 0.0) * falling
    shade = np.broadcast_to(0.82 + 0.18 * np.clip(1.5 - 1.5 * t, 0, 1), y.shape) * (
        1 - 0.25 * np.clip(falling, 0, 1)
    )
    along = np.clip(wide_angle * ANGLE_SCALE * 0.62, -FACE_HALF, FACE_HALF) + FACE_HALF
    atlas = np.stack(
        [along, HAIR_ROW + 0.04 + np.broadcast_to(t, y.shape) * (HAIR_HEIGHT - 0.08)], -1
    )
    shine = {"buzz": 0.05, "curly": 0.25, "afro": 0.08}.get(p.hair, 0.7)
    body = np.clip((-0.75 - y) / 1.1, 0, 0.8)
    return grid(
        points,
        atlas,
        body=body,
        occlusion=shade,
        gloss=np.full(y.shape, shine),
        double_sided=True,
        wrap=True,
    )


def build_bun(head: Head) -> Mesh:
    """A knot of hair on the crown."""
    phi, theta = np.meshgrid(np.linspace(-np.pi, np.pi, 17), np.linspace(0, np.pi, 10))
    radius = 0.27 * head.person.hair_volume
    points = np.stack(
        [
            radius * np.sin(theta) * np.sin(phi),
            1.08 + radius * 0.85 * np.cos(theta),
            -0.32 + radius * np.sin(theta) * np.cos(phi),
        ],
        -1,
    )
    atlas = np.stack(
        [FACE_HALF + phi * 0.4, HAIR_ROW + 0.05 + theta / np.pi * (HAIR_HEIGHT - 0.1)], -1
    )
    return grid(points, atlas, occlusion=0.75 + 0.25 * np.cos(theta), gloss=np.full(phi.shape, 0.5))


def _hair_ends(p: Person) -> tuple[list[float], list[float]]:
    """Where the hair ends, by angle from the front: the hairline, the temples, the sideburns, the
    nape.
    """
    line = p.hairline
    if p.fringe != 0 and p.hair not in ("buzz", "afro", "bun"):
        line += p.fringe * (0.27 - p.hairline)
    temple = line + 0.03
    if p.hair in ("bob", "long"):
        low = -0.75 - 0.25 * p.fringe if p.hair == "bob" else p.hair_length
        return [0, 22, 42, 56, 66, 74, 82, 110, 180], [
            line,
            line + 0.01,
            temple - 0.08,
            0.25,
            -0.15,
            low + 0.25,
            low,
            low,
            low,
        ]
    if p.hair == "curly":
        low = -0.35 - 0.25 * p.hair_volume
        return [0, 25, 42, 55, 66, 76, 110, 180], [
            line,
            line,
            temple - 0.08,
            0.32,
            0.05,
            low,
            low,
            low,
        ]
    if p.hair == "bun":
        return [0, 25, 45, 62, 76, 88, 110, 180], [
            line,
            line,
            temple - 0.08,
            0.42,
            0.22,
            0.14,
            0.05,
            -0.5,
        ]
    nape = -0.35 if p.hair == "buzz" else -0.5
    return [0, 25, 44, 57, 66, 76, 84, 91, 108, 120, 180], [
        line,
        line,
        temple,
        0.40,
        0.33,
        0.10,
        -0.05,
        0.16,
        0.18,
        -0.2,
        nape,
    ]
