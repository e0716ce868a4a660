"""The `synth` dataset: who is in it, how frames are named and read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch

from thbench.data.dataset import Video
from thbench.data.synthetic.motion import FRAMES_PER_SECOND, Motion
from thbench.data.synthetic.person import Person, sample_person
from thbench.data.synthetic.render import Cast, Studio, build_cast, build_studio, pupils, render
from thbench.data.synthetic.scene import Scene, sample_scene
from thbench.errors import ThbenchError
from thbench.files import sha256_json
from thbench.method import Frames
from thbench.pictures import Pictures

RENDERER_VERSION = 1  # raise it with every change that alters a frame or a landmark
TRAIN_PERSONS, TEST_PERSONS = 400, 60
VIDEOS, FRAMES = 5, 96  # of each person, of each video
DURATION_S = FRAMES / FRAMES_PER_SECOND
_SIZES_PX = range(16, 1025)


@dataclass(frozen=True)
class Synth:
    """Synthetic heads as a `Dataset`: persons p000-p399 train, p400-p459 test.

    Each has 5 videos of 96 frames (7.7 s).

    Deterministic: a frame depends on its person, video, position and the size alone. The poses,
    clothes, light and landmarks are the same at every size. Frames are drawn when read; about ten
    milliseconds go to each new video.
    """

    size_px: int
    name: str = "synth"
    pictures: Pictures = "synthetic heads"
    sha256: str = field(init=False)
    videos: Sequence[Video] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.size_px not in _SIZES_PX:
            raise ThbenchError(
                f"synthetic heads of {self.size_px} pixels asked for; "
                f"choose from {_SIZES_PX.start} to {_SIZES_PX.stop - 1}"
            )

        what = {
            "renderer": RENDERER_VERSION,
            "size_px": self.size_px,
            "train": TRAIN_PERSONS,
            "test": TEST_PERSONS,
            "videos": VIDEOS,
            "frames": FRAMES,
        }
        object.__setattr__(self, "sha256", sha256_json(what))
        object.__setattr__(self, "videos", _videos())

    def read(self, video: Video, frames: Sequence[int]) -> Frames:
        """Draws the frames at these positions, in the order asked for: uint8 [N, 3, size, size],
        landmarks and pupils.

        Raises `ThbenchError` for a video that is not in the dataset or a position outside it.
        """
        studio = _studio(*self._numbers(video), self.size_px)
        outside = [frame for frame in frames if not 0 <= frame < FRAMES]
        if outside:
            raise ThbenchError(
                f"synth video {video.key} has frames 0 to {FRAMES - 1}, not {outside[0]}"
            )

        images = np.empty((len(frames), self.size_px, self.size_px, 3), np.uint8)
        landmarks = np.empty((len(frames), 68, 2), np.float32)
        eyes = np.empty((len(frames), 2, 2), np.float32)
        for position, frame in enumerate(frames):
            motion = studio.scene.trajectory.at(frame)
            images[position], landmarks[position] = render(studio, motion)
            eyes[position] = pupils(studio, motion)

        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        return Frames(pixels, torch.from_numpy(landmarks), torch.from_numpy(eyes))

    def truth(self, video: Video, frames: Sequence[int]) -> tuple[Person, Scene, list[Motion]]:
        """What the renderer was told: the person, the video, and the motion of each frame."""
        person, number = self._numbers(video)
        scene = sample_scene(person, number, DURATION_S)
        return sample_person(person), scene, [scene.trajectory.at(frame) for frame in frames]

    def frame_names(self, video: Video) -> list[str]:
        """Names `clip/frame`; a synthetic video is one clip."""
        self._numbers(video)
        return [f"00001/{frame:07d}" for frame in range(FRAMES)]

    def frame_times_s(self, video: Video) -> list[float]:
        """See `Dataset.frame_times_s`."""
        self._numbers(video)
        return [frame / FRAMES_PER_SECOND for frame in range(FRAMES)]

    def _numbers(self, video: Video) -> tuple[int, int]:
        """Person and video number. The videos lie in a regular order, so a name says where."""
        with suppress(ValueError, IndexError):
            person, number = int(video.person[1:]), int(video.video[1:])
            if self.videos[person * VIDEOS + number] == video:
                return person, number
        raise ThbenchError(
            f"synth holds no video {video.key}; persons are p000 to "
            f"p{TRAIN_PERSONS + TEST_PERSONS - 1}, videos v0 to v{VIDEOS - 1}"
        )


def synth(size_px: int = 64) -> Synth:
    """The synthetic heads of 16 to 1024 pixels; raises `ThbenchError` for other sizes."""
    return Synth(size_px)


@lru_cache(maxsize=32)
def _studio(person: int, video: int, size_px: int) -> Studio:
    scene = sample_scene(person, video, DURATION_S)
    return build_studio(_cast(person, size_px), scene, size_px)


@lru_cache(maxsize=128)
def _cast(person: int, size_px: int) -> Cast:
    return build_cast(sample_person(person), size_px)


def _videos() -> list[Video]:
    everyone = range(TRAIN_PERSONS + TEST_PERSONS)
    return [
        Video(f"p{person:03d}", f"v{video}", "train" if person < TRAIN_PERSONS else "test", FRAMES)
        for person in everyone
        for video in range(VIDEOS)
    ]
