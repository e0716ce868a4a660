"""Photos and videos straight from disk as Frames: find the face, crop, resize."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from thbench.data.landmarks.detector import Face, FrameKey, LandmarkDetector
from thbench.data.prepare.clips import read_image
from thbench.data.prepare.crop import CropPolicy, crop_squares, cut, moved
from thbench.data.prepare.source import IMAGE_SUFFIXES
from thbench.data.timeline import Timeline
from thbench.data.video import read_timeline, read_video
from thbench.errors import ThbenchError
from thbench.method import Frames

MARGIN = 2.0
_FRAMES_AT_ONCE = 32
_NO_PICTURE = "damaged, or not a picture"


@dataclass(frozen=True)
class Unusable:
    """A photo, or a folder of them, that cannot be used, and why."""

    file: Path
    reason: str


@runtime_checkable
class HandPicked(Protocol):
    """A dataset that somebody gathered by hand: whoever is left out of it is named."""

    @property
    def unusable(self) -> Sequence[Unusable]:
        """What had to be left out, and why."""
        ...


@dataclass(frozen=True)
class Photos:
    """Photos with a face: one frame of `frames` for each of `files`; and the `unusable` ones."""

    frames: Frames
    files: list[Path]
    unusable: list[Unusable]


@dataclass(frozen=True)
class Drive:
    """Driving frames.

    frames: those with a face. positions: their places among the source's frames, whose times are
    the `timeline`.
    """

    frames: Frames
    positions: list[int]
    timeline: Timeline


def read_photos(
    paths: Sequence[Path], size_px: int, detector: LandmarkDetector, crop: CropPolicy
) -> Photos:
    """The largest face of each photo as a square frame. Folders stand for their pictures, sorted.

    No photo is left out in silence: those that cannot be read or show no face are listed.
    """
    files: list[Path] = []
    images: list[NDArray[np.uint8]] = []
    unusable: list[Unusable] = []

    for path in paths:
        for file in _files(path, unusable):
            image = read_image(file)
            if image is None:
                unusable.append(Unusable(file, _NO_PICTURE))
            else:
                files.append(file)
                images.append(image)

    faces = _largest_faces(images, detector)
    unusable += [
        Unusable(file, "no face found")
        for file, face in zip(files, faces, strict=True)
        if face is None
    ]
    shown = [place for place, face in enumerate(faces) if face is not None]
    found = [face for face in faces if face is not None]
    frames = _cut([images[place] for place in shown], found, size_px, crop)
    return Photos(frames, [files[place] for place in shown], unusable)


def refuse(unusable: Sequence[Unusable]) -> None:
    """Raises one `ThbenchError` that lists all of them; does nothing when there are none."""
    if unusable:
        raise ThbenchError(
            f"{_photos(len(unusable))} cannot be used; replace them, or go on "
            f"without them with --skip-unusable:{listed(unusable)}"
        )


def listed(unusable: Sequence[Unusable]) -> str:
    """Each on a line of its own, with its reason."""
    return "".join(f"\n  {photo.file}: {photo.reason}" for photo in unusable)


def drive_frames(
    source: Path, size_px: int, detector: LandmarkDetector, crop: CropPolicy, fps: float = 25.0
) -> Drive:
    """A driving video, or a folder of frames played at `fps`.

    Frames without a face are left out and counted. Raises `ThbenchError` when the source cannot be
    read or no frame has a face.
    """
    if source.is_dir():
        images = _folder_images(source)
        timeline = Timeline.steady(len(images), fps)
    elif source.exists():
        images = list(read_video(source)[0])
        timeline = read_timeline(source)
    else:
        raise ThbenchError(f"{source} does not exist; give a video file or a folder of frames")

    faces = _largest_faces(images, detector)
    positions = [position for position, face in enumerate(faces) if face is not None]
    if not positions:
        raise ThbenchError(f"no face found in any of the {len(images)} frames of {source}")

    shown = [images[position] for position in positions]
    try:
        frames = _cut(shown, [face for face in faces if face is not None], size_px, crop)
    except ThbenchError as error:
        raise ThbenchError(f"{source}: {error}") from None
    return Drive(frames, positions, timeline)


def held(rendered: torch.Tensor, drive: Drive) -> torch.Tensor:
    """One picture per source frame: where a frame had no face, the last one is held."""
    every = np.arange(len(drive.timeline))
    nearest = np.searchsorted(drive.positions, every, side="right") - 1
    return rendered[torch.from_numpy(np.maximum(nearest, 0))]


def _photos(count: int) -> str:
    return f"{count} photo{'s' * (count > 1)}"


def _files(path: Path, unusable: list[Unusable]) -> Iterator[Path]:
    """The file itself, or the pictures of a folder; notes pictures of a kind that is not read."""
    if not path.exists():
        unusable.append(Unusable(path, "does not exist"))
    if not path.is_dir():
        yield from [path] if path.exists() else []
        return

    inside = sorted(file for file in path.iterdir() if not file.name.startswith("."))
    pictures = [file for file in inside if file.suffix.lower() in IMAGE_SUFFIXES]
    unusable += [
        Unusable(file, unread_suffix(file))
        for file in inside
        if file not in pictures and _looks_like_a_picture(file)
    ]
    if not pictures:
        unusable.append(Unusable(path, f"holds no pictures ({', '.join(sorted(IMAGE_SUFFIXES))})"))
    yield from pictures


def unread_suffix(file: Path) -> str:
    """Why a file of this name is not opened."""
    return f"{file.suffix or 'no suffix'} is not read; convert it to .png or .jpg"


def _looks_like_a_picture(file: Path) -> bool:
    kind = mimetypes.guess_type(file.name, strict=False)[0] or ""
    return file.is_file() and kind.startswith("image/")


def _folder_images(folder: Path) -> list[NDArray[np.uint8]]:
    unusable: list[Unusable] = []
    images: list[NDArray[np.uint8]] = []
    for file in _files(folder, unusable):
        image = read_image(file)
        if image is None:
            unusable.append(Unusable(file, _NO_PICTURE))
        else:
            images.append(image)

    if unusable:
        raise ThbenchError(
            f"{folder} cannot drive a head; repair or remove what cannot be read:{listed(unusable)}"
        )
    return images


def _largest_faces(
    images: Sequence[NDArray[np.uint8]], detector: LandmarkDetector
) -> list[Face | None]:
    faces: list[Face | None] = []
    for start in range(0, len(images), _FRAMES_AT_ONCE):
        chunk = images[start : start + _FRAMES_AT_ONCE]
        keys = [FrameKey("", start + index) for index in range(len(chunk))]
        faces += [found[0] if found else None for found in detector.detect(chunk, keys)]
    return faces


def _cut(
    images: Sequence[NDArray[np.uint8]], faces: Sequence[Face], size_px: int, crop: CropPolicy
) -> Frames:
    sizes = [(image.shape[0], image.shape[1]) for image in images]
    squares = crop_squares(crop, sizes, faces, MARGIN)

    cuts = np.empty((len(images), size_px, size_px, 3), np.uint8)
    landmarks = np.empty((len(images), 68, 2), np.float32)
    for place, (image, face, square) in enumerate(zip(images, faces, squares, strict=True)):
        cuts[place] = cut(image, square, size_px)
        landmarks[place] = moved(face.landmarks, square, size_px)

    pixels = torch.from_numpy(cuts).permute(0, 3, 1, 2).contiguous()
    pupils = [
        moved(face.pupils, square, size_px)
        for face, square in zip(faces, squares, strict=True)
        if face.pupils is not None
    ]
    known = torch.from_numpy(np.stack(pupils)) if len(pupils) == len(faces) > 0 else None
    return Frames(pixels, torch.from_numpy(landmarks), known)
