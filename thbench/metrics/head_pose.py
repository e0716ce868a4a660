"""Head pose in degrees: of the face in the generated frame against that in the true one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from thbench.metrics import detection
from thbench.metrics.base import MetricCard
from thbench.metrics.face_fit import FOCAL, HeadPose, head_pose
from thbench.metrics.formula import FrameFormula, Scores

if TYPE_CHECKING:
    from torch import Tensor

    from thbench.method import Frames

POSE_SETTINGS = {
    "landmarks": "iBUG-68",
    "detector": detection.DETECTOR,
    "reference": (
        "the same detector on the true frame; the dataset's landmarks where it finds no face there"
    ),
    "face": "thbench/metrics/face68.csv, the mean of 60 synthetic persons at rest",
    "fit": "PnP (SQPnP, then least squares) on nose and eye corners, 13 points",
    "focal_length": f"{FOCAL:g} frame widths",
}
_PNP = "R = the rotation of a fixed 3D face fitted to the landmarks"


def pose_angle_deg(generated: Tensor, real: Frames) -> Scores:
    """uint8 [N, 3, H, W] against the true frames -> degrees [N]; NaN where no face is detected."""
    found, true = _poses(generated, real)
    return found.angle_to(true)


def poses_of(images: Tensor) -> HeadPose:
    """The poses of the faces detected in uint8 [N, 3, H, W]; NaN where none is."""
    return head_pose(detection.landmarks(images.permute(0, 2, 3, 1).numpy()), images.shape[-1])


def _poses(generated: Tensor, real: Frames) -> tuple[HeadPose, HeadPose]:
    return poses_of(generated), head_pose(detection.true_landmarks(real), real.size_px)


def _of_axis(axis: str, about: str, angle: Callable[[HeadPose], Scores]) -> FrameFormula:
    """The error of one angle of the pose."""

    def error_deg(generated: Tensor, real: Frames) -> Scores:
        found, true = _poses(generated, real)
        turn = angle(found) - angle(true)
        return np.abs((turn + 180) % 360 - 180)

    return FrameFormula(
        MetricCard(
            name=f"{axis}-error",
            label=f"{axis.capitalize()} error",
            higher_is_better=False,
            unit="deg",
            value_range="0 to 180, 0 for equal poses",
            formula=f"|{axis}(R_x) - {axis}(R_y)|, {about}; {_PNP}",
            settings=POSE_SETTINGS,
            source="PRMSE of Ha et al., AAAI 2020 (MarioNETte) by axis, with PnP for OpenFace",
            policy="drop-pairwise",
            compares="pose",
        ),
        error_deg,
        detection.unavailable,
    )


HEAD_POSE = FrameFormula(
    MetricCard(
        name="head-pose",
        label="Head pose",
        higher_is_better=False,
        unit="deg",
        value_range="0 to 180, 0 for equal poses",
        formula=f"arccos((trace(R_x^T R_y) - 1) / 2); {_PNP}",
        settings=POSE_SETTINGS,
        source="the angle between rotations; PnP as in OpenCV's solvePnP",
        policy="drop-pairwise",
        compares="pose",
    ),
    pose_angle_deg,
    detection.unavailable,
)
YAW_ERROR = _of_axis("yaw", "turned to the side", lambda pose: pose.yaw)
PITCH_ERROR = _of_axis("pitch", "turned up or down", lambda pose: pose.pitch)
ROLL_ERROR = _of_axis("roll", "tilted in the image", lambda pose: pose.roll)
