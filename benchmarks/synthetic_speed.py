"""Speed of the synthetic heads: frames per second of one core, read in order and as training reads
them.

OMP_NUM_THREADS=1 python benchmarks/synthetic_speed.py [--out
benchmarks/results/synthetic_speed.json]

Rates are in CPU seconds of the one thread, which neighbours on the machine disturb least; wall
seconds stand beside.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from thbench.data.dataset import videos_of
from thbench.data.synthetic import Synth, synth
from thbench.environment import hardware, versions
from thbench.files import write_json

SIZES_PX = (64, 128, 256)
EPISODE_FRAMES = 9  # a training episode of the paper: K = 8 frames and the one to draw


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    rows = [
        row
        for size_px in SIZES_PX
        for row in (in_order(synth(size_px)), as_episodes(synth(size_px)))
    ]
    for row in rows:
        print(
            f"{row['size_px']:4} px  {row['reading']:32} "
            f"{row['frames_per_cpu_s']:6.0f} frames per CPU second, "
            f"{row['frames_per_s']:6.0f} per second"
        )
    if options.out:
        write_json(options.out, {"rows": rows, "hardware": hardware(), "versions": versions()})


def in_order(heads: Synth) -> dict[str, float | str]:
    """Twelve whole videos of different persons, frame after frame."""
    return timed(
        "whole videos",
        heads,
        [(video, range(video.n_frames)) for video in heads.videos[1::191][:12]],
    )


def as_episodes(heads: Synth) -> dict[str, float | str]:
    """Episodes of random training videos: most begin with a person that must be built first."""
    rng, videos = np.random.default_rng(0), videos_of(heads, "train")
    drawn = rng.permutation(len(videos))[:60]
    return timed(
        f"episodes of {EPISODE_FRAMES} frames",
        heads,
        [(videos[at], rng.permutation(96)[:EPISODE_FRAMES].tolist()) for at in drawn],
    )


def timed(reading: str, heads: Synth, wanted: list) -> dict[str, float | str]:  # type: ignore[type-arg]
    """Reads once to warm up, then everything."""
    heads.read(heads.videos[0], [0])
    wall, cpu = time.perf_counter(), time.process_time()
    frames = sum(len(heads.read(video, positions)) for video, positions in wanted)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "size_px": heads.size_px,
        "reading": reading,
        "frames_per_cpu_s": round(frames / cpu, 1),
        "frames_per_s": round(frames / wall, 1),
    }


if __name__ == "__main__":
    main()
