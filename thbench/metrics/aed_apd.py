"""AED and APD, how far expression and pose are off, by coefficients whose estimator is in the name.

"AED" is three different numbers in three lines of papers: so there is no metric of that name alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thbench.metrics.base import MetricCard
from thbench.metrics.formula import FrameFormula, Scores
from thbench.metrics.mediapipe_face import BLENDSHAPES, blendshapes_and_pose, missing

if TYPE_CHECKING:
    from torch import Tensor

    from thbench.method import Frames

Coefficients = NDArray[np.float64]
Estimator = Callable[[NDArray[np.uint8]], Coefficients]  # RGB [N, H, W, 3] -> [N, K], NaN: no face

_NETWORK = "MediaPipe Face Landmarker"
_SETTINGS: dict[str, Any] = {
    "estimator": f"{_NETWORK}, float16, version 1",
    "face": "the first one found, in both frames",
}


def mean_difference(first: Coefficients, second: Coefficients) -> Scores:
    """mean_k |first - second| of [N, K] -> [N]; NaN where one has no face."""
    return np.asarray(np.abs(first - second).mean(1), np.float64)


def aed(estimator: Estimator) -> Callable[[Tensor, Frames], Scores]:
    """The mean difference of the blendshapes that an estimator finds in two frames."""

    def score(generated: Tensor, real: Frames) -> Scores:
        found, true = _both(estimator, generated, real)
        return mean_difference(found[:, :BLENDSHAPES], true[:, :BLENDSHAPES])

    return score


def apd(estimator: Estimator) -> Callable[[Tensor, Frames], Scores]:
    """The mean difference of the three angles, in degrees, the short way round."""

    def score(generated: Tensor, real: Frames) -> Scores:
        found, true = _both(estimator, generated, real)
        turns = (found - true)[:, BLENDSHAPES:]
        return mean_difference((turns + 180) % 360 - 180, np.zeros_like(turns))

    return score


def _both(estimator: Estimator, generated: Tensor, real: Frames) -> tuple[Coefficients, ...]:
    frames = (generated, real.images)
    return tuple(estimator(images.permute(0, 2, 3, 1).numpy()) for images in frames)


AED_MEDIAPIPE = FrameFormula(
    MetricCard(
        name="aed-mediapipe",
        label="AED (MediaPipe)",
        higher_is_better=False,
        unit="",
        value_range="0 to 1, 0 for equal expressions",
        formula="mean over 52 blendshapes of |b(x) - b(y)|",
        settings=_SETTINGS,
        source="portrait-eval-pipeline; not the AED of FOMM (OpenFace) or of 3DMM coefficients",
        policy="drop-pairwise",
        network=_NETWORK,
        compares="pose",
        valid_on="photographs",
    ),
    aed(blendshapes_and_pose),
    missing,
)
APD_MEDIAPIPE = FrameFormula(
    MetricCard(
        name="apd-mediapipe",
        label="APD (MediaPipe)",
        higher_is_better=False,
        unit="deg",
        value_range="0 to 180, 0 for equal poses",
        formula="mean of |yaw(x) - yaw(y)|, |pitch(x) - pitch(y)|, |roll(x) - roll(y)|",
        settings={**_SETTINGS, "angles": "of the facial transformation matrix, about y, x, z"},
        source="the APD of LivePortrait's tables, with MediaPipe's matrix for SMIRK's coefficients",
        policy="drop-pairwise",
        network=_NETWORK,
        compares="pose",
        valid_on="photographs",
    ),
    apd(blendshapes_and_pose),
    missing,
)
