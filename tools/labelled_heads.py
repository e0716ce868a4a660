"""Synthetic heads with all that the renderer knows of them, to train small networks on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from thbench.data.dataset import Split, videos_of
from thbench.data.synthetic import synth
from thbench.data.synthetic.motion import Motion
from thbench.data.synthetic.person import Person
from thbench.data.synthetic.scene import Scene
from thbench.metrics.heads_net import SIZE_PX

POSE = ("yaw", "pitch", "roll")
WORDS = {
    "hair": ["bald", "buzz", "short", "swept", "bob", "long", "curly", "afro", "bun"],
    "beard": ["none", "stubble", "moustache", "goatee", "full"],
    "glasses": ["none", "round", "square", "oval"],
    "style": ["tee", "vneck", "shirt", "suit", "stripes", "turtleneck", "hoodie"],
    "backdrop": ["wall", "corner", "window", "lamps", "shelf", "studio"],
}


@dataclass(frozen=True)
class Heads:
    """Frames with their labels: all that the renderer knows of them.

    images: uint8 [N, 3, S, S]; landmarks: float32 [N, 68, 2]; person, video: int64 [N]; look,
    scene, motion: float32 [N, .], what belongs to the person, to the video and to the frame.
    """

    images: Tensor
    landmarks: Tensor
    person: Tensor
    video: Tensor
    look: Tensor
    scene: Tensor
    motion: Tensor

    def __getitem__(self, rows: Tensor) -> Heads:
        return Heads(*(getattr(self, field.name)[rows] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.images)


def draw_heads(split: Split, frames_per_video: int, seed: int) -> Heads:
    """Frames at drawn positions of every video of a split."""
    dataset, rng = synth(SIZE_PX), np.random.default_rng(seed)
    parts: list[list[Tensor]] = []
    for count, video in enumerate(videos_of(dataset, split)):
        positions = sorted(rng.choice(video.n_frames, frames_per_video, replace=False).tolist())
        frames = dataset.read(video, positions)
        person, scene, motions = dataset.truth(video, positions)

        same = torch.ones(len(positions), 1)
        numbers = [same.flatten().long() * number for number in (int(video.person[1:]), count)]
        moved = torch.stack([_numbers(motion) for motion in motions])
        looks = [same * _numbers(person), same * _numbers(scene)]
        parts.append([frames.images, frames.landmarks, *numbers, *looks, moved])

    columns_of_parts = [torch.cat(column) for column in zip(*parts, strict=True)]
    images, landmarks, person_number, *rest = columns_of_parts
    return Heads(images, landmarks, person_number - person_number.min(), *rest)


def _numbers(record: Person | Scene | Motion) -> Tensor:
    """A record as a vector: numbers and colours as they are, words as one-hot codes."""
    values: list[NDArray[Any]] = []
    for field in fields(record):
        value = getattr(record, field.name)
        if field.name in WORDS:
            values.append(np.array([value == word for word in WORDS[field.name]], np.float32))
        elif field.name not in ("seed", "moles", "trajectory"):
            values.append(np.ravel(value))
    return torch.from_numpy(np.concatenate(values).astype(np.float32))


def batches(heads: Heads, size: int, seed: int) -> Iterator[Heads]:
    """Batches without end, each epoch in a new order."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(len(heads), generator=generator)
        for start in range(0, len(order) - size + 1, size):
            yield heads[order[start : start + size]]


def augment(heads: Heads, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Shifts, zooms and recolours a batch.

    Returns images float [N, 3, S, S] and landmarks [N, 68, 2], both in [-1, 1].
    """
    n = len(heads)
    zoom = 1 + 0.12 * (2 * torch.rand(n, generator=generator) - 1)
    shift = 0.16 * (2 * torch.rand(n, 2, generator=generator) - 1)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = zoom
    theta[:, :, 2] = shift

    x = heads.images.float() / 127.5 - 1
    places = F.affine_grid(theta, list(x.shape), align_corners=False)
    x = F.grid_sample(x, places, padding_mode="border", align_corners=False)

    light = 0.25 * (2 * torch.rand(n, 1, 1, 1, generator=generator) - 1)
    tint = 0.06 * (2 * torch.rand(n, 3, 1, 1, generator=generator) - 1)
    gain = 1 + light + tint
    offset = 0.12 * (2 * torch.rand(n, 1, 1, 1, generator=generator) - 1)
    landmarks = ((heads.landmarks + 0.5) * 2 / SIZE_PX - 1 - shift[:, None]) / zoom[:, None, None]
    return (x * gain + offset).clamp(-1, 1), landmarks


def columns(motion: Tensor, names: Sequence[str]) -> Tensor:
    """The named fields of motions [N, .] as [N, names]."""
    known = [field.name for field in fields(Motion)]
    return motion[:, [known.index(name) for name in names]]
