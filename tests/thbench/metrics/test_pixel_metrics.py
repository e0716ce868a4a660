"""PSNR, L1, black border and flicker on frames whose scores are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor

from thbench.method import Frames
from thbench.metrics.flicker import FLICKER
from thbench.metrics.pixels import BLACK_BORDER, L1, PSNR


def random_frames(seed: int, n: int = 3) -> Tensor:
    return torch.randint(
        0, 256, (n, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


def real(images: Tensor) -> Frames:
    return Frames(images, torch.zeros(len(images), 68, 2))


def test_psnr_equals_scikit_image_and_is_capped_for_equal_frames() -> None:
    x, y = random_frames(0), random_frames(1)
    y[2] = x[2]
    scores = PSNR.score(x, real(y))
    expected = [
        peak_signal_noise_ratio(b.numpy(), a.numpy(), data_range=255)
        for a, b in zip(x[:2], y[:2], strict=True)
    ]
    assert scores.tolist() == pytest.approx([*expected, 100.0])


def test_l1_does_not_wrap_around_like_bytes() -> None:
    black, white = (
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
        torch.full((1, 3, 8, 8), 255, dtype=torch.uint8),
    )
    assert L1.score(black, real(white)) == [1.0]
    assert L1.score(white, real(white - 51)) == pytest.approx([0.2])


def test_black_border_counts_black_from_the_edge_only() -> None:
    frame = torch.full((1, 3, 10, 10), 128, dtype=torch.uint8)
    frame[:, :, :, :2] = 0  # 20 pixels at the left edge
    frame[:, :, 5:7, 5:7] = 0  # a pupil: black, but inside
    frame[:, 0, 9, 9] = 0  # red alone missing is not black
    assert BLACK_BORDER.score(frame, real(frame)) == [0.2]
    assert BLACK_BORDER.score(torch.zeros_like(frame), real(frame)) == [1.0]
    assert BLACK_BORDER.score(torch.full_like(frame, 9), real(frame)) == [0.0]


def test_flicker_ignores_a_constant_error_and_sees_one_that_comes_and_goes() -> None:
    true = random_frames(0, 4) // 2
    assert FLICKER.score(true + 10, real(true)).tolist() == [0, 0, 0, 0]
    blinking = true.clone()
    blinking[2] += 51
    assert FLICKER.score(blinking, real(true)).tolist() == pytest.approx([0, 0, 0.2, 0.2])
    assert np.isnan(FLICKER.score(true[:1], real(true[:1]))).all()
