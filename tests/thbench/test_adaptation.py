"""Landmark adaptation on heads whose landmarks in any motion are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.posed_heads import drawn_motions

from thbench.adaptation import adapted, adapted_landmarks
from thbench.data.synthetic.head import Head
from thbench.data.synthetic.motion import Motion
from thbench.data.synthetic.person import sample_person
from thbench.data.synthetic.render import project
from thbench.errors import ThbenchError
from thbench.method import Frames
from thbench.metrics.face_fit import head_pose

SIZE_PX = 256


def landmarks(person: int, motions: list[Motion]) -> torch.Tensor:
    head = Head(sample_person(person))
    points = [head.landmarks(head.curves(motion), motion) for motion in motions]
    placed = zip(points, motions, strict=True)
    return torch.from_numpy(
        np.stack([project(each, motion, 8.0, SIZE_PX)[0] for each, motion in placed])
    )


def shape_error(found: torch.Tensor, true: torch.Tensor) -> NDArray[np.float64]:
    """The distance of points after the best shift and scale, in distances of the outer eye
    corners: of shape alone.
    """
    a, b = (points.numpy().astype(float) for points in (found, true))
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    scale = (a * b).sum((1, 2), keepdims=True) / (a * a).sum((1, 2), keepdims=True)
    eyes = np.linalg.norm(b[:, 36] - b[:, 45], axis=1)
    return np.linalg.norm(scale * a - b, axis=2).mean(1) / eyes


def test_the_shape_becomes_the_heads_own_and_the_pose_stays() -> None:
    random = np.random.default_rng(2)
    before, after, pose_before, pose_after = [], [], [], []
    for driver, person in zip(range(400, 412), range(420, 432), strict=True):
        motions = drawn_motions(random, 40, blink=0.1)
        shots = landmarks(person, drawn_motions(random, 8, blink=0.1))
        driving, true = landmarks(driver, motions), landmarks(person, motions)
        moved = adapted_landmarks(driving, shots, SIZE_PX)

        before.append(shape_error(driving, true).mean())
        after.append(shape_error(moved, true).mean())
        true_yaw = np.array([motion.yaw for motion in motions])
        pose_before.append(np.abs(head_pose(driving.numpy(), SIZE_PX).yaw - true_yaw).mean())
        pose_after.append(np.abs(head_pose(moved.numpy(), SIZE_PX).yaw - true_yaw).mean())

    print(np.mean(before), np.mean(after), np.mean(pose_before), np.mean(pose_after))
    assert np.mean(after) < 0.75 * np.mean(before)
    assert sum(a < b for a, b in zip(after, before, strict=True)) >= 11  # of 12 pairs
    assert np.mean(pose_after) < np.mean(pose_before) + 0.5  # degrees


def test_a_person_who_drives_himself_stays_nearly_as_he_is() -> None:
    motions = drawn_motions(np.random.default_rng(1), 40)
    own = landmarks(400, motions)
    assert shape_error(adapted_landmarks(own, own, SIZE_PX), own).max() < 1e-5


def test_the_mouth_still_follows_the_driver() -> None:
    motions = [Motion(jaw=jaw) for jaw in np.linspace(0, 1, 9)]
    driving = landmarks(401, motions)
    moved = adapted_landmarks(driving, landmarks(425, [Motion()]), SIZE_PX)
    gaps = (moved[:, 66, 1] - moved[:, 62, 1]).numpy()
    assert np.corrcoef(gaps, [motion.jaw for motion in motions])[0, 1] > 0.98


def test_pupils_keep_their_place_between_the_corners_of_the_eye() -> None:
    motions = drawn_motions(np.random.default_rng(4), 6, blink=0)
    driving, shots = landmarks(403, motions), landmarks(428, [Motion(), Motion(yaw=9)])
    corners = driving[:, [[36, 39], [42, 45]]]
    eyes = 0.3 * corners[:, :, 0] + 0.7 * corners[:, :, 1]
    eyes[0, 1] = float("nan")

    images = torch.zeros(6, 3, SIZE_PX, SIZE_PX, dtype=torch.uint8)
    moved = adapted(Frames(images, driving, eyes), shots)
    own = moved.landmarks[:, [[36, 39], [42, 45]]]
    expected = 0.3 * own[:, :, 0] + 0.7 * own[:, :, 1]
    expected[0, 1] = float("nan")
    torch.testing.assert_close(moved.pupils, expected, equal_nan=True, atol=1e-3, rtol=0)
    assert adapted(Frames(images, driving), shots).pupils is None


def test_landmarks_that_show_no_face_are_named() -> None:
    own = landmarks(400, [Motion(), Motion(yaw=5)])
    broken = own.clone()
    broken[1] = 0
    with pytest.raises(ThbenchError, match="driving frame 1"):
        adapted_landmarks(broken, own, SIZE_PX)
