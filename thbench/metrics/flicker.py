"""Flicker: how far the change from frame to frame is from the true change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thbench.metrics.base import MetricCard
from thbench.metrics.formula import FrameFormula, Scores

if TYPE_CHECKING:
    from torch import Tensor

    from thbench.method import Frames


def flicker(generated: Tensor, real: Frames) -> Scores:
    """uint8 [N, 3, H, W] of one video in time order -> [N]; NaN for a video of one frame.

    An error that is the same in every frame costs nothing.
    """
    if len(generated) < 2:
        return np.full(len(generated), np.nan)

    error = generated.numpy().astype(np.float64) - real.images.numpy().astype(np.float64)
    steps = np.abs(np.diff(error, axis=0)).mean((1, 2, 3)) / 255
    return np.concatenate([steps[:1], steps])


FLICKER = FrameFormula(
    MetricCard(
        name="flicker",
        label="Flicker",
        higher_is_better=False,
        unit="",
        value_range="0 to 2",
        formula=(
            "mean over pixels and RGB of |(x_t - x_(t-1)) - (y_t - y_(t-1))| / 255 for hold-out "
            "frames in time order; the first frame takes the value of the step to the second"
        ),
        settings={"data_range": 1, "step": "one hold-out frame to the next"},
        source="defined here, after the temporal errors of video restoration",
        policy="drop-pairwise",
    ),
    flicker,
)
