"""Speed of one rendered frame on a processor, PyTorch against ONNX Runtime, and how far both are
from what the processor can do.

    python benchmarks/render_speed.py [--threads 2] [--out benchmarks/results/render_speed.json]

Both renderers in turns within one process, one frame at a time, random weights. The floor is
the multiplications of the network's convolutions, as PyTorch has them, at the rate that a plain
3 x 3 convolution of 256 channels reaches in the same rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from thbench.environment import hardware, versions
from thbench.files import write_json
from thbench.images import to_signed
from thbench.paper.config import ours_config
from thbench.paper.head import folded
from thbench.paper.nets.generator import Generator
from thbench.paper.render import Renderer, make_render

PRESETS = ("paper", "small")
RENDERERS: tuple[Renderer, ...] = ("torch", "graph")


@dataclass(frozen=True)
class Row:
    """Median and best wall seconds and median CPU seconds of a frame; seconds until the first."""

    preset: str
    renderer: str
    wall_s: float
    best_s: float
    cpu_s: float
    ready_s: float
    floor_s: float
    grey_levels_apart: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    rows = [row for preset in PRESETS for row in compare(preset, options.rounds)]
    for row in rows:
        print(
            f"{row.preset:6} {row.renderer:6} wall {row.wall_s:.4f} s (best {row.best_s:.4f})  "
            f"CPU {row.cpu_s:.4f} s  ready in {row.ready_s:.2f} s  "
            f"{row.best_s / row.floor_s:.2f} times the floor  "
            f"off by at most {row.grey_levels_apart} grey levels"
        )
    if options.out:
        result = {"threads": options.threads, "rows": [asdict(row) for row in rows]}
        write_json(options.out, {**result, "hardware": hardware(), "versions": versions()})


def compare(preset: str, rounds: int) -> list[Row]:
    """Both renderers of one configuration."""
    net = ours_config(preset).net
    torch.manual_seed(0)
    generator = folded(Generator(net), net).requires_grad_(False)
    adaptive = torch.randn(1, sum(generator.slices)) * 0.3
    drawn = torch.randint(0, 256, (1, 3, net.size_px, net.size_px), dtype=torch.uint8)

    ready_s, renders = {}, {}
    for name in RENDERERS:
        started = time.perf_counter()
        renders[name] = make_render(name, generator, adaptive, net.size_px)
        renders[name](drawn)
        ready_s[name] = time.perf_counter() - started
    apart = int((renders["graph"](drawn).int() - renders["torch"](drawn).int()).abs().max())

    timed: dict[str, list[tuple[float, float]]] = {name: [] for name in RENDERERS}
    peaks = []
    for _ in range(rounds):
        for name in RENDERERS:
            timed[name].append(seconds(partial(renders[name], drawn)))
        peaks.append(products_per_second())

    floor_s = products(generator, to_signed(drawn), adaptive) / max(peaks)
    return [
        Row(
            preset,
            name,
            float(np.median([wall for wall, _ in timed[name]])),
            min(wall for wall, _ in timed[name]),
            float(np.median([cpu for _, cpu in timed[name]])),
            ready_s[name],
            floor_s,
            apart,
        )
        for name in RENDERERS
    ]


def seconds(action: Callable[[], Tensor]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - wall, time.process_time() - cpu


def products(generator: Generator, drawn: Tensor, adaptive: Tensor) -> float:
    """Multiplications of a frame in the convolutions as PyTorch has them, attention left out."""
    counted = 0.0

    def count(module: torch.nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal counted
        assert isinstance(module, torch.nn.Conv2d)
        counted += output.numel() * module.weight[0].numel()

    hooks = [
        module.register_forward_hook(count)
        for module in generator.modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    generator.synthesise(drawn, adaptive)
    for hook in hooks:
        hook.remove()
    return counted


def products_per_second() -> float:
    """What a plain convolution of 256 channels at 64 x 64 reaches."""
    layer = torch.nn.Conv2d(256, 256, 3, padding=1).requires_grad_(False)
    picture = torch.rand(1, 256, 64, 64)
    wall_s, _ = seconds(lambda: layer(picture))
    return picture.numel() * 256 * 9 / wall_s


if __name__ == "__main__":
    main()
