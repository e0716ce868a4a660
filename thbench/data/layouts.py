"""Readers for datasets as they are distributed: which persons, videos and clips lie in a source folder.

    vox1-frames   unzippedFaces/<Name>/1.6/<video>/<frame>.jpg     VoxCeleb1, face crops at 1 frame per second
    vox-mp4       mp4/<id>/<video>/<clip>.mp4                      VoxCeleb1 and 2, face tracks at 25 frames per second
    videos        <person>/<video>.mp4, <person>/<video>/<clip>.mp4
    frames        <person>/<video>/<frame>.jpg, <person>/<video>/<clip>/<frame>.jpg

A video is one recording; a clip is an uninterrupted piece of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from thbench.errors import ThbenchError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v"})
LONGEST_NAME_BYTES = 200


@dataclass(frozen=True)
class Clip:
    """One video file, or one folder of frames. `path` is relative to the listing's root."""

    name: str
    path: str
    kind: Literal["images", "video"]


@dataclass(frozen=True)
class SourceVideo:
    """One recording of one person as it lies in the source folder, clips in natural order."""

    person: str
    video: str
    clips: tuple[Clip, ...]


@dataclass(frozen=True)
class Dropped:
    """Something that did not become a frame, and why. Fields that do not apply are empty."""

    reason: str
    person: str = ""
    video: str = ""
    clip: str = ""
    frame: str = ""


@dataclass
class Listing:
    """What a source folder holds: videos sorted by person and video, and what cannot be used.

    root is the folder of persons: the source itself, or `unzippedFaces` or `mp4` in it.
    """

    root: Path
    videos: list[SourceVideo] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)


def list_source(layout: str, source: Path) -> Listing:
    """Lists `source` in one of `LAYOUTS`; no frame is opened.

    Names with control characters and links that leave the folder are listed as dropped, hidden files are passed over.
    Raises `ThbenchError` for an unknown layout, a missing folder, and a folder without a single video of that layout.
    """
    if layout not in LAYOUTS:
        raise ThbenchError(f"no layout named {layout!r}: choose {', '.join(LAYOUTS)}")
    if not source.is_dir():
        raise ThbenchError(f"{source} is not a folder: name the folder that holds the {layout} dataset")
    expected, inner, videos_of_person = LAYOUTS[layout]
    root = (source / inner if inner and (source / inner).is_dir() else source).resolve()
    listing = Listing(root)
    found: dict[tuple[str, str], SourceVideo] = {}
    for person in Folder(root, root, listing.dropped).folders:
        for video, clips in videos_of_person(person):
            _add(found, SourceVideo(person.path.name, video, tuple(clips)), listing.dropped)
    if not found:
        raise ThbenchError(f"{source} holds nothing laid out as {expected} (layout {layout}): check the folder and "
                           "the layout")
    listing.videos = [found[key] for key in sorted(found)]
    return listing


@dataclass
class Folder:
    """A folder below `root`; `dropped` takes note of the entries that cannot be used."""

    root: Path
    path: Path
    dropped: list[Dropped]

    @property
    def relative(self) -> str:
        return self.path.relative_to(self.root).as_posix()

    @property
    def folders(self) -> list[Folder]:
        """The folders in it, in natural order."""
        return [Folder(self.root, Path(entry), self.dropped) for entry in self._entries if entry.is_dir()]

    def files(self, suffixes: Collection[str]) -> list[str]:
        """The names of the files with these suffixes, in natural order."""
        return [entry.name for entry in self._entries
                if Path(entry.name).suffix.lower() in suffixes and entry.is_file()]

    @cached_property
    def _entries(self) -> list[os.DirEntry[str]]:
        with os.scandir(self.path) as entries:
            visible = sorted((entry for entry in entries if not entry.name.startswith(".")), key=_natural)
        return [entry for entry in visible if self._usable(entry)]

    def _usable(self, entry: os.DirEntry[str]) -> bool:
        if not entry.name.isprintable():  # undecodable bytes arrive as surrogates, which are not printable either
            reason = "name holds control or undecodable characters"
        elif len(entry.name.encode()) > LONGEST_NAME_BYTES:
            reason = f"name is longer than {LONGEST_NAME_BYTES} bytes"
        elif entry.is_symlink() and not Path(os.path.realpath(entry)).is_relative_to(self.root):
            reason = "link leaves the source folder"
        else:
            return True
        self.dropped.append(Dropped(reason, frame=ascii(os.path.relpath(entry.path, self.root))))
        return False


def _natural(entry: os.DirEntry[str]) -> tuple[list[tuple[int, str]], str]:
    """frame2 before frame10; names that differ only in zeros are told apart by themselves."""
    parts = re.findall(r"[0-9]+|[^0-9]+", entry.name)
    return [(int(part), "") if part[0] in "0123456789" else (-1, part) for part in parts], entry.name


def _add(found: dict[tuple[str, str], SourceVideo], video: SourceVideo, dropped: list[Dropped]) -> None:
    key = (video.person, video.video)
    names = [clip.name for clip in video.clips]
    if not names:
        dropped.append(Dropped("no frames or videos in the folder", *key))
    elif key in found:
        dropped.append(Dropped("another video of the person has the same name", *key))
    else:
        dropped += [Dropped("another clip has the same name but for its suffix", *key, name)
                    for position, name in enumerate(names) if name in names[:position]]
        found[key] = SourceVideo(*key, tuple({clip.name: clip for clip in reversed(video.clips)}.values())[::-1])


Videos = Iterator[tuple[str, list[Clip]]]  # (video, clips) of one person


def _vox1_videos(person: Folder) -> Videos:
    for crop in person.folders:
        if crop.path.name == "1.6":  # the margin of the published crops
            yield from _frame_videos(crop)


def _frame_videos(person: Folder) -> Videos:
    for video in person.folders:
        clips = [Clip(clip.path.name, clip.relative, "images") for clip in video.folders if clip.files(IMAGE_SUFFIXES)]
        if video.files(IMAGE_SUFFIXES):
            clips.insert(0, Clip("frames", video.relative, "images"))
        yield video.path.name, clips


def _folder_videos(person: Folder) -> Videos:
    for video in person.folders:
        yield video.path.name, [Clip(Path(name).stem, f"{video.relative}/{name}", "video")
                                for name in video.files(VIDEO_SUFFIXES)]


def _any_videos(person: Folder) -> Videos:
    yield from _folder_videos(person)
    for name in person.files(VIDEO_SUFFIXES):
        yield Path(name).stem, [Clip("video", f"{person.relative}/{name}", "video")]


# layout: (how it looks, the folder that may stand above the persons, the videos of one person)
LAYOUTS: dict[str, tuple[str, str, Callable[[Folder], Videos]]] = {
    "vox1-frames": ("<Name>/1.6/<video>/<frame>.jpg", "unzippedFaces", _vox1_videos),
    "vox-mp4": ("<id>/<video>/<clip>.mp4", "mp4", _folder_videos),
    "videos": ("<person>/<video>.mp4 or <person>/<video>/<clip>.mp4", "", _any_videos),
    "frames": ("<person>/<video>/<frame>.jpg or <person>/<video>/<clip>/<frame>.jpg", "", _frame_videos),
}
