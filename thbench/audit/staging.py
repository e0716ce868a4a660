"""Defects of what is shown: synthetic heads drawn again with other eyes, mouth, pose or person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thbench.data.dataset import Video
from thbench.data.synthetic import Synth
from thbench.data.synthetic.motion import Motion
from thbench.data.synthetic.person import Person, sample_person
from thbench.data.synthetic.render import Cast, build_cast, build_studio, render
from thbench.data.synthetic.scene import Scene
from thbench.method import Frames

# What a good method still gets wrong, drawn anew for each frame: nothing is judged on frames that
# are perfect otherwise, where any defect would be told at once.
POSE_NOISE_DEG = {"yaw": 2.0, "pitch": 1.5, "roll": 1.0}
MOTION_NOISE = {"jaw": 0.08, "smile": 0.08, "blink": 0.08, "gaze_x": 0.1, "gaze_y": 0.1}

_EYES = ("blink", "gaze_x", "gaze_y", "brows")
_MOUTH = ("jaw", "smile", "pucker")


@dataclass(frozen=True)
class Stage:
    """Some frames of one synthetic video, and what was told to the renderer.

    true: the frames themselves. taken: the motions of a method's frames, a little off the true
    ones.
    """

    person: Person
    other: Person
    scene: Scene
    size_px: int
    true: Frames
    taken: Sequence[Motion]

    def draw(self, person: Person, motions: Sequence[Motion]) -> Tensor:
        """uint8 [N, 3, S, S] of a person in these motions, clothes and light of the video."""
        studio = build_studio(_cast(_Same(person), self.size_px), self.scene, self.size_px)
        images = np.stack([render(studio, motion)[0] for motion in motions])
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()

    def base(self) -> Tensor:
        """What a good method shows: the frames in motions that are a little off."""
        return self.draw(self.person, self.taken)


@dataclass(frozen=True)
class Staging:
    """A defect of what is shown; see `defects.Defect`."""

    name: str
    label: str
    unit: str
    strengths: tuple[float, ...]
    show: Callable[[Stage, float], Tensor]


def set_stage(dataset: Synth, video: Video, frames: Sequence[int], seed: int) -> Stage:
    """The frames at these positions; the noise depends on seed, video and position alone."""
    person, scene, motions = dataset.truth(video, frames)
    number = int(video.person[1:])
    others = [int(other.person[1:]) for other in dataset.videos if other.split == video.split]
    other = others[(others.index(number) + len(others) // 2) % len(others)]
    taken = [
        _noisy(motion, np.random.default_rng([seed, frame, *video.key.encode()]))
        for motion, frame in zip(motions, frames, strict=True)
    ]
    return Stage(
        person, sample_person(other), scene, dataset.size_px, dataset.read(video, frames), taken
    )


def frozen_eyes(stage: Stage, part: float) -> Tensor:
    """Lids, gaze and brows stay where the first frame has them; part: how much of their motion
    is lost.
    """
    return stage.draw(stage.person, _frozen(stage.taken, _EYES, part))


def frozen_mouth(stage: Stage, part: float) -> Tensor:
    """Jaw and lips stay where the first frame has them."""
    return stage.draw(stage.person, _frozen(stage.taken, _MOUTH, part))


def wrong_pose(stage: Stage, by_deg: float) -> Tensor:
    """The head is turned further to the side that it is turned to."""
    turned = [
        replace(motion, yaw=motion.yaw + (by_deg if motion.yaw >= 0 else -by_deg))
        for motion in stage.taken
    ]
    return stage.draw(stage.person, turned)


def wrong_identity(stage: Stage, part: float) -> Tensor:
    """Someone between the person and another one, who at 1 is the other."""
    return stage.draw(_between(stage.person, stage.other, part), stage.taken)


STAGED_DEFECTS = (
    Staging("frozen-eyes", "Frozen eyes", "of the motion", (0.25, 0.5, 1), frozen_eyes),
    Staging("frozen-mouth", "Frozen mouth", "of the motion", (0.25, 0.5, 1), frozen_mouth),
    Staging("wrong-identity", "Wrong identity", "of the way", (0.25, 0.5, 1), wrong_identity),
    Staging("wrong-pose", "Wrong pose", "degrees of yaw", (5, 10, 20), wrong_pose),
)


def _noisy(motion: Motion, random: np.random.Generator) -> Motion:
    moved: dict[str, float] = {}
    for name, sigma in {**POSE_NOISE_DEG, **MOTION_NOISE}.items():
        moved[name] = getattr(motion, name) + random.normal(0, sigma)
    for name in ("jaw", "smile", "blink"):
        moved[name] = min(max(moved[name], 0.0), 1.1)
    return replace(motion, **moved)


def _frozen(motions: Sequence[Motion], names: Sequence[str], part: float) -> list[Motion]:
    first = motions[0]
    return [
        replace(
            motion,
            **{
                name: (1 - part) * getattr(motion, name) + part * getattr(first, name)
                for name in names
            },
        )
        for motion in motions
    ]


def _between(person: Person, other: Person, part: float) -> Person:
    """Lengths and colours are mixed; what comes in kinds (hair, glasses) is the other's from the
    middle of the way on.
    """
    if part >= 1:
        return other
    mixed: dict[str, Any] = {}
    for each in fields(Person):
        ours, theirs = getattr(person, each.name), getattr(other, each.name)
        is_length = isinstance(ours, float)
        is_colour = isinstance(ours, np.ndarray) and ours.shape == (3,)
        if is_length or is_colour:
            mixed[each.name] = ours + part * (theirs - ours)
        else:
            mixed[each.name] = theirs if part >= 0.5 else ours
    return Person(**mixed)


class _Same:
    """A person as a key: two are equal where all of their values are."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self._key = repr(person)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=8)
def _cast(person: _Same, size_px: int) -> Cast:
    return build_cast(person.person, size_px)
