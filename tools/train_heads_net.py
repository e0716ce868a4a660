"""Trains the two small networks that know synthetic heads, on one CPU core and in minutes.

    python tools/train_heads_net.py vgg     thbench/assets/heads_vgg.safetensors, the perceptual network of training
    python tools/train_heads_net.py net     thbench/assets/heads_net.safetensors, of the metrics csim-heads and fd-heads

They share no weights and no architecture, so no metric network takes part in a training loss. Both see the training
persons alone; the numbers printed at the end are on test persons, and are kept beside the weights as JSON.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from thbench.data.dataset import Split, videos_of
from thbench.data.synthetic import synth
from thbench.data.synthetic.motion import Motion
from thbench.data.synthetic.person import Person
from thbench.data.synthetic.scene import Scene
from thbench.files import atomic_path, write_json
from thbench.nets.heads_vgg import STAGES, HeadsVGG

SIZE_PX = 64
WORDS = {"hair": ["bald", "buzz", "short", "swept", "bob", "long", "curly", "afro", "bun"],
         "beard": ["none", "stubble", "moustache", "goatee", "full"], "glasses": ["none", "round", "square", "oval"],
         "style": ["tee", "vneck", "shirt", "suit", "stripes", "turtleneck", "hoodie"],
         "backdrop": ["wall", "corner", "window", "lamps", "shelf", "studio"]}


@dataclass(frozen=True)
class Heads:
    """Frames with their labels: all that the renderer knows of them.

    images: uint8 [N, 3, S, S]; landmarks: float32 [N, 68, 2]; person: int64 [N]; look, scene, motion: float32 [N, .],
    what belongs to the person, to the video and to the frame.
    """

    images: Tensor
    landmarks: Tensor
    person: Tensor
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
    for video in videos_of(dataset, split):
        positions = sorted(rng.choice(video.n_frames, frames_per_video, replace=False).tolist())
        frames, (person, scene, motions) = dataset.read(video, positions), dataset.truth(video, positions)
        number = int(video.person[1:])
        parts.append([frames.images, frames.landmarks, torch.full((len(positions),), number),
                      _numbers(person).expand(len(positions), -1), _numbers(scene).expand(len(positions), -1),
                      torch.stack([_numbers(motion) for motion in motions])])
    images, landmarks, number, *rest = (torch.cat(column) for column in zip(*parts, strict=True))
    return Heads(images, landmarks, number - number.min(), *rest)


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
            yield heads[order[start:start + size]]


def augment(heads: Heads, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Shifts, zooms and recolours a batch: images float [N, 3, S, S] in [-1, 1], landmarks [N, 68, 2] in [-1, 1]."""
    n = len(heads)
    zoom = 1 + 0.12 * (2 * torch.rand(n, generator=generator) - 1)
    shift = 0.16 * (2 * torch.rand(n, 2, generator=generator) - 1)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = zoom
    theta[:, :, 2] = shift
    x = heads.images.float() / 127.5 - 1
    places = F.affine_grid(theta, list(x.shape), align_corners=False)
    x = F.grid_sample(x, places, padding_mode="border", align_corners=False)
    gain = 1 + 0.25 * (2 * torch.rand(n, 1, 1, 1, generator=generator) - 1) \
        + 0.06 * (2 * torch.rand(n, 3, 1, 1, generator=generator) - 1)
    offset = 0.12 * (2 * torch.rand(n, 1, 1, 1, generator=generator) - 1)
    landmarks = ((heads.landmarks + 0.5) * 2 / SIZE_PX - 1 - shift[:, None]) / zoom[:, None, None]
    return (x * gain + offset).clamp(-1, 1), landmarks


