"""Speed of SSIM with the settings of Wang et al. on 256x256 RGB photographs, one thread.

OMP_NUM_THREADS=1 python benchmarks/ssim_speed.py [--rounds 15] [--out
benchmarks/results/ssim_speed.json]

Ours against scikit-image with the same settings (whose number it must give) and torchmetrics, in
turns within one process; scikit-image's defaults are another metric and stand here for their value.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import structural_similarity_index_measure

from thbench.environment import hardware, versions
from thbench.files import write_json
from thbench.metrics.ssim import ssim

Image = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    rows = compare(photographs(), options.rounds)
    for row in rows:
        print(
            f"{row['form']:24} {row['cpu_ms']:6.1f} CPU ms an image  {row['speed_up']:5.1f}x  "
            f"mean SSIM {row['mean']:.6f}  off by at most {row['error']:.1e}"
        )
    if options.out:
        write_json(
            options.out,
            {"size_px": 256, "rows": rows, "hardware": hardware(), "versions": versions()},
        )


def compare(pairs: list[tuple[Image, Image]], rounds: int) -> list[dict[str, float | str]]:
    """Median CPU milliseconds per image of every form, in turns, and its largest difference from
    scikit-image.
    """
    forms: dict[str, Callable[[Image, Image], float]] = {
        "scikit-image": scikit_image,
        "ours": ssim,
        "torchmetrics float32": torchmetrics_form,
        "scikit-image defaults": scikit_image_defaults,
    }
    times: dict[str, list[float]] = {name: [] for name in forms}
    values: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, form in forms.items():
            start = time.process_time()
            values[name] = [form(x, y) for x, y in pairs]
            times[name].append((time.process_time() - start) / len(pairs) * 1000)
    reference = np.array(values["scikit-image"])
    medians = {name: float(np.median(seconds)) for name, seconds in times.items()}
    return [
        {
            "form": name,
            "cpu_ms": median,
            "speed_up": medians["scikit-image"] / median,
            "mean": float(np.mean(values[name])),
            "error": float(np.abs(np.array(values[name]) - reference).max()),
        }
        for name, median in medians.items()
    ]


def photographs() -> list[tuple[Image, Image]]:
    """Photographs that come with scikit-image, each with a blurred and noisy copy."""
    generator = np.random.default_rng(0)
    pairs = []
    for photo in (data.astronaut(), data.chelsea(), data.coffee(), data.rocket()):
        image = np.asarray(cv2.resize(photo, (256, 256), interpolation=cv2.INTER_AREA), np.uint8)
        noisy = cv2.GaussianBlur(image, (0, 0), 1).astype(np.float64) + generator.normal(
            0, 8, image.shape
        )
        pairs.append((image, np.clip(np.rint(noisy), 0, 255).astype(np.uint8)))
    return pairs


def scikit_image(x: Image, y: Image) -> float:
    return float(
        structural_similarity(
            x,
            y,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
            channel_axis=2,
        )
    )


def scikit_image_defaults(x: Image, y: Image) -> float:
    return float(structural_similarity(x, y, data_range=255, channel_axis=2))


def torchmetrics_form(x: Image, y: Image) -> float:
    a, b = (torch.from_numpy(image).permute(2, 0, 1)[None].float() for image in (x, y))
    similarity = structural_similarity_index_measure(a, b, data_range=255.0)
    assert isinstance(similarity, torch.Tensor)
    return float(similarity)


if __name__ == "__main__":
    main()
