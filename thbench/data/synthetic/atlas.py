"""The whole atlas of one video: the face map, hair, clothes and plain patches."""

from __future__ import annotations

import cv2
import numpy as np

from thbench.data.synthetic import grid
from thbench.data.synthetic.brush import Image
from thbench.data.synthetic.clothes import paint_clothes
from thbench.data.synthetic.person import Person
from thbench.data.synthetic.scene import Scene


def paint_atlas(person: Person, skin: Image, scene: Scene, units: int) -> Image:
    """uint8 [rows, columns, 3].

    skin: the face map of `paint_skin`. units: pixels per head unit.
    """
    columns = skin.shape[1]
    atlas = np.zeros((round(grid.ATLAS_HEIGHT * units), columns, 3), np.uint8)
    atlas[: len(skin)] = skin

    hair = slice(round(grid.HAIR_ROW * units), round(grid.CLOTHES_ROW * units))
    atlas[hair] = _hair(person, hair.stop - hair.start, columns)

    clothes = slice(hair.stop, round(grid.PATCH_ROW * units))
    paint_clothes(scene, person.skin, atlas[clothes], units, person.neck_width)

    patches = slice(clothes.stop, None)
    atlas[patches] = np.clip(person.skin, 0, 255)
    left, right = (round((grid.PATCH_GLASSES + side * 0.25) * units) for side in (-1, 1))
    atlas[patches, left:right] = person.glasses_colour
    return atlas


def _hair(person: Person, rows: int, columns: int) -> Image:
    rng = np.random.default_rng([7005, person.seed])
    across, both = rng.normal(size=(1, 90)), rng.normal(size=(14, 60))
    strands = cv2.resize(across.astype(np.float32), (columns, 1), interpolation=cv2.INTER_CUBIC)
    spots = cv2.resize(both.astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC)

    if person.hair in ("curly", "afro", "buzz"):
        value = 1 + (0.04 * strands + 0.10 * spots)
    else:
        value = 1 + (0.10 * strands + 0.03 * spots)
    lift = 6 * (value - 1) * 4
    colour = person.hair_colour * value[..., None] + lift[..., None]
    return np.asarray(np.clip(colour, 0, 255), np.uint8)
