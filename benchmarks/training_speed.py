"""What a step of fine-tuning and of meta-training costs, which network takes what of it, whether
its cost grows with the number of training videos, and how long training waits for data.

    OMP_NUM_THREADS=1 python benchmarks/training_speed.py --preset small
        [--videos 100 150000] [--out benchmarks/results/training_speed_small.json]

CPU seconds of one thread. The floor is the products of all convolutions, forward and backward, at
the rate that a plain convolution of 256 channels reaches in the same run, forward and backward.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from lightning.fabric import Fabric
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from thbench.data.episodes import EpisodeBatches, Episodes, EpisodeSampler, episode_loader
from thbench.data.synthetic import synth
from thbench.environment import hardware, versions
from thbench.files import write_json
from thbench.freed_memory import keep_freed_memory
from thbench.images import to_signed
from thbench.paper.config import OursConfig, ours_config
from thbench.paper.finetune import FineTuneConfig, fine_tune
from thbench.paper.meta import OursTrainer
from thbench.paper.nets.discriminator import Discriminator
from thbench.paper.nets.embedder import Embedder
from thbench.paper.nets.generator import Generator
from thbench.perceptual.content import ContentLoss, content_networks
from thbench.training.trainer import VideoShare

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Row:
    """Medians. floor_s and ratio: where operations were counted."""

    what: str
    cpu_s: float
    wall_s: float
    floor_s: float | None = None
    ratio: float | None = None


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    keep_freed_memory()  # as commands do
    config = replace(ours_config(options.preset), warmup_steps=0, shots_min=None)
    config = replace(config, batch=options.batch).without_fetched_weights()

    rate = operations_per_second(options.rounds)
    print(f"a plain convolution, forward and backward: {rate / 1e9:.1f} Gflop/s")
    rows = [
        *networks(config, rate, options.rounds),
        *fine_tuning(config, rate, options.rounds),
        *[meta_training(config, rate, videos, options.rounds) for videos in options.videos],
    ]
    waiting = share_of_waiting(config, options.steps) if options.steps else None
    for row in rows:
        ratio = "" if row.ratio is None else f"  {row.ratio:.2f} times the floor"
        print(f"{row.what:48} CPU {row.cpu_s:9.4f} s  wall {row.wall_s:9.4f} s{ratio}")
    if waiting is not None:
        print(f"waiting for data with 2 workers: {waiting:.1%}")

    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"peak memory of the whole run: {peak_gb:.2f} GB")
    if options.out:
        result = {
            "preset": options.preset,
            "batch": options.batch,
            "flop_per_s": rate,
            "rows": [asdict(row) for row in rows],
            "share_of_waiting": waiting,
            "peak_memory_gb": peak_gb,
        }
        write_json(options.out, {**result, "hardware": hardware(), "versions": versions()})


def networks(config: OursConfig, rate: float, rounds: int) -> list[Row]:
    """Each network alone, forward and backward, for one frame."""
    torch.manual_seed(0)
    net = config.net
    embedder, generator = Embedder(net), Generator(net)
    discriminator = Discriminator(net)
    content = ContentLoss(content_networks(config.content, CPU))
    x, y = (to_signed(random_frames(1, config.size_px)) for _ in range(2))
    adaptive = torch.rand(1, sum(generator.slices), requires_grad=True)
    fake = x.clone().requires_grad_()
    targets = content.targets(x)

    def of_generator() -> Tensor:
        return generator.synthesise(y, adaptive).sum()

    def of_discriminator() -> Tensor:
        return discriminator.describe(fake, y)[0].sum()

    actions: dict[str, Callable[[], Tensor]] = {
        "embedder": lambda: embedder(x, y).sum(),
        "generator": of_generator,
        "discriminator": of_discriminator,
        "content loss": lambda: content.distance(fake, targets),
    }
    return [
        timed(f"{name}, forward and backward", lambda a=action: a().backward(), rate, rounds)  # type: ignore[misc]
        for name, action in actions.items()
    ]


def fine_tuning(config: OursConfig, rate: float, rounds: int) -> list[Row]:
    """A step of fine-tuning on one shot."""
    torch.manual_seed(0)
    generator, discriminator = Generator(config.net), Discriminator(config.net)
    content = ContentLoss(content_networks(config.content, CPU))
    x, y = (to_signed(random_frames(1, config.size_px)) for _ in range(2))
    embedding = torch.rand(config.net.embedding)
    steps = max(1, rounds)
    judged = config.fine_tuning_discriminator_steps or config.discriminator_steps

    def tune(most_steps: int = steps) -> None:
        how = FineTuneConfig(batch=1, most_steps=most_steps, discriminator_steps=judged)
        fine_tune(generator, discriminator, embedding, x, y, content, how, seed=0)

    row = timed(f"fine-tuning step, batch 1, D {judged} times", tune, rate, 1)
    return [
        replace(
            row,
            cpu_s=row.cpu_s / steps,
            wall_s=row.wall_s / steps,
            floor_s=None if row.floor_s is None else row.floor_s / steps,
        )
    ]


def meta_training(config: OursConfig, rate: float, videos: int, rounds: int) -> Row:
    """A step of meta-learning with W of so many videos."""
    trainer = OursTrainer(config, VideoShare.whole(videos), Fabric(accelerator="cpu", devices=1))
    many = random_frames(config.batch * config.shots, config.size_px)
    many = many.view(config.batch, config.shots, *many.shape[1:])
    one = random_frames(config.batch, config.size_px)
    row = torch.arange(config.batch) * (videos // config.batch)
    episodes = Episodes(many, many, one, one, row)
    what = f"meta-training step, batch {config.batch}, {videos} videos"
    return timed(what, lambda: trainer.step([episodes]), rate, rounds)


def share_of_waiting(config: OursConfig, steps: int) -> float:
    """Of wall time, while two workers draw synthetic heads; the first steps are not counted."""
    heads = synth(config.size_px)
    sampler = EpisodeSampler(heads, config.shots, 0)
    trainer = OursTrainer(
        config, VideoShare.whole(len(sampler.training)), Fabric(accelerator="cpu", devices=1)
    )
    warm_up, waited_s, started = 3, 0.0, 0.0
    asked = time.perf_counter()
    loader = episode_loader(EpisodeBatches(heads, sampler, config.batch), 0, steps + warm_up, 2)
    for number, episodes in enumerate(loader):
        if number == warm_up:
            started = asked = time.perf_counter()
        waited_s += (time.perf_counter() - asked) * (number > warm_up)
        trainer.step([episodes])
        asked = time.perf_counter()
    return waited_s / (time.perf_counter() - started)


def timed(what: str, action: Callable[[], object], rate: float, rounds: int) -> Row:
    """Once to warm up, with operations counted, then some rounds."""
    with FlopCounterMode(display=False) as counter:
        action()

    walls, cpus = [], []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        action()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    cpu_s, floor_s = float(np.median(cpus)), counter.get_total_flops() / rate
    return Row(what, cpu_s, float(np.median(walls)), floor_s, cpu_s / floor_s)


def operations_per_second(rounds: int) -> float:
    """Of a convolution of 256 channels at 64 x 64, forward and backward."""
    x = torch.rand(1, 256, 64, 64, requires_grad=True)
    weight = torch.rand(256, 256, 3, 3, requires_grad=True)
    best_s = float("inf")
    for _ in range(rounds + 2):
        cpu = time.process_time()
        torch.autograd.backward(F.conv2d(x, weight, padding=1).sum())
        best_s = min(best_s, time.process_time() - cpu)
    return 3 * 2 * x.numel() * 256 * 9 / best_s


def random_frames(frames: int, size_px: int) -> Tensor:
    random = torch.Generator().manual_seed(0)
    shape = (frames, 3, size_px, size_px)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=random)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="small")
    parser.add_argument("--batch", type=int, default=1, help="episodes of a meta-training step")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--videos", type=int, nargs="+", default=[100, 150_000])
    parser.add_argument("--steps", type=int, default=0, help="to measure waiting; 0: do not")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