class NormalisedVGG(nn.Module):
    """`HeadsVGG` as it is trained: with batch normalisation, and outputs for labels and landmarks."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        channels = [3, *(width for stage in STAGES for width in stage)]
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False)
                                          for a, b in pairwise(channels))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in channels[1:])
        self.labels, self.landmarks = nn.Linear(128 * 16, labels), nn.Linear(128 * 16, 136)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        layer = 0
        for number, stage in enumerate(STAGES):
            x = F.avg_pool2d(x, 2) if number else x
            for _ in stage:
                x = F.relu(self.norms[layer](self.convolutions[layer](x)))
                layer += 1
        return self.labels(x.flatten(1)), self.landmarks(x.flatten(1)).unflatten(1, (68, 2))

    def folded(self) -> HeadsVGG:
        """The same features without normalisation layers."""
        plain = HeadsVGG()
        flat = [convolution for stage in plain.stages for convolution in stage]  # type: ignore[union-attr]
        for target, convolution, norm in zip(flat, self.convolutions, self.norms, strict=True):
            gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            target.weight.copy_(convolution.weight * gain[:, None, None, None])
            target.bias.copy_(norm.bias - norm.running_mean * gain)
        return plain


def train_vgg(minutes: float, batch: int, seed: int, out: Path) -> None:
    """Trains heads-VGG and writes it with its numbers."""
    torch.manual_seed(seed)
    train, unseen = draw_heads("train", 6, seed), draw_heads("test", 4, seed + 1)
    labels = torch.cat([train.look, train.scene, train.motion], 1)
    mean, deviation = labels.mean(0), labels.std(0) + 1e-3
    network = NormalisedVGG(labels.shape[1]).to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(seed)

    def loss_of(heads: Heads) -> tuple[Tensor, dict[str, float]]:
        x, landmarks = augment(heads, generator)
        found, places = network(x.to(memory_format=torch.channels_last))
        true = (torch.cat([heads.look, heads.scene, heads.motion], 1) - mean) / deviation
        of_labels, of_landmarks = F.smooth_l1_loss(found, true), F.l1_loss(places, landmarks)
        return of_labels + 5 * of_landmarks, {"labels": of_labels.item(),
                                              "landmarks_px": of_landmarks.item() * SIZE_PX / 2}

    steps = fit(network, loss_of, batches(train, batch, seed), minutes)
    network.eval()
    with torch.no_grad():
        x = unseen.images.float() / 127.5 - 1
        found, places = network(x)
        error_px = float(((places + 1) * SIZE_PX / 2 - 0.5 - unseen.landmarks).norm(dim=-1).mean())
        true = (torch.cat([unseen.look, unseen.scene, unseen.motion], 1) - mean) / deviation
        explained = 1 - float(((found - true) ** 2).mean() / (true ** 2).mean())
        plain = network.folded()
        plain.scale.copy_(1 / torch.stack([feature.mean() for feature in plain(x)]))
    save(out, plain, {"steps": steps, "batch": batch, "seed": seed, "minutes": minutes, "size_px": SIZE_PX,
                      "train_frames": len(train), "test_persons_landmark_error_px": round(error_px, 3),
                      "test_persons_label_variance_explained": round(explained, 3)})


def fit(network: nn.Module, loss_of, data: Iterator[Heads], minutes: float) -> int:  # type: ignore[no-untyped-def]
    """AdamW with a one-cycle learning rate over the minutes given; returns the number of steps."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=5e-3)
    start, steps = time.monotonic(), 0
    network.train()
    while (part := (time.monotonic() - start) / (60 * minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = 4e-3 * min(1.0, part / 0.06 + 0.02) * (0.5 + 0.5 * math.cos(math.pi * part))
        loss, shown = loss_of(next(data))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if steps % 50 == 0:
            values = "  ".join(f"{name} {value:.3f}" for name, value in shown.items())
            print(f"{steps:6} {time.monotonic() - start:5.0f} s  {values}", flush=True)
        steps += 1
    return steps


def save(out: Path, network: nn.Module, card: dict[str, object]) -> None:
    """Writes float16 weights and, beside them, the numbers as JSON."""
    with atomic_path(out) as temporary:
        save_file({name: value.detach().half().contiguous() for name, value in network.state_dict().items()}, temporary)
    write_json(out.with_suffix(".json"), card)
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB  {card}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("which", choices=["vgg"])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    assets = Path(__file__).parents[1] / "thbench" / "assets"
    train_vgg(options.minutes, options.batch, options.seed, options.out or assets / "heads_vgg.safetensors")
