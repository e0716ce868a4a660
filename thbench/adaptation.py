"""Landmark adaptation: another person's pose and motion on the head's own face.

Landmarks of a driver carry the driver's face shape, which a head driven by them takes over (the
limit that section 5 of the paper states). Each frame's landmarks are turned to the front by a fit
of one fixed 3D face; what moves there against the driver's own neutral face is added to the neutral
face of the head, and the sum is turned back into the driver's pose.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thbench.errors import ThbenchError
from thbench.method import Frames
from thbench.metrics.face_fit import HeadPose, head_pose

Array = NDArray[np.float64]
_CORNERS = ((36, 39), (42, 45))  # the landmarks of each eye's corners


def adapted(drive: Frames, shots: Tensor) -> Frames:
    """The driving frames with landmarks as `adapted_landmarks` makes them; pupils, where they are
    known, keep their place between the corners of their eye.
    """
    landmarks = adapted_landmarks(drive.landmarks, shots, drive.size_px)
    pupils = drive.pupils
    if pupils is not None:
        pupils = _moved_along(pupils, drive.landmarks, landmarks)
    return Frames(drive.images, landmarks, pupils)


def adapted_landmarks(driving: Tensor, shots: Tensor, size_px: int) -> Tensor:
    """The driving landmarks with the face shape of the shots: float32 [N, 68, 2] -> [N, 68, 2].

    driving: all frames of one driver, whose neutral face is the median over them. shots: float32
    [T, 68, 2] of the head's person, the median of which is the head's. Both in pixels of square
    frames of `size_px`. Raises `ThbenchError` where no face can be fitted.
    """
    pose, moving = _frontal(driving, size_px, "driving frame")
    _, own = _frontal(shots, size_px, "shot")

    motion = moving - np.median(moving, 0)
    adapted = pose.to_image(np.median(own, 0) + motion)
    return torch.from_numpy(adapted.astype(np.float32))


def _frontal(landmarks: Tensor, size_px: int, what: str) -> tuple[HeadPose, Array]:
    points = landmarks.numpy()
    pose = head_pose(points, size_px)
    broken = np.flatnonzero(~np.isfinite(pose.yaw))
    if len(broken):
        raise ThbenchError(
            f"no face can be fitted to the landmarks of {what} {broken[0]}; leave that frame out"
        )
    return pose, pose.to_front(points)


def _moved_along(pupils: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Pupils [N, 2, 2] moved, turned and scaled as the corners of their eyes were."""
    moved = []
    for eye, corners in enumerate(_CORNERS):
        x, old, new = (
            torch.view_as_complex(points.contiguous())
            for points in (pupils[:, eye], before[:, corners], after[:, corners])
        )
        turn = (new[:, 1] - new[:, 0]) / (old[:, 1] - old[:, 0])
        moved.append(torch.view_as_real(new.mean(1) + turn * (x - old.mean(1))))
    return torch.stack(moved, 1)
