"""Synthetic heads written in the layouts of real datasets, to try preparation on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from thbench.data.dataset import Video
from thbench.data.synthetic.dataset import FRAMES, VIDEOS, Synth, synth
from thbench.data.synthetic.motion import FRAMES_PER_SECOND
from thbench.data.video import write_video
from thbench.errors import ThbenchError
from thbench.files import atomic_folder

Layout = Literal["vox1", "vox2"]
_CLOCK_HZ = 25  # VoxCeleb counts frames at this rate
_JPEG_QUALITY = 95


def export_synth(
    layout: Layout, out: Path, persons: int, videos: int, frames: int, size_px: int
) -> int:
    """Writes `persons` of the synthetic persons, train and test; returns the number of frames.

    vox1: out/unzippedFaces/Synth_p007/1.6/v0/0000014.jpg, `frames` of them spread over the video,
    numbered at 25 Hz; vox2: out/mp4/id90007/v0/00001.mp4, the first `frames` frames at 12.5 per
    second. `out` appears when it is complete. Raises `ThbenchError` when it exists or more is asked
    for than there is.
    """
    dataset = synth(size_px)
    everyone = list(dict.fromkeys(video.person for video in dataset.videos))
    limits = {
        "persons": (persons, len(everyone)),
        "videos": (videos, VIDEOS),
        "frames": (frames, FRAMES),
    }
    for what, (asked, limit) in limits.items():
        if not 1 <= asked <= limit:
            raise ThbenchError(f"--{what} {asked} asked for; synth has 1 to {limit}")
    if out.exists():
        raise ThbenchError(f"{out} exists; choose another folder, or remove it first")

    places = np.linspace(0, len(everyone) - 1, persons)
    chosen = {everyone[round(place)] for place in places}
    write = _write_vox1 if layout == "vox1" else _write_vox2
    with atomic_folder(out) as folder:
        for video in dataset.videos:
            if video.person in chosen and int(video.video[1:]) < videos:
                write(folder, dataset, video, frames)
    return persons * videos * frames


def _write_vox1(folder: Path, dataset: Synth, video: Video, frames: int) -> None:
    place = folder / "unzippedFaces" / f"Synth_{video.person}" / "1.6" / video.video
    place.mkdir(parents=True)

    positions = np.rint(np.linspace(0, FRAMES - 1, frames)).astype(int).tolist()
    images = dataset.read(video, positions).images.permute(0, 2, 3, 1).numpy()
    for position, image in zip(positions, images, strict=True):
        name = place / f"{round(position * _CLOCK_HZ / FRAMES_PER_SECOND):07d}.jpg"
        if not cv2.imwrite(str(name), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]):
            raise ThbenchError(f"cannot write {name}; free space or choose another folder")


def _write_vox2(folder: Path, dataset: Synth, video: Video, frames: int) -> None:
    path = folder / "mp4" / f"id9{int(video.person[1:]):04d}" / video.video / "00001.mp4"
    path.parent.mkdir(parents=True)
    write_video(path, dataset.read(video, range(frames)).images, FRAMES_PER_SECOND)
