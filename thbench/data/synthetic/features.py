"""Eyes, brows and lips: painted into the atlas for every frame."""

from __future__ import annotations

import numpy as np

from thbench.data.synthetic import grid
from thbench.data.synthetic.brush import (
    Floats,
    Image,
    blend,
    darken_along,
    disc,
    fill,
    line,
    mask_of,
    on_face,
    patch,
)
from thbench.data.synthetic.curves import CURVES
from thbench.data.synthetic.head import Head
from thbench.data.synthetic.motion import Motion
from thbench.data.synthetic.person import Person

_PUPIL, _GLINT = [14, 12, 12], [250, 250, 250]
_THROAT, _TONGUE = (64, 22, 24), [150, 66, 70]
_TEETH = np.array([232, 228, 216], np.float32)


def paint_features(
    atlas: Image, person: Person, head: Head, curves: Floats, motion: Motion, units: int
) -> None:
    """Paints eyes, brows and mouth of one frame into the atlas, in place.

    curves: those of `Head.curves`. units: pixels per head unit.
    """
    pixels = on_face(head, curves, units)
    at = {name: pixels[part] for name, part in CURVES.items()}
    for side in ("l", "r"):
        _paint_eye(
            atlas, person, at[f"upper_{side}"], at[f"lower_{side}"], at[f"gaze_{side}"], units
        )
        _paint_brow(atlas, person, at[f"brow_{side}"], side == "l", units)

    _paint_lips(atlas, person, at["lips"], at["mouth"], units)
    if motion.jaw > 0.02:
        rest_y = (grid.FACE_TOP - person.mouth_y) * units - 0.5
        _paint_open_mouth(atlas, at["lips"], at["mouth"], rest_y, motion, units)
    seam = _ROUND_8 @ at["mouth"]
    line(atlas, seam[:17], (person.lips * 0.42).tolist(), 0.014 * units)


def _rounding(count: int) -> Floats:
    """[4 * count, count]: a closed Catmull-Rom curve through `count` points, four samples each."""
    t = np.arange(4)[:, None] / 4
    weights = 0.5 * np.concatenate(
        [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3], 1
    )
    matrix = np.zeros((count, 4, count), np.float32)
    for segment in range(count):
        for tap in range(4):
            matrix[segment, :, (segment + tap - 1) % count] += weights[:, tap]
    return matrix.reshape(4 * count, count)


_ROUND_12, _ROUND_8 = _rounding(12), _rounding(8)

# From the five points of a brow to thirteen, and its half height at these from the inner end.
_BROW_UNITS = [np.interp(np.linspace(0, 4, 13), np.arange(5), unit) for unit in np.eye(5)]
_BROW_STEPS = np.stack(_BROW_UNITS, 1).astype(np.float32)
_BROW_TAPER = np.interp(np.linspace(0, 1, 13), [0, 0.12, 0.55, 1], [0.62, 1.0, 0.85, 0.12])
_BROW_HALF_HEIGHT = _BROW_TAPER[:, None] * (0, 1)


def _paint_eye(
    atlas: Image, person: Person, upper: Floats, lower: Floats, gaze: Floats, units: int
) -> None:
    part, corner = patch(atlas, np.concatenate([upper, lower[-2:0:-1]]))
    mask = mask_of(part, np.concatenate([upper, lower[-2:0:-1]]) - corner)
    ball = np.empty(part.shape, np.uint8)
    ball[:] = 238 * (0.8 + 0.2 * person.skin.mean() / 255)

    iris = person.iris.tolist()
    rim = [0.5 * value for value in iris]
    pupil = gaze[0] - corner
    for share, colour in ((1.0, rim), (0.84, iris), (0.45, _PUPIL)):
        disc(ball, pupil, 0.074 * share * units, colour)
    glint = pupil - np.float32(units) * np.array([0.025, 0.028], np.float32)
    disc(ball, glint, 0.017 * units, _GLINT)

    below_lid = upper - corner + (0, 0.012 * units)
    darken_along(ball, below_lid, 100, max(1, round(0.035 * units)))
    blend(part, ball, mask)

    _paint_lids(atlas, person, upper, lower, units)


def _paint_lids(atlas: Image, person: Person, upper: Floats, lower: Floats, units: int) -> None:
    crease = (person.skin * (0.70, 0.60, 0.58)).tolist()
    line(atlas, upper[1:-1] - (0, (0.022 + 0.022 * person.lid) * units), crease, 0.012 * units)
    line(atlas, lower[1:-1], crease, 0.012 * units)

    bare = 1 - person.makeup
    lashes = np.array([34, 24, 22]) * (1 - 0.6 * person.makeup) + 0.12 * person.skin * bare
    thick = (0.022 + 0.016 * person.makeup) * units
    outline = np.concatenate([upper - (0, thick * 0.8), upper[::-1] + (0, thick * 0.25)])
    fill(atlas, outline, lashes)


def _paint_brow(atlas: Image, person: Person, brow: Floats, outer_first: bool, units: int) -> None:
    spine = _BROW_STEPS @ brow
    taper = _BROW_HALF_HEIGHT[::-1] if outer_first else _BROW_HALF_HEIGHT
    half = (0.5 * person.brow_thickness * units) * taper

    outline = np.concatenate([spine - half, (spine + half)[::-1]])
    fill(atlas, outline, person.brow_colour * 0.85 + person.skin * 0.15)


def _paint_lips(atlas: Image, person: Person, lips: Floats, mouth: Floats, units: int) -> None:
    outer, inner = _ROUND_12 @ lips, _ROUND_8 @ mouth
    fill(atlas, outer, person.lips)
    fill(atlas, np.concatenate([outer[:25], inner[16::-1]]), person.lips * 0.88)  # the upper lip

    middle_x = lips[[3, 9]].mean(0)[0]
    lower_edge = lips[[10, 9, 8]] - (middle_x, 0)
    shine = lower_edge * (0.8, 1) + (middle_x, -0.45 * person.lower_lip * units)
    line(atlas, shine, np.minimum(person.lips * 1.12 + 14, 255).tolist(), 0.018 * units)


def _paint_open_mouth(
    atlas: Image, lips: Floats, mouth: Floats, rest_y: float, motion: Motion, units: int
) -> None:
    """Throat, tongue and upper teeth between the lips; rest_y: where they meet, in pixels."""
    part, corner = patch(atlas, _ROUND_12 @ lips)
    inside = np.empty_like(part)
    inside[:] = _THROAT
    disc(inside, (mouth[6:7] - corner - (0, 0.01 * units))[0], 0.06 * units, _TONGUE)

    half = float(mouth[4, 0] - mouth[0, 0]) / 2
    top, edge = rest_y - 0.1 * units, rest_y - (0.02 * motion.jaw - 0.045) * units
    rise = 0.02 * units
    right = [(half, top), (half * 0.8, edge - rise), (half * 0.4, edge)]
    left = [(-half * 0.4, edge), (-half * 0.8, edge - rise)]
    teeth = np.array([(-half, top), *right, *left]) + (lips[[3, 9]].mean(0)[0], 0)
    fill(inside, teeth - corner, _TEETH)
    blend(part, inside, mask_of(part, _ROUND_8 @ mouth - corner))
