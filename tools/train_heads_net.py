"""Trains the two small networks that know synthetic heads, on one CPU core and in minutes.

    python tools/train_heads_net.py vgg     the perceptual network of training
    python tools/train_heads_net.py net     the network of the metrics csim-heads and fd-heads

They go to thbench/assets/heads_vgg.safetensors and thbench/assets/heads_net.safetensors.

They share no weights and no architecture, so no metric network takes part in a training loss. Both
see the training persons alone; the numbers printed at the end are on test persons, and are kept
beside the weights as JSON.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import torch
from labelled_heads import POSE, Heads, augment, batches, columns, draw_heads
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import fuse_conv_bn_eval

from thbench.files import atomic_path, write_json
from thbench.metrics.heads_net import EMBEDDING, EXPRESSION, SIZE_PX, HeadsNet
from thbench.perceptual.heads_vgg import STAGES, HeadsVGG

# (batch, share of the steps done) -> loss and its parts
LossOf = Callable[[Heads, float], tuple[Tensor, dict[str, float]]]


class NormalisedVGG(nn.Module):
    """`HeadsVGG` as it is trained: with batch normalisation, outputs for labels and landmarks."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        channels = [3, *(width for stage in STAGES for width in stage)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in pairwise(channels)
        )
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
        """The same features without normalisation layers; call it in evaluation mode."""
        plain = HeadsVGG()
        targets = [module for module in plain.modules() if isinstance(module, nn.Conv2d)]
        for target, convolution, norm in zip(targets, self.convolutions, self.norms, strict=True):
            target.load_state_dict(fuse_conv_bn_eval(convolution, norm).state_dict())  # type: ignore[arg-type,type-var]
        return plain


def train_vgg(steps: int, batch: int, seed: int, out: Path) -> None:
    """Trains heads-VGG and writes it with its numbers."""
    torch.manual_seed(seed)
    train, unseen = draw_heads("train", 6, seed), draw_heads("test", 4, seed + 1)
    labels = torch.cat([train.look, train.scene, train.motion], 1)
    mean, deviation = labels.mean(0), labels.std(0) + 1e-3
    network = NormalisedVGG(labels.shape[1]).to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(seed)

    def loss_of(heads: Heads, done: float) -> tuple[Tensor, dict[str, float]]:
        x, landmarks = augment(heads, generator)
        found, places = network(x.to(memory_format=torch.channels_last))
        true = (torch.cat([heads.look, heads.scene, heads.motion], 1) - mean) / deviation
        of_labels, of_landmarks = F.smooth_l1_loss(found, true), F.l1_loss(places, landmarks)
        return of_labels + 5 * of_landmarks, {
            "labels": of_labels.item(),
            "landmarks_px": of_landmarks.item() * SIZE_PX / 2,
        }

    fit(network, loss_of, batches(train, batch, seed), steps)
    network.eval()
    with torch.no_grad():
        x = unseen.images.float() / 127.5 - 1
        found, places = network(x)
        error_px = float(((places + 1) * SIZE_PX / 2 - 0.5 - unseen.landmarks).norm(dim=-1).mean())
        true = (torch.cat([unseen.look, unseen.scene, unseen.motion], 1) - mean) / deviation
        explained = 1 - float(((found - true) ** 2).mean() / (true**2).mean())
        plain = network.folded()
        plain.scale.copy_(1 / torch.stack([feature.mean() for feature in plain(x)]))
    save(
        out,
        plain,
        {
            "steps": steps,
            "batch": batch,
            "seed": seed,
            "size_px": SIZE_PX,
            "train_frames": len(train),
            "test_persons_landmark_error_px": round(error_px, 3),
            "test_persons_label_variance_explained": round(explained, 3),
        },
    )


class ArcFace(nn.Module):
    """Class weights on the sphere with an additive angular margin (Deng et al., CVPR 2019)."""

    def __init__(self, classes: int, scale: float = 24.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, EMBEDDING))
        self.scale = scale

    def forward(self, identity: Tensor, person: Tensor, margin: float) -> Tensor:
        cosine = identity @ F.normalize(self.weight).T
        true = cosine.gather(1, person[:, None]).clamp(-0.999, 0.999)
        harder = cosine.scatter(1, person[:, None], torch.cos(torch.acos(true) + margin))
        return F.cross_entropy(self.scale * harder, person)


