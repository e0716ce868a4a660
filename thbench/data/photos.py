"""Photos and videos straight from disk as Frames, for heads of one's own: find the face, crop, resize."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from thbench.data.clips import read_image
from thbench.data.crop import CropPolicy, crop_squares, cut, moved
from thbench.data.landmarks import Face, FrameKey, LandmarkDetector
from thbench.data.layouts import IMAGE_SUFFIXES
from thbench.data.video import read_video
from thbench.errors import ThbenchError
from thbench.method import Frames

_MARGIN = 2.0
_FRAMES_AT_ONCE = 32


@dataclass(frozen=True)
class Drive:
    """Driving frames: `frames` are those with a face, `positions` their places among the source's `n_source` frames."""

    frames: Frames
    positions: list[int]
    n_source: int
    fps: float


def photo_frames(paths: Sequence[Path], size_px: int, detector: LandmarkDetector, crop: CropPolicy) -> Frames:
    """The largest face of each photo as a square frame. Folders stand for the pictures in them, sorted.

    Raises `ThbenchError` naming the photo that cannot be read or shows no face: none is left out in silence.
    """
    files = _files(paths)
    images = []
    for file in files:
        image = read_image(file)
        if image is None:
            raise ThbenchError(f"{file} is no picture, or a damaged one; leave it out or replace it")
        images.append(image)
    faces = _largest_faces(images, detector)
    for file, face in zip(files, faces, strict=True):
        if face is None:
            raise ThbenchError(f"no face found in {file}; leave it out or crop it around the face")
    return _cut(images, [face for face in faces if face is not None], size_px, crop)


def drive_frames(source: Path, size_px: int, detector: LandmarkDetector, crop: CropPolicy, fps: float = 25.0) -> Drive:
    """A driving video, or a folder of frames played at `fps`. Frames without a face are left out and counted.

    Raises `ThbenchError` when the source cannot be read or no frame has a face.
    """
    if source.is_dir():
        found = [read_image(file) for file in _files([source])]
        images = [image for image in found if image is not None]
        if len(images) < len(found):
            raise ThbenchError(f"{len(found) - len(images)} pictures in {source} cannot be read; remove them")
    elif source.exists():
        decoded, fps = read_video(source)
        images = list(decoded)
    else:
        raise ThbenchError(f"{source} does not exist; give a video file or a folder of frames")
    faces = _largest_faces(images, detector)
    positions = [position for position, face in enumerate(faces) if face is not None]
    if not positions:
        raise ThbenchError(f"no face found in any of the {len(images)} frames of {source}")
    frames = _cut([images[position] for position in positions], [face for face in faces if face is not None], size_px,
                  crop)
    return Drive(frames, positions, len(images), fps)


def held(rendered: torch.Tensor, drive: Drive) -> torch.Tensor:
    """One picture per source frame, so that sound stays in step: where a frame had no face the last one is held."""
    nearest = np.searchsorted(drive.positions, np.arange(drive.n_source), side="right") - 1
    return rendered[torch.from_numpy(np.maximum(nearest, 0))]


def _files(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
            if not inside:
                raise ThbenchError(f"{path} holds no pictures ({', '.join(sorted(IMAGE_SUFFIXES))})")
            files += inside
        elif path.exists():
            files.append(path)
        else:
            raise ThbenchError(f"{path} does not exist")
    return files


def _largest_faces(images: Sequence[NDArray[np.uint8]], detector: LandmarkDetector) -> list[Face | None]:
    faces: list[Face | None] = []
    for start in range(0, len(images), _FRAMES_AT_ONCE):
        chunk = images[start:start + _FRAMES_AT_ONCE]
        keys = [FrameKey("", start + index) for index in range(len(chunk))]
        faces += [found[0] if found else None for found in detector.detect(chunk, keys)]
    return faces


def _cut(images: Sequence[NDArray[np.uint8]], faces: Sequence[Face], size_px: int, crop: CropPolicy) -> Frames:
    squares = crop_squares(crop, [(image.shape[0], image.shape[1]) for image in images], faces, _MARGIN)
    cuts = np.stack([cut(image, square, size_px) for image, square in zip(images, squares, strict=True)])
    landmarks = np.stack([moved(face.landmarks, square, size_px)
                          for face, square in zip(faces, squares, strict=True)])
    return Frames(torch.from_numpy(cuts).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(landmarks))
