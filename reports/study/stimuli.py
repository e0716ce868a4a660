"""Pictures that raters see: three panels in one JPEG, so no file by itself gives the fake away.

Separate files leak: the smallest of three files is the generated one in 99% of triplets. Here all
three panels are cut, resized and encoded alike, on the same 8 x 8 grid, and only their common
picture is ever sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from thbench.errors import ThbenchError

Image = NDArray[np.uint8]  # [H, W, 3], BGR as OpenCV reads it
BLOCK_PX = 8  # the JPEG grid; panels and gaps are whole blocks, so every panel meets it alike
GAP_PX = 16
GREY = 127
QUALITY = 95
JPEG = (
    (cv2.IMWRITE_JPEG_QUALITY, QUALITY),
    (cv2.IMWRITE_JPEG_OPTIMIZE, 0),
    (cv2.IMWRITE_JPEG_PROGRESSIVE, 0),
    (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
)
CODEC_PASSES = 2  # JPEG is not quite idempotent; after two passes nothing measurable is left


def read_image(file: Path) -> Image:
    """A picture, uint8 [H, W, 3]; raises `ThbenchError` when it cannot be read."""
    image = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if image is None:
        raise ThbenchError(f"{file} is not a readable picture; restore it")
    return np.asarray(image, np.uint8)


def read_panel(file: Path, size_px: int) -> Image:
    """A panel of a study, uint8 [size_px, size_px, 3]; raises `ThbenchError` for another size."""
    panel = read_image(file)
    if panel.shape[:2] != (size_px, size_px):
        height, width = panel.shape[:2]
        raise ThbenchError(
            f"{file} is {width}x{height}, the study's panels are {size_px}x{size_px}: restore it"
        )
    return panel


def to_panel(frame: Image, size_px: int, source_quality: int) -> Image:
    """A frame as a square panel, uint8 [size_px, size_px, 3]: equal history, then the centre
    square, then the size.
    """
    image = same_history(frame, source_quality)
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2

    square = image[top : top + side, left : left + side]
    if side == size_px:
        return square
    resized = cv2.resize(square, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)


def same_history(image: Image, quality: int) -> Image:
    """Takes away what tells frames that were stored as JPEG from frames that were not.

    Real frames come out of a JPEG store, generated ones straight from a network. The store's own
    codec leaves the first almost as they are and gives the second the same traces; a common codec
    of another quality does not do that.
    """
    for _ in range(CODEC_PASSES):
        _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return image


def panel_size(image_px: int) -> int:
    """The largest multiple of 8 that fits: 256 and 224 stay as they are."""
    if image_px < BLOCK_PX:
        raise ThbenchError(
            f"images of {image_px} pixels are too small for a study; use at least {BLOCK_PX}"
        )
    return image_px // BLOCK_PX * BLOCK_PX


def compose(panels: Sequence[Image]) -> bytes:
    """Panels side by side as one JPEG without metadata: fixed quality, full-resolution colour,
    fixed tables.
    """
    size_px = panels[0].shape[0]
    picture = np.full((size_px, composite_width(size_px), 3), GREY, np.uint8)

    for index, panel in enumerate(panels):
        left = index * (size_px + GAP_PX)
        picture[:, left : left + size_px] = panel

    done, data = cv2.imencode(".jpg", picture, [part for pair in JPEG for part in pair])
    if not done:
        raise ThbenchError("OpenCV could not encode a picture as JPEG; reinstall opencv-python")
    return data.tobytes()


def composite_width(size_px: int) -> int:
    """The width in pixels of three panels of `size_px` and the gaps between them."""
    return 3 * size_px + 2 * GAP_PX


def crude_fake(panel: Image, rng: np.random.Generator) -> Image:
    """A distortion that nobody who looks can miss: waves through the face, in smeared colours."""
    size_px = panel.shape[0]
    rows, columns = np.mgrid[0:size_px, 0:size_px].astype(np.float32)
    wave = 2 * np.pi * rng.uniform(3, 5) / size_px
    phase = rng.uniform(0, 2 * np.pi)
    bend = size_px * rng.uniform(0.04, 0.06)

    from_column = columns + bend * np.sin(wave * rows + phase).astype(np.float32)
    from_row = rows + bend * np.sin(wave * columns).astype(np.float32)
    wavy = cv2.remap(panel, from_column, from_row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)

    lab = cv2.cvtColor(wavy, cv2.COLOR_BGR2LAB)
    blur_px = (size_px // 8) | 1  # GaussianBlur wants an odd size
    lab[..., 1:] = cv2.GaussianBlur(lab[..., 1:], (blur_px, blur_px), 0)
    lab[..., 1] = np.clip(lab[..., 1].astype(int) + rng.choice([-14, 14]), 0, 255)
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2BGR), np.uint8)
