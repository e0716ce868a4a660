"""Everything that a GPU is for, in under ten minutes: rendering, few-shot learning, meta-training
and the networks that measure, each way beside the plain one, and Table 2 of the paper.

    python benchmarks/gpu.py [--out benchmarks/results/gpu.json]
    python benchmarks/gpu.py --device cpu --preset small --steps 2 --metric-frames 8

Random weights, random frames: what is timed does not depend on them. The peak is what a product of
two matrices of 8192 reaches in bf16 on the same device, in the same run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from thbench.data.episodes import Episodes
from thbench.device import Precision, chosen_device, laid_out, tensor_cores
from thbench.environment import hardware, versions
from thbench.files import write_json
from thbench.metrics.heads_net import measure
from thbench.paper.config import OursConfig, ours_config
from thbench.paper.finetune import FineTuneConfig, fine_tune
from thbench.paper.head import folded
from thbench.paper.meta import OursTrainer
from thbench.paper.nets.discriminator import Discriminator
from thbench.paper.nets.generator import Generator
from thbench.paper.render import Renderer, make_render
from thbench.perceptual.content import ContentLoss, content_networks
from thbench.training.trainer import VideoShare

PRECISIONS: tuple[Precision, ...] = ("float32", "bf16")
SHOTS = (1, 8, 32)
BATCHES = (1, 8, 32)


@dataclass(frozen=True)
class Row:
    """Median and best wall seconds, CPU seconds, and seconds until the first result was there.

    share_of_peak: of the measured bf16 matrix product; None where operations were not counted.
    """

    what: str
    way: str
    wall_s: float
    best_s: float
    cpu_s: float
    ready_s: float
    share_of_peak: float | None = None


@dataclass(frozen=True)
class Setting:
    config: OursConfig
    device: torch.device
    rounds: int
    steps: int | None  # of fine-tuning; None: all 40 epochs

    @property
    def size_px(self) -> int:
        return self.config.size_px


def main() -> None:
    options = _options()
    device = torch.device(chosen_device(options.device))
    config = replace(ours_config(options.preset), warmup_steps=0)
    if config.content == "caffe":
        config = config.without_fetched_weights()
    setting = Setting(config, device, options.rounds, options.steps)

    peak = matrix_products_per_second(device)
    print(f"{device}: {peak / 1e12:.1f} Tflop/s in bf16")
    rows: list[Row] = []
    for part in (
        rendering(setting, options.compiled),
        few_shot_learning(setting, options.compiled),
        meta_training(setting, peak, options.batch),
        measuring(setting, options.metric_frames),
    ):
        for row in part:
            rows.append(row)
            share = "" if row.share_of_peak is None else f"  {row.share_of_peak:.1%} of the peak"
            print(
                f"{row.what:38} {row.way:28} {row.wall_s * 1e3:10.2f} ms "
                f"(best {row.best_s * 1e3:.2f}, ready in {row.ready_s:.1f} s){share}",
                flush=True,
            )

    if options.out:
        result = {
            "preset": options.preset,
            "peak_flop_per_s": peak,
            "rows": list(map(asdict, rows)),
        }
        write_json(options.out, {**result, "hardware": hardware(), "versions": versions()})


def rendering(setting: Setting, with_compiled: bool) -> Iterator[Row]:
    """Inference of Table 2, per frame: landmark images in memory to frames in memory."""
    net, size_px = setting.config.net, setting.size_px
    torch.manual_seed(0)
    generator = folded(Generator(net).to(setting.device), net).requires_grad_(False)
    adaptive = torch.randn(1, sum(generator.slices), device=setting.device) * 0.3
    renderers: list[Renderer] = ["torch", "compiled"] if with_compiled else ["torch"]

    for renderer, precision, batch in product(renderers, PRECISIONS, BATCHES):
        if setting.device.type == "cpu" and batch > 8:
            continue
        drawn = random_frames(batch, size_px)
        render = make_render(renderer, generator, adaptive, size_px, precision)

        def frames(render: Callable[[Tensor], Tensor] = render, drawn: Tensor = drawn) -> None:
            render(drawn).cpu()

        row = timed(f"a frame, in batches of {batch}", f"{renderer} {precision}", frames, setting)
        yield replace(
            row, wall_s=row.wall_s / batch, best_s=row.best_s / batch, cpu_s=row.cpu_s / batch
        )


def few_shot_learning(setting: Setting, with_compiled: bool) -> Iterator[Row]:
    """Fine-tuning of Table 2: 40 epochs over T shots."""
    config, device = setting.config, setting.device
    torch.manual_seed(0)
    generator = laid_out(Generator(config.net), device)
    discriminator = laid_out(Discriminator(config.net), device)
    content = laid_out(ContentLoss(content_networks(config.content, device)), device)
    embedding = torch.rand(config.net.embedding, device=device)

    for shots, precision, on in product(SHOTS, PRECISIONS, (False, True)):
        if (on and not with_compiled) or (device.type == "cpu" and shots > 1):
            continue
        x = signed(random_frames(shots, setting.size_px), device)
        y = signed(random_frames(shots, setting.size_px), device)
        how = FineTuneConfig(most_steps=setting.steps, precision=precision, compiled=on)

        def tune(x: Tensor = x, y: Tensor = y, how: FineTuneConfig = how) -> None:
            fine_tune(generator, discriminator, embedding, x, y, content, how, seed=0)

        once = replace(setting, rounds=1)
        yield timed(
            f"fine-tuning, T = {shots}", f"{precision}{' compiled' if on else ''}", tune, once
        )


def meta_training(setting: Setting, peak: float, batch: int) -> Iterator[Row]:
    """A step of meta-learning, with copies of its batch from pinned memory."""
    precisions: tuple[Literal["32-true", "bf16-mixed"], ...] = ("32-true", "bf16-mixed")
    for precision in precisions:
        fabric = Fabric(
            accelerator="cuda" if setting.device.type == "cuda" else "cpu",
            devices=1,
            precision=precision,
        )
        config = replace(setting.config, batch=batch, shots_min=None)
        trainer = OursTrainer(config, VideoShare.whole(batch), fabric)
        episodes = random_episodes(batch, config.shots, setting.size_px)
        if setting.device.type == "cuda":
            episodes = episodes.pin_memory()

        def step(trainer: OursTrainer = trainer, episodes: Episodes = episodes) -> None:
            with tensor_cores():
                trainer.step([episodes.to(setting.device)])

        with FlopCounterMode(display=False) as counter:
            step()
        row = timed(f"meta-training step, batch {batch}", precision, step, setting)
        yield replace(row, share_of_peak=counter.get_total_flops() / row.wall_s / peak)


def measuring(setting: Setting, frames: int) -> Iterator[Row]:
    """The networks of the metrics that need no fetched weights, per thousand frames."""
    images = random_frames(frames, setting.size_px)
    row = timed(
        "heads-net, a thousand frames",
        "float32",
        lambda: measure(images, str(setting.device)),
        setting,
    )
    share = 1000 / frames
    yield replace(
        row, wall_s=row.wall_s * share, best_s=row.best_s * share, cpu_s=row.cpu_s * share
    )


def timed(what: str, way: str, action: Callable[[], object], setting: Setting) -> Row:
    """The action once to make it ready, then some rounds."""
    started = time.perf_counter()
    with whole(setting.device):
        action()
    ready_s = time.perf_counter() - started

    walls, cpus = [], []
    for _ in range(setting.rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        with whole(setting.device):
            action()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return Row(what, way, float(np.median(walls)), min(walls), float(np.median(cpus)), ready_s)


@contextmanager
def whole(device: torch.device) -> Iterator[None]:
    """Ends when the device has done all that was begun inside."""
    yield
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_products_per_second(device: torch.device) -> float:
    """Floating-point operations a second of the largest product in bf16."""
    side = 8192 if device.type == "cuda" else 512
    a, b = (torch.rand(side, side, device=device).bfloat16() for _ in range(2))
    best_s = float("inf")
    for _ in range(10):
        started = time.perf_counter()
        with whole(device):
            a @ b
        best_s = min(best_s, time.perf_counter() - started)
    return 2 * side**3 / best_s


def random_frames(frames: int, size_px: int) -> Tensor:
    random = torch.Generator().manual_seed(0)
    shape = (frames, 3, size_px, size_px)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=random)


def signed(frames: Tensor, device: torch.device) -> Tensor:
    return frames.to(device) / 127.5 - 1


def random_episodes(batch: int, shots: int, size_px: int) -> Episodes:
    many = random_frames(batch * shots, size_px).view(batch, shots, 3, size_px, size_px)
    one = random_frames(batch, size_px)
    return Episodes(many, many, one, one, torch.arange(batch))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, help="fine-tuning steps  [default: 40 epochs]")
    parser.add_argument("--batch", type=int, default=8, help="episodes of a meta-training step")
    parser.add_argument("--metric-frames", type=int, default=2048)
    parser.add_argument("--no-compiled", dest="compiled", action="store_false")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
