"""What a program left: a video, pictures, or one picture with all frames in a row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thbench.data.clip_files import ClipFile, Image, Keep
from thbench.data.prepare.source import IMAGE_SUFFIXES
from thbench.errors import ThbenchError

_SHOWN = 5


@dataclass(frozen=True)
class Results:
    """What is expected: `n_frames` frames of `size_px`, found by a pattern.

    resized: whether frames of another size are resized, as a system's native size needs it.
    """

    pattern: str
    n_frames: int
    size_px: int
    keep: Keep
    resized: bool
    strip: bool


def found_frames(name: str, out: Path, wanted: Results) -> tuple[Tensor, str]:
    """The frames uint8 [N, 3, S, S] that a program left below `out`, and how they were kept.

    Raises `ThbenchError` where nothing, or more than one thing, fits the pattern, and for frames
    of another number or shape.
    """
    images, coding = _read(name, out, wanted)
    if len(images) != wanted.n_frames:
        raise ThbenchError(
            f"{name}: {len(images)} frames came back, {wanted.n_frames} were asked for"
        )
    size = f"{images[0].shape[1]}x{images[0].shape[0]}"
    kept = [wanted.keep.cut(image) for image in images]
    shaped = [_shaped(name, image, wanted) for image in kept]
    frames = torch.from_numpy(np.stack(shaped)).permute(0, 3, 1, 2).contiguous()
    return frames, f"{coding}, {size}"


def _read(name: str, out: Path, wanted: Results) -> tuple[Sequence[Image], str]:
    found = sorted(
        (
            path
            for path in out.glob(wanted.pattern)
            if path.is_file() and not path.name.startswith(".")
        ),
        key=_natural,
    )
    if not found:
        left = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
        raise ThbenchError(
            f"{name}: nothing below {{out}} fits {wanted.pattern!r}; the program left "
            f"{', '.join(left[:_SHOWN]) or 'nothing'}"
        )
    pictures = all(path.suffix.lower() in IMAGE_SUFFIXES for path in found)
    if len(found) > 1 and not (pictures and not wanted.strip):
        names = ", ".join(str(path.relative_to(out)) for path in found[:_SHOWN])
        raise ThbenchError(
            f"{name}: {len(found)} results fit {wanted.pattern!r} ({names}); make the pattern "
            "narrower"
        )
    if pictures and not wanted.strip:
        return [next(iter(ClipFile(path).read([0]))) for path in found], "pictures"

    clip = ClipFile(found[0])
    images = list(clip.read(range(clip.n_frames)))
    return (_tiles(name, images[0]) if wanted.strip else images), clip.coding


def _tiles(name: str, strip: Image) -> list[Image]:
    """The squares of a strip, from the left."""
    height, width = strip.shape[:2]
    if width % height:
        raise ThbenchError(f"{name}: a strip of {width}x{height} pixels is not a row of squares")
    return [strip[:, left : left + height] for left in range(0, width, height)]


def _shaped(name: str, image: Image, wanted: Results) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    if height == width == wanted.size_px:
        return image
    if height != width or not wanted.resized:
        raise ThbenchError(
            f"{name}: frames of {width}x{height} pixels came back, {wanted.size_px}x"
            f'{wanted.size_px} were asked for; keep = "right-half" takes a part of each, resize = '
            "N hands over and takes back frames of its own size"
        )
    method = cv2.INTER_AREA if height > wanted.size_px else cv2.INTER_CUBIC
    size = (wanted.size_px, wanted.size_px)
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def _natural(path: Path) -> list[tuple[int, str]]:
    """10.png after 9.png."""
    parts = re.findall(r"\d+|\D+", path.as_posix())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
