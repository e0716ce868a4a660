"""Metrics of plain pixels: PSNR, L1, and the black border that warping methods leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from thbench.metrics.base import MetricCard
from thbench.metrics.formula import FrameFormula, Scores

if TYPE_CHECKING:
    from torch import Tensor

    from thbench.method import Frames

PSNR_CAP_DB = 100.0
BLACK = 2  # the brightest channel value that still counts as black, of 255


def psnr_db(generated: Tensor, real: Frames) -> Scores:
    """uint8 [N, 3, H, W] against the true frames -> dB [N]; equal frames, which have no noise, give
    100 dB.
    """
    squares = (_difference(generated, real) ** 2).mean((1, 2, 3))
    with np.errstate(divide="ignore"):
        return np.asarray(np.minimum(10 * np.log10(255.0**2 / squares), PSNR_CAP_DB), np.float64)


def l1(generated: Tensor, real: Frames) -> Scores:
    """uint8 [N, 3, H, W] against the true frames -> [N]."""
    return np.asarray(np.abs(_difference(generated, real)).mean((1, 2, 3)) / 255, np.float64)


def black_border(generated: Tensor, real: Frames) -> Scores:
    """uint8 [N, 3, H, W] -> [N], the part of a frame that is black from the edge inwards: where a
    warp found no source pixels. The true frames are not looked at.
    """
    black = (generated.amax(1) <= BLACK).numpy().astype(np.uint8)
    return np.array([_touching_edge(mask) for mask in black])


def _touching_edge(mask: NDArray[np.uint8]) -> float:
    _, regions = cv2.connectedComponents(mask, connectivity=4)
    edge = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    return float(np.isin(regions, edge[edge > 0]).mean())


def _difference(generated: Tensor, real: Frames) -> NDArray[np.float64]:
    return generated.numpy().astype(np.float64) - real.images.numpy().astype(np.float64)


PSNR = FrameFormula(
    MetricCard(
        name="psnr",
        label="PSNR",
        higher_is_better=True,
        unit="dB",
        value_range="0 to 100",
        formula="10 log10(255^2 / mean squared error over pixels and RGB)",
        settings={"data_range": 255, "equal_frames_db": PSNR_CAP_DB},
        source="standard definition",
        policy="error",
    ),
    psnr_db,
)

L1 = FrameFormula(
    MetricCard(
        name="l1",
        label="L1",
        higher_is_better=False,
        unit="",
        value_range="0 to 1",
        formula="mean over pixels and RGB of |x - y| / 255",
        settings={"data_range": 1},
        source="Siarohin et al., NeurIPS 2019 (first order motion model)",
        policy="error",
    ),
    l1,
)

BLACK_BORDER = FrameFormula(
    MetricCard(
        name="black-border",
        label="Black border",
        higher_is_better=False,
        unit="",
        value_range="0 to 1",
        formula="fraction of pixels in black 4-connected regions that touch the edge of the frame",
        settings={"black": f"every channel <= {BLACK} of 255"},
        source="defined here; black backgrounds count too, so compare with the real row",
        policy="error",
        compares="nothing",
    ),
    black_border,
)
