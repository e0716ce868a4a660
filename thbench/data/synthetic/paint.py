"""The atlas: skin, beard, hair and clothes painted once per video; eyes, brows and lips painted for
every frame.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from thbench.data.synthetic import grid
from thbench.data.synthetic.clothes import paint_clothes
from thbench.data.synthetic.grid import face_atlas
from thbench.data.synthetic.head import CURVES, Head
from thbench.data.synthetic.motion import Motion
from thbench.data.synthetic.person import Colour, Person
from thbench.data.synthetic.scene import Scene

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]
Array = NDArray[np.floating]
_SHIFT = 4  # OpenCV draws with 1/16 pixel


def _rounding(count: int) -> Floats:
    """[4 * count, count]: a closed Catmull-Rom curve through `count` points, four samples per
    segment.
    """
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
_BROW_STEPS = np.stack(
    [np.interp(np.linspace(0, 4, 13), np.arange(5), unit) for unit in np.eye(5)], 1
).astype(np.float32)
_BROW_TAPER = np.interp(np.linspace(0, 1, 13), [0, 0.12, 0.55, 1], [0.62, 1.0, 0.85, 0.12])[
    :, None
] * (0, 1)


def paint_skin(person: Person, head: Head, units: int) -> Image:
    """The face map without its moving features, uint8 [rows, columns, 3]; `units` is pixels per
    head unit.
    """
    rows, columns = round(grid.FACE_HEIGHT * units), round(grid.ATLAS_WIDTH * units)
    y = (grid.FACE_TOP - (np.arange(rows, dtype=np.float32) + 0.5) / units)[:, None]
    angle = (((np.arange(columns, dtype=np.float32) + 0.5) / units) - grid.FACE_HALF)[
        None
    ] / grid.ANGLE_SCALE
    x = head.width(y) * np.sin(angle)
    front = np.clip(np.cos(angle) * 2, 0, 1)
    p = person
    skin = np.broadcast_to(p.skin, (rows, columns, 3)).astype(np.float32)
    red = p.skin * np.array([1.0, 0.74, 0.74], np.float32) + np.array([8, 0, 0], np.float32)
    side = np.abs(x)
    tip = -0.37 + p.nose_length
    flush = (
        front
        * p.blush
        * (
            0.55 * np.exp(-(((side - 0.42) / 0.16) ** 2) - ((y + 0.28) / 0.13) ** 2)
            + 0.35 * np.exp(-((x / 0.12) ** 2) - ((y - tip) / 0.09) ** 2)
        )
    )
    skin = _mix(skin, red, flush)
    dark = p.skin * np.array([0.66, 0.56, 0.56], np.float32)
    skin = _mix(
        skin,
        dark,
        0.28 * front * np.exp(-(((side - p.eye_x) / 0.17) ** 2) - ((y + 0.085) / 0.04) ** 2),
    )
    shadow = dark * (1 - p.makeup) + np.array([90, 60, 90], np.float32) * p.makeup
    lid = np.exp(-(((side - p.eye_x) / 0.16) ** 2) - ((y - 0.06) / 0.045) ** 2)
    skin = _mix(skin, shadow, (0.22 + 0.4 * p.makeup) * front * lid)
    fold = np.exp(-(((side - 0.17 - 0.75 * np.clip(tip - y, 0, 1) ** 1.2) / 0.022) ** 2))
    fold = fold * ((y < tip + 0.02) & (y > p.mouth_y - 0.02))
    skin = _mix(skin, dark, 0.20 * front * fold)
    skin = _mix(
        skin, dark, 0.10 * front * np.exp(-((x / 0.03) ** 2) - ((y - tip + 0.16) / 0.045) ** 2)
    )
    skin = _mix(skin, p.brow_colour, _beard(p, side, y, angle, rows, columns))
    scalp = (
        0.35 * np.clip((y - p.hairline + 0.02) / 0.05, 0, 1) * (p.hair != "bald") * np.ones_like(x)
    )
    skin = _mix(skin, p.hair_colour * 0.7, scalp)
    image = np.ascontiguousarray(np.clip(skin, 0, 255), dtype=np.uint8)
    _spots(p, head, image, units)
    nostril = p.skin * np.array([0.40, 0.28, 0.26], np.float32)
    for sign in (-1, 1):
        t = np.linspace(0, 2 * np.pi, 12)
        points = np.stack(
            [
                sign * 0.068 * p.nose_width + 0.030 * p.nose_width * np.cos(t),
                tip - 0.078 + 0.016 * np.sin(t) + sign * 0.008 * np.cos(t),
            ],
            1,
        ).astype(np.float32)
        _fill(image, _on_face(head, points, units), nostril)
    return image


def paint_atlas(person: Person, skin: Image, scene: Scene, units: int) -> Image:
    """The whole atlas of one video: the face map, hair, clothes and plain patches."""
    atlas = np.zeros((round(grid.ATLAS_HEIGHT * units), skin.shape[1], 3), np.uint8)
    atlas[: len(skin)] = skin
    rows = slice(round(grid.HAIR_ROW * units), round(grid.CLOTHES_ROW * units))
    atlas[rows] = _hair(person, rows.stop - rows.start, skin.shape[1])
    rows = slice(round(grid.CLOTHES_ROW * units), round(grid.PATCH_ROW * units))
    paint_clothes(scene, person.skin, atlas[rows], units, person.neck_width)
    atlas[rows.stop :] = np.clip(person.skin, 0, 255)
    left, right = (round((grid.PATCH_GLASSES + side * 0.25) * units) for side in (-1, 1))
    atlas[rows.stop :, left:right] = person.glasses_colour
    return atlas


def paint_features(
    atlas: Image, person: Person, head: Head, curves: Floats, motion: Motion, units: int
) -> None:
    """Paints eyes, brows and mouth of one frame into the atlas, in place."""
    place = _on_face(head, curves, units)
    at = {name: place[part] for name, part in CURVES.items()}
    for side in ("l", "r"):
        _eye(atlas, person, at[f"upper_{side}"], at[f"lower_{side}"], at[f"gaze_{side}"], units)
        _brow(atlas, person, at[f"brow_{side}"], side == "l", units)
    roof = (grid.FACE_TOP - person.mouth_y) * units - 0.5
    _mouth(atlas, person, at["lips"], at["mouth"], roof, motion, units)


def _eye(atlas: Image, p: Person, upper: Floats, lower: Floats, gaze: Floats, units: int) -> None:
    opening = np.concatenate([upper, lower[-2:0:-1]])
    patch, corner = _patch(atlas, opening)
    mask = np.zeros(patch.shape[:2], np.uint8)
    cv2.fillPoly(mask, [_fixed(opening - corner)], 255, cv2.LINE_AA, _SHIFT)
    layer = np.empty(patch.shape, np.uint8)
    layer[:] = 238 * (0.8 + 0.2 * p.skin.mean() / 255)
    centre = _fixed(gaze - corner)[0]
    iris = p.iris.tolist()
    for share, colour in ((1.0, [0.5 * v for v in iris]), (0.84, iris), (0.45, (14, 12, 12))):
        cv2.circle(
            layer, centre, round(0.074 * share * units * 16), colour, -1, cv2.LINE_AA, _SHIFT
        )
    glint = _fixed(gaze - corner - np.float32(units) * np.array([0.025, 0.028], np.float32))[0]
    cv2.circle(layer, glint, round(0.017 * units * 16), (250, 250, 250), -1, cv2.LINE_AA, _SHIFT)
    shade = np.zeros_like(mask)  # the upper lid shades the eyeball
    below_lid = _fixed(upper - corner + (0, 0.012 * units))
    cv2.polylines(shade, [below_lid], False, 100, max(1, round(0.035 * units)), cv2.LINE_AA, _SHIFT)
    cv2.multiply(layer, cv2.cvtColor(255 - shade, cv2.COLOR_GRAY2BGR), layer, 1 / 255)
    _blend(patch, layer, mask)
    crease = (p.skin * (0.70, 0.60, 0.58)).tolist()
    _line(atlas, upper[1:-1] - (0, (0.022 + 0.022 * p.lid) * units), crease, 0.012 * units)
    _line(atlas, lower[1:-1], crease, 0.012 * units)
    lash = np.array([34, 24, 22]) * (1 - 0.6 * p.makeup) + 0.12 * p.skin * (1 - p.makeup)
    thick = (0.022 + 0.016 * p.makeup) * units
    _fill(atlas, np.concatenate([upper - (0, thick * 0.8), upper[::-1] + (0, thick * 0.25)]), lash)


def _brow(atlas: Image, p: Person, brow: Floats, outer_first: bool, units: int) -> None:
    spine = _BROW_STEPS @ brow
    half = (0.5 * p.brow_thickness * units) * (_BROW_TAPER[::-1] if outer_first else _BROW_TAPER)
    _fill(
        atlas,
        np.concatenate([spine - half, (spine + half)[::-1]]),
        p.brow_colour * 0.85 + p.skin * 0.15,
    )


def _mouth(
    atlas: Image, p: Person, lips: Floats, mouth: Floats, rest_y: float, motion: Motion, units: int
) -> None:
    outer, inner = _ROUND_12 @ lips, _ROUND_8 @ mouth
    patch, corner = _patch(atlas, outer)
    _fill(atlas, outer, p.lips)
    _fill(atlas, np.concatenate([outer[:25], inner[16::-1]]), p.lips * 0.88)
    middle = lips[[3, 9]].mean(0)[0]
    shine = (lips[[10, 9, 8]] - (middle, 0)) * (0.8, 1) + (middle, -0.45 * p.lower_lip * units)
    _line(atlas, shine, np.minimum(p.lips * 1.12 + 14, 255).tolist(), 0.018 * units)
    mask = np.zeros(patch.shape[:2], np.uint8)
    cv2.fillPoly(mask, [_fixed(inner - corner)], 255, cv2.LINE_AA, _SHIFT)
    if motion.jaw > 0.02:
        layer = np.empty_like(patch)
        layer[:] = (64, 22, 24)
        tongue = _fixed(mouth[6:7] - corner - (0, 0.01 * units))[0]
        cv2.circle(layer, tongue, round(0.06 * units * 16), (150, 66, 70), -1, cv2.LINE_AA, _SHIFT)
        half, edge = (
            float(mouth[4, 0] - mouth[0, 0]) / 2,
            rest_y - (0.02 * motion.jaw - 0.045) * units,
        )
        rise = 0.02 * units
        teeth = np.array(
            [
                (-half, rest_y - 0.1 * units),
                (half, rest_y - 0.1 * units),
                (half * 0.8, edge - rise),
                (half * 0.4, edge),
                (-half * 0.4, edge),
                (-half * 0.8, edge - rise),
            ]
        ) + (middle, 0)
        cv2.fillPoly(layer, [_fixed(teeth - corner)], (232, 228, 216), cv2.LINE_AA, _SHIFT)
        _blend(patch, layer, mask)
    _line(atlas, inner[:17], (p.lips * 0.42).tolist(), 0.014 * units)


def _patch(atlas: Image, points: Floats) -> tuple[Image, Floats]:
    """The part of the atlas around points, and its corner."""
    low = np.maximum(points.min(0) - 2, 0).astype(int)
    high = points.max(0).astype(int) + 3
    return atlas[low[1] : high[1], low[0] : high[0]], low.astype(np.float32)


def _blend(patch: Image, layer: Image, mask: Image) -> None:
    weight = mask[..., None] / np.float32(255)
    patch[:] = (patch + (layer - patch.astype(np.float32)) * weight + np.float32(0.5)).astype(
        np.uint8
    )


def _beard(p: Person, side: Array, y: Array, angle: Array, rows: int, columns: int) -> Floats:
    if p.beard == "none":
        return np.zeros((rows, columns), np.float32)
    jaw = np.interp(side, [0, 0.25, 0.45, 0.6, 0.7, 0.9], [-0.76, -0.66, -0.50, -0.32, -0.05, 0.1])
    full = _step((jaw - y) / 0.10) * np.clip(2.4 - np.abs(angle) * 1.25, 0, 1)
    lip_top = p.mouth_y + 0.055
    moustache = (
        _step((0.30 - side - 0.5 * np.clip(lip_top - y, 0, 1)) / 0.06)
        * _step((lip_top + 0.115 - y) / 0.05)
        * _step((y - p.mouth_y + 0.03 + 0.25 * np.clip(side - 0.15, 0, 1)) / 0.05)
    )
    connect = (
        np.exp(-(((side - 0.31) / 0.055) ** 2))
        * _step((lip_top + 0.03 - y) / 0.08)
        * _step((y + 0.95) / 0.1)
    )
    chin = _step((0.24 - side) / 0.08) * _step((p.mouth_y - 0.135 - y) / 0.05)
    soul = _step((0.05 - side) / 0.03) * _step((p.mouth_y - 0.08 - y) / 0.03) * 0.7
    mask = {
        "stubble": np.maximum(np.maximum(full, moustache), connect) * 0.42,
        "moustache": moustache,
        "goatee": np.maximum(np.maximum(moustache, connect), np.maximum(chin, soul)),
        "full": np.maximum(np.maximum(full, moustache), np.maximum(connect, soul)),
    }[p.beard]
    coarse = np.random.default_rng([7004, p.seed]).random((38, 60)).astype(np.float32)
    noise = cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return np.asarray(
        mask * (0.82 + 0.3 * (noise - 0.5)) * (0.72 + 0.25 * p.beard_density), np.float32
    )


def _hair(p: Person, rows: int, columns: int) -> Image:
    rng = np.random.default_rng([7005, p.seed])
    strands = cv2.resize(
        rng.normal(size=(1, 90)).astype(np.float32), (columns, 1), interpolation=cv2.INTER_CUBIC
    )
    spots = cv2.resize(
        rng.normal(size=(14, 60)).astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC
    )
    curly = p.hair in ("curly", "afro", "buzz")
    value = 1 + (0.04 * strands + 0.10 * spots if curly else 0.10 * strands + 0.03 * spots)
    lift = 6 * (value - 1) * 4
    return np.asarray(np.clip(p.hair_colour * value[..., None] + lift[..., None], 0, 255), np.uint8)


def _spots(p: Person, head: Head, image: Image, units: int) -> None:
    brown = p.skin * np.array([0.42, 0.32, 0.30], np.float32)
    for x, y, radius in p.moles:
        _fill(
            image,
            _on_face(head, _ellipse(float(x), float(y), float(radius), float(radius)), units),
            brown,
        )
    if p.freckles:
        rng = np.random.default_rng([7006, p.seed])
        tone = p.skin * np.array([0.88, 0.77, 0.70], np.float32)
        for x, y in zip(rng.normal(0, 0.27, 60), rng.normal(-0.18, 0.10, 60), strict=True):
            _fill(
                image,
                _on_face(
                    head, _ellipse(float(np.clip(x, -0.6, 0.6)), float(y), 0.013, 0.012), units
                ),
                tone,
            )


def _fill(atlas: Image, points: Floats, colour: Colour) -> None:
    cv2.fillPoly(atlas, [_fixed(points)], colour.tolist(), cv2.LINE_AA, _SHIFT)


def _line(atlas: Image, points: Floats, colour: list[float], width: float) -> None:
    """A line of any width in pixels, one thinner than a pixel fading into what is below."""
    if width >= 1:
        cv2.polylines(atlas, [_fixed(points)], False, colour, round(width), cv2.LINE_AA, _SHIFT)
        return
    patch, corner = _patch(atlas, points)
    drawn = patch.copy()
    cv2.polylines(drawn, [_fixed(points - corner)], False, colour, 1, cv2.LINE_AA, _SHIFT)
    cv2.addWeighted(drawn, width, patch, 1 - width, 0, dst=drawn)
    patch[:] = drawn


def _fixed(points: Floats) -> NDArray[np.int32]:
    """Atlas pixels to OpenCV's fixed-point numbers."""
    return np.rint(points * (1 << _SHIFT)).astype(np.int32)


def _on_face(head: Head, points: Floats, units: int) -> Floats:
    """Frontal points to atlas pixels."""
    return face_atlas(head.angle(points[:, 0], points[:, 1]), points[:, 1]) * units - 0.5


def _ellipse(x: float, y: float, width: float, height: float) -> Floats:
    t = np.linspace(0, 2 * np.pi, 13)[:-1]
    return np.stack([x + width * np.cos(t), y + height * np.sin(t)], 1).astype(np.float32)


def _mix(base: Floats, colour: Colour, weight: Array) -> Floats:
    return np.asarray(base + (colour - base) * weight[..., None], np.float32)


def _step(value: Array) -> Floats:
    return np.asarray(np.clip(value * 0.5 + 0.5, 0, 1), np.float32)
