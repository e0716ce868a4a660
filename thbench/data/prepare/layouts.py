"""Readers for datasets as they are distributed: which persons, videos and clips lie in a source
folder.

    vox1-frames   unzippedFaces/<Name>/1.6/<video>/<frame>.jpg     VoxCeleb1, face crops at 1 frame per second
    vox-mp4       mp4/<id>/<video>/<clip>.mp4                      VoxCeleb1 and 2, face tracks at 25 frames per second
    videos        <person>/<video>.mp4, <person>/<video>/<clip>.mp4
    frames        <person>/<video>/<frame>.jpg, <person>/<video>/<clip>/<frame>.jpg
    videos-flat   <person>.mp4                                     each file another person
    photos-flat   <person>.jpg                                     each file another person
    vox-flat      id<person>#<video>#<start>#<end>.mp4             VoxCeleb as FOMM cuts it
    hdtf          <WRA_Name>_<000>.mp4                             HDTF
    vfhq          Clip+<video>+P<n>+C<n>+F<a>-<b>/<frame>.png       VFHQ
    th1kh         <video>_<rest>.mp4                               TalkingHead-1KH
    celebv-hq     <video>_<n>.mp4                                  CelebV-HQ

The last five are named as the lists of other papers name them: each clip is a video of its own.

A video is one recording; a clip is an uninterrupted piece of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from thbench.data.prepare.clip_names import parsed
from thbench.errors import ThbenchError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v"})
LONGEST_NAME_BYTES = 200
LINK_LEAVES = "link leaves the source folder"


@dataclass(frozen=True)
class Clip:
    """One video file, one folder of frames, or one photo. `path` is relative to the listing's root."""

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


def list_source(layout: str, source: Path, follow_links: bool = False) -> Listing:
    """Lists `source` in one of `LAYOUTS`; no frame is opened.

    Whatever is not taken is listed as dropped, with its reason: names with control characters,
    files of other kinds or in other places, and, unless `follow_links`, links that leave the
    folder. Hidden files are passed over. Raises `ThbenchError` for an unknown layout, a missing
    folder, and a folder without a single video of that layout, saying what might be meant.
    """
    if layout not in LAYOUTS:
        raise ThbenchError(f"no layout named {layout!r}: choose {', '.join(LAYOUTS)}")
    if not source.is_dir():
        raise ThbenchError(
            f"{source} is not a folder: name the folder that holds the {layout} dataset"
        )

    chosen = LAYOUTS[layout]
    inner = source / chosen.inner
    root = (inner if chosen.inner and inner.is_dir() else source).resolve()
    listing = Listing(root)
    found: dict[tuple[str, str], SourceVideo] = {}
    clips: list[Clip] = []
    for video in chosen.videos(Folder(root, root, listing.dropped, follow_links)):
        clips += video.clips
        _add(found, video, listing.dropped)
    if not found:
        raise ThbenchError(_nothing_found(source, layout, listing))

    listing.videos = [found[key] for key in sorted(found)]
    listing.dropped += _not_taken(root, clips, follow_links)
    return listing


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
            visible = sorted(
                (entry for entry in entries if not entry.name.startswith(".")), key=_natural
            )
        return [entry for entry in visible if self._usable(entry)]

    def _usable(self, entry: os.DirEntry[str]) -> bool:
        if (
            not entry.name.isprintable()
        ):  # undecodable bytes arrive as surrogates, which are not printable either
            reason = "name holds control or undecodable characters"
        elif len(entry.name.encode()) > LONGEST_NAME_BYTES:
            reason = f"name is longer than {LONGEST_NAME_BYTES} bytes"
        elif entry.is_symlink() and not Path(entry).exists():
            reason = "link leads nowhere"
        elif (
            entry.is_symlink()
            and not self.follow_links
            and not (Path(os.path.realpath(entry)).is_relative_to(self.root))
        ):
            reason = LINK_LEAVES
        else:
            return True
        self.dropped.append(Dropped(reason, frame=ascii(os.path.relpath(entry.path, self.root))))
        return False


