"""A folder of photographs or paintings as a dataset: sources of puppeteering, not prepared."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from thbench.data.dataset import Video
from thbench.data.landmarks.detector import LandmarkDetector
from thbench.data.photos import Photos, Unusable, listed, read_photos, refuse, unread_suffix
from thbench.data.prepare.source import IMAGE_SUFFIXES
from thbench.errors import ThbenchError
from thbench.method import Frames
from thbench.pictures import Pictures

VIDEO = "photos"


class PhotoFolder:
    """FOLDER/<person>.jpg, or FOLDER/<person>/<photo>.jpg for several of one person: a `Dataset`.

    Each person has one "video", the photos by name, and is a test person. Faces are found and
    cropped on opening. `unusable` are the files that were left out, and why.
    """

    pictures: Pictures = "photographs"

    def __init__(
        self, folder: Path, size_px: int, detector: LandmarkDetector, skip_unusable: bool = False
    ) -> None:
        """Raises one `ThbenchError` that lists every file that cannot be used.

        With `skip_unusable` these are left out, persons without any other photo too; then it raises
        only when nobody is left. Two entries of one name are an error in either case.
        """
        self.name, self.size_px = folder.resolve().name, size_px
        self.unusable: list[Unusable] = []

        persons = {
            person: read_photos(files, size_px, detector, "per-frame")
            for person, files in _files_of_persons(folder, self.unusable).items()
        }
        self.unusable += [photo for photos in persons.values() for photo in photos.unusable]
        if not skip_unusable:
            refuse(self.unusable)

        self._photos = {person: photos for person, photos in persons.items() if photos.files}
        if not self._photos:
            raise ThbenchError(
                f"{folder} holds no photo that can be used{listed(self.unusable) or _suffixes()}"
            )

        self.videos: Sequence[Video] = [
            Video(person, VIDEO, "test", len(photos.files))
            for person, photos in self._photos.items()
        ]
        self.sha256 = _sha256(self._photos, size_px)

    def read(self, video: Video, frames: Sequence[int]) -> Frames:
        """See `Dataset.read`."""
        return self._photos[video.person].frames[list(frames)]

    def frame_names(self, video: Video) -> list[str]:
        return [file.name for file in self._photos[video.person].files]

    def frame_times_s(self, video: Video) -> None:
        """Photographs have no common clock."""
        return None


def _sha256(photos: dict[str, Photos], size_px: int) -> str:
    digest = hashlib.sha256()
    for person, own in photos.items():
        digest.update(repr((person, size_px, [file.name for file in own.files])).encode())
        digest.update(own.frames.images.numpy().tobytes())
        digest.update(own.frames.landmarks.numpy().tobytes())
        if own.frames.pupils is not None:
            digest.update(own.frames.pupils.numpy().tobytes())
    return digest.hexdigest()


def _files_of_persons(folder: Path, unusable: list[Unusable]) -> dict[str, list[Path]]:
    """The pictures of each person; everything else in the folder is noted as unusable."""
    persons: dict[str, list[Path]] = {}
    for entry in _visible(folder):
        files = _pictures(_visible(entry) if entry.is_dir() else [entry], unusable)
        if entry.is_dir() and not files:
            unusable.append(Unusable(entry, "holds no pictures"))
        if not files:
            continue

        name = entry.name if entry.is_dir() else entry.stem
        if name in persons:
            raise ThbenchError(f"{folder} has two pictures or folders called {name}; rename one")
        persons[name] = files
    return persons


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _pictures(entries: Sequence[Path], unusable: list[Unusable]) -> list[Path]:
    pictures = []
    for entry in entries:
        if entry.is_dir():
            unusable.append(Unusable(entry, "a folder in the folder of a person"))
        elif entry.suffix.lower() not in IMAGE_SUFFIXES:
            unusable.append(Unusable(entry, unread_suffix(entry)))
        else:
            pictures.append(entry)
    return pictures


def _suffixes() -> str:
    return f" ({', '.join(sorted(IMAGE_SUFFIXES))})"
