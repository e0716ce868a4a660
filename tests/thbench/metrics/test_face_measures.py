"""Pose, eye and mouth measures: on heads whose every factor is known, and on real frames beside
themselves and their mirror.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from support.posed_heads import Posed, drawn_motions, exact, factors_of

from thbench.data.synthetic import synth
from thbench.data.synthetic.dataset import _studio
from thbench.data.synthetic.render import render
from thbench.method import Frames
from thbench.metrics import detection
from thbench.metrics.base import load_metric
from thbench.metrics.eyes_mouth import (
    eye_aspect_ratio,
    is_closed,
    jaw_opening,
    mouth_aspect_ratio,
)
from thbench.metrics.face_fit import head_pose

SIZE_PX = 256
FACES = Path(__file__).parents[4] / "shared/data/vox1-sample/unzippedFaces/Taylor_Swift"
LANDMARK_METRICS = ["head-pose", "yaw-error", "pitch-error", "roll-error", "ear", "mar", "jaw"]

Measure = Callable[[NDArray[np.float32]], NDArray[np.float64]]
MEASURES: dict[str, Measure] = {
    "yaw": lambda points: head_pose(points, SIZE_PX).yaw,
    "pitch": lambda points: head_pose(points, SIZE_PX).pitch,
    "roll": lambda points: head_pose(points, SIZE_PX).roll,
    "blink": lambda points: -eye_aspect_ratio(points),
    "jaw": lambda points: jaw_opening(points, SIZE_PX),
}
# A smile narrows the eyes of a synthetic head, as it does real ones: an aspect ratio cannot tell it
# from a blink.
LEAKS = {("blink", "smile")}
UNSEEN = ["yaw", "pitch", "roll", "blink", "jaw", "smile", "gaze_x", "gaze_y", "brows"]


@pytest.fixture(scope="module")
def posed() -> Posed:
    return exact(range(400, 420), 150)


@pytest.mark.parametrize("factor", MEASURES)
def test_a_measure_follows_its_factor_and_no_other(posed: Posed, factor: str) -> None:
    measured = MEASURES[factor](posed.landmarks)

    for other in UNSEEN:
        if other != factor and (factor, other) not in LEAKS:
            assert abs(posed.rank_correlation(measured, other)) <= 0.1, other
    assert posed.rank_correlation(measured, factor) >= 0.95


def test_a_smile_leaks_into_the_eyes_and_is_known_to(posed: Posed) -> None:
    assert 0.1 < posed.rank_correlation(-eye_aspect_ratio(posed.landmarks), "smile") < 0.3


def test_mouth_ratio_follows_the_jaw(posed: Posed) -> None:
    assert posed.rank_correlation(mouth_aspect_ratio(posed.landmarks), "jaw") >= 0.95


def test_pose_is_in_degrees(posed: Posed) -> None:
    pose = head_pose(posed.landmarks, SIZE_PX)
    for angle, bound_deg in ((pose.yaw, 4), (pose.pitch, 5), (pose.roll, 1)):
        name = {4: "yaw", 5: "pitch", 1: "roll"}[bound_deg]
        assert np.abs(angle - posed.factors[name]).mean() < bound_deg


def test_shut_eyes_are_found_by_the_usual_opening_of_the_video(posed: Posed) -> None:
    first = posed.person == 0
    ratios = eye_aspect_ratio(posed.landmarks[first])
    blink = posed.factors["blink"][first]
    ratios = np.where(blink > 0.3, np.nan, ratios)  # mostly open, as in a video
    ratios[0], ratios[1] = eye_aspect_ratio(exact(range(400, 401), 2, blink=1.0).landmarks)
    closed = is_closed(ratios)
    assert closed[:2].all()
    assert closed[2:].mean() < 0.1


def test_what_is_turned_to_the_front_comes_back(posed: Posed) -> None:
    points = posed.landmarks[:40]
    pose = head_pose(points, SIZE_PX)
    np.testing.assert_allclose(pose.to_image(pose.to_front(points)), points, atol=1e-3)


def test_landmarks_that_show_no_face_have_no_pose() -> None:
    broken = np.zeros((3, 68, 2), np.float32)
    broken[1] = np.nan
    broken[2, :, 0] = np.arange(68)
    assert np.isnan(head_pose(broken, SIZE_PX).yaw).all()


@pytest.mark.slow
def test_detected_landmarks_tell_poses_well_and_blinks_less_well() -> None:
    random, images, motions, person = np.random.default_rng(3), [], [], []
    for number in range(400, 406):
        studio = _studio(number, 0, SIZE_PX)
        for motion in drawn_motions(random, 18):
            images.append(render(studio, motion)[0])
            motions.append(motion)
            person.append(number)

    points = detection.landmarks(np.stack(images))
    found = np.isfinite(points).all((1, 2))
    factors = {name: values[found] for name, values in factors_of(motions).items()}
    posed = Posed(points[found], np.array(person)[found], factors)
    reached = {
        name: posed.rank_correlation(measure(posed.landmarks), name)
        for name, measure in MEASURES.items()
    }

    # What the detector's own training (few shut eyes, few open mouths, faces from the front) costs.
    assert found.mean() > 0.9
    assert min(reached["yaw"], reached["roll"]) >= 0.95, reached
    assert reached["pitch"] >= 0.8, reached
    assert min(reached["blink"], reached["jaw"]) >= 0.5, reached


@pytest.fixture(scope="module")
def clip() -> torch.Tensor:
    if not FACES.is_dir():
        pytest.skip("the real sample is not here")
    files = sorted(FACES.rglob("*.jpg"))[::24]
    read = [cv2.imread(str(file), cv2.IMREAD_COLOR_RGB) for file in files]
    images = [cv2.resize(image, (SIZE_PX, SIZE_PX)) for image in read if image is not None]
    assert len(images) == len(files)
    return torch.from_numpy(np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2)))


def frames_of(images: torch.Tensor) -> Frames:
    return Frames(images, torch.from_numpy(np.full((len(images), 68, 2), np.nan, np.float32)))


def test_a_real_clip_beside_itself(clip: torch.Tensor) -> None:
    for name in LANDMARK_METRICS:
        scores = load_metric(name).score(clip, frames_of(clip))  # type: ignore[union-attr]
        np.testing.assert_allclose(scores, 0, atol=2e-6, err_msg=name)
    for name in ("blink", "mouth-correlation"):
        scores = load_metric(name).score(clip, frames_of(clip))  # type: ignore[union-attr]
        np.testing.assert_allclose(scores, 1, atol=1e-9, err_msg=name)


def test_a_real_clip_beside_its_mirror(clip: torch.Tensor) -> None:
    mirror = torch.flip(clip, dims=[3])
    plain, flipped = (
        head_pose(detection.landmarks(images.permute(0, 2, 3, 1).numpy()), SIZE_PX)
        for images in (clip, mirror)
    )
    both = np.isfinite(plain.yaw) & np.isfinite(flipped.yaw)
    assert both.sum() >= 8

    # The detector is not symmetric itself: the poses agree but for its own error.
    assert np.median(np.abs(plain.yaw + flipped.yaw)[both]) < 5
    assert np.median(np.abs(plain.roll + flipped.roll)[both]) < 3
    assert np.median(np.abs(plain.pitch - flipped.pitch)[both]) < 5

    yaw_error = load_metric("yaw-error").score(mirror, frames_of(clip))  # type: ignore[union-attr]
    assert spearmanr(yaw_error[both], np.abs(2 * plain.yaw)[both])[0] > 0.8


def test_yaw_agrees_with_another_3d_face(clip: torch.Tensor) -> None:
    """The six points of the widely used OpenCV example, from another source than our face."""
    six = {
        30: (0, 0, 0),
        8: (0, 330, 65),
        36: (-225, -170, 135),
        45: (225, -170, 135),
        48: (-150, 150, 125),
        54: (150, 150, 125),
    }
    solid = np.array(list(six.values()), np.float64)
    camera = np.array([[SIZE_PX, 0, SIZE_PX / 2], [0, SIZE_PX, SIZE_PX / 2], [0, 0, 1.0]])
    points = detection.landmarks(clip.permute(0, 2, 3, 1).numpy()).astype(np.float64)

    theirs = []
    for face in points[np.isfinite(points).all((1, 2))]:
        _, turn, _ = cv2.solvePnP(solid, face[list(six)], camera, None, flags=cv2.SOLVEPNP_SQPNP)
        rotation = cv2.Rodrigues(turn)[0]
        theirs.append(np.degrees(np.arctan2(-rotation[0, 2], rotation[2, 2])))
    ours = head_pose(points, SIZE_PX).yaw
    assert np.corrcoef(ours[np.isfinite(ours)], theirs)[0, 1] > 0.95


def test_synthetic_heads_are_their_own_perfect_score() -> None:
    dataset = synth(SIZE_PX)
    frames = dataset.read(dataset.videos[2000], [0, 20, 40])
    for name in LANDMARK_METRICS:
        assert np.allclose(load_metric(name).score(frames.images, frames), 0, atol=2e-6)  # type: ignore[union-attr]
