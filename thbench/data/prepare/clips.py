"""The frames of one clip, a video file or a folder of images: which to take, and their pixels."""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from thbench.data.landmarks.detector import FrameKey
from thbench.data.prepare.source import IMAGE_SUFFIXES, Clip, Folder
from thbench.data.timeline import LARGEST_DENOMINATOR
from thbench.data.video import read_timeline, read_video
from thbench.errors import ThbenchError

_ROUNDING_S = Fraction(1, 1000)  # some containers round times to milliseconds

# All that Pillow raises for damaged images of one format or another.
_UNREADABLE = (
    *(OSError, EOFError, ValueError, OverflowError, TypeError, SyntaxError),
    *(struct.error, zlib.error, Image.DecompressionBombError),
)


NO_RATE = "--fps needs videos: image files carry no rate; use --frames-per-clip"


@dataclass(frozen=True)
class SourceFrame:
    """One frame read from its source: uint8 [H, W, 3] RGB, or None where it cannot be read."""

    name: str
    key: FrameKey
    image: NDArray[np.uint8] | None


class ClipReader:
    """A clip below `root`: its `n_frames`, and when each is shown.

    times_s: the first at 0; None for images, of which nobody recorded it.

    pictures: the paths of its images below `root`; empty for a video.
    """

    def __init__(self, root: Path, clip: Clip, follow_links: bool = False) -> None:
        """Raises `VideoError` when a video cannot be opened or is truncated."""
        self.root, self.clip = root, clip
        self.times_s: list[Fraction] | None = None
        self.pictures: list[str] = []
        if clip.kind != "video":
            self.pictures = _pictures(root, clip, follow_links)
            self.n_frames = len(self.pictures)
        else:
            self.times_s = read_timeline(root / clip.path).times_s
            self.n_frames = len(self.times_s)

    def read(self, positions: Sequence[int]) -> Iterator[SourceFrame]:
        """The frames at these rising positions.

        Raises `VideoError` when a video cannot be decoded.
        """
        if self.clip.kind != "video":
            for position in positions:
                path = self.pictures[position]
                yield SourceFrame(Path(path).stem, FrameKey(path), read_image(self.root / path))
            return

        images, _ = read_video(self.root / self.clip.path, frozenset(positions))
        for position in positions:
            # Some packets hold no picture of their own: the last positions then have no image.
            key = FrameKey(self.clip.path, position)
            yield SourceFrame(f"{position:06d}", key, next(images, None))


def sampled_positions(
    n_frames: int,
    times_s: Sequence[Fraction] | None,
    fps: float | None,
    frames_per_clip: int | None,
) -> list[int]:
    """Which frames of a clip to take: `fps` of each second, then `frames_per_clip` of these.

    times_s: when each frame is shown, the first at 0; None where nobody knows. Frames are
    evenly spaced in time: a camera's uneven rate favours no moment. None for `fps` or
    `frames_per_clip` means all. Positions rise and are distinct. Raises `ThbenchError` for `fps`
    where the times are not known.
    """
    positions = list(range(n_frames))
    if fps is not None:
        if times_s is None:
            raise ThbenchError(NO_RATE)
        positions = _at_ticks(times_s, Fraction(fps).limit_denominator(LARGEST_DENOMINATOR))

    if frames_per_clip is None or frames_per_clip >= len(positions):
        return positions
    times = [times_s[position] if times_s else Fraction(position) for position in positions]
    return [positions[place] for place in _in_equal_parts(times, frames_per_clip)]


def _at_ticks(times_s: Sequence[Fraction], fps: Fraction) -> list[int]:
    """The first frame at or after each tick of a clock; none twice where it outlasts a tick."""
    ticks = [floor((time + _ROUNDING_S) * fps) for time in times_s]
    return [
        position
        for position, tick in enumerate(ticks)
        if position == 0 or tick != ticks[position - 1]
    ]


def _in_equal_parts(times: Sequence[Fraction], count: int) -> list[int]:
    """The frames that are shown in the middles of `count` equal parts of the time, none twice.

    The middles: never only the first and last moments, which are often fades.
    """
    length = times[-1] * len(times) / (len(times) - 1)
    chosen: list[int] = []
    for part in range(count):
        shown = bisect_right(times, (part + Fraction(1, 2)) * length / count) - 1
        earliest = chosen[-1] + 1 if chosen else 0
        latest = len(times) - (count - part)
        chosen.append(min(max(shown, earliest), latest))
    return chosen


def _pictures(root: Path, clip: Clip, follow_links: bool) -> list[str]:
    """The paths of a clip's pictures below `root`, in natural order."""
    if clip.kind == "photo":
        return [clip.path]
    names = Folder(root, root / clip.path, [], follow_links).files(IMAGE_SUFFIXES)
    return [f"{clip.path}/{name}" for name in names]


def read_image(path: Path) -> NDArray[np.uint8] | None:
    """uint8 [H, W, 3] RGB, upright; None when the file is damaged, truncated or not an image."""
    # Pillow and not OpenCV, which returns a truncated JPEG half grey without a word.
    try:
        with Image.open(path) as image:
            return np.asarray(ImageOps.exif_transpose(_in_8_bits(image)).convert("RGB"))
    except _UNREADABLE:
        return None


def _in_8_bits(image: Image.Image) -> Image.Image:
    """The picture, 16-bit grey scaled to 8 bits: Pillow itself would cut everything above 255."""
    if not image.mode.startswith("I"):
        return image
    grey = np.asarray(image).astype(np.float64)
    return Image.fromarray(np.rint(grey / 257).clip(0, 255).astype(np.uint8))
