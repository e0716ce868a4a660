"""Clips as other programs leave them: videos and folders of frames, found by name, opened, cut."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

from thbench.data.prepare.clips import ClipReader
from thbench.data.prepare.source import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Clip
from thbench.errors import ThbenchError
from thbench.files import sha256_file, sha256_json

Image = NDArray[np.uint8]

MOVING_SUFFIXES = VIDEO_SUFFIXES | {".gif"}
_HALVES = {
    "left-half": ("columns", 0, 2),
    "right-half": ("columns", 1, 2),
    "top-half": ("rows", 0, 2),
    "bottom-half": ("rows", 1, 2),
}
_PART = re.compile(r"([1-9]\d?)/([1-9]\d?)")


@dataclass(frozen=True)
class Keep:
    """Which part of each frame is meant: the `index`-th of `count` equal columns, or rows, from 0.

    Many programs write their input and their result side by side.
    """

    name: str = "all"
    along: Literal["columns", "rows"] = "columns"
    index: int = 0
    count: int = 1

    def cut(self, image: Image) -> Image:
        """The part of a uint8 [H, W, 3]; raises `ThbenchError` where it has no such parts."""
        length = image.shape[1 if self.along == "columns" else 0]
        if length % self.count:
            raise ThbenchError(
                f"{self.name} of a frame of {_size(image)} pixels is not a whole number of pixels"
            )
        part = length // self.count
        kept = slice(self.index * part, (self.index + 1) * part)
        return image[:, kept] if self.along == "columns" else image[kept]


def keep_part(name: str) -> Keep:
    """The part called "all", "left-half", "right-half", "top-half", "bottom-half", or "K/N": the
    K-th of N equal columns, from 1.

    Raises `ThbenchError` for anything else.
    """
    if name == "all":
        return Keep()
    if name in _HALVES:
        along, index, count = _HALVES[name]
        return Keep(name, "rows" if along == "rows" else "columns", index, count)
    found = _PART.fullmatch(name)
    if found and int(found[1]) <= int(found[2]):
        return Keep(name, "columns", int(found[1]) - 1, int(found[2]))
    raise ThbenchError(
        f"no part of a frame is called {name!r}: choose all, {', '.join(_HALVES)}, or K/N, the "
        "K-th of N columns, such as 3/3"
    )


class ClipFile:
    """A video file, a folder of frames, or a single picture.

    n_frames: how many there are. times_s: when each is shown, the first at 0; None for pictures.
    """

    def __init__(self, path: Path) -> None:
        """Raises `ThbenchError` where there is nothing to read, or a video is damaged."""
        self.path = path = Path(os.path.abspath(path))  # "." has no name of its own
        self._reader = ClipReader(path.parent, Clip(path.stem, path.name, _kind(path)), True)
        self.n_frames = self._reader.n_frames
        times_s = self._reader.times_s
        self.times_s = None if times_s is None else [float(time) for time in times_s]
        if not self.n_frames:
            raise ThbenchError(f"{path} holds no picture")

    @property
    def fps(self) -> float | None:
        """The mean rate; None for pictures and a video of one frame."""
        if self.times_s is None or self.n_frames < 2 or not self.times_s[-1]:
            return None
        return (self.n_frames - 1) / self.times_s[-1]

    @property
    def duration_s(self) -> float | None:
        """From the first frame until the last one goes; None where nobody knows."""
        return None if self.fps is None else self.n_frames / self.fps

    @property
    def coding(self) -> str:
        """How its pixels are kept: "h264, yuv420p", or "pictures"."""
        if self.times_s is None:
            return "pictures"
        with av.open(str(self.path)) as container:
            codec = container.streams.video[0].codec_context
            return f"{codec.name}, {codec.pix_fmt}"

    @property
    def first_size(self) -> tuple[int, int]:
        """(height, width) of the first frame; raises `ThbenchError` as `read` does."""
        height, width, _ = next(iter(self.read([0]))).shape
        return height, width

    def frame_name(self, position: int) -> str:
        """A stable name: the file of a picture, the position in a video."""
        if self._reader.pictures:
            return Path(self._reader.pictures[position]).stem
        return f"{position:06d}"

    def read(self, positions: Sequence[int]) -> Iterator[Image]:
        """The frames uint8 [H, W, 3] RGB at these positions, in the order asked for.

        Raises `ThbenchError` for one that is damaged.
        """
        rising = sorted(set(positions))
        found: dict[int, Image] = {}
        frames = self._reader.read(rising)
        for position in positions:
            while position not in found:
                place = rising[len(found)]
                image = next(frames).image
                if image is None:
                    raise ThbenchError(f"{self.path}: frame {place} is damaged, or no picture")
                found[place] = image
            yield found[position]

    def sha256(self) -> str:
        """Of the file's bytes; of a folder, of its pictures' names and bytes."""
        if not self.path.is_dir():
            return sha256_file(self.path)
        files = [self.path.parent / name for name in self._reader.pictures]
        return sha256_json({file.name: sha256_file(file) for file in files})


def clips_below(folder: Path) -> dict[str, Path]:
    """Every clip below a folder by its name: its path without the suffix ("id1/a" for id1/a.mp4).

    A folder with pictures is one clip; so is `folder` itself, named ".", when it holds any.

    Raises `ThbenchError` when two have the same name, or the folder cannot be read.
    """
    if not folder.is_dir():
        raise ThbenchError(f"{folder} is not a folder; name one that holds videos or frame folders")
    found: dict[str, Path] = {}
    for path in _clip_paths(folder):
        relative = path.relative_to(folder)
        if not str(relative).isprintable():  # undecodable bytes arrive as surrogates
            raise ThbenchError(
                f"{folder}: the name {str(relative)!a} holds control or undecodable "
                "characters; rename it"
            )
        name = (relative if path.is_dir() else relative.with_suffix("")).as_posix()
        if name in found:
            raise ThbenchError(
                f"{found[name]} and {path} have the same name; remove one, or say with --pairs "
                "which is meant"
            )
        found[name] = path
    return found


def _clip_paths(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    """All clips below a folder; above: the real paths of the folders that it was reached by."""
    here = os.path.realpath(folder)
    if here in above:
        raise ThbenchError(f"{folder} is a link to a folder that it lies in; remove it")

    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise ThbenchError(f"{folder} cannot be read: {error.strerror}") from error

    if any(entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file() for entry in entries):
        yield folder
    for entry in entries:
        if entry.is_dir():
            yield from _clip_paths(entry, above | {here})
        elif entry.suffix.lower() in MOVING_SUFFIXES and entry.is_file():
            yield entry


def _kind(path: Path) -> Literal["images", "video", "photo"]:
    if path.is_dir():
        return "images"
    if not path.exists():
        raise ThbenchError(f"{path} does not exist")
    if not path.is_file():  # a pipe would never end
        raise ThbenchError(f"{path} is neither a file nor a folder")
    return "photo" if path.suffix.lower() in IMAGE_SUFFIXES else "video"


def _size(image: Image) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
