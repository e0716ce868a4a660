"""SSIM against scikit-image on natural images, and against hand-made cases."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage import data
from skimage.metrics import structural_similarity

from thbench.errors import ThbenchError
from thbench.method import Frames
from thbench.metrics.ssim import SSIM, ssim

FACES = Path(__file__).parents[4] / "shared/data/vox1-sample"


def wang(x: NDArray[np.uint8], y: NDArray[np.uint8]) -> float:
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


def distorted(image: NDArray[np.uint8], how: str) -> NDArray[np.uint8]:
    if how == "noise":
        noise = np.random.default_rng(0).normal(0, 20, image.shape)
        return np.clip(image + noise, 0, 255).astype(np.uint8)
    if how == "blur":
        return np.asarray(cv2.GaussianBlur(image, (0, 0), 2), np.uint8)
    if how == "shift":
        return np.roll(image, 3, axis=1)
    return np.asarray(255 - image, np.uint8)


@pytest.mark.parametrize("size", [(256, 256), (64, 64), (11, 30)])
@pytest.mark.parametrize("how", ["noise", "blur", "shift", "negative"])
def test_equals_scikit_image_on_a_photograph(how: str, size: tuple[int, int]) -> None:
    photo = np.asarray(cv2.resize(data.astronaut(), size[::-1]), np.uint8)
    assert ssim(photo, distorted(photo, how)) == pytest.approx(
        wang(photo, distorted(photo, how)), abs=1e-12
    )


@pytest.mark.skipif(not FACES.is_dir(), reason="the real sample is not here")
def test_equals_scikit_image_on_real_frames() -> None:
    files = sorted(FACES.rglob("*.jpg"))[:6]
    frames = [np.asarray(cv2.resize(cv2.imread(str(file)), (256, 256)), np.uint8) for file in files]
    for x, y in pairwise(frames):
        assert ssim(x, y) == pytest.approx(wang(x, y), abs=1e-12)


def test_equal_frames_score_one_and_frames_are_scored_in_order() -> None:
    generated = torch.randint(
        0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    real = generated.clone()
    real[1] = 255 - real[1]
    scores = SSIM.score(generated, Frames(real, torch.zeros(3, 68, 2)))
    assert scores[0] == scores[2] == 1
    assert scores[1] < 0


def test_frames_smaller_than_the_window_are_refused() -> None:
    with pytest.raises(ThbenchError, match="at least 11 pixels"):
        ssim(np.zeros((10, 20, 3), np.uint8), np.zeros((10, 20, 3), np.uint8))
