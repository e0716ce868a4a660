"""A folder of photographs or paintings as a dataset: the sources of puppeteering, without preparing anything."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from thbench.data.dataset import Video
from thbench.data.landmarks import LandmarkDetector
from thbench.data.layouts import IMAGE_SUFFIXES
from thbench.data.photos import photo_frames
from thbench.errors import ThbenchError
from thbench.method import Frames
from thbench.pictures import Pictures

VIDEO = "photos"


class PhotoFolder:
    """FOLDER/<person>.jpg, or FOLDER/<person>/<photo>.jpg for several of one person: the `Dataset` protocol.

    Each person has one "video", the photos by name, and is a test person. Faces are found and cropped on opening.
    """

    pictures: Pictures = "photographs"

    def __init__(self, folder: Path, size_px: int, detector: LandmarkDetector) -> None:
        """Raises `ThbenchError` naming the picture that cannot be read or shows no face, or for an empty folder."""
        self.name, self.size_px = folder.resolve().name, size_px
        self._files = _files_of_persons(folder)
        self._frames = {person: photo_frames(files, size_px, detector, "per-frame")
                        for person, files in self._files.items()}
        self.videos: Sequence[Video] = [Video(person, VIDEO, "test", len(files))
                                        for person, files in self._files.items()]
        digest = hashlib.sha256()
        for person, frames in self._frames.items():
            digest.update(repr((person, self.size_px, [file.name for file in self._files[person]])).encode())
            digest.update(frames.images.numpy().tobytes() + frames.landmarks.numpy().tobytes())
        self.sha256 = digest.hexdigest()

    def read(self, video: Video, frames: Sequence[int]) -> Frames:
        """See `Dataset.read`."""
        return self._frames[video.person][list(frames)]

    def frame_names(self, video: Video) -> list[str]:
        return [file.name for file in self._files[video.person]]

    def frame_times_s(self, video: Video) -> None:
        """Photographs have no common clock."""
        return None


def _files_of_persons(folder: Path) -> dict[str, list[Path]]:
    persons: dict[str, list[Path]] = {}
    for entry in _visible(folder):
        files = [_picture(file) for file in (_visible(entry) if entry.is_dir() else [entry])]
        name = entry.name if entry.is_dir() else entry.stem
        if name in persons:
            raise ThbenchError(f"{folder} has two pictures or folders called {name}; rename one")
        if not files:
            raise ThbenchError(f"{entry} holds no pictures; remove it or fill it")
        persons[name] = files
    if not persons:
        raise ThbenchError(f"{folder} holds no pictures ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return persons


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _picture(file: Path) -> Path:
    """The file itself; nobody is left out in silence."""
    if file.is_dir() or file.suffix.lower() not in IMAGE_SUFFIXES:
        raise ThbenchError(f"{file} is no picture ({', '.join(sorted(IMAGE_SUFFIXES))}); remove or convert it")
    return file