def _natural(entry: os.DirEntry[str]) -> tuple[list[tuple[int, str]], str]:
    """frame2 before frame10; names that differ only in zeros are told apart by themselves."""
    parts = re.findall(r"[0-9]+|[^0-9]+", entry.name)
    return [
        (int(part), "") if part[0] in "0123456789" else (-1, part) for part in parts
    ], entry.name


def _add(
    found: dict[tuple[str, str], SourceVideo], video: SourceVideo, dropped: list[Dropped]
) -> None:
    key = (video.person, video.video)
    names = [clip.name for clip in video.clips]
    if not names:
        dropped.append(Dropped("no frames or videos in the folder", *key))
    elif key in found:
        dropped.append(Dropped("another video of the person has the same name", *key))
    else:
        dropped += [
            Dropped("another clip has the same name but for its suffix", *key, name)
            for position, name in enumerate(names)
            if name in names[:position]
        ]
        found[key] = SourceVideo(
            *key, tuple({clip.name: clip for clip in reversed(video.clips)}.values())[::-1]
        )


def _nothing_found(source: Path, layout: str, listing: Listing) -> str:
    """Why a source is empty, with the option or layout that was perhaps meant."""
    problem = f"{source} holds nothing laid out as {LAYOUTS[layout].looks} (layout {layout})"
    links = [drop.frame for drop in listing.dropped if drop.reason == LINK_LEAVES]
    top = Folder(listing.root, listing.root, [], follow_links=True)
    if links:
        more = f" and {len(links) - 3} more" if len(links) > 3 else ""
        return (
            f"{problem}, but links that leave it: {', '.join(links[:3])}{more}; add "
            "--follow-links to follow them"
        )
    if layout != "videos-flat" and top.files(VIDEO_SUFFIXES):
        return f"{problem}, but videos that lie directly in it: take the layout videos-flat"
    if layout != "photos-flat" and top.files(IMAGE_SUFFIXES):
        return f"{problem}, but pictures that lie directly in it: take the layout photos-flat"
    return f"{problem}: check the folder and the layout"


def _not_taken(root: Path, clips: Sequence[Clip], follow_links: bool) -> Iterator[Dropped]:
    """Every visible file that is in no clip: of another kind, or at another place than the
    layout's.
    """
    files = {clip.path for clip in clips if clip.kind != "images"}
    folders = {clip.path for clip in clips if clip.kind == "images"}
    for folder, name in _visible_files(Folder(root, root, [], follow_links)):
        path = f"{folder}/{name}" if folder != "." else name
        suffix = Path(name).suffix.lower()
        if path not in files and not (folder in folders and suffix in IMAGE_SUFFIXES):
            yield Dropped(_reason_of(suffix), frame=path)


def _reason_of(suffix: str) -> str:
    if suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES:
        return "a file at another place than the layout's"
    return f"a file of another kind ({suffix or 'no suffix'})"


def _visible_files(folder: Folder, depth: int = 8) -> Iterator[tuple[str, str]]:
    """(folder, name) of every file, down to a depth at which loops of followed links end too."""
    for name in folder.all_files:
        yield folder.relative, name
    if depth:
        for inner in folder.folders:
            yield from _visible_files(inner, depth - 1)


Videos = Iterator[tuple[str, list[Clip]]]  # (video, clips) of one person


def _of_persons(
    videos_of_person: Callable[[Folder], Videos],
) -> Callable[[Folder], Iterator[SourceVideo]]:
    """The videos below a folder of persons."""

    def videos(root: Folder) -> Iterator[SourceVideo]:
        for person in root.folders:
            for video, clips in videos_of_person(person):
                yield SourceVideo(person.path.name, video, tuple(clips))

    return videos


