"""The face map without its moving features: skin, beard, spots, nostrils; painted once a person."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import cv2
import numpy as np

from thbench.data.synthetic import grid
from thbench.data.synthetic.brush import Floats, Image, ellipse, fill, mix, on_face
from thbench.data.synthetic.bumps import Array, bump, ramp
from thbench.data.synthetic.head import Head
from thbench.data.synthetic.person import Person


@dataclass(frozen=True)
class _Places:
    """Where the pixels of the face map lie: heights [rows, 1], the rest [rows, columns]."""

    y: Array
    x: Array
    side: Array  # distance from the middle of the face
    angle: Array
    front: Array  # 1 in front, 0 at the back


def paint_skin(person: Person, head: Head, units: int) -> Image:
    """The face map, uint8 [rows, columns, 3]; units: pixels per head unit."""
    places = _places(head, units)
    skin = np.broadcast_to(person.skin, (*places.x.shape, 3)).astype(np.float32)
    for colour, weight in (
        *_shades(person, places),
        _beard(person, places),
        _scalp(person, places),
    ):
        skin = mix(skin, colour, weight)

    image = np.ascontiguousarray(np.clip(skin, 0, 255), dtype=np.uint8)
    _paint_spots(person, head, image, units)
    _paint_nostrils(person, head, image, units)
    return image


def _places(head: Head, units: int) -> _Places:
    rows, columns = round(grid.FACE_HEIGHT * units), round(grid.ATLAS_WIDTH * units)
    down = (np.arange(rows, dtype=np.float32) + 0.5) / units
    across = (np.arange(columns, dtype=np.float32) + 0.5) / units

    y = (grid.FACE_TOP - down)[:, None]
    angle = (across - grid.FACE_HALF)[None] / grid.ANGLE_SCALE
    x = head.width(y) * np.sin(angle)
    return _Places(y, x, np.abs(x), angle, np.clip(np.cos(angle) * 2, 0, 1))


def _shades(person: Person, places: _Places) -> list[tuple[Floats, Array]]:
    """(colour, weight) of all that is redder or darker than the skin around it, lowest first."""
    x, y, side, front = places.x, places.y, places.side, places.front
    tip, eye_x = person.nose_tip_y, person.eye_x
    red = person.skin * np.array([1.0, 0.74, 0.74], np.float32) + np.array([8, 0, 0], np.float32)
    dark = person.skin * np.array([0.66, 0.56, 0.56], np.float32)

    cheeks = 0.55 * bump(side, y, (0.42, -0.28), (0.16, 0.13))
    nose = 0.35 * bump(x, y, (0, tip), (0.12, 0.09))
    flush = front * person.blush * (cheeks + nose)

    under_eyes = 0.28 * front * bump(side, y, (eye_x, -0.085), (0.17, 0.04))

    purple = np.array([90, 60, 90], np.float32)
    shadow = dark * (1 - person.makeup) + purple * person.makeup
    lids = bump(side, y, (eye_x, 0.06), (0.16, 0.045))
    eyeshadow = (0.22 + 0.4 * person.makeup) * front * lids

    # From the wings of the nose, outwards and down to the corners of the mouth.
    fold_side = 0.75 * np.clip(tip - y, 0, 1) ** 1.2
    fold = np.exp(-(((side - 0.17 - fold_side) / 0.022) ** 2))
    fold = fold * ((y < tip + 0.02) & (y > person.mouth_y - 0.02))

    philtrum = 0.10 * front * bump(x, y - tip, (0, -0.16), (0.03, 0.045))
    return [
        (red, flush),
        (dark, under_eyes),
        (shadow, eyeshadow),
        (dark, 0.20 * front * fold),
        (dark, philtrum),
    ]


def _scalp(person: Person, places: _Places) -> tuple[Floats, Array]:
    """The colour of the hair shows on the skin below it."""
    above_hairline = np.clip((places.y - person.hairline + 0.02) / 0.05, 0, 1)
    weight = 0.35 * above_hairline * (person.hair != "bald") * np.ones_like(places.x)
    return person.hair_colour * 0.7, weight


def _beard(person: Person, places: _Places) -> tuple[Floats, Array]:
    shape = places.x.shape
    if person.beard == "none":
        return person.brow_colour, np.zeros(shape, np.float32)

    coarse = np.random.default_rng([7004, person.seed]).random((38, 60)).astype(np.float32)
    noise = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_LINEAR)
    patchy, dense = 0.82 + 0.3 * (noise - 0.5), 0.72 + 0.25 * person.beard_density
    weight = _beard_mask(person, places) * patchy * dense
    return person.brow_colour, np.asarray(weight, np.float32)


def _beard_mask(person: Person, places: _Places) -> Array:
    y, side, mouth_y = places.y, places.side, person.mouth_y
    lip_top = mouth_y + 0.055

    jaw_y = np.interp(
        side, [0, 0.25, 0.45, 0.6, 0.7, 0.9], [-0.76, -0.66, -0.50, -0.32, -0.05, 0.1]
    )
    jaw = ramp((jaw_y - y) / 0.10) * np.clip(2.4 - np.abs(places.angle) * 1.25, 0, 1)

    narrowing = 0.5 * np.clip(lip_top - y, 0, 1)
    hanging = 0.25 * np.clip(side - 0.15, 0, 1)
    moustache = (
        ramp((0.30 - side - narrowing) / 0.06)
        * ramp((lip_top + 0.115 - y) / 0.05)
        * ramp((y - mouth_y + 0.03 + hanging) / 0.05)
    )

    beside_mouth = np.exp(-(((side - 0.31) / 0.055) ** 2))
    link = beside_mouth * ramp((lip_top + 0.03 - y) / 0.08) * ramp((y + 0.95) / 0.1)

    chin = ramp((0.24 - side) / 0.08) * ramp((mouth_y - 0.135 - y) / 0.05)
    under_lip = ramp((0.05 - side) / 0.03) * ramp((mouth_y - 0.08 - y) / 0.03) * 0.7

    if person.beard == "moustache":
        return moustache
    if person.beard == "goatee":
        return _largest(moustache, link, chin, under_lip)
    if person.beard == "stubble":
        return _largest(jaw, moustache, link) * 0.42
    return _largest(jaw, moustache, link, under_lip)


def _largest(*masks: Array) -> Array:
    return reduce(np.maximum, masks)


def _paint_spots(person: Person, head: Head, image: Image, units: int) -> None:
    brown = person.skin * np.array([0.42, 0.32, 0.30], np.float32)
    for x, y, radius in person.moles.tolist():
        fill(image, on_face(head, ellipse(x, y, radius, radius), units), brown)

    if person.freckles:
        rng = np.random.default_rng([7006, person.seed])
        tone = person.skin * np.array([0.88, 0.77, 0.70], np.float32)
        for x, y in zip(rng.normal(0, 0.27, 60), rng.normal(-0.18, 0.10, 60), strict=True):
            spot = ellipse(float(np.clip(x, -0.6, 0.6)), float(y), 0.013, 0.012)
            fill(image, on_face(head, spot, units), tone)


def _paint_nostrils(person: Person, head: Head, image: Image, units: int) -> None:
    colour = person.skin * np.array([0.40, 0.28, 0.26], np.float32)
    turn = np.linspace(0, 2 * np.pi, 12)
    for side in (-1, 1):
        x = side * 0.068 * person.nose_width + 0.030 * person.nose_width * np.cos(turn)
        y = person.nose_tip_y - 0.078 + 0.016 * np.sin(turn) + side * 0.008 * np.cos(turn)
        fill(image, on_face(head, np.stack([x, y], 1).astype(np.float32), units), colour)