def train_net(steps: int, batch: int, seed: int, out: Path) -> None:
    """Trains heads-net and writes it with its numbers on persons it never saw."""
    torch.manual_seed(seed)
    train, unseen = draw_heads("train", 6, seed), draw_heads("test", 8, seed + 1)
    network = HeadsNet().to(memory_format=torch.channels_last)
    arcface, cells = ArcFace(int(train.person.max()) + 1), network.identity.in_features
    look, marks = nn.Linear(cells, train.look.shape[1]), nn.Linear(cells, 136)  # only to learn from
    mean, deviation = train.look.mean(0), train.look.std(0) + 1e-2
    spread = columns(train.motion, EXPRESSION).std(0)
    generator = torch.Generator().manual_seed(seed)

    def loss_of(heads: Heads, done: float) -> tuple[Tensor, dict[str, float]]:
        x, landmarks = augment(heads, generator)
        # Generated frames are softer.
        blurred = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
        amount = (3.3 * torch.rand(len(heads), 1, 1, 1, generator=generator) - 2.3).clamp(min=0)
        features = network.trunk((x + (blurred - x) * amount).to(memory_format=torch.channels_last))
        pose, expression = network.state(features).split([3, len(EXPRESSION)], 1)
        parts = {
            "identity": arcface(
                F.normalize(network.identity(features)), heads.person, 0.3 * min(1.0, 2 * done)
            ),
            "look": F.smooth_l1_loss(look(features), (heads.look - mean) / deviation),
            "pose": F.smooth_l1_loss(pose, columns(heads.motion, POSE) / 15),
            "expression": F.smooth_l1_loss(
                expression / spread, columns(heads.motion, EXPRESSION) / spread
            ),
            "landmarks": F.l1_loss(marks(features).unflatten(1, (68, 2)), landmarks),
        }
        state = parts["pose"] + parts["expression"]
        loss = 0.25 * parts["identity"] + parts["look"] + 2 * state + 10 * parts["landmarks"]
        return loss, {name: part.item() for name, part in parts.items()}

    fit(nn.ModuleList([network, arcface, look, marks]), loss_of, batches(train, batch, seed), steps)
    network.eval()
    save(
        out,
        network,
        {
            "steps": steps,
            "batch": batch,
            "seed": seed,
            "size_px": SIZE_PX,
            "train_frames": len(train),
            "train_persons": len(arcface.weight),
            **judge(network, unseen),
        },
    )


@torch.no_grad()
def judge(network: HeadsNet, unseen: Heads) -> dict[str, float]:
    """Verification over all pairs of frames from different videos, the threshold taken from the
    other half of the persons; errors of pose and expression.
    """
    x = unseen.images.float() / 127.5 - 1
    outputs = [network(part) for part in torch.split(x, 256)]
    identity, pose, expression = (torch.cat(column) for column in zip(*outputs, strict=True))
    cosine, same = identity @ identity.T, unseen.person[:, None] == unseen.person
    usable = unseen.video[:, None] < unseen.video
    right, areas = [], []
    for half in (0, 1):
        ours = (unseen.person % 2 == half)[:, None] & (unseen.person % 2 == half) & usable
        theirs = (unseen.person % 2 != half)[:, None] & (unseen.person % 2 != half) & usable
        thresholds = torch.linspace(-1, 1, 401)
        best = max(thresholds.tolist(), key=lambda t: balanced(cosine[theirs] > t, same[theirs]))
        right.append(balanced(cosine[ours] > best, same[ours]))
        order = cosine[ours].argsort()
        ranks = torch.empty(len(order), dtype=torch.float64)
        ranks[order] = torch.arange(1, len(order) + 1, dtype=torch.float64)
        positive = same[ours]
        n, m = int(positive.sum()), int((~positive).sum())
        areas.append(float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m)))
    angles, state = columns(unseen.motion, POSE), columns(unseen.motion, EXPRESSION)
    errors = {
        f"{name}_error_degrees": float(error)
        for name, error in zip(POSE, (pose - angles).abs().mean(0), strict=True)
    }
    errors |= {
        f"{name}_correlation": float(
            torch.corrcoef(torch.stack([expression[:, at], state[:, at]]))[0, 1]
        )
        for at, name in enumerate(EXPRESSION)
    }
    return {
        name: round(value, 4)
        for name, value in {
            "verification_accuracy": sum(right) / 2,
            "verification_auc": sum(areas) / 2,
            "cosine_same_person": float(cosine[usable & same].mean()),
            "cosine_other_person": float(cosine[usable & ~same].mean()),
            **errors,
        }.items()
    }


def balanced(accepted: Tensor, same: Tensor) -> float:
    """Accuracy with pairs of one person and of two persons weighing the same."""
    return float((accepted[same].double().mean() + (~accepted[~same]).double().mean()) / 2)


def fit(network: nn.Module, loss_of: LossOf, data: Iterator[Heads], steps: int) -> None:
    """AdamW; the learning rate rises for 6 % of the steps and falls along a cosine."""
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=5e-3)
    start = time.process_time()
    network.train()
    for step in range(steps):
        done = step / steps
        for group in optimiser.param_groups:
            warmed_up, fallen = min(1.0, done / 0.06 + 0.02), 0.5 + 0.5 * math.cos(math.pi * done)
            group["lr"] = 3e-3 * warmed_up * fallen

        loss, shown = loss_of(next(data), done)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        if step % 50 == 0:
            values = "  ".join(f"{name} {value:.3f}" for name, value in shown.items())
            print(f"{step:6} {time.process_time() - start:5.0f} s  {values}", flush=True)


def save(out: Path, network: nn.Module, card: dict[str, object]) -> None:
    """Writes float16 weights and, beside them, the numbers as JSON."""
    weights = {
        name: value.detach().half().contiguous()
        for name, value in network.state_dict().items()
        if value.is_floating_point()
    }
    with atomic_path(out) as temporary:
        save_file(weights, temporary)
    write_json(out.with_suffix(".json"), card)
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB  {card}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("which", choices=["vgg", "net"])
    parser.add_argument("--steps", type=int, help="default: 840 for vgg, 3000 for net")
    parser.add_argument("--batch", type=int, help="default: 48 for vgg, 64 for net")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    train, steps, batch = {"vgg": (train_vgg, 840, 48), "net": (train_net, 3000, 64)}[options.which]
    asset = Path(__file__).parents[1] / "thbench" / "assets" / f"heads_{options.which}.safetensors"
    train(options.steps or steps, options.batch or batch, options.seed, options.out or asset)
