"""What lies in a source folder: persons, videos, clips, and what cannot be used of it."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v"})
LONGEST_NAME_BYTES = 200
LINK_LEAVES = "link leaves the source folder"


@dataclass(frozen=True)
class Clip:
    """One video file, one folder of frames, or one photo.

    path: relative to the listing's root.
    """

    name: str
    path: str
    kind: Literal["images", "video", "photo"]


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


@dataclass
class Folder:
    """A folder below `root`; `dropped` takes note of the entries that cannot be used."""

    root: Path
    path: Path
    dropped: list[Dropped]
    follow_links: bool = False

    @property
    def relative(self) -> str:
        return self.path.relative_to(self.root).as_posix()

    @property
    def folders(self) -> list[Folder]:
        """The folders in it, in natural order."""
        return [
            Folder(self.root, Path(entry), self.dropped, self.follow_links)
            for entry in self._entries
            if entry.is_dir()
        ]

    def files(self, suffixes: Collection[str]) -> list[str]:
        """The names of the files with these suffixes, in natural order."""
        return [
            entry.name
            for entry in self._entries
            if Path(entry.name).suffix.lower() in suffixes and entry.is_file()
        ]

    @property
    def all_files(self) -> list[str]:
        """The names of all its files, in natural order."""
        return [entry.name for entry in self._entries if entry.is_file()]

    @cached_property
    def _entries(self) -> list[os.DirEntry[str]]:
        with os.scandir(self.path) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
        return [entry for entry in sorted(visible, key=_natural) if self._takes(entry)]

    def _takes(self, entry: os.DirEntry[str]) -> bool:
        """Whether an entry can be used; notes in `dropped` why not."""
        fault = self._fault(entry)
        if fault:
            path = os.path.relpath(entry.path, self.root)
            self.dropped.append(Dropped(fault, frame=ascii(path)))
        return not fault

    def _fault(self, entry: os.DirEntry[str]) -> str:
        # Undecodable bytes arrive as surrogates, which are not printable either.
        if not entry.name.isprintable():
            return "name holds control or undecodable characters"
        if len(entry.name.encode()) > LONGEST_NAME_BYTES:
            return f"name is longer than {LONGEST_NAME_BYTES} bytes"
        if not entry.is_symlink():
            return ""

        if not Path(entry).exists():
            return "link leads nowhere"
        target = Path(os.path.realpath(entry))
        return "" if self.follow_links or target.is_relative_to(self.root) else LINK_LEAVES


def _natural(entry: os.DirEntry[str]) -> tuple[list[tuple[int, str]], str]:
    """frame2 before frame10; names that differ only in zeros in the order of their characters."""
    parts = re.findall(r"[0-9]+|[^0-9]+", entry.name)
    key = [(int(part), "") if part[0] in "0123456789" else (-1, part) for part in parts]
    return key, entry.name
