"""What a system elsewhere needs to take part: shots, driving frames and landmarks as plain PNG and
CSV.

    OUT/
      README.txt                    what to do, in a few lines
      manifest.csv                  every file below with its sha256
      T8/<video>/                   one episode: learn a head from 8 shots, render driving frames
        shots/00.png ...            the shots
        shots_landmarks/00.png ...  their landmark images
        shots.csv                   their landmarks: file, x0, y0, ..., x67, y67 (pixels, iBUG-68)
        drive/00.png ...            the driving frames; left out where a system must not see them
        drive_landmarks/00.png ...
        drive.csv
      answers/manifest.json         which frames are asked for: answers/T8/<video>/00.png ...

The answers have the layout of a method's images in a run folder. `baselines.external.frames` reads
them back. It knows episodes and driving frames by the sha256 of what was exported, because a method
is handed pixels and landmarks only.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from baselines.external.manifest import (
    FORMAT,
    MANIFEST,
    About,
    AskedEpisode,
    AskedFrame,
    Manifest,
)
from thbench.data.landmarks.image import landmark_images
from thbench.errors import ThbenchError
from thbench.files import atomic_folder, sha256_file
from thbench.method import DrivesWith, Frames
from thbench.records.encode import write_record
from thbench.runs import slug


@dataclass(frozen=True)
class Episode:
    """One task: learn a head from T shots of `video` ("person/video") and render its driving
    frames.
    """

    video: str
    T: int
    shots: Frames
    drive: Frames

    @property
    def folder(self) -> str:
        """Its folder, relative to the export and to the answers."""
        return f"T{self.T}/{slug(self.video)}"


def export_protocol(
    episodes: Iterable[Episode],
    out: Path,
    about: About,
    drives_with: DrivesWith = "image",
) -> int:
    """Writes all episodes to the new folder `out`, whole or not at all; returns how many there
    were.

    about: what the manifest says of their origin (protocol, dataset, their sha256). With
    drives_with = "landmarks" the driving frames themselves are left out. Episodes are read one at a
    time. Raises `ThbenchError` when `out` exists, two episodes have the same video and T, or there
    is none.
    """
    if out.exists():
        raise ThbenchError(f"{out} already exists and may hold answers; choose another folder")
    asked: list[AskedEpisode] = []
    with atomic_folder(out) as folder:
        for episode in episodes:
            if any(episode.folder == other.folder for other in asked):
                raise ThbenchError(
                    f"two episodes are called {episode.video}, T = {episode.T}; nothing was "
                    "exported"
                )
            write_episode(folder / episode.folder, episode.shots, episode.drive, drives_with)
            asked.append(_asked(episode))
        if not asked:
            raise ThbenchError("there is no episode to export: the protocol's split holds no video")
        _write_checksums(folder)
        write_record(folder / "answers" / MANIFEST, Manifest(FORMAT, about, drives_with, asked))
        (folder / "README.txt").write_text(_README, encoding="utf-8")
    return len(asked)


def write_episode(folder: Path, shots: Frames, drive: Frames, drives_with: DrivesWith) -> list[str]:
    """Writes one episode's files; returns the names of the frames that it asks for."""
    write_shots(folder, shots)
    return write_drive(folder, drive, drives_with)


def write_shots(folder: Path, shots: Frames) -> None:
    """Writes what a head is learned from: shots/, shots_landmarks/ and shots.csv."""
    _write_frames(folder, "shots", shots)


def write_drive(folder: Path, drive: Frames, drives_with: DrivesWith) -> list[str]:
    """Writes what drives a head: drive/ unless it must not be seen, drive_landmarks/, drive.csv.

    Returns the names of the frames that are asked for.
    """
    if drives_with == "image":
        _write_frames(folder, "drive", drive)
    else:
        _write_landmarks(folder, "drive", drive)
    return [frame_name(index) for index in range(len(drive))]


def frame_name(index: int) -> str:
    return f"{index:02d}.png"


def shots_sha256(shots: Frames) -> str:
    """The name of a set of shots: the sha256 of its shape, pixels and landmarks."""
    return hashlib.sha256(
        repr(tuple(shots.images.shape)).encode() + _bytes(shots.images) + _bytes(shots.landmarks)
    ).hexdigest()


def landmarks_sha256(drive: Frames) -> list[str]:
    """The names of driving frames: the sha256 of each one's landmarks (the images may be blank)."""
    return [hashlib.sha256(_bytes(landmarks)).hexdigest() for landmarks in drive.landmarks]


def _asked(episode: Episode) -> AskedEpisode:
    frames = [
        AskedFrame(frame_name(index), sha256)
        for index, sha256 in enumerate(landmarks_sha256(episode.drive))
    ]
    return AskedEpisode(
        folder=episode.folder,
        video=episode.video,
        T=episode.T,
        size_px=episode.drive.size_px,
        shots_sha256=shots_sha256(episode.shots),
        frames=frames,
    )


def _write_frames(folder: Path, name: str, frames: Frames) -> None:
    write_pngs(folder / name, frames.images)
    _write_landmarks(folder, name, frames)


def _write_landmarks(folder: Path, name: str, frames: Frames) -> None:
    write_pngs(folder / f"{name}_landmarks", landmark_images(frames.landmarks, frames.size_px))
    with open(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", *(f"{axis}{point}" for point in range(68) for axis in "xy")])
        for index, landmarks in enumerate(frames.landmarks.flatten(1).numpy()):
            # str() of a float32 is the shortest text that reads back as the same number.
            writer.writerow([frame_name(index), *map(str, landmarks)])


def write_pngs(folder: Path, images: Tensor, digits: int = 2) -> None:
    """Writes uint8 [N, 3, H, W] to the new folder as 00.png, 01.png, ..., of so many digits."""
    folder.mkdir(parents=True)
    for index, image in enumerate(images):
        Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()).save(
            folder / f"{index:0{digits}d}.png"
        )


def _write_checksums(folder: Path) -> None:
    with open(folder / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "sha256"])
        writer.writerows(
            (path.relative_to(folder).as_posix(), sha256_file(path))
            for path in _episode_files(folder)
        )


def _episode_files(folder: Path) -> Iterator[Path]:
    """The files in the episodes' folders, sorted."""
    return (path for path in sorted(folder.glob("*/*/**/*")) if path.is_file())


def _bytes(tensor: Tensor) -> bytes:
    return tensor.contiguous().numpy().tobytes()


_README = """\
Every folder T<k>/<video> is one task: learn a head from the k frames in shots/, then render one
frame for each driving pose. Poses are in drive_landmarks/ and drive.csv (68 points, iBUG order,
pixels; the centre of the top-left pixel is 0, 0) and, unless they were withheld, as true frames in
drive/.

Write the frames as PNG, same size, same names, to answers/T<k>/<video>/ (00.png, 01.png, ...) and
leave answers/manifest.json where it is. For a second system, copy the folder answers. You may leave
out a whole T. Then: thbench run-protocol ... --methods external:NAME=answers
"""
