"""Pose and expression: landmarks detected again on generated frames, against those of the true
frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from thbench.metrics import detection
from thbench.metrics.base import MetricCard
from thbench.metrics.formula import FrameFormula, Scores

if TYPE_CHECKING:
    from torch import Tensor

    from thbench.method import Frames

_LEFT_EYE, _RIGHT_EYE = 36, 45  # outer corners, iBUG-68
_SETTINGS = {
    "landmarks": "iBUG-68",
    "detector": detection.DETECTOR,
    "reference": (
        "the same detector on the true frame; the dataset's landmarks where it finds no face there"
    ),
}


def akd_px(generated: Tensor, real: Frames) -> Scores:
    """uint8 [N, 3, H, W] against the true frames -> pixels [N]; NaN where no face is detected.

    The mean absolute difference of coordinates, not of points.
    """
    found, true = _pair(generated, real)
    return np.asarray(np.abs(found - true).mean((1, 2)), np.float64)


def nme(generated: Tensor, real: Frames) -> Scores:
    """uint8 [N, 3, H, W] against the true frames -> fraction of the distance of the outer eye
    corners [N]; NaN where no face is detected.
    """
    found, true = _pair(generated, real)
    eyes_px = np.linalg.norm(true[:, _LEFT_EYE] - true[:, _RIGHT_EYE], axis=1)
    error_px = np.linalg.norm(found - true, axis=2).mean(1)
    return np.asarray(error_px / np.where(eyes_px > 0, eyes_px, np.nan))


def detection_failure(generated: Tensor, real: Frames) -> Scores:
    """uint8 [N, 3, H, W] -> 0 or 1 [N]; the true frames are not looked at."""
    found = detection.landmarks(generated.permute(0, 2, 3, 1).numpy())
    return np.asarray(~np.isfinite(found).all((1, 2)), np.float64)


def _pair(generated: Tensor, real: Frames) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    found = detection.landmarks(generated.permute(0, 2, 3, 1).numpy())
    return found.astype(np.float64), detection.true_landmarks(real).astype(np.float64)


AKD = FrameFormula(
    MetricCard(
        name="akd",
        label="AKD",
        higher_is_better=False,
        unit="px",
        value_range="0 upwards; grows with the frame size",
        formula="mean over 68 points and both coordinates of |p - q|",
        settings=_SETTINGS,
        source="Siarohin et al., NeurIPS 2019 (pose-evaluation)",
        policy="drop-pairwise",
        compares="pose",
    ),
    akd_px,
    detection.unavailable,
)

NME = FrameFormula(
    MetricCard(
        name="nme",
        label="NME",
        higher_is_better=False,
        unit="",
        value_range="0 upwards",
        formula="mean over 68 points of ||p - q||, divided by ||q_36 - q_45||",
        settings=_SETTINGS,
        source="Sagonas et al., 300-W, 2013; pose error of Burkov et al., CVPR 2020",
        policy="drop-pairwise",
        compares="pose",
    ),
    nme,
    detection.unavailable,
)

DETECTION_FAILURE = FrameFormula(
    MetricCard(
        name="detection-failure",
        label="No face",
        higher_is_better=False,
        unit="",
        value_range="0 to 1",
        formula="1 where no face is detected in the generated frame, else 0",
        settings={"detector": detection.DETECTOR},
        source="missing-rate of Siarohin et al. (pose-evaluation)",
        policy="error",
        compares="nothing",
    ),
    detection_failure,
    detection.unavailable,
)
