"""What the smallest pieces of work cost on one thread of a processor: the measured inputs of
`benchmarks/scale_plan.py`.

    python benchmarks/unit_costs.py CLIPS [--out benchmarks/results/unit_costs.json]

CLIPS is a folder in VoxCeleb2's layout. CPU seconds, so that other work on the machine counts
little; the paper preset at 256 pixels with random weights, which cost what trained ones do.
Operations are those that PyTorch counts (a multiplication and an addition are two).
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from lightning.fabric import Fabric
from scale_plan import SHOTS, Costs
from torch.nn.functional import interpolate
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import inception_v3

from protocols.frames import read_images, write_frames
from thbench.data.episodes import EpisodeBatches, EpisodeSampler
from thbench.data.open import open_dataset
from thbench.data.prepare.extract import Recipe
from thbench.data.prepare.prepare import prepare
from thbench.data.splits import SplitRule
from thbench.environment import hardware, versions
from thbench.files import write_json
from thbench.method import Frames
from thbench.metrics.base import is_frame_metric, load_metric
from thbench.paper.config import ours_config
from thbench.paper.head import folded
from thbench.paper.meta import OursTrainer
from thbench.paper.nets.embedder import Embedder
from thbench.paper.nets.generator import Generator
from thbench.paper.render import make_render
from thbench.training.trainer import VideoShare

METRICS = ("ssim", "psnr", "csim-dlib")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        costs = measured(options.clips, Path(folder))

    for name, value in asdict(costs).items():
        print(f"{name}: {value}", flush=True)
    if options.out:
        result: dict[str, Any] = {
            "costs": asdict(costs),
            "hardware": hardware(),
            "versions": versions(),
        }
        write_json(options.out, result)


def measured(clips: Path, folder: Path) -> Costs:
    """All costs, with the data set that the first of them makes."""
    store = folder / "store"
    recipe = Recipe("vox-mp4", size_px=256, landmarks="dlib")
    prepare_s = cpu_s(lambda: prepare(clips, store, recipe, SplitRule(test_fraction=0.2)))
    prepare_memory = memory_bytes()
    sampled_s = sampled(clips, folder / "sampled", replace(recipe, fps=1))
    dataset = open_dataset(str(store))
    frames = sum(video.n_frames for video in dataset.videos)
    source_bytes = sum(file.stat().st_size for file in clips.rglob("*.mp4"))
    store_bytes = sum(file.stat().st_size for file in store.rglob("*") if file.is_file())

    video = max(dataset.videos, key=lambda found: found.n_frames)
    positions = list(range(min(32, video.n_frames)))
    real = dataset.read(video, positions)
    read_s = median_s(lambda: dataset.read(video, positions), 5) / len(positions)

    images = folder / "images"
    write_s = median_s(lambda: write_frames(images, real.images), 3) / len(positions)
    written = sum(file.stat().st_size for file in images.iterdir())

    by_metric = scoring(read_images(images, [f"{i:02d}.png" for i in positions]), real)
    step_s, step_operations = training_step(store)
    embed_operations, render_s, render_operations = rendering()

    return Costs(
        prepare_frame_s=prepare_s / frames,
        prepare_sampled_frame_s=sampled_s,
        prepare_memory_bytes=prepare_memory,
        prepared_frame_bytes=store_bytes / frames,
        source_frame_bytes=source_bytes / frames,
        read_frame_s=read_s,
        step_s=step_s,
        step_operations=step_operations,
        embed_frame_operations=embed_operations,
        render_frame_s=render_s,
        render_frame_operations=render_operations,
        write_frame_s=write_s,
        generated_frame_bytes=written / len(positions),
        score_frame_s=sum(by_metric.values()),
        score_by_metric_s=by_metric,
        prepared_frames=frames,
    )


def sampled(clips: Path, store: Path, recipe: Recipe) -> float:
    """CPU seconds of a frame that is kept, when few of each clip are: all of it is decoded."""
    seconds = cpu_s(lambda: prepare(clips, store, recipe, SplitRule(test_fraction=0.2)))
    return seconds / sum(video.n_frames for video in open_dataset(str(store)).videos)


def scoring(generated: torch.Tensor, real: Frames) -> dict[str, float]:
    """CPU seconds of a frame, by metric; the true frames' part is in it, as in a run of one T."""
    found = {}
    for name in METRICS:
        metric = load_metric(name, "cpu")
        assert is_frame_metric(metric)
        metric.score(generated[:2], replace_frames(real, 2))  # loads what it needs
        found[name] = cpu_s(partial(metric.score, generated, real)) / len(generated)

    # FID's own network is this one but for its weights and details of its pooling.
    network = inception_v3(weights=None, init_weights=False, aux_logits=False).eval()
    resized = interpolate(generated[:16].float() / 127.5 - 1, (299, 299), mode="bilinear")
    with torch.inference_mode():
        found["fid (features)"] = cpu_s(lambda: network(resized)) / len(resized)
    return found


def replace_frames(frames: Frames, count: int) -> Frames:
    return Frames(frames.images[:count], frames.landmarks[:count])


def training_step(store: Path) -> tuple[float, float]:
    """CPU seconds and operations of one step of the paper's training on one episode."""
    config = replace(
        ours_config("paper").without_fetched_weights(), batch=1, shots=SHOTS, warmup_steps=0
    )
    dataset = open_dataset(str(store))
    batches = EpisodeBatches(dataset, EpisodeSampler(dataset, config.shots, 0), config.batch)
    fabric = Fabric(accelerator="cpu", devices=1)
    trainer = OursTrainer(config, VideoShare.whole(len(dataset.videos)), fabric)
    episode = batches[0]

    with FlopCounterMode(display=False) as counter:
        trainer.step([episode])
    return median_s(lambda: trainer.step([episode]), 2), float(counter.get_total_flops())


def rendering() -> tuple[float, float, float]:
    """Operations of embedding a frame; CPU seconds and operations of rendering one."""
    net = ours_config("paper").net
    generator = folded(Generator(net), net).requires_grad_(False)
    embedder = Embedder(net).eval().requires_grad_(False)
    adaptive = torch.randn(1, sum(generator.slices)) * 0.3
    drawn = torch.rand(1, 3, net.size_px, net.size_px) * 2 - 1

    with FlopCounterMode(display=False) as counter:
        embedder(drawn, drawn)
    embedding = float(counter.get_total_flops())
    with FlopCounterMode(display=False) as counter:
        generator.synthesise(drawn, adaptive)

    render = make_render("graph", generator, adaptive, net.size_px)
    render(drawn)
    return embedding, median_s(lambda: render(drawn), 5), float(counter.get_total_flops())


def memory_bytes() -> float:
    """The most that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def median_s(action: Callable[[], Any], rounds: int) -> float:
    return float(np.median([cpu_s(action) for _ in range(rounds)]))


def cpu_s(action: Callable[[], Any]) -> float:
    """CPU seconds of this process."""
    started = time.process_time()
    action()
    return time.process_time() - started


if __name__ == "__main__":
    main()
