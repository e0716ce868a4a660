"""How datasets lie on disk as they are distributed: which persons, videos and clips a folder holds.

    vox1-frames   unzippedFaces/<Name>/1.6/<video>/<frame>.jpg
                  VoxCeleb1: face crops, one a second
    vox-mp4       mp4/<id>/<video>/<clip>.mp4
                  VoxCeleb1 and 2: face tracks, 25 frames a second
    videos        <person>/<video>.mp4, <person>/<video>/<clip>.mp4
    frames        <person>/<video>/<frame>.jpg, <person>/<video>/<clip>/<frame>.jpg
    videos-flat   <person>.mp4, each file another person
    photos-flat   <person>.jpg, each file another person
    vox-flat      id<person>#<video>#<start>#<end>.mp4, VoxCeleb as FOMM cuts it
    hdtf          <WRA_Name>_<000>.mp4, HDTF
    vfhq          Clip+<video>+P<n>+C<n>+F<a>-<b>/<frame>.png, VFHQ
    th1kh         <video>_<rest>.mp4, TalkingHead-1KH
    celebv-hq     <video>_<n>.mp4, CelebV-HQ

The last five are named as the lists of other papers name them: each clip is a video of its own.

A video is one recording; a clip is an uninterrupted piece of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from thbench.data.prepare.clip_names import parsed
from thbench.data.prepare.source import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Clip, Folder, SourceVideo

# (video, clips) of one person
Videos = Iterator[tuple[str, list[Clip]]]


@dataclass(frozen=True)
class Layout:
    """How a dataset lies on disk.

    looks: the pattern of its paths, for messages. inner: the folder that may stand above the
    persons, "" for none. videos: lists what lies in the folder of persons.
    """

    looks: str
    inner: str
    videos: Callable[[Folder], Iterator[SourceVideo]]


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
        clips = [
            Clip(Path(name).stem, f"{video.relative}/{name}", "video")
            for name in video.files(VIDEO_SUFFIXES)
        ]
        yield video.path.name, clips


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