def _vox1_videos(person: Folder) -> Videos:
    for crop in person.folders:
        if crop.path.name == "1.6":  # the margin of the published crops
            yield from _frame_videos(crop)


def _frame_videos(person: Folder) -> Videos:
    for video in person.folders:
        clips = [
            Clip(clip.path.name, clip.relative, "images")
            for clip in video.folders
            if clip.files(IMAGE_SUFFIXES)
        ]
        if video.files(IMAGE_SUFFIXES):
            clips.insert(0, Clip("frames", video.relative, "images"))
        yield video.path.name, clips


def _folder_videos(person: Folder) -> Videos:
    for video in person.folders:
        yield (
            video.path.name,
            [
                Clip(Path(name).stem, f"{video.relative}/{name}", "video")
                for name in video.files(VIDEO_SUFFIXES)
            ],
        )


def _any_videos(person: Folder) -> Videos:
    yield from _folder_videos(person)
    for name in person.files(VIDEO_SUFFIXES):
        yield Path(name).stem, [Clip("video", f"{person.relative}/{name}", "video")]


def _flat_videos(root: Folder) -> Iterator[SourceVideo]:
    for name in root.files(VIDEO_SUFFIXES):
        yield SourceVideo(Path(name).stem, "video", (Clip("video", name, "video"),))


def _flat_photos(root: Folder) -> Iterator[SourceVideo]:
    for name in root.files(IMAGE_SUFFIXES):
        yield SourceVideo(Path(name).stem, "photo", (Clip("photo", name, "photo"),))


def _named_videos(layout: str) -> Callable[[Folder], Iterator[SourceVideo]]:
    """Flat files, or folders of frames, whose names say whose they are."""

    def videos(root: Folder) -> Iterator[SourceVideo]:
        for name in root.files(VIDEO_SUFFIXES):
            found = parsed(layout, Path(name).stem)
            if found is not None:
                yield SourceVideo(*found, (Clip("video", name, "video"),))
        for folder in root.folders:
            # Frames of FOMM's preprocessing lie in folders called <clip>.mp4.
            found = parsed(layout, folder.path.name.removesuffix(".mp4"))
            if found is not None and folder.files(IMAGE_SUFFIXES):
                yield SourceVideo(*found, (Clip("frames", folder.relative, "images"),))

    return videos


@dataclass(frozen=True)
class Layout:
    """How a dataset lies on disk: what to tell of it, the folder that may stand above, its videos."""

    looks: str
    inner: str
    videos: Callable[[Folder], Iterator[SourceVideo]]


LAYOUTS: dict[str, Layout] = {
    "vox1-frames": Layout(
        "<Name>/1.6/<video>/<frame>.jpg", "unzippedFaces", _of_persons(_vox1_videos)
    ),
    "vox-mp4": Layout("<id>/<video>/<clip>.mp4", "mp4", _of_persons(_folder_videos)),
    "videos": Layout(
        "<person>/<video>.mp4 or <person>/<video>/<clip>.mp4", "", _of_persons(_any_videos)
    ),
    "frames": Layout(
        "<person>/<video>/<frame>.jpg or <person>/<video>/<clip>/<frame>.jpg",
        "",
        _of_persons(_frame_videos),
    ),
    "videos-flat": Layout("<person>.mp4", "", _flat_videos),
    "photos-flat": Layout("<person>.jpg", "", _flat_photos),
    "vox-flat": Layout("id<person>#<video>#<start>#<end>.mp4", "", _named_videos("vox-flat")),
    "hdtf": Layout("<WRA_Name>_<000>.mp4", "", _named_videos("hdtf")),
    "vfhq": Layout("Clip+<video>+P<n>+C<n>+F<a>-<b>/<frame>.png", "", _named_videos("vfhq")),
    "th1kh": Layout("<video>_<rest>.mp4", "", _named_videos("th1kh")),
    "celebv-hq": Layout("<video>_<n>.mp4", "", _named_videos("celebv-hq")),
}
